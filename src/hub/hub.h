/* A hub (huggingface.co, or what HF_ENDPOINT names): its API, and what its answers mean to a person. */
#ifndef HUB_HUB_H
#define HUB_HUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "hub/repo.h"
#include "hub/token.h"
#include "net/http.h"

/* What went wrong, by name: programs that read --json get these. */
enum hub_problem {
    HUB_NO_PROBLEM,
    HUB_OFFLINE,
    HUB_NO_NETWORK,
    HUB_TIMEOUT,
    HUB_BAD_CERTIFICATE,
    HUB_BAD_ANSWER,
    HUB_UNAUTHORIZED,
    HUB_FORBIDDEN,
    HUB_GATED,
    HUB_DISABLED,
    HUB_REPO_NOT_FOUND,
    HUB_REVISION_NOT_FOUND,
    HUB_FILE_NOT_FOUND,
    HUB_RATE_LIMITED,
    HUB_SERVER_ERROR,
    HUB_NO_SPACE,
    HUB_BAD_HASH,
    HUB_CHANGED,
    HUB_INTERRUPTED,
    HUB_OTHER, /* disk, memory, arguments */
};
const char *hub_problem_name(enum hub_problem problem); /* "no_network" */

struct hub {
    char *endpoint;
    char *token; /* NULL: none */
    enum token_place token_place;
    char *authority; /* "huggingface.co": for messages */
    struct http_client *client;
    enum hub_problem problem; /* of the last failure */
};

/* options: for the client; its user_agent is filled in. Offline (HF_HUB_OFFLINE): BN_STATUS_UNSUPPORTED. The token comes from
 * hub_token_find and is dropped when the endpoint isn't private (http to another machine). */
bn_status hub_open(const struct http_options *options, struct hub *out, bn_error *err);
void hub_close(struct hub *hub);

/* Words a failed answer. `what` is what was asked for: a repository's name or a sentence's subject; `revision` and `file`
 * may be NULL. Sets hub->problem and returns the status. */
bn_status hub_explain(struct hub *hub, const char *what, const char *revision, const char *file,
                      const struct http_response *response, bn_status status, bn_error *err);

/* Calls the API: ENDPOINT/PATH with method, JSON body (may be NULL) → *answer (may be NULL: not wanted). `what` as above.
 * A path that begins with "http" is a whole URL. *next (may be NULL): the URL of the next page, newly allocated, NULL at
 * the last one. Release *answer with json_decref. */
struct hub_call {
    const char *method; /* NULL: GET */
    const char *path;
    json_t *body;
    const char *content_type; /* of the body; NULL: application/json */
    const char *text;         /* a body that isn't JSON */
    const char *what, *revision;
};
bn_status hub_call(struct hub *hub, const struct hub_call *call, json_t **answer, char **next, bn_error *err);

/* ---- repositories ---- */

struct hub_file {
    char *path;
    char *digest;   /* the name of its blob: sha256 for large files, else git_id */
    char *git_id;   /* of what git has: the file, or the pointer to a large one */
    char *xet_hash; /* of files that lie in Xet, else NULL; only kept for the list's other readers */
    uint64_t size_bytes;
    bool large; /* in LFS or Xet: the digest is a sha256 */
};

struct hub_listing {
    char commit[HUB_COMMIT_BYTES];
    struct hub_file *files; /* sorted by path */
    size_t n_files;
};

/* The commit of repo->revision now. */
bn_status hub_resolve(struct hub *hub, const struct hub_repo *repo, char commit[HUB_COMMIT_BYTES], bn_error *err);
/* All files of a commit. Names and digests are checked: what can't be a path inside a folder is BN_STATUS_BAD_FILE. */
bn_status hub_list_files(struct hub *hub, const struct hub_repo *repo, const char *commit, struct hub_listing *out,
                         bn_error *err);
void hub_listing_release(struct hub_listing *listing);

/* The list as huggingface_hub caches it in trees/COMMIT.json. Reading: BN_STATUS_NOT_FOUND if there is none. */
bn_status hub_listing_read(const char *path, const char *commit, struct hub_listing *out, bn_error *err);
bn_status hub_listing_write(const char *path, const struct hub_listing *listing, bn_error *err);

/* ENDPOINT/ID/resolve/COMMIT/FILE, newly allocated; a branch or tag does for the commit. */
char *hub_file_url(const struct hub *hub, const struct hub_repo *repo, const char *commit, const char *file);

#endif
