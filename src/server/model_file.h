/* What a model's file says of it, without loading it: for lists of models. */
#ifndef SERVER_MODEL_FILE_H
#define SERVER_MODEL_FILE_H

#include "base/json.h"

struct model_file {
    const char *format; /* "gguf" or "safetensors" */
    char family[64];    /* the architecture: "llama", "bitnet-b1.58" */
    char type[24];      /* of most of its bytes: "I2_S", "F16" */
    uint64_t n_parameters;
    size_t context_length, embedding_length; /* 0: not said */
    const char *pooling;                     /* of an embedding model; NULL: it writes text */
};

/* The model that is opened by `path`. */
bn_status model_file_describe(const char *path, struct model_file *out, bn_error *err);
/* "2.4B", "9.8M"; size ≥ 32. */
const char *model_file_size_label(const struct model_file *file, char *out, size_t size);

/* Its metadata, as GGUF files have it; lists are null unless they are asked for. For a checkpoint of Hugging Face: its
 * configuration. New reference. */
bn_status model_file_metadata(const char *path, bool lists, json_t **out, bn_error *err);
/* [{"name", "type", "shape"}, …], of which GGUF's way has the fastest dimension first. New reference. */
bn_status model_file_tensors(const char *path, json_t **out, bn_error *err);

#endif
