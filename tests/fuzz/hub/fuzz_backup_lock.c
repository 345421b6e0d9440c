/* Any bytes as another's lock in a backup: it is in the way, and whose it is gets said, or it is void and goes. The own lock
 * goes in any case. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backup/lock.h"

#define OTHER "locks/removing-0123456789abcdef"

/* A store with room for the other's lock and the own one. */
struct shelf {
    const uint8_t *bytes; /* of the other, NULL: gone */
    size_t size;
    char own[64];
};

static bn_status put(void *context, const char *name, const void *bytes, size_t n, bn_error *err) {
    (void)bytes, (void)n, (void)err;
    struct shelf *shelf = context;
    snprintf(shelf->own, sizeof shelf->own, "%s", name);
    return BN_OK;
}

static bn_status get(void *context, const char *name, size_t max_bytes, struct buffer *out, bn_error *err) {
    const struct shelf *shelf = context;
    if (strcmp(name, OTHER) != 0 || !shelf->bytes) return fail(err, BN_STATUS_NOT_FOUND, "no '%s'", name);
    if (shelf->size > max_bytes) return fail(err, BN_STATUS_BAD_FILE, "'%s' is too long", name);
    buffer_append(out, "BNB1", 5); /* with the flags: neither compressed nor encrypted */
    buffer_append(out, shelf->bytes, shelf->size);
    return BN_OK;
}

static bn_status list(void *context, const char *folder, store_visitor visit, void *visitor, bn_error *err) {
    (void)folder;
    const struct shelf *shelf = context;
    bn_status status = shelf->bytes ? visit(visitor, OTHER, shelf->size, err) : BN_OK;
    return status || !*shelf->own ? status : visit(visitor, shelf->own, 1, err);
}

static bn_status take_away(void *context, const char *name, bn_error *err) {
    (void)err;
    struct shelf *shelf = context;
    if (strcmp(name, OTHER) == 0)
        shelf->bytes = NULL;
    else
        shelf->own[0] = 0;
    return BN_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct shelf shelf = {.bytes = bytes, .size = size};
    struct vault vault = {.store = {.context = &shelf, .put = put, .get = get, .list = list, .remove = take_away}};
    struct backup_lock lock;
    bn_error err = {0};
    bn_status status = backup_lock_take(&vault, LOCK_ADDING, &lock, &err);
    if (status && (status != BN_STATUS_BUSY || !shelf.bytes || !strstr(err.message, "process "))) abort();
    if (!status && shelf.bytes) abort();
    if (!status) backup_lock_release(&lock);
    if (shelf.own[0]) abort();
    return 0;
}
