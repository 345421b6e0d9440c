#include "hub/item.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/memory.h"

static bn_status fail_errno(struct hub *hub, const char *path, const char *doing, bn_error *err) {
    int code = errno;
    hub->problem = HUB_OTHER;
    if (code != ENOSPC && code != EDQUOT && code != EFBIG)
        return fail(err, BN_STATUS_IO, "%s: can't %s: %s", path, doing, strerror(code));
    hub->problem = HUB_NO_SPACE;
    return fail(err, BN_STATUS_IO,
                "no space left for %s: free some, or set HF_HUB_CACHE to a folder on another disk. What has arrived is "
                "kept: the next "
                "download continues",
                path);
}

static bn_status start_over(struct item *item, bn_error *err) {
    item->run->total_bytes -= item->at;
    item->at = 0;
    if (ftruncate(item->fd, 0)) return fail_errno(item->run->hub, item->incomplete_path, "shorten", err);
    return digest_start(&item->digest, !item->file->large, item->file->size_bytes, err);
}

/* ---- the body ---- */

/* W/"etag" → etag; false when it isn't a hash (a CDN's own) */
static bool etag_digest(const char *etag, char *out, size_t size) {
    if (strncmp(etag, "W/", 2) == 0) etag += 2;
    if (*etag == '"') etag++;
    snprintf(out, size, "%.*s", (int)strcspn(etag, "\""), etag);
    return hub_is_digest(out);
}

bn_status item_check_identity(const struct item *item, const struct http_response *response, bn_error *err) {
    struct run *run = item->run;
    const char *commit = http_first_field(response, "X-Repo-Commit"),
               *etag = http_first_field(response, "X-Linked-Etag");
    char digest[80];
    if (!etag) etag = http_first_field(response, "ETag");
    bool other_commit = commit && strcmp(commit, run->listing->commit) != 0;
    bool other_content = etag && etag_digest(etag, digest, sizeof digest) && strcmp(digest, item->file->digest) != 0;
    if (!other_commit && !other_content) return BN_OK;
    run->hub->problem = HUB_CHANGED;
    return fail(err, BN_STATUS_BAD_FILE, "'%s' of '%s' is another one now than its list of files says",
                item->file->path, run->repo->id);
}

static bn_status begin(void *context, const struct http_response *response, uint64_t offset, bn_error *err) {
    struct item *item = context;
    bn_status status = item_check_identity(item, response, err);
    if (status || offset == item->at) return status;
    if (offset != 0) {
        item->run->hub->problem = HUB_BAD_ANSWER;
        return fail(err, BN_STATUS_BAD_FILE, "%s: came from byte %" PRIu64 " on instead of %" PRIu64, item->file->path,
                    offset, item->at);
    }
    status = start_over(item, err);
    if (!status) run_notify(item->run, HUB_EVENT_RESTART, item);
    return status;
}

bn_status item_append(struct item *item, const void *bytes, size_t n, bn_error *err) {
    struct run *run = item->run;
    if (n > item->file->size_bytes - item->at) {
        run->hub->problem = HUB_CHANGED;
        return fail(err, BN_STATUS_BAD_FILE, "'%s' is larger than the %" PRIu64 " bytes it is listed with",
                    item->file->path, item->file->size_bytes);
    }
    for (size_t done = 0; done < n;) {
        ssize_t written = pwrite(item->fd, (const char *)bytes + done, n - done, (off_t)(item->at + done));
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return fail_errno(run->hub, item->incomplete_path, "write", err);
        done += (size_t)written;
    }
    digest_update(&item->digest, bytes, n);
    item->at += n;
    run->total_bytes += n;
    run_notify(run, HUB_EVENT_PROGRESS, item);
    return BN_OK;
}

static bn_status write_body(void *context, const void *bytes, size_t n, bn_error *err) {
    return item_append(context, bytes, n, err);
}

static const struct http_sink sink = {begin, write_body};

/* ---- the end ---- */

/* Gives the content its name. */
static bn_status publish(struct item *item, bn_error *err) {
    struct run *run = item->run;
    bool synced = fsync(item->fd) == 0;
    bn_status status = make_folders_for(item->path, err);
    if (status) return status;
    if (!synced || rename(item->incomplete_path, item->path)) return fail_errno(run->hub, item->path, "write", err);
    status = run_note(item, err);
    if (status) return status;
    item->finished = true;
    run->n_finished++;
    run_notify(run, HUB_EVENT_DONE, item);
    return BN_OK;
}

