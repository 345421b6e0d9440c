"""What answers are held to: constraint_session.py BITNET FOLDER. Each check_… is one check."""
import json
import os
import re
import sys
import threading
import xml.etree.ElementTree as ElementTree

from served import PROMPT, Server, run_checks

FOLDER = sys.argv[2]
TEMPLATES = {
    "hermes": "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
              "{% if tools %}<tool_call>{{ tools | tojson }}{% endif %}{% if add_generation_prompt %}assistant:{% endif %}",
    "mistral": "{% for m in messages %}{{ m.content }}{% endfor %}{% if tools %}[TOOL_CALLS]{% endif %}",
    "qwen": "{% for m in messages %}{{ m.content }}{% endfor %}{# <tool_call> <function= <parameter= #}",
    "glm": "{% for m in messages %}{{ m.content }}{% endfor %}{# <tool_call> <arg_key> #}",
    "minimax": "{% for m in messages %}{{ m.content }}{% endfor %}{# <minimax:tool_call> #}",
    "deepseek": "{% for m in messages %}{{ m.content }}{% endfor %}{# <｜DSML｜function_calls> #}",
    "mistral_args": "{% for m in messages %}{{ m.content }}{% endfor %}{# [TOOL_CALLS] [ARGS] #}",
    "llama3": "{% for m in messages %}{{ m.content }}{% endfor %}{# \"parameters\": #}",
    "thinking": "{% for m in messages %}{{ m.content }}{% endfor %}{% if add_generation_prompt %}<think>\n{% endif %}",
}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 10, "maximum": 99}}, "required": ["a"],
          "additionalProperties": False}
GBNF = 'root ::= "yes" | "no" | [0-9]{3}'
LARK = 'start: "yes" | "no" | /[0-9]{3}/'
TAGS = {"structures": [{"begin": "<n>", "schema": {"type": "integer"}, "end": "</n>"}], "triggers": ["<n"]}
WARM = {"temperature": 1.5, "max_tokens": 60, "seed": 7}


def tool(name, **more):
    return {"type": "function", "function": {"name": name, "parameters": SCHEMA, **more}}


TOOLS = [tool("f"), tool("g")]


def is_schema(text):
    return list(json.loads(text)) == ["a"] and 10 <= json.loads(text)["a"] <= 99


def is_xml(text):
    root = ElementTree.fromstring(text)
    return root.tag == "root" and [e.tag for e in root] == ["a"] and 10 <= int(root[0].text) <= 99


def is_word(text):
    return bool(re.fullmatch("yes|no|[0-9]{3}", text))


FORMS = [
    ({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}}, is_schema),
    ({"response_format": {"type": "json_object", "schema": SCHEMA}}, is_schema),
    ({"response_format": {"type": "json_object", "value": SCHEMA}}, is_schema),
    ({"response_format": {"type": "json", "value": SCHEMA}}, is_schema),
    ({"response_format": {"type": "json_object"}}, lambda t: isinstance(json.loads(t), dict)),
    ({"response_format": {"type": "regex", "regex": "yes|no|[0-9]{3}"}}, is_word),
    ({"response_format": {"type": "grammar", "grammar": GBNF}}, is_word),
    ({"response_format": {"type": "structural_tag", "format": {"type": "const_string", "value": "fox"}}},
     lambda t: t == "fox"),
    ({"response_format": {"type": "xml", "schema": SCHEMA}}, is_xml),
    ({"structured_outputs": {"xml": SCHEMA}}, is_xml),
    ({"structured_outputs": {"json": json.dumps(SCHEMA)}}, is_schema),
    ({"structured_outputs": {"regex": "yes|no|[0-9]{3}"}}, is_word),
    ({"structured_outputs": {"choice": ["yes", "no"]}}, is_word),
    ({"structured_outputs": {"grammar": LARK}}, is_word),
    ({"structured_outputs": {"json_object": True}}, lambda t: isinstance(json.loads(t), dict)),
    ({"structured_outputs": {"structural_tag": json.dumps(TAGS)}}, lambda t: "<n" not in t or "<n>" in t),
    ({"guided_json": SCHEMA}, is_schema),
    ({"guided_regex": "yes|no|[0-9]{3}"}, is_word),
    ({"guided_choice": ["yes", "no"]}, is_word),
    ({"guided_grammar": LARK}, is_word),
    ({"json_schema": SCHEMA}, is_schema),
    ({"grammar": GBNF}, is_word),
    ({"grammar": "", "response_format": {"type": "text"}}, lambda t: True),
]


