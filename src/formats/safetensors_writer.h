/* Writing safetensors: tensors are described first, then written in one go, atomically, each source producing its bytes
 * straight into the file. */
#ifndef FORMATS_SAFETENSORS_WRITER_H
#define FORMATS_SAFETENSORS_WRITER_H

#include "base/json.h"
#include "formats/tensor_file.h"

struct safetensors_writer;
struct safetensors_source {
    const char *name;
    enum tensor_type type; /* one that safetensors has */
    size_t n_dims;
    size_t shape[TENSOR_MAX_DIMS]; /* slowest first */
    /* Appends the tensor's bytes by calling safetensors_writer_emit; their number must be what type and shape need. */
    bn_status (*write)(struct safetensors_writer *writer, const struct safetensors_source *source, bn_error *err);
    const void *context;
};

bn_status safetensors_writer_create(struct safetensors_writer **out, bn_error *err);
void safetensors_writer_destroy(struct safetensors_writer *writer); /* NULL is fine */
/* "__metadata__": an object of strings, copied. */
bn_status safetensors_writer_set_metadata(struct safetensors_writer *writer, const json_t *metadata, bn_error *err);
/* The name is copied (unique UTF-8); context must live until safetensors_writer_finish. */
bn_status safetensors_writer_add_tensor(struct safetensors_writer *writer, const struct safetensors_source *source,
                                        bn_error *err);
bn_status safetensors_writer_emit(struct safetensors_writer *writer, const void *bytes, size_t size, bn_error *err);
/* Writes everything to path (temporary file, fsync, rename). A failure leaves what was at path as it was. */
bn_status safetensors_writer_finish(struct safetensors_writer *writer, const char *path, bn_error *err);

#endif
