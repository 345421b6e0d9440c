/* Values are kept as text: jansson's counts of holders aren't safe across threads, and text has a size. */
#include "server/json_store.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"

struct stored {
    struct stored *newer, *older;
    char *name, *text;
    size_t bytes;
    uint64_t kept_ns;
};

struct json_store {
    size_t max_entries, max_bytes;
    uint64_t max_age_ns;
    pthread_mutex_t lock;
    /* Guarded by lock. */
    struct stored *newest, *oldest;
    size_t n, bytes;
};

bn_status json_store_create(size_t max_entries, size_t max_bytes, unsigned max_age_s, struct json_store **out,
                            bn_error *err) {
    struct json_store *store = mem_calloc(1, sizeof *store);
    if (!store) return fail_no_memory(err, sizeof *store);
    store->max_entries = max_entries;
    store->max_bytes = max_bytes;
    store->max_age_ns = (uint64_t)max_age_s * 1000000000;
    pthread_mutex_init(&store->lock, NULL);
    *out = store;
    return BN_OK;
}

static void destroy(struct stored *stored) {
    if (!stored) return;
    mem_free(stored->name);
    mem_free(stored->text);
    mem_free(stored);
}

static void unlink_stored(struct json_store *store, struct stored *stored) {
    if (stored->newer)
        stored->newer->older = stored->older;
    else
        store->newest = stored->older;
    if (stored->older)
        stored->older->newer = stored->newer;
    else
        store->oldest = stored->newer;
    store->n--;
    store->bytes -= stored->bytes;
}

void json_store_destroy(struct json_store *store) {
    if (!store) return;
    while (store->newest) {
        struct stored *stored = store->newest;
        unlink_stored(store, stored);
        destroy(stored);
    }
    pthread_mutex_destroy(&store->lock);
    mem_free(store);
}

/* Under the lock, as all below. Forgets what is too old first. */
static struct stored *find(struct json_store *store, const char *name) {
    uint64_t now_ns = clock_now_ns();
    while (store->max_age_ns && store->oldest && store->oldest->kept_ns + store->max_age_ns < now_ns) {
        struct stored *old = store->oldest;
        unlink_stored(store, old);
        destroy(old);
    }
    for (struct stored *at = store->newest; at; at = at->older) {
        if (strcmp(at->name, name) == 0) return at;
    }
    return NULL;
}

static struct stored *create(const char *name, const json_t *value) {
    struct stored *stored = mem_calloc(1, sizeof *stored);
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    if (stored && text) {
        stored->name = mem_strdup(name);
        stored->text = mem_strdup(text);
        stored->bytes = sizeof *stored + strlen(name) + strlen(text);
        stored->kept_ns = clock_now_ns();
    }
    free(text); /* jansson's own memory */
    if (stored && stored->name && stored->text) return stored;
    destroy(stored);
    return NULL;
}

static void drop(struct json_store *store, struct stored *stored) {
    unlink_stored(store, stored);
    destroy(stored);
}

/* Takes the value over, where it fits. */
static void insert(struct json_store *store, struct stored *stored) {
    while (store->n && (store->n >= store->max_entries || store->bytes + stored->bytes > store->max_bytes))
        drop(store, store->oldest);
    stored->older = store->newest;
    if (store->newest)
        store->newest->newer = stored;
    else
        store->oldest = stored;
    store->newest = stored;
    store->n++;
    store->bytes += stored->bytes;
}

static bool fits(const struct json_store *store, const struct stored *stored) {
    return stored && stored->bytes <= store->max_bytes && store->max_entries > 0;
}

static json_t *parsed(char *text) {
    json_t *value = text ? json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL) : NULL;
    mem_free(text);
    return value;
}

void json_store_put(struct json_store *store, const char *name, json_t *value) {
    struct stored *stored = create(name, value);
    pthread_mutex_lock(&store->lock);
    struct stored *old = find(store, name);
    if (old) drop(store, old);
    bool kept = fits(store, stored);
    if (kept) insert(store, stored);
    pthread_mutex_unlock(&store->lock);
    if (!kept) destroy(stored);
}

json_t *json_store_put_new(struct json_store *store, const char *name, json_t *value) {
    struct stored *stored = create(name, value);
    pthread_mutex_lock(&store->lock);
    const struct stored *old = find(store, name);
    char *text = old ? mem_strdup(old->text) : NULL;
    bool kept = !old && fits(store, stored);
    if (kept) insert(store, stored);
    pthread_mutex_unlock(&store->lock);
    if (!kept) destroy(stored);
    return parsed(text);
}

json_t *json_store_get(struct json_store *store, const char *name) {
    pthread_mutex_lock(&store->lock);
    const struct stored *stored = find(store, name);
    char *text = stored ? mem_strdup(stored->text) : NULL;
    pthread_mutex_unlock(&store->lock);
    return parsed(text);
}

bool json_store_delete(struct json_store *store, const char *name) {
    pthread_mutex_lock(&store->lock);
    struct stored *stored = find(store, name);
    if (stored) unlink_stored(store, stored);
    pthread_mutex_unlock(&store->lock);
    destroy(stored);
    return stored != NULL;
}
