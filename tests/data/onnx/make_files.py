#!/usr/bin/env python3
"""Writes the graphs of this folder: the weights of a small LLaMA as the common exporters name and lay them, and what they are.
Needs onnx, numpy and safetensors; written by onnx 1.22. Only what a reader of weights looks at is in them: such a graph doesn't run.
"""
import json
import os
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

HIDDEN, FFN, HEADS, VOCAB, LAYERS = 32, 64, 4, 48, 2
rng = np.random.default_rng(11)


def weights():
    def matrix(rows, cols):
        return (rng.standard_normal((rows, cols)) * 0.15).astype(np.float32)

    out = {"model.embed_tokens.weight": matrix(VOCAB, HIDDEN)}
    for i in range(LAYERS):
        p = f"model.layers.{i}."
        out[p + "input_layernorm.weight"] = (1 + 0.1 * rng.standard_normal(HIDDEN)).astype(np.float32)
        for name in "qkvo":
            out[p + f"self_attn.{name}_proj.weight"] = matrix(HIDDEN, HIDDEN)
        out[p + "post_attention_layernorm.weight"] = (1 + 0.1 * rng.standard_normal(HIDDEN)).astype(np.float32)
        out[p + "mlp.gate_proj.weight"] = matrix(FFN, HIDDEN)
        out[p + "mlp.up_proj.weight"] = matrix(FFN, HIDDEN)
        out[p + "mlp.down_proj.weight"] = matrix(HIDDEN, FFN)
    out["model.norm.weight"] = (1 + 0.1 * rng.standard_normal(HIDDEN)).astype(np.float32)
    out["lm_head.weight"] = matrix(VOCAB, HIDDEN)
    return out


def linear(name):
    return name.endswith("_proj.weight") or name == "lm_head.weight"


def path_of(name):
    """The node that torch.onnx.export makes of a module: /model/layers.0/self_attn/q_proj/MatMul."""
    parts = name.removesuffix(".weight").split(".")
    out = []
    for part in parts:
        if part.isdigit():
            out[-1] += "." + part
        else:
            out.append(part)
    return "/" + "/".join(out)


def graph(nodes, initializers):
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "length"])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", "length", VOCAB])
    g = helper.make_graph(nodes, "main_graph", [ids], [logits], initializers)
    return helper.make_model(g, producer_name="pytorch", opset_imports=[helper.make_opsetid("", 18)])


def exported(w):
    """optimum and torch.onnx.export: linear weights transposed under numbers."""
    nodes, initializers = [], []
    for number, (name, value) in enumerate(w.items()):
        if not linear(name):
            initializers.append(numpy_helper.from_array(value, name))
            continue
        initializers.append(numpy_helper.from_array(np.ascontiguousarray(value.T), f"onnx::MatMul_{100 + number}"))
        nodes.append(helper.make_node("MatMul", ["x", f"onnx::MatMul_{100 + number}"], [f"y{number}"],
                                      name=path_of(name) + "/MatMul"))
    initializers.append(numpy_helper.from_array(np.array([1], np.int64), "/model/Constant_output_0"))
    return graph(nodes, initializers)


def built(w):
    """onnxruntime-genai's model builder: its own words, "attn", a final norm counted as a layer's; values in float16."""
    nodes, initializers = [], []
    for number, (name, value) in enumerate(w.items()):
        half = value.astype(np.float16)
        if name == "model.norm.weight":
            name = f"model.layers.{LAYERS}.final_norm_layernorm.weight"
        name = name.replace(".self_attn.", ".attn.")
        if not linear(name):
            initializers.append(numpy_helper.from_array(half, name))
            continue
        stored = name.removesuffix(".weight") + ".MatMul.weight"
        initializers.append(numpy_helper.from_array(np.ascontiguousarray(half.T), stored))
        nodes.append(helper.make_node("MatMul", ["x", stored], [f"y{number}"], name=path_of(name) + "/MatMul"))
    return graph(nodes, initializers)


