#!/usr/bin/env python3
"""Holds the GGUF files that `model convert` writes against llama.cpp (the package llama-cpp-python), which reads them, and
against gguf-py's list of metadata keys.

    compare_conversions.py --bitnet build/bitnet --work build/diff [NAME…]

Sources are the small checkpoints of tests/data/models, and those of ../shared/data/models where that is. In float32 both programs
must find the same logits, but for GELU, which llama.cpp looks up in a table of float16. In other types llama.cpp rounds activations
by blocks, and in a BitNet this program rounds them by tokens, so only the predictions must be close. (llama.cpp runs every BitNet
with SiLU, and so does this program here.) Exits 1 on differences."""
import argparse
import json
import math
import pathlib
import random
import shutil
import struct
import subprocess
import sys

PROJECT = pathlib.Path(__file__).resolve().parents[2]
EXACT = 5e-5  # of every logit, as in tests/parity
TABLE_KL = 1e-6  # nats: activation functions from a table of float16
CLOSE_KL = 2e-3  # nats: activations rounded to eight bits by blocks
BITNET_KL = 1e-2  # nats: by tokens here, by blocks or not at all there
BLOCK_TYPES = ["f16", "bf16", "q8_0", "q4_0", "q4_k", "q6_k", "tq1_0", "tq2_0"]
TOKENS = [0, 53, 259, 265, 80, 77, 71, 383, 282, 262, 17, 300, 301, 12, 99]
failures = skipped = 0


def check(what, holds, detail=""):
    global failures
    failures += not holds
    print(("ok      " if holds else "not ok  ") + f"{what}  {detail}".rstrip(), flush=True)


def skip(what, why):
    global skipped
    skipped += 1
    print(f"skipped {what}: {why}", flush=True)


def run(bitnet, *arguments):
    done = subprocess.run([bitnet, *map(str, arguments)], capture_output=True, text=True)
    return done.returncode == 0, done.stderr.strip().splitlines()[-1:] or [""]


# ---- logits of both ----

def ours(bitnet, path, tokens, work, *options):
    done, said = run(bitnet, "eval", "logits", path, "--tokens", ",".join(map(str, tokens)), "-o", work / "logits.f32", "--kv-type", "f32", *options)
    if not done:
        raise RuntimeError(said[0])
    data = (work / "logits.f32").read_bytes()
    values = struct.unpack(f"<{len(data) // 4}f", data)
    width = len(values) // len(tokens)
    return [values[i * width:(i + 1) * width] for i in range(len(tokens))]


def theirs(path, tokens):
    import llama_cpp
    model = llama_cpp.Llama(model_path=str(path), n_ctx=64, n_batch=64, n_threads=1, logits_all=True, verbose=False, type_k=0, type_v=0, flash_attn=False)
    model.eval(tokens)
    rows = [list(map(float, model.scores[i])) for i in range(len(tokens))]
    model.close()
    return rows


def log_softmax(row):
    most = max(row)
    total = most + math.log(math.fsum(math.exp(x - most) for x in row))
    return [x - total for x in row]


def compare(a, b):
    """Largest difference of a logit, mean KL, share of equal best tokens."""
    largest = max(abs(x - y) for p, q in zip(a, b) for x, y in zip(p, q))
    kl = best = 0
    for p, q in zip(map(log_softmax, a), map(log_softmax, b)):
        kl += math.fsum(math.exp(x) * (x - y) for x, y in zip(p, q)) / len(a)
        best += (max(range(len(p)), key=p.__getitem__) == max(range(len(q)), key=q.__getitem__)) / len(a)
    return largest, kl, best


# ---- metadata ----

def known_keys():
    """Patterns of gguf-py's keys, or None without it."""
    try:
        import gguf
    except ImportError:
        return None
    patterns = set()
    for group in vars(gguf.Keys).values():
        for value in vars(group).values() if isinstance(group, type) else ():
            if isinstance(value, str):
                patterns.add(value)
    return patterns


def check_keys(name, path, patterns):
    import gguf
    reader = gguf.GGUFReader(path)
    architecture = str(bytes(reader.fields["general.architecture"].parts[-1]), "utf-8")
    known = {pattern.replace("{arch}", architecture) for pattern in patterns}
    strange = [key for key in reader.fields if key not in known and not key.startswith(("GGUF.", "bitnet.i2s", "bitnet.tokenizer", "bitnet.hidden_act"))]
    check(f"{name}: gguf-py knows all keys", not strange, strange[:5])
    names = [tensor.name for tensor in reader.tensors]
    check(f"{name}: gguf-py reads its {len(names)} tensors", len(names) == len(set(names)) > 0)


# ---- sources ----

