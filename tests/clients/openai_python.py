"""The openai package against a server: everything through its own types, nothing of the wire."""
import base64
import os
import struct

import openai
from openai import OpenAI

client = OpenAI(base_url=os.environ["SERVER"] + "/v1", api_key="none", max_retries=0)
PROMPT = [{"role": "user", "content": "Once upon a time"}]


def ask(**options):
    return client.chat.completions.create(model="demo", messages=PROMPT, temperature=0, max_tokens=12, **options)


def test_whole():
    answer = ask()
    assert answer.object == "chat.completion" and answer.id.startswith("chatcmpl-")
    assert answer.choices[0].message.role == "assistant" and answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 12
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 12
    assert answer._request_id


def test_stream_is_the_whole_in_pieces():
    whole = ask().choices[0].message.content
    chunks = list(ask(stream=True, stream_options={"include_usage": True}))
    assert chunks[0].choices[0].delta.role == "assistant" and chunks[0].choices[0].delta.content == ""
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == whole
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "length"
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens == 12
    assert len({c.id for c in chunks}) == 1
    assert all(c.choices for c in ask(stream=True))  # no usage chunk unasked


def test_choices_and_seed():
    def texts(seed):
        answer = client.chat.completions.create(model="demo", messages=PROMPT, max_tokens=12, n=3, seed=seed,
                                                temperature=1)
        assert [c.index for c in answer.choices] == [0, 1, 2] and answer.system_fingerprint
        return [c.message.content for c in answer.choices]
    assert texts(7) == texts(7) and len(set(texts(7))) > 1


def test_stop():
    whole = ask().choices[0].message.content
    stop = whole[8:12]
    answer = ask(stop=[stop])
    assert answer.choices[0].finish_reason == "stop"
    assert answer.choices[0].message.content == whole[:whole.index(stop)]
    pieces = "".join(c.choices[0].delta.content or "" for c in ask(stop=stop, stream=True))
    assert pieces == answer.choices[0].message.content


def test_logprobs():
    answer = ask(logprobs=True, top_logprobs=3)
    entries = answer.choices[0].logprobs.content
    assert len(entries) == 12
    assert bytes(b for e in entries for b in e.bytes).decode() == answer.choices[0].message.content
    assert all(len(e.top_logprobs) == 3 and e.logprob == e.top_logprobs[0].logprob for e in entries)
    streamed = [e for c in ask(logprobs=True, top_logprobs=3, stream=True)
                if c.choices[0].logprobs for e in c.choices[0].logprobs.content]
    assert streamed == entries


def test_logit_bias():
    first = ask(logprobs=True).choices[0].logprobs.content[0].token
    token = client.post("/../tokenize", body={"content": first}, cast_to=object)["tokens"][0]
    assert ask(logprobs=True, logit_bias={str(token): -100}).choices[0].logprobs.content[0].token != first


def test_completions():
    answer = client.completions.create(model="demo", prompt=["Once upon a time", "The fox"], max_tokens=4,
                                       temperature=0, n=2)
    assert [c.index for c in answer.choices] == [0, 1, 2, 3]
    assert answer.choices[0].text == answer.choices[1].text != answer.choices[2].text
    streamed = client.completions.create(model="demo", prompt="Once upon a time", max_tokens=4, temperature=0,
                                         stream=True)
    assert "".join(c.choices[0].text for c in streamed) == answer.choices[0].text


def test_echo_logprobs():
    answer = client.completions.create(model="demo", prompt="Once upon a time", max_tokens=1, temperature=0, echo=True,
                                       logprobs=1)
    lists = answer.choices[0].logprobs
    assert lists.token_logprobs[0] is None and lists.top_logprobs[0] is None
    assert len(lists.tokens) == len(lists.text_offset) == answer.usage.prompt_tokens + 1
    for token, logprob, top in list(zip(lists.tokens, lists.token_logprobs, lists.top_logprobs))[1:]:
        assert top[token] == logprob <= max(top.values())
    assert "".join(lists.tokens) == answer.choices[0].text
    scored = client.completions.create(model="demo", prompt="Once upon a time", max_tokens=0, echo=True, logprobs=1)
    assert scored.choices[0].text == "Once upon a time"
    assert scored.choices[0].logprobs.token_logprobs == lists.token_logprobs[:-1]


def test_models():
    models = client.models.list().data
    assert [m.id for m in models] == ["demo"] and models[0].owned_by
    assert client.models.retrieve("demo").id == "demo"
    try:
        client.models.retrieve("other")
        assert False
    except openai.NotFoundError as error:
        assert error.code == "model_not_found"


