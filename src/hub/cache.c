#include "hub/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/folders.h"
#include "base/memory.h"
#include "hub/place.h"

static bn_status fail_errno(bn_error *err, const char *path, const char *doing) {
    int code = errno;
    return fail(err, code == ENOENT ? BN_STATUS_NOT_FOUND : BN_STATUS_IO, "%s: can't %s: %s", path, doing,
                strerror(code));
}

/* "owner/name" → "models--owner--name" */
static void folder_name(const char *repo_id, char *out, size_t size) {
    const char *slash = strchr(repo_id, '/');
    if (slash)
        snprintf(out, size, "models--%.*s--%s", (int)(slash - repo_id), repo_id, slash + 1);
    else
        snprintf(out, size, "models--%s", repo_id);
}

/* Joins up to four parts, the later ones may be NULL. */
static char *join(const char *folder, const char *a, const char *b, const char *end) {
    struct buffer path;
    buffer_init(&path);
    buffer_printf(&path, "%s/%s%s%s%s", folder, a, b ? "/" : "", b ? b : "", end ? end : "");
    char *text = path.failed ? NULL : buffer_take(&path);
    buffer_release(&path);
    return text;
}

bn_status hub_cache_open(const char *cache_folder, const char *repo_id, struct hub_cache *out, bn_error *err) {
    *out = (struct hub_cache){0};
    char name[HUB_NAME_BYTES + 16], *found = cache_folder ? mem_strdup(cache_folder) : hub_cache_folder();
    if (!found) return fail(err, BN_STATUS_NOT_FOUND, "there is no place for the cache: set HF_HOME or HOME");
    folder_name(repo_id, name, sizeof name);
    out->folder = path_join(found, name);
    out->locks_folder = join(found, ".locks", name, NULL);
    mem_free(found);
    if (out->folder && out->locks_folder) return BN_OK;
    hub_cache_close(out);
    return fail_no_memory(err, sizeof name);
}

void hub_cache_close(struct hub_cache *cache) {
    mem_free(cache->folder);
    mem_free(cache->locks_folder);
    *cache = (struct hub_cache){0};
}

bn_status make_folders_for(const char *path, bn_error *err) {
    const char *slash = strrchr(path, '/');
    char *folder = mem_strndup(path, slash ? (size_t)(slash - path) : 0);
    bn_status status = folder ? BN_OK : fail_no_memory(err, strlen(path));
    if (!status && *folder) status = folder_make_all(folder, err);
    mem_free(folder);
    return status;
}

const char hub_cachedir_tag[] = "Signature: 8a477f597d28d172789f06886806bc55\n"
                                "# This file is a cache directory tag: backups may leave the folder out.\n"
                                "# See https://bford.info/cachedir/\n";

static bn_status write_cachedir_tag(const struct hub_cache *cache, bn_error *err) {
    char *folder = mem_strndup(cache->folder, (size_t)(strrchr(cache->folder, '/') - cache->folder));
    char *path = folder ? path_join(folder, "CACHEDIR.TAG") : NULL;
    bn_status status = path ? BN_OK : fail_no_memory(err, strlen(cache->folder));
    if (!status && !file_exists(path))
        status = file_write_all(path, hub_cachedir_tag, sizeof hub_cachedir_tag - 1, err);
    mem_free(folder);
    mem_free(path);
    return status;
}

bn_status hub_cache_create(const struct hub_cache *cache, bn_error *err) {
    static const char *const folders[] = {"blobs/x", "refs/x", "snapshots/x"};
    bn_status status = BN_OK;
    for (size_t i = 0; !status && i < sizeof folders / sizeof folders[0]; i++) {
        char *path = path_join(cache->folder, folders[i]);
        status = path ? make_folders_for(path, err) : fail_no_memory(err, 0);
        mem_free(path);
    }
    return status ? status : write_cachedir_tag(cache, err);
}

/* ---- revisions ---- */

bn_status hub_cache_commit(const struct hub_cache *cache, const char *revision, char commit[HUB_COMMIT_BYTES],
                           bn_error *err) {
    if (hub_is_commit(revision)) {
        snprintf(commit, HUB_COMMIT_BYTES, "%s", revision);
        return BN_OK;
    }
    char *path = join(cache->folder, "refs", revision, NULL), *text = NULL;
    size_t n = 0;
    if (!path) return fail_no_memory(err, strlen(revision));
    bn_status status = file_read_all(path, 4096, &text, &n, err);
    if (!status) {
        text[strcspn(text, " \r\n")] = 0;
        if (hub_is_commit(text))
            snprintf(commit, HUB_COMMIT_BYTES, "%s", text);
        else
            status = fail(err, BN_STATUS_BAD_FILE, "%s: is not a commit: remove the file and download again", path);
    }
    mem_free(text);
    mem_free(path);
    return status;
}

