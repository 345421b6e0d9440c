/* Are a model's files the ones that were recorded? */
#ifndef CLI_HUB_MODEL_HASHES_H
#define CLI_HUB_MODEL_HASHES_H

#include "net/digest.h"

struct hash_findings {
    size_t n_files; /* that have a recorded hash, and were hashed */
    uint64_t n_bytes;
    char source[200]; /* where the hashes are from */
    char wrong[300];  /* the first file that is another, or missing; "": none */
};

/* name and path: what the user called the model, and what that is. Hashes are those of the registry's manifest, where path is one of its
 * versions; else, in a hub's cache, the names of the blobs (sha256, or git's id of small files) that links lead to. n_files is 0
 * where neither is so. progress may be NULL. */
bn_status model_hashes_check(const char *name, const char *path, const struct byte_progress *progress,
                             struct hash_findings *out, bn_error *err);

#endif
