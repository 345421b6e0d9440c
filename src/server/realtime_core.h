/* What the parts of the realtime API share: a session is one conversation of items, on one channel. Events of the client are
 * handled on workers, one at a time; answers come on threads of engines. What both touch is guarded by the session's lock,
 * which is never held while something is sent, started or closed. */
#ifndef SERVER_REALTIME_CORE_H
#define SERVER_REALTIME_CORE_H

#include <stdatomic.h>

#include "server/api.h"
#include "server/channel.h"
#include "server/items.h"

struct realtime_response;

struct realtime {
    struct channel_context channel; /* its lock is the session's */
    const struct api *api;
    char id[40], conversation_id[40];
    char *model; /* as the client called it; NULL: not at all */
    atomic_size_t n_events;
    /* Guarded by the lock. */
    json_t *config;     /* the session as clients see it */
    json_t *items;      /* of the conversation, in order */
    size_t items_bytes; /* of their texts, about */
    struct realtime_response *responses;
    size_t n_responses;
    bool paused;   /* the client doesn't keep up */
    bool draining; /* the server ends: no new responses */
    bool closed;
};

static inline void realtime_lock(struct realtime *rt) {
    pthread_mutex_lock(&rt->channel.lock);
}
static inline void realtime_unlock(struct realtime *rt) {
    pthread_mutex_unlock(&rt->channel.lock);
}

/* ---- realtime.c: the session ---- */

/* Sends an event, which is stolen. Not under the lock. */
void realtime_say(struct realtime *rt, const char *type, json_t *event);
/* Sets the members of a session that aren't fixed, under their newer names. */
void realtime_configure(json_t *config, const json_t *given);

/* ---- realtime_event.c: what clients may send ---- */

enum {
    REALTIME_MAX_ITEMS = 1024,
};

enum realtime_event {
    EVENT_SESSION_UPDATE,
    EVENT_ITEM_CREATE,
    EVENT_ITEM_DELETE,
    EVENT_ITEM_RETRIEVE,
    EVENT_ITEM_TRUNCATE,
    EVENT_RESPONSE_CREATE,
    EVENT_RESPONSE_CANCEL,
    N_REALTIME_EVENTS
};
/* N_REALTIME_EVENTS: there is none of that type. */
enum realtime_event realtime_event_of(const char *type);

/* ---- handlers of events that realtime_event_read has let through: false with a failure ---- */

/* realtime_conversation.c */
bool realtime_create_item(struct realtime *rt, const json_t *event, struct failure *failure);
bool realtime_delete_item(struct realtime *rt, const json_t *event, struct failure *failure);
bool realtime_retrieve_item(struct realtime *rt, const json_t *event, struct failure *failure);
bool realtime_truncate_item(struct realtime *rt, const json_t *event, struct failure *failure);
/* realtime_response.c */
bool realtime_create_response(struct realtime *rt, const json_t *event, struct failure *failure);
bool realtime_cancel_response(struct realtime *rt, const json_t *event, struct failure *failure);

/* ---- realtime_conversation.c ---- */

/* Under the lock. The place of an item; the number of items if there is none of that id. */
size_t realtime_find_item(const struct realtime *rt, const char *id);
/* Under the lock: is there room for one more of that many bytes? */
bool realtime_has_room(const struct realtime *rt, size_t bytes, struct failure *failure);
/* An item of an answer enters the conversation when it begins (the event response.output_item.added), and is completed there
 * (response.output_item.done). */
void realtime_note_item(struct realtime *rt, const char *type, const json_t *event);

/* ---- realtime_response.c: all under the lock ---- */

void realtime_pause_responses(struct realtime *rt, bool paused);
void realtime_cancel_responses(struct realtime *rt);

#endif
