/* Adding and renaming tokens in the JSON files of a Hugging Face folder. Ids never change. */
#ifndef TOKENIZER_EDIT_H
#define TOKENIZER_EDIT_H

#include "base/json.h"

/* Adds a token to a tokenizer.json with the id that the reference gives it: the next that is counted. One that is there
 * already is BN_STATUS_BAD_ARGUMENT; BN_STATUS_UNSUPPORTED where counting comes to another token's id. */
bn_status tokenizer_json_add(json_t *root, const char *text, bool special, size_t *id, bn_error *err);
/* Renames a special or added token wherever a tokenizer.json names it. BN_STATUS_NOT_FOUND if it isn't one,
 * BN_STATUS_BAD_ARGUMENT if the new text is a token already. */
bn_status tokenizer_json_rename(json_t *root, const char *old, const char *text, bn_error *err);

/* The same for tokenizer_config.json and special_tokens_map.json, as far as they name tokens. */
bn_status tokenizer_config_add(json_t *config, const char *text, bool special, size_t id, bn_error *err);
bn_status tokenizer_config_rename(json_t *config, const char *old, const char *text, bn_error *err);

#endif
