/* Which sequences may share keys: those for which rope_frequencies (rope.c) gives the same numbers. */
#include "model/model.h"
#include "model/weights.h"

/* 0: the usual factors; 1: the long ones; else the length that the base was made for. */
static size_t class_of(const struct rope *rope, size_t reserved_length) {
    const struct rope_config *config = rope->config;
    if (!config || !rope->n_pairs) return 0;
    if (rope->long_frequencies && reserved_length > config->original_positions) return 1;
    return config->type == ROPE_DYNAMIC && reserved_length > config->max_positions ? reserved_length : 0;
}

size_t model_rope_class(const struct bn_model *model, size_t reserved_length) {
    size_t global = class_of(&model->rope, reserved_length), local = class_of(&model->local_rope, reserved_length);
    return global > 1 || local > 1 ? reserved_length * 4 : local * 2 + global;
}
