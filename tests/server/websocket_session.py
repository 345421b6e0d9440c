"""Sessions with /v1/realtime and /v1/ws of `bitnet serve`: websocket_session.py BITNET. Each check_… is one check; the truth
for what is said is POST /v1/chat/completions and /v1/completions, for who may hear it docs/websocket.md."""
import json
import os
import signal
import socket
import threading
import time

import served
from websocket_client import Closed, WebSocket

LONG = os.environ.get("LONG_SESSION") == "1"  # also what has to fill the system's buffers
N_SLOW = 400
N_FLOOD = 5000 if LONG else 300
MESSAGES = served.PROMPT
TOOLS = [{"type": "function", "name": "f", "parameters": {
    "type": "object", "properties": {"n": {"type": "integer", "minimum": 10, "maximum": 99}}, "required": ["n"],
    "additionalProperties": False}}]


class Server(served.Server):
    def socket(self, path, **options):
        socket = WebSocket(self.address, path, **options)
        assert socket.status == 101, socket.head
        return socket

    def memory_mib(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(next(line for line in status if line.startswith("VmRSS")).split()[1]) / 1024

    def cpu_s(self):
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / 100

    def idle(self):
        """Waits until no request runs."""
        deadline = time.time() + 20
        while any(slot["is_processing"] for slot in self.json("GET", "/slots")):
            assert time.time() < deadline
            time.sleep(0.01)


# ---- /v1/realtime ----


class Realtime:
    def __init__(self, server=None, path="/v1/realtime?model=demo", **options):
        self.socket = (server or plain).socket(path, **options)
        self.created = self.socket.receive()
        self.ids = {self.created["event_id"]}

    def send(self, type, **members):
        self.socket.send({"type": type, **members})

    def receive(self):
        event = self.socket.receive()
        assert event["event_id"] not in self.ids
        self.ids.add(event["event_id"])
        return event

    def expect(self, type):
        event = self.receive()
        assert event["type"] == type, event
        return event

    def error(self, code=None, param=None):
        error = self.expect("error")["error"]
        assert isinstance(error["message"], str) and error["type"], error
        assert (code is None or error["code"] == code) and (param is None or error["param"] == param), error
        return error

    def say(self, text, role="user", **members):
        self.send("conversation.item.create", item={
            "type": "message", "role": role,
            "content": [{"type": "output_text" if role == "assistant" else "input_text", "text": text}]}, **members)
        events = [self.expect("conversation.item." + name) for name in ("created", "added", "done")]
        assert events[0]["item"] == events[1]["item"] == events[2]["item"]
        return events[0]

    def respond(self, **members):
        """The events of one response."""
        self.send("response.create", response={"temperature": 0, "max_output_tokens": 8, **members})
        events = [self.receive()]
        while events[-1]["type"] not in ("response.done", "error"):
            events.append(self.receive())
        return events

    def answer(self, **members):
        return text_of(self.respond(**members))


def text_of(events):
    return "".join(e["delta"] for e in events if e["type"] == "response.output_text.delta")


def check_realtime_events():
    rt = Realtime()
    session = rt.created["session"]
    assert rt.created["type"] == "session.created" and session["type"] == "realtime" and session["model"] == "demo"
    assert session["output_modalities"] == ["text"] and session["max_output_tokens"] == "inf"
    item = rt.say("Once upon a time")
    assert item["previous_item_id"] is None and item["item"]["object"] == "realtime.item"
    events = rt.respond()
    whole = plain.chat()["choices"][0]["message"]["content"]
    assert text_of(events) == whole
    types = [e["type"] for e in events]
    assert types[:6] == ["response.created", "rate_limits.updated", "response.output_item.added",
                         "conversation.item.created", "conversation.item.added", "response.content_part.added"], types
    assert types[-5:] == ["response.output_text.done", "response.content_part.done", "response.output_item.done",
                          "conversation.item.done", "response.done"], types
    assert set(types[6:-5]) == {"response.output_text.delta"}
    limit, = events[1]["rate_limits"]
    assert limit["name"] == "requests" and 0 <= limit["remaining"] <= limit["limit"]
    assert events[3]["previous_item_id"] == item["item"]["id"] and events[3]["item"]["status"] == "in_progress"
    done = events[-1]["response"]
    assert events[-5]["text"] == events[-4]["part"]["text"] == whole
    assert done["output"] == [events[-3]["item"]] == [events[-2]["item"]]
    assert done["output"][0]["content"] == [{"type": "output_text", "text": whole}]
    assert done["status"] == "incomplete" and done["status_details"]["reason"] == "max_output_tokens"
    usage = done["usage"]
    assert usage["output_tokens"] == 8 and usage["total_tokens"] == usage["input_tokens"] + 8
    assert {e["response_id"] for e in events[2:-1] if "response_id" in e} == {done["id"]} == {events[0]["response"]["id"]}
    rt.say(" And")
    direct = plain.chat(messages=MESSAGES + [{"role": "assistant", "content": whole}, {"role": "user", "content": " And"}])
    assert rt.answer() == direct["choices"][0]["message"]["content"]
    rt.socket.close()


def check_realtime_items():
    rt = Realtime()
    for place, text, expected in ((None, "b", None), ("root", "a", None), (None, "d", "b")):
        event = rt.say(text, **({"previous_item_id": place} if place else {}))
        assert (event["previous_item_id"] is None) == (expected is None)
        if text == "b":
            b = event["item"]["id"]
    rt.say("c", previous_item_id=b)
    rt.send("response.create", event_id="mine", response={"instructions": "x", "input": [
        {"type": "item_reference", "id": "nobody"}]})
    assert rt.error(param="response.input")["event_id"] == "mine"
    assert rt.answer() == plain.chat(messages=[{"role": "user", "content": t} for t in "abcd"])["choices"][0]["message"][
        "content"]
    rt.send("conversation.item.retrieve", item_id=b)
    assert rt.expect("conversation.item.retrieved")["item"]["content"] == [{"type": "input_text", "text": "b"}]
    rt.send("conversation.item.delete", item_id=b)
    assert rt.expect("conversation.item.deleted")["item_id"] == b
    for type in ("delete", "retrieve"):
        rt.send("conversation.item." + type, item_id=b)
        rt.error("item_not_found", "item_id")
    said = rt.say("told", role="assistant")["item"]["id"]
    rt.send("conversation.item.truncate", item_id=said, content_index=0, audio_end_ms=100)
    rt.error(param="audio_end_ms")
    rt.send("conversation.item.truncate", item_id=said, content_index=0, audio_end_ms=0)
    assert rt.expect("conversation.item.truncated")["audio_end_ms"] == 0
    rt.send("conversation.item.retrieve", item_id=said)
    assert rt.expect("conversation.item.retrieved")["item"]["content"][0]["text"] == ""
    rt.send("conversation.item.create", item={"id": said, "type": "message", "role": "user", "content": []})
    rt.error(param="item.id")
    rt.socket.close()


def check_realtime_session_and_tools():
    rt = Realtime()
    rt.send("session.update", session={"type": "realtime", "instructions": "Be brief.", "temperature": 0,
                                       "max_output_tokens": 8, "tools": TOOLS})
    session = rt.expect("session.updated")["session"]
    assert session["instructions"] == "Be brief." and session["tools"] == TOOLS and session["model"] == "demo"
    rt.send("session.update", session={"type": "realtime", "model": "other"})
    rt.error(param="session.model")
    rt.say("Once upon a time")
    assert rt.answer(tools=[]) == plain.chat(messages=[{"role": "system", "content": "Be brief."}] + MESSAGES)["choices"][
        0]["message"]["content"]
    events = rt.respond(tool_choice="required", max_output_tokens=300, temperature=1.2, seed=3, input=[
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x"}]}])
    types = [e["type"] for e in events]
    assert "response.output_text.delta" not in types and types[-1] == "response.done", types
    deltas = [e for e in events if e["type"] == "response.function_call_arguments.delta"]
    done, = [e for e in events if e["type"] == "response.function_call_arguments.done"]
    assert "".join(e["delta"] for e in deltas) == done["arguments"] and 10 <= json.loads(done["arguments"])["n"] <= 99
    call, = events[-1]["response"]["output"]
    assert call["type"] == "function_call" and call["name"] == done["name"] == "f"
    assert call["call_id"] == done["call_id"] == deltas[0]["call_id"] and events[-1]["response"]["status"] == "completed"
    rt.send("conversation.item.create", item={"type": "function_call_output", "call_id": call["call_id"], "output": "12"})
    for name in ("created", "added", "done"):
        rt.expect("conversation.item." + name)
    assert rt.answer(tool_choice="none") is not None
    rt.socket.close()


def check_realtime_cancel_and_parallel():
    rt = Realtime()
    rt.say("Once upon a time")
    rt.send("response.create", response={"ignore_eos": True, "max_output_tokens": "inf"})
    first = rt.expect("response.created")["response"]["id"]
    rt.send("response.create", event_id="second")
    rt.send("response.create", response={"conversation": "none", "max_output_tokens": 4, "metadata": {"a": "b"}})
    rt.send("response.cancel", response_id=first)
    events, ends = [], 0
    while ends < 2:
        events.append(rt.receive())
        ends += events[-1]["type"] == "response.done"
    rt.send("response.cancel", event_id="again")
    events.append(rt.receive())
    done = {e["response"]["id"]: e["response"] for e in events if e["type"] == "response.done"}
    other, = set(done) - {first}
    assert done[first]["status"] == "cancelled" and done[first]["status_details"]["reason"] == "client_cancelled"
    assert all(item["status"] == "incomplete" for item in done[first]["output"])
    assert done[other]["conversation_id"] is None and done[other]["metadata"] == {"a": "b"}
    errors = {e["error"]["event_id"]: e["error"]["code"] for e in events if e["type"] == "error"}
    assert errors["second"] == "conversation_already_has_active_response", errors
    assert errors["again"] == "response_cancel_not_active", errors
    rt.socket.close()


def check_realtime_refuses():
    rt = Realtime()
    for message, code, param in [
            ("{", None, None), ("[1]", None, None), ("[" * 70, None, None), ('{"a":1,"a":2}', None, None),
            ({"type": "x" * 65}, None, "type"), ({"type": "session.explode", "event_id": "e"}, None, "type"),
            ({"type": "input_audio_buffer.append", "audio": "AAAA"}, "audio_not_supported", "type"),
            ({"type": "input_audio_buffer.commit"}, "audio_not_supported", "type"),
            ({"type": "output_audio_buffer.clear"}, "audio_not_supported", "type"),
            ({"type": "session.update"}, None, "session"),
            ({"type": "session.update", "session": {"output_modalities": ["audio"]}}, "audio_not_supported",
             "session.output_modalities"),
            ({"type": "session.update", "session": {"audio": {"output": {"voice": "cedar"}}}}, "audio_not_supported",
             "session.audio"),
            ({"type": "session.update", "session": {"type": "transcription"}}, None, "session.type"),
            ({"type": "session.update", "session": {"temperature": -1}}, None, "session.temperature"),
            ({"type": "session.update", "session": {"tools": [{"type": "mcp"}]}}, None, "tools[0]"),
            ({"type": "session.update", "session": {"max_output_tokens": 0}}, None, "session.max_output_tokens"),
            ({"type": "session.update", "session": {"truncation": "auto"}}, None, "session.truncation"),
            ({"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": [
                {"type": "input_audio", "audio": "AAAA"}]}}, "audio_not_supported", "item.content[0]"),
            ({"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": [
                {"type": "input_image", "image_url": "file:///etc/passwd"}]}}, None, "item.content[0]"),
            ({"type": "conversation.item.create", "item": {"type": "function_call"}}, None, "item"),
            ({"type": "conversation.item.create", "previous_item_id": "nobody",
              "item": {"type": "message", "role": "user", "content": []}}, None, "previous_item_id"),
            ({"type": "conversation.item.create", "item": {"id": "x" * 129, "type": "message"}}, None, "item.id"),
            ({"type": "response.create"}, None, "response.input"),
            ({"type": "response.create", "response": {"n": 2}}, None, "response.n"),
            ({"type": "response.create", "response": {"instructions": "x", "max_tokens": -5}}, None, "response.max_tokens"),
            ({"type": "response.create", "response": {"instructions": "fox " * 2000}}, "context_length_exceeded", None),
            ({"type": "response.cancel"}, "response_cancel_not_active", None)]:
        rt.socket.send(message)
        error = rt.error(code, param)
        assert error["event_id"] == (message.get("event_id") if isinstance(message, dict) else None)
    rt.socket.send_frame(2, b"{}")
    expect_close(rt.socket, 1003)
    two = plain.socket("/v1/realtime")
    two.receive()
    two.send(" " * (1 << 20) + "{}")
    expect_close(two, 1009)


def check_realtime_conversation_is_bounded():
    rt = Realtime()
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x" * 900000}]}
    for _ in range(4):
        rt.send("conversation.item.create", item=item)
        for _ in range(3):
            rt.receive()
    rt.send("conversation.item.create", item=item)
    rt.error("conversation_full")
    rt.send("session.update", session={"member": "x" * 900000})
    rt.expect("session.updated")
    rt.send("session.update", session={"another": "x" * 900000})
    rt.error(param="session")
    rt.socket.close()


def expect_close(socket, code):
    try:
        while True:
            socket.receive()
    except Closed as closed:
        assert closed.code == code, closed


# ---- /v1/ws ----


class Streams:
    def __init__(self, server=None, session=None, seq=0, headers=None, grace_s=None, **options):
        self.server = server or plain
        self.socket = self.server.socket("/v1/ws", headers=headers, **options)
        if session:
            self.socket.send({"type": "resume", "session": session, "seq": seq})
        else:
            self.socket.send({"type": "open", "grace_s": grace_s})
        self.hello = self.socket.receive()
        if self.hello["type"] == "session":
            self.session = self.hello["session"]
        self.seq = seq

    def start(self, id, **request):
        self.socket.send({"type": "start", "id": id, "request": request or "Once upon a time"})

    def receive(self):
        event = self.socket.receive()
        if "seq" in event:
            assert event["seq"] == self.seq + 1, (event, self.seq)
            self.seq += 1
        return event

    def refused(self, code=None, param=None):
        event = self.receive()
        assert event["type"] == "refused", event
        assert (code is None or event["error"]["code"] == code) and (param is None or event["error"]["param"] == param), event
        return event

    def collect(self, *ids, events=None):
        """Events by stream, until all of these are over."""
        found = {id: [] for id in ids}
        for event in events or []:
            found[event["id"]].append(event)
        while any(not e or e[-1]["type"] not in ("done", "error") for e in found.values()):
            event = self.receive()
            found[event["id"]].append(event)
        return found


def said(events):
    return "".join(e["text"] for e in events if e["type"] == "text")


def check_streams():
    ws = Streams()
    assert ws.hello["resumed"] is False and ws.hello["seq"] == 0 and ws.hello["grace_s"] == 30 and ws.hello["running"] == []
    ws.socket.send({"type": "ping", "id": "p"})
    assert ws.receive() == {"type": "pong", "id": "p"}
    texts = [f"The fox {i}" for i in range(12)]
    for i, text in enumerate(texts):
        if i % 2:
            ws.start(str(i), prompt=text, temperature=0, max_tokens=20)
        else:
            ws.start(str(i), messages=[{"role": "user", "content": text}], temperature=0, max_tokens=20)
    found = ws.collect(*(str(i) for i in range(12)))
    for i, text in enumerate(texts):
        events = found[str(i)]
        if i % 2:
            expected = plain.json("POST", "/v1/completions", {"prompt": text, "temperature": 0, "max_tokens": 20})["choices"][0]["text"]
        else:
            expected = plain.chat(messages=[{"role": "user", "content": text}], max_tokens=20)["choices"][0]["message"]["content"]
        assert said(events) == expected and events[0]["type"] == "started" and events[0]["model"] == "demo"
        assert events[-1]["type"] == "done" and events[-1]["status"] == "completed"
        assert events[-1]["finish_reasons"] == ["length"] and events[-1]["usage"]["completion_tokens"] == 20
    ws.start("two", messages=MESSAGES, n=2, seed=7, max_tokens=5, logprobs=True, return_token_ids=True)
    ws.start("text")
    ws.start("tools", messages=MESSAGES, tool_choice="required", max_tokens=300, temperature=1.2, seed=3, tools=[
        {"type": "function", "function": {k: v for k, v in TOOLS[0].items() if k != "type"}}])
    found = ws.collect("two", "text", "tools")
    choices = plain.chat(n=2, seed=7, max_tokens=5, temperature=None)["choices"]
    for i in (0, 1):
        mine = [e for e in found["two"] if e.get("choice", 0) == i]
        assert said(mine) == choices[i]["message"]["content"]
        assert sum(len(e["logprobs"]) for e in mine if e["type"] == "logprobs") == 5
    assert [len(ids) for ids in found["two"][-1]["token_ids"]] == [5, 5]
    assert found["text"][-1]["usage"]["completion_tokens"] == 16
    call, = [e for e in found["tools"] if e["type"] == "call"]
    arguments = "".join(e["text"] for e in found["tools"] if e["type"] == "arguments" and e["call"] == call["call"])
    assert call["name"] == "f" and 10 <= json.loads(arguments)["n"] <= 99
    assert found["tools"][-1]["finish_reasons"] == ["tool_calls"]
    ws.socket.close()


def check_streams_cancel():
    ws = Streams()
    for i in range(10):  # races between the end and the cancel: either is fine, once
        ws.start("a", prompt="Once", max_tokens=1 + i, ignore_eos=True)
        ws.socket.send({"type": "cancel", "id": "a"})
        events = [ws.receive()]
        while events[-1]["type"] not in ("done", "refused"):
            events.append(ws.receive())
        if events[-1]["type"] == "done" and events[-1]["status"] == "completed":
            events.append(ws.receive())  # the cancel came too late
        assert events[-1]["type"] == "done" or events[-1]["error"]["code"] == "id_not_running", events
        assert sum(e["type"] == "done" for e in events) == 1 and events[0]["type"] == "started", events
    ws.start("b", prompt="Once", max_tokens=400, ignore_eos=True)
    while ws.receive()["type"] != "text":
        pass
    ws.socket.send({"type": "cancel", "id": "b"})
    done = ws.collect("b")["b"][-1]
    assert done["status"] == "cancelled" and done["finish_reasons"] == [None], done
    ws.socket.close()


def check_streams_refuse():
    ws = plain.socket("/v1/ws")
    ws.send({"type": "start", "id": "a", "request": "x"})
    assert ws.receive()["type"] == "refused"
    ws.close()
    ws = Streams()
    for message, code, param in [
            ("{", None, None), ("[]", None, None), ("[" * 70, None, None), ({"type": "dance"}, None, "type"), ({}, None, "type"),
            ({"type": "open"}, None, "type"), ({"type": "resume", "session": ws.session, "seq": 0}, None, "type"),
            ({"type": "start", "id": "a"}, None, "request"), ({"type": "start", "request": "x"}, None, "id"),
            ({"type": "start", "id": "", "request": "x"}, None, "id"),
            ({"type": "start", "id": "x" * 65, "request": "x"}, None, "id"),
            ({"type": "start", "id": 7, "request": "x"}, None, "id"),
            ({"type": "start", "id": "a", "request": {}}, None, "request"),
            ({"type": "start", "id": "a", "request": {"prompt": ["a", "b"]}}, None, "request.prompt"),
            ({"type": "start", "id": "a", "request": {"prompt": "a", "echo": True}}, None, "echo"),
            ({"type": "start", "id": "a", "request": {"prompt": "a", "max_tokens": 0}}, None, "request.max_tokens"),
            ({"type": "start", "id": "a", "request": {"prompt": "fox " * 2000}}, "context_length_exceeded", None),
            ({"type": "start", "id": "a", "request": {"messages": [{"role": "king"}]}}, None, "request.messages[0].role"),
            ({"type": "start", "id": "a", "request": {"messages": MESSAGES, "temperature": "hot"}}, None, "request.temperature"),
            ({"type": "cancel", "id": "a"}, "id_not_running", "id"), ({"type": "cancel"}, None, "id")]:
        ws.socket.send(message)
        event = ws.refused(code, param)
        assert len(json.dumps(event)) < 1000
    ws.start("a", prompt="Once", max_tokens=400, ignore_eos=True)
    ws.start("a", prompt="Once")
    while (event := ws.receive())["type"] != "refused":
        pass
    assert event["id"] == "a" and event["error"]["code"] == "id_in_use"
    ws.socket.send({"type": "close"})
    expect_close(ws.socket, 1000)
    plain.idle()
    gone = Streams(session=ws.session)
    assert gone.hello["error"]["code"] == "session_not_found"


def check_streams_resume():
    whole = plain.json("POST", "/v1/completions", {"prompt": "Once", "max_tokens": 300, "temperature": 0, "ignore_eos": True})
    ws = Streams()
    ws.start("a", prompt="Once", max_tokens=300, temperature=0, ignore_eos=True)
    ws.start("b", prompt="Once", max_tokens=300, temperature=0, ignore_eos=True)
    found = {"a": [], "b": []}
    for step in range(20):  # the connection breaks again and again; what was read last is known, the rest is told again
        for _ in range(25):
            event = ws.receive()
            found[event["id"]].append(event)
            if all(e and e[-1]["type"] == "done" for e in found.values()):
                break
        else:
            ws.socket.drop()
            ws = Streams(session=ws.session, seq=ws.seq)
            assert ws.hello["resumed"] and ws.hello["seq"] >= ws.seq, ws.hello
            continue
        break
    else:
        for id, events in ws.collect("a", "b", events=found["a"] + found["b"]).items():
            found[id] = events
    for events in found.values():
        assert said(events) == whole["choices"][0]["text"]
        assert [e["type"] for e in events[:1] + events[-1:]] == ["started", "done"]
    taken = Streams(session=ws.session, seq=ws.seq)  # while the other is still there
    assert taken.hello["resumed"] and taken.hello["running"] == []
    expect_close(ws.socket, 4409)
    taken.start("c", prompt="Once", max_tokens=3)
    assert taken.collect("c")["c"][-1]["status"] == "completed"
    ahead = Streams(session=taken.session, seq=10**6)
    assert ahead.hello["error"]["code"] == "events_gone"
    taken.socket.close()


def check_streams_expire():
    for grace_s in (0, 1):
        ws = Streams(grace_s=grace_s)
        for i in range(8):
            ws.start(str(i), prompt="Once", max_tokens=450, ignore_eos=True)
        while ws.receive()["type"] != "text":
            pass
        ws.socket.drop()
        began = time.time()
        plain.idle()
        assert time.time() - began < grace_s + 15
        if grace_s:
            time.sleep(max(0, began + grace_s + 0.6 - time.time()))
        assert Streams(session=ws.session, seq=1).hello["error"]["code"] == "session_not_found"


def check_streams_gap_is_told():
    """More is told than a session keeps, to a client that reads it; one that says it has read little of it can't go on there."""
    ws = Streams()
    for i in range(2):
        ws.start(str(i), prompt="Once", max_tokens=480, ignore_eos=True, logprobs=20, temperature=0)
    found = ws.collect("0", "1")
    assert sum(len(json.dumps(e)) for events in found.values() for e in events) > 1 << 20
    ws.socket.drop()
    late = Streams(session=ws.session, seq=3)
    assert late.hello["type"] == "refused" and late.hello["error"]["code"] == "events_gone", late.hello
    first = int(late.hello["error"]["message"].split("resume with seq ")[1].split()[0])
    late.socket.send({"type": "resume", "session": ws.session, "seq": first})
    assert late.socket.receive()["resumed"]
    late.seq = first
    while late.receive()["seq"] < ws.seq:
        pass
    late.socket.close()


def check_streams_belong_to_their_client():
    one = Streams(locked, headers={"Authorization": "Bearer one"})
    one.start("secret", prompt="Once", max_tokens=100, ignore_eos=True)
    while one.receive()["type"] != "text":
        pass
    thief = Streams(locked, session=one.session, headers={"Authorization": "Bearer two"})
    stranger = Streams(locked, session="ws_" + "0" * 24, headers={"Authorization": "Bearer two"})
    assert thief.hello == stranger.hello and thief.hello["error"]["code"] == "session_not_found"
    one.collect("secret")
    one.socket.close()
    ids = {Streams(locked, headers={"Authorization": "Bearer one"}).session for _ in range(50)}
    assert len(ids) == 50 and all(len(id) == 27 for id in ids)


def check_keys():
    for path in ("/v1/realtime", "/v1/ws"):
        assert WebSocket(locked.address, path).status == 401
        assert WebSocket(locked.address, path, headers={"Authorization": "Bearer three"}).status == 401
        browser = locked.socket(path, headers={"Sec-WebSocket-Protocol": "realtime, openai-insecure-api-key.two"})
        assert "sec-websocket-protocol: realtime" in browser.head, browser.head
        browser.close()


def check_slow_readers_slow_themselves():
    slow = Streams(slim, receive_buffer=4096)
    for i in range(64):  # about 1.5 KiB a token
        slow.start(str(i), prompt="Once", max_tokens=N_SLOW, ignore_eos=True, logprobs=20, temperature=0)
    slow.start("64", prompt="Once")
    stream = socket.socket()  # the same over HTTP
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    host, port = slim.address.split(":")
    stream.connect((host, int(port)))
    body = json.dumps({"prompt": ["Once"] * 16, "max_tokens": N_SLOW, "ignore_eos": True, "logprobs": 20, "temperature": 0,
                       "stream": True})
    stream.sendall(f"POST /v1/completions HTTP/1.0\r\nHost: {slim.address}\r\nContent-Type: application/json\r\n"
                   f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
    quick, began = Streams(slim), slim.cpu_s()
    for i in range(10):  # others aren't held up: if they were, this would never end
        quick.start(str(i), prompt="Once", max_tokens=20, ignore_eos=True)
        assert quick.collect(str(i))[str(i)][-1]["status"] == "completed"
    cpu, now = -1, slim.cpu_s()  # what isn't read stands still: all 64 are unfinished, and nothing is computed
    while now > cpu:
        assert now - began < 20  # the server's time, whatever else this machine does; all of it takes longer
        cpu = now
        time.sleep(1)
        now = slim.cpu_s()
    assert slim.memory_mib() - slim_memory < 120, slim.memory_mib()
    data = bytearray()

    def read_stream():
        while piece := stream.recv(1 << 16):
            data.extend(piece)
    reader = threading.Thread(target=read_stream)
    reader.start()  # now both are read: who doesn't read anything for 30 s is cut
    found, refused = {str(i): [] for i in range(64)}, 0
    while any(not e or e[-1]["type"] != "done" for e in found.values()):
        event = slow.receive()
        if event["type"] == "refused":
            refused += event["error"]["code"] == "too_many_streams"
        else:
            found[event["id"]].append(event)
    assert refused == 1
    assert len({said(events) for events in found.values()}) == 1 and all(
        e[-1]["usage"]["completion_tokens"] == N_SLOW for e in found.values())
    slow.socket.close()
    quick.socket.close()
    reader.join()
    lines = [json.loads(line[6:]) for line in data.split(b"\r\n\r\n", 1)[1].decode().split("\n\n") if line[:7] == "data: {"]
    texts = ["".join(c["choices"][0]["text"] for c in lines if c["choices"][0]["index"] == i) for i in range(16)]
    assert data.endswith(b"data: [DONE]\n\n") and set(texts) == {said(found["0"])}


def check_floods():
    ws, n = Streams(), N_FLOOD
    sender = threading.Thread(target=lambda: [ws.start(f"s{i}", prompt="Once", max_tokens=1) for i in range(n)])
    sender.start()
    ended, refused = 0, 0
    while ended + refused < n:
        event = ws.receive()
        ended += event["type"] in ("done", "error")
        refused += event["type"] == "refused"
        assert event["type"] != "refused" or event["error"]["code"] in ("too_many_streams", "queue_full"), event
    sender.join()
    assert ended > 0
    ws.socket.close()
    flood = plain.socket("/v1/realtime")  # a client that sends and doesn't read isn't read from
    flood.socket.settimeout(0.3)
    sent = 0
    try:
        while sent < 200000:
            flood.send({"type": "nonsense", "event_id": "x" * 500})
            sent += 1
    except TimeoutError:
        pass
    assert sent < 200000 and plain.chat()["choices"]
    flood.drop()


def check_unknown_models():
    rt = two.socket("/v1/realtime?model=nobody")
    assert rt.receive()["error"]["code"] == "model_not_found"
    expect_close(rt, 4404)
    ws = Streams(two)
    ws.start("a", model="nobody", prompt="x")
    assert ws.refused("model_not_found")["id"] == "a"
    ws.socket.close()


def check_draining():
    rt, ws, idle, detached = Realtime(two, path="/v1/realtime?model=demo"), Streams(two), Streams(two), Streams(two)
    rt.say("Once upon a time")
    rt.send("response.create", response={"ignore_eos": True, "max_output_tokens": 120})
    rt.expect("response.created")
    ws.start("a", model="demo", prompt="Once", max_tokens=120, ignore_eos=True)
    ws.receive()
    detached.start("a", model="demo", prompt="Once", max_tokens=200, ignore_eos=True)
    detached.receive()
    detached.socket.drop()
    two.process.send_signal(signal.SIGTERM)
    expect_close(idle.socket, 1001)
    assert ws.collect("a")["a"][-1]["usage"]["completion_tokens"] == 120  # what runs is finished
    expect_close(ws.socket, 1001)
    while (event := rt.receive())["type"] != "response.done":
        pass
    assert event["response"]["usage"]["output_tokens"] == 120
    expect_close(rt.socket, 1001)
    assert two.process.wait(30) == 0


def check_end():
    assert [server.stop() for server in (plain, locked, slim)] == [0, 0, 0]


plain = Server("demo")
locked = Server("demo", "--api-key", "one,two")
slim = Server("demo")
two = Server("demo", "other=demo")
slim_memory = slim.memory_mib()
served.run_checks({name: check for name, check in globals().items()
                   if LONG or name not in ("check_slow_readers_slow_themselves", "check_streams_gap_is_told")})
