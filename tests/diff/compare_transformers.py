#!/usr/bin/env python3
"""Holds `model convert` and the forward pass against transformers, on random small checkpoints of every architecture that both know.

    compare_transformers.py --bitnet build/bitnet --work build/diff [--count N] [--seed N] [--show N] [ARCHITECTURE…]

For each, N configurations are drawn (heads, widths, biases, ties, activations, rope and its scaling, windows, soft caps) and saved in one of the
forms that people publish: safetensors in one file or in shards, or a PyTorch pickle. The folder itself, the GGUF file that it is converted to, and the
folder that this is converted back to must give the same logits (the last by transformers itself). Needs torch and transformers.
Exits 1 on differences; a configuration that is refused is counted and shown."""
import argparse
import collections
import contextlib
import io
import pathlib
import random
import shutil
import struct
import subprocess
import sys

import torch
import transformers

TOLERANCE = 1e-4  # of the largest logit's magnitude: both sum in float32, in another order
N_TOKENS = 24
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()


# ---- what is drawn ----

def decoder(r, **more):
    """What most families share."""
    head_dim = r.choice([8, 16, 32])
    kv_heads = r.choice([1, 2, 4])
    heads = kv_heads * r.choice([1, 2, 3])
    fields = dict(vocab_size=r.choice([97, 256, 500]), hidden_size=heads * head_dim, intermediate_size=r.choice([48, 64, 172]),
                  num_hidden_layers=r.choice([1, 2, 3]), num_attention_heads=heads, num_key_value_heads=kv_heads, head_dim=head_dim,
                  max_position_embeddings=r.choice([64, 128, 2048]), tie_word_embeddings=r.random() < 0.4, bos_token_id=1, eos_token_id=2,
                  pad_token_id=0, initializer_range=r.choice([0.02, 0.1, 0.3]))
    return fields | more


def rope(r, kinds=("default",)):
    kind = r.choice(kinds)
    parameters = {"rope_type": kind, "rope_theta": r.choice([500.0, 10000.0, 1e6])}
    if kind != "default":
        parameters["factor"] = r.choice([2.0, 4.0, 8.0])
    if kind in ("llama3", "yarn"):
        parameters["original_max_position_embeddings"] = r.choice([16, 64, 1024])
    if kind == "llama3":
        parameters |= {"low_freq_factor": 1.0, "high_freq_factor": 4.0}
    return parameters


def llama(r):
    return decoder(r, rope_parameters=rope(r, ("default", "default", "linear", "llama3", "yarn")), attention_bias=r.random() < 0.3,
                   mlp_bias=r.random() < 0.3, hidden_act=r.choice(["silu"] * 4 + ["gelu"]), rms_norm_eps=r.choice([1e-5, 1e-6]))


def mistral(r):
    return decoder(r, rope_parameters=rope(r), sliding_window=r.choice([None, 4, 9, 4096]))


def qwen2(r):
    return decoder(r, rope_parameters=rope(r, ("default", "linear", "yarn")), use_sliding_window=False)


def qwen3(r):
    fields = decoder(r, rope_parameters=rope(r, ("default", "yarn")), attention_bias=r.random() < 0.3)
    return fields | {"head_dim": r.choice([fields["head_dim"], 16])}


def phi3(r):
    fields = decoder(r, rope_parameters=rope(r), resid_pdrop=0.0, embd_pdrop=0.0, sliding_window=r.choice([None, None, 6]))
    fields["rope_parameters"]["partial_rotary_factor"] = 1.0
    return fields


def gemma(r):
    fields = decoder(r, rope_parameters=rope(r), tie_word_embeddings=True)
    return fields | {"head_dim": r.choice([fields["head_dim"], 16])}


def gemma2(r):
    return gemma(r) | {"hidden_activation": r.choice(["gelu_pytorch_tanh", "gelu"]), "sliding_window": r.choice([4, 8, 4096]), "query_pre_attn_scalar": r.choice([16, 24]),
                       "attn_logit_softcapping": r.choice([20.0, 50.0]), "final_logit_softcapping": r.choice([10.0, 30.0])}


def gemma3(r):
    fields = gemma(r) | {"sliding_window": r.choice([4, 512]), "query_pre_attn_scalar": r.choice([16, 24])}
    theta = fields.pop("rope_parameters")["rope_theta"]
    fields["rope_parameters"] = {"full_attention": {"rope_type": "default", "rope_theta": theta * 10},
                                 "sliding_attention": {"rope_type": "default", "rope_theta": theta}}
    return fields | {"num_hidden_layers": r.choice([2, 7])}


def olmo2(r):
    return decoder(r, rope_parameters=rope(r), attention_bias=False)


def starcoder2(r):
    return decoder(r, rope_parameters=rope(r), use_bias=r.random() < 0.7, hidden_act="gelu_pytorch_tanh", sliding_window=r.choice([None, 4096]),
                   residual_dropout=0.0, embedding_dropout=0.0)


def gpt2(r):
    heads, head_dim = r.choice([2, 3, 4]), r.choice([8, 16])
    return dict(vocab_size=r.choice([97, 256]), n_positions=64, n_embd=heads * head_dim, n_layer=r.choice([1, 2, 3]), n_head=heads,
                n_inner=r.choice([None, 80]), activation_function=r.choice(["gelu_new", "gelu_new", "gelu_new", "gelu"]), tie_word_embeddings=r.random() < 0.7,
                bos_token_id=1, eos_token_id=2, initializer_range=r.choice([0.02, 0.2]))


