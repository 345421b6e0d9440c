/* Names: repositories of a hub, revisions, files in them. All come from outside and become parts of paths. */
#ifndef HUB_REPO_H
#define HUB_REPO_H

#include <stdbool.h>

#include "base/error.h"

enum { HUB_NAME_BYTES = 256, HUB_COMMIT_BYTES = 41 };

/* "owner/name[@revision][:file]" */
struct hub_repo {
    char id[HUB_NAME_BYTES];       /* "owner/name"; a few old ones have no owner */
    char revision[HUB_NAME_BYTES]; /* "main" unless given: a branch, a tag or a commit */
    char file[HUB_NAME_BYTES];     /* a file or a variant of the weights ("Q4_K_M"); "" unless given */
};

/* BN_STATUS_BAD_ARGUMENT says what a name looks like. */
bn_status hub_repo_parse(const char *text, struct hub_repo *out, bn_error *err);
/* True for what only a repository's name can be: one slash, allowed letters, not the look of a path. */
bool hub_repo_is_name(const char *text);

/* A path inside a repository that can be made under a folder: relative, no "..", no empty or overlong part, no control
 * characters or backslashes. BN_STATUS_BAD_FILE names it. */
bn_status hub_check_path(const char *path, bn_error *err);
bool hub_is_commit(const char *text); /* 40 hexadecimal digits */
bool hub_is_digest(const char *text); /* 40 (git's sha1) or 64 (sha256) hexadecimal digits */

#endif
