/* Making room: old versions by rule, and what killed processes left. */
#ifndef REGISTRY_GC_H
#define REGISTRY_GC_H

#include "registry/registry.h"

/* Without a rule no version goes. A version in use, pinned, tagged or open in a process never does; of the others those
 * go that every rule given lets go: it isn't among the keep_last newest of its model, it wasn't used for unused_for_s, and
 * the disk holds more than max_bytes (the longest unused go first, until the rest fits). */
struct gc_rules {
    bool has_keep_last, has_unused_for, has_max_bytes;
    size_t keep_last;
    int64_t unused_for_s;
    uint64_t max_bytes;
    bool dry_run; /* only say what would go */
};

struct gc_report {
    struct version_list removed;
    size_t n_open;         /* versions that would have gone, but a process has them open */
    size_t n_leftovers;    /* staging folders, blobs, drafts */
    uint64_t freed_bytes;  /* of the disk: what several versions have is counted once, and only when all of them go */
    uint64_t stored_bytes; /* what is left, counted in the same way */
};

/* Release *report with version_list_release(&report->removed), also after a failure. */
bn_status registry_gc(struct registry *registry, const struct gc_rules *rules, struct gc_report *report, bn_error *err);

#endif