def blocks(value, bits, block, with_zeros):
    """Codes, scales and zero points of MatMulNBits, and the values that they are."""
    rows, cols = value.shape
    n = cols // block
    cut = value.reshape(rows, n, block)
    top = (1 << bits) - 1
    if with_zeros:
        low, high = np.minimum(cut.min(2), 0), np.maximum(cut.max(2), 0)
        scales = ((high - low) / top).astype(np.float32)
        zeros = np.clip(np.rint(-low / scales), 0, top).astype(np.uint8)
    else:
        scales = (np.abs(cut).max(2) / (1 << bits - 1)).astype(np.float32)
        zeros = np.full((rows, n), 1 << bits - 1, np.uint8)
    codes = np.clip(np.rint(cut / scales[..., None]) + zeros[..., None], 0, top).astype(np.uint8)
    values = (codes.astype(np.float32) - zeros[..., None].astype(np.float32)) * scales[..., None]

    def pack(a):
        if bits == 8:
            return a
        if a.shape[-1] % 2:
            a = np.concatenate([a, np.zeros((*a.shape[:-1], 1), np.uint8)], -1)
        return a[..., 0::2] | a[..., 1::2] << 4

    return pack(codes), scales.reshape(-1), pack(zeros).reshape(-1) if with_zeros else None, values.reshape(rows, cols)


def quantised(w):
    nodes, initializers, expected = [], [], {}
    for number, (name, value) in enumerate(w.items()):
        expected[name] = value
        if not linear(name):
            initializers.append(numpy_helper.from_array(value, name))
            continue
        bits, with_zeros = (8, True) if "down" in name else (4, number % 2 == 0)
        codes, scales, zeros, expected[name] = blocks(value, bits, 16, with_zeros)
        names = [f"q{number}_codes", f"q{number}_scales"] + ([f"q{number}_zeros"] if with_zeros else [])
        for key, data in zip(names, (codes, scales, zeros)):
            initializers.append(numpy_helper.from_array(data, key))
        nodes.append(helper.make_node("MatMulNBits", ["x", *names], [f"y{number}"], name=path_of(name) + "/MatMul_Q4",
                                      domain="com.microsoft", N=value.shape[0], K=value.shape[1], bits=bits,
                                      block_size=16))
    return graph(nodes, initializers), expected


def typed(w):
    """Values in the typed fields instead of raw bytes: floats, and bfloat16 as numbers."""
    embedding = w["model.embed_tokens.weight"]
    upper = (embedding.view(np.uint32) >> 16).astype(np.uint16)
    norm = w["model.norm.weight"]
    return graph([], [
        helper.make_tensor("model.norm.weight", TensorProto.FLOAT, norm.shape, norm.tolist()),
        TensorProto(name="model.embed_tokens.weight", data_type=TensorProto.BFLOAT16, dims=embedding.shape,
                    int32_data=upper.reshape(-1).tolist()),
    ]), {"model.norm.weight": norm,
         "model.embed_tokens.weight": (upper.astype(np.uint32) << 16).view(np.float32)}


def escaping(w, location):
    tensor = numpy_helper.from_array(w["model.norm.weight"], "model.norm.weight")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", str(4 * HIDDEN))):
        tensor.external_data.add(key=key, value=value)
    return graph([], [tensor])


def save(model, name):
    with open(name, "wb") as f:
        f.write(model.SerializeToString(deterministic=True))


def main():
    os.chdir(os.path.dirname(os.path.abspath(sys.argv[0])))
    w = weights()
    save_file(w, "expected.safetensors")
    save(exported(w), "exported.onnx")
    save(built(w), "built.onnx")
    save_file({k: v.astype(np.float16) for k, v in w.items()}, "built-expected.safetensors")
    for name in ("external.onnx", "external.data"):
        if os.path.exists(name):
            os.remove(name)
    onnx.save_model(exported(w), "external.onnx", save_as_external_data=True, location="external.data",
                    size_threshold=0)
    model, expected = quantised(w)
    save(model, "quantised.onnx")
    save_file(expected, "quantised-expected.safetensors")
    model, expected = typed(w)
    save(model, "typed.onnx")
    save_file(expected, "typed-expected.safetensors")
    save(escaping(w, "../expected.safetensors"), "escaping.onnx")
    save(escaping(w, "/etc/passwd"), "absolute.onnx")
    save(escaping(w, "missing.data"), "missing.onnx")
    with open("config.json", "w") as f:
        json.dump({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": HIDDEN,
                   "intermediate_size": FFN, "num_attention_heads": HEADS, "num_hidden_layers": LAYERS,
                   "vocab_size": VOCAB, "max_position_embeddings": 64, "tie_word_embeddings": False}, f)


if __name__ == "__main__":
    main()
