/* Models in the cache by their names, without network. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/memory.h"
#include "hub/cache.h"
#include "hub/place.h"

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n > m && strcmp(text + n - m, end) == 0;
}

static bool contains(const char *text, const char *part) {
    for (size_t n = strlen(part); strlen(text) >= n; text++)
        if (strncasecmp(text, part, n) == 0) return true;
    return false;
}

/* The files of a split model count as one: its first. */
static bool is_later_part(const char *name) {
    const char *of = strstr(name, "-of-");
    return of && of - name >= 6 && of[-6] == '-' && strncmp(of - 5, "00001", 5) != 0;
}

/* The only .gguf file in a folder whose name has `variant` in it (NULL: any). *n says how many there are. */
static char *gguf_in(const char *folder, const char *variant, size_t *n) {
    char *path = NULL;
    *n = 0;
    DIR *stream = opendir(folder);
    for (struct dirent *entry; stream && (entry = readdir(stream));) {
        const char *name = entry->d_name;
        if (!ends_with(name, ".gguf") || is_later_part(name) || (variant && !contains(name, variant))) continue;
        if (++*n == 1) path = path_join(folder, name);
    }
    if (stream) closedir(stream);
    if (*n == 1) return path;
    mem_free(path);
    return NULL;
}

/* The snapshot's path for `file` (NULL: none given), or NULL. */
static char *model_in(const char *snapshot, const char *file, size_t *n_gguf) {
    *n_gguf = 0;
    char *path = path_join(snapshot, file ? file : "config.json");
    if (path && file_exists(path)) {
        if (file) return path;
        mem_free(path);
        return mem_strdup(snapshot);
    }
    mem_free(path);
    return gguf_in(snapshot, file, n_gguf);
}

bn_status hub_cache_find(const char *name, char **path, bn_error *err) {
    struct hub_repo repo;
    struct hub_cache cache;
    char commit[HUB_COMMIT_BYTES], *snapshot = NULL;
    size_t n_gguf = 0;
    bool absent = false;
    *path = NULL;
    bn_status status = hub_repo_parse(name, &repo, err);
    if (status) return status;
    status = hub_cache_open(NULL, repo.id, &cache, err);
    if (status) return status;
    if (!hub_cache_commit(&cache, repo.revision, commit, NULL)) {
        snapshot = hub_cache_snapshot_path(&cache, commit, NULL);
        absent = repo.file[0] && hub_cache_knows_absent(&cache, commit, repo.file);
    }
    if (snapshot && file_is_directory(snapshot)) *path = model_in(snapshot, repo.file[0] ? repo.file : NULL, &n_gguf);
    mem_free(snapshot);
    hub_cache_close(&cache);
    if (*path) return BN_OK;
    if (absent)
        return fail(err, BN_STATUS_NOT_FOUND, "'%s' has no file '%s', or had none when it was asked for last", repo.id,
                    repo.file);
    if (n_gguf > 1)
        return fail(err, BN_STATUS_NOT_FOUND, "'%s' fits %zu .gguf files in the cache: name one, %s@%s:FILE", name,
                    n_gguf, repo.id, repo.revision);
    return fail(
        err, BN_STATUS_NOT_FOUND,
        "there is no file '%s', nor a repository of that name in the cache: 'bitnet model download %s' would get one",
        name, name);
}

/* ---- all of them ---- */

struct visitor {
    void (*visit)(void *context, const char *name, const char *path);
    void *context;
    const char *repo_id;
};

static void visit_refs(const struct visitor *visitor, const char *folder, const char *prefix, int depth);

/* One entry of a refs folder, by the revision it stands for; folders hold revisions with slashes. */
static void visit_ref(const struct visitor *visitor, const char *path, const char *revision, int depth) {
    char name[2 * HUB_NAME_BYTES], *model = NULL;
    bool main = strcmp(revision, "main") == 0;
    snprintf(name, sizeof name, "%s%s%s", visitor->repo_id, main ? "" : "@", main ? "" : revision);
    if (file_is_directory(path)) {
        if (depth) visit_refs(visitor, path, revision, depth - 1);
    } else if (!hub_cache_find(name, &model, NULL)) {
        visitor->visit(visitor->context, name, model);
    }
    mem_free(model);
}

static void visit_refs(const struct visitor *visitor, const char *folder, const char *prefix, int depth) {
    DIR *stream = opendir(folder);
    for (struct dirent *entry; stream && (entry = readdir(stream));) {
        char revision[HUB_NAME_BYTES];
        if (entry->d_name[0] == '.' || ends_with(entry->d_name, ".tmp")) continue;
        int n = snprintf(revision, sizeof revision, "%s%s%s", prefix, *prefix ? "/" : "", entry->d_name);
        char *path = path_join(folder, entry->d_name);
        if (path && n > 0 && (size_t)n < sizeof revision) visit_ref(visitor, path, revision, depth);
        mem_free(path);
    }
    if (stream) closedir(stream);
}

void hub_cache_visit(void (*visit)(void *context, const char *name, const char *path), void *context) {
    char *cache = hub_cache_folder();
    DIR *stream = cache ? opendir(cache) : NULL;
    for (struct dirent *entry; stream && (entry = readdir(stream));) {
        if (strncmp(entry->d_name, "models--", 8) != 0) continue;
        char id[sizeof entry->d_name], refs[sizeof entry->d_name + 8];
        snprintf(id, sizeof id, "%s", entry->d_name + 8);
        char *separator = strstr(id, "--");
        if (separator) { /* "owner--name" → "owner/name" */
            *separator = '/';
            memmove(separator + 1, separator + 2, strlen(separator + 2) + 1);
        }
        snprintf(refs, sizeof refs, "%s/refs", entry->d_name);
        char *folder = path_join(cache, refs);
        struct visitor visitor = {visit, context, id};
        if (folder) visit_refs(&visitor, folder, "", 3);
        mem_free(folder);
    }
    if (stream) closedir(stream);
    mem_free(cache);
}
