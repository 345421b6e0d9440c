"""client.realtime of the openai package, with and without asyncio; what the wire says must be what its types say."""
import asyncio
import os

from openai import AsyncOpenAI, OpenAI
from openai.types.realtime import RealtimeErrorEvent, RealtimeServerEvent
from pydantic import TypeAdapter

SERVER = os.environ["SERVER"] + "/v1"
client = OpenAI(base_url=SERVER, api_key="none", max_retries=0)
ITEM = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Once upon a time"}]}
# beyond the package's own types: what makes answers comparable
GREEDY = {"type": "response.create", "response": {"temperature": 0, "max_output_tokens": 12}}
SCHEMA = TypeAdapter(RealtimeServerEvent)


def expected(prompt="Once upon a time", **options):
    answer = client.chat.completions.create(model="demo", messages=[{"role": "user", "content": prompt}], temperature=0,
                                            max_tokens=12, **options)
    return answer.choices[0].message.content


def checked(event):
    SCHEMA.validate_python(event.to_dict(mode="json"))  # the package itself takes anything
    return event


def read_until(connection, type):
    events = [checked(connection.recv())]
    while events[-1].type != type:
        assert events[-1].type != "error" or type == "error", events[-1]
        events.append(checked(connection.recv()))
    return events


def test_conversation():
    with client.realtime.connect(model="demo") as connection:
        created = checked(connection.recv())
        assert created.type == "session.created" and created.session.model == "demo"
        connection.session.update(session={"type": "realtime", "instructions": "", "output_modalities": ["text"]})
        assert checked(connection.recv()).session.output_modalities == ["text"]
        connection.conversation.item.create(item=ITEM)
        item = read_until(connection, "conversation.item.done")[-1].item
        connection.send(GREEDY)
        events = read_until(connection, "response.done")
        whole = expected()
        assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == whole
        done = events[-1].response
        assert done.status == "incomplete" and done.status_details.reason == "max_output_tokens"
        assert done.usage.output_tokens == 12 and done.output[0].content[0].text == whole
        connection.conversation.item.retrieve(item_id=item.id)
        assert read_until(connection, "conversation.item.retrieved")[-1].item.content[0].text == "Once upon a time"
        connection.conversation.item.truncate(item_id=done.output[0].id, content_index=0, audio_end_ms=0)
        read_until(connection, "conversation.item.truncated")
        connection.conversation.item.delete(item_id=item.id)
        assert read_until(connection, "conversation.item.deleted")[-1].item_id == item.id


def test_iteration_and_cancel():
    with client.realtime.connect(model="demo") as connection:
        connection.conversation.item.create(item=ITEM)
        connection.send({"type": "response.create", "response": {"ignore_eos": True}})
        n = 0
        for event in connection:
            n += event.type == "response.output_text.delta"
            if event.type == "response.output_text.delta" and n == 3:
                connection.response.cancel()
            if event.type == "response.done":
                break
        assert event.response.status == "cancelled" and event.response.status_details.reason == "client_cancelled"


def test_tools():
    tools = [{"type": "function", "name": "answer", "parameters": {
        "type": "object", "properties": {"n": {"type": "integer", "minimum": 10, "maximum": 99}}, "required": ["n"],
        "additionalProperties": False}}]
    with client.realtime.connect(model="demo") as connection:
        connection.conversation.item.create(item=ITEM)
        connection.response.create(response={"tools": tools, "tool_choice": {"type": "function", "name": "answer"}})
        events = read_until(connection, "response.done")
        call, = events[-1].response.output
        done, = [e for e in events if e.type == "response.function_call_arguments.done"]
        assert call.type == "function_call" and call.name == "answer" and call.arguments == done.arguments
        connection.conversation.item.create(item={"type": "function_call_output", "call_id": call.call_id, "output": "ok"})
        read_until(connection, "conversation.item.done")
        connection.send(GREEDY)
        assert read_until(connection, "response.done")[-1].response.output[0].role == "assistant"


def test_errors():
    with client.realtime.connect(model="demo") as connection:
        read_until(connection, "session.created")
        connection.input_audio_buffer.append(audio="AAAA", event_id="event_mine")
        error = checked(connection.recv())
        assert isinstance(error, RealtimeErrorEvent) and error.error.code == "audio_not_supported"
        assert error.error.event_id == "event_mine" and error.error.type == "invalid_request_error"
        connection.conversation.item.delete(item_id="nobody")
        assert read_until(connection, "error")[-1].error.code == "item_not_found"


def test_handlers():
    said = []
    with client.realtime.connect(model="demo") as connection:
        connection.on("response.output_text.delta", lambda event: said.append(event.delta))
        connection.on("response.done", lambda event: connection.close())
        connection.conversation.item.create(item=ITEM)
        connection.send(GREEDY)
        connection.dispatch_events()
    assert "".join(said) == expected()


def test_async():
    async def one(prompt):
        async with AsyncOpenAI(base_url=SERVER, api_key="none").realtime.connect(model="demo") as connection:
            await connection.conversation.item.create(item={
                "type": "message", "role": "user", "content": [{"type": "input_text", "text": prompt}]})
            await connection.send(GREEDY)
            text = ""
            async for event in connection:
                checked(event)
                if event.type == "response.output_text.delta":
                    text += event.delta
                elif event.type == "response.done":
                    return text

    async def all_of_them():
        return await asyncio.gather(*(one(f"The fox {i}") for i in range(8)))
    assert asyncio.run(all_of_them()) == [expected(f"The fox {i}") for i in range(8)]
