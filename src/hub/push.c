#include "hub/push.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "net/digest.h"

enum {
    SAMPLE_BYTES = 512, /* of each file, by which the hub tells text from data */
    FILES_PER_PREUPLOAD = 256,
    MAX_INLINE_BYTES = 10 << 20, /* what the hub would take as a small file */
    MAX_PARTS = 10000,
};

struct push {
    struct hub *hub;
    const struct hub_repo *repo;
    struct hub_push_file *files;
    size_t n_files;
    const struct hub_push_options *options;
    uint64_t done_bytes, total_bytes;
    size_t n_uploaded;
};

static bn_status bad_answer(struct push *push, bn_error *err, const char *what) {
    push->hub->problem = HUB_BAD_ANSWER;
    return fail(err, BN_STATUS_BAD_FILE, "%s: %s. Is it a hub (HF_ENDPOINT)?", push->hub->authority, what);
}

/* Base64 of n bytes, newly allocated. */
static char *base64(const void *bytes, size_t n) {
    char *text = mem_alloc(4 * (n / 3 + 1) + 1);
    if (text) EVP_EncodeBlock((unsigned char *)text, bytes, (int)n);
    return text;
}

/* /api/models/OWNER/NAME/ACTION/REVISION */
static char *api_path(const struct push *push, const char *action) {
    struct buffer path;
    buffer_init(&path);
    buffer_append_text(&path, "/api/models/");
    url_append_path(&path, push->repo->id);
    buffer_printf(&path, "/%s/", action);
    url_append_query(&path, push->repo->revision);
    char *text = path.failed ? NULL : buffer_take(&path);
    buffer_release(&path);
    return text;
}

/* ---- which files are large ---- */

static bn_status sample_of(const struct hub_push_file *file, json_t **out, bn_error *err) {
    char bytes[SAMPLE_BYTES];
    FILE *stream = fopen(file->path, "rb");
    if (!stream) return fail(err, BN_STATUS_IO, "%s: can't read", file->path);
    size_t n = fread(bytes, 1, sizeof bytes, stream);
    fclose(stream);
    char *text = base64(bytes, n);
    *out = text ? json_pack("{s:s, s:I, s:s}", "path", file->name, "size", (json_int_t)file->size_bytes, "sample", text)
                : NULL;
    mem_free(text);
    return *out ? BN_OK : fail_no_memory(err, n);
}

static void mark_large(struct push *push, const json_t *answers) {
    json_t *answer;
    size_t i;
    json_array_foreach(answers, i, answer) {
        const char *name = json_string_value(json_object_get(answer, "path")),
                   *mode = json_string_value(json_object_get(answer, "uploadMode"));
        for (size_t f = 0; name && mode && f < push->n_files; f++)
            if (strcmp(push->files[f].name, name) == 0) push->files[f].large = strcmp(mode, "lfs") == 0;
    }
}

static bn_status ask_sizes(struct push *push, size_t first, size_t end, bn_error *err) {
    json_t *list = json_array(), *answer = NULL;
    char *path = api_path(push, "preupload");
    bn_status status = path && list ? BN_OK : fail_no_memory(err, 0);
    for (size_t i = first; !status && i < end; i++) {
        json_t *entry = NULL;
        status = sample_of(&push->files[i], &entry, err);
        if (!status) json_array_append_new(list, entry);
    }
    json_t *body = json_pack("{s:o}", "files", list);
    const struct hub_call call = {
        .method = "POST", .path = path, .body = body, .what = push->repo->id, .revision = push->repo->revision};
    if (!status) status = hub_call(push->hub, &call, &answer, NULL, err);
    if (!status) mark_large(push, json_object_get(answer, "files"));
    json_decref(body);
    json_decref(answer);
    mem_free(path);
    return status;
}

/* ---- large files: to the storage ---- */

