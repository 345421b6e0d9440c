#include "analysis/configuration.h"

#include <stdio.h>
#include <stdlib.h>

#include "model/weights.h"

/* float32 hyper-parameters with the digits that they were written with: 1e-05, not 9.9999997e-06. */
static json_t *number(float value) {
    char text[32];
    for (int digits = 1; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value) break;
    }
    return json_number(strtod(text, NULL));
}

static json_t *size(size_t value) {
    return json_integer((json_int_t)value);
}
static json_t *size_or_null(size_t value) {
    return value ? size(value) : json_null();
}
static json_t *number_or_null(float value) {
    return value != 0 ? number(value) : json_null();
}

static void set_sizes(json_t *out, const struct model_config *c) {
    json_object_set_new(out, "architecture", json_string(c->arch->name));
    json_object_set_new(out, "vocab_size", size(c->vocab_size));
    json_object_set_new(out, "hidden_size", size(c->hidden_size));
    json_object_set_new(out, "intermediate_size", size(c->intermediate_size));
    json_object_set_new(out, "num_hidden_layers", size(c->n_layers));
    json_object_set_new(out, "num_attention_heads", size(c->n_heads));
    json_object_set_new(out, "num_key_value_heads", size(c->n_kv_heads));
    json_object_set_new(out, "head_dim", size(c->head_dim));
    json_object_set_new(out, "max_position_embeddings", size(c->context_length));
}

static void set_traits(json_t *out, const struct model_config *c) {
    json_object_set_new(out, "hidden_act", json_string(activation_name(c->activation)));
    json_object_set_new(out, "norm_eps", number(c->norm_eps));
    json_object_set_new(out, "attention_scale", number(c->attention_scale));
    json_object_set_new(out, "attn_logit_softcapping", number_or_null(c->attention_softcap));
    json_object_set_new(out, "final_logit_softcapping", number_or_null(c->final_softcap));
    json_object_set_new(out, "embedding_scale", number(c->embedding_scale));
    json_object_set_new(out, "parallel_residual", json_boolean(c->parallel_residual));
    json_object_set_new(out, "sliding_window", size_or_null(c->sliding_window));
    size_t n_windowed = 0;
    for (size_t i = 0; c->sliding_window && i < c->n_layers; i++) n_windowed += c->windowed[i] != 0;
    json_object_set_new(out, "windowed_layers", size(n_windowed));
}

static void set_rotation(json_t *out, const struct model_config *c) {
    bool rotary = c->arch->position == POSITION_ROPE;
    json_object_set_new(out, "position_encoding", json_string(rotary ? rope_type_name(&c->rope) : "learned"));
    json_object_set_new(out, "rope_theta", rotary ? json_number(c->rope.theta) : json_null());
    json_object_set_new(out, "rotated_dims", rotary ? size(c->rope.n_dims) : json_null());
    bool scaled = rotary && c->rope.type != ROPE_DEFAULT && !c->rope.divisors;
    json_object_set_new(out, "rope_factor", scaled ? json_number(c->rope.factor) : json_null());
    bool local = rotary && c->local_rope.n_dims;
    json_object_set_new(out, "rope_local_base_freq", local ? json_number(c->local_rope.theta) : json_null());
}

json_t *configuration_json(const bn_model *model) {
    json_t *out = json_object();
    if (!out) return NULL;
    set_sizes(out, &model->config);
    set_traits(out, &model->config);
    set_rotation(out, &model->config);
    json_object_set_new(out, "tie_word_embeddings", json_boolean(model->weights.tied));
    return out;
}

json_t *configuration_differences(json_t *const *objects, size_t n) {
    json_t *keys = json_array(), *value;
    const char *key;
    if (n == 0) return keys;
    json_object_foreach(objects[0], key, value) {
        bool same = true;
        for (size_t i = 1; i < n; i++) same &= json_equal(value, json_object_get(objects[i], key));
        if (!same) json_array_append_new(keys, json_string(key));
    }
    return keys;
}
