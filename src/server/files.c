#include "server/files.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "server/answer.h"
#include "server/multipart.h"
#include "server/page.h"

#define MAX_DESCRIPTION_BYTES 65536
#define MAX_CONTENT_BYTES     ((size_t)1 << 30)
#define MAX_FILES             100000

struct files {
    char *folder; /* FOLDER/files */
};

static bn_status make_folder(const char *path, bn_error *err) {
    if (mkdir(path, 0700) == 0 || errno == EEXIST) return BN_OK;
    return fail(err, BN_STATUS_IO, "%s: can't make the folder: %s", path, strerror(errno));
}

bn_status files_create(const char *folder, struct files **out, bn_error *err) {
    struct files *files = mem_calloc(1, sizeof *files);
    if (files) files->folder = path_join(folder, "files");
    if (!files || !files->folder) {
        mem_free(files);
        return fail_no_memory(err, sizeof *files);
    }
    bn_status status = make_folder(folder, err);
    if (!status) status = make_folder(files->folder, err);
    if (status)
        files_destroy(files);
    else
        *out = files;
    return status;
}

void files_destroy(struct files *files) {
    if (!files) return;
    mem_free(files->folder);
    mem_free(files);
}

void files_make_id(char *id, size_t size) {
    make_id(id, size, "file-");
}

bool files_is_id(const char *id) {
    size_t n = strlen(id);
    if (n < 6 || n > 60) return false;
    for (size_t i = 0; i < n; i++) {
        char c = id[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
        if (!plain) return false;
    }
    return true;
}

char *files_path(const struct files *files, const char *id) {
    return files_is_id(id) ? path_join(files->folder, id) : NULL;
}

/* Where the object of a file lies. */
static char *object_path(const struct files *files, const char *id) {
    char name[80];
    if (!files_is_id(id)) return NULL;
    snprintf(name, sizeof name, "%.60s.json", id);
    return path_join(files->folder, name);
}

bn_status files_register(struct files *files, const char *id, const char *name, const char *purpose, bn_error *err) {
    struct stat st;
    char *content = files_path(files, id), *object = object_path(files, id), *text = NULL;
    bn_status status = content && object ? BN_OK : fail_no_memory(err, 80);
    if (!status && stat(content, &st)) status = fail(err, BN_STATUS_IO, "%s: %s", content, strerror(errno));
    if (!status) {
        json_t *value = json_pack("{s:s, s:s, s:I, s:I, s:o, s:s, s:s}", "id", id, "object", "file", "bytes",
                                  (json_int_t)st.st_size, "created_at", (json_int_t)time(NULL), "filename",
                                  json_text(name, strlen(name)), "purpose", purpose, "status", "processed");
        text = json_dumps(value, JSON_COMPACT);
        json_decref(value);
        status = text ? file_write_all(object, text, strlen(text), err) : fail_no_memory(err, 256);
    }
    free(text); /* jansson's own memory */
    mem_free(content);
    mem_free(object);
    return status;
}

json_t *files_describe(struct files *files, const char *id) {
    char *path = object_path(files, id);
    json_t *value = NULL;
    if (!path || json_parse_file(path, MAX_DESCRIPTION_BYTES, &value, NULL)) value = NULL;
    mem_free(path);
    return value;
}

/* ---- the routes ---- */

static void no_such_file(struct exchange *exchange, const char *id) {
    const struct api_error error = {.status = 404, .code = "file_not_found", .param = "file_id"};
    exchange_fail(exchange, &error, "There is no file '%.80s'", id);
}

static const struct form_part *find_part(const struct form_part *parts, size_t n, const char *name) {
    for (size_t i = 0; i < n; i++) {
        if (strcmp(parts[i].name, name) == 0) return &parts[i];
    }
    return NULL;
}

void handle_file_create(struct exchange *exchange, void *service) {
    const struct api *api = service;
    const struct request *request = exchange_request(exchange);
    struct form_part parts[16];
    struct failure failure = {0};
    const char *what;
    char id[48], purpose[64] = "";
    size_t n;
    bn_error error = {0};
    bool ok = multipart_parse(request_header(request, "content-type"), request->body, request->body_bytes, parts, 16,
                              &n, &what) ||
              refuse(&failure, NULL, "%s", what);
    const struct form_part *file = ok ? find_part(parts, n, "file") : NULL;
    const struct form_part *given = ok ? find_part(parts, n, "purpose") : NULL;
    if (ok && (!file || !given || given->size >= sizeof purpose))
        ok = refuse(&failure, file ? "purpose" : "file", "the form needs 'file' and 'purpose'");
    if (ok) {
        memcpy(purpose, given->bytes, given->size);
        files_make_id(id, sizeof id);
        char *path = files_path(api->files, id);
        bn_status status = path ? file_write_all(path, file->bytes, file->size, &error) : fail_no_memory(&error, 80);
        if (!status)
            status = files_register(api->files, id, *file->file_name ? file->file_name : "upload", purpose, &error);
        mem_free(path);
        ok = succeeded(&failure, status, &error);
    }
    if (ok)
        exchange_respond_json(exchange, 200, files_describe(api->files, id));
    else
        failure_send(exchange, &failure);
}

void handle_file_list(struct exchange *exchange, void *service) {
    const struct api *api = service;
    DIR *folder = opendir(api->files->folder);
    json_t *data = json_array();
    struct dirent *entry;
    for (size_t n = 0; folder && n < MAX_FILES && (entry = readdir(folder)); n++) {
        json_t *object = files_describe(api->files, entry->d_name);
        if (object) json_array_append_new(data, object);
    }
    if (folder) closedir(folder);
    page_sort(data);
    exchange_respond_page(exchange, data, MAX_FILES, MAX_FILES);
}

void handle_file_get(struct exchange *exchange, void *service) {
    const struct api *api = service;
    const char *id = exchange_parameter(exchange, "id");
    json_t *object = files_describe(api->files, id);
    if (object)
        exchange_respond_json(exchange, 200, object);
    else
        no_such_file(exchange, id);
}

void handle_file_content(struct exchange *exchange, void *service) {
    const struct api *api = service;
    const char *id = exchange_parameter(exchange, "id");
    json_t *object = files_describe(api->files, id);
    char *path = object ? files_path(api->files, id) : NULL, *bytes;
    size_t size;
    bn_error error = {0};
    if (!path) {
        no_such_file(exchange, id);
    } else if (file_read_all(path, MAX_CONTENT_BYTES, &bytes, &size, &error)) {
        exchange_fail_status(exchange, &error);
    } else {
        exchange_respond(exchange, 200, "application/octet-stream", bytes, size);
        mem_free(bytes);
    }
    mem_free(path);
    json_decref(object);
}

void handle_file_delete(struct exchange *exchange, void *service) {
    const struct api *api = service;
    const char *id = exchange_parameter(exchange, "id");
    json_t *object = files_describe(api->files, id);
    char *content = object ? files_path(api->files, id) : NULL,
         *described = object ? object_path(api->files, id) : NULL;
    if (content && described) {
        unlink(described);
        unlink(content);
        exchange_respond_json(exchange, 200, json_pack("{s:s, s:s, s:b}", "id", id, "object", "file", "deleted", 1));
    } else {
        no_such_file(exchange, id);
    }
    mem_free(content);
    mem_free(described);
    json_decref(object);
}
