/* The files that lie around a tokenizer in a Hugging Face folder, and the older forms that are made of several files.
 * */
#ifndef TOKENIZER_HF_CONFIG_H
#define TOKENIZER_HF_CONFIG_H

#include "tokenizer/hf_json.h"

enum { HF_MAX_FILE = 1 << 29, HF_MAX_CONFIG = 1 << 26 };

/* Parses folder/name if it is there; *out NULL if not. */
bn_status hf_optional_json(const char *folder, const char *name, json_t **out, bn_error *err);
/* BOS, EOS, chat template and further tokens that end a generation: tokenizer_config.json, special_tokens_map.json,
 * generation_config.json, chat_template.jinja, as far as they are there. */
bn_status hf_read_companions(bn_tokenizer *tokenizer, const char *folder, bn_error *err);
/* vocab.json with the merges.txt beside it. */
bn_status hf_from_vocab(const json_t *vocab, const char *folder, const char *name, bn_tokenizer **out, bn_error *err);
/* BERT's vocab.txt: a token a line. */
bn_status hf_from_vocab_lines(const char *text, size_t size, const char *folder, const char *name, bn_tokenizer **out,
                              bn_error *err);
/* A folder whose tokenizer_config.json says ByT5Tokenizer; there is no vocabulary file. */
bn_status hf_open_byt5(const char *folder, bool *found, bn_tokenizer **out, bn_error *err);

#endif
