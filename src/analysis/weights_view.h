/* The weights of a model file in one form, whatever the file's: names and order of rows as in GGUF (llama.cpp's), values
 * as the model multiplies by them (a BitNet's codes times their scale, the masters of one as they are rounded). So
 * tensors of the same name of two models are the same part of the network, and row r of one belongs to row r of the other.
 *
 * Values are decoded row by row: what is in memory doesn't grow with the model. */
#ifndef ANALYSIS_WEIGHTS_VIEW_H
#define ANALYSIS_WEIGHTS_VIEW_H

#include "convert/plan.h"

struct weights_view {
    bn_model *model; /* without weights in memory */
    struct thread_pool *pool;
    struct arena arena;
    struct convert_options options;
    struct plan plan; /* its tensors are the view's */
};

/* Errors are those of planning a conversion: a tensor that is missing or that no part of the network is made of, a shape that
 * doesn't fit. i2s_layout: how I2_S tensors are packed where the file doesn't say; NULL: x86-128. Close it in any case. */
bn_status weights_view_open(const char *path, const char *i2s_layout, size_t n_threads, struct weights_view *out,
                            bn_error *err);
void weights_view_close(struct weights_view *view);

const struct planned_tensor *weights_view_find(const struct weights_view *view, const char *name); /* NULL: none */

/* What the tensor's file holds: "BF16", "Q6_K", "I2_S"; "packed": ternary codes as Hugging Face packs them; "vector": norms and biases. */
const char *viewed_type(const struct planned_tensor *tensor);
/* Can rows be decoded? Types without values of their own (I8, I32, …) can't. */
bool viewed_decodable(const struct planned_tensor *tensor);
/* One row; codes: room for n_cols. False where ternary codes are damaged. Thread-safe. */
bool viewed_row(const struct planned_tensor *tensor, size_t row, float *values, int8_t *codes);

/* Work on rows of a tensor by all threads: row0 … row0 + n_rows, chunk `chunk` of n_chunks. */
enum { VIEW_CHUNK_VALUES = 1 << 16 };
static inline size_t viewed_rows_per_chunk(const struct planned_tensor *tensor) {
    return max_size(VIEW_CHUNK_VALUES / max_size(tensor->n_cols, 1), 1);
}

#endif
