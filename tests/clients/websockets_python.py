"""The websockets package against /v1/ws: its frames, fragments, pings and closing handshakes."""
import asyncio
import json
import os

from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

URL = os.environ["SERVER"].replace("http", "ws", 1) + "/v1/ws"


def ask(socket, **message):
    socket.send(json.dumps(message))
    return json.loads(socket.recv())


def test_streams():
    with connect(URL) as socket:
        assert ask(socket, type="open")["type"] == "session"
        for id in "abc":
            socket.send(json.dumps({"type": "start", "id": id, "request": {"prompt": "Once", "temperature": 0}}))
        texts, open = {id: "" for id in "abc"}, set("abc")
        while open:
            event = json.loads(socket.recv())
            texts[event["id"]] += event.get("text", "")
            if event["type"] == "done":
                open.remove(event["id"])
        assert len(set(texts.values())) == 1 and texts["a"]


def test_pings_fragments_and_sizes():
    with connect(URL) as socket:
        assert socket.ping("are you there").wait(5)
        socket.send(iter(['{"type":', '"ping",', '"id":"x"}']))  # three frames
        assert json.loads(socket.recv()) == {"type": "pong", "id": "x"}
        large = "x" * 900000
        assert ask(socket, type="start", id=large, request="x")["type"] == "refused"
        socket.send("y" * (1 << 20) + "y")
        try:
            socket.recv()
            assert False
        except ConnectionClosedError as closed:
            assert closed.rcvd.code == 1009
    with connect(URL) as socket:
        socket.send(b"{}")
        try:
            socket.recv()
            assert False
        except ConnectionClosedError as closed:
            assert closed.rcvd.code == 1003
    with connect(URL) as socket:
        ask(socket, type="open")
        socket.close(1000, "bye")
        assert socket.close_code == 1000


def test_many_connections():
    async def one(i):
        async with connect_async(URL) as socket:
            await socket.send('{"type": "open"}')
            await socket.send(json.dumps({"type": "start", "id": "a", "request": {"prompt": f"The fox {i}", "max_tokens": 4}}))
            while (event := json.loads(await socket.recv()))["type"] != "done":
                pass
            return event["status"]

    async def all_of_them():
        return await asyncio.gather(*(one(i) for i in range(100)))
    assert set(asyncio.run(all_of_them())) == {"completed"}
