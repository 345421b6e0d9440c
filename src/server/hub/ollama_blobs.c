/* HEAD and POST /api/blobs/sha256:…: files that /api/create makes models of. They wait in the data folder's "uploads" until
 * they are used, at most a day. */
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/folders.h"
#include "base/memory.h"
#include "server/hub/ollama_library.h"

enum { MAX_WAITING_BYTES = 1 << 20, MAX_AGE_S = 86400 };

/* ---- where they lie ---- */

static bool is_digest(const char *digest) {
    return strncmp(digest, "sha256:", 7) == 0 && sha256_valid(digest + 7);
}

char *ollama_blob_path(const char *digest) {
    char *folder = data_path("uploads"), *path = NULL;
    if (folder && is_digest(digest)) path = path_join(folder, digest + 7);
    mem_free(folder);
    return path;
}

/* Removes what nobody came for. */
static void sweep(const char *folder) {
    DIR *stream = opendir(folder);
    for (struct dirent *entry; stream && (entry = readdir(stream));) {
        struct stat info;
        char *path = entry->d_name[0] == '.' ? NULL : path_join(folder, entry->d_name);
        if (path && stat(path, &info) == 0 && info.st_mtime + MAX_AGE_S < time(NULL)) unlink(path);
        mem_free(path);
    }
    if (stream) closedir(stream);
}

void handle_ollama_blob_head(struct exchange *exchange, void *service) {
    (void)service;
    char *path = ollama_blob_path(exchange_parameter(exchange, "digest"));
    exchange_respond(exchange, path && file_exists(path) ? 200 : 404, "application/json", "", 0);
    mem_free(path);
}

/* ---- an upload: the loop brings bytes, a thread of its own writes and hashes them ---- */

struct upload {
    struct exchange *exchange;
    struct ollama_tasks *tasks;
    char digest[80];
    pthread_mutex_t lock;
    pthread_cond_t news;
    struct buffer waiting; /* guarded by lock, as are the next three */
    bool last, gone, held; /* held: the client was told to wait */
};

static bool on_body(void *context, const char *bytes, size_t size, bool last) {
    struct upload *upload = context;
    pthread_mutex_lock(&upload->lock);
    buffer_append(&upload->waiting, bytes, size);
    upload->last = last;
    upload->held = upload->waiting.size > MAX_WAITING_BYTES;
    bool more = !upload->held;
    pthread_cond_signal(&upload->news);
    pthread_mutex_unlock(&upload->lock);
    return more;
}

static void on_closed(void *context) {
    struct upload *upload = context;
    pthread_mutex_lock(&upload->lock);
    upload->gone = true;
    pthread_cond_signal(&upload->news);
    pthread_mutex_unlock(&upload->lock);
}

static void on_cut(void *context, enum cut_reason reason) {
    (void)reason;
    on_closed(context);
}

static void on_release(void *context) {
    struct upload *upload = context;
    buffer_release(&upload->waiting);
    pthread_cond_destroy(&upload->news);
    pthread_mutex_destroy(&upload->lock);
    mem_free(upload);
}

/* What has come since the last time; false at the end. *bytes is empty and cleared. */
static bool next_bytes(struct upload *upload, struct buffer *bytes, bn_status *status, bn_error *err) {
    pthread_mutex_lock(&upload->lock);
    while (!upload->waiting.size && !upload->waiting.failed && !upload->last && !upload->gone)
        pthread_cond_wait(&upload->news, &upload->lock);
    struct buffer taken = upload->waiting;
    upload->waiting = *bytes;
    *bytes = taken;
    bool held = upload->held, gone = upload->gone;
    upload->held = false;
    pthread_mutex_unlock(&upload->lock);
    if (held) exchange_read_on(upload->exchange);
    if (gone) *status = fail(err, BN_STATUS_CANCELLED, "the upload broke off");
    if (bytes->failed) *status = fail_no_memory(err, MAX_WAITING_BYTES);
    return !*status && bytes->size;
}

static bn_status receive(struct upload *upload, const char *path, bn_error *err) {
    struct atomic_file file;
    struct buffer bytes = {0};
    char hex[SHA256_HEX_SIZE];
    bn_status status = atomic_file_open(path, &file, err);
    if (status) return status;
    struct digest digest = {0};
    status = digest_start(&digest, false, 0, err);
    while (!status && next_bytes(upload, &bytes, &status, err)) {
        digest_update(&digest, bytes.data, bytes.size);
        if (fwrite(bytes.data, 1, bytes.size, file.stream) != bytes.size)
            status = fail(err, BN_STATUS_IO, "%s: can't write", path);
        buffer_clear(&bytes);
    }
    buffer_release(&bytes);
    if (!status) digest_finish(&digest, hex);
    digest_release(&digest);
    if (!status && strcmp(hex, upload->digest + 7) != 0)
        status = fail(err, BN_STATUS_BAD_ARGUMENT, "digest mismatch: the body's is sha256:%s", hex);
    if (!status) return atomic_file_commit(&file, err);
    atomic_file_abort(&file);
    return status;
}

static void *run(void *context) {
    struct upload *upload = context;
    struct ollama_tasks *tasks = upload->tasks;
    struct failure failure = {0};
    bn_error error = {0};
    char *folder = data_path("uploads"), *path = ollama_blob_path(upload->digest);
    bn_status status = folder && path ? folder_make_all(folder, &error) : fail_no_memory(&error, 80);
    if (!status) sweep(folder);
    if (!status) status = receive(upload, path, &error);
    mem_free(folder);
    mem_free(path);
    if (status == BN_STATUS_CANCELLED)
        exchange_abort(upload->exchange);
    else if (succeeded(&failure, status, &error))
        exchange_respond(upload->exchange, 201, "application/json", "", 0);
    else
        failure_send(upload->exchange, &failure);
    ollama_tasks_leave(tasks);
    return NULL;
}

void handle_ollama_blob_create(struct exchange *exchange, void *service) {
    const struct api *api = service;
    const struct exchange_watch watch = {
        .on_body = on_body, .on_closed = on_closed, .on_cut = on_cut, .on_release = on_release};
    const struct api_error bad = {.status = 400}, busy = {.status = 503, .retry_after_s = 5};
    const char *digest = exchange_parameter(exchange, "digest");
    pthread_t thread;
    if (!is_digest(digest)) {
        exchange_fail(exchange, &bad, "'%.80s' is not sha256: and 64 hexadecimal digits", digest);
        return;
    }
    struct upload *upload = mem_calloc(1, sizeof *upload);
    if (!upload || !ollama_tasks_enter(api->tasks)) {
        mem_free(upload);
        exchange_fail(exchange, &busy, "too many models are being pulled, pushed or made");
        return;
    }
    upload->exchange = exchange;
    upload->tasks = api->tasks;
    snprintf(upload->digest, sizeof upload->digest, "%s", digest);
    pthread_mutex_init(&upload->lock, NULL);
    pthread_cond_init(&upload->news, NULL);
    exchange_watch(exchange, &watch, upload);
    if (pthread_create(&thread, NULL, run, upload) == 0) {
        pthread_detach(thread);
    } else {
        ollama_tasks_leave(api->tasks);
        exchange_fail(exchange, &busy, "the system refuses another thread");
    }
}
