#include "server/engine_loop.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"

struct engine_loop {
    bn_engine *engine;
    size_t max_jobs;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Guarded by lock. */
    struct engine_job *arrived; /* submitted, not yet seen by the thread */
    size_t n_jobs;
    bool stopping;
    bool woken;
    /* The thread's own. */
    struct engine_job *jobs;
};

/* Takes over what has arrived; waits while there is nothing at all. False: the loop ends. */
static bool take_arrived(struct engine_loop *loop) {
    pthread_mutex_lock(&loop->lock);
    while (!loop->arrived && !loop->jobs && !loop->stopping) pthread_cond_wait(&loop->changed, &loop->lock);
    while (loop->arrived) {
        struct engine_job *job = loop->arrived;
        loop->arrived = job->next;
        job->next = loop->jobs;
        loop->jobs = job;
    }
    bool go_on = loop->jobs || !loop->stopping;
    pthread_mutex_unlock(&loop->lock);
    return go_on;
}

static void end_job(struct engine_loop *loop, struct engine_job *job) {
    bn_error error = {0};
    bn_request *request = job->request;
    bn_status status = bn_request_wait(request, &error);
    job->on_ended(job, status, &error);
    job->request = NULL;
    bn_request_release(request);
    pthread_mutex_lock(&loop->lock);
    loop->n_jobs--;
    pthread_mutex_unlock(&loop->lock);
    job->on_released(job);
}

static void settle_jobs(struct engine_loop *loop) {
    uint64_t now_ns = clock_now_ns();
    for (struct engine_job **at = &loop->jobs; *at;) {
        struct engine_job *job = *at;
        if (bn_request_finished(job->request)) {
            *at = job->next;
            end_job(loop, job);
            continue;
        }
        if (job->deadline_ns && !job->timed_out && now_ns > job->deadline_ns) {
            job->timed_out = true;
            bn_request_cancel(job->request);
        }
        at = &job->next;
    }
}

/* The earliest deadline of a job; 0: there is none. */
static uint64_t next_deadline(const struct engine_loop *loop) {
    uint64_t earliest = 0;
    for (const struct engine_job *job = loop->jobs; job; job = job->next)
        if (job->deadline_ns && !job->timed_out && (!earliest || job->deadline_ns < earliest))
            earliest = job->deadline_ns;
    return earliest;
}

/* All jobs are paused: until something happens to one, another comes, or time runs out. */
static void sleep_until_woken(struct engine_loop *loop) {
    uint64_t deadline_ns = next_deadline(loop);
    const struct timespec deadline = {(time_t)(deadline_ns / 1000000000), (long)(deadline_ns % 1000000000)};
    int result = 0;
    pthread_mutex_lock(&loop->lock);
    while (!loop->woken && !loop->arrived && result != ETIMEDOUT)
        result = deadline_ns ? pthread_cond_timedwait(&loop->changed, &loop->lock, &deadline)
                             : pthread_cond_wait(&loop->changed, &loop->lock);
    loop->woken = false;
    pthread_mutex_unlock(&loop->lock);
}

static void *run(void *context) {
    struct engine_loop *loop = context;
    while (take_arrived(loop)) {
        bool busy;
        bn_engine_step(loop->engine, &busy, NULL);
        settle_jobs(loop);
        if (!busy && loop->jobs) sleep_until_woken(loop);
    }
    return NULL;
}

void engine_loop_wake(struct engine_loop *loop) {
    pthread_mutex_lock(&loop->lock);
    loop->woken = true;
    pthread_cond_signal(&loop->changed);
    pthread_mutex_unlock(&loop->lock);
}

bn_status engine_loop_create(bn_engine *engine, size_t max_jobs, struct engine_loop **out, bn_error *err) {
    struct engine_loop *loop = mem_calloc(1, sizeof *loop);
    if (!loop) return fail_no_memory(err, sizeof *loop);
    loop->engine = engine;
    loop->max_jobs = max_jobs;
    pthread_condattr_t monotonic; /* as clock_now_ns() counts */
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&loop->lock, NULL);
    pthread_cond_init(&loop->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (pthread_create(&loop->thread, NULL, run, loop)) {
        pthread_cond_destroy(&loop->changed);
        pthread_mutex_destroy(&loop->lock);
        mem_free(loop);
        return fail(err, BN_STATUS_NO_MEMORY, "the system refuses another thread");
    }
    *out = loop;
    return BN_OK;
}

void engine_loop_destroy(struct engine_loop *loop) {
    if (!loop) return;
    pthread_mutex_lock(&loop->lock);
    loop->stopping = true;
    pthread_cond_signal(&loop->changed);
    pthread_mutex_unlock(&loop->lock);
    pthread_join(loop->thread, NULL);
    pthread_cond_destroy(&loop->changed);
    pthread_mutex_destroy(&loop->lock);
    mem_free(loop);
}

/* A place among the jobs is taken before the engine hears of the request and given back if it refuses. */
static bn_status reserve(struct engine_loop *loop, bn_error *err) {
    pthread_mutex_lock(&loop->lock);
    bool free_place = loop->n_jobs < loop->max_jobs;
    loop->n_jobs += free_place;
    pthread_mutex_unlock(&loop->lock);
    return free_place ? BN_OK : fail(err, BN_STATUS_BUSY, "%zu requests are waiting already", loop->max_jobs);
}

bn_status engine_loop_submit(struct engine_loop *loop, const int32_t *prompt, size_t n_prompt,
                             const bn_request_options *options, struct engine_job *job, bn_error *err) {
    bn_status status = reserve(loop, err);
    if (status) return status;
    status = bn_engine_submit(loop->engine, prompt, n_prompt, options, &job->request, err);
    pthread_mutex_lock(&loop->lock);
    if (status) {
        loop->n_jobs--;
    } else {
        job->next = loop->arrived;
        loop->arrived = job;
        pthread_cond_signal(&loop->changed);
    }
    pthread_mutex_unlock(&loop->lock);
    return status;
}

size_t engine_loop_max_jobs(const struct engine_loop *loop) {
    return loop->max_jobs;
}

size_t engine_loop_jobs(struct engine_loop *loop) {
    pthread_mutex_lock(&loop->lock);
    size_t n = loop->n_jobs;
    pthread_mutex_unlock(&loop->lock);
    return n;
}
