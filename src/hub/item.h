/* One file on its way into the cache. Inside hub only: download.c runs these. */
#ifndef HUB_ITEM_H
#define HUB_ITEM_H

#include "hub/download.h"
#include "net/digest.h"

struct item {
    struct run *run;
    const struct hub_file *file;
    char *url, *incomplete_path, *lock_path;
    char *path;           /* where it will be: a blob of the cache, or the file in a folder */
    struct digest digest; /* of the first `at` bytes */
    uint64_t at;
    int fd, lock_fd;
    unsigned n_mismatches;
    bool running, finished, waiting;

    /* of a large file that is fetched over several connections (parts.c) */
    struct part *parts; /* those that are on their way or wait for their turn, by offset */
    size_t n_requests;  /* of parts, that aren't over */
    uint64_t planned;   /* behind the last part */
    uint64_t part_bytes;
    bool in_one; /* parts weren't served: one request for the rest */
};

/* One download of one commit. */
struct run {
    struct hub *hub;
    const struct hub_repo *repo;
    const struct hub_listing *listing;
    const struct hub_download_options *options;
    const struct hub_cache *cache;
    struct item *items;
    size_t n_items, n_running, n_finished, n_selected;
    uint64_t total_bytes, total_size_bytes;
    bn_status status; /* of the first item that failed: no more are started */
    bn_error error;
};

/* The item's content is at its path: link it from the snapshot, or note it beside the folder's files. */
bn_status run_note(const struct item *item, bn_error *err);
void run_notify(struct run *run, enum hub_event_kind kind, const struct item *item);
/* Opens the item's partial file and starts its request. The lock is held. */
bn_status item_start(struct item *item, bn_error *err);
/* Closes what is open; the lock too. */
void item_close(struct item *item);

/* The next n bytes of the file have come: written, hashed, told. */
bn_status item_append(struct item *item, const void *bytes, size_t n, bn_error *err);
/* The answer must be about the content that is wanted: the same commit, the same hash (else HUB_CHANGED). */
bn_status item_check_identity(const struct item *item, const struct http_response *response, bn_error *err);
/* One request for what is missing. */
bn_status item_request_rest(struct item *item, bn_error *err);
/* A request of the item is over. status, error: as http_request.done has them. Says what a failure means, looks whether the
 * file is complete, and ends the item or the run. */
void item_settle(struct item *item, const struct http_response *response, bn_status status, const bn_error *error);

/* Ends the run with this error, and the item when none of its requests is on its way. */
void item_fail(struct item *item, bn_status status, const bn_error *error);

/* Whether it is worth to fetch the rest over several connections. */
bool parts_fit(const struct item *item);
/* Starts as many parts as the item has connections now. */
bn_status parts_start(struct item *item, bn_error *err);
void parts_drop(struct item *item);
/* Called when an item is over, well or not (then run->status is set). */
void run_item_over(struct item *item);

#endif
