/* The weights of a Hugging Face checkpoint, in whatever container they are. */
#ifndef FORMATS_CHECKPOINT_H
#define FORMATS_CHECKPOINT_H

#include "formats/tensor_file.h"

/* path: a file of weights (by content: safetensors, what torch.save wrote, an index of shards of these, or an ONNX
 * graph), or a folder, of
 * which safetensors are taken before PyTorch's files, and these before ONNX. Tensors may be views (tensor_set_materialize). Release
 * with tensor_set_release. */
bn_status checkpoint_open(const char *path, struct tensor_set *out, bn_error *err);

/* The file that would be taken of a folder, newly allocated; BN_STATUS_NOT_FOUND when it has none. */
bn_status checkpoint_find(const char *folder, char **path, bn_error *err);

#endif
