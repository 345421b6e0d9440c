/* JSON values by name, so many and so large altogether; the oldest make room. In memory only.
 * Thread-safe. */
#ifndef SERVER_JSON_STORE_H
#define SERVER_JSON_STORE_H

#include "base/json.h"

struct json_store;

/* max_age_s 0: no bound. */
bn_status json_store_create(size_t max_entries, size_t max_bytes, unsigned max_age_s, struct json_store **out,
                            bn_error *err);
void json_store_destroy(struct json_store *store);
/* Keeps the value (a new hold on it) under a name, in place of what had it. What is larger than the store isn't kept.
 * Nobody may change it afterwards. */
void json_store_put(struct json_store *store, const char *name, json_t *value);
/* The same if the name is free: NULL. Else nothing changes, and what has the name is returned as json_store_get does. */
json_t *json_store_put_new(struct json_store *store, const char *name, json_t *value);
/* A new reference to a copy of its own; NULL: it isn't there (any more). */
json_t *json_store_get(struct json_store *store, const char *name);
bool json_store_delete(struct json_store *store, const char *name);

#endif
