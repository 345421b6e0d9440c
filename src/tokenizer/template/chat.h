/* A conversation as a prompt: a tokenizer's chat template over JSON messages. */
#ifndef TOKENIZER_TEMPLATE_CHAT_H
#define TOKENIZER_TEMPLATE_CHAT_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/json.h"
#include "bitnet/tokenizer.h"
#include "tokenizer/template/literal_text.h"

struct chat; /* immutable, shared by threads; needs the tokenizer while it lives */

/* *out is NULL (and the status BN_OK) when the tokenizer has no template. */
bn_status chat_open(const bn_tokenizer *tokenizer, struct chat **out, bn_error *err);
/* With a template of the caller's own. */
bn_status chat_open_source(const bn_tokenizer *tokenizer, const char *source, struct chat **out, bn_error *err);
void chat_close(struct chat *chat);

/* The prompt of `input`, an object with messages, add_generation_prompt and what else the template knows (tools,
 * documents, continue_final_message, …); bos_token and its like are added to it. Special tokens are those that the template
 * writes; with parse_special also those that were said. out is initialised and empty; to be released after a failure, too. */
bn_status chat_render(const struct chat *chat, json_t *input, bool parse_special, struct prompt_text *out,
                      bn_error *err);
/* The ids of a rendered prompt. Release with bn_free. */
bn_status chat_encode_prompt(const struct chat *chat, const struct prompt_text *prompt, int32_t **ids, size_t *n_ids,
                             bn_error *err);
/* The ids of a conversation up to where the assistant speaks. messages: [{"role", "content"}, …]: what was said has no special
 * tokens. Release with bn_free. */
bn_status chat_encode(const struct chat *chat, const json_t *messages, int32_t **ids, size_t *n_ids, bn_error *err);

/* The ids of a text as a prompt: with the model's BOS if add_special (an empty text is BOS alone, also where the
 * vocabulary doesn't add it), special tokens' text read as such. Release with bn_free. BN_STATUS_UNSUPPORTED without a
 * tokenizer. */
bn_status encode_prompt(const bn_tokenizer *tokenizer, const char *text, size_t text_bytes, bool add_special,
                        int32_t **ids, size_t *n, bn_error *err);

/* The same for a text in which some things only look like special tokens. */
bn_status encode_prompt_text(const bn_tokenizer *tokenizer, const struct prompt_text *prompt, bool add_special,
                             int32_t **ids, size_t *n, bn_error *err);

/* The local wall-clock time as strftime_now wants it: seconds since 1970 as if the local time were UTC. */
int64_t local_clock(void);

/* bos_token, eos_token and their like for templates, where the vocabulary has them. False: no memory. */
bool add_token_names(json_t *input, const bn_tokenizer *tokenizer);

#endif
