/* An index of shards, and what it needs of the reader of one safetensors file. */
#ifndef FORMATS_SHARD_INDEX_H
#define FORMATS_SHARD_INDEX_H

#include "base/json.h"
#include "formats/tensor_file.h"

/* json_parse for text that may be hostile and large: bounds the memory that the parsed tree takes. */
bn_status safetensors_parse_json(const char *text, size_t size, const char *what, json_t **out, bn_error *err);

/* Appends the tensors of one file's bytes to `set`; names aren't indexed yet. After a failure the set is to be
 * released. */
bn_status safetensors_read_file(const uint8_t *bytes, size_t size, struct tensor_set *set, bn_error *err);

/* Opens all shards that the index at `path` names: safetensors or what torch.save wrote. */
bn_status shard_index_open(const char *path, struct tensor_set *out, bn_error *err);

#endif
