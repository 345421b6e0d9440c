/* HEAD and POST /api/blobs/sha256:…: files that /api/create makes models of. They wait in the data folder's "uploads" until
 * they are used, at most a day; together they have at most so many bytes: the oldest make room for others. */
#include <dirent.h>
#include <inttypes.h>
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

enum { MAX_WAITING_BYTES = 1 << 20, MAX_AGE_S = 86400, LEAST_FILE_BYTES = 1 << 20 };

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

/* The complete files of the folder. */
struct uploads {
    uint64_t bytes;
    char *oldest; /* path of the oldest; NULL: there is none */
    struct timespec oldest_time;
};

static bool is_earlier(const struct timespec *a, const struct timespec *b) {
    return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

/* A small file counts LEAST_FILE_BYTES, so that there can't be any number of them. */
static uint64_t counted_bytes(uint64_t size) {
    return size > LEAST_FILE_BYTES ? size : LEAST_FILE_BYTES;
}

static void count_file(struct uploads *uploads, const char *name, char *path, const struct stat *info) {
    bool complete = sha256_valid(name);
    if (complete) uploads->bytes += counted_bytes((uint64_t)info->st_size);
    if (!complete || (uploads->oldest && !is_earlier(&info->st_mtim, &uploads->oldest_time))) {
        mem_free(path);
        return;
    }
    mem_free(uploads->oldest);
    uploads->oldest = path;
    uploads->oldest_time = info->st_mtim;
}

/* Counts what lies there, and removes what nobody came for. */
static void sweep(const char *folder, struct uploads *out) {
    *out = (struct uploads){0};
    DIR *stream = opendir(folder);
    for (struct dirent *entry; stream && (entry = readdir(stream));) {
        struct stat info;
        char *path = entry->d_name[0] == '.' ? NULL : path_join(folder, entry->d_name);
        bool there = path && stat(path, &info) == 0;
        bool kept = there && info.st_mtime + MAX_AGE_S >= time(NULL);
        if (there && !kept) unlink(path);
        if (kept)
            count_file(out, entry->d_name, path, &info);
        else
            mem_free(path);
    }
    if (stream) closedir(stream);
}

/* Is there room for n bytes more? The oldest complete files are removed for them. */
static bool make_room(const char *folder, uint64_t n, uint64_t most) {
    struct uploads uploads;
    sweep(folder, &uploads);
    while (uploads.bytes + n > most && uploads.oldest && unlink(uploads.oldest) == 0) {
        mem_free(uploads.oldest);
        sweep(folder, &uploads);
    }
    mem_free(uploads.oldest);
    return uploads.bytes + n <= most;
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
    const struct api *api;
    char digest[80];
    char *folder, *path;    /* where it goes; the thread's, as are the next two */
    uint64_t size, counted; /* bytes that were written, and as what they count */
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
    mem_free(upload->folder);
    mem_free(upload->path);
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

/* What the uploads that are still coming count as: their files needn't have names yet. */
static struct {
    pthread_mutex_t lock;
    uint64_t counted;
} coming = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Writes within the bound of all uploads, one of them at a time. */
static bn_status write_bytes(struct upload *upload, FILE *stream, const struct buffer *bytes, bn_error *err) {
    uint64_t size = upload->size + bytes->size, counted = counted_bytes(size);
    bool written = false;
    pthread_mutex_lock(&coming.lock);
    bool room = make_room(upload->folder, coming.counted - upload->counted + counted, upload->api->upload_bytes);
    if (room) {
        written = fwrite(bytes->data, 1, bytes->size, stream) == bytes->size && fflush(stream) == 0;
        coming.counted += counted - upload->counted;
        upload->counted = counted;
        upload->size = size;
    }
    pthread_mutex_unlock(&coming.lock);
    if (!room)
        return fail(err, BN_STATUS_BUSY,
                    "uploads may have %" PRIu64 " MiB in all (--max-uploads-mib): there is no room",
                    upload->api->upload_bytes >> 20);
    return written ? BN_OK : fail(err, BN_STATUS_IO, "%s: can't write", upload->path);
}

/* The upload has come, and lies in the folder, or broke off. */
static void forget_coming(struct upload *upload) {
    pthread_mutex_lock(&coming.lock);
    coming.counted -= upload->counted;
    pthread_mutex_unlock(&coming.lock);
}

static bn_status receive(struct upload *upload, bn_error *err) {
    struct atomic_file file;
    struct buffer bytes = {0};
    char hex[SHA256_HEX_SIZE];
    bn_status status = atomic_file_open(upload->path, &file, err);
    if (status) return status;
    struct digest digest = {0};
    status = digest_start(&digest, false, 0, err);
    while (!status && next_bytes(upload, &bytes, &status, err)) {
        digest_update(&digest, bytes.data, bytes.size);
        status = write_bytes(upload, file.stream, &bytes, err);
        buffer_clear(&bytes);
    }
    buffer_release(&bytes);
    if (!status) digest_finish(&digest, hex);
    digest_release(&digest);
    if (!status && strcmp(hex, upload->digest + 7) != 0)
        status = fail(err, BN_STATUS_BAD_ARGUMENT, "digest mismatch: the body's is sha256:%s", hex);
    if (!status)
        status = atomic_file_commit(&file, err);
    else
        atomic_file_abort(&file);
    forget_coming(upload);
    return status;
}

static void refuse_upload(struct exchange *exchange, struct failure *failure) {
    if (failure->status == 429) { /* there is no room, nor will there be */
        failure->status = 413;
        failure->retry_after_s = 0;
        failure->code = "uploads_full";
    }
    failure_send(exchange, failure);
}

static void *run(void *context) {
    struct upload *upload = context;
    struct ollama_tasks *tasks = upload->api->tasks;
    struct failure failure = {0};
    bn_error error = {0};
    upload->folder = data_path("uploads");
    upload->path = ollama_blob_path(upload->digest);
    bool there = upload->folder && upload->path;
    bn_status status = there ? folder_make_all(upload->folder, &error) : fail_no_memory(&error, sizeof upload->digest);
    if (!status) status = receive(upload, &error);
    if (status == BN_STATUS_CANCELLED)
        exchange_abort(upload->exchange);
    else if (succeeded(&failure, status, &error))
        exchange_respond(upload->exchange, 201, "application/json", "", 0);
    else
        refuse_upload(upload->exchange, &failure);
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
    upload->api = api;
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
