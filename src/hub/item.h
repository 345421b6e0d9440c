/* One file on its way into the cache. Inside hub only: download.c runs these. */
#ifndef HUB_ITEM_H
#define HUB_ITEM_H

#include "net/digest.h"
#include "hub/download.h"

struct item {
    struct run *run;
    const struct hub_file *file;
    char *url, *blob_path, *incomplete_path;
    struct digest digest; /* of the first `at` bytes */
    uint64_t at;
    int fd, lock_fd;
    unsigned n_mismatches;
    bool running, finished, waiting;
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

void run_notify(struct run *run, enum hub_event_kind kind, const struct item *item);
/* Opens the item's partial file and starts its request. The lock is held. */
bn_status item_start(struct item *item, bn_error *err);
/* Closes what is open; the lock too. */
void item_close(struct item *item);
/* Called when an item is over, well or not (then run->status is set). */
void run_item_over(struct item *item);

#endif
