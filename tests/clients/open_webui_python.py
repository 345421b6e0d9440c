"""Open WebUI in front of two servers: this run's, and a slow one of its own whose registry pulls from a test hub.

Its packages are too many for the other clients' environment: OPEN_WEBUI names the Python that has them. Both servers are
connections of both kinds, by Ollama's protocol ("demo:latest") and by OpenAI's ("demo")."""
import atexit
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import uuid

import httpx

if "OPEN_WEBUI" not in os.environ:
    raise unittest.SkipTest("OPEN_WEBUI names no Python that has open-webui (tests/clients/README.md)")

HERE = os.path.dirname(os.path.abspath(__file__))
DEMO = os.path.join(HERE, "../../assets/demo/demo.gguf")
SERVER = os.environ["SERVER"]
MODELS = ["demo", "demo:latest"]
MESSAGES = [{"role": "user", "content": "Once upon a time"}]
# a template that takes tools and doesn't show them: what Open WebUI always offers is longer than the demo model's context
TEMPLATE = "{% if tools %}{% endif %}{% for m in messages %}{{ m.content }}{% endfor %}"


def started(*command, **options):
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)
    atexit.register(lambda: (process.terminate(), process.wait(60)))
    return process, process.stdout.readline()


def start():
    """The address of the slow server, and a session of Open WebUI's first user, who may everything."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.makedirs(os.path.join(folder, "hub/ours/story/main"))
    shutil.copyfile(DEMO, os.path.join(folder, "hub/ours/story/main/story.gguf"))
    hub, line = started(sys.executable, os.path.join(HERE, "../hub/hub_server.py"), os.path.join(folder, "hub"),
                        stdin=subprocess.PIPE)
    environment = {**os.environ, "BITNET_HOME": os.path.join(folder, "home"), "HF_ENDPOINT": json.loads(line)["hub"]}
    environment.pop("HF_HUB_OFFLINE", None)
    _, line = started(os.environ["BITNET"], "serve", "slow=demo", "--port", "0", "--no-access-log", "--isa", "scalar",
                      "--no-speculation", "-t", "1", env=environment)
    slow, port = line.split()[-1], free_port()
    with open(os.path.join(folder, "log"), "w") as log:
        webui = subprocess.Popen(
            [os.environ["OPEN_WEBUI"], "-m", "uvicorn", "open_webui.main:app", "--host", "127.0.0.1", "--port", str(port)],
            cwd=folder, stdout=log, stderr=log, env={
                **os.environ, "DATA_DIR": folder, "FROM_INIT_PY": "true", "USE_SLIM": "true", "VECTOR_DB": "chroma",
                "OFFLINE_MODE": "true", "HF_HUB_OFFLINE": "1", "WEBUI_SECRET_KEY": "none",
                "STATIC_DIR": os.path.join(folder, "static"), "OLLAMA_BASE_URLS": f"{SERVER};{slow}",
                "OPENAI_API_BASE_URLS": f"{SERVER}/v1;{slow}/v1", "OPENAI_API_KEYS": "none;none",
                "RAG_EMBEDDING_ENGINE": "ollama", "RAG_EMBEDDING_MODEL": "demo", "RAG_OLLAMA_BASE_URL": SERVER})
    atexit.register(lambda: (webui.terminate(), webui.wait(60)))
    session = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120)
    wait_until(lambda: answers(session, webui, folder), 300)
    user = {"name": "first", "email": "first@example.com", "password": "Secret-123"}
    session.headers["Authorization"] = "Bearer " + session.post("/api/v1/auths/signup", json=user).json()["token"]
    return slow, session


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def answers(session, process, folder):
    if process.poll() is not None:
        with open(os.path.join(folder, "log")) as log:
            raise AssertionError(log.read()[-3000:])
    try:
        return session.get("/health").status_code == 200
    except httpx.TransportError:
        return False


def wait_until(holds, seconds=30):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.1)


slow, session = start()


def ask(method, path, status=200, **body):
    answer = session.request(method, path, json=body or None)
    assert answer.status_code == status, (path, answer.status_code, answer.text)
    return answer.json()


def chat(model, status=200, **options):
    return ask("POST", "/api/chat/completions", status, **{"model": model, "messages": MESSAGES, "max_tokens": 12, **options})


def test_connections():
    assert ask("POST", "/ollama/verify", url=SERVER, key="")["version"] == ask("GET", "/ollama/api/version")["version"]
    assert ask("POST", "/openai/verify", url=SERVER + "/v1", key="none")["data"][0]["id"] == "demo"
    models = {m["id"]: m for m in ask("GET", "/api/models")["data"]}
    assert models.keys() == {"demo", "demo:latest", "slow", "slow:latest"}, models.keys()
    assert ask("POST", "/ollama/api/show", model="demo:latest")["capabilities"] == ["completion"]


def test_chat_and_stream():
    for model in MODELS:
        whole = chat(model)
        assert whole["choices"][0]["message"]["content"] and whole["choices"][0]["finish_reason"] == "length"
        assert whole["usage"]["completion_tokens"] == 12 and whole["usage"]["prompt_tokens"] == 5
        answer = session.post("/api/chat/completions", json={
            "model": model, "messages": MESSAGES, "max_tokens": 12, "stream": True, "stream_options": {"include_usage": True}})
        lines = [line[6:] for line in answer.text.split("\n") if line.startswith("data: ")]
        assert lines[-1] == "[DONE]"
        chunks = [json.loads(line) for line in lines[:-1]]
        assert "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"])
        assert [c["usage"]["completion_tokens"] for c in chunks if c.get("usage")] == [12]
    refused = chat("demo", 400, temperature=1000)
    assert "temperature" in refused["error"]["message"]


def conversation(model, **options):
    """What the page does: the answer is made in a task that writes it into the stored conversation."""
    body = {"model": model, "messages": MESSAGES, "stream": True, "session_id": "page", "id": str(uuid.uuid4()),
            "parent_id": None,
            "user_message": {"id": str(uuid.uuid4()), "role": "user", "content": MESSAGES[0]["content"], "parentId": None,
                             "childrenIds": []}, **options}
    made = ask("POST", "/api/chat/completions", **body)
    return made["chat_id"], made["task_ids"][0]


def answer_of(chat_id):
    messages = ask("GET", f"/api/v1/chats/{chat_id}")["chat"]["history"]["messages"].values()
    return next(m for m in messages if m["role"] == "assistant")


def test_conversation_with_tasks():
    """With the tools that Open WebUI always offers, and a title, tags and further questions asked for in the background."""
    wanted = {"title_generation": True, "tags_generation": True, "follow_up_generation": True}
    for _ in ask_lines("/ollama/api/create", model="talker", **{"from": "demo:latest", "template": TEMPLATE}):
        pass
    ask("GET", "/api/models?refresh=true")
    for model in ("demo", "talker:latest"):
        chat_id, _ = conversation(model, background_tasks=wanted, params={"temperature": 0, "max_tokens": 12})
        wait_until(lambda: answer_of(chat_id).get("done"))
        answer = answer_of(chat_id)
        assert answer["content"] and "error" not in answer, answer
        assert ask("POST", "/api/v1/tasks/emoji/completions", model=model, prompt="king", chat_id=chat_id)["choices"]
    # once what runs in the background has its answers
    wait_until(lambda: session.request("DELETE", "/ollama/api/delete", json={"model": "talker:latest"}).status_code == 200)


def computed():
    """How many answers the slow server computes now, and how many tokens it has made."""
    figures = dict(line.rsplit(" ", 1) for line in httpx.get(slow + "/metrics").text.splitlines() if line[:1] != "#")
    return [int(figures[name + '{model_name="slow"}']) for name in
            ("bitnet_requests_running", "bitnet_generation_tokens_total")]


def test_stop():
    for model in ("slow", "slow:latest"):
        before = computed()[1]
        chat_id, task = conversation(model, params={"max_tokens": 400, "function_calling": "legacy"})
        wait_until(lambda: computed()[0] == 1)
        ask("POST", f"/api/tasks/stop/{task}")
        wait_until(lambda: computed()[0] == 0)
        assert computed()[1] < before + 300, computed()
        body = {"model": model, "messages": MESSAGES, "max_tokens": 400, "stream": True}
        before = computed()[1]
        with session.stream("POST", "/api/chat/completions", json=body) as answer:
            next(answer.iter_lines())
        wait_until(lambda: computed()[0] == 0)
        assert computed()[1] < before + 300, computed()


def test_tools():
    town = {"type": "object", "properties": {"town": {"enum": ["Rome", "Oslo"]}}, "required": ["town"],
            "additionalProperties": False}
    tools = [{"type": "function", "function": {"name": "lookup", "description": "Looks up.", "parameters": town}}]
    call = chat("demo", max_tokens=200, tools=tools, tool_choice="required")["choices"][0]["message"]["tool_calls"][0]
    assert json.loads(call["function"]["arguments"])["town"] in ("Rome", "Oslo")
    assert "does not support tools" in chat("demo:latest", 400, tools=tools)["detail"]


def ask_lines(path, **body):
    answer = session.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def test_library():
    """The routes behind the page of models, on the second connection."""
    progress = ask_lines("/ollama/api/pull/1", model="hf.co/ours/story")
    assert progress[0]["status"] == "pulling manifest" and progress[-1] == {"status": "success"}
    assert any(line.get("completed") == line.get("total") == os.path.getsize(DEMO) for line in progress), progress
    assert "error" in session.post("/ollama/api/pull/1", json={"model": "ours/nothing"}).text
    assert ask("POST", "/ollama/api/copy/1", source="ours/story:latest", destination="mine") is True
    assert ask_lines("/ollama/api/create/1", model="kind", **{"from": "mine", "system": "Be kind."})[-1] == {"status": "success"}
    names = [m["name"] for m in ask("GET", "/ollama/api/tags/1")["models"]]
    assert sorted(names) == ["kind:latest", "mine:latest", "ours/story:latest", "slow:latest"]
    for name in names:
        ask("DELETE", "/ollama/api/delete/1", 400 if name == "slow:latest" else 200, model=name)
    ask("DELETE", "/ollama/api/delete/1", 404, model="mine:latest")
    assert ask("POST", "/ollama/api/unload", model="slow:latest")["status"] is True
    assert ask("GET", "/ollama/api/ps") and not httpx.get(slow + "/api/ps").json()["models"]


def test_embeddings_and_documents():
    for model in MODELS:
        rows = ask("POST", "/api/embeddings", model=model, input=["the fox", "the king"])["data"]
        assert [len(row["embedding"]) for row in rows] == [256, 256]
    for name, text in (("fox", "The fox ran through the wood."), ("king", "The King had three daughters, and a castle.")):
        ask("POST", "/api/v1/retrieval/process/text", name=name, content=text, collection_name=name)
    found = ask("POST", "/api/v1/retrieval/query/collection", collection_names=["fox", "king"], k=1,
                query="The King had three daughters")
    assert "King" in found["documents"][0][0]


def test_other_routes():
    """Those that Open WebUI hands through to an Ollama server."""
    for path, body in (("/v1/completions", {"prompt": "Once", "max_tokens": 4}),
                       ("/v1/chat/completions", {"messages": MESSAGES, "max_tokens": 4}),
                       ("/v1/messages", {"messages": MESSAGES, "max_tokens": 4}),
                       ("/v1/responses", {"input": "Once", "max_output_tokens": 16}),
                       ("/v1/embeddings", {"input": "Once"}), ("/api/embed", {"input": "Once"}),
                       ("/api/embeddings", {"prompt": "Once"})):
        ask("POST", "/ollama" + path, model="demo:latest", **body)
    ask("POST", "/openai/responses", model="demo", input="Once", max_output_tokens=16)
    assert ask_lines("/ollama/api/generate", model="demo:latest", prompt="Once", options={"num_predict": 4})[-1]["done"]
    assert ask("POST", "/api/v1/messages", model="demo", messages=MESSAGES, max_tokens=4)["type"] == "message"
    assert ask("POST", "/api/v1/messages/count_tokens", model="demo", messages=MESSAGES) == {"input_tokens": 5}
