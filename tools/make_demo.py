#!/usr/bin/env python3
"""Make assets/demo/demo.gguf from the Hugging Face form of the story model.

    make_demo.py FOLDER OUT.gguf

FOLDER has config.json, generation_config.json, tokenizer.json and model.safetensors (packed uint8 rows and
weight_scale, as transformers' AutoBitLinear stores them). The output is GGUF version 3 whose ternary tensors are I2_S in
the project's run layout L16 (src/kernels/layout.h), so the engine uses them where they are mapped. Standard library only.
"""
import json
import struct
import sys
from pathlib import Path

F32, BF16, I2_S = 0, 30, 36
ALIGNMENT = 64
U32, I32, FLOAT, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9

BLOCK_NAMES = {
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    "self_attn.attn_sub_norm": "attn_sub_norm", "mlp.ffn_sub_norm": "ffn_sub_norm",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}


def read_safetensors(path):
    data = path.read_bytes()
    header_bytes = struct.unpack_from("<Q", data)[0]
    header = json.loads(data[8:8 + header_bytes])
    header.pop("__metadata__", None)
    base = 8 + header_bytes
    return {name: (t["dtype"], t["shape"], data[base + t["data_offsets"][0]:base + t["data_offsets"][1]])
            for name, t in header.items()}


def unpack_rows(packed, shape):
    """Codes (value + 1) of a packed uint8 tensor: rows r, r+R/4, r+2R/4, r+3R/4 share one byte, lowest bits first."""
    quarter, columns = shape
    return [[packed[r * columns + c] >> 2 * part & 3 for c in range(columns)]
            for part in range(4) for r in range(quarter)]


def pack_l16(codes):
    rows, columns = len(codes), len(codes[0])
    assert rows % 16 == 0 and columns % 16 == 0
    out = bytearray()
    for group in range(0, rows, 16):
        for step in range(0, columns, 16):
            for r in range(16):
                row = codes[group + r]
                for j in range(4):
                    out.append(sum(row[step + 4 * p + j] << 2 * p for p in range(4)))
    return bytes(out)


def text(value):
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def value(kind, item):
    if kind == STRING:
        return text(item)
    return struct.pack({U32: "<I", I32: "<i", FLOAT: "<f", BOOL: "<?"}[kind], item)


def entry(key, kind, item):
    if isinstance(item, list):
        return text(key) + struct.pack("<IIQ", ARRAY, kind, len(item)) + b"".join(value(kind, x) for x in item)
    return text(key) + struct.pack("<I", kind) + value(kind, item)


def metadata(config, generation, tokenizer):
    arch = "bitnet-b1.58"
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    vocab = sorted(tokenizer["model"]["vocab"].items(), key=lambda item: item[1])
    special = {token["id"] for token in tokenizer["added_tokens"] if token["special"]}
    merges = [m if isinstance(m, str) else " ".join(m) for m in tokenizer["model"]["merges"]]
    return [
        entry("general.architecture", STRING, arch),
        entry("general.name", STRING, "Story demo 5M"),
        entry("general.license", STRING, "cc0-1.0"),
        entry("general.description", STRING, "BitNet b1.58 trained on public-domain fairy tales"),
        entry("general.alignment", U32, ALIGNMENT),
        entry("general.quantization_version", U32, 2),
        entry("general.sampling.temp", FLOAT, generation["temperature"]),
        entry("general.sampling.top_p", FLOAT, generation["top_p"]),
        entry("bitnet.i2s.layout", STRING, "l16"),
        entry(f"{arch}.vocab_size", U32, config["vocab_size"]),
        entry(f"{arch}.context_length", U32, config["max_position_embeddings"]),
        entry(f"{arch}.embedding_length", U32, config["hidden_size"]),
        entry(f"{arch}.block_count", U32, config["num_hidden_layers"]),
        entry(f"{arch}.feed_forward_length", U32, config["intermediate_size"]),
        entry(f"{arch}.attention.head_count", U32, heads),
        entry(f"{arch}.attention.head_count_kv", U32, kv_heads),
        entry(f"{arch}.attention.layer_norm_rms_epsilon", FLOAT, config["rms_norm_eps"]),
        entry(f"{arch}.rope.dimension_count", U32, config["hidden_size"] // heads),
        entry(f"{arch}.rope.freq_base", FLOAT, config["rope_theta"]),
        entry("tokenizer.ggml.model", STRING, "gpt2"),
        entry("tokenizer.ggml.pre", STRING, "gpt-2"),
        entry("tokenizer.ggml.tokens", STRING, [token for token, _ in vocab]),
        entry("tokenizer.ggml.token_type", I32, [3 if i in special else 1 for _, i in vocab]),
        entry("tokenizer.ggml.merges", STRING, merges),
        entry("tokenizer.ggml.bos_token_id", U32, config["bos_token_id"]),
        entry("tokenizer.ggml.eos_token_id", U32, config["eos_token_id"]),
        entry("tokenizer.ggml.add_bos_token", BOOL, False),
    ]


def bf16_to_f32(raw):
    return b"".join(b"\0\0" + raw[i:i + 2] for i in range(0, len(raw), 2))


def tensors(weights, config):
    """(name, ggml type, dims fastest first, bytes) in the order a forward pass reads them."""
    def plain(gguf_name, hf_name, keep):
        dtype, shape, raw = weights[hf_name]
        assert dtype in ("BF16", "F32")
        if dtype == "BF16" and not keep:
            dtype, raw = "F32", bf16_to_f32(raw)
        return gguf_name, {"F32": F32, "BF16": BF16}[dtype], shape[::-1], raw

    yield plain("token_embd.weight", "model.embed_tokens.weight", keep=True)
    for layer in range(config["num_hidden_layers"]):
        for hf, gguf in BLOCK_NAMES.items():
            name, out = f"model.layers.{layer}.{hf}.weight", f"blk.{layer}.{gguf}.weight"
            dtype, shape, raw = weights[name]
            if dtype != "U8":
                yield plain(out, name, keep=False)
                continue
            scale_type, _, scale = weights[name + "_scale"]
            scale = bf16_to_f32(scale) if scale_type == "BF16" else scale
            yield out, I2_S, [shape[1], shape[0] * 4], pack_l16(unpack_rows(raw, shape)) + scale[:4] + bytes(28)
    yield plain("output_norm.weight", "model.norm.weight", keep=False)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    config, generation, tokenizer = (json.loads((folder / name).read_text()) for name in
                                     ("config.json", "generation_config.json", "tokenizer.json"))
    entries = metadata(config, generation, tokenizer)
    records, blob = [], bytearray()
    for name, kind, dims, raw in tensors(read_safetensors(folder / "model.safetensors"), config):
        records.append(text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, len(blob)))
        blob += raw + bytes(-len(raw) % ALIGNMENT)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(records), len(entries)) + b"".join(entries) + b"".join(records)
    Path(sys.argv[2]).write_bytes(head + bytes(-len(head) % ALIGNMENT) + blob)


if __name__ == "__main__":
    main()
