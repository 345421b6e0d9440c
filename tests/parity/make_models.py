#!/usr/bin/env python3
"""Writes the small models of tests/data/models/made: one per trait that the published small models don't show.

Each is a random checkpoint (hidden size 32, vocabulary 96) with the float32 logits that transformers computes for two
prompts. Needs torch, transformers, accelerate and safetensors; run as `TORCHDYNAMO_DISABLE=1 make_models.py FOLDER`. Written by transformers 5.24.0.
"""
import json
import os
import shutil
import sys
import zlib

import numpy as np
import torch
import transformers as hf
from safetensors.torch import load_file, save_file

VOCAB = 96
PROMPTS = [[3, 1, 4, 15, 92, 65, 35], [(i * i * 7 + 11 * i + 5) % VOCAB for i in range(40)]]
SIZES = dict(vocab_size=VOCAB, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=128, bos_token_id=0, eos_token_id=1, pad_token_id=1)
TERNARY = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def write_reference(folder, model):
    """Logits of both prompts and 8 greedy tokens of the first, from a model in float32."""
    os.makedirs(f"{folder}/reference", exist_ok=True)
    prompts = []
    for i, tokens in enumerate(PROMPTS):
        with torch.no_grad():
            logits = model(torch.tensor([tokens]), use_cache=False).logits[0].float().numpy()
            longer = list(tokens)
            for _ in range(8 if i == 0 else 1):
                longer.append(int(model(torch.tensor([longer]), use_cache=False).logits[0, -1].argmax()))
        logits.astype("<f4").tofile(f"{folder}/reference/p{i}.f32")
        prompts.append({"name": f"p{i}", "tokens": tokens, "logits": f"p{i}.f32", "greedy": longer[len(tokens):]})
    with open(f"{folder}/reference/prompts.json", "w") as f:
        json.dump(prompts, f)
    print(f"{os.path.basename(folder)}: logits up to {np.abs(logits).max():.2f}")


def random_model(name, cls, config):
    torch.manual_seed(zlib.crc32(name.encode()))
    model = cls(config)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn_like(p) * 0.15 if p.dim() > 1 else p + torch.randn_like(p) * 0.1)
    return model


def read_back(folder, cls):
    model = cls.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    torch.nn.Module.float(model)  # packed linears keep the file's bfloat16 otherwise
    for module in model.modules():
        if type(module).__name__ == "BitLinear":
            module.dtype = torch.float32
    return model


def plain(root, name, cls, config):
    folder = f"{root}/{name}"
    random_model(name, cls, config).bfloat16().save_pretrained(folder)
    write_reference(folder, read_back(folder, cls))


def pack(t):
    rows = t.shape[0]
    quarter = (rows + 3) // 4
    u = torch.zeros(4 * quarter, t.shape[1], dtype=torch.uint8)
    u[:rows] = (t + 1).to(torch.uint8)
    return u[:quarter] | u[quarter:2 * quarter] << 2 | u[2 * quarter:3 * quarter] << 4 | u[3 * quarter:] << 6


def ternary(root, name, cls, config, quantization, packed, input_norms=False):
    """A checkpoint under quantization_config, packed or as masters."""
    folder = f"{root}/{name}"
    random_model(name, cls, config).bfloat16().save_pretrained(folder)
    path = f"{folder}/model.safetensors"
    tensors, out = load_file(path), {}
    divides = quantization.get("linear_class", "bitlinear") == "bitlinear"
    for key, value in tensors.items():
        module = key.rsplit(".", 1)[0]
        linear = key.endswith(".weight") and module.rsplit(".", 1)[-1] in TERNARY
        if linear and packed:
            mean = value.float().abs().mean()
            out[key] = pack((value.float() / mean).round().clamp(-1, 1).to(torch.int8))
            out[module + ".weight_scale"] = (1 / mean if divides else mean).reshape(1).bfloat16()
        else:
            out[key] = value
        if linear and input_norms:
            out[module + ".rms_norm.weight"] = (1 + 0.2 * torch.randn(value.shape[1])).bfloat16()
    save_file(out, path, metadata={"format": "pt"})
    with open(f"{folder}/config.json") as f:
        values = json.load(f)
    values["quantization_config"] = {"quant_method": "bitnet", **quantization}
    with open(f"{folder}/config.json", "w") as f:
        json.dump(values, f, indent=1)
    write_reference(folder, read_back(folder, cls))


