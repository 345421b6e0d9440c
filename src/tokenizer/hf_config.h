/* The files that lie around a tokenizer in a Hugging Face folder, and the older forms that are made of several files.
 * */
#ifndef TOKENIZER_HF_CONFIG_H
#define TOKENIZER_HF_CONFIG_H

#include "tokenizer/hf_json.h"

enum { HF_MAX_FILE = 1 << 29, HF_MAX_CONFIG = 1 << 26 };

/* Parses folder/name if it is there; *out NULL if not. */
bn_status hf_optional_json(const char *folder, const char *name, json_t **out, bn_error *err);
/* The roles that tokens have in these files: "bos_token" and so on. */
enum { HF_N_ROLES = 7 };
extern const char *const hf_roles[HF_N_ROLES];
/* The text of a role's token ("<s>" or {"content": "<s>", …}); NULL where config (which may be NULL) has none. */
const char *hf_token_text(const json_t *config, const char *key);
/* tokenizer_config.json, special_tokens_map.json and added_tokens.json; NULL where there is none. */
struct hf_companions {
    json_t *config, *map, *older;
};
/* Added tokens, BOS, EOS, what goes around a text, and the chat template. The tokenizer is finished; n_model: entries of
 * its model, from where new tokens are counted. around: add_bos_token and add_eos_token count; they don't where a
 * tokenizer.json says what goes around a text. */
bn_status hf_take_companions(bn_tokenizer *tokenizer, size_t n_model, bool around, const struct hf_companions *files,
                             bn_error *err);
/* The same from a folder, and chat_template.jinja and generation_config.json (further tokens that end a generation). */
bn_status hf_read_companions(bn_tokenizer *tokenizer, size_t n_model, bool around, const char *folder, bn_error *err);
/* vocab.json with the merges.txt beside it. */
bn_status hf_from_vocab(const json_t *vocab, const char *folder, const char *name, bn_tokenizer **out, bn_error *err);
/* BERT's vocab.txt: a token a line. */
bn_status hf_from_vocab_lines(const char *text, size_t size, const char *folder, const char *name, bn_tokenizer **out,
                              bn_error *err);
/* A folder whose tokenizer_config.json says ByT5Tokenizer; there is no vocabulary file. */
bn_status hf_open_byt5(const char *folder, bool *found, bn_tokenizer **out, bn_error *err);

#endif