def test_embeddings():
    one = client.embeddings.create(model="demo", input=["the fox", "the king"])  # base64 beneath
    floats = client.embeddings.create(model="demo", input=["the fox", "the king"], encoding_format="float")
    assert [d.index for d in one.data] == [0, 1] and one.usage.total_tokens == one.usage.prompt_tokens > 0
    for a, b in zip(one.data, floats.data):
        assert len(a.embedding) == len(b.embedding) == 256
        assert all(abs(x - y) < 1e-6 for x, y in zip(a.embedding, b.embedding))
        assert abs(sum(x * x for x in a.embedding) - 1) < 1e-4
    raw = client.embeddings.with_raw_response.create(model="demo", input="the fox", encoding_format="base64")
    assert len(base64.b64decode(raw.http_response.json()["data"][0]["embedding"])) == 256 * struct.calcsize("<f")
    short = client.embeddings.create(model="demo", input="the fox", dimensions=64).data[0].embedding
    assert len(short) == 64 and abs(sum(x * x for x in short) - 1) < 1e-4


def refused(status, param, **options):
    try:
        client.chat.completions.create(model="demo", **{"messages": PROMPT, "max_tokens": 1, **options})
    except openai.APIStatusError as error:
        assert error.status_code == status and error.param == param, (error.status_code, error.param, error.message)
        return error
    assert False, f"{options} was taken"


def test_errors():
    refused(400, "temperature", temperature=-1)
    refused(400, "top_p", top_p=1.1)
    refused(400, "n", n=1000000)
    refused(400, "max_tokens", max_tokens=-1)
    refused(400, "messages", messages=[])
    refused(400, "messages[0].role", messages=[{"role": "king", "content": "x"}])
    refused(400, "messages[0].content[0]", messages=[
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]}])
    refused(400, "logit_bias", logit_bias={"999999": 1})
    refused(400, "top_logprobs", logprobs=True, top_logprobs=1000)
    error = refused(400, None, messages=[{"role": "user", "content": "fox " * 2000}])
    assert isinstance(error, openai.BadRequestError) and error.code == "context_length_exceeded"
    assert error.body["n_ctx"] == 512 and error.body["n_prompt_tokens"] > 512
    assert "maximum context length" in error.message and "exceeds the available context size" in error.message


def test_going_away():
    stream = client.chat.completions.create(model="demo", messages=PROMPT, stream=True, temperature=0)
    next(iter(stream))
    stream.close()
    assert ask().choices[0].finish_reason == "length"


def test_tools_and_schemas():
    from pydantic import BaseModel, Field

    class Answer(BaseModel, extra="forbid"):
        number: int = Field(ge=10, le=99)
    parsed = client.chat.completions.parse(model="demo", messages=PROMPT, response_format=Answer, max_tokens=400)
    assert 10 <= parsed.choices[0].message.parsed.number <= 99
    tool = openai.pydantic_function_tool(Answer, name="answer")
    answer = ask(tools=[tool], tool_choice="required", extra_body={"max_tokens": 400})
    call, = answer.choices[0].message.tool_calls
    assert call.function.name == "answer" and 10 <= Answer.model_validate_json(call.function.arguments).number <= 99


def test_responses():
    whole = client.responses.create(model="demo", input="Once upon a time", temperature=0, max_output_tokens=8)
    assert whole.output_text and whole.status == "incomplete"
    with client.responses.stream(model="demo", input="Once upon a time", temperature=0, max_output_tokens=8) as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
    assert text == whole.output_text
    more = client.responses.create(model="demo", input="And", previous_response_id=whole.id, temperature=0,
                                   max_output_tokens=8)
    assert more.usage.input_tokens > whole.usage.input_tokens
    assert client.responses.retrieve(whole.id).output_text == whole.output_text


def test_batches():
    import io
    import json
    import time
    lines = "\n".join(json.dumps({"custom_id": str(i), "method": "POST", "url": "/v1/chat/completions",
                                  "body": {"messages": PROMPT, "max_tokens": 2}}) for i in range(10))
    file = client.files.create(file=("in.jsonl", io.BytesIO(lines.encode())), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    while batch.status not in ("completed", "failed"):
        time.sleep(0.05)
        batch = client.batches.retrieve(batch.id)
    assert batch.status == "completed" and batch.request_counts.completed == 10
    assert len(client.files.content(batch.output_file_id).text.splitlines()) == 10
