/* What a model says about itself. */
#include <string.h>

#include "base/memory.h"
#include "model/weights.h"

static uint64_t linear_parameters(const struct linear *linear) {
    return (uint64_t)linear->n_rows * linear->n_cols + (linear->bias ? linear->n_rows : 0);
}

static uint64_t norm_parameters(const struct norm *norm, size_t n) {
    return (uint64_t)((norm->weight != NULL) + (norm->bias != NULL)) * n;
}

static bool is_ternary_type(enum tensor_type type) {
    return type == TYPE_TQ1_0 || type == TYPE_TQ2_0 || type == TYPE_Q2_0 || type == TYPE_PQ2_0 || type == TYPE_PTQ1_0;
}

/* Parameters by purpose, and how many of the layers' linears are ternary in which sense. */
struct census {
    bn_model_info *info;
    size_t n_linears, n_integer, n_ternary_values;
};

static uint64_t count_linear(struct census *census, const struct linear *linear) {
    if (linear->n_rows == 0) return 0;
    bool integer = linear->ternary || linear->int8_activations, ternary = integer || is_ternary_type(linear->type);
    census->n_linears++;
    census->n_integer += integer;
    census->n_ternary_values += ternary;
    if (ternary) census->info->n_parameters_ternary += (uint64_t)linear->n_rows * linear->n_cols;
    return linear_parameters(linear);
}

static void count_layer(struct census *census, const struct model_config *c, const struct layer *layer) {
    bn_model_info *info = census->info;
    size_t d = c->hidden_size, heads = c->n_heads * c->head_dim, kv = c->n_kv_heads * c->head_dim;
    bool all = c->arch->qk_norm == QK_NORM_ALL_HEADS;
    info->n_parameters_attention += count_linear(census, &layer->q) + count_linear(census, &layer->k) +
                                    count_linear(census, &layer->v) + count_linear(census, &layer->o);
    info->n_parameters_ffn +=
        count_linear(census, &layer->gate) + count_linear(census, &layer->up) + count_linear(census, &layer->down);
    info->n_parameters_norm += norm_parameters(&layer->attn_norm, d) + norm_parameters(&layer->attn_post_norm, d) +
                               norm_parameters(&layer->ffn_norm, d) + norm_parameters(&layer->ffn_post_norm, d);
    if (layer->q_norm) info->n_parameters_norm += all ? heads + kv : 2 * c->head_dim;
    if (layer->attn_sub_norm) info->n_parameters_norm += heads;
    if (layer->ffn_sub_norm) info->n_parameters_norm += c->intermediate_size;
}

static const char *describe(const struct census *census) {
    if (census->n_integer == census->n_linears) return "ternary weights, int8 activations";
    if (census->n_integer == 0 && census->n_ternary_values == census->n_linears) return "ternary weights";
    return census->n_ternary_values == 0 ? "float" : "mixed";
}

void bn_model_get_info(const bn_model *model, bn_model_info *out) {
    const struct model_config *c = &model->config;
    const struct weights *w = &model->weights;
    bn_model_info info = {
        .architecture = c->arch->name,
        .name = c->name,
        .hidden_act = activation_name(c->activation),
        .hidden_act_reason = c->activation_reason,
        .position_encoding = c->arch->position == POSITION_LEARNED ? "learned" : rope_type_name(&c->rope),
        .vocab_size = c->vocab_size,
        .hidden_size = c->hidden_size,
        .intermediate_size = c->intermediate_size,
        .n_layers = c->n_layers,
        .n_heads = c->n_heads,
        .n_kv_heads = c->n_kv_heads,
        .head_dim = c->head_dim,
        .context_length = c->context_length,
        .sliding_window = c->sliding_window,
        .tied_head = w->tied,
        .resident_bytes = model->arena.total_bytes + w->arena.total_bytes,
        .kv_bytes_per_token_f16 = model_kv_page_bytes(model, KV_F16) / KV_PAGE_TOKENS,
        .pooling = model->pooling,
        .kv_bytes_per_token_q8_0 = model_kv_page_bytes(model, KV_Q8) / KV_PAGE_TOKENS,
    };
    struct census census = {.info = &info};
    info.n_parameters_embedding = linear_parameters(&w->embedding) + linear_parameters(&w->position_embedding);
    info.n_parameters_head = w->tied ? 0 : linear_parameters(&w->head);
    info.n_parameters_norm = norm_parameters(&w->output_norm, c->hidden_size);
    for (size_t i = 0; i < c->n_layers; i++) count_layer(&census, c, &w->layers[i]);
    info.n_parameters = info.n_parameters_embedding + info.n_parameters_head + info.n_parameters_norm +
                        info.n_parameters_attention + info.n_parameters_ffn;
    info.quantization = describe(&census);
    const struct tensor_set *set = model_tensors(model);
    for (size_t i = 0; i < set->n_tensors; i++) info.weight_bytes += set->tensors[i].size_bytes;
    info.size = min_size(out->size, sizeof info);
    memcpy(out, &info, info.size);
}
