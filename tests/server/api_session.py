"""A session with `bitnet serve`: api_session.py BITNET FOLDER. Each check_… is one check."""
import http.client
import json
import os
import shutil
import signal
import sys
import threading
import time

from served import PROMPT, Server, run_checks

FOLDER = sys.argv[2]
TEMPLATE = ("{% for m in messages %}{{ m.role }}: {{ m.content }}{% for c in m.tool_calls or [] %}<tool_call>"
            "{{ c.function | tojson }}</tool_call>{% endfor %}\n{% endfor %}"
            "{% if tools %}{{ tools | tojson }}{% endif %}{% if add_generation_prompt %}assistant:{% endif %}")


def check_stream_form():
    events = server.events("/v1/chat/completions", {"messages": PROMPT, "temperature": 0, "max_tokens": 8, "n": 2})
    assert events[-1] == (None, "[DONE]")
    chunks = [json.loads(data) for _, data in events[:-1]]
    assert all("error" not in c and "usage" not in c and len(c["choices"]) == 1 for c in chunks)
    assert [c["choices"][0]["delta"] for c in chunks[:2]] == [{"role": "assistant", "content": ""}] * 2
    assert {c["choices"][0]["index"] for c in chunks[:2]} == {0, 1}
    whole = server.chat()["choices"][0]["message"]["content"]
    for index in (0, 1):
        mine = [c["choices"][0] for c in chunks if c["choices"][0]["index"] == index]
        assert "".join(c["delta"].get("content", "") for c in mine) == whole
        assert [c["finish_reason"] for c in mine] == [None] * (len(mine) - 1) + ["length"]
        assert mine[-1]["delta"] == {}


def check_usage_in_chunks():
    for path, body in [("/v1/chat/completions", {"messages": PROMPT}), ("/v1/completions", {"prompt": "Once upon a time"})]:
        asked = {**body, "max_tokens": 6, "temperature": 0, "n": 2,
                 "stream_options": {"include_usage": True, "continuous_usage_stats": True}}
        *chunks, last = [json.loads(data) for _, data in server.events(path, asked)[:-1]]
        assert last["choices"] == [] and last["usage"]["completion_tokens"] == 12
        for index in (0, 1):
            usages = [c["usage"] for c in chunks if c["choices"][0]["index"] == index]
            counts = [u["completion_tokens"] for u in usages]
            assert counts == sorted(counts) and counts[-1] == 6, counts
            assert {u["prompt_tokens"] for u in usages} == {last["usage"]["prompt_tokens"]}
            assert all(u["total_tokens"] == u["prompt_tokens"] + u["completion_tokens"] for u in usages)
        del asked["stream_options"]["include_usage"]
        assert all("usage" not in json.loads(data) for _, data in server.events(path, asked)[:-1])


def check_unknown_and_null_members():
    answer = server.chat(stop=None, seed=None, tools=None, store=True, service_tier="auto", logit_bias=None, top_k=None)
    assert answer["choices"][0]["message"] == server.chat()["choices"][0]["message"]


def check_errors_name_their_place():
    for options, param in [({"temperature": "hot"}, "temperature"), ({"stop": 5}, "stop"), ({"n": 0}, "n"),
                           ({"stop": ["x"] * 1000}, "stop"), ({"logprobs": 3}, "logprobs"),
                           ({"messages": "hi"}, "messages"), ({"stream": "yes"}, "stream"),
                           ({"tool_choice": "required"}, "tool_choice"),
                           ({"response_format": {"type": "yaml"}}, "response_format.type"),
                           ({"guided_grammar": "root ::= x"}, "guided_grammar"),
                           ({"guided_regex": "("}, "guided_regex")]:
        error = server.chat(400, **options)["error"]
        assert error["param"] == param and error["type"] == "invalid_request_error", (options, error)
    assert server.ask("POST", "/v1/chat/completions", b"{")[0].status == 400
    error = server.chat(400, chat_template_kwargs={"n": 2**64})["error"]  # a template would show another number
    assert "beyond 64 bits" in error["message"], error
    assert server.ask("POST", "/v1/chat/completions", b"[" * 10000)[0].status == 400