/* All bytes are here: are they the right ones? Once they may be fetched again. */
static bn_status verify(struct item *item, bn_error *err) {
    char digest[SHA256_HEX_SIZE] = "";
    if (item->at == item->file->size_bytes) digest_finish(&item->digest, digest);
    if (strcmp(digest, item->file->digest) == 0) return publish(item, err);
    uint64_t had = item->at;
    bn_status status = start_over(item, err);
    if (status) return status;
    if (item->n_mismatches++ == 0) {
        run_notify(item->run, HUB_EVENT_RESTART, item);
        return item_request_rest(item, err);
    }
    unlink(item->incomplete_path);
    item->run->hub->problem = HUB_BAD_HASH;
    if (!digest[0])
        return fail(err, BN_STATUS_BAD_FILE,
                    "'%s': %" PRIu64 " bytes came instead of %" PRIu64 ", twice. Nothing of it was kept",
                    item->file->path, had, item->file->size_bytes);
    return fail(err, BN_STATUS_BAD_FILE,
                "'%s' arrives damaged: its hash is %.12s… instead of %.12s…, twice. Nothing of it was kept; try "
                "another network, or "
                "tell the repository's owner",
                item->file->path, digest, item->file->digest);
}

void item_fail(struct item *item, bn_status status, const bn_error *error) {
    struct run *run = item->run;
    if (!run->status) {
        run->status = status;
        run->error = *error;
        http_stop(run->hub->client);
    }
    if (!item->n_requests) run_item_over(item);
}

void item_settle(struct item *item, const struct http_response *response, bn_status status, const bn_error *error) {
    struct run *run = item->run;
    bn_error own = {0};
    if (status) own = *error;
    if (status && !run->status) /* what stops the others isn't to be explained */
        status = hub_explain(run->hub, run->repo->id, run->repo->revision, item->file->path, response, status, &own);
    if (status && run->hub->problem == HUB_REVISION_NOT_FOUND)
        run->hub->problem = HUB_CHANGED; /* it was there for the list */
    if (!status) status = verify(item, &own);
    if (status)
        item_fail(item, status, &own);
    else if (item->finished)
        run_item_over(item);
}

static void request_done(void *context, const struct http_response *response, bn_status status, const bn_error *error) {
    item_settle(context, response, status, error);
}

bn_status item_request_rest(struct item *item, bn_error *err) {
    struct run *run = item->run;
    const struct http_request request = {.url = item->url,
                                         .token = run->hub->token,
                                         .offset = item->at,
                                         .sink = &sink,
                                         .done = request_done,
                                         .context = item};
    return http_start(run->hub->client, &request, err);
}

/* What an earlier download left counts if it can be the beginning of this file; the hash has the last word. */
static bn_status adopt_partial(struct item *item, bn_error *err) {
    struct stat info;
    if (fstat(item->fd, &info)) return fail_errno(item->run->hub, item->incomplete_path, "read", err);
    uint64_t here = (uint64_t)info.st_size;
    bool usable = here <= item->file->size_bytes && !item->run->options->force;
    if (!usable) return start_over(item, err);
    bn_status status = digest_start(&item->digest, !item->file->large, item->file->size_bytes, err);
    if (!status) status = digest_update_file(&item->digest, item->fd, here, item->incomplete_path, err);
    if (status) return status;
    item->at = here;
    item->run->total_bytes += here;
    return BN_OK;
}

bn_status item_start(struct item *item, bn_error *err) {
    struct run *run = item->run;
    item->fd = open(item->incomplete_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (item->fd < 0) return fail_errno(run->hub, item->incomplete_path, "write", err);
    bn_status status = adopt_partial(item, err);
    if (status) return status;
    run_notify(run, HUB_EVENT_START, item);
    if (item->at && item->at == item->file->size_bytes) return verify(item, err);
    return parts_fit(item) ? parts_start(item, err) : item_request_rest(item, err);
}

void item_close(struct item *item) {
    parts_drop(item);
    if (item->fd >= 0) close(item->fd);
    if (item->lock_fd >= 0) close(item->lock_fd);
    item->fd = item->lock_fd = -1;
    digest_release(&item->digest);
}
