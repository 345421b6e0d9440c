/* Snapshots: JSON in the vault, named by time and content. */
#include <stdlib.h>
#include <string.h>

#include "backup/backup.h"
#include "backup/backup_parts.h"
#include "base/memory.h"

enum { SNAPSHOT_MAX_BYTES = 512 << 20, HASH_IN_NAME = 16 };

/* ---- names ---- */

static bn_status collect_name(void *context, const char *name, uint64_t size_bytes, bn_error *err) {
    (void)size_bytes, (void)err;
    json_array_append_new(context, json_string(strrchr(name, '/') + 1));
    return BN_OK;
}

static int by_text(const void *a, const void *b) {
    return strcmp(json_string_value(*(json_t *const *)a), json_string_value(*(json_t *const *)b));
}

bn_status backup_list(struct vault *vault, json_t **names, bn_error *err) {
    json_t *found = json_array();
    bn_status status = vault->store.list(vault->store.context, "snapshots/", collect_name, found, err);
    size_t n = json_array_size(found);
    json_t **items = mem_alloc_array(n, sizeof *items);
    *names = json_array();
    if (!status && (!items || !*names)) status = fail_no_memory(err, n);
    for (size_t i = 0; !status && i < n; i++) items[i] = json_array_get(found, i);
    if (!status && n) qsort(items, n, sizeof *items, by_text);
    for (size_t i = 0; !status && i < n; i++) json_array_append(*names, items[i]);
    mem_free(items);
    json_decref(found);
    if (status) {
        json_decref(*names);
        *names = NULL;
    }
    return status;
}

static bn_status choose(struct vault *vault, const char *name, char chosen[64], bn_error *err) {
    json_t *names;
    bn_status status = backup_list(vault, &names, err);
    if (status) return status;
    size_t n = json_array_size(names), n_found = 0;
    for (size_t i = 0; i < n; i++) {
        const char *candidate = json_string_value(json_array_get(names, i));
        if (name && strncmp(candidate, name, strlen(name)) != 0) continue;
        if (name) n_found++;
        snprintf(chosen, 64, "%s", candidate);
    }
    if (n == 0)
        status = fail(err, BN_STATUS_NOT_FOUND, "the backup has no snapshot yet");
    else if (name && n_found != 1)
        status = fail(err, BN_STATUS_NOT_FOUND,
                      n_found ? "'%s' begins the names of several snapshots"
                              : "there is no snapshot '%s' ('bitnet backup list')",
                      name);
    json_decref(names);
    return status;
}

/* ---- content ---- */

bn_status snapshot_write(struct vault *vault, const json_t *snapshot, char name[64], size_t *stored_bytes,
                         bn_error *err) {
    char *text = json_dumps(snapshot, JSON_COMPACT), hash[OBJECT_NAME_BYTES], path[100], time[32];
    if (!text) return fail_no_memory(err, 1);
    vault_name(vault, text, strlen(text), hash);
    size_t n = 0;
    for (const char *c = json_string_value(json_object_get(snapshot, "created")); *c && n < sizeof time - 1; c++)
        if (*c != '-' && *c != ':') time[n++] = *c;
    time[n] = 0;
    snprintf(name, 64, "%s-%.*s", time, HASH_IN_NAME, hash);
    snprintf(path, sizeof path, "snapshots/%s", name);
    bn_status status = vault_put(vault, path, text, strlen(text), stored_bytes, err);
    free(text); /* jansson's own memory */
    return status;
}

static bn_status check_file(const json_t *file, bn_error *err) {
    const char *path = json_string_value(json_object_get(file, "path"));
    if (!path || !backup_path_valid(path)) return fail(err, BN_STATUS_BAD_FILE, "a path that isn't accepted");
    const json_t *pieces = json_object_get(file, "pieces");
    if (!json_is_array(pieces) || !json_is_integer(json_object_get(file, "size")))
        return fail(err, BN_STATUS_BAD_FILE, "'%s' has no size or pieces", path);
    for (size_t i = 0; i < json_array_size(pieces); i++) {
        const char *name = json_string_value(json_array_get(pieces, i));
        if (!name || !sha256_valid(name)) return fail(err, BN_STATUS_BAD_FILE, "'%s' has a piece without a name", path);
    }
    return BN_OK;
}

static bn_status check_snapshot(struct vault *vault, const char *name, const struct buffer *text, json_t *snapshot,
                                bn_error *err) {
    char hash[OBJECT_NAME_BYTES];
    vault_name(vault, text->data, text->size, hash);
    const char *dash = strrchr(name, '-'), *format = json_string_value(json_object_get(snapshot, "format"));
    if (!dash || strncmp(dash + 1, hash, HASH_IN_NAME) != 0)
        return fail(err, BN_STATUS_BAD_FILE, "damaged: its hash is another");
    if (!format || strcmp(format, SNAPSHOT_FORMAT) != 0)
        return fail(err, BN_STATUS_UNSUPPORTED, "not of format " SNAPSHOT_FORMAT);
    const json_t *files = json_object_get(snapshot, "files");
    bn_status status = json_is_array(files) ? BN_OK : fail(err, BN_STATUS_BAD_FILE, "'files' is missing");
    for (size_t i = 0; !status && i < json_array_size(files); i++) status = check_file(json_array_get(files, i), err);
    return status;
}

bn_status backup_read(struct vault *vault, const char *name, char chosen[64], json_t **snapshot, bn_error *err) {
    char path[100];
    struct buffer text;
    *snapshot = NULL;
    buffer_init(&text);
    bn_status status = choose(vault, name, chosen, err);
    if (status) return status;
    snprintf(path, sizeof path, "snapshots/%s", chosen);
    status = vault_get(vault, path, SNAPSHOT_MAX_BYTES, &text, err);
    if (!status) status = json_parse(text.data, text.size, path, snapshot, err);
    if (!status && (status = check_snapshot(vault, chosen, &text, *snapshot, err))) error_prefix(err, "%s", path);
    buffer_release(&text);
    if (status) {
        json_decref(*snapshot);
        *snapshot = NULL;
    }
    return status;
}

bool backup_path_valid(const char *path) {
    if (strlen(path) > 1000) return false;
    for (const char *part = path;;) {
        size_t n = strcspn(part, "/");
        if (n == 0 || part[0] == '.') return false;
        if (!part[n]) return true;
        part += n + 1;
    }
}