/* PUTs a piece of the file; *etag is the storage's name for it, newly allocated (NULL if it has none). */
static bn_status put_piece(struct push *push, const struct hub_push_file *file, const char *url, uint64_t offset,
                           uint64_t n, char **etag, bn_error *err) {
    static const char *const headers[] = {"Content-Type: application/octet-stream", NULL};
    int fd = open(file->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return fail(err, BN_STATUS_IO, "%s: can't read", file->path);
    struct http_response response;
    const struct http_request request = {
        .method = "PUT", .url = url, .headers = headers, .body_fd = fd, .body_offset = offset, .body_size = n};
    bn_status status = http_fetch(push->hub->client, &request, &response, err);
    if (status) status = hub_explain(push->hub, push->repo->id, NULL, file->name, &response, status, err);
    const char *found = status ? NULL : http_field(&response, "ETag");
    if (found && etag) *etag = mem_strdup(found);
    http_response_release(&response);
    close(fd);
    if (!status) push->done_bytes += n;
    return status;
}

/* In parts of chunk_size, each to its own URL ("1", "2", … in the header), then the completion that lists them. */
static bn_status put_parts(struct push *push, const struct hub_push_file *file, const json_t *header, uint64_t chunk,
                           const char *href, bn_error *err) {
    uint64_t n_parts = (file->size_bytes + chunk - 1) / chunk;
    json_t *parts = json_array();
    bn_status status = n_parts <= MAX_PARTS ? BN_OK : bad_answer(push, err, "it wants a file in too many parts");
    for (uint64_t i = 0; !status && i < n_parts; i++) {
        char number[24], *etag = NULL;
        snprintf(number, sizeof number, "%llu", (unsigned long long)i + 1);
        const char *url = json_string_value(json_object_get(header, number));
        uint64_t offset = i * chunk, left = file->size_bytes - offset;
        status = url ? put_piece(push, file, url, offset, left < chunk ? left : chunk, &etag, err)
                     : bad_answer(push, err, "it doesn't say where a part goes");
        if (!status && !etag) status = bad_answer(push, err, "its storage doesn't name a part");
        if (!status)
            json_array_append_new(parts, json_pack("{s:I, s:s}", "partNumber", (json_int_t)i + 1, "etag", etag));
        mem_free(etag);
    }
    json_t *body = json_pack("{s:s, s:o}", "oid", file->sha256, "parts", parts);
    const struct hub_call call = {.method = "POST",
                                  .path = href,
                                  .body = body,
                                  .content_type = "application/vnd.git-lfs+json",
                                  .what = push->repo->id};
    if (!status) status = hub_call(push->hub, &call, NULL, NULL, err);
    json_decref(body);
    return status;
}

/* One object of the batch's answer. Without actions the storage has it already. */
static bn_status upload_object(struct push *push, const struct hub_push_file *file, const json_t *object,
                               bn_error *err) {
    const json_t *error = json_object_get(object, "error"), *actions = json_object_get(object, "actions");
    if (error) {
        const char *said = json_string_value(json_object_get(error, "message"));
        push->hub->problem = HUB_FORBIDDEN;
        return fail(err, BN_STATUS_IO, "%s doesn't take '%s': %s", push->hub->authority, file->name,
                    said ? said : "it doesn't say why");
    }
    const json_t *upload = json_object_get(actions, "upload"), *verify = json_object_get(actions, "verify");
    const char *href = json_string_value(json_object_get(upload, "href"));
    if (!upload) {
        push->done_bytes += file->size_bytes;
        return BN_OK;
    }
    if (!href) return bad_answer(push, err, "it doesn't say where a file goes");
    push->n_uploaded++;
    const json_t *header = json_object_get(upload, "header");
    const char *chunk = json_string_value(json_object_get(header, "chunk_size"));
    uint64_t chunk_bytes = chunk ? strtoull(chunk, NULL, 10) : 0;
    bn_status status = chunk_bytes ? put_parts(push, file, header, chunk_bytes, href, err)
                                   : put_piece(push, file, href, 0, file->size_bytes, NULL, err);
    const char *verify_href = json_string_value(json_object_get(verify, "href"));
    if (status || !verify_href) return status;
    json_t *body = json_pack("{s:s, s:I}", "oid", file->sha256, "size", (json_int_t)file->size_bytes);
    const struct hub_call call = {.method = "POST", .path = verify_href, .body = body, .what = push->repo->id};
    status = hub_call(push->hub, &call, NULL, NULL, err);
    json_decref(body);
    return status;
}

/* Asks for one file at a time: the URLs that come back are good for a while only. */
static bn_status upload_large(struct push *push, const struct hub_push_file *file, bn_error *err) {
    struct buffer path;
    json_t *answer = NULL;
    if (push->options->on_file)
        push->options->on_file(push->options->context, file->name, push->done_bytes, push->total_bytes);
    buffer_init(&path);
    buffer_append_char(&path, '/');
    url_append_path(&path, push->repo->id);
    buffer_append_text(&path, ".git/info/lfs/objects/batch");
    json_t *body =
        json_pack("{s:s, s:[s, s], s:[{s:s, s:I}], s:s}", "operation", "upload", "transfers", "basic", "multipart",
                  "objects", "oid", file->sha256, "size", (json_int_t)file->size_bytes, "hash_algo", "sha256");
    bn_status status = path.failed || !body ? fail_no_memory(err, 0) : BN_OK;
    const struct hub_call call = {.method = "POST",
                                  .path = path.data,
                                  .body = body,
                                  .content_type = "application/vnd.git-lfs+json",
                                  .what = push->repo->id};
    if (!status) status = hub_call(push->hub, &call, &answer, NULL, err);
    const json_t *object = json_array_get(json_object_get(answer, "objects"), 0);
    if (!status && !json_is_object(object)) status = bad_answer(push, err, "it doesn't say where a file goes");
    if (!status) status = upload_object(push, file, object, err);
    json_decref(body);
    json_decref(answer);
    buffer_release(&path);
    return status;
}

/* ---- the commit ---- */

static bn_status append_line(struct buffer *lines, json_t *value, bn_error *err) {
    char *text = value ? json_dumps(value, JSON_COMPACT) : NULL;
    json_decref(value);
    if (!text) return fail_no_memory(err, 0);
    buffer_append_text(lines, text);
    buffer_append_char(lines, '\n');
    free(text); /* jansson's own memory */
    return lines->failed ? fail_no_memory(err, lines->size) : BN_OK;
}

static bn_status append_small(struct buffer *lines, const struct hub_push_file *file, bn_error *err) {
    char *bytes = NULL, *text = NULL;
    size_t n = 0;
    bn_status status = file_read_all(file->path, MAX_INLINE_BYTES, &bytes, &n, err);
    if (!status && !(text = base64(bytes, n))) status = fail_no_memory(err, n);
    if (!status)
        status = append_line(lines,
                             json_pack("{s:s, s:{s:s, s:s, s:s}}", "key", "file", "value", "content", text, "path",
                                       file->name, "encoding", "base64"),
                             err);
    mem_free(bytes);
    mem_free(text);
    return status;
}

static bn_status commit_lines(const struct push *push, struct buffer *lines, bn_error *err) {
    const struct hub_push_options *options = push->options;
    bn_status status = append_line(lines,
                                   json_pack("{s:s, s:{s:s, s:s}}", "key", "header", "value", "summary",
                                             options->message ? options->message : "Upload model", "description",
                                             options->description ? options->description : ""),
                                   err);
    for (size_t i = 0; !status && i < push->n_files; i++) {
        const struct hub_push_file *file = &push->files[i];
        if (file->large)
            status =
                append_line(lines,
                            json_pack("{s:s, s:{s:s, s:s, s:s, s:I}}", "key", "lfsFile", "value", "path", file->name,
                                      "algo", "sha256", "oid", file->sha256, "size", (json_int_t)file->size_bytes),
                            err);
        else
            status = append_small(lines, file, err);
    }
    return status;
}

static bn_status commit(struct push *push, struct hub_push_result *out, bn_error *err) {
    struct buffer lines, path;
    json_t *answer = NULL;
    char *base = api_path(push, "commit");
    buffer_init(&lines);
    buffer_init(&path);
    buffer_printf(&path, "%s%s", base ? base : "", push->options->pull_request ? "?create_pr=1" : "");
    bn_status status = base && !path.failed ? commit_lines(push, &lines, err) : fail_no_memory(err, 0);
    const struct hub_call call = {.method = "POST",
                                  .path = path.data,
                                  .text = lines.data,
                                  .content_type = "application/x-ndjson",
                                  .what = push->repo->id,
                                  .revision = push->repo->revision};
    if (!status) status = hub_call(push->hub, &call, &answer, NULL, err);
    const char *oid = json_string_value(json_object_get(answer, "commitOid")),
               *url = json_string_value(json_object_get(answer, "pullRequestUrl"));
    if (!url) url = json_string_value(json_object_get(answer, "commitUrl"));
    if (!status && (!oid || !hub_is_commit(oid))) status = bad_answer(push, err, "it doesn't name the commit");
    if (!status) {
        snprintf(out->commit, sizeof out->commit, "%s", oid);
        snprintf(out->url, sizeof out->url, "%s", url ? url : "");
        out->n_uploaded = push->n_uploaded;
    }
    json_decref(answer);
    buffer_release(&lines);
    buffer_release(&path);
    mem_free(base);
    return status;
}

/* ---- the repository ---- */

/* Makes the repository; that it exists already is fine (409). */
static bn_status create_repo(struct push *push, bn_error *err) {
    const char *slash = strchr(push->repo->id, '/');
    char owner[HUB_NAME_BYTES];
    snprintf(owner, sizeof owner, "%.*s", (int)(slash ? slash - push->repo->id : 0), push->repo->id);
    json_t *body = json_pack("{s:s, s:s, s:b}", "type", "model", "name", slash ? slash + 1 : push->repo->id, "private",
                             push->options->private);
    if (body && slash) json_object_set_new(body, "organization", json_string(owner));
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL, url[1024];
    json_decref(body);
    if (!text) return fail_no_memory(err, 0);
    snprintf(url, sizeof url, "%.900s/api/repos/create", push->hub->endpoint);
    static const char *const headers[] = {"Content-Type: application/json", NULL};
    const struct http_request request = {.method = "POST",
                                         .url = url,
                                         .headers = headers,
                                         .token = push->hub->token,
                                         .body = text,
                                         .body_size = strlen(text)};
    struct http_response response;
    bn_status status = http_fetch(push->hub->client, &request, &response, err);
    if (status && response.status == 409)
        status = BN_OK;
    else if (status)
        status = hub_explain(push->hub, push->repo->id, NULL, NULL, &response, status, err);
    http_response_release(&response);
    free(text); /* jansson's own memory */
    return status;
}

static bn_status measure(struct push *push, bn_error *err) {
    for (size_t i = 0; i < push->n_files; i++) {
        struct hub_push_file *file = &push->files[i];
        struct stat info;
        bn_status status = hub_check_path(file->name, err);
        if (status) return status;
        if (stat(file->path, &info) || !S_ISREG(info.st_mode))
            return fail(err, BN_STATUS_IO, "%s: not a file that can be read", file->path);
        file->size_bytes = (uint64_t)info.st_size;
        push->total_bytes += file->size_bytes;
    }
    return BN_OK;
}

bn_status hub_push(struct hub *hub, const struct hub_repo *repo, struct hub_push_file *files, size_t n_files,
                   const struct hub_push_options *options, struct hub_push_result *out, bn_error *err) {
    struct push push = {.hub = hub, .repo = repo, .files = files, .n_files = n_files, .options = options};
    *out = (struct hub_push_result){0};
    if (!hub->token) {
        hub->problem = HUB_UNAUTHORIZED;
        return fail(err, BN_STATUS_IO, "publishing needs a token that may write: 'bitnet auth login'");
    }
    bn_status status = measure(&push, err);
    if (!status && options->create) status = create_repo(&push, err);
    for (size_t i = 0; !status && i < n_files; i += FILES_PER_PREUPLOAD)
        status = ask_sizes(&push, i, min_size(n_files, i + FILES_PER_PREUPLOAD), err);
    for (size_t i = 0; !status && i < n_files; i++) {
        if (!files[i].large) continue;
        uint64_t size;
        status = sha256_file(files[i].path, -1, NULL, files[i].sha256, &size, err);
        if (!status && size != files[i].size_bytes)
            status = fail(err, BN_STATUS_IO, "%s: changed while it was read", files[i].path);
        if (!status) status = upload_large(&push, &files[i], err);
    }
    return status ? status : commit(&push, out, err);
}
