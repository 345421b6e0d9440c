/* The metadata of a GGUF file from what a checkpoint says: the keys that llama.cpp's converter writes. */
#ifndef CONVERT_GGUF_KEYS_H
#define CONVERT_GGUF_KEYS_H

#include "convert/plan.h"

/* Sets general.*, the architecture's keys, tokenizer.*; adds the tensors of rope factors to the plan. `name`: what the model is
 * called where the checkpoint doesn't say. BN_STATUS_UNSUPPORTED names what GGUF can't say. */
bn_status gguf_keys_set(struct plan *plan, const char *name, struct gguf_writer *writer, bn_error *err);
/* The same for a source that is GGUF itself: its keys are copied, but for those about types. */
bn_status gguf_keys_copy(const struct plan *plan, struct gguf_writer *writer, bn_error *err);

#endif
