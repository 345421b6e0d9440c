/* A conversation as a prompt: the model's chat template over JSON messages. */
#ifndef CLI_CHAT_H
#define CLI_CHAT_H

#include "base/buffer.h"
#include "base/json.h"
#include "bitnet/bitnet.h"

struct chat;

/* *out is NULL (and the status BN_OK) when the model has no template. */
bn_status chat_open(const bn_model *model, struct chat **out, bn_error *err);
void chat_close(struct chat *chat);

/* The ids of a conversation up to where the assistant speaks. messages: [{"role", "content"}, …]. Release with
 * bn_free. */
bn_status chat_encode(const struct chat *chat, const json_t *messages, int32_t **ids, size_t *n_ids, bn_error *err);

/* The local wall-clock time as strftime_now wants it: seconds since 1970 as if the local time were UTC. */
int64_t local_clock(void);

/* bos_token, eos_token and their like for templates, where the vocabulary has them. False: no memory. */
bool add_token_names(json_t *input, const bn_tokenizer *tokenizer);

#endif
