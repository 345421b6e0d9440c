/* The rows of a model's tensors that belong to tokens: the embedding and, where it isn't tied to it, the output
 * projection with its bias. A new token's row is the mean of the rows of all old tokens, in the tensor's own type. */
#ifndef MODEL_VOCABULARY_ROWS_H
#define MODEL_VOCABULARY_ROWS_H

#include "formats/tensor_file.h"

struct vocabulary_rows {
    size_t n_tokens;   /* old tokens: rows [0, n_tokens) are averaged */
    size_t n_rows;     /* that the tensors have, ≥ n_tokens: what is beyond is padding */
    size_t n_new_rows; /* that they shall have, ≥ n_rows */
    size_t first_new;  /* rows [first_new, first_new + n_new) become the mean */
    size_t n_new;
};

/* Is it one of them, by the names of Hugging Face and GGUF? */
bool is_vocabulary_tensor(const char *name);
/* Fills in n_rows from a model's tensors: all agree, BN_STATUS_BAD_FILE if they don't. 0 without such tensors.
 * BN_STATUS_UNSUPPORTED for one in a type whose rows can't be made. */
bn_status vocabulary_rows_find(const struct tensor_set *set, size_t *n_rows, bn_error *err);

/* The tensor with its new rows, in pieces. */
typedef bn_status (*emit_function)(void *context, const void *bytes, size_t size, bn_error *err);
bn_status vocabulary_rows_emit(const struct vocabulary_rows *rows, const struct tensor *tensor, emit_function emit,
                               void *context, bn_error *err);

#endif
