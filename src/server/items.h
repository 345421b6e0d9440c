/* Items: what a conversation consists of for /v1/responses and /v1/realtime. From items to messages of a chat, and from an
 * answer, while it comes, to items and the events that tell of them. */
#ifndef SERVER_ITEMS_H
#define SERVER_ITEMS_H

#include "server/answer.h"

/* Appends what an item says to the messages of a chat. place names it in the failure. */
bool item_to_message(json_t *messages, const json_t *item, const char *place, struct failure *failure);
/* Sets tools, tool_choice and parallel_tool_calls of a chat from a body that has them as items' APIs do. */
bool item_tools_to_chat(json_t *chat, const json_t *body, struct failure *failure);

enum item_kind { ITEM_NONE, ITEM_MESSAGE, ITEM_REASONING, ITEM_CALL };

/* Writes an answer as items, one open at a time. Zeroed but for the first three members, it is ready. */
struct item_writer {
    /* An event of the given type, which isn't in it yet; stolen; NULL without memory. */
    void (*emit)(void *context, const char *type, json_t *event);
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
void item_writer_open(struct item_writer *writer, enum item_kind kind, const struct answer_call *call);
/* Text of a message or of thoughts; opens an item of that kind if none is open. */
void item_writer_text(struct item_writer *writer, enum item_kind kind, const char *text, size_t n);
void item_writer_arguments(struct item_writer *writer, const struct answer_call *call, const char *text, size_t n);
/* Ends the open item, if there is one. */
void item_writer_close(struct item_writer *writer, bool whole);

#endif
