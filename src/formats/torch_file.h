/* What torch.save writes: a zip archive (since PyTorch 1.6) or pickles back to back (before), with tensors over
 * storages that they may share and view by strides. Nothing of it is run: pickle.h. */
#ifndef FORMATS_TORCH_FILE_H
#define FORMATS_TORCH_FILE_H

#include <stdbool.h>

#include "formats/tensor_file.h"

/* Is it one of the two, by its first bytes? */
bool torch_is_file(const uint8_t *bytes, size_t size);

/* Appends the tensors of one file's bytes to `set`: those of the dict that was saved, or of its member "state_dict", "model" or "module".
 * Tensors that don't lie row after row are views. Names aren't indexed yet. After a failure the set is to be released. */
bn_status torch_read_file(const uint8_t *bytes, size_t size, struct tensor_set *set, bn_error *err);
/* One file's bytes in memory (must outlive *out), indexed. For fuzzing and tests. */
bn_status torch_parse(const uint8_t *bytes, size_t size, const char *name, struct tensor_set *out, bn_error *err);

#endif
