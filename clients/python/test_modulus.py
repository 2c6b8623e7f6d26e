"""Both sides of Modulus with an ordinary client library, against two demos.

`Till` follows the vendor's documentation against a demo with its simulated terminal, which does
what the cents of an amount say: .00 is paid, .05 is declined, .10 cancelled. `Terminal` is the
terminal itself, so it needs a demo started with `--without-devices`.

A key has one socket and so has a terminal: the tests run one after the other.

By hand: start the two demos with `--ready-file`, name the files in TILLGATE_READY and
TILLGATE_READY_WITHOUT_DEVICES, then run `python -m unittest` in this folder.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import unittest
import urllib.error
import urllib.parse
import urllib.request
import uuid
from datetime import datetime, timedelta, timezone

from peer import Peer, ready

PATIENCE = 15.0


def signature(secret, method, path, timestamp, body):
    """The documented signature: HMAC-SHA256 over method, path, time and the body's digest."""
    text = f"{method}\n{path}\n{timestamp}\n{hashlib.sha256(body).hexdigest()}"
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()).decode()


def instant(at):
    return at.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Modulus(unittest.IsolatedAsyncioTestCase):
    """What both sides share: peers that are let in, and the shapes of their messages."""

    where: dict

    async def open(self, headers, url=None):
        return await Peer.open(self, url or self.where["url"], headers=headers, kind="action")

    async def till(self):
        return await self.open({"x-api-key": self.where["api_key"]})

    def request(self, amount, **more):
        return {"transactionId": str(uuid.uuid4()), "amount": amount, "currency": "PHP", "paymentMethod": "CARD", **more}

    async def pay(self, till, amount, terminal=None, **more):
        """Asks for a payment and returns what was asked."""
        asked = self.request(amount, **more)
        await self.ask(till, asked, terminal)
        return asked

    async def ask(self, till, asked, terminal=None):
        terminal = terminal or self.where["terminal_id"]
        await till.send({"action": "payment", "terminalId": terminal, "paymentRequest": asked})

    async def next(self, peer):
        """The next message that is not about a terminal's presence."""
        while True:
            message = await peer.next()
            if message["action"] != "terminalStatusUpdate":
                return message

    def assert_complete(self, message, asked, status):
        self.assertEqual(message["action"], "paymentComplete", message)
        self.assertEqual(message["transactionId"], asked["transactionId"], message)
        self.assertEqual(message["status"], status, message)
        self.assertEqual(message["terminalId"], self.where["terminal_id"], message)
        self.assertEqual(message["groupId"], self.where["group_id"], message)
        self.assertEqual(message["version"], "v1", message)
        datetime.fromisoformat(message["timestamp"])
        self.assert_response(message["paymentResponse"], asked, status)

    def assert_response(self, response, asked, status):
        self.assertEqual(response["transactionId"], asked["transactionId"], response)
        self.assertEqual(response["status"], status, response)
        if "amount" in response:
            self.assertEqual(response["amount"], asked["amount"], response)
        self.assertEqual(response.get("metadata"), asked.get("metadata"), response)

    def assert_refusal(self, body, code):
        self.assertEqual(body["code"], code, body)
        self.assertEqual(body["error"]["code"], code, body)
        self.assertEqual(body["message"], body["error"]["message"], body)
        datetime.fromisoformat(body["timestamp"])

    async def call(self, method, path, body=None, at=None, **headers):
        """A signed call; gives its status and body. Other headers replace those of the signature."""
        address = self.where["http"] + path
        data = b"" if body is None else json.dumps(body).encode()
        timestamp = instant(at or datetime.now(timezone.utc))
        signed = signature(self.where["api_secret"], method, urllib.parse.urlsplit(address).path, timestamp, data)
        sent = {
            "content-type": "application/json",
            "x-api-key": self.where["api_key"],
            "x-timestamp": timestamp,
            "x-signature": signed,
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        request = urllib.request.Request(address, data=data or None, headers=sent, method=method)
        return await asyncio.to_thread(self._fetch, request)

    def _fetch(self, request):
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, json.load(refusal)


class Till(Modulus):
    """The till's documented flow; a simulated terminal answers."""

    @classmethod
    def setUpClass(cls):
        cls.where = ready("TILLGATE_READY", "modulus")

    async def test_the_key_goes_in_a_header_or_in_the_query(self):
        await (await self.till()).alive()
        await (await self.open({}, f"{self.where['url']}?x-api-key={self.where['api_key']}")).alive()

    async def test_no_key_a_bad_one_and_a_foreign_group_are_refused_at_the_upgrade(self):
        key = self.where["api_key"]
        for headers, status, code in [
            ({}, 401, "UNAUTHORIZED"),
            ({"x-api-key": "mk_of_somebody_else"}, 401, "UNAUTHORIZED"),
            ({"x-api-key": key, "x-group-id": "store-of-others"}, 403, "GROUP_MISMATCH"),
        ]:
            refused, body = await Peer.refused(self, self.where["url"], headers)
            self.assertEqual(refused, status)
            self.assert_refusal(body, code)

    async def test_the_list_has_the_simulated_terminal(self):
        till = await self.till()
        await till.send({"action": "getTerminals"})
        terminals = (await till.expect("terminalsResponse"))["terminals"]
        states = {one["deviceId"]: one["status"] for one in terminals}
        self.assertEqual(states[self.where["terminal_id"]], "online", terminals)

    async def test_a_payment_is_paid_declined_or_cancelled(self):
        till = await self.till()
        asked = await self.pay(till, "1250.00", metadata={"check": "K-118"})
        self.assert_complete(await self.next(till), asked, "SUCCESS")
        asked = await self.pay(till, "25.05")
        message = await self.next(till)
        self.assert_complete(message, asked, "FAILED")
        self.assertEqual(message["paymentResponse"]["errorCode"], "INSUFFICIENT_FUNDS")
        asked = await self.pay(till, "25.10")
        self.assert_complete(await self.next(till), asked, "CANCELLED")

    async def test_a_payment_that_cannot_be_sent_on_is_refused_in_the_documented_words(self):
        till = await self.till()
        asked = self.request("1.00")
        for message, title, text in [
            ({"paymentRequest": asked}, "Bad Request", "terminalId is required"),
            ({"terminalId": self.where["terminal_id"]}, "Bad Request", "paymentRequest is required"),
            ({"terminalId": "lane-of-nobody", "paymentRequest": asked}, "Not Found", "Terminal connection not found"),
        ]:
            await till.send({"action": "payment", **message})
            error = await self.next(till)
            self.assertEqual((error["error"], error["message"]), (title, text), error)
        await till.alive()

    async def test_the_newest_socket_of_a_key_wins(self):
        older = await self.till()
        newer = await self.till()
        told = await older.expect("forceDisconnect")
        self.assertEqual(told["reason"], "NEW_CONNECTION", told)
        await older.closed_with(4409)
        await newer.alive()

    def test_signatures_come_out_as_the_vectors(self):
        body = (
            b'{"transactionId":"0197a1c2-5b3e-7d44-9f10-2a6b8c0d1e2f",'
            b'"amount":"1250.00","currency":"PHP","paymentMethod":"CARD"}'
        )
        for method, path, text, right in [
            ("GET", "/v1/terminals", b"", "+0N+xR7FrU9Fx/UuZoPyVDk3uOS9FYViFqLJEwqA9NE="),
            ("POST", "/v1/terminals/lane-7/payments", body, "YyAIF7fETQjJn0D2L/qKRay9XwWlqVTuPoHP7ictTRQ="),
            ("DELETE", "/v1/webhooks/endpoints/wh_demo1", b"", "QiQHsisQy3Pf0f1AGYXwjnsYjxkUNhrgn/PtKsAOjHU="),
        ]:
            made = signature("demo-secret-lane7", method, path, "2031-03-04T05:06:07.089Z", text)
            self.assertEqual(made, right, path)

    async def test_signed_calls_list_pay_and_look_up(self):
        status, body = await self.call("GET", "/terminals")
        self.assertEqual((status, body["count"]), (200, len(body["terminals"])), body)

        asked = self.request("1250.00", metadata={"check": "K-119"})
        status, body = await self.call("POST", f"/terminals/{self.where['terminal_id']}/payments", asked)
        self.assertEqual((status, body["status"]), (200, "SUCCESS"), body)
        self.assert_response(body["paymentResponse"], asked, "SUCCESS")

        status, body = await self.call("GET", f"/transactions/{asked['transactionId']}")
        self.assertEqual((status, body["status"]), (200, "COMPLETED"), body)
        self.assertEqual(body["request"], asked)
        self.assert_response(body["response"], asked, "SUCCESS")

    async def test_calls_that_cannot_be_right_are_refused_each_with_its_code(self):
        late = datetime.now(timezone.utc) - timedelta(minutes=5.1)
        forged = signature("x", "GET", "/v1/terminals", "", b"")
        for (status, body), expected, code in [
            (await self.call("GET", "/terminals", x_api_key="mk_of_somebody_else"), 401, "UNAUTHORIZED"),
            (await self.call("GET", "/terminals", at=late), 401, "TIMESTAMP_EXPIRED"),
            (await self.call("GET", "/terminals", x_signature=forged), 401, "INVALID_SIGNATURE"),
            (await self.call("GET", "/transactions/of-nobody"), 404, "TRANSACTION_NOT_FOUND"),
        ]:
            self.assertEqual(status, expected, body)
            self.assert_refusal(body, code)


class Terminal(Modulus):
    """The terminal's side, and what the till hears of it."""

    @classmethod
    def setUpClass(cls):
        cls.where = ready("TILLGATE_READY_WITHOUT_DEVICES", "modulus")

    async def terminal(self):
        headers = {"x-api-key": self.where["terminal_api_key"], "x-device-id": self.where["terminal_id"]}
        return await self.open(headers)

    async def both(self):
        terminal = await self.terminal()
        return await self.till(), terminal

    async def offered(self, terminal, asked, action="payment"):
        message = await terminal.expect(action)
        self.assertEqual(message["paymentRequest"], asked, message)
        self.assertEqual(message["terminalId"], self.where["terminal_id"], message)
        self.assertEqual(message["groupId"], self.where["group_id"], message)

    async def answer(self, terminal, asked, status="SUCCESS", **more):
        response = {**asked, "status": status, "timestamp": instant(datetime.now(timezone.utc)), **more}
        if status == "SUCCESS":
            response.setdefault("authorizationCode", "77Q2LM")
        await terminal.send(
            {"action": "paymentResponse", "transactionId": asked["transactionId"], "paymentResponse": response}
        )

    async def acknowledged(self, terminal, asked, result):
        message = await terminal.expect("paymentAck")
        self.assertEqual((message["transactionId"], message["result"]), (asked["transactionId"], result), message)

    async def test_a_payment_travels_to_the_terminal_and_its_result_back(self):
        till, terminal = await self.both()
        asked = await self.pay(till, "25.00", metadata={"check": "K-118"})
        await self.offered(terminal, asked)
        await self.answer(terminal, asked, receiptData="a;b")
        message = await self.next(till)
        self.assert_complete(message, asked, "SUCCESS")
        self.assertEqual(message["paymentResponse"]["receiptData"], "a;b")
        await self.acknowledged(terminal, asked, "accepted")
        await terminal.quiet()

    async def test_a_terminal_has_one_payment_at_a_time(self):
        till, terminal = await self.both()
        asked = await self.pay(till, "25.00")
        await self.offered(terminal, asked)
        second = await self.pay(till, "26.00")
        conflict = await self.next(till)
        self.assertEqual((conflict["error"], conflict["transactionId"]), ("Conflict", second["transactionId"]), conflict)
        await self.answer(terminal, asked, "CANCELLED")
        self.assert_complete(await self.next(till), asked, "CANCELLED")
        await self.acknowledged(terminal, asked, "accepted")

    async def test_a_wrong_amount_is_rejected_and_the_right_one_awaited(self):
        till, terminal = await self.both()
        asked = await self.pay(till, "25.00")
        await self.offered(terminal, asked)
        await self.answer(terminal, asked, amount="250.00")
        await self.acknowledged(terminal, asked, "rejected")
        await self.answer(terminal, asked)
        await self.acknowledged(terminal, asked, "accepted")
        self.assert_complete(await self.next(till), asked, "SUCCESS")

    async def test_a_result_said_twice_is_told_once(self):
        till, terminal = await self.both()
        asked = await self.pay(till, "25.00")
        await self.offered(terminal, asked)
        await self.answer(terminal, asked)
        await self.acknowledged(terminal, asked, "accepted")
        await self.answer(terminal, asked)
        await terminal.expect("paymentAck")
        self.assert_complete(await self.next(till), asked, "SUCCESS")
        await till.send({"action": "ping"})
        self.assertEqual((await self.next(till))["action"], "pong")

    async def test_a_terminal_that_drops_is_asked_when_it_is_back(self):
        till, terminal = await self.both()
        asked = await self.pay(till, "25.00")
        await self.offered(terminal, asked)
        await terminal.socket.close()
        terminal = await self.terminal()
        await self.offered(terminal, asked, "paymentInquiry")
        await self.answer(terminal, asked, "PENDING")
        await self.acknowledged(terminal, asked, "pending")
        await self.answer(terminal, asked)
        self.assert_complete(await self.next(till), asked, "SUCCESS")
        await self.acknowledged(terminal, asked, "accepted")

    async def test_what_was_certainly_not_begun_is_offered_again(self):
        till, terminal = await self.both()
        asked = await self.pay(till, "25.00")
        await self.offered(terminal, asked)
        await terminal.socket.close()
        terminal = await self.terminal()
        await self.offered(terminal, asked, "paymentInquiry")
        await terminal.send({"action": "paymentUnknown", "transactionId": asked["transactionId"]})
        message = await terminal.next()
        if message["action"] == "paymentAck":
            message = await terminal.next()
        self.assertEqual((message["action"], message["paymentRequest"]), ("payment", asked), message)
        await self.answer(terminal, asked)
        self.assert_complete(await self.next(till), asked, "SUCCESS")

    async def test_the_newest_socket_of_a_terminal_wins(self):
        older = await self.terminal()
        newer = await self.terminal()
        told = await older.expect("forceDisconnect")
        self.assertEqual(told["reason"], "NEW_CONNECTION", told)
        await older.closed_with(4409)
        await newer.alive()


if __name__ == "__main__":
    unittest.main()
