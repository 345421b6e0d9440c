"""Ollama's API of `bitnet serve`: ollama_session.py BITNET FOLDER. Each check_… is one check."""
import hashlib
import http.client
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import time

from served import PROMPT, Server, run_checks

FOLDER = sys.argv[2]
HERE = os.path.dirname(os.path.abspath(__file__))
DEMO = os.path.join(HERE, "../../assets/demo/demo.gguf")
TEMPLATE = ("{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}{{ m.role }}: {{ m.content }}\n"
            "{% endfor %}assistant:{% if enable_thinking %}<think>{% endif %}")
CALLER = "{% if tools %}{{ tools | tojson }} <tool_call>{% endif %}{% for m in messages %}{{ m.content }}{% endfor %}"
FEW = {"num_predict": 8, "temperature": 0}


def generate(status=200, where=None, **body):
    return (where or server).json("POST", "/api/generate", {"model": "demo", "stream": False, "options": FEW,
                                                            "prompt": "Once upon a time", **body}, status)


def chat(status=200, where=None, **body):
    return (where or server).json("POST", "/api/chat", {"model": "demo", "stream": False, "options": FEW,
                                                        "messages": PROMPT, **body}, status)


def check_probes():
    for path, text in (("/", b"Ollama is running"), ("/api/version", None), ("/api/tags", None)):
        response, data = server.ask("GET", path)
        assert response.status == 200 and (text is None or data == text)
        assert server.ask("HEAD", path)[0].status == 200
    assert re.fullmatch(r"\d+\.\d+\.\d+", server.json("GET", "/api/version")["version"])


def check_stream_is_the_whole():
    for path, piece, body in (("/api/generate", lambda o: o["response"], {"prompt": "Once upon a time"}),
                              ("/api/chat", lambda o: o["message"]["content"], {"messages": PROMPT})):
        lines = server.lines(path, {"model": "demo:latest", "options": FEW, **body})
        whole = server.json("POST", path, {"model": "demo:latest", "options": FEW, "stream": False, **body})
        assert [o["done"] for o in lines] == [False] * (len(lines) - 1) + [True] and whole["done"]
        assert "".join(map(piece, lines)) == piece(whole) and len(lines) > 3
        assert whole["done_reason"] == lines[-1]["done_reason"] == "length" and whole["eval_count"] == 8
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", o["created_at"]) for o in lines)
        assert all(o["model"] == "demo:latest" for o in lines)
        assert whole["total_duration"] > whole["eval_duration"] > 1000 and whole["prompt_eval_count"] == 5
    assert "".join(map(piece, lines)) == server.chat()["choices"][0]["message"]["content"]


def check_context_goes_on():
    first = generate()
    tokens = server.json("POST", "/tokenize", {"content": "Once upon a time" + first["response"]})["tokens"]
    assert first["context"] == tokens
    second = generate(prompt=" And", context=first["context"])
    tokens += server.json("POST", "/tokenize", {"content": " And"})["tokens"]
    plain = server.json("POST", "/v1/completions", {"prompt": tokens, "max_tokens": 8, "temperature": 0,
                                                    "repeat_penalty": 1.1, "repeat_last_n": 64})
    assert second["context"][:len(tokens)] == tokens and second["response"] == plain["choices"][0]["text"]
    assert "context" not in generate(raw=True)
    generate(400, raw=True, context=[1])
    generate(400, context=[99999])


def check_options():
    text = generate(options={**FEW, "num_predict": 40})["response"]
    word = text[10:14]
    stopped = generate(options={**FEW, "num_predict": 40, "stop": [word]})
    assert stopped["done_reason"] == "stop" and stopped["response"] == text[:text.index(word)]
    warm = {"num_predict": 20, "temperature": 1.5, "seed": 7}
    assert generate(options=warm)["response"] == generate(options=warm)["response"]
    assert generate(options={**FEW, "num_gpu": 1, "num_thread": 4, "use_mmap": True, "no_such": 1})["done"]
    assert generate(options={**FEW, "response_format": {"type": "json_object"}})["response"] == generate()["response"]
    for options in ({"temperature": "hot"}, {"num_predict": 1.5}, {"stop": 5}, {"top_p": 3}, {"use_mmap": 1}):
        assert isinstance(generate(400, options=options)["error"], str), options
    assert "-c" in generate(400, options={"num_ctx": 400}, where=narrow)["error"]
    assert generate(options={"num_ctx": 100000, **FEW})["done"]  # the model has no more than it has