def text_of(route, members):
    if route == "/v1/chat/completions":
        return server.chat(**WARM, **members)["choices"][0]["message"]["content"]
    if route == "/v1/completions":
        return server.json("POST", route, {"prompt": "Once", **WARM, **members})["choices"][0]["text"]
    if route == "/completion":
        return server.json("POST", route, {"prompt": "Once", "n_predict": 60, **WARM, **members})["content"]
    if route == "/v1/messages":
        body = {"model": "demo", "messages": PROMPT, "max_tokens": 60, "temperature": 1.5, **members}
        return server.json("POST", route, body)["content"][0]["text"]
    body = {"input": "Once", "max_output_tokens": 60, "temperature": 1.5, "seed": 7, **members}
    return server.json("POST", route, body)["output"][0]["content"][0]["text"]


def check_every_form_on_every_route():
    for members, holds in FORMS:
        for route in ("/v1/chat/completions", "/v1/completions", "/completion", "/v1/messages", "/v1/responses"):
            text = text_of(route, members)
            assert holds(text), (route, members, text)
    text = text_of("/v1/responses", {"text": {"format": {"type": "json_schema", "name": "x", "schema": SCHEMA}}})
    assert is_schema(text), text
    text = text_of("/v1/messages", {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}})
    assert is_schema(text), text


