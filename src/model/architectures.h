/* Model families as data. A row says how a family's block is put together (norm kind and place, sub-norms, activation,
 * biases, positions, windows, …), what its files call things, and what an absent key means. The one forward pass
 * interprets these traits; a new family of this kind is a new row and a parity test, no new code path. */
#ifndef MODEL_ARCHITECTURES_H
#define MODEL_ARCHITECTURES_H

#include <stdbool.h>
#include <stddef.h>

enum norm_kind { NORM_RMS, NORM_LAYER };
enum norm_place { NORM_BEFORE = 1, NORM_AFTER = 2 }; /* of attention and FFN; gemma has both, olmo2 only AFTER */
enum activation { ACT_SILU, ACT_RELU2, ACT_RELU, ACT_GELU_TANH, ACT_GELU_ERF, ACT_GELU_QUICK };
enum qk_norm { QK_NORM_NONE, QK_NORM_PER_HEAD, QK_NORM_ALL_HEADS };
enum position_kind { POSITION_ROPE, POSITION_LEARNED };
/* How the rows of a fused query-key-value matrix lie in Hugging Face files (in GGUF they are always BLOCKS). */
enum qkv_rows { QKV_BLOCKS /* all q, all k, all v */, QKV_PER_HEAD /* q, k, v of head 0, of head 1, … */ };
/* Which layers a sliding window applies to, where the file doesn't list them. */
enum window_rule { WINDOW_NEVER, WINDOW_ALL_LAYERS, WINDOW_EVEN_LAYERS, WINDOW_FIVE_OF_SIX, WINDOW_UPPER_LAYERS };
enum bias_rule { BIAS_NONE, BIAS_REQUIRED, BIAS_IF_PRESENT };

/* Tensor names without ".weight"/".bias"; NULL where a family has no such tensor, "a|b" where files use either.
 * All but `prefix` and `layer` follow prefix (global ones) or prefix + layer (one per layer); a file may leave out the
 * prefix. */
struct tensor_names {
    const char *prefix; /* "model." */
    const char *layer;  /* "layers.%zu." */
    const char *embedding, *position_embedding, *output_norm, *head;
    const char *attn_norm, *attn_post_norm, *attn_sub_norm;
    const char *q, *k, *v, *qkv, *q_norm, *k_norm, *o;
    const char *ffn_norm, *ffn_post_norm, *ffn_sub_norm;
    const char *gate, *up, *gate_up, *down;
};
extern const struct tensor_names gguf_tensor_names; /* one set for all families */

struct architecture {
    const char *name;          /* as users see it */
    const char *hf_class;      /* config.json "architectures"; only where model_type doesn't tell. NULL = any */
    const char *hf_types[3];   /* config.json "model_type" */
    const char *gguf_names[4]; /* general.architecture */
    const struct tensor_names *hf_names;

    enum norm_kind norm;
    int norm_places;            /* NORM_BEFORE | NORM_AFTER */
    bool hf_norm_minus_one;     /* Hugging Face files hold w − 1 (gemma); GGUF files hold w */
    bool sub_norms;             /* RMS norms before the o and down projections (BitNet's SubLN) */
    bool gated_ffn;             /* down(act(gate(x)) ⊙ up(x)), else down(act(up(x))) */
    bool parallel_residual;     /* x + attn(norm(x)) + ffn(norm(x)); files may say otherwise */
    bool embedding_times_sqrt;  /* embedding × √hidden_size */
    bool hf_transposed;         /* linear weights are stored [in, out] (gpt2's Conv1D) */
    bool gguf_rope_neighbours;  /* q and k rows are permuted in GGUF so that rotated pairs are neighbours */
    bool ternary;               /* ternary tensors of a GGUF file go with int8 activations: a BitNet */
    bool hf_ternary_masters;    /* config.json has no quantization_config, and yet linears are quantised online */
    enum activation activation; /* when the file doesn't say */
    bool activation_is_certain; /* the family's name settles it */
    enum qk_norm qk_norm;
    enum position_kind position;
    enum qkv_rows hf_qkv_rows;
    enum window_rule window_rule;
    enum bias_rule qkv_bias, o_bias, ffn_bias; /* BIAS_IF_PRESENT: in HF, as config.json says */

    /* What absent keys mean (REFERENCE of the Hugging Face classes). 0 = no default of its own. */
    struct {
        size_t n_kv_heads; /* 0 = n_heads */
        size_t head_dim;   /* 0 = hidden_size / n_heads */
        size_t context_length;
        size_t sliding_window;
        float eps, rope_theta, rotary_fraction;
        float attention_softcap, final_softcap, query_scalar; /* 0: the family has no such key */
        float local_rope_theta;                               /* of windowed layers; 0 = the same rotation everywhere */
        bool tied, bias;
    } absent;
};

/* NULL when unknown. hf_class may be NULL. */
const struct architecture *architecture_find_hf(const char *model_type, const char *hf_class);
const struct architecture *architecture_find_gguf(const char *name, size_t name_size);
/* Names of all GGUF architectures or HF model types, "bitnet, llama, …", for messages. */
void architecture_list(char *out, size_t out_bytes);

const char *activation_name(enum activation activation);
/* Hugging Face's spellings and their synonyms; false when unknown. */
bool activation_find(const char *name, size_t name_size, enum activation *out);

#endif
