/* Fetching a model's files into the cache.
 *
 * A file grows as blobs/HASH.incomplete, hashed as it arrives, and gets its name only when size and hash are right: what can be
 * seen is whole. Whatever stops a download (Ctrl-C, SIGKILL, the network), the next one continues where it was. Two processes
 * that want the same file: one fetches it, the other waits. */
#ifndef HUB_DOWNLOAD_H
#define HUB_DOWNLOAD_H

#include "hub/cache.h"
#include "hub/hub.h"

enum hub_event_kind {
    HUB_EVENT_PLAN,   /* the files are known: totals are set */
    HUB_EVENT_CACHED, /* `file` was there already */
    HUB_EVENT_START,  /* file_bytes > 0: continued from there */
    HUB_EVENT_PROGRESS,
    HUB_EVENT_RESTART, /* `file` starts over: the server can't continue, or what came was wrong */
    HUB_EVENT_WAIT,    /* another process downloads `file` */
    HUB_EVENT_DONE,    /* `file` is complete, its hash right */
    HUB_EVENT_CHANGED, /* the repository changed meanwhile: all starts over with its new state */
};

struct hub_event {
    enum hub_event_kind kind;
    const char *commit;
    const struct hub_file *file;            /* NULL with PLAN and CHANGED */
    uint64_t file_bytes;                    /* of it that are here */
    uint64_t total_bytes, total_size_bytes; /* of all selected files: here, in all */
    size_t n_files, n_files_done;
};

struct hub_download_options {
    const char *const *patterns; /* what to fetch; n_patterns 0: what running needs (hub_select_for_running) */
    size_t n_patterns;
    const char *const *excluded;
    size_t n_excluded;
    const char *cache_folder; /* NULL: hub_cache_folder() */
    const char *local_folder; /* the files go into this folder instead, by their own names; NULL: into the cache */
    size_t connections;       /* at once, over files and parts of large ones; ≥ 1 */
    bool force;               /* fetch again what is there */
    void (*on_event)(void *context, const struct hub_event *event);
    void *context;
};

/* Fetches repo (repo->file: the variant) at its revision; *snapshot is the folder of its files, newly allocated. A FILE asked
 * for by its name that isn't there is remembered not to be (.no_exist). */
bn_status hub_download(struct hub *hub, const struct hub_repo *repo, const struct hub_download_options *options,
                       char **snapshot, bn_error *err);

/* The revision's commit and its files, from the cache's list when that has the commit (fresh: not from there). */
bn_status hub_files_of(struct hub *hub, const struct hub_repo *repo, const struct hub_cache *cache, bool fresh,
                       struct hub_listing *out, bn_error *err);
/* Marks what the options ask for in selected[], one bool a file. */
bn_status hub_select(struct hub *hub, const struct hub_repo *repo, const struct hub_listing *listing,
                     const struct hub_download_options *options, bool *selected, bn_error *err);

#endif
