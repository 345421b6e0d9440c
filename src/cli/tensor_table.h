/* The tensors of a model file, listed. */
#ifndef CLI_TENSOR_TABLE_H
#define CLI_TENSOR_TABLE_H

#include "base/json.h"
#include "formats/tensor_file.h"

/* A list of {"name", "type", "shape", "bytes"}, with "i2s_layout" where that is known. NULL when memory is out. */
json_t *tensor_table_json(const struct tensor_set *set);
/* The same as lines on standard output, and their sum. */
void tensor_table_print(const struct tensor_set *set);

#endif
