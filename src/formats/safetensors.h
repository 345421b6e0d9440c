/* safetensors, one file or shards with an index. Stricter than the reference reader where its format text is
 * (duplicate names, leading blanks). */
#ifndef FORMATS_SAFETENSORS_H
#define FORMATS_SAFETENSORS_H

#include "formats/tensor_file.h"

/* path: a .safetensors file, or a model.safetensors.index.json whose shards lie beside it. */
bn_status safetensors_open(const char *path, struct tensor_set *out, bn_error *err);
/* One file's bytes in memory (must outlive *out). For fuzzing and tests. */
bn_status safetensors_parse(const uint8_t *bytes, size_t size, const char *name, struct tensor_set *out, bn_error *err);

/* The format's name of a type, NULL for one that it lacks. */
const char *safetensors_dtype_name(enum tensor_type type);

#endif