def one_bit_llm(root, name):
    """1bitLLM's form of a BitNet: other names, SiLU, masters without quantization_config. Same function."""
    config = hf.BitNetConfig(**SIZES, hidden_act="silu", rms_norm_eps=1e-5, rope_theta=10000.0, tie_word_embeddings=False)
    ternary(root, name, hf.BitNetForCausalLM, config,
            {"linear_class": "autobitlinear", "quantization_mode": "online"}, packed=False)
    folder = f"{root}/{name}"
    tensors = load_file(f"{folder}/model.safetensors")
    renamed = {k.replace("attn_sub_norm", "inner_attn_ln").replace("ffn_sub_norm", "ffn_layernorm"): v.clone()
               for k, v in tensors.items()}
    save_file(renamed, f"{folder}/model.safetensors", metadata={"format": "pt"})
    values = {**{k: v for k, v in SIZES.items()}, "architectures": ["BitnetForCausalLM"], "model_type": "llama",
              "hidden_act": "silu", "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "rope_scaling": None,
              "tie_word_embeddings": False, "weight_bits": 1, "input_bits": 8}
    with open(f"{folder}/config.json", "w") as f:
        json.dump(values, f, indent=1)


def rope(kind, **values):
    return {"rope_type": kind, "rope_theta": 10000.0, **values}


def main(root):
    shutil.rmtree(root, ignore_errors=True)

    def llama(**more):
        return hf.LlamaConfig(**{**SIZES, **more})

    causal = hf.LlamaForCausalLM
    plain(root, "llama-linear", causal, llama(rope_parameters=rope("linear", factor=4.0)))
    plain(root, "llama-dynamic", causal, llama(max_position_embeddings=16, rope_parameters=rope("dynamic", factor=3.0)))
    plain(root, "llama-yarn", causal,
          llama(rope_parameters=rope("yarn", factor=8.0, original_max_position_embeddings=16)))
    plain(root, "llama-yarn-mscale", causal,
          llama(rope_parameters=rope("yarn", factor=8.0, original_max_position_embeddings=16, mscale=1.2,
                                     mscale_all_dim=0.7, beta_fast=16, beta_slow=2, truncate=False)))
    plain(root, "llama-bias", causal, llama(attention_bias=True, mlp_bias=True, tie_word_embeddings=True))
    factors = dict(short_factor=[1.0, 1.1, 1.2, 1.3], long_factor=[2.0, 3.0, 4.0, 5.0])
    plain(root, "phi3-longrope", hf.Phi3ForCausalLM,
          hf.Phi3Config(**SIZES, original_max_position_embeddings=16, rope_parameters=rope("longrope", **factors)))
    plain(root, "phi3-partial", hf.Phi3ForCausalLM,
          hf.Phi3Config(**SIZES, sliding_window=8, rope_parameters=rope("default", partial_rotary_factor=0.5)))
    plain(root, "qwen2-window", hf.Qwen2ForCausalLM,
          hf.Qwen2Config(**SIZES, use_sliding_window=True, sliding_window=8, max_window_layers=1))
    plain(root, "gpt2-inverse", hf.GPT2LMHeadModel,
          hf.GPT2Config(vocab_size=VOCAB, n_embd=32, n_layer=2, n_head=4, n_positions=64, bos_token_id=0, eos_token_id=1,
                        scale_attn_by_inverse_layer_idx=True))
    plain(root, "gpt-neox-serial", hf.GPTNeoXForCausalLM,
          hf.GPTNeoXConfig(vocab_size=VOCAB, hidden_size=64, intermediate_size=48, num_hidden_layers=2,
                           num_attention_heads=2, max_position_embeddings=64, bos_token_id=0, eos_token_id=1,
                           use_parallel_residual=False))
    plain(root, "gemma", hf.GemmaForCausalLM, hf.GemmaConfig(**SIZES, head_dim=12))
    plain(root, "gemma3", hf.Gemma3ForCausalLM,
          hf.Gemma3TextConfig(**{**SIZES, "num_hidden_layers": 7}, head_dim=12, query_pre_attn_scalar=30,
                              sliding_window=8))
    plain(root, "olmo2", hf.Olmo2ForCausalLM, hf.Olmo2Config(**SIZES))
    plain(root, "starcoder2", hf.Starcoder2ForCausalLM, hf.Starcoder2Config(**SIZES, sliding_window=8))

    odd = llama(attention_bias=True, mlp_bias=True, intermediate_size=52, num_attention_heads=2,
                num_key_value_heads=1, head_dim=12)
    ternary(root, "llama-autobitlinear-bias", causal, odd,
            {"linear_class": "autobitlinear", "quantization_mode": "offline"}, packed=True)
    ternary(root, "llama-bitlinear-bias", causal, odd, {}, packed=True)
    ternary(root, "llama-bitlinear-rms", causal, llama(), {"use_rms_norm": True, "rms_norm_eps": 1e-4}, packed=True,
            input_norms=True)
    ternary(root, "llama-autobitlinear-kept", causal, llama(),
            {"linear_class": "autobitlinear", "quantization_mode": "online",
             "modules_to_not_convert": ["lm_head", "model.layers.0.mlp.down_proj"]}, packed=False)
    ternary(root, "llama-autobitlinear-head", causal, llama(),
            {"linear_class": "autobitlinear", "quantization_mode": "online", "modules_to_not_convert": []}, packed=False)
    one_bit_llm(root, "bitnet-1bitllm")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    hf.logging.set_verbosity_error()
    main(sys.argv[1])
