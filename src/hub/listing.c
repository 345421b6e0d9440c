/* What a repository holds at a commit. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "hub/cache.h"
#include "hub/hub.h"

enum { MAX_FILES = 100000, MAX_PAGES = 200 };

/* /api/models/OWNER/NAME/KIND/REVISION; the revision's slashes are encoded */
static char *api_path(const struct hub_repo *repo, const char *kind, const char *revision, const char *query) {
    struct buffer path;
    buffer_init(&path);
    buffer_append_text(&path, "/api/models/");
    url_append_path(&path, repo->id);
    buffer_printf(&path, "/%s/", kind);
    url_append_query(&path, revision);
    buffer_append_text(&path, query);
    char *text = path.failed ? NULL : buffer_take(&path);
    buffer_release(&path);
    return text;
}

char *hub_file_url(const struct hub *hub, const struct hub_repo *repo, const char *commit, const char *file) {
    struct buffer url;
    buffer_init(&url);
    buffer_printf(&url, "%s/", hub->endpoint);
    url_append_path(&url, repo->id);
    buffer_append_text(&url, "/resolve/");
    url_append_query(&url, commit);
    buffer_append_char(&url, '/');
    url_append_path(&url, file);
    char *text = url.failed ? NULL : buffer_take(&url);
    buffer_release(&url);
    return text;
}

static bn_status bad_answer(struct hub *hub, bn_error *err, const char *what) {
    hub->problem = HUB_BAD_ANSWER;
    return fail(err, BN_STATUS_BAD_FILE, "%s: the answer has %s. Is it a hub (HF_ENDPOINT)?", hub->authority, what);
}

bn_status hub_resolve(struct hub *hub, const struct hub_repo *repo, char commit[HUB_COMMIT_BYTES], bn_error *err) {
    char *path = api_path(repo, "revision", repo->revision, "");
    json_t *answer = NULL;
    if (!path) return fail_no_memory(err, 0);
    const struct hub_call call = {.path = path, .what = repo->id, .revision = repo->revision};
    bn_status status = hub_call(hub, &call, &answer, NULL, err);
    const char *sha = status ? NULL : json_string_value(json_object_get(answer, "sha"));
    if (!status && (!sha || !hub_is_commit(sha))) status = bad_answer(hub, err, "no commit");
    if (!status) snprintf(commit, HUB_COMMIT_BYTES, "%s", sha);
    json_decref(answer);
    mem_free(path);
    return status;
}

/* ---- lists ---- */

void hub_listing_release(struct hub_listing *listing) {
    for (size_t i = 0; i < listing->n_files; i++) {
        mem_free(listing->files[i].path);
        mem_free(listing->files[i].digest);
        mem_free(listing->files[i].git_id);
        mem_free(listing->files[i].xet_hash);
    }
    mem_free(listing->files);
    *listing = (struct hub_listing){0};
}

static char *copied(const char *text) {
    return text ? mem_strdup(text) : NULL;
}

/* Checks and appends; the texts are copied. `sha256` is NULL for files that git has itself. */
static bn_status append_file(struct hub_listing *listing, const char *path, const char *git_id, const char *sha256,
                             const char *xet_hash, const json_t *size, bn_error *err) {
    const char *digest = sha256 ? sha256 : git_id;
    if (listing->n_files >= MAX_FILES)
        return fail(err, BN_STATUS_UNSUPPORTED, "a repository of more than %d files", MAX_FILES);
    if (!path) return fail(err, BN_STATUS_BAD_FILE, "a file is listed without a path");
    bn_status status = hub_check_path(path, err);
    if (status) return status;
    bool sized = json_is_integer(size) && json_integer_value(size) >= 0;
    if (!sized || !git_id || !hub_is_digest(git_id) || !hub_is_digest(digest) ||
        (sha256 != NULL) != (strlen(digest) == 64))
        return fail(err, BN_STATUS_BAD_FILE, "the file '%.100s' is listed without a size or hash", path);
    if (xet_hash && (!hub_is_digest(xet_hash) || strlen(xet_hash) != 64)) xet_hash = NULL;
    struct hub_file *grown = mem_realloc_array(listing->files, listing->n_files + 1, sizeof *grown);
    if (!grown) return fail_no_memory(err, sizeof *grown);
    listing->files = grown;
    struct hub_file *file = &grown[listing->n_files++];
    *file = (struct hub_file){.path = mem_strdup(path),
                              .digest = mem_strdup(digest),
                              .git_id = mem_strdup(git_id),
                              .xet_hash = copied(xet_hash),
                              .size_bytes = (uint64_t)json_integer_value(size),
                              .large = sha256 != NULL};
    return file->path && file->digest && file->git_id ? BN_OK : fail_no_memory(err, strlen(path));
}

static int by_path(const void *a, const void *b) {
    return strcmp(((const struct hub_file *)a)->path, ((const struct hub_file *)b)->path);
}

