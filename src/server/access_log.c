#include "server/access_log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "server/server_core.h"

#define MAX_QUEUED_BYTES ((size_t)1 << 20)

/* In pieces that a pipe takes whole once it polls as writable, so that no write blocks. False when the reader is gone, or
 * stands still while the log is to end. */
static bool write_all(struct access_log *log, const char *bytes, size_t size) {
    while (size) {
        struct pollfd wait = {.fd = log->fd, .events = POLLOUT};
        if (poll(&wait, 1, 1000) <= 0) {
            pthread_mutex_lock(&log->lock);
            bool stopping = log->stopping;
            pthread_mutex_unlock(&log->lock);
            if (stopping) return false;
            continue;
        }
        ssize_t n = write(log->fd, bytes, min_size(size, PIPE_BUF));
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (n <= 0) return false;
        bytes += n;
        size -= (size_t)n;
    }
    return true;
}

static void *run(void *context) {
    struct access_log *log = context;
    struct buffer lines = {0};
    bool broken = false;
    pthread_mutex_lock(&log->lock);
    for (;;) {
        while (!log->lines.size && !log->stopping) pthread_cond_wait(&log->wake, &log->lock);
        if (!log->lines.size) break;
        struct buffer empty = lines;
        lines = log->lines;
        log->lines = empty;
        buffer_clear(&log->lines);
        pthread_mutex_unlock(&log->lock);
        if (!broken) broken = !write_all(log, lines.data, lines.size);
        pthread_mutex_lock(&log->lock);
    }
    pthread_mutex_unlock(&log->lock);
    buffer_release(&lines);
    return NULL;
}

bn_status access_log_init(struct access_log *log, int fd, bn_error *err) {
    *log = (struct access_log){.fd = fd};
    pthread_mutex_init(&log->lock, NULL);
    pthread_cond_init(&log->wake, NULL);
    int problem = pthread_create(&log->thread, NULL, run, log);
    if (problem) return fail(err, BN_STATUS_IO, "can't start the access log's thread: %s", strerror(problem));
    log->running = true;
    return BN_OK;
}

void access_log_release(struct access_log *log) {
    if (!log->running) return;
    pthread_mutex_lock(&log->lock);
    log->stopping = true;
    pthread_cond_signal(&log->wake);
    pthread_mutex_unlock(&log->lock);
    pthread_join(log->thread, NULL);
    buffer_release(&log->lines);
    pthread_cond_destroy(&log->wake);
    pthread_mutex_destroy(&log->lock);
    log->running = false;
}

static void append_line(struct buffer *out, const struct exchange *exchange, bool gone) {
    const struct request *request = &exchange->request;
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    char when[32];
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &utc);
    buffer_printf(out, "{\"time\":\"%s.%03ldZ\",\"id\":\"%s\",\"client\":", when, now.tv_nsec / 1000000,
                  request->id ? request->id : "");
    buffer_append_json_string(out, request->address, strlen(request->address));
    buffer_printf(out, ",\"user\":\"%s\",\"protocol\":\"%s\",\"method\":\"%s\",\"path\":", request->client,
                  request->protocol, http_method_name(request->method));
    const char *path = request->path ? request->path : "";
    buffer_append_json_string(out, path, strlen(path));
    buffer_printf(out, ",\"status\":%d,\"in\":%zu,\"out\":%llu,\"ms\":%.3f%s", exchange->status,
                  exchange->body_received, (unsigned long long)exchange->bytes_sent,
                  (double)(clock_now_ns() - request->start_ns) / 1e6, gone ? ",\"gone\":true" : "");
    if (*exchange->note) {
        buffer_append_text(out, ",\"note\":");
        buffer_append_json_string(out, exchange->note, strlen(exchange->note));
    }
    buffer_append_text(out, "}\n");
}

void access_log_add(struct access_log *log, struct exchange *exchange, bool gone) {
    if (!log->running) return;
    const struct route *route = exchange->match.route;
    bool probe = route && (route->scope == SCOPE_PUBLIC || route->scope == SCOPE_METRICS) && exchange->status < 300;
    if (probe && !gone) return;
    pthread_mutex_lock(&log->lock);
    if (log->lines.size > MAX_QUEUED_BYTES) {
        log->n_dropped++;
    } else {
        if (log->n_dropped)
            buffer_printf(&log->lines, "{\"dropped_lines\":%llu}\n", (unsigned long long)log->n_dropped);
        log->n_dropped = 0;
        append_line(&log->lines, exchange, gone);
        if (log->lines.failed) buffer_clear(&log->lines);
        pthread_cond_signal(&log->wake);
    }
    pthread_mutex_unlock(&log->lock);
}
