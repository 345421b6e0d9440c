/* Ternary matrices from one run layout into another: the same codes, so the same sums. */
#ifndef MODEL_RELAYOUT_H
#define MODEL_RELAYOUT_H

#include "kernels/layout.h"
#include "model/linear.h"
#include "model/model.h"

/* Fills out[ternary_bytes(layout, n_rows, n_cols)] with a ternary matrix of whole groups of rows. */
bn_status linear_relayout(const struct linear *linear, enum ternary_layout layout, uint8_t *out, bn_error *err);

/* Puts all ternary matrices of an opened model that have whole groups of rows into `layout`, in memory of the model's. No
 * engine may use the model meanwhile. *n_changed: how many weren't in it. After a failure the model is as usable as
 * before, with some matrices in either layout. */
bn_status model_relayout(bn_model *model, enum ternary_layout layout, size_t *n_changed, bn_error *err);

#endif
