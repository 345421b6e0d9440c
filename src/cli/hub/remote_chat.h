/* The chat of `bitnet run` with a server's model. */
#ifndef CLI_HUB_REMOTE_CHAT_H
#define CLI_HUB_REMOTE_CHAT_H

#include "cli/conversation.h"
#include "cli/hub/server_access.h"

struct remote_chat; /* opaque; see remote_chat.c */

/* The model is the invocation's first argument, NULL: the server's first. */
bn_status remote_chat_open(struct invocation *invocation, const struct server_options *options,
                           const struct sampling_options *sampling, struct remote_chat **out, bn_error *err);
void remote_chat_close(struct remote_chat *chat);

/* Asks for the next answer, shows it as it comes (with --json: when it is there) and adds it to the conversation. Ctrl-C ends
 * it; what has come is kept. */
bn_status remote_chat_answer(struct remote_chat *chat, struct conversation *conversation, bn_error *err);
void remote_chat_print_stats(const struct remote_chat *chat);

#endif