def check_context_overflow():
    error = server.chat(400, messages=[{"role": "user", "content": "fox " * 2000}])["error"]
    assert error["code"] == "context_length_exceeded" and error["n_ctx"] == 512 < error["n_prompt_tokens"]


def check_template_and_tools():
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    messages = [{"role": "developer", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
                {"role": "assistant", "content": None,
                 "tool_calls": [{"id": None, "type": "function", "function": {"name": "f", "arguments": "{\"x\": 1}"}}]},
                {"role": "tool", "tool_call_id": "c", "content": "done"}]
    prompt = server.json("POST", "/apply-template", {"messages": messages, "tools": tools})["prompt"]
    assert prompt.startswith("system: a\nbassistant: <tool_call>{\"name\": \"f\", \"arguments\": {\"x\": 1}}"), prompt
    assert "tool: done" in prompt and '"function"' in prompt and prompt.endswith("assistant:")
    prefill = server.json("POST", "/apply-template", {"messages": PROMPT + [{"role": "assistant", "content": "The"}]})
    assert prefill["prompt"].endswith("assistant: The"), prefill


def check_forced_call():
    tools = [{"type": "function", "function": {
        "name": name, "parameters": {"type": "object", "properties": {"n": {"type": "integer", "maximum": 99,
                                                                            "minimum": 10}},
                                     "required": ["n"], "additionalProperties": False}}} for name in ("f", "g")]
    for choice in ("required", {"type": "function", "function": {"name": "g"}}):
        answer = server.chat(tools=tools, tool_choice=choice, parallel_tool_calls=False, max_tokens=300, temperature=1.2, seed=3)["choices"][0]
        assert answer["finish_reason"] == "tool_calls" and answer["message"]["content"] is None, answer
        call, = answer["message"]["tool_calls"]
        assert call["id"].startswith("call_") and 10 <= json.loads(call["function"]["arguments"])["n"] <= 99
        assert call["function"]["name"] in ("f", "g") if choice == "required" else call["function"]["name"] == "g"
        events = server.events("/v1/chat/completions", {"messages": PROMPT, "tools": tools, "tool_choice": choice,
                                                        "parallel_tool_calls": False,
                                                        "max_tokens": 300, "temperature": 1.2, "seed": 3})
        deltas = [d for _, data in events[:-1] for d in json.loads(data)["choices"][0]["delta"].get("tool_calls", [])]
        assert deltas[0]["function"] == {"name": call["function"]["name"], "arguments": ""}
        assert all(d["index"] == 0 and "id" not in d for d in deltas[1:])
        assert "".join(d["function"]["arguments"] for d in deltas) == call["function"]["arguments"]


def check_constraints():
    for options in ({"guided_choice": ["yes", "no"]}, {"structured_outputs": {"choice": ["yes", "no"]}}):
        assert server.chat(**options, temperature=1.5)["choices"][0]["message"]["content"] in ("yes", "no")
    schema = {"type": "object", "properties": {"a": {"enum": [1, 2]}}, "required": ["a"], "additionalProperties": False}
    answer = server.chat(response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
                         temperature=1.5, max_tokens=50)["choices"][0]["message"]["content"]
    assert json.loads(answer)["a"] in (1, 2)


def check_completions():
    answer = server.json("POST", "/v1/completions", {"prompt": [[1688, 387], "The fox"], "max_tokens": 2, "echo": True,
                                                     "logprobs": 2, "temperature": 0})
    assert [c["index"] for c in answer["choices"]] == [0, 1]
    for choice in answer["choices"]:
        lists = choice["logprobs"]
        assert lists["token_logprobs"][0] is None and lists["top_logprobs"][0] is None
        for token, logprob, top, offset in list(zip(*(lists[k] for k in (
                "tokens", "token_logprobs", "top_logprobs", "text_offset"))))[1:]:
            assert top[token] == logprob and choice["text"][offset:].startswith(token)


def check_llama_routes():
    answer = server.json("POST", "/completion", {"prompt": "Once upon a time", "n_predict": 5, "temperature": 0})
    assert answer["stop"] is True and answer["stop_type"] == "limit" and answer["tokens_predicted"] == 5
    events = [json.loads(d) for _, d in server.events("/completion", {"prompt": "Once upon a time", "n_predict": 5,
                                                                       "temperature": 0})]
    assert "".join(e["content"] for e in events) == answer["content"] and events[-1]["stop"]
    assert len(server.json("GET", "/slots")) == server.json("GET", "/props")["total_slots"] == 16
    assert server.json("POST", "/infill", {"input_prefix": "a", "input_suffix": "b"}, 400)["error"]["param"] == "model"


def check_tokens():
    plain = server.json("POST", "/tokenize", {"content": "Once"})
    assert server.json("POST", "/detokenize", {"tokens": plain["tokens"]})["content"] == "Once"
    assert server.json("POST", "/tokenize", {"prompt": "Once", "return_token_strs": True})["token_strs"]
    assert server.json("POST", "/detokenize", {"tokens": [99999]}, 400)["error"]["param"] == "tokens"
    assert server.json("GET", "/tokenizer_info")["eos_token"]


def check_responses():
    first = server.json("POST", "/v1/responses", {"input": "Once", "instructions": "x", "temperature": 0,
                                                  "max_output_tokens": 4})
    assert first["object"] == "response" and first["status"] == first["output"][0]["status"] == "incomplete"
    text = first["output"][0]["content"][0]["text"]
    assert server.json("GET", "/v1/responses/" + first["id"])["output"] == first["output"]
    second = server.json("POST", "/v1/responses", {"input": "And", "previous_response_id": first["id"],
                                                   "temperature": 0, "max_output_tokens": 4})
    direct = server.chat(max_tokens=4, messages=[{"role": "user", "content": "Once"},
                                                 {"role": "assistant", "content": text},
                                                 {"role": "user", "content": "And"}])
    assert second["output"][0]["content"][0]["text"] == direct["choices"][0]["message"]["content"]
    events = server.events("/v1/responses", {"input": "Once", "instructions": "x", "temperature": 0,
                                             "max_output_tokens": 4})
    names = [name for name, _ in events]
    assert names[:4] == ["response.created", "response.in_progress", "response.output_item.added",
                         "response.content_part.added"] and names[-1] == "response.incomplete", names
    assert names[-4:-1] == ["response.output_text.done", "response.content_part.done", "response.output_item.done"]
    datas = [json.loads(data) for _, data in events]
    assert [d["sequence_number"] for d in datas] == list(range(len(datas)))
    assert "".join(d["delta"] for d in datas if d["type"] == "response.output_text.delta") == text
    server.json("DELETE", "/v1/responses/" + first["id"])
    server.json("GET", "/v1/responses/" + first["id"], status=404)
    server.json("POST", "/v1/responses", {"input": "x", "previous_response_id": first["id"]}, 404)


def check_replay():
    body, headers = {"messages": PROMPT, "max_tokens": 4}, {"Idempotency-Key": "k1"}
    one = server.json("POST", "/v1/chat/completions", body, headers=headers)
    response, data = server.ask("POST", "/v1/chat/completions", body, headers)
    assert json.loads(data) == one and response.getheader("idempotent-replayed") == "true"
    server.json("POST", "/v1/chat/completions", {**body, "max_tokens": 5}, 422, headers)
    server.json("POST", "/v1/chat/completions", {"messages": PROMPT, "n": 0}, 400, {"Idempotency-Key": "k2"})
    server.json("POST", "/v1/chat/completions", body, headers={"Idempotency-Key": "k2"})
    fixed = {**body, "seed": 5}
    one = server.json("POST", "/v1/chat/completions", fixed)
    assert server.ask("POST", "/v1/chat/completions", fixed)[0].getheader("x-cache-hit") == "true"
    assert server.ask("POST", "/v1/chat/completions", body)[0].getheader("x-cache-hit") is None


def check_anthropic_errors():
    error = server.json("POST", "/v1/messages", {"model": "m", "max_tokens": 0, "messages": PROMPT}, 400)
    assert error["type"] == "error" and error["error"]["type"] == "invalid_request_error"


def check_going_away_frees_the_place():
    for _ in range(20):
        connection = http.client.HTTPConnection(server.address, timeout=30)
        connection.request("POST", "/v1/chat/completions", json.dumps({"messages": PROMPT, "stream": True,
                                                                        "ignore_eos": True}))
        connection.getresponse().read(50)
        connection.close()
    deadline = time.time() + 5
    while any(s["is_processing"] for s in server.json("GET", "/slots")):
        assert time.time() < deadline
        time.sleep(0.01)


def check_crowd_gets_the_same():
    alone = [server.chat(messages=[{"role": "user", "content": f"The fox {i}"}])["choices"] for i in range(8)]
    crowd = [None] * 8

    def one(i):
        crowd[i] = server.chat(messages=[{"role": "user", "content": f"The fox {i}"}])["choices"]
    threads = [threading.Thread(target=one, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert crowd == alone


def check_full_queue():
    small = Server("demo", "-np", "1", "--max-queue", "2")
    results = []

    def one():
        response, data = small.ask("POST", "/v1/chat/completions", {"messages": PROMPT, "max_tokens": 300,
                                                                     "ignore_eos": True})
        results.append((response.status, response.getheader("retry-after"), json.loads(data)))
    threads = [threading.Thread(target=one) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert {r[0] for r in results} == {200, 429}, results
    assert all(r[1] == "1" and r[2]["error"]["type"] == "rate_limit_error" for r in results if r[0] == 429)
    assert small.stop() == 0


def event_of(stream):
    while not (line := stream.readline()).startswith(b"data: "):
        assert line
    event = json.loads(line[6:])
    assert event["event"] == "status_change"
    return event["model"], event["data"]["status"]


def check_models_are_replaced_under_load():
    copy = os.path.join(FOLDER, "copy.gguf")
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../assets/demo/demo.gguf")
    shutil.copyfile(source, copy)
    two = Server("demo", "other=" + copy)
    for path in ("/tokenizer_info", "/props", "/slots"):
        assert two.json("GET", path + "?model=other") and "is needed" in two.json("GET", path, None, 404)["error"]["message"]
    assert [m["id"] for m in two.json("GET", "/v1/models")["data"]] == ["demo", "other"]
    two.chat(404, model="gpt")
    listener = http.client.HTTPConnection(two.address)
    listener.request("GET", "/models/sse")
    events = listener.getresponse()
    assert [event_of(events) for _ in range(2)] == [("demo", "loaded"), ("other", "loaded")]
    results, stop = [], threading.Event()

    def ask():
        while not stop.is_set():
            results.append(two.ask("POST", "/v1/chat/completions", {"model": "other", "messages": PROMPT,
                                                                     "max_tokens": 20, "seed": 1}))
    threads = [threading.Thread(target=ask) for _ in range(3)]
    for t in threads:
        t.start()
    for _ in range(3):
        shutil.copyfile(source, copy + ".new")
        os.replace(copy + ".new", copy)
        assert two.json("POST", "/models/load", {"model": "other", "reload": True}) == {"success": True}
    told = [event_of(events) for _ in range(6)]
    assert told == [("other", "loading"), ("other", "loaded")] * 3, told
    two.json("POST", "/models/unload", {"model": "other"})
    assert event_of(events) == ("other", "unloaded")
    stop.set()
    for t in threads:
        t.join()
    assert results and {r.status for r, _ in results} == {200}
    assert len({str(json.loads(data)["choices"]) for _, data in results}) == 1
    two.json("POST", "/models/load", {"model": "nobody"}, 404)
    assert two.stop() == 0
    events.read()  # its end is told, and whole


def check_batch_survives_a_kill():
    lines = [{"custom_id": f"r{i}", "method": "POST", "url": "/v1/chat/completions",
              "body": {"messages": PROMPT, "max_tokens": 2 if i != 7 else -1, "seed": i}} for i in range(N_BATCH)]
    upload = "\n".join(json.dumps(line) for line in lines)
    form = (b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--b\r\nContent-Disposition: form-data; '
            b'name="file"; filename="in.jsonl"\r\n\r\n' + upload.encode() + b"\r\n--b--\r\n")
    state = os.path.join(FOLDER, "state")
    first = Server("demo", "--state-dir", state)
    file = first.json("POST", "/v1/files", form, headers={"Content-Type": "multipart/form-data; boundary=b"})
    assert file["bytes"] == len(upload) and file["purpose"] == "batch"
    assert first.ask("GET", f"/v1/files/{file['id']}/content")[1].decode() == upload
    batch = first.json("POST", "/v1/batches", {"input_file_id": file["id"], "endpoint": "/v1/chat/completions",
                                               "completion_window": "24h"})
    while first.json("GET", "/v1/batches/" + batch["id"])["request_counts"]["completed"] < N_BATCH // 4:
        time.sleep(0.005)
    first.stop(signal.SIGKILL)
    second = Server("demo", "--state-dir", state)
    deadline = time.time() + 60
    while (batch := second.json("GET", "/v1/batches/" + batch["id"]))["status"] != "completed":
        assert batch["status"] in ("validating", "in_progress") and time.time() < deadline, batch
        time.sleep(0.02)
    assert batch["request_counts"] == {"total": N_BATCH, "completed": N_BATCH - 1, "failed": 1}
    answers = [json.loads(line) for which in ("output_file_id", "error_file_id")
               for line in second.ask("GET", f"/v1/files/{batch[which]}/content")[1].splitlines()]
    assert sorted(a["custom_id"] for a in answers) == sorted(line["custom_id"] for line in lines)
    assert [a["custom_id"] for a in answers if a["response"]["status_code"] != 200] == ["r7"]
    alone = second.chat(max_tokens=2, seed=3, temperature=None)["choices"]
    assert [a for a in answers if a["custom_id"] == "r3"][0]["response"]["body"]["choices"] == alone
    bad = second.json("POST", "/v1/files", form.replace(b'"url": "/v1/chat', b'"url": "/v2/chat', 1),
                      headers={"Content-Type": "multipart/form-data; boundary=b"})
    batch = second.json("POST", "/v1/batches", {"input_file_id": bad["id"], "endpoint": "/v1/chat/completions",
                                                "completion_window": "24h"})
    while (batch := second.json("GET", "/v1/batches/" + batch["id"]))["status"] == "validating":
        time.sleep(0.01)
    assert batch["status"] == "failed" and batch["errors"]["data"][0]["line"] == 1, batch
    second.json("DELETE", "/v1/files/" + bad["id"])
    second.json("GET", "/v1/files/" + bad["id"], status=404)
    second.json("GET", "/v1/files/..x", status=404)
    assert second.stop() == 0


def check_batches_of_every_endpoint():
    bodies = {"/v1/completions": {"prompt": ["The fox", "A dog"], "max_tokens": 2, "temperature": 0, "logprobs": 1, "stream": True},
              "/v1/embeddings": {"input": "fox"},
              "/v1/responses": {"input": "fox", "max_output_tokens": 2, "temperature": 0},
              "/v1/chat/completions": {"messages": PROMPT, "max_tokens": 2, "temperature": 0}}
    batches = Server("demo", "--state-dir", os.path.join(FOLDER, "endpoints"))
    boundary = {"Content-Type": "multipart/form-data; boundary=b"}
    created = []
    for url, body in bodies.items():
        lines = [{"custom_id": "well", "method": "POST", "url": url, "body": body},
                 {"custom_id": "ill", "method": "POST", "url": url, "body": {**body, "model": 5}}]
        form = (b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--b\r\nContent-Disposition: form-data; '
                b'name="file"; filename="in.jsonl"\r\n\r\n' + "\n".join(map(json.dumps, lines)).encode() + b"\r\n--b--\r\n")
        file = batches.json("POST", "/v1/files", form, headers=boundary)
        created.append(batches.json("POST", "/v1/batches", {"input_file_id": file["id"], "endpoint": url,
                                                            "completion_window": "24h"})["id"])
    for (url, body), batch in zip(bodies.items(), created):
        while (state := batches.json("GET", "/v1/batches/" + batch))["status"] != "completed":
            assert state["status"] in ("validating", "in_progress"), state
            time.sleep(0.01)
        well, ill = [json.loads(batches.ask("GET", f"/v1/files/{state[which]}/content")[1])["response"]
                     for which in ("output_file_id", "error_file_id")]
        asked = batches.json("POST", url, {**body, "stream": None})
        assert well["status_code"] == 200 and ill["status_code"] == 400, (well, ill)
        for member in ("choices", "data"):
            assert well["body"].get(member) == asked.get(member), (url, well)
        assert [i["content"] for i in well["body"].get("output", [])] == [i["content"] for i in asked.get("output", [])]
        assert ill["body"]["error"]["param"] == "model" and ill["body"]["error"]["type"] == "invalid_request_error", ill
        if url == "/v1/responses":
            batches.json("GET", "/v1/responses/" + well["body"]["id"], status=404)
    listed = batches.json("GET", "/v1/batches?limit=3")
    assert len(listed["data"]) == 3 and listed["has_more"] and listed["last_id"] == listed["data"][2]["id"], listed
    rest = batches.json("GET", "/v1/batches?limit=3&after=" + listed["last_id"])
    assert {b["id"] for b in listed["data"] + rest["data"]} == set(created) and not rest["has_more"]
    assert len(batches.json("GET", "/v1/files")["data"]) == 12
    assert batches.json("GET", "/v1/batches?limit=0", status=400)["error"]["param"] == "limit"
    assert batches.stop() == 0


def check_input_items():
    first = server.json("POST", "/v1/responses", {"input": "fox", "max_output_tokens": 4})
    parts = [{"type": "input_text", "text": "and now"}]
    second = server.json("POST", "/v1/responses", {"previous_response_id": first["id"], "max_output_tokens": 4, "input": [
        {"role": "user", "content": parts}, {"role": "assistant", "content": "well"}, {"role": "user", "content": "then"}]})
    where = f"/v1/responses/{second['id']}/input_items"
    items = server.json("GET", where + "?order=asc")
    assert items["object"] == "list" and not items["has_more"]
    assert [i["content"] if i["id"] != first["output"][0]["id"] else "first" for i in items["data"]] == [
        [{"type": "input_text", "text": "fox"}], "first", parts,
        [{"type": "output_text", "text": "well", "annotations": []}], [{"type": "input_text", "text": "then"}]]
    assert all(i["id"] and i["type"] == "message" and i["status"] for i in items["data"])
    ids, after = [], ""
    while True:  # from the newest on, two at a time
        page = server.json("GET", where + "?limit=2" + after)
        ids += [i["id"] for i in page["data"]]
        if not page["has_more"]:
            break
        after = "&after=" + page["last_id"]
    assert ids == [i["id"] for i in items["data"]][::-1]
    for query, param in [("limit=0", "limit"), ("limit=x", "limit"), ("order=up", "order"), ("after=nobody", "after")]:
        assert server.json("GET", f"{where}?{query}", status=400)["error"]["param"] == param
    assert server.json("POST", f"/v1/responses/{second['id']}/cancel", {}, 400)["error"]["param"] == "response_id"
    assert server.json("DELETE", "/v1/responses/" + second["id"])["deleted"] is True
    for method, path in [("GET", where), ("DELETE", "/v1/responses/" + second["id"]), ("POST", "/v1/responses/x/cancel")]:
        assert server.json(method, path, {} if method == "POST" else None, status=404)["error"]["code"] == "response_not_found"


def check_headers():
    response, _ = server.ask("POST", "/v1/completions", {"prompt": "a", "max_tokens": 1}, {"X-Request-Id": "mine-1"})
    assert response.getheader("x-request-id") == "mine-1" and response.getheader("openai-version")
    assert int(response.getheader("openai-processing-ms")) < 60000
    assert not server.ask("GET", "/api/version")[0].getheader("openai-version")


def check_codes_of_errors():
    """OpenAI's are names or null, llama-server's the status."""
    for method, path, body, status, code in [
            ("POST", "/v1/chat/completions", b"{", 400, None), ("POST", "/v1/embeddings", {"input": 5}, 400, None),
            ("GET", "/v1/chat/completions", None, 405, None), ("GET", "/v1/nothing", None, 404, "unknown_path"),
            ("GET", "/v1/realtime", None, 426, None), ("POST", "/completion", {"prompt": {}}, 400, 400)]:
        error = server.json(method, path, body, status)["error"]
        assert error["code"] == code and error["message"] and error["type"], (path, error)
        assert "param" in error, error


def check_end():
    assert server.stop() == 0


N_BATCH = int(os.environ.get("BATCH_REQUESTS", "120"))
with open(os.path.join(FOLDER, "chat.jinja"), "w") as file:
    file.write(TEMPLATE)
server = Server("demo", "--chat-template-file", file.name, "--response-cache-mib", "8")
run_checks(globals())
