#include "hub/keyring.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/memory.h"
#include "hub/libsecret.h"
#include "hub/token.h"

#define SCHEMA "bitnet.hub.Token"
enum { ANSWER_SECONDS = 3, MAX_ENTRIES = 1000 };

/* A time limit on calls that have none: a thread that cancels them when it is over. */
struct keyring_connection {
    const struct libsecret *library;
    void *service;
    void *cancellable;
    pthread_t clock;
    pthread_mutex_t lock;
    pthread_cond_t closing;
    bool closed;  /* guarded by lock */
    bool expired; /* guarded by lock */
};

/* ---- the limit ---- */

static void *run_clock(void *context) {
    struct keyring_connection *c = context;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ANSWER_SECONDS;
    pthread_mutex_lock(&c->lock);
    while (!c->closed && !c->expired) c->expired = pthread_cond_timedwait(&c->closing, &c->lock, &until) == ETIMEDOUT;
    bool cancel = !c->closed;
    pthread_mutex_unlock(&c->lock);
    if (cancel) c->library->cancellable_cancel(c->cancellable);
    return NULL;
}

static bool has_expired(struct keyring_connection *c) {
    pthread_mutex_lock(&c->lock);
    bool expired = c->expired;
    pthread_mutex_unlock(&c->lock);
    return expired;
}

static bool start_clock(struct keyring_connection *c) {
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->closing, &monotonic);
    pthread_condattr_destroy(&monotonic);
    sigset_t all, before; /* signals are the program's */
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    bool started = pthread_create(&c->clock, NULL, run_clock, c) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

static void stop_clock(struct keyring_connection *c) {
    pthread_mutex_lock(&c->lock);
    c->closed = true;
    pthread_cond_signal(&c->closing);
    pthread_mutex_unlock(&c->lock);
    pthread_join(c->clock, NULL);
}

static void connection_destroy(struct keyring_connection *c) {
    stop_clock(c);
    pthread_cond_destroy(&c->closing);
    pthread_mutex_destroy(&c->lock);
    if (c->service) c->library->object_unref(c->service);
    c->library->object_unref(c->cancellable);
    mem_free(c);
}

/* ---- connecting ---- */

/* Without this GLib would try to start a bus. */
static bool has_session_bus(void) {
    const char *address = getenv("DBUS_SESSION_BUS_ADDRESS"), *runtime = getenv("XDG_RUNTIME_DIR");
    if (address && *address) return true;
    char *socket = runtime && *runtime ? path_join(runtime, "bus") : NULL;
    bool there = socket && file_exists(socket);
    mem_free(socket);
    return there;
}

static bn_status connect_to_service(struct keyring_connection **out, bn_error *err) {
    const struct libsecret *library = has_session_bus() ? libsecret_get() : NULL;
    *out = NULL;
    if (!library) return BN_OK;
    struct keyring_connection *c = mem_calloc(1, sizeof *c);
    if (!c) return fail_no_memory(err, sizeof *c);
    c->library = library;
    c->cancellable = library->cancellable_new();
    if (!start_clock(c)) {
        library->object_unref(c->cancellable);
        mem_free(c);
        return fail(err, BN_STATUS_NO_MEMORY, "can't start a thread");
    }
    c->service = library->service_get(0, c->cancellable, NULL);
    *out = c;
    return BN_OK;
}

static bn_status fail_service(struct keyring_connection *c, struct glib_error *error, bn_error *err) {
    const char *why = has_expired(c) ? "doesn't answer" : error ? error->message : "doesn't do as it was asked";
    bn_status status = fail(err, BN_STATUS_IO, "the desktop's secret service: %s", why);
    if (error) c->library->error_free(error);
    return status;
}

static void *attributes_of(const struct libsecret *library, const char *endpoint, const char *name) {
    void *table = library->hash_table_new(library->str_hash, library->str_equal);
    library->hash_table_insert(table, "xdg:schema", SCHEMA);
    if (endpoint) library->hash_table_insert(table, "endpoint", endpoint);
    if (name) library->hash_table_insert(table, "name", name);
    return table;
}

/* Whether new tokens can go there: without a keyring, or with a locked one, the service would ask the person. */
static enum keyring_state state_of(struct keyring_connection *c) {
    void *collection =
        c->service ? c->library->collection_for_alias(c->service, "default", 0, c->cancellable, NULL) : NULL;
    if (!collection) return has_expired(c) ? KEYRING_SILENT : KEYRING_ABSENT;
    bool locked = c->library->collection_get_locked(collection);
    c->library->object_unref(collection);
    return locked ? KEYRING_LOCKED : KEYRING_OPEN;
}

/* ---- entries ---- */

static char *token_of(const struct libsecret *library, void *item) {
    void *value = library->item_get_secret(item);
    const char *text = value ? library->value_get_text(value) : NULL;
    char *token = NULL;
    if (text)
        hub_token_clean(text, "the desktop's secret service", &token, NULL); /* what isn't a token counts as none */
    if (value) library->value_unref(value);
    return token;
}

