#include "registry/gc.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/folders.h"
#include "base/memory.h"
#include "base/string_map.h"
#include "registry/registry_parts.h"

/* ---- what contents weigh ---- */

/* Each content once, with how many versions have it. */
struct contents {
    struct string_map by_hash;
    uint32_t *n_versions;
    size_t n;
    uint64_t bytes; /* of those that some version has */
};

static bn_status contents_add(struct contents *contents, const struct model_version *version, bn_error *err) {
    for (size_t i = 0; !version->external && i < version->manifest.n_files; i++) {
        const struct version_file *file = &version->manifest.files[i];
        uint32_t index;
        if (!string_map_find(&contents->by_hash, file->sha256, strlen(file->sha256), &index)) {
            uint32_t *grown = mem_realloc_array(contents->n_versions, contents->n + 1, sizeof *grown);
            if (!grown) return fail_no_memory(err, contents->n);
            contents->n_versions = grown;
            index = (uint32_t)contents->n;
            if (string_map_insert(&contents->by_hash, file->sha256, strlen(file->sha256), index) < 0)
                return fail_no_memory(err, contents->n);
            contents->n_versions[contents->n++] = 0;
        }
        if (contents->n_versions[index]++ == 0) contents->bytes += file->size;
    }
    return BN_OK;
}

static void contents_drop(struct contents *contents, const struct model_version *version) {
    for (size_t i = 0; !version->external && i < version->manifest.n_files; i++) {
        const struct version_file *file = &version->manifest.files[i];
        uint32_t index;
        if (string_map_find(&contents->by_hash, file->sha256, strlen(file->sha256), &index) &&
            --contents->n_versions[index] == 0)
            contents->bytes -= file->size;
    }
}

/* ---- what may go ---- */

struct candidate {
    struct model_version *version; /* of the list of all; moved out when it goes */
    int64_t last_use;
};

/* Newer versions of the same model behind it in the (sorted) list. */
static size_t n_newer(const struct version_list *all, size_t index) {
    const struct model_version *version = &all->items[index];
    size_t n = 0;
    for (size_t i = index + 1; i < all->n; i++, n++)
        if (strcmp(all->items[i].name, version->name) || strcmp(all->items[i].variant, version->variant)) break;
    return n;
}

static int by_last_use(const void *a, const void *b) {
    int64_t x = ((const struct candidate *)a)->last_use, y = ((const struct candidate *)b)->last_use;
    return x < y ? -1 : x > y;
}

static size_t choose(const struct registry *registry, const struct gc_rules *rules, const struct version_list *all,
                     struct candidate *candidates) {
    size_t n = 0;
    int64_t now = (int64_t)time(NULL);
    bool any = rules->has_keep_last || rules->has_unused_for || rules->has_max_bytes;
    for (size_t i = 0; any && i < all->n; i++) {
        struct model_version *version = &all->items[i];
        int64_t last_use = model_version_last_use(registry, version->id);
        bool kept = version->in_use || version->pinned || *version->tags ||
                    (rules->has_keep_last && n_newer(all, i) < rules->keep_last) ||
                    (rules->has_unused_for && now - last_use < rules->unused_for_s);
        if (!kept) candidates[n++] = (struct candidate){version, last_use};
    }
    if (n) qsort(candidates, n, sizeof *candidates, by_last_use);
    return n;
}

static bn_status move_to_report(struct gc_report *report, struct model_version *version, bn_error *err) {
    struct model_version *items = mem_realloc_array(report->removed.items, report->removed.n + 1, sizeof *items);
    if (!items) return fail_no_memory(err, (report->removed.n + 1) * sizeof *items);
    report->removed.items = items;
    items[report->removed.n++] = *version;
    *version = (struct model_version){0};
    return BN_OK;
}

static bool is_open(const struct registry *registry, const char *id) {
    int lease;
    lease_take(registry, id, LEASE_EXCLUSIVE, &lease);
    if (lease >= 0) close(lease);
    return lease < 0;
}

struct collection {
    struct registry *registry;
    const struct gc_rules *rules;
    struct gc_report *report;
    struct removal removal;
    struct contents contents;
};

static bn_status collect_one(struct collection *collection, struct model_version *version, bn_error *err) {
    bool busy = false;
    bn_status status = BN_OK;
    if (collection->rules->dry_run)
        busy = is_open(collection->registry, version->id);
    else
        status = removal_add(collection->registry, &collection->removal, version, &busy, err);
    if (status || busy) {
        collection->report->n_open += busy;
        return status;
    }
    uint64_t before = collection->contents.bytes;
    contents_drop(&collection->contents, version);
    collection->report->freed_bytes += before - collection->contents.bytes;
    return move_to_report(collection->report, version, err);
}

