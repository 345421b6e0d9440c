/* The table of model families. Sources: the Hugging Face classes of each family (block structure, absent keys) and
 * llama.cpp's tensor names (GGUF). Every row is held against reference logits by tests/parity.
 *
 * What the traits can't say isn't supported: ALiBi, mixture of experts, state-space layers, cross-attention. */
#include "model/architectures.h"

#include <stdio.h>
#include <string.h>

/* clang-format off */
const struct tensor_names gguf_tensor_names = {
    .prefix = "", .layer = "blk.%zu.",
    .embedding = "token_embd", .position_embedding = "position_embd", .output_norm = "output_norm", .head = "output",
    .attn_norm = "attn_norm", .attn_post_norm = "post_attention_norm|attn_post_norm", .attn_sub_norm = "attn_sub_norm",
    .q = "attn_q", .k = "attn_k", .v = "attn_v", .qkv = "attn_qkv", .q_norm = "attn_q_norm", .k_norm = "attn_k_norm",
    .o = "attn_output",
    .ffn_norm = "ffn_norm", .ffn_post_norm = "post_ffw_norm|ffn_post_norm", .ffn_sub_norm = "ffn_sub_norm",
    .gate = "ffn_gate", .up = "ffn_up", .gate_up = "ffn_up", .down = "ffn_down",
};

/* Hugging Face names that many families share. */
#define HF_MODEL                                                                                                      \
    .prefix = "model.", .layer = "layers.%zu.", .embedding = "embed_tokens", .output_norm = "norm", .head = "lm_head"
#define HF_ATTENTION                                                                                                  \
    .q = "self_attn.q_proj", .k = "self_attn.k_proj", .v = "self_attn.v_proj", .qkv = "self_attn.qkv_proj",           \
    .q_norm = "self_attn.q_norm", .k_norm = "self_attn.k_norm", .o = "self_attn.o_proj",                              \
    .attn_sub_norm = "self_attn.attn_sub_norm|self_attn.inner_attn_ln"
#define HF_FFN                                                                                                        \
    .gate = "mlp.gate_proj", .up = "mlp.up_proj", .gate_up = "mlp.gate_up_proj", .down = "mlp.down_proj",             \
    .ffn_sub_norm = "mlp.ffn_sub_norm|mlp.ffn_layernorm"

static const struct tensor_names llama_names = {
    HF_MODEL, HF_ATTENTION, HF_FFN, .attn_norm = "input_layernorm", .ffn_norm = "post_attention_layernorm",
};
static const struct tensor_names gemma2_names = {
    HF_MODEL, HF_ATTENTION, HF_FFN, .attn_norm = "input_layernorm", .attn_post_norm = "post_attention_layernorm",
    .ffn_norm = "pre_feedforward_layernorm", .ffn_post_norm = "post_feedforward_layernorm",
};
static const struct tensor_names olmo2_names = {
    HF_MODEL, HF_ATTENTION, HF_FFN, .attn_post_norm = "post_attention_layernorm",
    .ffn_post_norm = "post_feedforward_layernorm",
};
static const struct tensor_names starcoder2_names = {
    HF_MODEL, HF_ATTENTION, .attn_norm = "input_layernorm", .ffn_norm = "post_attention_layernorm",
    .up = "mlp.c_fc", .down = "mlp.c_proj",
};
static const struct tensor_names gpt2_names = {
    .prefix = "transformer.", .layer = "h.%zu.",
    .embedding = "wte", .position_embedding = "wpe", .output_norm = "ln_f", .head = "lm_head",
    .attn_norm = "ln_1", .qkv = "attn.c_attn", .o = "attn.c_proj",
    .ffn_norm = "ln_2", .up = "mlp.c_fc", .down = "mlp.c_proj",
};
static const struct tensor_names gpt_neox_names = {
    .prefix = "gpt_neox.", .layer = "layers.%zu.",
    .embedding = "embed_in", .output_norm = "final_layer_norm", .head = "embed_out|lm_head",
    .attn_norm = "input_layernorm", .qkv = "attention.query_key_value", .o = "attention.dense",
    .ffn_norm = "post_attention_layernorm", .up = "mlp.dense_h_to_4h", .down = "mlp.dense_4h_to_h",
};

