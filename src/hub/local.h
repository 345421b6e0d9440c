/* Files in a folder of the person's choosing instead of the cache, as huggingface_hub keeps them (its local_dir): the files
 * themselves, and beside them what is known of each,
 *
 *   FOLDER/FILE
 *   FOLDER/.cache/huggingface/download/FILE.metadata    commit, hash, time: three lines
 *                                     /FILE.lock        flock(2) while FILE is downloaded
 *                                     /….HASH.incomplete
 *                            /trees/COMMIT.json         the list of files of a commit
 *
 * so that either of both continues and recognizes what the other has fetched. Inside hub only. */
#ifndef HUB_LOCAL_H
#define HUB_LOCAL_H

#include "hub/hub.h"

/* FOLDER/.cache/huggingface, newly allocated. */
char *hub_local_side_folder(const char *folder);
/* Makes it, with .gitignore and CACHEDIR.TAG. */
bn_status hub_local_create(const char *folder, bn_error *err);

/* Where a file is unfinished, and its lock; newly allocated, NULL when memory is out. */
char *hub_local_incomplete_path(const char *folder, const struct hub_file *file);
char *hub_local_lock_path(const char *folder, const struct hub_file *file);

/* Whether the folder has the content of `file`: what was noted says so and the file is as it was then, or its hash is right. */
bn_status hub_local_has(const char *folder, const struct hub_file *file, bool *has, bn_error *err);
/* Notes that the file is there, as of this commit. */
bn_status hub_local_note(const char *folder, const struct hub_file *file, const char *commit, bn_error *err);

#endif
