/* What people say, kept apart from the marks of a template: text in a conversation that looks like a special token stays text.
 *
 * A template mixes both into one prompt, so which is which has to be known before. In everything said, the first character of
 * what looks like a special token is exchanged for a private one (of plane 16) that the conversation doesn't have. The template
 * copies it like any other character; in the prompt the characters are put back, and their places told to the tokenizer. The
 * same is done to the end of a text that could begin a special token together with what the template puts behind it. A
 * conversation without such text isn't changed at all, and neither is its prompt. */
#ifndef TOKENIZER_TEMPLATE_LITERAL_TEXT_H
#define TOKENIZER_TEMPLATE_LITERAL_TEXT_H

#include "base/buffer.h"
#include "base/json.h"
#include "bitnet/tokenizer.h"
#include "tokenizer/added_tokens.h"

struct literal_text; /* what special tokens look like: immutable, shared by threads */

bn_status literal_text_create(const bn_tokenizer *tokenizer, struct literal_text **out, bn_error *err);
void literal_text_destroy(struct literal_text *literal);

/* Exchanges characters in the members of `input` that people fill: messages (but their roles), tools, documents. *first is the
 * private character that stands for the first kind of beginning, 0 if nothing had to be changed. Members that change are
 * replaced by copies. BN_STATUS_BAD_ARGUMENT if the conversation has private characters of all kinds. */
bn_status literal_text_hide(const struct literal_text *literal, json_t *input, uint32_t *first, bn_error *err);

/* A prompt, and where in it something only looks like a special token. */
struct prompt_text {
    struct buffer text;
    struct literal_places literal; /* places are owned */
};
void prompt_text_init(struct prompt_text *prompt);
void prompt_text_release(struct prompt_text *prompt);
/* Puts the characters back that literal_text_hide took. */
bn_status literal_text_restore(const struct literal_text *literal, uint32_t first, struct prompt_text *prompt,
                               bn_error *err);

#endif