static const struct architecture architectures[] = {
    /* 1bitLLM's models: LLaMA with sub-norms, SiLU, bf16 masters. Its config.json says model_type "llama". */
    {.name = "bitnet", .hf_class = "BitnetForCausalLM", .hf_types = {"llama", "bitnet"}, .hf_names = &llama_names,
     .norm_places = NORM_BEFORE, .sub_norms = true, .gated_ffn = true, .activation = ACT_SILU, .ternary = true,
     .hf_ternary_masters = true,
     .absent = {.context_length = 2048, .eps = 1e-6f, .rope_theta = 10000}},
    /* Microsoft's b1.58 2B4T. In GGUF these two names are certain; plain "bitnet" may be either (config_gguf.c). */
    {.name = "bitnet", .hf_types = {"bitnet"}, .gguf_names = {"bitnet-b1.58", "bitnet-25", "bitnet_25"},
     .hf_names = &llama_names,
     .norm_places = NORM_BEFORE, .sub_norms = true, .gated_ffn = true, .activation = ACT_RELU2,
     .activation_is_certain = true, .ternary = true, .qkv_bias = BIAS_IF_PRESENT, .o_bias = BIAS_IF_PRESENT,
     .absent = {.n_kv_heads = 5, .context_length = 2048, .eps = 1e-5f, .rope_theta = 500000}},
    {.name = "bitnet", .gguf_names = {"bitnet"}, .hf_names = &llama_names,
     .norm_places = NORM_BEFORE, .sub_norms = true, .gated_ffn = true, .activation = ACT_SILU, .ternary = true,
     .qkv_bias = BIAS_IF_PRESENT, .o_bias = BIAS_IF_PRESENT,
     .absent = {.context_length = 2048, .eps = 1e-5f, .rope_theta = 10000}},
    {.name = "llama", .hf_types = {"llama"}, .gguf_names = {"llama"}, .hf_names = &llama_names,
     .norm_places = NORM_BEFORE, .gated_ffn = true, .gguf_rope_neighbours = true, .activation = ACT_SILU,
     .window_rule = WINDOW_ALL_LAYERS,
     .qkv_bias = BIAS_IF_PRESENT, .o_bias = BIAS_IF_PRESENT, .ffn_bias = BIAS_IF_PRESENT,
     .absent = {.context_length = 2048, .eps = 1e-6f, .rope_theta = 10000}},
    {.name = "mistral", .hf_types = {"mistral"}, .gguf_names = {"mistral"}, .hf_names = &llama_names,
     .norm_places = NORM_BEFORE, .gated_ffn = true, .gguf_rope_neighbours = true, .activation = ACT_SILU,
     .window_rule = WINDOW_ALL_LAYERS,
     .absent = {.n_kv_heads = 8, .context_length = 131072, .sliding_window = 4096, .eps = 1e-6f,
                .rope_theta = 10000}},
    {.name = "qwen2", .hf_types = {"qwen2"}, .gguf_names = {"qwen2"}, .hf_names = &llama_names,
     .norm_places = NORM_BEFORE, .gated_ffn = true, .activation = ACT_SILU, .window_rule = WINDOW_UPPER_LAYERS,
     .qkv_bias = BIAS_REQUIRED,
     .absent = {.n_kv_heads = 32, .context_length = 32768, .eps = 1e-6f, .rope_theta = 10000}},
    {.name = "qwen3", .hf_types = {"qwen3"}, .gguf_names = {"qwen3"}, .hf_names = &llama_names,
     .norm_places = NORM_BEFORE, .gated_ffn = true, .activation = ACT_SILU, .window_rule = WINDOW_UPPER_LAYERS,
     .qk_norm = QK_NORM_PER_HEAD, .qkv_bias = BIAS_IF_PRESENT, .o_bias = BIAS_IF_PRESENT,
     .absent = {.n_kv_heads = 32, .head_dim = 128, .context_length = 32768, .eps = 1e-6f, .rope_theta = 10000}},
    {.name = "phi3", .hf_types = {"phi3"}, .gguf_names = {"phi3"}, .hf_names = &llama_names,
     .norm_places = NORM_BEFORE, .gated_ffn = true, .activation = ACT_SILU, .window_rule = WINDOW_ALL_LAYERS,
     .absent = {.context_length = 4096, .eps = 1e-5f, .rope_theta = 10000}},
    {.name = "gemma2", .hf_types = {"gemma2"}, .gguf_names = {"gemma2"}, .hf_names = &gemma2_names,
     .norm_places = NORM_BEFORE | NORM_AFTER, .hf_norm_minus_one = true, .gated_ffn = true,
     .embedding_times_sqrt = true, .activation = ACT_GELU_TANH, .activation_is_certain = true,
     .window_rule = WINDOW_EVEN_LAYERS, .qkv_bias = BIAS_IF_PRESENT, .o_bias = BIAS_IF_PRESENT,
     .absent = {.n_kv_heads = 4, .head_dim = 256, .context_length = 8192, .sliding_window = 4096, .eps = 1e-6f,
                .rope_theta = 10000, .attention_softcap = 50, .final_softcap = 30, .query_scalar = 256,
                .tied = true}},
    {.name = "gemma", .hf_types = {"gemma"}, .gguf_names = {"gemma"}, .hf_names = &llama_names,
     .norm_places = NORM_BEFORE, .hf_norm_minus_one = true, .gated_ffn = true, .embedding_times_sqrt = true,
     .activation = ACT_GELU_TANH, .activation_is_certain = true,
     .qkv_bias = BIAS_IF_PRESENT, .o_bias = BIAS_IF_PRESENT,
     .absent = {.n_kv_heads = 16, .head_dim = 256, .context_length = 8192, .eps = 1e-6f, .rope_theta = 10000,
                .tied = true}},
    {.name = "gemma3", .hf_types = {"gemma3_text"}, .gguf_names = {"gemma3"}, .hf_names = &gemma2_names,
     .norm_places = NORM_BEFORE | NORM_AFTER, .hf_norm_minus_one = true, .gated_ffn = true,
     .embedding_times_sqrt = true, .activation = ACT_GELU_TANH, .activation_is_certain = true,
     .qk_norm = QK_NORM_PER_HEAD, .window_rule = WINDOW_FIVE_OF_SIX,
     .qkv_bias = BIAS_IF_PRESENT, .o_bias = BIAS_IF_PRESENT,
     .absent = {.n_kv_heads = 4, .head_dim = 256, .context_length = 131072, .sliding_window = 4096, .eps = 1e-6f,
                .rope_theta = 1000000, .local_rope_theta = 10000, .query_scalar = 256, .tied = true}},
    {.name = "olmo2", .hf_types = {"olmo2"}, .gguf_names = {"olmo2"}, .hf_names = &olmo2_names,
     .norm_places = NORM_AFTER, .gated_ffn = true, .activation = ACT_SILU, .qk_norm = QK_NORM_ALL_HEADS,
     .qkv_bias = BIAS_IF_PRESENT, .o_bias = BIAS_IF_PRESENT,
     .absent = {.context_length = 2048, .eps = 1e-5f, .rope_theta = 10000}},
    {.name = "starcoder2", .hf_types = {"starcoder2"}, .gguf_names = {"starcoder2"}, .hf_names = &starcoder2_names,
     .norm = NORM_LAYER, .norm_places = NORM_BEFORE, .activation = ACT_GELU_TANH, .window_rule = WINDOW_ALL_LAYERS,
     .qkv_bias = BIAS_IF_PRESENT, .o_bias = BIAS_IF_PRESENT, .ffn_bias = BIAS_IF_PRESENT,
     .absent = {.n_kv_heads = 2, .context_length = 4096, .eps = 1e-5f, .rope_theta = 10000, .tied = true,
                .bias = true}},
    {.name = "gpt2", .hf_types = {"gpt2"}, .gguf_names = {"gpt2"}, .hf_names = &gpt2_names,
     .norm = NORM_LAYER, .norm_places = NORM_BEFORE, .hf_transposed = true, .activation = ACT_GELU_TANH,
     .position = POSITION_LEARNED,
     .qkv_bias = BIAS_REQUIRED, .o_bias = BIAS_REQUIRED, .ffn_bias = BIAS_REQUIRED,
     .absent = {.context_length = 1024, .eps = 1e-5f, .tied = true}},
    {.name = "gpt_neox", .hf_types = {"gpt_neox"}, .gguf_names = {"gptneox"}, .hf_names = &gpt_neox_names,
     .norm = NORM_LAYER, .norm_places = NORM_BEFORE, .parallel_residual = true, .activation = ACT_GELU_ERF,
     .hf_qkv_rows = QKV_PER_HEAD,
     .qkv_bias = BIAS_IF_PRESENT, .o_bias = BIAS_IF_PRESENT, .ffn_bias = BIAS_REQUIRED,
     .absent = {.context_length = 2048, .eps = 1e-5f, .rope_theta = 10000, .rotary_fraction = 0.25f,
                .bias = true}},
};
/* clang-format on */
#define N_ARCHITECTURES (sizeof architectures / sizeof architectures[0])