/* The keys of the map of contents are texts of the versions: these outlive it. */
static bn_status collect_versions(struct collection *collection, struct version_list *all, bn_error *err) {
    bn_status status = BN_OK;
    for (size_t i = 0; !status && i < all->n; i++) status = contents_add(&collection->contents, &all->items[i], err);
    struct candidate *candidates = status ? NULL : mem_alloc_array(all->n, sizeof *candidates);
    if (!status && !candidates) status = fail_no_memory(err, all->n * sizeof *candidates);
    size_t n = status ? 0 : choose(collection->registry, collection->rules, all, candidates);
    const struct gc_rules *rules = collection->rules;
    for (size_t i = 0; !status && i < n; i++) {
        if (rules->has_max_bytes && collection->contents.bytes <= rules->max_bytes) break;
        status = collect_one(collection, candidates[i].version, err);
    }
    collection->report->stored_bytes = collection->contents.bytes;
    mem_free(candidates);
    return status;
}

/* ---- leftovers; the lock is held ---- */

static void sweep_staging(struct collection *collection, const char *folder, const char *name) {
    char *root = path_join(folder, name), *lease = root ? path_join(root, "lease") : NULL;
    int fd = lease ? open(lease, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
    bool dead = lease && (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0);
    if (dead && (collection->rules->dry_run || !folder_remove(root, NULL))) collection->report->n_leftovers++;
    if (fd >= 0) close(fd);
    mem_free(lease);
    mem_free(root);
}

/* A draft that an ended process left of a name's file. */
static void sweep_name(struct collection *collection, const char *folder, const char *name) {
    size_t n = strlen(name);
    if (n > 5 && strcmp(name + n - 5, ".json") == 0) return;
    char *path = path_join(folder, name);
    if (path && (collection->rules->dry_run || unlink(path) == 0)) collection->report->n_leftovers++;
    mem_free(path);
}

static void sweep(struct collection *collection, const char *what,
                  void (*each)(struct collection *collection, const char *folder, const char *name)) {
    char *folder = store_path(collection->registry, "%s", what);
    DIR *stream = folder ? opendir(folder) : NULL;
    for (struct dirent *entry; stream && (entry = readdir(stream));)
        if (entry->d_name[0] != '.') each(collection, folder, entry->d_name);
    if (stream) closedir(stream);
    mem_free(folder);
}

/* A blob that nothing else links to. */
static bn_status sweep_blob(void *context, const char *relative, bn_error *err) {
    (void)err;
    struct collection *collection = context;
    char *path = store_path(collection->registry, "blobs/%s", relative);
    struct stat info;
    if (path && lstat(path, &info) == 0 && info.st_nlink == 1 && (collection->rules->dry_run || unlink(path) == 0)) {
        collection->report->n_leftovers++;
        collection->report->freed_bytes += (uint64_t)info.st_size;
    }
    mem_free(path);
    return BN_OK;
}

static bn_status sweep_leftovers(struct collection *collection, bn_error *err) {
    sweep(collection, "staging", sweep_staging);
    sweep(collection, "names", sweep_name);
    char *blobs = store_path(collection->registry, "blobs");
    bn_status status = blobs ? folder_visit(blobs, SIZE_MAX, sweep_blob, collection, err) : fail_no_memory(err, 1);
    mem_free(blobs);
    return status;
}

bn_status registry_gc(struct registry *registry, const struct gc_rules *rules, struct gc_report *report,
                      bn_error *err) {
    *report = (struct gc_report){0};
    struct collection collection = {.registry = registry, .rules = rules, .report = report};
    struct version_list all = {0};
    if (!string_map_init(&collection.contents.by_hash, 64)) return fail_no_memory(err, 64);
    bn_status status = change_begin(registry, err);
    if (!status) {
        status = sweep_leftovers(&collection, err);
        if (!status) status = registry_list(registry, NULL, NULL, &all, err);
        if (!status) status = collect_versions(&collection, &all, err);
        status = change_finish(registry, status, err);
    }
    removal_release(&collection.removal);
    string_map_release(&collection.contents.by_hash);
    mem_free(collection.contents.n_versions);
    version_list_release(&all);
    return status;
}
