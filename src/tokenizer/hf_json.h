/* Reading tokenizer.json (Hugging Face tokenizers, version 1.0), part by part into a tokenizer. */
#ifndef TOKENIZER_HF_JSON_H
#define TOKENIZER_HF_JSON_H

#include "base/json.h"
#include "tokenizer/hf_large.h"
#include "tokenizer/pipeline.h"

/* Reads the text of a tokenizer.json; *found is false where it isn't one. */
bn_status hf_read_text(const char *text, size_t size, const char *name, bool *found, bn_tokenizer **out, bn_error *err);

/* Each takes the value of its member, which may be NULL or null. Of the model, vocab and merges are empty: their
 * contents are in large. */
bn_status hf_read_model(bn_tokenizer *tokenizer, const json_t *model, const struct hf_large *large, bn_error *err);
/* Once vocabulary, affixes and byte_level are known: merges and what is derived. */
bn_status hf_finish_model(bn_tokenizer *tokenizer, const json_t *model, const struct hf_large *large, bn_error *err);
bn_status hf_read_normalizer(bn_tokenizer *tokenizer, const json_t *normalizer, unsigned depth, bn_error *err);
bn_status hf_read_pretokenizer(bn_tokenizer *tokenizer, const json_t *pretokenizer, unsigned depth, bn_error *err);
bn_status hf_read_postprocessor(bn_tokenizer *tokenizer, const json_t *postprocessor, unsigned depth, bn_error *err);
bn_status hf_read_decoder(bn_tokenizer *tokenizer, const json_t *decoder, unsigned depth, bn_error *err);

enum { HF_MAX_DEPTH = 16, HF_MAX_STEPS = 256 };

/* The "type" of a step, "" when missing. */
const char *hf_type(const json_t *step);
/* A copy of a string member in the tokenizer's arena, fallback where it is missing. */
bn_status hf_copy_text(bn_tokenizer *tokenizer, const json_t *object, const char *key, const char *fallback,
                       const char **text, size_t *size, bn_error *err);
/* "pattern": {"String": …} → *literal, {"Regex": …} → *is_regex too, and an empty string. */
bn_status hf_copy_pattern(bn_tokenizer *tokenizer, const json_t *object, const char **text, size_t *size,
                          bool *is_regex, bn_error *err);
/* An entry of "added_tokens" (or of added_tokens_decoder, whose id is the key). */
bn_status hf_add_token(bn_tokenizer *tokenizer, const json_t *entry, size_t id, bn_error *err);

#endif
