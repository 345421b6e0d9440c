#include "hub/download.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "hub/item.h"
#include "hub/local.h"
#include "hub/select.h"

void run_notify(struct run *run, enum hub_event_kind kind, const struct item *item) {
    if (!run->options->on_event) return;
    const struct hub_event event = {.kind = kind,
                                    .commit = run->listing->commit,
                                    .file = item ? item->file : NULL,
                                    .file_bytes = item ? item->at : 0,
                                    .total_bytes = run->total_bytes,
                                    .total_size_bytes = run->total_size_bytes,
                                    .n_files = run->n_selected,
                                    .n_files_done = run->n_finished};
    run->options->on_event(run->options->context, &event);
}

/* ---- what is there already ---- */

static void notify_cached(struct run *run, struct item *item) {
    item->finished = true;
    item->at = item->file->size_bytes;
    run->total_bytes += item->at;
    run->n_finished++;
    run_notify(run, HUB_EVENT_CACHED, item);
}

bn_status run_note(const struct item *item, bn_error *err) {
    const struct run *run = item->run;
    return run->options->local_folder
               ? hub_local_note(run->options->local_folder, item->file, run->listing->commit, err)
               : hub_cache_link(run->cache, run->listing->commit, item->file->path, item->file->digest, err);
}

/* A blob whose size is right is whole: it got its name only then. */
static bool has_blob(const char *path, const struct hub_file *file) {
    struct stat info;
    return stat(path, &info) == 0 && (uint64_t)info.st_size == file->size_bytes;
}

/* Whether the cache has the content, under this name or another. */
static bn_status look_in_cache(const struct item *item, bool *there, bn_error *err) {
    const struct run *run = item->run;
    char *path = hub_cache_snapshot_path(run->cache, run->listing->commit, item->file->path);
    if (!path) return fail_no_memory(err, 0);
    *there = file_exists(path);
    mem_free(path);
    if (*there || !has_blob(item->path, item->file)) return BN_OK;
    *there = true;
    return run_note(item, err);
}

