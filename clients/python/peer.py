"""A plain WebSocket peer for tests: one JSON object per text frame, and patience with a bound.

It knows no vendor.
"""

import asyncio
import json
import os
import unittest

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

# Long enough for a busy machine, short enough to notice silence.
PATIENCE = 10.0


def ready(variable, dialect):
    """The section of one dialect in the ready file that the demo wrote."""
    name = os.environ.get(variable)
    if not name:
        raise RuntimeError(f"set {variable} to the file that `tillgate demo --ready-file` wrote")
    with open(name, encoding="utf-8") as file:
        return json.load(file)[dialect]


class Peer:
    """One connection and the checks a test makes on it."""

    def __init__(self, case: unittest.TestCase, socket, kind):
        self.case = case
        self.socket = socket
        self.kind = kind

    @classmethod
    async def open(cls, case: unittest.TestCase, url, headers=None, kind="type"):
        """Connects, and closes again when the test ends. `kind` is the key that says what a frame is."""
        socket = await connect(
            url, additional_headers=headers, proxy=None, ping_interval=None, close_timeout=PATIENCE
        )
        case.addAsyncCleanup(socket.close)
        return cls(case, socket, kind)

    @staticmethod
    async def refused(case: unittest.TestCase, url, headers=None):
        """The status and the body with which an upgrade is refused; fails if it is not."""
        with case.assertRaises(InvalidStatus) as refused:
            async with connect(url, additional_headers=headers, proxy=None):
                pass
        response = refused.exception.response
        return response.status_code, json.loads(response.body)

    async def send(self, message):
        await self.socket.send(json.dumps(message))

    async def send_text(self, text):
        await self.socket.send(text)

    async def next(self, patience=PATIENCE):
        """The next frame; fails if none comes in time or it is not one JSON object in text."""
        try:
            frame = await asyncio.wait_for(self.socket.recv(), patience)
        except TimeoutError:
            self.case.fail(f"expected a frame within {patience} s, nothing came")
        except ConnectionClosed as closed:
            self.case.fail(f"expected a frame, the socket closed: {closed}")
        self.case.assertIsInstance(frame, str, "the server sends text frames only")
        message = json.loads(frame)
        self.case.assertIsInstance(message, dict, frame)
        return message

    async def expect(self, kind, patience=PATIENCE):
        """The next frame, which has to be of this type."""
        message = await self.next(patience)
        self.case.assertEqual(message.get(self.kind), kind, message)
        return message

    async def alive(self):
        await self.send({self.kind: "ping"})
        await self.expect("pong")

    async def quiet(self, patience=0.4):
        """Nothing arrives for a while, and the socket stays open."""
        try:
            frame = await asyncio.wait_for(self.socket.recv(), patience)
        except TimeoutError:
            return
        except ConnectionClosed as closed:
            self.case.fail(f"the socket was to stay open: {closed}")
        self.case.fail(f"nothing more was to come: {frame}")

    async def closed_with(self, code):
        """The server closes with this code and says nothing before it."""
        try:
            frame = await asyncio.wait_for(self.socket.recv(), PATIENCE)
        except TimeoutError:
            self.case.fail(f"expected a close {code}, nothing came")
        except ConnectionClosed as closed:
            self.case.assertIsNotNone(closed.rcvd, "the server ended the connection without a close")
            self.case.assertEqual(closed.rcvd.code, code, closed)
            return
        self.case.fail(f"expected a close {code}, a frame came: {frame}")