const struct architecture *architecture_find_hf(const char *model_type, const char *hf_class) {
    for (size_t i = 0; i < N_ARCHITECTURES; i++) {
        const struct architecture *a = &architectures[i];
        if (a->hf_class && (!hf_class || strcmp(a->hf_class, hf_class) != 0)) continue;
        for (size_t j = 0; j < 3 && a->hf_types[j]; j++)
            if (strcmp(a->hf_types[j], model_type) == 0) return a;
    }
    return NULL;
}

const struct architecture *architecture_find_gguf(const char *name, size_t name_size) {
    for (size_t i = 0; i < N_ARCHITECTURES; i++)
        for (size_t j = 0; j < 4 && architectures[i].gguf_names[j]; j++) {
            const char *known = architectures[i].gguf_names[j];
            if (strlen(known) == name_size && memcmp(known, name, name_size) == 0) return &architectures[i];
        }
    return NULL;
}

void architecture_list(char *out, size_t out_bytes) {
    size_t used = 0;
    const char *last = "";
    out[0] = 0;
    for (size_t i = 0; i < N_ARCHITECTURES; i++) {
        const char *name = architectures[i].name;
        size_t n = strlen(name);
        if (strcmp(name, last) == 0 || used + n + 3 > out_bytes) continue;
        used += (size_t)snprintf(out + used, out_bytes - used, "%s%s", used ? ", " : "", name);
        last = name;
    }
}

static const struct {
    enum activation activation;
    const char *name;
} activations[] = {
    {ACT_SILU, "silu"},
    {ACT_RELU2, "relu2"},
    {ACT_RELU, "relu"},
    {ACT_GELU_TANH, "gelu_tanh"},
    {ACT_GELU_ERF, "gelu"},
    {ACT_GELU_QUICK, "quick_gelu"},
    /* synonyms */
    {ACT_SILU, "swish"},
    {ACT_GELU_TANH, "gelu_new"},
    {ACT_GELU_TANH, "gelu_pytorch_tanh"},
    {ACT_RELU2, "relu_squared"},
    {ACT_GELU_TANH, "gelu_fast"},
    {ACT_GELU_QUICK, "gelu_quick"},
};

const char *activation_name(enum activation activation) {
    return activations[activation].name; /* the first six are in the order of the enumeration */
}

bool activation_find(const char *name, size_t name_size, enum activation *out) {
    for (size_t i = 0; i < sizeof activations / sizeof activations[0]; i++)
        if (strlen(activations[i].name) == name_size && memcmp(activations[i].name, name, name_size) == 0) {
            *out = activations[i].activation;
            return true;
        }
    return false;
}
