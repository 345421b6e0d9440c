/* What was said in a chat, and how the next answer's prompt is made of it. */
#ifndef CLI_CONVERSATION_H
#define CLI_CONVERSATION_H

#include "bitnet/bitnet.h"
#include "tokenizer/template/chat.h"

struct conversation {
    const bn_tokenizer *tokenizer;
    struct chat *chat; /* NULL: no template, the text is simply continued */
    json_t *messages;  /* [{"role", "content"}, …] */
};

/* model NULL: somebody else makes the prompts, and conversation_encode isn't called. */
bn_status conversation_init(struct conversation *conversation, const bn_model *model, const char *system,
                            bn_error *err);
void conversation_release(struct conversation *conversation);

bn_status conversation_add(struct conversation *conversation, const char *role, const char *text, size_t n,
                           bn_error *err);
/* Takes the last message back. */
void conversation_drop_last(struct conversation *conversation);
/* Forgets everything but the system message. */
bn_status conversation_reset(struct conversation *conversation, bn_error *err);
/* Sets or (with "") removes the system message. */
bn_status conversation_set_system(struct conversation *conversation, const char *text, bn_error *err);

/* The prompt's ids; bn_free. */
bn_status conversation_encode(const struct conversation *conversation, int32_t **ids, size_t *n_ids, bn_error *err);

/* {"messages": […]} to and from a file, atomically. Loading a bad file leaves the conversation as it was. */
bn_status conversation_save(const struct conversation *conversation, const char *path, bn_error *err);
bn_status conversation_load(struct conversation *conversation, const char *path, bn_error *err);

#endif
