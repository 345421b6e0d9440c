#include "convert/roles.h"

#include <stddef.h>

#define NAMES(field) offsetof(struct tensor_names, field)

static const struct role roles[] = {
    {NAMES(embedding), ROLE_TABLE, HEADS_NONE, false},
    {NAMES(position_embedding), ROLE_POSITIONS, HEADS_NONE, false},
    {NAMES(attn_norm), ROLE_NORM, HEADS_NONE, true},
    {NAMES(q), ROLE_MATRIX, HEADS_Q, true},
    {NAMES(k), ROLE_MATRIX, HEADS_K, true},
    {NAMES(v), ROLE_MATRIX, HEADS_NONE, true},
    {NAMES(qkv), ROLE_MATRIX, HEADS_QKV, true},
    {NAMES(q_norm), ROLE_NORM, HEADS_NONE, true},
    {NAMES(k_norm), ROLE_NORM, HEADS_NONE, true},
    {NAMES(attn_sub_norm), ROLE_NORM, HEADS_NONE, true},
    {NAMES(o), ROLE_MATRIX, HEADS_NONE, true},
    {NAMES(attn_post_norm), ROLE_NORM, HEADS_NONE, true},
    {NAMES(ffn_norm), ROLE_NORM, HEADS_NONE, true},
    {NAMES(gate), ROLE_MATRIX, HEADS_NONE, true},
    {NAMES(up), ROLE_MATRIX, HEADS_NONE, true},
    {NAMES(gate_up), ROLE_MATRIX, HEADS_NONE, true},
    {NAMES(ffn_sub_norm), ROLE_NORM, HEADS_NONE, true},
    {NAMES(down), ROLE_MATRIX, HEADS_NONE, true},
    {NAMES(ffn_post_norm), ROLE_NORM, HEADS_NONE, true},
    {NAMES(output_norm), ROLE_NORM, HEADS_NONE, false},
    {NAMES(head), ROLE_HEAD, HEADS_NONE, false},
};

const struct role *role_at(size_t index) {
    return index < sizeof roles / sizeof *roles ? &roles[index] : NULL;
}

const char *role_names(const struct role *role, const struct tensor_names *names) {
    return *(const char *const *)(const void *)((const char *)names + role->names);
}

bool role_is_gate_up(const struct role *role) {
    return role->names == NAMES(gate_up);
}

void role_shape(const struct role *role, const struct model_config *c, size_t *rows, size_t *cols) {
    size_t q = c->n_heads * c->head_dim, kv = c->n_kv_heads * c->head_dim;
    *cols = c->hidden_size;
    switch (role->names) {
    case NAMES(q):
        *rows = q;
        return;
    case NAMES(k):
    case NAMES(v):
        *rows = kv;
        return;
    case NAMES(qkv):
        *rows = q + 2 * kv;
        return;
    case NAMES(o):
        *rows = c->hidden_size;
        *cols = q;
        return;
    case NAMES(gate):
    case NAMES(up):
        *rows = c->intermediate_size;
        return;
    case NAMES(gate_up):
        *rows = 2 * c->intermediate_size;
        return;
    case NAMES(down):
        *rows = c->hidden_size;
        *cols = c->intermediate_size;
        return;
    case NAMES(position_embedding):
        *rows = c->context_length;
        return;
    default:
        *rows = c->vocab_size;
    }
}
