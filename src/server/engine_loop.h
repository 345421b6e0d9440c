/* The thread that drives an engine: sleeps while there is nothing to do, ends requests whose time is over, and tells
 * whoever submitted a request when it is finished. */
#ifndef SERVER_ENGINE_LOOP_H
#define SERVER_ENGINE_LOOP_H

#include <stdatomic.h>

#include "bitnet/engine.h"

struct engine_loop;

/* A request on its way through the engine: part of what submitted it. */
struct engine_job {
    struct engine_job *next;
    bn_request *request;  /* set by engine_loop_submit; gone after on_ended */
    uint64_t deadline_ns; /* cancelled then, with timed_out set; 0: never */
    atomic_bool timed_out;
    /* The request is finished and still readable; it is released afterwards. status is that of bn_request_wait. Called
     * on the loop's thread, after all of the request's token callbacks. The job may be freed in on_released. */
    void (*on_ended)(struct engine_job *job, bn_status status, const bn_error *error);
    void (*on_released)(struct engine_job *job);
};

/* max_jobs: submitted and not finished; more are refused. The engine must outlive the loop. */
bn_status engine_loop_create(bn_engine *engine, size_t max_jobs, struct engine_loop **out, bn_error *err);
/* There must be no jobs. */
void engine_loop_destroy(struct engine_loop *loop);

/* bn_engine_submit; BN_STATUS_BUSY when there are max_jobs. On failure no callback comes. Any thread. */
bn_status engine_loop_submit(struct engine_loop *loop, const int32_t *prompt, size_t n_prompt,
                             const bn_request_options *options, struct engine_job *job, bn_error *err);
size_t engine_loop_jobs(struct engine_loop *loop);
size_t engine_loop_max_jobs(const struct engine_loop *loop);
/* After a request was cancelled or resumed: the loop may be asleep, since all were paused. Any thread. */
void engine_loop_wake(struct engine_loop *loop);

#endif
