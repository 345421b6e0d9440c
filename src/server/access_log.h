/* One JSON object a line for each request, written by a thread of its own: a reader of the log that stands still costs
 * lines (counted), never answers. */
#ifndef SERVER_ACCESS_LOG_H
#define SERVER_ACCESS_LOG_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

struct exchange;

struct access_log {
    bool running;
    int fd;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct buffer lines; /* guarded by lock */
    uint64_t n_dropped;  /* guarded by lock: since the last line that was kept */
    bool stopping;       /* guarded by lock */
};

/* Starts logging to fd. */
bn_status access_log_init(struct access_log *log, int fd, bn_error *err);
/* Writes what is queued (for a second at most), and ends. */
void access_log_release(struct access_log *log);
/* A finished exchange; gone: the client went away before its end. Health checks and metrics that succeed aren't logged. */
void access_log_add(struct access_log *log, struct exchange *exchange, bool gone);

#endif
