"""The metrics of `bitnet serve`: metrics_session.py BITNET."""
import http.client
import json
import re
import subprocess
import sys
import time

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"'
SAMPLE = re.compile(rf"^({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (\S+)$")
checks = 0


def check(what, holds, detail=""):
    global checks
    checks += 1
    print("ok " if holds else "not ok ", what)
    if not holds:
        print("       ", detail)
        server.kill()
        sys.exit(1)


def parse(text):
    """{(name, labels): value} of the text format, version 0.0.4; what promtool would complain about is an AssertionError."""
    assert text.endswith("\n")
    kinds, helps, samples, family = {}, {}, {}, None
    for line in text[:-1].split("\n"):
        if line.startswith("# "):
            word, name, rest = line[2:].split(" ", 2)
            seen = {"HELP": helps, "TYPE": kinds}[word]
            assert name not in seen and re.fullmatch(NAME, name) and rest, line
            assert word == "HELP" or (name in helps and family == name), line
            seen[name] = rest
            family = name
            continue
        match = SAMPLE.match(line)
        assert match, line
        name, labels, value = match[1], tuple(re.findall(LABEL, match[2] or "")), float(line.rsplit(" ", 1)[1])
        base = re.sub("_(bucket|sum|count)$", "", name) if kinds[family] == "histogram" else name
        assert base == family, f"{line}: in the family of {family}"
        assert (name, labels) not in samples, f"{line}: twice"
        samples[name, labels] = value
    for name, kind in kinds.items():
        assert kind in ("counter", "gauge", "histogram")
        assert (kind == "counter") == name.endswith("_total"), name
        assert not re.search("_(milli|micro|ms|us|minutes|kb|mib|percent)(_|$)", name), f"{name}: not a base unit"
        if kind == "histogram":
            check_histogram(name, samples)
    return samples


def check_histogram(name, samples):
    series = {}
    for (sample, labels), value in samples.items():
        if sample == name + "_bucket":
            assert labels[-1][0] == "le"
            series.setdefault(labels[:-1], []).append((float(labels[-1][1]), value))
    assert series, name
    for labels, buckets in series.items():
        bounds, counts = zip(*buckets)
        assert list(bounds) == sorted(set(bounds)) and bounds[-1] == float("inf"), name
        assert list(counts) == sorted(counts), f"{name}: not cumulative"
        assert counts[-1] == samples[name + "_count", labels] and (name + "_sum", labels) in samples, name


server = subprocess.Popen([sys.argv[1], "serve", 'a "b\\c=demo', "--port", "0", "--no-access-log", "-t", "1", "--vllm-metrics"],
                          stdout=subprocess.PIPE, text=True)
address = server.stdout.readline().split("//")[1].strip()
MODEL = (("model_name", 'a \\"b\\\\c'),)


def ask(method, path, body=None):
    connection = http.client.HTTPConnection(address, timeout=30)
    connection.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/json"})
    return connection, connection.getresponse()


def metrics():
    connection, response = ask("GET", "/metrics")
    assert response.getheader("Content-Type").startswith("text/plain; version=0.0.4")
    text = response.read().decode()
    connection.close()
    return parse(text)


def complete(**options):
    connection, response = ask("POST", "/v1/completions", {"prompt": "Once upon a time", "temperature": 0, **options})
    answer = json.loads(response.read())
    connection.close()
    return answer["usage"]


before = metrics()
check("a model counts from 0", before["bitnet_requests_finished_total", MODEL + (("finished_reason", "stop"),)] == 0)
lengths = [1, 2, 5, 9, 30]
usages = [complete(max_tokens=n) for n in lengths]
usages.append(complete(max_tokens=40, stop=["a"]))
after = metrics()


def value(name, labels=MODEL):
    return after[name, labels]


prompt = sum(u["prompt_tokens"] for u in usages)
output = sum(u["completion_tokens"] for u in usages)
check("prompt tokens", value("bitnet_prompt_tokens_total") == prompt)
check("generated tokens, as usage says", value("bitnet_generation_tokens_total") == output)
check("what the prefix cache was asked for", value("bitnet_prefix_cache_queries_total") == prompt)
check("and had", value("bitnet_prefix_cache_hits_total") == sum(u["prompt_tokens_details"]["cached_tokens"] for u in usages))
reason = lambda name: after["bitnet_requests_finished_total", MODEL + (("finished_reason", name),)]
check("how requests ended", (reason("length"), reason("stop"), reason("abort"), reason("error")) == (5, 1, 0, 0))
for name in ("time_to_first_token_seconds", "e2e_request_latency_seconds", "request_queue_time_seconds",
             "request_prefill_time_seconds", "request_decode_time_seconds", "request_generation_tokens"):
    check(f"{name}: one a request", value(f"bitnet_{name}_count") == len(usages))
check("inter_token_latency: one a token but the first", value("bitnet_inter_token_latency_seconds_count") == output - len(usages))
check("lengths of answers", value("bitnet_request_generation_tokens_sum") == output)
check("the parts make the whole", abs(value("bitnet_e2e_request_latency_seconds_sum") - sum(
    value(f"bitnet_request_{part}_time_seconds_sum") for part in ("queue", "prefill", "decode"))) < 0.05)
check("first token and later ones, too", value("bitnet_time_to_first_token_seconds_sum")
      + value("bitnet_inter_token_latency_seconds_sum") <= value("bitnet_e2e_request_latency_seconds_sum") + 1e-3)
VLLM = {"num_requests_running": "requests_running", "num_requests_waiting": "requests_waiting",
        "kv_cache_usage_perc": "kv_cache_usage_ratio", "prompt_tokens_total": "prompt_tokens_total",
        "generation_tokens_total": "generation_tokens_total", "prefix_cache_queries_total": "prefix_cache_queries_total",
        "prefix_cache_hits_total": "prefix_cache_hits_total", "time_to_first_token_seconds_count": "time_to_first_token_seconds_count",
        "inter_token_latency_seconds_sum": "inter_token_latency_seconds_sum", "e2e_request_latency_seconds_sum": "e2e_request_latency_seconds_sum",
        "request_queue_time_seconds_sum": "request_queue_time_seconds_sum", "request_prefill_time_seconds_sum": "request_prefill_time_seconds_sum",
        "request_decode_time_seconds_sum": "request_decode_time_seconds_sum", "request_prompt_tokens_sum": "request_prompt_tokens_sum"}
check("vLLM's names say the same", all(value("vllm:" + theirs) == value("bitnet_" + ours) for theirs, ours in VLLM.items()))
check("and how requests ended", after["vllm:request_success_total", MODEL + (("finished_reason", "length"),)] == 5)

connection, response = ask("POST", "/v1/completions", {"prompt": "Once", "max_tokens": 400, "ignore_eos": True, "stream": True})
response.readline()
after = metrics()
check("one is running", value("bitnet_requests_running") == 1 and value("bitnet_kv_cache_usage_ratio") > 0)
response.close()
connection.close()
for _ in range(200):
    after = metrics()
    if reason("abort") and value("bitnet_requests_running") == 0:
        break
    time.sleep(0.02)
check("one went away", reason("abort") == 1)
check("and none is left", value("bitnet_requests_running") == value("bitnet_requests_waiting") == 0)
server.terminate()
check("the server ends well", server.wait(20) == 0)
print(f"{checks} checks, 0 failed")
