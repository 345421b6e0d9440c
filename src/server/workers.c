#include "server/workers.h"

#include <string.h>

static void *run(void *context) {
    struct workers *workers = context;
    pthread_mutex_lock(&workers->lock);
    for (;;) {
        while (!workers->n && !workers->stopping) pthread_cond_wait(&workers->wake, &workers->lock);
        if (!workers->n) break;
        const struct worker_job job = workers->jobs[workers->first];
        workers->first = (workers->first + 1) % MAX_WORKER_JOBS;
        workers->n--;
        pthread_mutex_unlock(&workers->lock);
        job.work(job.context);
        pthread_mutex_lock(&workers->lock);
    }
    pthread_mutex_unlock(&workers->lock);
    return NULL;
}

bn_status workers_init(struct workers *workers, size_t n_threads, bn_error *err) {
    memset(workers, 0, sizeof *workers);
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->wake, NULL);
    for (; workers->n_threads < n_threads && workers->n_threads < MAX_WORKERS; workers->n_threads++) {
        int problem = pthread_create(&workers->threads[workers->n_threads], NULL, run, workers);
        if (problem) return fail(err, BN_STATUS_IO, "can't start a worker thread: %s", strerror(problem));
    }
    return BN_OK;
}

void workers_release(struct workers *workers) {
    pthread_mutex_lock(&workers->lock);
    workers->stopping = true;
    pthread_cond_broadcast(&workers->wake);
    pthread_mutex_unlock(&workers->lock);
    for (size_t i = 0; i < workers->n_threads; i++) pthread_join(workers->threads[i], NULL);
    workers->n_threads = 0;
    pthread_cond_destroy(&workers->wake);
    pthread_mutex_destroy(&workers->lock);
}

bool workers_add(struct workers *workers, void (*work)(void *context), void *context) {
    pthread_mutex_lock(&workers->lock);
    bool room = workers->n < MAX_WORKER_JOBS && !workers->stopping;
    if (room) {
        workers->jobs[(workers->first + workers->n) % MAX_WORKER_JOBS] = (struct worker_job){work, context};
        workers->n++;
        pthread_cond_signal(&workers->wake);
    }
    pthread_mutex_unlock(&workers->lock);
    return room;
}
