#include "model/relayout.h"

#include "base/memory.h"
#include "model/weights.h"

bn_status linear_relayout(const struct linear *linear, enum ternary_layout layout, uint8_t *out, bn_error *err) {
    size_t n_cols = linear->n_cols;
    int8_t *rows = mem_alloc_array(n_cols, L16_ROWS);
    if (!rows) return fail_no_memory(err, n_cols * L16_ROWS);
    for (size_t r = 0; r < linear->n_rows; r += L16_ROWS) {
        ternary_unpack_group(linear->layout, rows, linear->data + ternary_bytes(linear->layout, r, n_cols), L16_ROWS,
                             n_cols);
        ternary_pack_group(layout, out + ternary_bytes(layout, r, n_cols), rows, L16_ROWS, n_cols);
    }
    mem_free(rows);
    return BN_OK;
}

static bn_status change(bn_model *model, struct linear *linear, enum ternary_layout layout, size_t *n_changed,
                        bn_error *err) {
    if (!linear->ternary || linear->layout == layout || linear->n_rows % L16_ROWS != 0) return BN_OK;
    size_t bytes = ternary_bytes(layout, linear->n_rows, linear->n_cols);
    uint8_t *packed = arena_alloc(&model->weights.arena, bytes);
    if (!packed) return fail_no_memory(err, bytes);
    bn_status status = linear_relayout(linear, layout, packed, err);
    if (status) return status;
    linear->data = packed;
    linear->layout = layout;
    ++*n_changed;
    return BN_OK;
}

bn_status model_relayout(bn_model *model, enum ternary_layout layout, size_t *n_changed, bn_error *err) {
    bn_status status = BN_OK;
    *n_changed = 0;
    for (size_t i = 0; i < model->config.n_layers; i++) {
        struct layer *layer = &model->weights.layers[i];
        struct linear *linears[] = {&layer->q, &layer->k, &layer->v, &layer->o, &layer->gate, &layer->up, &layer->down};
        for (size_t j = 0; j < sizeof linears / sizeof *linears && !status; j++)
            status = change(model, linears[j], layout, n_changed, err);
    }
    return status;
}
