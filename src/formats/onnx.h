/* ONNX: the weights of a decoder's graph under the names of the model that it was exported from.
 *
 * Not the graph is read but what it multiplies by: initializers, in the file or in files beside it. Exporters keep most
 * names; a weight of a MatMul is stored transposed and often under a number ("onnx::MatMul_123"), and gets its name from
 * the node that uses it ("/model/layers.0/self_attn/q_proj/MatMul"). Blocks of MatMulNBits are seen as float32.
 * Specification: onnx.proto (ONNX 1.x). */
#ifndef FORMATS_ONNX_H
#define FORMATS_ONNX_H

#include <stdbool.h>

#include "formats/tensor_file.h"

/* By its first fields: it has no magic number. */
bool onnx_is_file(const uint8_t *bytes, size_t size);

/* Appends the tensors of one graph to `set`. folder: where files with external data lie, NULL refuses such. Names aren't indexed yet.
 * After a failure the set is to be released. */
bn_status onnx_read_file(const uint8_t *bytes, size_t size, const char *folder, struct tensor_set *set, bn_error *err);
/* One file's bytes in memory (must outlive *out), indexed. For fuzzing and tests. */
bn_status onnx_parse(const uint8_t *bytes, size_t size, const char *name, struct tensor_set *out, bn_error *err);

#endif
