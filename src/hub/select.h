/* Which files of a repository a download fetches. */
#ifndef HUB_SELECT_H
#define HUB_SELECT_H

#include "hub/hub.h"

/* Marks in selected[] (one bool a file) those that match one of the patterns (as a shell's, '*' matches '/' too; "folder/" is all
 * below it) and none of `excluded`. BN_STATUS_NOT_FOUND names a pattern that matches nothing. */
bn_status hub_select_matching(const struct hub_listing *listing, const char *const *patterns, size_t n_patterns,
                              const char *const *excluded, size_t n_excluded, bool *selected, bn_error *err);

/* Marks what running the model needs: configuration, tokenizer, card and licence at the top, and one kind of weights,
 * the first there is of safetensors, pickles (pytorch_model*.bin), GGUF, ONNX. Of several GGUF files one is taken, whose
 * name has `variant` in it ("Q4_K_M"), or without one by a list of what is fast and good enough here; all parts
 * of a split file. `variant` may also be a file's whole name; given, GGUF comes first. BN_STATUS_NOT_FOUND lists what
 * there is. */
bn_status hub_select_for_running(const struct hub_listing *listing, const char *variant, bool *selected, bn_error *err);

#endif