def gpt_neox(r):
    heads, head_dim = r.choice([2, 3, 4]), r.choice([8, 16, 32])
    parameters = rope(r)
    parameters["partial_rotary_factor"] = r.choice([0.25, 0.5, 1.0])
    return dict(vocab_size=r.choice([97, 256]), hidden_size=heads * head_dim, num_hidden_layers=r.choice([1, 2, 3]), num_attention_heads=heads,
                intermediate_size=r.choice([64, 96]), max_position_embeddings=128, use_parallel_residual=r.random() < 0.5,
                rope_parameters=parameters, attention_bias=r.random() < 0.7, hidden_act=r.choice(["gelu", "gelu", "gelu", "gelu_new"]),
                tie_word_embeddings=r.random() < 0.3, bos_token_id=1, eos_token_id=2, initializer_range=r.choice([0.02, 0.2]))


FAMILIES = {"llama": llama, "mistral": mistral, "qwen2": qwen2, "qwen3": qwen3, "phi3": phi3, "gemma": gemma, "gemma2": gemma2,
            "gemma3_text": gemma3, "olmo2": olmo2, "starcoder2": starcoder2, "gpt2": gpt2, "gpt_neox": gpt_neox}


# ---- a checkpoint ----

def make(name, fields, seed):
    torch.manual_seed(seed)
    config = transformers.AutoConfig.for_model(name, **fields)
    config._attn_implementation = "eager"
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    with torch.no_grad():  # norms and biases that are all one or zero would hide what isn't applied
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.randn_like(parameter) * 0.2)
    return model


def save(model, folder, form):
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder, max_shard_size="60KB" if form == "shards" else "5GB")
    if form == "pickle":
        for file in folder.glob("*.safetensors*"):
            file.unlink()
        torch.save(model.state_dict(), folder / "pytorch_model.bin")


def reference(model, tokens):
    with torch.no_grad():
        return model(torch.tensor([tokens])).logits[0].float()


# ---- both ----

class Refused(Exception):
    pass


def run(bitnet, *arguments):
    done = subprocess.run([bitnet, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode < 0:
        raise RuntimeError(f"signal {-done.returncode}")
    if done.returncode:
        raise Refused((done.stderr.strip().splitlines() or [""])[-1])


def ours(bitnet, path, tokens, work):
    file = work / "transformers.f32"
    run(bitnet, "eval", "logits", path, "--tokens", ",".join(map(str, tokens)), "-o", file, "--kv-type", "f32")
    data = file.read_bytes()
    return torch.tensor(struct.unpack(f"<{len(data) // 4}f", data)).reshape(len(tokens), -1)


def theirs(folder, tokens):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    return reference(model, tokens)


def stages(bitnet, model, tokens, work, form):
    """(what, logits) of the three."""
    folder, gguf, back = work / "transformers", work / "transformers.gguf", work / "transformers-back"
    save(model, folder, form)
    yield "the folder", ours(bitnet, folder, tokens, work)
    run(bitnet, "model", "convert", folder, "--to", "gguf", "-o", gguf, "-q")
    yield "GGUF", ours(bitnet, gguf, tokens, work)
    shutil.rmtree(back, ignore_errors=True)
    run(bitnet, "model", "convert", gguf, "--to", "hf", "-o", back, "-q")
    yield "back in transformers", theirs(back, tokens)


def difference(expected, got):
    if expected.shape != got.shape:
        return float("inf")
    return ((expected - got).abs().max() / expected.abs().max().clamp(min=1e-6)).item()


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--bitnet", required=True)
    options.add_argument("--work", type=pathlib.Path, required=True)
    options.add_argument("--count", type=int, default=12)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--show", type=int, default=10)
    options.add_argument("names", nargs="*")
    o = options.parse_args()
    o.work.mkdir(parents=True, exist_ok=True)
    bad = 0
    for name in o.names or FAMILIES:
        worst, right, refused = 0.0, 0, collections.Counter()
        for i in range(o.count):
            r = random.Random(f"{o.seed} {name} {i}")
            fields, form = FAMILIES[name](r), r.choice(["file", "shards", "pickle"])
            model = make(name, fields, i)
            tokens = [r.randrange(3, fields["vocab_size"]) for _ in range(N_TOKENS)]
            expected, what = reference(model, tokens), "the folder"
            try:
                for what, got in stages(o.bitnet, model, tokens, o.work, form):
                    off = difference(expected, got)
                    worst = max(worst, off)
                    if not off <= TOLERANCE:
                        raise RuntimeError(f"logits differ by {off:.2g}")
                right += 1
            except Refused as refusal:
                refused[f"after {what}: {refusal}"] += 1
            except (RuntimeError, AssertionError, ValueError) as error:
                bad += 1
                if bad <= o.show:
                    print(f"not ok  {name} {i} ({form}), {what}: {error}\n        {fields}", flush=True)
        print(f"{'ok     ' if right + refused.total() == o.count else 'not ok '} {name}: {right} of {o.count} the same, worst {worst:.1e}", flush=True)
        for why, n in refused.items():
            print(f"        refused {n}: {why}", flush=True)
    sys.exit(bad > 0)


main()