static bn_status add_entry(struct keyring *keyring, void *item, bn_error *err) {
    const struct libsecret *library = keyring->connection->library;
    void *attributes = library->item_get_attributes(item);
    const char *name = attributes ? library->hash_table_lookup(attributes, "name") : NULL;
    const char *endpoint = attributes ? library->hash_table_lookup(attributes, "endpoint") : NULL;
    bn_status status = BN_OK;
    if (name && endpoint) {
        struct keyring_entry entry = {mem_strdup(name), mem_strdup(endpoint), token_of(library, item), item};
        keyring->entries[keyring->n++] = entry;
        if (!entry.name || !entry.endpoint) status = fail_no_memory(err, strlen(name));
    } else {
        library->object_unref(item);
    }
    if (attributes) library->hash_table_unref(attributes);
    return status;
}

static int by_endpoint_and_name(const void *a, const void *b) {
    const struct keyring_entry *x = a, *y = b;
    int order = strcmp(x->endpoint, y->endpoint);
    return order ? order : strcmp(x->name, y->name);
}

static bn_status read_entries(struct keyring *keyring, bn_error *err) {
    struct keyring_connection *c = keyring->connection;
    void *attributes = attributes_of(c->library, NULL, NULL);
    struct glib_list *items = c->library->service_search(
        c->service, NULL, attributes, SECRET_SEARCH_ALL | SECRET_SEARCH_LOAD_SECRETS, c->cancellable, NULL);
    c->library->hash_table_unref(attributes);
    size_t n = 0;
    for (const struct glib_list *at = items; at; at = at->next) n++;
    bool fits = n <= MAX_ENTRIES && (keyring->entries = mem_calloc(n + 1, sizeof *keyring->entries)) != NULL;
    bn_status status = fits ? BN_OK : fail(err, BN_STATUS_NO_MEMORY, "the desktop's secret service has %zu tokens", n);
    for (struct glib_list *at = items; at; at = at->next) {
        if (status)
            c->library->object_unref(at->data);
        else
            status = add_entry(keyring, at->data, err);
    }
    c->library->list_free(items);
    if (!status) qsort(keyring->entries, keyring->n, sizeof *keyring->entries, by_endpoint_and_name);
    return status;
}

bn_status keyring_open(struct keyring *out, bn_error *err) {
    *out = (struct keyring){.state = KEYRING_ABSENT};
    bn_status status = connect_to_service(&out->connection, err);
    if (status || !out->connection) return status;
    out->state = state_of(out->connection);
    if (out->connection->service && out->state != KEYRING_SILENT) status = read_entries(out, err);
    if (has_expired(out->connection)) out->state = KEYRING_SILENT;
    if (status) keyring_release(out);
    return status;
}

void keyring_release(struct keyring *keyring) {
    for (size_t i = 0; i < keyring->n; i++) {
        struct keyring_entry *entry = &keyring->entries[i];
        mem_free(entry->name);
        mem_free(entry->endpoint);
        hub_token_free(entry->token);
        keyring->connection->library->object_unref(entry->item);
    }
    mem_free(keyring->entries);
    if (keyring->connection) connection_destroy(keyring->connection);
    *keyring = (struct keyring){.state = KEYRING_ABSENT};
}

const struct keyring_entry *keyring_find(const struct keyring *keyring, const char *endpoint, const char *name) {
    for (size_t i = 0; i < keyring->n; i++)
        if (strcmp(keyring->entries[i].endpoint, endpoint) == 0 && strcmp(keyring->entries[i].name, name) == 0)
            return &keyring->entries[i];
    return NULL;
}

bn_status keyring_store(struct keyring *keyring, const char *endpoint, const char *name, const char *token,
                        bn_error *err) {
    struct keyring_connection *c = keyring->connection;
    char label[600];
    snprintf(label, sizeof label, *name ? "bitnet: token '%.200s' for %.300s" : "bitnet: token in use%.0s for %.300s",
             name, endpoint);
    void *attributes = attributes_of(c->library, endpoint, name),
         *value = c->library->value_new(token, -1, "text/plain");
    struct glib_error *error = NULL;
    bool stored =
        c->library->service_store(c->service, NULL, attributes, "default", label, value, c->cancellable, &error);
    c->library->value_unref(value);
    c->library->hash_table_unref(attributes);
    return stored ? BN_OK : fail_service(c, error, err);
}

bn_status keyring_delete(struct keyring *keyring, const struct keyring_entry *entry, bn_error *err) {
    struct keyring_connection *c = keyring->connection;
    struct glib_error *error = NULL;
    if (!entry->token)
        return fail(err, BN_STATUS_BUSY,
                    "the desktop's keyring is locked: a token in it stays; unlock it and try again");
    return c->library->item_delete(entry->item, c->cancellable, &error) ? BN_OK : fail_service(c, error, err);
}
