/* Files that open at once: a model written so that everything in it is used where it is mapped. */
#ifndef MODEL_OPTIMIZE_H
#define MODEL_OPTIMIZE_H

#include "kernels/layout.h"
#include "model/model.h"

struct optimize_report {
    enum ternary_layout layout; /* of the ternary matrices that are written */
    /* Called as bytes are written; false stops the writing with BN_STATUS_CANCELLED. May be NULL. */
    bool (*progress)(void *context, size_t done, size_t total);
    void *context;
    /* filled in */
    size_t n_tensors, n_ternary; /* written; of these in the run layout */
    bool has_screen, has_tokenizer;
};

/* Writes an opened GGUF model to `path`, atomically: ternary matrices as I2_S in a run layout, all other tensors and all
 * metadata as they are, the tokenizer compiled, and the screen's copy of the head where the model was opened with one.
 * Logits of the file are those of the model, bit for bit. A matrix whose rows or columns aren't multiples of 16 keeps
 * its type. BN_STATUS_UNSUPPORTED: a Hugging Face model, or I2_S tensors that can't be told apart in one file. */
bn_status model_optimize(const bn_model *model, const char *path, struct optimize_report *report, bn_error *err);

#endif