def wide(folder, family, ternary):
    """A random model of a family whose rows are whole blocks of every type."""
    source = PROJECT / "tests/data/models" / family
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    config = json.loads((source / "config.json").read_text())
    config |= {"hidden_size": 256, "intermediate_size": 512, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 64, "num_hidden_layers": 2,
               "tie_word_embeddings": ternary, "torch_dtype": "float32", "dtype": "float32"}
    (folder / "config.json").write_text(json.dumps(config))
    for file in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        shutil.copy(source / file, folder / file)
    vocabulary = config["vocab_size"]
    shapes = {"model.embed_tokens.weight": (vocabulary, 256), "model.norm.weight": (256,)}
    if not ternary:  # llama.cpp's BitNets have no head of their own
        shapes["lm_head.weight"] = (vocabulary, 256)
    for i in range(2):
        p = f"model.layers.{i}."
        shapes |= {p + "input_layernorm.weight": (256,), p + "post_attention_layernorm.weight": (256,), p + "self_attn.q_proj.weight": (256, 256),
                   p + "self_attn.k_proj.weight": (128, 256), p + "self_attn.v_proj.weight": (128, 256), p + "self_attn.o_proj.weight": (256, 256),
                   p + "mlp.gate_proj.weight": (512, 256), p + "mlp.up_proj.weight": (512, 256), p + "mlp.down_proj.weight": (256, 512)}
        if ternary:
            shapes |= {p + "self_attn.attn_sub_norm.weight": (256,), p + "mlp.ffn_sub_norm.weight": (512,)}
    rng, header, blobs, at = random.Random(7), {}, [], 0
    for name, shape in shapes.items():
        n = math.prod(shape)
        blobs.append(struct.pack(f"<{n}f", *([1.0] * n if len(shape) == 1 else [rng.gauss(0, 0.06) for _ in range(n)])))
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [at, at + 4 * n]}
        at += 4 * n
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))
    return folder


def sources(names):
    found = {}
    for root in (PROJECT / "tests/data/models", PROJECT / "tests/data/models/made", PROJECT / "../shared/data/models"):
        for config in sorted(root.glob("*/config.json")):
            if not names or config.parent.name in names:
                found.setdefault(config.parent.name, config.parent)
    return found


def is_bitnet(config):
    return config["model_type"] == "bitnet" or "BitnetForCausalLM" in config["architectures"]


def gate(config, kind):
    """Which figure decides, and what it may be."""
    if is_bitnet(config):
        return "kl", BITNET_KL
    if kind != "f32":
        return "kl", CLOSE_KL
    activation = config.get("hidden_activation") or config.get("hidden_act") or config.get("activation_function") or "gelu"
    return ("kl", TABLE_KL) if "gelu" in activation else ("largest", EXACT)


def compare_source(bitnet, work, name, folder, types, patterns):
    source, path = work / "source", work / "converted.gguf"  # the folder's name becomes the model's, and llama.cpp has rules by names
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(folder, source)
    config = json.loads((folder / "config.json").read_text())
    if config["model_type"] == "gemma3_text":  # whose scale llama.cpp takes from the size of heads
        config["query_pre_attn_scalar"] = config["head_dim"]
        (source / "config.json").write_text(json.dumps(config))
    tokens = [token % config["vocab_size"] for token in TOKENS][:config.get("sliding_window") or None]  # llama.cpp leaves some families' windows out
    options = ["--hidden-act", "silu"] if is_bitnet(config) else []
    if is_bitnet(config) and not config.get("tie_word_embeddings"):
        skip(name, "llama.cpp's BitNets have no head of their own")
        return
    if "long_factor" in json.dumps(config):
        skip(name, "llama.cpp chooses long factors by the size of its context, which is 256 at least")
        return
    for kind in types:
        what = f"{name}, {kind}"
        done, said = run(bitnet, "model", "convert", source, "--to", "gguf", "-o", path, "--type", kind)
        if not done and any(words in said[0] for words in ("GGUF can't say it", "can't be converted")):
            skip(what, said[0])
            return
        if not done:
            check(what, False, said[0])
            continue
        if kind == types[0] and patterns:
            check_keys(name, path, patterns)
        try:
            reference = theirs(path, tokens)
        except Exception as error:  # the package says no more than this
            check(f"{what}: llama.cpp loads it", False, error)
            continue
        largest, kl, best = compare(ours(bitnet, path, tokens, work, *options), reference)
        figure, most = gate(config, kind)
        check(what, (kl if figure == "kl" else largest) <= most, f"logits differ by up to {largest:.2g}, KL {kl:.2g}, same best token {100 * best:.0f} %")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bitnet", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    work = arguments.work / "conversions"
    work.mkdir(parents=True, exist_ok=True)
    bitnet, patterns = arguments.bitnet.resolve(), known_keys()
    if patterns is None:
        skip("metadata keys", "no package gguf")
    for name, folder in sources(arguments.names).items():
        ternary = "quantization_config" in (folder / "config.json").read_text()
        compare_source(bitnet, work, name, folder, ["f32"] if ternary else ["f32", "f16", "q8_0"], patterns)
    for name, family, types in ("wide-llama", "llama", ["f32", *BLOCK_TYPES]), ("wide-bitnet", "bitnet-master", ["f32", "tq1_0", "tq2_0"]):
        if not arguments.names or name in arguments.names:
            compare_source(bitnet, work, name, wide(work / name, family, "bitnet" in name), types, patterns)
    shutil.rmtree(work)
    print(f"{failures} failures, {skipped} skipped")
    return failures > 0


if __name__ == "__main__":
    sys.exit(main())
