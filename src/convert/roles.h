/* What a tensor is for, what it is called on either side, and which shape it has. */
#ifndef CONVERT_ROLES_H
#define CONVERT_ROLES_H

#include "model/config.h"

enum role_kind { ROLE_NORM, ROLE_MATRIX, ROLE_TABLE /* the embedding */, ROLE_POSITIONS, ROLE_HEAD };
enum role_heads { HEADS_NONE, HEADS_Q, HEADS_K, HEADS_QKV };

struct role {
    size_t names; /* offset in struct tensor_names */
    enum role_kind kind;
    enum role_heads heads; /* whose rows can come in more than one order */
    bool per_layer;
};

/* NULL past the end. In the order in which tensors are written. */
const struct role *role_at(size_t index);

/* The spellings, "a|b", that the set has for a role; NULL where the family has no such tensor. */
const char *role_names(const struct role *role, const struct tensor_names *names);
/* Is it the gate and up projections in one? GGUF files call it as the up projection alone. */
bool role_is_gate_up(const struct role *role);
/* Rows and columns of a matrix as the model multiplies by it, [out, in]. Not of norms. */
void role_shape(const struct role *role, const struct model_config *config, size_t *rows, size_t *cols);

#endif
