/* What chat-like APIs boil down to: a conversation as a prompt, and how the answer is to be made. The OpenAI body is the
 * common form; other APIs' bodies are rewritten to it. */
#ifndef SERVER_CHAT_REQUEST_H
#define SERVER_CHAT_REQUEST_H

#include "server/generation.h"
#include "server/output_parser.h"
#include "server/settings.h"

extern const struct schema chat_request_schema, chat_tool_schema;

struct chat_request {
    const struct model *model; /* held */
    struct settings settings;
    struct generation_prompt prompt;
    enum tool_syntax tools;
    const bn_tool_syntax *tool_syntax; /* NULL without tools */
    const char **tool_names;           /* NULL-terminated, in the settings' arena */
    json_t *functions;                 /* the body's tools */
    bool parallel_calls;
    bool calls_first;             /* calls begin the answer, or there are none */
    bool reasoning, in_reasoning; /* thoughts are told from text; the prompt ends among thoughts */
    bool tokens_wanted;           /* return_token_ids */
};

/* Acquires the model (which may block while it is loaded), renders, encodes. body: checked against the schema. Release
 * also after a failure. */
bool chat_request_read(struct chat_request *request, struct models *models, const json_t *body,
                       struct failure *failure);
/* The parts of it. All but the prompt, for a model that the caller has acquired (taken over, always): */
bool chat_request_options(struct chat_request *request, const struct model *model, const json_t *body,
                          struct failure *failure);
/* the prompt, however long it is. chat: the template to use, or NULL. */
bool chat_request_prompt(struct chat_request *request, const struct chat *chat, const json_t *body,
                         struct failure *failure);
/* What depends on both: it fits the context, and what holds the answer begins behind thoughts that the prompt has begun. */
bool chat_request_settle(struct chat_request *request, struct failure *failure);
void chat_request_release(struct chat_request *request);

/* The prompt's text alone, by the template `chat`; NULL: what was said is simply continued. model: held by the caller.
 * out: to be released. */
bool chat_render_prompt(const struct model *model, const struct chat *chat, const json_t *body, struct prompt_text *out,
                        struct failure *failure);

#endif