def check_too_long():
    long = "fox " * 600
    cut = generate(prompt=long, options={"num_predict": 8})
    assert cut["prompt_eval_count"] == 512 - 8 and cut["eval_count"] == 8
    assert "context" in generate(400, prompt=long, truncate=False)["error"]
    small = generate(options={"num_ctx": 16, "num_keep": 2, "num_predict": 4}, prompt="The king and the fox " * 5)
    tokens = server.json("POST", "/tokenize", {"content": "The king and the fox " * 5})["tokens"]
    assert small["context"][:12] == tokens[:2] + tokens[-10:] and small["prompt_eval_count"] == 12
    assert generate(options={"num_ctx": 16})["eval_count"] == 16 - 5  # the answer ends where the context is full
    turns = [{"role": "system", "content": "S."}] + [{"role": "user", "content": f"{i} " + "fox " * 60} for i in range(9)]
    dropped = chat(messages=turns)
    kept = chat(messages=turns[:1] + turns[-dropped["prompt_eval_count"] // 62:])
    assert 400 < dropped["prompt_eval_count"] <= 504 and dropped["message"] == kept["message"]
    assert "error" in chat(400, messages=turns, truncate=False)
    assert "error" in chat(400, shift=True)


def check_format():
    schema = {"type": "object", "properties": {"a": {"enum": [1, 2]}}, "required": ["a"], "additionalProperties": False}
    hot = {"num_predict": 80, "temperature": 1.5}
    assert json.loads(generate(format=schema, options=hot)["response"])["a"] in (1, 2)
    assert json.loads(chat(format=schema, options=hot)["message"]["content"])["a"] in (1, 2)
    assert chat(format="json", options={"num_predict": 2})["message"]["content"].lstrip()[0] == "{"
    for bad in ("xml", {"type": "nothing"}, {"$ref": "https://example.com/x"}):
        assert "error" in chat(400, format=bad), bad


def check_logprobs():
    whole = chat(logprobs=True, top_logprobs=2)["logprobs"]
    assert len(whole) == 8 and all(len(t["top_logprobs"]) == 2 and t["logprob"] <= 0 for t in whole)
    lines = server.lines("/api/chat", {"model": "demo", "options": FEW, "messages": PROMPT, "logprobs": True,
                                       "top_logprobs": 2})
    assert [t for o in lines for t in o.get("logprobs", [])] == whole


def check_refusals():
    assert "required" in server.json("POST", "/api/generate", {"prompt": "x"}, 400)["error"]
    assert "thinking" in chat(400, think=True)["error"] and chat(think=False)["done"]
    assert "tools" in chat(400, tools=[{"type": "function", "function": {"name": "f"}}])["error"]
    assert "insert" in generate(400, suffix="end")["error"]
    assert "text only" in chat(400, messages=[{"role": "user", "content": "x", "images": ["aGk="]}])["error"]
    assert "text only" in generate(400, images=["aGk="])["error"]
    assert "Jinja" in generate(400, template="{{ .Prompt }}")["error"]
    assert "keep_alive" in generate(400, keep_alive="soon")["error"]
    assert generate(template="{{ messages[0].content }}")["response"] == generate()["response"]


def check_embed():
    both = server.json("POST", "/api/embed", {"model": "demo", "input": ["the fox", "the king"]})
    assert [len(v) for v in both["embeddings"]] == [256] * 2 and both["prompt_eval_count"] == 4
    openai = server.json("POST", "/v1/embeddings", {"input": "the fox"})["data"][0]["embedding"]
    assert both["embeddings"][0] == openai and abs(sum(x * x for x in openai) - 1) < 1e-5
    assert len(server.json("POST", "/api/embed", {"model": "demo", "input": "a", "dimensions": 3})["embeddings"][0]) == 3
    assert server.json("POST", "/api/embed", {"model": "demo", "input": ""})["embeddings"] == []
    assert server.json("POST", "/api/embed", {"model": "demo", "input": "fox " * 600})["prompt_eval_count"] == 511
    server.json("POST", "/api/embed", {"model": "demo", "input": "fox " * 600, "truncate": False}, 400)
    server.json("POST", "/api/embed", {"model": "demo", "input": [5]}, 400)
    old = server.json("POST", "/api/embeddings", {"model": "demo", "prompt": "the fox"})["embedding"]
    length = sum(x * x for x in old) ** .5
    assert max(abs(a / length - b) for a, b in zip(old, openai)) < 1e-6


def loaded(where):
    return {m["name"]: m for m in where.json("GET", "/api/ps")["models"]}


def wait_until(condition):
    deadline = time.time() + 10
    while not condition():
        assert time.time() < deadline
        time.sleep(0.01)


def check_keep_alive():
    assert loaded(server)["demo:latest"]["expires_at"] > "2200"
    assert generate(prompt="", keep_alive="5m")["done_reason"] == "load"
    assert loaded(server)["demo:latest"]["expires_at"] < "2200"
    assert generate(keep_alive=0)["done_reason"] == "length"
    wait_until(lambda: not loaded(server))
    assert chat(messages=[], keep_alive="1h30m")["done_reason"] == "load" and loaded(server)
    assert chat(messages=[], keep_alive=0)["done_reason"] == "unload" and not loaded(server)
    generate(keep_alive=0.05)
    assert loaded(server)
    wait_until(lambda: not loaded(server))
    generate(keep_alive=-1)
    assert loaded(server)["demo:latest"]["expires_at"] > "2200"


def check_idle_models_leave():
    idle = Server("demo", "--keep-alive", "1")
    before = time.time()
    assert loaded(idle)
    wait_until(lambda: not loaded(idle))
    assert time.time() - before < 5
    assert idle.json("GET", "/v1/models")["data"][0]["status"]["value"] == "unloaded"
    assert generate(where=idle)["response"] == generate()["response"] and loaded(idle)
    assert idle.stop() == 0


def occupy(where, model):
    """A connection over which the model works for a while."""
    busy = http.client.HTTPConnection(where.address, timeout=30)
    busy.request("POST", "/v1/completions", json.dumps({"model": model, "prompt": "x", "max_tokens": 500, "n": 64,
                                                        "ignore_eos": True, "stream": True}),
                 {"Content-Type": "application/json"})
    busy.getresponse().read(10)
    return busy


def check_memory_makes_room():
    """Models that nobody uses make room: for their number, and for their bytes."""
    bytes_of_one = loaded(server)["demo:latest"]["size"]
    for options in (("--max-models", "1"), ("--max-memory-mib", str(bytes_of_one * 3 // 2 >> 20))):
        full = Server("a=demo", "b=demo", *options)
        assert list(loaded(full)) == ["b:latest"], loaded(full)
        assert generate(where=full, model="a")["done"] and list(loaded(full)) == ["a:latest"]
        busy = occupy(full, "a")
        assert "in use" in generate(429, where=full, model="b")["error"]
        busy.close()
        wait_until(lambda: full.ask("POST", "/api/generate", {"model": "b"})[0].status == 200)
        assert list(loaded(full)) == ["b:latest"]
        assert full.stop() == 0


def gguf_with(tokens, numbers={}):
    """The demo model's file with other texts for some of its tokens {id: text}, which become control tokens, and further values."""
    with open(DEMO, "rb") as file:
        data = file.read()
    sizes = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
    n_tensors, n_values = struct.unpack_from("<QQ", data, 8)
    out, at = bytearray(data[:16] + struct.pack("<Q", n_values + len(numbers))), 24
    for key, number in numbers.items():
        out += struct.pack(f"<Q{len(key)}sII", len(key), key.encode(), 4, number)

    def text(at):
        n, = struct.unpack_from("<Q", data, at)
        return data[at + 8:at + 8 + n], at + 8 + n

    def end_of_value(kind, at):
        if kind == 8:
            return text(at)[1]
        if kind != 9:
            return at + sizes[kind]
        kind, n = struct.unpack_from("<IQ", data, at)
        at += 12
        for _ in range(n if kind == 8 else 0):
            at = text(at)[1]
        return at if kind == 8 else at + n * sizes[kind]
    for _ in range(n_values):
        begin = at
        key, at = text(at)
        kind, = struct.unpack_from("<I", data, at)
        end = end_of_value(kind, at + 4)
        if key == b"tokenizer.ggml.tokens":
            n, = struct.unpack_from("<Q", data, at + 8)
            out += data[begin:at + 16]
            inner = at + 16
            for i in range(n):
                old, inner = text(inner)
                new = tokens[i].encode() if i in tokens else old
                out += struct.pack("<Q", len(new)) + new
        elif key == b"tokenizer.ggml.token_type":
            types = bytearray(data[begin:end])
            for i in tokens:
                struct.pack_into("<i", types, at - begin + 16 + 4 * i, 3)
            out += types
        else:
            out += data[begin:end]
        at = end
    begin = at
    for _ in range(n_tensors):
        at = text(at)[1]
        n_dims, = struct.unpack_from("<I", data, at)
        at += 4 + 8 * n_dims + 12
    out += data[begin:at]
    return bytes(out) + b"\0" * (-len(out) % 64) + data[at + -at % 64:]


def check_embedding_models():
    """They make vectors as they were made for, and nothing else."""
    path = os.path.join(FOLDER, "vectors.gguf")
    with open(path, "wb") as file:
        file.write(gguf_with({}, {"bitnet-b1.58.pooling_type": 3}))
    embedder = Server("vectors=" + path)
    vectors = {pooling: embedder.json("POST", "/v1/embeddings", {"input": "a fox", **({"pooling": pooling} if pooling else {})})
               ["data"][0]["embedding"] for pooling in (None, "last", "mean")}
    assert vectors[None] == vectors["last"] != vectors["mean"]
    assert embedder.json("POST", "/api/embed", {"model": "vectors", "input": "a fox"})["embeddings"] == [vectors["last"]]
    assert embedder.json("POST", "/api/show", {"model": "vectors"})["capabilities"] == ["embedding"]
    words = "makes embeddings and writes no text"
    for path, body in [("/v1/chat/completions", {"messages": PROMPT}), ("/v1/completions", {"prompt": "a"}),
                       ("/v1/responses", {"input": "a"}), ("/completion", {"prompt": "a"})]:
        error = embedder.json("POST", path, body, 400)["error"]
        assert words in error["message"] and error["param"] == "model", error
    assert words in embedder.json("POST", "/v1/messages", {"model": "vectors", "messages": PROMPT, "max_tokens": 1}, 400)["error"]["message"]
    for path, body in [("/api/chat", {"messages": PROMPT}), ("/api/generate", {"prompt": "a"})]:
        assert words in embedder.json("POST", path, {"model": "vectors", **body}, 400)["error"]
    assert embedder.stop() == 0


def check_filling_in():
    """A model whose vocabulary has the marks: the bytes FD … FF, which no text has, give theirs up."""
    path, marks = os.path.join(FOLDER, "fim.gguf"), {}
    vocabulary = {t: i for i, t in enumerate(server.json("POST", "/api/show", {"model": "demo", "verbose": True})
                                             ["model_info"]["tokenizer.ggml.tokens"])}
    for byte, mark in zip("ýþÿ", ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")):
        marks[vocabulary[byte]] = mark
    with open(path, "wb") as file:
        file.write(gguf_with(marks))
    filler = Server("fim=" + path)
    prefix, suffix, middle = marks

    def ids(text):
        return filler.json("POST", "/tokenize", {"content": text})["tokens"]
    prompt = [prefix] + ids("The king ") + [suffix] + ids(" the fox.") + [middle]
    bos = filler.json("POST", "/tokenize", {"content": "x", "add_special": True})["tokens"][:-1]
    settings = {"temperature": 0, "repeat_penalty": 1.1, "repeat_last_n": 64}
    plain = filler.json("POST", "/completion", {"prompt": bos + prompt, "n_predict": 8, **settings})
    whole = filler.json("POST", "/infill", {"input_prefix": "The king ", "input_suffix": " the fox.", "n_predict": 8,
                                            **settings})
    assert whole["content"] == plain["content"] and whole["tokens_evaluated"] == len(bos + prompt)
    assert generate(where=filler, model="fim", prompt="The king ", suffix=" the fox.")["response"] == plain["content"]
    begun = filler.json("POST", "/infill", {"input_prefix": "The king ", "input_suffix": " the fox.", "n_predict": 8,
                                            "prompt": "saw", "input_extra": [{"text": "Once"}], **settings})
    prompt = [prefix] + ids("Once\nThe king ") + [suffix] + ids(" the fox.") + [middle] + ids("saw")
    assert begun["content"] == filler.json("POST", "/completion", {"prompt": bos + prompt, "n_predict": 8,
                                                                   **settings})["content"]
    assert "insert" in filler.json("POST", "/api/show", {"model": "fim"})["capabilities"]
    assert filler.stop() == 0


def has_registry():
    found = "/api/create" in server.json("GET", "/openapi.json")["paths"]
    return found or print("skipped: this build has no registry")


def names(where):
    return sorted(m["name"] for m in where.json("GET", "/api/tags")["models"])


def check_library():
    """create, copy, show, delete; the registry is another server's, too, which loads what is asked for."""
    if not has_registry():
        return
    created = server.lines("/api/create", {"model": "small:talk", "from": "demo", "system": "Speak.", "template": TEMPLATE,
                                           "parameters": {"temperature": 0, "stop": ["fox"], "num_predict": 6},
                                           "messages": [{"role": "user", "content": "Hi"}], "license": ["a", "b"]})
    assert created[-1] == {"status": "success"} and names(server) == ["demo:latest", "small:talk"], names(server)
    # what knows a name from these routes may ask others with it
    assert server.json("POST", "/v1/completions", {"model": "demo:latest", "prompt": "Once", "max_tokens": 1})["model"] == "demo"
    assert server.json("GET", "/v1/models/demo:latest")["id"] == "demo"
    server.json("POST", "/v1/completions", {"model": "nobody:latest", "prompt": "Once"}, 404)
    shown = server.json("POST", "/api/show", {"model": "small:talk"})
    assert shown["system"] == "Speak." and shown["template"] == TEMPLATE and shown["license"] == "a\nb"
    assert shown["capabilities"] == ["completion", "tools", "thinking"] and "stop" in shown["parameters"]
    assert shown["details"]["parent_model"] == "demo" and shown["details"]["quantization_level"] == "I2_S"
    assert shown["model_info"][shown["details"]["family"] + ".context_length"] == 512 and "tensors" not in shown
    assert server.json("POST", "/api/show", {"model": "small:talk", "verbose": True})["tensors"][0]["shape"]
    prompt = server.json("POST", "/apply-template", {"model": "small:talk", "messages": PROMPT})["prompt"]
    assert prompt == "system: Speak.\nuser: Hi\nuser: Once upon a time\nassistant:"
    assert chat(model="small:talk", options={})["eval_count"] <= 6
    assert server.chat(model="small:talk", max_tokens=None, temperature=None)["usage"]["completion_tokens"] <= 6
    thought = chat(model="small:talk", think=True, options={})["message"]
    assert thought["thinking"] and thought["content"] == ""
    server.json("POST", "/api/create", {"model": "caller", "from": "demo", "stream": False, "template": CALLER})
    n = {"type": "object", "properties": {"n": {"enum": [41, 42]}}, "required": ["n"], "additionalProperties": False}
    asked = {"model": "caller", "messages": PROMPT, "format": {"const": {}},
             "tools": [{"type": "function", "function": {"name": "f", "parameters": n}}]}
    for seed in range(40):  # a call, or what the format says
        asked["options"] = {"num_predict": 90, "temperature": 1.5, "seed": seed}
        called = chat(**asked)
        if "tool_calls" in called["message"]:
            break
        assert called["done_reason"] == "length" or json.loads(called["message"]["content"]) == {}, called
    functions = [c["function"] for c in called["message"]["tool_calls"]]
    assert all(f["name"] == "f" and f["arguments"]["n"] in (41, 42) for f in functions)
    told = [c for o in server.lines("/api/chat", asked) for c in o["message"].get("tool_calls", [])]
    assert [c["function"] for c in told] == functions
    history = PROMPT + [called["message"], {"role": "tool", "tool_name": "f", "content": "yes"}]
    assert chat(model="small:talk", messages=history)["done"]
    server.json("POST", "/api/create", {"model": "caller", "from": "demo", "stream": False, "template": CALLER + "{# <think> #}"})
    for seed in range(6):  # who doesn't want thoughts gets none, in the text neither
        message = chat(**{**asked, "think": False, "options": {"num_predict": 90, "temperature": 1.5, "seed": seed}})["message"]
        assert "tool_calls" in message or json.loads(message["content"]) == {}, message
    assert server.ask("DELETE", "/api/delete", {"model": "caller"})[0].status == 200

    assert server.ask("POST", "/api/copy", {"source": "small:talk", "destination": "ours/copy"})[0].status == 200
    assert server.ask("POST", "/api/copy", {"source": "nobody", "destination": "x"})[0].status == 404
    library = Server()
    assert names(library) == ["ours/copy:latest", "small:talk"]
    digests = {m["digest"] for m in library.json("GET", "/api/tags")["models"]}
    assert len(digests) == 2 and all(re.fullmatch("[0-9a-f]{64}", d) for d in digests)
    for name in ("ours/copy", "ours/copy:latest", "ours/copy:1", "small:talk", "small:1:talk"):
        status = 404 if name == "small:1:talk" else 200
        assert library.ask("POST", "/api/chat", {"model": name, "stream": False, "messages": PROMPT})[0].status == status
    chat(404, where=library, model="nobody")
    library.json("POST", "/api/create", {"model": "bad", "from": "small:talk", "template": "{{ .Prompt }}", "stream": False},
                 400)
    for body in ({"model": "x"}, {"model": "x", "from": "demo", "quantize": "q4_0"},
                 {"model": "x", "from": "demo", "adapters": {"a": "b"}}, {"model": "../x", "from": "small:talk"}):
        assert "error" in library.json("POST", "/api/create", {**body, "stream": False}, 400), body
    library.json("POST", "/api/create", {"model": "x", "from": "nobody", "stream": False}, 404)
    for name in ("ours/copy", "ours/copy:1"):
        library.json("POST", "/models/unload", {"model": name.replace(":1", "@1")})
    busy = occupy(library, "ours/copy")
    assert library.ask("DELETE", "/api/delete", {"model": "ours/copy"})[0].status == 409
    busy.close()
    wait_until(lambda: library.ask("DELETE", "/api/delete", {"model": "ours/copy"})[0].status == 200)
    assert library.ask("DELETE", "/api/delete", {"model": "ours/copy"})[0].status == 404
    assert names(library) == ["small:talk"]
    assert library.json("POST", "/models/load", {"model": "demo"})["success"]  # no version, but known from now on
    library.json("POST", "/api/create", {"model": "again", "from": "demo", "stream": False})
    assert library.ask("DELETE", "/api/delete", {"model": "again"})[0].status == 200
    assert library.stop() == 0
    assert "started with" in server.json("DELETE", "/api/delete", {"model": "demo"}, 400)["error"]
    assert server.ask("DELETE", "/api/delete", {"model": "small:talk"})[0].status == 200
    assert names(server) == ["demo:latest"]


def check_uploads():
    if not has_registry():
        return
    with open(DEMO, "rb") as file:
        data = file.read()
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    assert server.ask("HEAD", "/api/blobs/" + digest)[0].status == 404
    wrong = server.ask("POST", "/api/blobs/sha256:" + "0" * 64, data)
    assert wrong[0].status == 400 and b"mismatch" in wrong[1]
    assert server.ask("POST", "/api/blobs/sha256:x", data)[0].status == 400
    assert server.ask("POST", "/api/blobs/" + digest, data)[0].status == 201
    assert server.ask("HEAD", "/api/blobs/" + digest)[0].status == 200
    for files in ({"../up.gguf": digest}, {"up.gguf": "sha256:" + "1" * 64}, {"readme.md": digest}):
        assert "error" in server.json("POST", "/api/create", {"model": "up", "files": files, "stream": False}, 400)
    server.json("POST", "/api/create", {"model": "up", "files": {"up.gguf": digest}, "stream": False})
    assert chat(model="up")["message"] == chat()["message"]
    assert server.ask("HEAD", "/api/blobs/" + digest)[0].status == 404
    assert server.ask("DELETE", "/api/delete", {"model": "up"})[0].status == 200


def check_uploads_are_bounded():
    if not has_registry():
        return
    small, here = Server("demo", "--max-uploads-mib", "4"), []
    for i in range(5):  # each counts at least 1 MiB
        data = bytes([i])
        here.append("/api/blobs/sha256:" + hashlib.sha256(data).hexdigest())
        assert small.ask("POST", here[i], data)[0].status == 201
        time.sleep(0.01)  # the oldest goes first: file systems' clocks are coarse
    assert [small.ask("HEAD", path)[0].status for path in here] == [404, 200, 200, 200, 200]
    large = b"x" * (5 << 20)
    answer, text = small.ask("POST", "/api/blobs/sha256:" + hashlib.sha256(large).hexdigest(), large)
    assert answer.status == 413 and b"--max-uploads-mib" in text, (answer.status, text)
    assert small.ask("POST", here[0], b"\0")[0].status == 201
    assert not [name for name in os.listdir(os.path.join(os.environ["BITNET_HOME"], "uploads")) if "." in name]
    assert small.stop() == 0


def check_pull_and_push():
    if not has_registry():
        return
    root = os.path.join(FOLDER, "hub")
    os.makedirs(os.path.join(root, "ours/story/main"))
    shutil.copyfile(DEMO, os.path.join(root, "ours/story/main/story.gguf"))
    hub = subprocess.Popen([sys.executable, os.path.join(HERE, "../hub/hub_server.py"), root], stdin=subprocess.PIPE,
                           stdout=subprocess.PIPE, text=True)
    Server.running.append(hub)
    os.environ["HF_ENDPOINT"] = json.loads(hub.stdout.readline())["hub"]
    os.environ["HF_TOKEN"] = "hf_write"
    library = Server()
    lines = library.lines("/api/pull", {"model": "hf.co/ours/story"})
    assert lines[0] == {"status": "pulling manifest"} and lines[-1] == {"status": "success"}
    size = os.path.getsize(DEMO)
    assert {"total": size, "completed": size}.items() <= [o for o in lines if "digest" in o][-1].items()
    assert names(library) == ["ours/story:latest"], names(library)
    assert chat(where=library, model="ours/story")["message"] == chat()["message"]
    assert library.lines("/api/pull", {"model": "ours/story"})[-1] == {"status": "success"}
    assert "OWNER" in library.json("POST", "/api/pull", {"model": "story", "stream": False}, 400)["error"]
    library.json("POST", "/api/pull", {"model": "ours/nothing", "stream": False}, 404)
    # Open WebUI allows it in each pull
    assert library.lines("/api/pull", {"model": "ours/story", "insecure": True})[-1] == {"status": "success"}
    assert library.ask("POST", "/api/copy", {"source": "ours/story", "destination": "eve/again"})[0].status == 200
    pushed = library.lines("/api/push", {"model": "eve/again"})
    assert pushed[-1] == {"status": "success"}, pushed
    with open(os.path.join(root, "eve/again/main/story.gguf"), "rb") as pushed, open(DEMO, "rb") as source:
        assert pushed.read() == source.read()
    fault = http.client.HTTPConnection(os.environ["HF_ENDPOINT"].split("//")[1])
    os.makedirs(os.path.join(root, "ours/slow/main"))
    with open(os.path.join(root, "ours/slow/main/slow.gguf"), "wb") as file:
        file.write(gguf_with({}) + b"\0" * 64)
    fault.request("POST", "/test/fault", json.dumps({"path": "*slow*", "times": -1, "slow": 0.1}))
    fault.getresponse().read()
    gone = http.client.HTTPConnection(library.address, timeout=30)
    gone.request("POST", "/api/pull", json.dumps({"model": "ours/slow"}))
    gone.getresponse().read(20)
    gone.close()  # the download ends with its client: nothing waits for it
    assert library.stop() == 0
    hub.stdin.close()
    hub.wait(10)


def check_end():
    assert narrow.stop() == 0 and server.stop() == 0


server, narrow = Server("demo"), Server("demo", "-c", "64")
run_checks(globals())
