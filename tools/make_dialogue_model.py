#!/usr/bin/env python3
"""Writes a small random model with the files of microsoft/DialoGPT-medium: a GPT-2 as a half-precision pickle (with the masks
and the tied head that such checkpoints hold), vocab.json and merges.txt, no tokenizer.json, no chat template.

  make_dialogue_model.py FOLDER

Needs the standard library only; the same bytes on every machine.
"""
import json
import os
import random
import struct
import sys
import zipfile

LAYERS, WIDTH, HEADS, POSITIONS = 2, 32, 4, 128
MERGES = ["h e", "l l", "\u0120 t", "he ll", "hell o", "\u0120t he", "i n", "r e", "\u0120 a", "o u", "y ou"]
END = "<|endoftext|>"


def byte_alphabet():
    """GPT-2's printable character for every byte."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    characters, extra = {b: chr(b) for b in kept}, 0
    for b in range(256):
        if b not in characters:
            characters[b] = chr(256 + extra)
            extra += 1
    return [characters[b] for b in (*kept, *(b for b in range(256) if b not in kept))]


def text(value):
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def number(value):
    return b"J" + struct.pack("<i", value)


def numbers(values):
    return b"(" + b"".join(number(v) for v in values) + b"t"


def tensor(kind, key, n, shape):
    """A call of _rebuild_tensor_v2 over storage `key` of n elements, row after row."""
    strides, step = [], 1
    for side in reversed(shape):
        strides.insert(0, step)
        step *= side
    storage = b"(" + text("storage") + b"ctorch\n" + kind + b"Storage\n" + text(key) + text("cpu") + number(n) + b"tQ"
    return (b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + number(0) + numbers(shape) + numbers(strides)
            + b"\x89ccollections\nOrderedDict\n)RtR")


class Checkpoint:
    def __init__(self):
        self.random, self.items, self.storages = random.Random(20), [], []

    def store(self, data):
        self.storages.append(data)
        return str(len(self.storages) - 1)

    def half(self, name, *shape, mean=0.0, deviation=0.2):
        n = 1
        for side in shape:
            n *= side
        key = self.store(struct.pack(f"<{n}e", *(self.random.gauss(mean, deviation) for _ in range(n))))
        self.items.append((name, tensor(b"Half", key, n, shape)))
        return key

    def norm(self, name):
        self.half(name + ".weight", WIDTH, mean=1.0, deviation=0.1)
        self.half(name + ".bias", WIDTH, deviation=0.1)

    def linear(self, name, n_in, n_out):
        self.half(name + ".weight", n_in, n_out)
        self.half(name + ".bias", n_out, deviation=0.1)

    def mask(self, name):
        data = bytes(int(column <= row) for row in range(POSITIONS) for column in range(POSITIONS))
        self.items.append((name, tensor(b"Byte", self.store(data), len(data), (1, 1, POSITIONS, POSITIONS))))

    def write(self, path):
        body = b"\x80\x02ccollections\nOrderedDict\n)R("
        body += b"".join(text(name) + value for name, value in self.items) + b"u."
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            for name, data in [("data.pkl", body), *((f"data/{i}", d) for i, d in enumerate(self.storages)),
                               ("version", b"3\n")]:
                archive.writestr(zipfile.ZipInfo("pytorch_model/" + name, (2020, 5, 12, 0, 0, 0)), data)


def weights(vocab_size):
    c = Checkpoint()
    table = c.half("transformer.wte.weight", vocab_size, WIDTH)
    c.half("transformer.wpe.weight", POSITIONS, WIDTH, deviation=0.1)
    for layer in range(LAYERS):
        prefix = f"transformer.h.{layer}."
        c.norm(prefix + "ln_1")
        c.mask(prefix + "attn.bias")
        c.linear(prefix + "attn.c_attn", WIDTH, 3 * WIDTH)
        c.linear(prefix + "attn.c_proj", WIDTH, WIDTH)
        c.norm(prefix + "ln_2")
        c.linear(prefix + "mlp.c_fc", WIDTH, 4 * WIDTH)
        c.linear(prefix + "mlp.c_proj", 4 * WIDTH, WIDTH)
    c.norm("transformer.ln_f")
    c.items.append(("lm_head.weight", tensor(b"Half", table, vocab_size * WIDTH, (vocab_size, WIDTH))))
    return c


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    tokens = byte_alphabet() + [merge.replace(" ", "") for merge in MERGES] + [END]
    end = len(tokens) - 1
    config = {"activation_function": "gelu_new", "architectures": ["GPT2LMHeadModel"], "bos_token_id": end,
              "eos_token_id": end, "initializer_range": 0.02, "layer_norm_epsilon": 1e-05, "model_type": "gpt2",
              "n_ctx": POSITIONS, "n_embd": WIDTH, "n_head": HEADS, "n_layer": LAYERS, "n_positions": POSITIONS,
              "task_specific_params": {"conversational": {"max_length": 1000}}, "vocab_size": len(tokens)}
    files = {"config.json": config, "vocab.json": {token: i for i, token in enumerate(tokens)},
             "generation_config.json": {"bos_token_id": end, "eos_token_id": end, "max_length": 1000},
             "tokenizer_config.json": {"model_max_length": POSITIONS}}
    for name, value in files.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            json.dump(value, f, ensure_ascii=False, indent=2)
    with open(os.path.join(folder, "merges.txt"), "w", encoding="utf-8") as f:
        f.write("#version: 0.2\n" + "\n".join(MERGES) + "\n")
    weights(len(tokens)).write(os.path.join(folder, "pytorch_model.bin"))


if __name__ == "__main__":
    main()