bn_status hub_cache_set_ref(const struct hub_cache *cache, const char *revision, const char *commit, bn_error *err) {
    char known[HUB_COMMIT_BYTES];
    if (strcmp(revision, commit) == 0) return BN_OK;
    if (!hub_cache_commit(cache, revision, known, NULL) && strcmp(known, commit) == 0) return BN_OK;
    char *path = join(cache->folder, "refs", revision, NULL);
    if (!path) return fail_no_memory(err, strlen(revision));
    bn_status status = make_folders_for(path, err);
    if (!status) status = file_write_all(path, commit, strlen(commit), err);
    mem_free(path);
    return status;
}

/* ---- paths ---- */

char *hub_cache_blob_path(const struct hub_cache *cache, const char *digest) {
    return join(cache->folder, "blobs", digest, NULL);
}
char *hub_cache_snapshot_path(const struct hub_cache *cache, const char *commit, const char *file) {
    char *folder = join(cache->folder, "snapshots", commit, NULL);
    if (!folder || !file) return folder;
    char *path = path_join(folder, file);
    mem_free(folder);
    return path;
}
char *hub_cache_incomplete_path(const struct hub_cache *cache, const char *digest) {
    return join(cache->folder, "blobs", digest, ".incomplete");
}
char *hub_cache_lock_path(const struct hub_cache *cache, const char *digest) {
    return join(cache->locks_folder, digest, NULL, ".lock");
}
char *hub_cache_tree_path(const struct hub_cache *cache, const char *commit) {
    return join(cache->folder, "trees", commit, ".json");
}

/* ---- what a commit lacks ---- */

static char *absence_path(const struct hub_cache *cache, const char *commit, const char *file) {
    char *folder = join(cache->folder, ".no_exist", commit, NULL), *path = folder ? path_join(folder, file) : NULL;
    mem_free(folder);
    return path;
}

bn_status hub_cache_note_absent(const struct hub_cache *cache, const char *commit, const char *file, bn_error *err) {
    char *path = absence_path(cache, commit, file);
    bn_status status = path ? make_folders_for(path, err) : fail_no_memory(err, strlen(file));
    if (!status && !file_exists(path)) status = file_write_all(path, "", 0, err);
    mem_free(path);
    return status;
}

bool hub_cache_knows_absent(const struct hub_cache *cache, const char *commit, const char *file) {
    char *path = absence_path(cache, commit, file);
    bool known = path && file_exists(path) && !file_is_directory(path);
    mem_free(path);
    return known;
}

/* ---- snapshots ---- */

/* "../../blobs/HASH", with a "../" more for every folder that `file` lies in. */
static char *relative_blob(const char *file, const char *digest) {
    struct buffer target;
    buffer_init(&target);
    buffer_append_text(&target, "../../");
    for (const char *at = file; *at; at++)
        if (*at == '/') buffer_append_text(&target, "../");
    buffer_printf(&target, "blobs/%s", digest);
    char *text = target.failed ? NULL : buffer_take(&target);
    buffer_release(&target);
    return text;
}

/* symlink(2), replacing what was there in one step. */
static bn_status replace_symlink(const char *target, const char *path, bn_error *err) {
    struct buffer temporary;
    buffer_init(&temporary);
    buffer_printf(&temporary, "%s.%08x.tmp", path, (unsigned)clock_now_ns() ^ (unsigned)getpid());
    bn_status status = temporary.failed ? fail_no_memory(err, strlen(path)) : BN_OK;
    if (!status && symlink(target, temporary.data)) status = fail_errno(err, path, "link");
    if (!status && rename(temporary.data, path)) {
        status = fail_errno(err, path, "link");
        unlink(temporary.data);
    }
    buffer_release(&temporary);
    return status;
}

bn_status hub_cache_link(const struct hub_cache *cache, const char *commit, const char *file, const char *digest,
                         bn_error *err) {
    char *path = hub_cache_snapshot_path(cache, commit, file), *target = relative_blob(file, digest);
    bn_status status = path && target ? make_folders_for(path, err) : fail_no_memory(err, strlen(file));
    if (!status) status = replace_symlink(target, path, err);
    mem_free(path);
    mem_free(target);
    return status;
}

/* ---- locks ---- */

bn_status hub_try_lock(const char *path, int *fd, bn_error *err) {
    *fd = -1;
    bn_status status = make_folders_for(path, err);
    if (!status) {
        *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0664);
        if (*fd < 0) status = fail_errno(err, path, "open");
    }
    if (!status && flock(*fd, LOCK_EX | LOCK_NB)) {
        if (errno != EWOULDBLOCK && errno != EINTR) status = fail_errno(err, path, "lock");
        close(*fd);
        *fd = -1;
    }
    /* whoever had it before may have removed the file: a lock on that excludes nobody */
    struct stat locked, now;
    if (*fd >= 0 && (fstat(*fd, &locked) || stat(path, &now) || locked.st_ino != now.st_ino)) {
        close(*fd);
        *fd = -1;
    }
    return status;
}
