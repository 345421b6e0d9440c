/* Items: what a conversation consists of for /v1/responses and /v1/realtime. From items to messages of a chat, and from an
 * answer, while it comes, to items and the events that tell of them. */
#ifndef SERVER_ITEMS_H
#define SERVER_ITEMS_H

#include "server/answer.h"

/* Appends what an item says to the messages of a chat. place names it in the failure. */
bool item_to_message(json_t *messages, const json_t *item, const char *place, struct failure *failure);
/* Appends what was sent (a text, or items) as lists show it: each item with an id, its type and its state, contents in
 * parts. */
void items_add_listed(json_t *list, const json_t *input);
/* Sets tools, tool_choice and parallel_tool_calls of a chat from a body that has them as items' APIs do. */
bool item_tools_to_chat(json_t *chat, const json_t *body, struct failure *failure);

enum item_kind { ITEM_NONE, ITEM_MESSAGE, ITEM_REASONING, ITEM_CALL };

/* Writes an answer as items, one open at a time. Zeroed but for the members up to `realtime`, it is ready. */
struct item_writer {
    /* An event of the given type, which isn't in it yet; stolen; NULL without memory. */
    void (*emit)(void *context, const char *type, json_t *event);
    void (*end)(void *context, const struct failure *failure); /* of the answer, as in answer_format */
    void *context;
    bool realtime;  /* the realtime API's forms: other parts, no annotations, log-probabilities or thoughts */
    json_t *output; /* the items that are complete; item_writer_init makes it */
    enum item_kind open;
    char id[40];
    struct buffer text;             /* of the open item */
    const struct answer_call *call; /* its call */
};

bool item_writer_init(struct item_writer *writer); /* false: no memory */
void item_writer_release(struct item_writer *writer);
/* Ends the open item, if there is one. */
void item_writer_close(struct item_writer *writer, bool whole);
/* Opens an empty message if there is no item at all: the model had nothing to say. */
void item_writer_need_one(struct item_writer *writer);

/* Has an answer written by an item_writer, which is the callbacks' context. */
extern const struct answer_format item_answer_format;

#endif
