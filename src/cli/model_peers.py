# One measurement of another library that runs models: the job comes as a JSON argument, the result goes out as a line of
# JSON. Part of the program (bench compare starts it with an interpreter that has the library).
#
#   pp      n random tokens through an empty cache, after a warm-up
#   tg      n tokens one by one, nothing sampled, after a warm-up
#   start   from the call that loads the model to the first token after 8; the interpreter's own start isn't counted
import json
import random
import sys
import time


def measure(job, vocab_size, prefill, step, clear):
    """prefill(tokens) and step(token) return when the logits are there; clear() empties the cache."""
    n = job["n"]
    tokens = [random.randrange(min(1000, vocab_size)) for _ in range(n)]
    prefill(tokens[:64])
    clear()
    if job["test"] == "pp":
        start = time.perf_counter()
        prefill(tokens)
    else:
        prefill(tokens[:1])
        start = time.perf_counter()
        for token in tokens:
            step(token)
    return {"tokens_per_second": n / (time.perf_counter() - start)}


def resident_bytes():
    """The most this process has had so far."""
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def llama(job):
    import llama_cpp as lib
    silent = lib.llama_log_callback(lambda level, text, data: None)
    lib.llama_log_set(silent, None)
    lib.llama_backend_init()
    job["base_bytes"] = resident_bytes()
    start = time.perf_counter()
    model = lib.llama_model_load_from_file(job["model"].encode(), lib.llama_model_default_params())
    if not model:
        raise RuntimeError("llama.cpp can't load this model (architecture or tensor type)")
    params = lib.llama_context_default_params()
    params.n_ctx, params.n_batch, params.n_ubatch = max(job["n"], 64) + 8, 2048, 512
    params.n_threads = params.n_threads_batch = job["threads"]
    context = lib.llama_init_from_model(model, params)
    if not context:
        raise RuntimeError("llama.cpp can't make a context")

    def run(tokens):
        for at in range(0, len(tokens), 2048):
            part = tokens[at:at + 2048]
            ids = (lib.llama_token * len(part))(*part)
            if lib.llama_decode(context, lib.llama_batch_get_one(ids, len(part))):
                raise RuntimeError("llama_decode failed")
        lib.llama_synchronize(context)

    size = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(model))
    if job["test"] == "start":
        run(list(range(1, 9)))
        logits = lib.llama_get_logits_ith(context, -1)[:size]
        max(range(size), key=logits.__getitem__)
        return {"seconds": time.perf_counter() - start}
    memory = lib.llama_get_memory(context)
    return measure(job, size, run, lambda token: run([token]), lambda: lib.llama_memory_clear(memory, True))


def transformers(job):
    import torch
    import transformers as lib
    lib.logging.set_verbosity_error()
    torch.set_num_threads(job["threads"])
    torch.set_grad_enabled(False)
    job["base_bytes"] = resident_bytes()
    start = time.perf_counter()
    model = lib.AutoModelForCausalLM.from_pretrained(job["model"], dtype="auto").eval()
    cache = [None]

    def run(tokens):
        out = model(torch.tensor([tokens]), past_key_values=cache[0], use_cache=True, logits_to_keep=1)
        cache[0] = out.past_key_values
        return int(out.logits[0, -1].argmax())

    if job["test"] == "start":
        run(list(range(1, 9)))
        return {"seconds": time.perf_counter() - start}
    size = model.get_input_embeddings().num_embeddings
    return measure(job, size, run, lambda token: run([token]), lambda: cache.__setitem__(0, None))


job = json.loads(sys.argv[1])
try:
    result = {"llama-cpp-python": llama, "transformers": transformers}[job["peer"]](job)
except Exception as error:
    sys.exit(f"{type(error).__name__}: {error}")
print(json.dumps(result | {"base_bytes": job["base_bytes"]}), flush=True)
