/* The tensors of any model file, and their values in pieces. */
#ifndef ANALYSIS_TENSOR_LISTING_H
#define ANALYSIS_TENSOR_LISTING_H

#include "formats/gguf.h"
#include "formats/tensor_file.h"

/* A .gguf or .safetensors file or a Hugging Face folder, opened for its tensors alone. */
struct tensor_listing {
    const struct tensor_set *set;
    struct gguf gguf;        /* open when is_gguf */
    struct tensor_set other; /* open otherwise */
    bool is_gguf;
};
bn_status tensor_listing_open(const char *path, struct tensor_listing *out, bn_error *err);
void tensor_listing_close(struct tensor_listing *listing);

/* Decodes a tensor and hands its values on in order, some rows at a time. Stops at the visitor's first failure. */
typedef bn_status (*values_visitor)(void *context, const float *values, size_t n, bn_error *err);
bn_status tensor_visit_values(const struct tensor *tensor, values_visitor visit, void *context, bn_error *err);

#endif
