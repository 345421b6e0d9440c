/* What a tokenizer consists of, as JSON: for people who look at one, and for writing tokenizer.json. */
#ifndef TOKENIZER_DESCRIBE_H
#define TOKENIZER_DESCRIBE_H

#include "base/json.h"
#include "tokenizer/tokenizer.h"

/* Ids by role, -1 for none. pad: what the file says, else the token that is called so. */
struct token_roles {
    int32_t bos, eos, unknown, pad;
};
struct token_roles tokenizer_roles(const bn_tokenizer *tokenizer);

/* Arrays of steps in order, each an object with "type" as tokenizer.json has it, or the same for steps that it lacks. */
bn_status tokenizer_describe_normalizer(const bn_tokenizer *tokenizer, json_t **steps, bn_error *err);
bn_status tokenizer_describe_pretokenizer(const bn_tokenizer *tokenizer, json_t **steps, bn_error *err);
bn_status tokenizer_describe_decoder(const bn_tokenizer *tokenizer, json_t **steps, bn_error *err);
/* TemplateProcessing and ByteLevel. */
bn_status tokenizer_describe_postprocessor(const bn_tokenizer *tokenizer, json_t **steps, bn_error *err);

/* All of it: kind, sizes, steps, tokens by role, special and added tokens. Release with json_decref. */
bn_status tokenizer_describe(const bn_tokenizer *tokenizer, json_t **out, bn_error *err);
/* One token: id, text, the bytes it stands for (hexadecimal), flags, score. NULL: no memory. */
json_t *tokenizer_describe_token(const bn_tokenizer *tokenizer, int32_t id);

#endif
