"""Requests that mean harm: attack_session.py BITNET FOLDER. Each takes the server two seconds at most, and is answered with a status and
a line that says why; the server goes on. Attacks on HTTP itself are in test_http1.c and its neighbours."""
import json
import os
import re
import sys

from served import PROMPT, Server, run_checks

FOLDER = sys.argv[2]
LIMIT_S = float(os.environ.get("ATTACK_LIMIT_S", "2"))
GRAMMAR_BYTES = (256 + 96) << 20  # what one may take while it is compiled, and while it runs
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def resident_bytes():
    with open(f"/proc/{server.process.pid}/status") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1)) * 1024


def is_sanitized():
    """Then neither time nor memory are the server's own."""
    with open(f"/proc/{server.process.pid}/maps") as file:
        return bool(re.search("lib[at]san", file.read()))


def cpu_seconds():
    """Of the server: the time that other programs don't lengthen."""
    with open(f"/proc/{server.process.pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def attack(path, body, expected, param=None, part="", raw=None, most_bytes=64 << 20):
    """Sends it; the answer must come in time, and be one of the statuses with one line that names the place."""
    data = raw if raw is not None else json.dumps(body).encode()
    before, begun = resident_bytes(), cpu_seconds()
    response, answer = server.ask("POST", path, data)
    took, grown = cpu_seconds() - begun, resident_bytes() - before
    what = (path, data[:120], response.status, answer[:300])
    assert response.status in (expected if isinstance(expected, tuple) else (expected,)), what
    assert took < LIMIT_S or sanitized, (took, what)
    if response.status >= 400:
        assert grown <= 2 * len(data) + most_bytes or sanitized, (grown, what)
        error = json.loads(answer)["error"]
        message = error["message"] if isinstance(error, dict) else error
        assert message and "\n" not in message and part in message, what
        assert param is None or error["param"] == param, what
        assert response.status != 500, what
    return answer


def chat(expected=400, param=None, part="", most_bytes=64 << 20, **members):
    return attack("/v1/chat/completions", {"messages": PROMPT, "max_tokens": 2, **members}, expected, param, part,
                  most_bytes=most_bytes)


def check_json_that_is_none():
    """69: bad JSON, members twice, nesting, numbers that JSON hasn't."""
    for raw, part in [(b'{"messages": [', ""), (b'{"n": 1, "n": 2}', ""), (b'{"x":' + b"[" * 65 + b"]" * 65 + b"}", ""),
                      (b'{"x":' * 3000, ""), (b'{"temperature": NaN}', ""), (b'{"temperature": 1e999}', ""),
                      (b'{"messages": "\\ud800"}', ""), (b'{"a":"\xc0\xaf"}', ""), (b"", ""), (b"\x00", ""), (b"null", "")]:
        attack("/v1/chat/completions", None, 400, part=part, raw=raw)


def check_numbers_out_of_range():
    """70, F1.15, F1.17: every number has a range, and its name is told."""
    for name, values in {"temperature": [-1, 1e30, "1"], "top_p": [-0.1, 1.1], "top_k": [-2], "min_p": [2], "n": [0, 10**6, -1],
                         "max_tokens": [-1, 0, 2**31, 1.5], "seed": [-2, "1"], "presence_penalty": [1e9], "top_logprobs": [10**6],
                         "frequency_penalty": [-1e9], "repetition_penalty": [0], "min_tokens": [-1], "priority": [10**9],
                         "mirostat": [9], "t_max_predict_ms": [-1]}.items():
        for value in values:
            chat(param=name, **{name: value})
    chat(part="beyond 64 bits", seed=2**64)
    chat(param="logit_bias", logit_bias={"999999999": 1})
    chat(param="logit_bias", logit_bias={"x": 1})
    chat(param="logit_bias", logit_bias={str(i): 1 for i in range(100001)})
    chat(param="logit_bias", logit_bias=[[1]])
    chat(param="stop", stop=["x"] * 1000)
    chat(param="stop_token_ids", stop_token_ids=[2**31 - 1])
    chat(200, stop="")
    for name, value in [("best_of", 0), ("best_of", 10**6), ("n", 10**6), ("logprobs", 10**6), ("max_tokens", -5)]:
        attack("/v1/completions", {"prompt": "a", name: value}, 400, name)
    attack("/v1/completions", {"prompt": "a", "n": 3, "best_of": 2}, 400, "best_of")
    attack("/v1/completions", {"prompt": ["a"] * 3000, "n": 64}, 400)
    attack("/completion", {"prompt": "a", "n_predict": -2}, 400, "n_predict")
    attack("/completion", {"prompt": "a", "n_probs": 65}, 400, "n_probs")
    attack("/detokenize", {"tokens": [-1]}, 400)
    attack("/detokenize", {"tokens": [2**31 - 1]}, 400, "tokens")


def check_messages_that_are_none():
    """71: no messages, strange roles, parts, prompts that don't fit; F1.17: empty prompts."""
    chat(messages=[], param="messages")
    chat(messages=[{"role": "root", "content": "x"}], param="messages[0].role")
    chat(messages=[{"content": "x"}])
    chat((200, 400), messages=[{"role": "user", "content": None}])
    chat(messages=[{"role": "user", "content": [{"type": "hologram"}]}], part="hologram")
    chat(messages=[{"role": "user", "content": ""}] * 100001, param="messages")
    answer = json.loads(chat(messages=[{"role": "user", "content": "fox " * 5000}], part="maximum context length"))["error"]
    assert answer["code"] == "context_length_exceeded" and answer["n_ctx"] < answer["n_prompt_tokens"]
    attack("/v1/completions", {"prompt": "", "max_tokens": 1}, 200)
    attack("/v1/completions", {"prompt": [], "max_tokens": 1}, 400, "prompt")
    attack("/v1/completions", {"prompt": [[]], "max_tokens": 1}, 400)
    attack("/v1/completions", {"prompt": [-1], "max_tokens": 1}, 400)
    attack("/v1/completions", {"prompt": [10**9], "max_tokens": 1}, 400)


def check_models_that_are_none():
    """72: names of models are no paths."""
    for name in ("no-such-model", "../../../etc/passwd", "/dev/zero", "a\u0000b", "x" * 100000):
        response, answer = known.ask("POST", "/v1/chat/completions", {"model": name, "messages": PROMPT})
        assert response.status in (400, 404) and len(answer) < 2000, (name[:20], response.status, answer[:200])
    any_name = Server()
    demo = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../assets/demo/demo.gguf")
    assert os.path.exists(demo)
    for name in (demo, os.path.relpath(demo), "/etc/passw", "demo/../demo"):
        response, answer = any_name.ask("POST", "/v1/chat/completions", {"model": name, "messages": PROMPT})
        assert response.status == 404 and b"mean" not in answer, (name, response.status, answer[:200])
    any_name.json("POST", "/v1/chat/completions", {"model": "demo", "messages": PROMPT, "max_tokens": 1})


def check_schemas_and_grammars():
    """73, F1.16: what can't be compiled in bounds is refused, never ignored."""
    deep = {}
    for _ in range(28):
        deep = {"properties": {"a": deep}}
    hard = "(" + "|".join(f"(a|b)*a(a|b){{{n}}}" for n in range(12, 24)) + ")"
    for members, expected in [
            ({"guided_json": {"$ref": "#"}}, 400),
            ({"guided_json": {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}}, 400),
            ({"guided_json": {"$ref": "http://169.254.169.254/x"}}, 400),
            ({"guided_json": {"type": "string", "pattern": "^+a"}}, 400),
            ({"guided_json": {"type": "string", "pattern": "(a+)+$"}}, 200),
            ({"guided_json": deep}, 200),
            ({"guided_json": '{"properties":{"a":' * 10000 + "{}" + "}}" * 10000}, 400),
            ({"guided_json": {"type": "integer", "minimum": 5, "maximum": 4}}, 400),
            ({"guided_json": {"type": "array", "minItems": 10**12}}, (200, 400)),
            ({"guided_json": 5}, 400), ({"guided_json": []}, 400), ({"guided_json": "{"}, 400),
            ({"guided_regex": "^+[a-z]$"}, 400), ({"guided_regex": "("}, 400), ({"guided_regex": "a{100000}{100000}"}, 400),
            ({"guided_regex": hard}, (200, 400)),
            ({"grammar": "root ::= " + "(" * 60000}, 400), ({"grammar": "root ::= root"}, 400), ({"grammar": "x"}, 400),
            ({"guided_regex": "(((((((a?){8}b?){8}c?){8})?){8}d?){8}e?){4}"}, 400),
            ({"grammar": "root ::= " + "a b " * 200 + "\na ::= [a-z]{0,9}\nb ::= [0-9]*"}, (200, 400)),
            ({"grammar": "root ::= " + " ".join(f"a{i}" for i in range(400)) + "\n" +
                         "".join(f"a{i} ::= [a-z]{{0,{i + 1}}} [0-9]*\n" for i in range(400))}, 400),
            ({"grammar": "root ::= a\na ::= b\nb ::= a"}, 400), ({"grammar": 'root ::= "a"{1000000000}'}, 400),
            ({"grammar": "start: " + "[" * 60000}, 400), ({"guided_choice": [""]}, (200, 400)),
            ({"structured_outputs": {"structural_tag": "[" * 5000}}, 400)]:
        chat(expected, most_bytes=GRAMMAR_BYTES, **members)
    enum = json.dumps({"enum": [f"value {i}" for i in range(400000)]})
    attack("/v1/chat/completions", {"messages": PROMPT, "max_tokens": 2, "guided_json": enum}, (200, 400),
           most_bytes=GRAMMAR_BYTES)


def check_tools():
    """76, F1.17: names twice, many tools, patterns and types that are none."""
    chat(tools=[TOOL, TOOL], param="tools", part="'f'")
    many = [{"type": "function", "function": {"name": f"f{i}", "parameters": {"type": "object"}}} for i in range(1000)]
    chat((200, 400), tools=many, messages=[{"role": "user", "content": ""}])
    chat(tools=many + many, param="tools")
    for parameters in ({"type": "object", "properties": {"a": {"pattern": "("}}}, {"type": "nothing"}, {"type": 5}):
        chat(tools=[{"type": "function", "function": {"name": "f", "parameters": parameters}}],
             param="tools[0].function.parameters")
    chat(tools=[{"type": "function", "function": {"name": "", "parameters": {}}}])
    chat(tools=[{"type": "function"}])
    chat(tools=[{"type": "program", "function": {"name": "f"}}])
    chat(tools="f", param="tools")
    chat(tool_choice="required", param="tool_choice")
    chat((200, 400), tools=[{"type": "function", "function": {"name": "</tool_call>\u0001\"", "parameters": {}}}])


def check_parts_that_lead_elsewhere():
    """74: nothing is fetched, whatever a part says."""
    for url in ("file:///etc/passwd", "http://169.254.169.254/latest/meta-data", "http://127.0.0.1:1/", "data:image/png;base64,iVBORw0",
                "gopher://x"):
        part = {"type": "image_url", "image_url": {"url": url}}
        chat(messages=[{"role": "user", "content": [part]}], param="messages[0].content[0]", part="text only")
    chat(messages=[{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "A" * 10**6}}]}], part="text only")