def check_refusals_name_the_place():
    bad = {"type": "object", "properties": {"a": {"type": "string", "pattern": "(x)\\1"}}}
    for members, param, part in [
            ({"guided_grammar": "root ::= x"}, "guided_grammar", "'x'"),
            ({"grammar": 'start: "a'}, "grammar", "line 1"),
            ({"grammar": {"type": "json"}}, "grammar", "string"),
            ({"json_schema": bad}, "json_schema", "#/properties/a"),
            ({"structured_outputs": {"json": bad}}, "structured_outputs.json", "back-reference"),
            ({"response_format": {"type": "json_schema", "json_schema": {"schema": bad}}},
             "response_format.json_schema.schema", "#/properties/a"),
            ({"response_format": {"type": "json_schema"}}, "response_format.schema", "schema"),
            ({"response_format": {"type": "structural_tag", "format": {"type": "tune"}}}, "response_format", "tune"),
            ({"response_format": {"type": "yaml"}}, "response_format.type", "json_schema"),
            ({"response_format": {"type": "xml"}}, "response_format.schema", "schema"),
            ({"structured_outputs": {"xml": {"type": "object", "additionalProperties": {"type": "string"}}}},
             "structured_outputs.xml", "additionalProperties"),
            ({"structured_outputs": {"whitespace_pattern": " "}}, "structured_outputs.whitespace_pattern", "supported"),
            ({"grammar_lazy": True, "grammar": GBNF}, "grammar_lazy", "supported"),
            ({"guided_choice": []}, "guided_choice", "list"),
            ({"guided_choice": ["a"], "guided_regex": "a"}, "guided_choice", "one thing"),
            ({"tools": [{"type": "function", "function": {"name": "f", "parameters": bad}}]},
             "tools[0].function.parameters", "properties/a"),
            ({"tools": [{"type": "function", "function": {"name": "f", "parameters": bad}}],
              "response_format": {"type": "json_object"}}, "tools[0].function.parameters", "properties/a"),
            ({"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "h"}}}, "tool_choice", "'h'"),
            ({"tools": TOOLS, "tool_choice": "maybe"}, "tool_choice", "auto")]:
        error = server.chat(400, **members)["error"]
        assert error["param"] == param and part in error["message"] and "\n" not in error["message"], (members, error)
    form = {"format": {"type": "json_schema", "name": "x", "schema": bad}}
    error = server.json("POST", "/v1/responses", {"input": "a", "text": form}, 400)["error"]
    assert error["param"] == "text.format.schema" and "'text.format.schema'" in error["message"], error
    loose = [{"type": "function", "function": {"name": "f", "parameters": bad, "strict": False}}]
    answer = server.chat(tools=loose, tool_choice="required", **WARM)["choices"][0]["message"]
    assert isinstance(json.loads(answer["tool_calls"][0]["function"]["arguments"]), dict)


def calls_of(which, **options):
    answer = servers[which].json("POST", "/v1/chat/completions", {"messages": PROMPT, "tools": TOOLS, **options})
    choice = answer["choices"][0]
    return choice, [(c["function"]["name"], c["function"]["arguments"]) for c in choice["message"].get("tool_calls", [])]


def check_calls_in_every_syntax():
    for which in servers:
        for choice, most in (("required", False), ({"type": "function", "function": {"name": "g"}}, True)):
            answer, calls = calls_of(which, tool_choice=choice, parallel_tool_calls=False, max_tokens=250, temperature=1.2,
                                     seed=5)
            assert answer["finish_reason"] == "tool_calls" and len(calls) == 1, (which, answer)
            assert answer["message"]["content"] is None and is_schema(calls[0][1]), (which, answer)
            assert calls[0][0] in ("fg" if choice == "required" else "g"), calls
    _, calls = calls_of("hermes", tool_choice="required", max_tokens=150, temperature=1.5, seed=1)
    assert len(calls) >= 1 and all(is_schema(arguments) for _, arguments in calls), calls


def check_arguments_as_elements_keep_their_types():
    schema = {"type": "object", "additionalProperties": False, "required": ["s", "n", "u", "o"],
              "properties": {"s": {"type": "string", "maxLength": 12}, "n": {"type": "integer"},
                             "u": {"anyOf": [{"type": "string", "maxLength": 8}, {"type": "integer", "minimum": 1000, "maximum": 9999}]},
                             "o": {"type": "object", "properties": {"l": {"type": "array", "items": {"type": "string", "maxLength": 9},
                                                                          "maxItems": 2}}, "required": ["l"],
                                   "additionalProperties": False}}}
    tools = [{"type": "function", "function": {"name": "set", "parameters": schema}}]
    for which in ("qwen", "glm", "minimax", "deepseek"):
        for seed in range(4):
            body = {"messages": PROMPT, "tools": tools, "tool_choice": "required", "parallel_tool_calls": False,
                    "max_tokens": 500, "temperature": 1.5, "seed": seed}
            message = servers[which].json("POST", "/v1/chat/completions", body)["choices"][0]["message"]
            assert message["content"] is None and message["tool_calls"][0]["function"]["name"] == "set", (which, message)
            arguments = message["tool_calls"][0]["function"]["arguments"]
            value = json.loads(arguments)
            assert list(value) == ["s", "n", "u", "o"] and isinstance(value["s"], str) and len(value["s"]) <= 12, value
            assert type(value["n"]) is int and isinstance(value["o"]["l"], list), value
            assert 1000 <= value["u"] <= 9999 if type(value["u"]) is int else len(value["u"]) <= 8, value
            events = [json.loads(data) for _, data in servers[which].events("/v1/chat/completions", body) if data != "[DONE]"]
            deltas = [e["choices"][0]["delta"].get("tool_calls") for e in events if e.get("choices")]
            streamed = "".join(d[0]["function"].get("arguments", "") for d in deltas if d)
            assert json.loads(streamed) == value, (streamed, value)


def check_text_until_a_call_begins():
    """A prefill that has begun a call can only go on as the tools' schemas allow; other text goes on as it likes."""
    for which, begun in (("hermes", "Well <tool_call>"), ("mistral", "So: [TOOL_CALLS]"), ("llama3", '{"name": "g"')):
        prompt = PROMPT + [{"role": "assistant", "content": ""}]
        bias = servers[which].json("POST", "/tokenize", {"content": begun, "add_special": False})["tokens"]
        answer, calls = calls_of(which, tool_choice="auto", max_tokens=90, temperature=0,
                                 logit_bias={str(t): 60 for t in bias})
        for name, arguments in calls:
            assert name in "fg" and is_schema(arguments), (which, calls)
        assert len(calls) <= 1 or which == "hermes", (which, calls)
    free = servers["hermes"].json("POST", "/v1/chat/completions", {"messages": PROMPT, "temperature": 0, "max_tokens": 20})
    held, calls = calls_of("hermes", temperature=0, max_tokens=20)
    assert not calls and held["message"]["content"]
    assert len(free["choices"][0]["message"]["content"]) > 10


def check_a_call_or_text_of_a_format():
    """With "auto" and a format both may come: a bias decides which, and each is held to its own."""
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "array", "items": {"type": "integer"}, "maxItems": 3}}}
    for which in ("hermes", "qwen"):
        for begin in ("<", "[", None):
            ids = servers[which].json("POST", "/tokenize", {"content": begin or "", "add_special": False})["tokens"]
            answer, calls = calls_of(which, response_format=form, max_tokens=250, temperature=1.5, seed=2, parallel_tool_calls=False,
                                     logit_bias={str(ids[-1]): 60} if ids else {})
            assert begin is None or bool(calls) == (begin == "<"), (which, begin, answer)
            if calls:
                assert is_schema(calls[0][1]) and answer["message"]["content"] is None, (which, answer)
            else:
                assert all(type(i) is int for i in json.loads(answer["message"]["content"])), (which, answer)
    form["json_schema"]["schema"] = {"const": 'a <tool_call>{"name": "f", "arguments": {"a": 50}}</tool_call>'}
    answer, calls = calls_of("hermes", response_format=form, max_tokens=250, logit_bias={"3": 50})
    assert not calls and json.loads(answer["message"]["content"]) == form["json_schema"]["schema"]["const"], answer


