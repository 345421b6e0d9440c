"""huggingface_hub's InferenceClient, which writes some members as Text Generation Inference has them."""
import json
import os

import huggingface_hub

client = huggingface_hub.InferenceClient(base_url=os.environ["SERVER"] + "/v1", api_key="none")
YEARS = {"type": "object", "properties": {"years": {"type": "integer", "minimum": 3, "maximum": 9}}, "required": ["years"],
         "additionalProperties": False}


def ask(**options):
    return client.chat_completion([{"role": "user", "content": "Once upon a time"}],
                                  **{"model": "demo", "max_tokens": 200, **options})


def test_chat_and_stream():
    whole = ask(max_tokens=12, temperature=0)
    assert whole.choices[0].finish_reason == "length" and whole.usage.completion_tokens == 12
    chunks = list(ask(max_tokens=12, temperature=0, stream=True, stream_options={"include_usage": True}))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == whole.choices[0].message.content
    assert chunks[-1].usage.completion_tokens == 12
    entry, = ask(max_tokens=1, logprobs=True, top_logprobs=2).choices[0].logprobs.content
    assert len(entry.top_logprobs) == 2


def test_schema():
    wanted = {"type": "json_schema", "json_schema": {"name": "age", "schema": YEARS, "strict": True}}
    assert 3 <= json.loads(ask(response_format=wanted).choices[0].message.content)["years"] <= 9


def test_tool():
    tool = {"type": "function", "function": {"name": "age", "description": "Tells.", "parameters": YEARS}}
    call, = ask(tools=[tool], tool_choice="required").choices[0].message.tool_calls
    assert call.function.name == "age" and 3 <= json.loads(call.function.arguments)["years"] <= 9


def test_errors():
    try:
        ask(temperature=1000)
        assert False
    except huggingface_hub.errors.HfHubHTTPError as error:
        assert error.response.status_code == 400 and "temperature" in str(error)