/* Copies the cache's blob into the folder; the item's lock is held. */
static bn_status copy_from_cache(const struct item *item, bool *there, bn_error *err) {
    char *blob = hub_cache_blob_path(item->run->cache, item->file->digest), hex[SHA256_HEX_SIZE];
    uint64_t size = 0;
    bn_status status = blob ? make_folders_for(item->incomplete_path, err) : fail_no_memory(err, 0);
    if (!status && has_blob(blob, item->file)) {
        int fd = open(item->incomplete_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
        bool copied = fd >= 0 && !sha256_file(blob, fd, NULL, hex, &size, NULL) &&
                      (!item->file->large || strcmp(hex, item->file->digest) == 0) && fsync(fd) == 0;
        if (fd >= 0) close(fd);
        if (copied) status = make_folders_for(item->path, err);
        *there = copied && !status && rename(item->incomplete_path, item->path) == 0; /* else it is fetched */
        if (*there) status = run_note(item, err);
    }
    mem_free(blob);
    return status;
}

static bn_status look_in_folder(const struct item *item, bool *there, bn_error *err) {
    const char *folder = item->run->options->local_folder;
    bn_status status = hub_local_has(folder, item->file, there, err);
    if (!status && *there) return run_note(item, err);
    return status || item->lock_fd < 0 ? status : copy_from_cache(item, there, err);
}

/* Marks the item finished if its content is here. */
static bn_status look_here(struct item *item, bn_error *err) {
    struct run *run = item->run;
    bool there = false;
    if (run->options->force) return BN_OK;
    bn_status status =
        run->options->local_folder ? look_in_folder(item, &there, err) : look_in_cache(item, &there, err);
    if (!status && there) notify_cached(run, item);
    return status;
}

/* ---- the run ---- */

static bn_status make_item(struct run *run, const struct hub_file *file, struct item *item, bn_error *err) {
    *item = (struct item){.run = run, .file = file, .fd = -1, .lock_fd = -1};
    item->url = hub_file_url(run->hub, run->repo, run->listing->commit, file->path);
    const char *local = run->options->local_folder;
    if (local && strncmp(file->path, ".cache/huggingface/", 19) == 0) {
        run->hub->problem = HUB_OTHER;
        return fail(err, BN_STATUS_BAD_FILE, "'%s' of '%s' would replace what is noted about the folder's files",
                    file->path, run->repo->id);
    }
    item->path = local ? path_join(local, file->path) : hub_cache_blob_path(run->cache, file->digest);
    item->lock_path = local ? hub_local_lock_path(local, file) : hub_cache_lock_path(run->cache, file->digest);
    item->incomplete_path =
        local ? hub_local_incomplete_path(local, file) : hub_cache_incomplete_path(run->cache, file->digest);
    return item->url && item->path && item->lock_path && item->incomplete_path ? BN_OK : fail_no_memory(err, 0);
}

static void release_items(struct run *run) {
    for (size_t i = 0; i < run->n_items; i++) {
        struct item *item = &run->items[i];
        item_close(item);
        mem_free(item->url);
        mem_free(item->path);
        mem_free(item->lock_path);
        mem_free(item->incomplete_path);
    }
    mem_free(run->items);
}

static bn_status make_items(struct run *run, const bool *selected, bn_error *err) {
    run->items = mem_calloc(run->listing->n_files + 1, sizeof *run->items);
    if (!run->items) return fail_no_memory(err, run->listing->n_files * sizeof *run->items);
    bn_status status = BN_OK;
    for (size_t i = 0; !status && i < run->listing->n_files; i++) {
        if (!selected[i]) continue;
        status = make_item(run, &run->listing->files[i], &run->items[run->n_items++], err);
        run->total_size_bytes += run->listing->files[i].size_bytes;
    }
    run->n_selected = run->n_items;
    return status;
}

/* Bytes that are still to be written. */
static uint64_t missing_bytes(const struct run *run) {
    uint64_t missing = 0;
    for (size_t i = 0; i < run->n_items; i++) {
        const struct item *item = &run->items[i];
        struct stat info;
        uint64_t size = item->file->size_bytes, here = stat(item->incomplete_path, &info) ? 0 : (uint64_t)info.st_size;
        if (!item->finished) missing += here < size ? size - here : 0;
    }
    return missing;
}

static bn_status check_space(struct run *run, bn_error *err) {
    struct statvfs disk;
    uint64_t missing = missing_bytes(run);
    const char *folder = run->options->local_folder ? run->options->local_folder : run->cache->folder;
    if (statvfs(folder, &disk)) return BN_OK; /* then writing will tell */
    uint64_t free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
    if (missing <= free_bytes) return BN_OK;
    run->hub->problem = HUB_NO_SPACE;
    return fail(
        err, BN_STATUS_IO,
        "not enough space in %s: %.1f MB are needed, %.1f MB are free. Free some, or set HF_HUB_CACHE to a folder on "
        "another disk",
        folder, (double)missing * 1e-6, (double)free_bytes * 1e-6);
}

/* Takes the lock and starts the item, unless another process has it (then it is tried again later). */
static bn_status start_item(struct item *item, bn_error *err) {
    struct run *run = item->run;
    bn_status status = hub_try_lock(item->lock_path, &item->lock_fd, err);
    if (status) return status;
    if (item->lock_fd < 0) {
        if (!item->waiting) run_notify(run, HUB_EVENT_WAIT, item);
        item->waiting = true;
        return BN_OK;
    }
    status = look_here(item, err); /* whoever had the lock may have fetched it */
    if (status || item->finished) {
        item_close(item);
        return status;
    }
    item->running = true;
    run->n_running++;
    status = item_start(item, err);
    return status;
}

static void start_more(struct run *run) {
    for (size_t i = 0; i < run->n_items && !run->status && run->n_running < run->options->connections; i++) {
        struct item *item = &run->items[i];
        if (item->finished || item->running) continue;
        bn_error error = {0};
        bn_status status = start_item(item, &error);
        if (status) {
            if (run->hub->problem == HUB_NO_PROBLEM) run->hub->problem = HUB_OTHER;
            run->status = status;
            run->error = error;
        }
        if (item->running && (item->finished || status)) run_item_over(item); /* it was whole: no request was needed */
    }
}

void run_item_over(struct item *item) {
    struct run *run = item->run;
    item_close(item);
    item->running = false;
    run->n_running--;
}

static bn_status run_items(struct run *run, bn_error *err) {
    while (!run->status && run->n_finished < run->n_items) {
        start_more(run);
        bn_status status = http_run(run->hub->client, err);
        if (status && !run->status) {
            run->hub->problem = HUB_INTERRUPTED;
            return status;
        }
        const struct timespec pause = {.tv_nsec = 100 * 1000 * 1000};
        if (!run->n_running && !run->status && run->n_finished < run->n_items) nanosleep(&pause, NULL);
    }
    if (run->status && err) *err = run->error;
    return run->status;
}

static bn_status fetch_commit(struct hub *hub, const struct hub_repo *repo, const struct hub_listing *listing,
                              const struct hub_cache *cache, const struct hub_download_options *options,
                              const bool *selected, bn_error *err) {
    struct run run = {.hub = hub, .repo = repo, .listing = listing, .options = options, .cache = cache};
    bn_status status = make_items(&run, selected, err);
    if (!status) run_notify(&run, HUB_EVENT_PLAN, NULL);
    for (size_t i = 0; !status && i < run.n_items; i++) status = look_here(&run.items[i], err);
    if (!status) status = check_space(&run, err);
    if (!status) status = run_items(&run, err);
    release_items(&run);
    return status;
}

/* ---- from the revision to the files ---- */

bn_status hub_files_of(struct hub *hub, const struct hub_repo *repo, const struct hub_cache *cache, bool fresh,
                       struct hub_listing *out, bn_error *err) {
    char commit[HUB_COMMIT_BYTES];
    *out = (struct hub_listing){0};
    bn_status status = hub_resolve(hub, repo, commit, err);
    char *tree_path = status ? NULL : hub_cache_tree_path(cache, commit);
    if (!status && !tree_path) status = fail_no_memory(err, 0);
    if (!status && (fresh || hub_listing_read(tree_path, commit, out, NULL))) {
        status = hub_list_files(hub, repo, commit, out, err);
        if (status && hub->problem == HUB_REVISION_NOT_FOUND)
            hub->problem = HUB_CHANGED; /* it was there a moment ago */
        if (!status) status = hub_listing_write(tree_path, out, err);
    }
    mem_free(tree_path);
    if (status) hub_listing_release(out);
    return status;
}

bn_status hub_select(struct hub *hub, const struct hub_repo *repo, const struct hub_listing *listing,
                     const struct hub_download_options *options, bool *selected, bn_error *err) {
    const char *variant = repo->file[0] ? repo->file : NULL;
    bn_status status = options->n_patterns ? hub_select_matching(listing, options->patterns, options->n_patterns, NULL,
                                                                 0, selected, err)
                                           : hub_select_for_running(listing, variant, selected, err);
    if (!status) status = hub_select_matching(listing, NULL, 0, options->excluded, options->n_excluded, selected, err);
    if (status) {
        hub->problem = HUB_FILE_NOT_FOUND;
        error_prefix(err, "%s", repo->id);
    }
    return status;
}

/* Files that were asked for by name, not by a pattern, and aren't there. */
static bn_status note_absent(const struct hub_cache *cache, const struct hub_listing *listing,
                             const struct hub_download_options *options, bn_error *err) {
    bn_status status = BN_OK;
    for (size_t p = 0; !status && p < options->n_patterns && !options->local_folder; p++) {
        const char *name = options->patterns[p];
        bool found = strpbrk(name, "*?[") || hub_check_path(name, NULL);
        for (size_t i = 0; !found && i < listing->n_files; i++) found = strcmp(listing->files[i].path, name) == 0;
        if (!found) status = hub_cache_note_absent(cache, listing->commit, name, err);
    }
    return status;
}

/* What is to be fetched of a listing, into the cache or the folder. */
static bn_status fetch_listing(struct hub *hub, const struct hub_repo *repo, const struct hub_listing *listing,
                               const struct hub_cache *cache, const struct hub_download_options *options,
                               bn_error *err) {
    bool *selected = mem_calloc(listing->n_files + 1, sizeof *selected);
    bn_status status = selected ? note_absent(cache, listing, options, err) : fail_no_memory(err, listing->n_files);
    if (!status) status = hub_select(hub, repo, listing, options, selected, err);
    if (!status) status = fetch_commit(hub, repo, listing, cache, options, selected, err);
    mem_free(selected);
    return status;
}

/* The revision as it is now, once. */
static bn_status fetch_once(struct hub *hub, const struct hub_repo *repo, const struct hub_cache *cache,
                            const struct hub_download_options *options, bool fresh, char **snapshot, bn_error *err) {
    struct hub_listing listing;
    const char *local = options->local_folder;
    struct hub_cache side = {.folder = local ? hub_local_side_folder(local) : NULL};
    bn_status status = hub_files_of(hub, repo, side.folder ? &side : cache, fresh, &listing, err);
    mem_free(side.folder);
    if (status) return status;
    status = fetch_listing(hub, repo, &listing, cache, options, err);
    /* only now: a reader that goes by the branch's name finds the version before until this one is whole */
    if (!status && !local) status = hub_cache_set_ref(cache, repo->revision, listing.commit, err);
    if (!status) *snapshot = local ? mem_strdup(local) : hub_cache_snapshot_path(cache, listing.commit, NULL);
    if (!status && !*snapshot) status = fail_no_memory(err, 0);
    hub_listing_release(&listing);
    return status;
}

bn_status hub_download(struct hub *hub, const struct hub_repo *repo, const struct hub_download_options *options,
                       char **snapshot, bn_error *err) {
    struct hub_cache cache;
    *snapshot = NULL;
    bn_status status = hub_cache_open(options->cache_folder, repo->id, &cache, err);
    if (!status)
        status = options->local_folder ? hub_local_create(options->local_folder, err) : hub_cache_create(&cache, err);
    if (!status) status = fetch_once(hub, repo, &cache, options, false, snapshot, err);
    if (status && hub->problem == HUB_CHANGED) {
        const struct hub_event event = {.kind = HUB_EVENT_CHANGED};
        if (options->on_event) options->on_event(options->context, &event);
        hub->problem = HUB_NO_PROBLEM;
        status = fetch_once(hub, repo, &cache, options, true, snapshot, err);
    }
    hub_cache_close(&cache);
    return status;
}