def check_embeddings():
    """75: nothing, very much, and strange kinds."""
    for value in ([], "", [[]], 5, {}, [5.5], ["a"] * 100000, [[10**9]]):
        attack("/v1/embeddings", {"input": value}, (200, 400) if value == "" else 400)
    attack("/v1/embeddings", {"input": "a", "dimensions": 10**9}, 400, "dimensions")
    attack("/v1/embeddings", {"input": "a", "encoding_format": "hex"}, 400, "encoding_format")


def check_prompts_that_take_long():
    """50, F1.14, F1.20: megabytes of one character, of joined emoji, of no UTF-8 at all."""
    for text in ("a" * 2_000_000, " " * 2_000_000, "\U0001f468‍" * 200_000, "\u0000" * 100_000, "<" * 500_000, "é" * 500_000):
        attack("/tokenize", {"content": text}, (200, 400))
    chat(messages=[{"role": "user", "content": "a" * 2_000_000}], part="maximum context length")
    chat(messages=[{"role": "user", "content": "<s>" * 300_000}], part="maximum context length")
    attack("/v1/completions", None, 400, raw=b'{"prompt": "\xff\xfe"}')
    attack("/v1/completions", None, 400, raw=b'{"prompt": "\\ud800"}')


def check_the_server_goes_on():
    assert server.process.poll() is None
    assert server.chat()["choices"][0]["message"]["content"]
    assert server.stop() == 0


server = Server("demo")
sanitized = is_sanitized()
known = Server("a=demo", "b=demo")
run_checks(globals())