static const char *text_member(const json_t *object, const char *key) {
    return json_string_value(json_object_get(object, key));
}

/* {"type": "file", "path", "size", "oid", "lfs": {"oid", "size"}, "xetHash"} */
static bn_status append_entry(struct hub_listing *listing, const json_t *entry, bn_error *err) {
    const char *type = text_member(entry, "type");
    if (type && strcmp(type, "file") != 0) return BN_OK;
    const json_t *lfs = json_object_get(entry, "lfs");
    const json_t *size = json_object_get(json_is_object(lfs) ? lfs : entry, "size");
    return append_file(listing, text_member(entry, "path"), text_member(entry, "oid"), text_member(lfs, "oid"),
                       text_member(entry, "xetHash"), size, err);
}

static bn_status append_page(struct hub *hub, struct hub_listing *listing, const struct hub_call *call, char **next,
                             bn_error *err) {
    json_t *page = NULL, *entry;
    size_t i;
    bn_status status = hub_call(hub, call, &page, next, err);
    if (!status && !json_is_array(page)) status = bad_answer(hub, err, "no list of files");
    json_array_foreach(page, i, entry) {
        if (status) break;
        status = append_entry(listing, entry, err);
        if (status) hub->problem = HUB_BAD_ANSWER, error_prefix(err, "%s", call->what);
    }
    json_decref(page);
    return status;
}

bn_status hub_list_files(struct hub *hub, const struct hub_repo *repo, const char *commit, struct hub_listing *out,
                         bn_error *err) {
    *out = (struct hub_listing){0};
    snprintf(out->commit, sizeof out->commit, "%s", commit);
    char *url = api_path(repo, "tree", commit, "?recursive=true&expand=false");
    bn_status status = url ? BN_OK : fail_no_memory(err, 0);
    for (size_t page = 0; !status && url; page++) {
        char *next = NULL;
        const struct hub_call call = {.path = url, .what = repo->id, .revision = commit};
        status = page < MAX_PAGES ? append_page(hub, out, &call, &next, err) : bad_answer(hub, err, "too many pages");
        if (!status && next && !url_same_origin(next, hub->endpoint))
            status = bad_answer(hub, err, "its next page on another host");
        mem_free(url);
        url = next;
    }
    mem_free(url);
    if (status)
        hub_listing_release(out);
    else if (out->n_files)
        qsort(out->files, out->n_files, sizeof *out->files, by_path);
    return status;
}

/* ---- trees/COMMIT.json ---- */

bn_status hub_listing_read(const char *path, const char *commit, struct hub_listing *out, bn_error *err) {
    *out = (struct hub_listing){0};
    snprintf(out->commit, sizeof out->commit, "%s", commit);
    json_t *root = NULL, *info;
    const char *name;
    bn_status status = json_parse_file(path, 64 << 20, &root, err);
    if (status) return status;
    json_t *files = json_object_get(root, "files");
    if (json_integer_value(json_object_get(root, "format_version")) != 1 || !json_is_object(files))
        status = fail(err, BN_STATUS_BAD_FILE, "%s: not a list of files in format 1", path);
    json_object_foreach(files, name, info) {
        if (status) break;
        const char *sha256 = text_member(info, "lfs_sha256");
        status = append_file(out, name, text_member(info, "blob_id"), sha256, text_member(info, "xet_hash"),
                             json_object_get(info, sha256 ? "lfs_size" : "size"), err);
    }
    json_decref(root);
    if (status)
        hub_listing_release(out);
    else if (out->n_files)
        qsort(out->files, out->n_files, sizeof *out->files, by_path);
    return status;
}

static json_t *tree_entry(const struct hub_file *file) {
    json_t *info = json_pack("{s:I, s:s}", "size", (json_int_t)file->size_bytes, "blob_id", file->git_id);
    if (file->large) {
        json_object_set_new(info, "lfs_sha256", json_string(file->digest));
        json_object_set_new(info, "lfs_size", json_integer((json_int_t)file->size_bytes));
    }
    if (file->xet_hash) json_object_set_new(info, "xet_hash", json_string(file->xet_hash));
    return info;
}

bn_status hub_listing_write(const char *path, const struct hub_listing *listing, bn_error *err) {
    json_t *files = json_object();
    for (size_t i = 0; i < listing->n_files; i++)
        json_object_set_new(files, listing->files[i].path, tree_entry(&listing->files[i]));
    json_t *root = json_pack("{s:i, s:o}", "format_version", 1, "files", files);
    char *text = root ? json_dumps(root, JSON_INDENT(1)) : NULL;
    bn_status status = text ? make_folders_for(path, err) : fail_no_memory(err, 0);
    if (!status) status = file_write_all(path, text, strlen(text), err);
    free(text); /* jansson's own memory */
    json_decref(root);
    return status;
}