def check_thoughts_come_before():
    answer = servers["thinking"].json("POST", "/v1/chat/completions",
                                      {"messages": PROMPT, "json_schema": SCHEMA, "max_tokens": 60, "temperature": 1.5})
    message = answer["choices"][0]["message"]
    assert is_schema(message["content"]) and message["reasoning_content"], message


def check_grammars_are_kept():
    """The same grammar from many threads at once, and more grammars than the cache holds."""
    answers = []

    def ask(i):
        answers.append(server.chat(guided_regex="[a-z]{3}", temperature=1.5, seed=i % 2)["choices"][0]["message"]["content"])

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8 and all(re.fullmatch("[a-z]{3}", a) for a in answers) and len(set(answers)) <= 2
    for i in range(20):
        text = small.chat(guided_regex="[a-z]{%d}" % (i + 1), max_tokens=60)["choices"][0]["message"]["content"]
        assert len(text) == i + 1


def check_what_is_said_has_no_special_tokens():
    mark = "<|end_of_text|>"

    def count(**body):
        return servers["hermes"].json("POST", "/tokenize", body)["tokens"]

    said = count(messages=[{"role": "user", "content": mark}])
    marked = count(messages=[{"role": "user", "content": mark}], parse_special=True)
    special = count(content=mark)
    assert len(special) == 1 and special[0] not in said and special[0] in marked, (said, marked, special)
    assert special[0] not in count(content=mark, parse_special=False)
    plain = servers["hermes"].json("POST", "/detokenize", {"tokens": said})["prompt"]
    assert "user: " + mark in plain, plain
    usage = [server.json("POST", "/v1/completions", {"prompt": mark * 3, "max_tokens": 1, "parse_special": parse})["usage"]
             for parse in (True, False)]
    assert usage[0]["prompt_tokens"] < usage[1]["prompt_tokens"], usage


def check_tenants_dont_know_of_each_other():
    story = [{"role": "user", "content": "The little fox went into the deep dark forest. " * 12}]

    def cached(key, **more):
        body = {"messages": story, "max_tokens": 1, "temperature": 1, **more}
        answer = tenants.json("POST", "/v1/chat/completions", body, headers={"Authorization": "Bearer " + key})
        return answer["usage"]["prompt_tokens_details"]["cached_tokens"]

    assert cached("one") == 0 and cached("one") > 32
    assert cached("two") == 0 and cached("two") > 32
    assert cached("one", cache_salt="a") == 0 and cached("one", cache_salt="b") == 0 and cached("one", cache_salt="a") > 32
    headers = {"Authorization": "Bearer two"}
    body = {"messages": PROMPT, "max_tokens": 1, "temperature": 0}
    tenants.json("POST", "/v1/chat/completions", body, headers={"Authorization": "Bearer one"})
    response, _ = tenants.ask("POST", "/v1/chat/completions", body, headers)
    assert response.getheader("x-cache-hit") is None
    response, _ = tenants.ask("POST", "/v1/chat/completions", body, headers)
    assert response.getheader("x-cache-hit") == "true"


def serve(name, *more):
    path = os.path.join(FOLDER, name + ".jinja")
    with open(path, "w") as file:
        file.write(TEMPLATES[name])
    return Server("demo", "--chat-template-file", path, *more)


servers = {name: serve(name) for name in TEMPLATES}
server = servers["hermes"]
small = Server("demo", "--grammar-cache-mib", "0")
tenants = Server("demo", "--api-key", "one,two", "--response-cache-mib", "1")
run_checks(globals())
