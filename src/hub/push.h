/* Publishing: files into a repository of a hub, as one commit.
 *
 * The hub says which files are large (preupload); those go to its storage first, whole or in parts as it wants them (LFS batch), and the
 * commit names them by hash; small ones are in the commit itself. Nothing of it can be seen before the commit, so a push that
 * breaks off leaves the repository as it was, and the next one sends only what the storage lacks. */
#ifndef HUB_PUSH_H
#define HUB_PUSH_H

#include "hub/hub.h"

struct hub_push_file {
    const char *path;    /* on this machine */
    const char *name;    /* in the repository */
    uint64_t size_bytes; /* the rest is filled in by hub_push */
    bool large;
    char sha256[65];
};

/* The files of a folder, or one file. Begin with zeros; release in any case. */
struct hub_push_list {
    struct hub_push_file *files; /* paths and names are the list's own */
    size_t n;
};
bn_status hub_push_list(const char *path, struct hub_push_list *list, bn_error *err);
void hub_push_list_release(struct hub_push_list *list);

struct hub_push_options {
    const char *message;     /* NULL: a usual one */
    const char *description; /* NULL: none */
    bool pull_request;       /* open one instead of changing the branch */
    bool create;             /* the repository, if there is none */
    bool private;            /* then: only for its owner */
    /* Told before each file of the storage, with the bytes sent so far and in all. NULL: nobody. */
    void (*on_file)(void *context, const char *name, uint64_t done, uint64_t total);
    void *context;
};

struct hub_push_result {
    char commit[HUB_COMMIT_BYTES];
    char url[512];     /* of the commit or the pull request */
    size_t n_uploaded; /* large files that the storage lacked */
};

/* repo->revision: the branch. Names are checked as those of downloads. */
bn_status hub_push(struct hub *hub, const struct hub_repo *repo, struct hub_push_file *files, size_t n_files,
                   const struct hub_push_options *options, struct hub_push_result *out, bn_error *err);

#endif
