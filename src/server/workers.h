/* A few threads for what may block or take long, so that the loop never does. The queue is bounded. */
#ifndef SERVER_WORKERS_H
#define SERVER_WORKERS_H

#include <pthread.h>
#include <stdbool.h>

#include "base/error.h"

struct worker_job {
    void (*work)(void *context);
    void *context;
};

#define MAX_WORKERS     64
#define MAX_WORKER_JOBS 1024

struct workers {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct worker_job jobs[MAX_WORKER_JOBS]; /* guarded by lock, a ring, as are the next three */
    size_t first, n;
    bool stopping;
    pthread_t threads[MAX_WORKERS];
    size_t n_threads;
};

bn_status workers_init(struct workers *workers, size_t n_threads, bn_error *err);
/* Does what is queued, and ends. */
void workers_release(struct workers *workers);
bool workers_add(struct workers *workers, void (*work)(void *context), void *context); /* false: full. Any thread. */

#endif
