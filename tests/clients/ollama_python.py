"""The ollama package against a server, whose registry is this run's own."""
import asyncio
import json
import os

import ollama

client = ollama.Client(host=os.environ["SERVER"])
GREEDY = {"temperature": 0, "num_predict": 12}
MESSAGES = [{"role": "user", "content": "Once upon a time"}]
TEMPLATE = ("{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}{{ m.role }}: {{ m.content }}\n"
            "{% endfor %}assistant:{% if enable_thinking %}<think>{% endif %}")

CALLER = "{% if tools %}{{ tools | tojson }} <tool_call>{% endif %}{% for m in messages %}{{ m.content }}{% endfor %}"


def ask(**options):
    return client.chat(**{"model": "demo", "messages": MESSAGES, "options": GREEDY, **options})


def test_chat():
    answer = ask()
    assert answer.message.role == "assistant" and answer.message.content and answer.done
    assert answer.done_reason == "length" and answer.eval_count == 12 and answer.prompt_eval_count == 5
    assert answer.total_duration > answer.eval_duration > 0
    parts = list(ask(stream=True))
    assert "".join(p.message.content for p in parts) == answer.message.content
    assert [p.done for p in parts] == [False] * (len(parts) - 1) + [True]


def test_generate():
    answer = client.generate("demo", "Once upon a time", options=GREEDY)
    assert answer.response == ask().message.content
    assert "".join(p.response for p in client.generate("demo", "Once upon a time", options=GREEDY, stream=True)
                   ) == answer.response
    assert client.generate("demo", "And", context=answer.context, options=GREEDY).context[:len(answer.context)
                                                                                        ] == list(answer.context)
    assert client.generate("demo", "Once upon a time", raw=True, options=ollama.Options(**GREEDY)).context is None


def test_async():
    async def run():
        asynchronous = ollama.AsyncClient(host=os.environ["SERVER"])
        parts = [p async for p in await asynchronous.chat("demo", MESSAGES, options=GREEDY, stream=True)]
        return "".join(p.message.content for p in parts)
    assert asyncio.run(run()) == ask().message.content


def test_format():
    schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 10, "maximum": 20}},
              "required": ["n"], "additionalProperties": False}
    answer = ask(format=schema, options={"num_predict": 100, "temperature": 1.5})
    assert 10 <= json.loads(answer.message.content)["n"] <= 20


def test_logprobs():
    answer = ask(logprobs=True, top_logprobs=3)
    assert len(answer.logprobs) == 12 and len(answer.logprobs[0].top_logprobs) == 3


def test_keep_alive():
    assert client.generate("demo").done_reason == "load"
    assert [m.model for m in client.ps().models] == ["demo:latest"]
    assert client.generate("demo", keep_alive=0).done_reason == "unload"
    assert client.ps().models == []
    assert client.chat("demo", keep_alive="5m").done_reason == "load"
    loaded, = client.ps().models
    assert loaded.context_length == 512 and loaded.expires_at and loaded.size > 0


def test_embed():
    answer = client.embed("demo", ["the fox", "the king"])
    assert [len(e) for e in answer.embeddings] == [256, 256]
    assert abs(sum(x * x for x in answer.embeddings[0]) - 1) < 1e-5
    assert len(client.embeddings("demo", "the fox").embedding) == 256


def lookup(town: str, days: int = 1) -> str:
    """
    Looks up the weather.

    Args:
      town: where
      days: for how long
    """


def test_library_tools_and_thinking():
    progress = list(client.create("helper", from_="demo", template=TEMPLATE, system="Help.",
                                  parameters={"temperature": 0, "num_predict": 200}, stream=True))
    assert progress[-1].status == "success"
    assert [m.model for m in client.list().models] == ["demo:latest", "helper:latest"]
    shown = client.show("helper")
    assert shown.capabilities == ["completion", "tools", "thinking"] and shown.template == TEMPLATE
    assert shown.modelinfo[shown.details.family + ".context_length"] == 512 and shown.details.parent_model == "demo"
    assert client.create("caller", from_="demo", template=CALLER).status == "success"
    for seed in range(40):  # a call, or what the format says
        asked = {"model": "caller", "tools": [lookup], "format": {"const": {}},
                 "options": {"temperature": 1.5, "num_predict": 300, "seed": seed}}
        answer = ask(**asked)
        if answer.message.tool_calls:
            break
    function = answer.message.tool_calls[0].function
    assert function.name == "lookup" and isinstance(function.arguments["town"], str)
    calls = [c for p in ask(**asked, stream=True) for c in p.message.tool_calls or []]
    assert calls[0].function == function
    assert client.delete("caller").status == "success"
    history = [*MESSAGES, answer.message, {"role": "tool", "tool_name": "lookup", "content": "sunny"}]
    assert ask(model="helper", messages=history, tools=[lookup]).done
    thought = ask(model="helper", think=True)
    assert thought.message.thinking and not thought.message.content
    assert ask(model="helper", think=False).message.content
    assert client.copy("helper", "twin").status == "success"
    assert client.delete("helper").status == "success" and client.delete("twin").status == "success"
    assert [m.model for m in client.list().models] == ["demo:latest"]


def test_upload():
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../assets/demo/demo.gguf")
    digest = client.create_blob(path)
    assert client.create("uploaded", files={"demo.gguf": digest}).status == "success"
    assert ask(model="uploaded").message.content == ask().message.content
    client.delete("uploaded")


def refused(call):
    try:
        call()
    except ollama.ResponseError as error:
        return error
    raise AssertionError("not refused")


def test_errors():
    assert refused(lambda: client.show("nobody")).status_code == 404
    assert refused(lambda: client.delete("nobody")).status_code == 404
    error = refused(lambda: ask(options={"top_p": 3}))
    assert error.status_code == 400 and "top_p" in error.error
    assert refused(lambda: ask(format={"type": "nothing"})).status_code == 400
    assert refused(lambda: ask(think=True)).status_code == 400
    assert "OWNER" in refused(lambda: client.pull("story")).error
