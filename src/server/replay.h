/* Answers that are given again: to a client that repeats a request with the same Idempotency-Key, since it never saw the
 * answer; and, where the server was told to keep a cache, to any request whose answer is certain to be the same (temperature
 * 0, or a seed). Streams are never replayed. */
#ifndef SERVER_REPLAY_H
#define SERVER_REPLAY_H

#include "server/exchange.h"
#include "server/json_store.h"

struct replay {
    struct json_store *idempotent; /* by client, path and key */
    struct json_store *cache;      /* by API key, path and body; NULL: none */
};

/* cache_bytes 0: no cache. */
bn_status replay_open(struct replay *replay, size_t cache_bytes, bn_error *err);
void replay_close(struct replay *replay);

/* A request that an answer is to be kept for. */
struct replay_ticket {
    struct replay *replay; /* NULL: nothing is to be kept */
    char *idempotent_name, *cache_name;
    char body_hash[20];
};

/* True: the exchange is answered. Else the ticket is to be finished or released. */
bool replay_find(struct replay *replay, struct exchange *exchange, struct replay_ticket *ticket);
/* Keeps the answer (a hold of its own). */
void replay_keep(struct replay_ticket *ticket, json_t *answer);
/* No answer came: the key may be used again. Also after replay_keep, or for a zeroed ticket. */
void replay_ticket_release(struct replay_ticket *ticket);

#endif
