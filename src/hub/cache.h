/* The cache on disk, in the layout of huggingface_hub, so that Python tools and this program share every download:
 *
 *   CACHE/models--OWNER--NAME/blobs/HASH                contents, named by git's blob id or sha256
 *                            /blobs/HASH.incomplete     a download that isn't finished
 *                            /refs/REVISION             the commit that a branch or tag was, last seen
 *                            /snapshots/COMMIT/FILE     → ../../blobs/HASH
 *                            /trees/COMMIT.json         the list of files of a commit
 *                            /.no_exist/COMMIT/FILE     an empty file: asked for, and known not to be there
 *   CACHE/.locks/models--OWNER--NAME/HASH.lock          flock(2) while HASH is downloaded
 *
 * Every change is one rename: a reader sees a file whole or not at all. */
#ifndef HUB_CACHE_H
#define HUB_CACHE_H

#include <stdint.h>

#include "hub/repo.h"

/* One repository's part of the cache. */
struct hub_cache {
    char *folder;       /* CACHE/models--OWNER--NAME */
    char *locks_folder; /* CACHE/.locks/models--OWNER--NAME */
};

/* cache_folder: NULL for hub_cache_folder(). Nothing is created. */
bn_status hub_cache_open(const char *cache_folder, const char *repo_id, struct hub_cache *out, bn_error *err);
void hub_cache_close(struct hub_cache *cache);
/* Creates the folders, and CACHEDIR.TAG in the cache for backup tools. */
bn_status hub_cache_create(const struct hub_cache *cache, bn_error *err);

/* The commit of a revision as the cache knows it. BN_STATUS_NOT_FOUND if it doesn't. */
bn_status hub_cache_commit(const struct hub_cache *cache, const char *revision, char commit[HUB_COMMIT_BYTES],
                           bn_error *err);
/* Remembers that `revision` is `commit` (nothing to do when it is the commit itself). */
bn_status hub_cache_set_ref(const struct hub_cache *cache, const char *revision, const char *commit, bn_error *err);

/* Paths, newly allocated, NULL when memory is out. */
char *hub_cache_blob_path(const struct hub_cache *cache, const char *digest);
char *hub_cache_incomplete_path(const struct hub_cache *cache, const char *digest);
char *hub_cache_snapshot_path(const struct hub_cache *cache, const char *commit,
                              const char *file); /* file NULL: the folder */
char *hub_cache_tree_path(const struct hub_cache *cache, const char *commit);
char *hub_cache_lock_path(const struct hub_cache *cache, const char *digest); /* of a blob, while it is downloaded */

/* Makes snapshots/COMMIT/FILE point at the blob. */
bn_status hub_cache_link(const struct hub_cache *cache, const char *commit, const char *file, const char *digest,
                         bn_error *err);

/* Notes that a commit has no such file (which hub_check_path accepts), and whether that was noted. */
bn_status hub_cache_note_absent(const struct hub_cache *cache, const char *commit, const char *file, bn_error *err);
bool hub_cache_knows_absent(const struct hub_cache *cache, const char *commit, const char *file);

/* Tries to take a lock: *fd ≥ 0 when it was taken (release by closing it), -1 when another process has it. */
bn_status hub_try_lock(const char *path, int *fd, bn_error *err);

/* The content of CACHEDIR.TAG. */
extern const char hub_cachedir_tag[];

/* mkdir -p of the folder that `path` lies in. */
bn_status make_folders_for(const char *path, bn_error *err);

/* What a name "owner/name[@revision][:file]" is in the cache, without network: the snapshot's folder when it has a
 * config.json, its only .gguf file (the first part of a split one) otherwise; with :file that file, or the .gguf file
 * whose name has the variant in it. *path is newly allocated. BN_STATUS_NOT_FOUND says what to do. */
bn_status hub_cache_find(const char *name, char **path, bn_error *err);

/* Calls visit with the name ("owner/name@revision") and the path of every model in the cache that
 * hub_cache_find would find. */
void hub_cache_visit(void (*visit)(void *context, const char *name, const char *path), void *context);

#endif
