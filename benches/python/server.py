"""Two more yardsticks behind the same frames: Python's `websockets`, and `socketify`, which is µWebSockets with Python
handlers. No limits, no deadlines, no store: only to be compared with.

python server.py websockets|socketify PORT KEYS…      the files those of `tillgate keys create --json`
"""

import asyncio
import json
import sys

PONG = '{"type":"pong"}'
AGAIN = '{"type":"error","error":"expected a known type"}'


def read_keys(files):
    keys = {}
    for file in files:
        with open(file, encoding="utf-8") as lines:
            for line in lines:
                key = json.loads(line)
                keys[key["subject"]] = key["secret"]
    return keys


def answer(keys, text):
    """What a text is answered with."""
    try:
        message = json.loads(text)
    except ValueError:
        return AGAIN
    kind = message.get("type")
    if kind == "ping":
        return PONG
    if kind == "authenticate":
        name = message.get("vendor_id") or message.get("device_id")
        secret = message.get("api_key") or message.get("device_key")
        if secret and keys.get(name) == secret:
            return json.dumps({"type": "authenticated", "name": name}, separators=(",", ":"))
        return '{"type":"error","error":"Invalid credentials"}'
    return AGAIN


async def with_websockets(port, keys):
    from websockets.asyncio.server import serve

    async def handle(socket):
        async for text in socket:
            await socket.send(answer(keys, text))

    async with serve(handle, "127.0.0.1", port, compression=None, ping_interval=None, backlog=4096) as server:
        await server.serve_forever()


def with_socketify(port, keys):
    from socketify import App, AppListenOptions, OpCode

    def hear(socket, text, _opcode):
        socket.send(answer(keys, text), OpCode.TEXT)

    app = App()
    app.ws("/*", {"max_payload_length": 1 << 20, "idle_timeout": 960, "message": hear})
    app.listen(AppListenOptions(port=port, host="127.0.0.1"))
    app.run()


if __name__ == "__main__":
    library, port, *files = sys.argv[1:]
    if library == "websockets":
        asyncio.run(with_websockets(int(port), read_keys(files)))
    else:
        with_socketify(int(port), read_keys(files))
