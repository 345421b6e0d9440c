/* Lifetimes: each prompt is a job of the engine's loop; the starting thread counts as one more until all are submitted.
 * Whoever is last calls on_end. */
#include "server/generation.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"

struct part {
    struct engine_job job; /* first: jobs are parts */
    struct generation *generation;
    size_t index;
    bool submitted; /* guarded by the generation's lock: the job's request may be cancelled */
    bn_usage usage;
    struct request_times times; /* the engine's thread only, once it is submitted */
};

struct generation {
    const struct model *model;
    const struct generation_sink *sink;
    void *context;
    struct generation_prompt *prompts;
    struct part *parts;
    size_t n_prompts;
    atomic_size_t n_open;
    atomic_bool cancelled;
    pthread_mutex_t lock;
    bool paused;    /* guarded by lock */
    bn_error error; /* guarded by lock: the first */
};

struct generation *generation_create(const struct model *model, const struct generation_prompt *prompts,
                                     size_t n_prompts, const struct generation_sink *sink, void *context) {
    struct generation *generation = mem_calloc(1, sizeof *generation);
    struct part *parts = mem_calloc(n_prompts, sizeof *parts);
    struct generation_prompt *copies = mem_alloc_array(n_prompts, sizeof *copies);
    if (!generation || !parts || !copies) {
        mem_free(generation);
        mem_free(parts);
        mem_free(copies);
        for (size_t i = 0; i < n_prompts; i++) bn_free(prompts[i].ids);
        model_release(model);
        return NULL;
    }
    memcpy(copies, prompts, n_prompts * sizeof *copies);
    generation->model = model;
    generation->sink = sink;
    generation->context = context;
    generation->prompts = copies;
    generation->parts = parts;
    generation->n_prompts = n_prompts;
    pthread_mutex_init(&generation->lock, NULL);
    return generation;
}

void generation_destroy(struct generation *generation) {
    if (!generation) return;
    for (size_t i = 0; i < generation->n_prompts; i++) bn_free(generation->prompts[i].ids);
    model_release(generation->model);
    pthread_mutex_destroy(&generation->lock);
    mem_free(generation->prompts);
    mem_free(generation->parts);
    mem_free(generation);
}

static void note_error(struct generation *generation, const bn_error *error) {
    pthread_mutex_lock(&generation->lock);
    if (!generation->error.status) generation->error = *error;
    pthread_mutex_unlock(&generation->lock);
}

static void close_one(struct generation *generation) {
    if (atomic_fetch_sub(&generation->n_open, 1) > 1) return;
    bn_error error = generation->error; /* nobody else is left */
    if (!error.status && atomic_load(&generation->cancelled)) fail(&error, BN_STATUS_CANCELLED, "cancelled");
    generation->sink->on_end(generation->context, &error);
}

static bool on_token(void *context, const bn_token_event *event) {
    struct part *part = context;
    struct generation *generation = part->generation;
    if (atomic_load(&generation->cancelled)) return false;
    if (event->choice == 0 && event->id >= 0) model_metrics_token(generation->model->metrics, &part->times);
    if (generation->sink->on_token(generation->context, part->index, event)) return true;
    generation_cancel(generation);
    return false;
}

static void on_ended(struct engine_job *job, bn_status status, const bn_error *error) {
    struct part *part = (struct part *)job;
    struct generation *generation = part->generation;
    part->usage.size = sizeof part->usage;
    bn_request_usage(job->request, &part->usage);
    bn_choice choice = {.size = sizeof choice};
    bn_request_choice(job->request, 0, &choice);
    model_metrics_ended(generation->model->metrics, &part->times, &part->usage, status, choice.finish);
    bool timed_out = atomic_load(&job->timed_out);
    if ((!status || timed_out) && generation->sink->on_answered)
        generation->sink->on_answered(generation->context, part->index, job->request);
    pthread_mutex_lock(&generation->lock);
    part->submitted = false;
    if (status && status != BN_STATUS_CANCELLED && !generation->error.status) generation->error = *error;
    pthread_mutex_unlock(&generation->lock);
}

static void on_released(struct engine_job *job) {
    close_one(((struct part *)job)->generation);
}

static bn_status submit(struct generation *generation, size_t i, const bn_request_options *options,
                        uint64_t deadline_ns, bn_error *err) {
    struct part *part = &generation->parts[i];
    bn_request_options own = *options;
    own.on_token = on_token;
    own.on_token_context = part;
    part->job.deadline_ns = deadline_ns;
    part->job.on_ended = on_ended;
    part->job.on_released = on_released;
    part->generation = generation;
    part->index = i;
    part->times.submitted_ns = clock_now_ns();
    /* under the lock, so that generation_cancel sees either nothing or the whole request */
    pthread_mutex_lock(&generation->lock);
    bn_status status = engine_loop_submit(generation->model->loop, generation->prompts[i].ids,
                                          generation->prompts[i].n_ids, &own, &part->job, err);
    part->submitted = !status;
    if (!status && generation->paused) bn_request_pause(part->job.request, true);
    pthread_mutex_unlock(&generation->lock);
    return status;
}

void generation_start(struct generation *generation, const bn_request_options *options, uint64_t timeout_ms) {
    uint64_t deadline_ns = timeout_ms ? clock_now_ns() + timeout_ms * 1000000 : 0;
    size_t n = generation->n_prompts;
    bn_error error = {0};
    atomic_store(&generation->n_open, n + 1);
    for (size_t i = 0; i < n; i++) {
        bn_status status = atomic_load(&generation->cancelled) ? BN_STATUS_CANCELLED
                                                               : submit(generation, i, options, deadline_ns, &error);
        if (!status) continue;
        if (status != BN_STATUS_CANCELLED) note_error(generation, &error);
        generation_cancel(generation);
        atomic_fetch_sub(&generation->n_open, n - i);
        break;
    }
    close_one(generation);
}

void generation_cancel(struct generation *generation) {
    atomic_store(&generation->cancelled, true);
    pthread_mutex_lock(&generation->lock);
    for (size_t i = 0; i < generation->n_prompts; i++) {
        if (generation->parts[i].submitted) bn_request_cancel(generation->parts[i].job.request);
    }
    if (generation->paused) engine_loop_wake(generation->model->loop);
    pthread_mutex_unlock(&generation->lock); /* it may be gone from here on */
}

void generation_pause(struct generation *generation, bool paused) {
    pthread_mutex_lock(&generation->lock);
    bool resumed = generation->paused && !paused;
    generation->paused = paused;
    for (size_t i = 0; i < generation->n_prompts; i++) {
        if (generation->parts[i].submitted) bn_request_pause(generation->parts[i].job.request, paused);
    }
    if (resumed) engine_loop_wake(generation->model->loop);
    pthread_mutex_unlock(&generation->lock);
}

const struct model *generation_model(const struct generation *generation) {
    return generation->model;
}

size_t generation_n_prompts(const struct generation *generation) {
    return generation->n_prompts;
}

const struct generation_prompt *generation_prompt(const struct generation *generation, size_t prompt) {
    return &generation->prompts[prompt];
}

bn_usage generation_usage(const struct generation *generation) {
    bn_usage sum = {.size = sizeof sum};
    for (size_t i = 0; i < generation->n_prompts; i++) {
        const bn_usage *u = &generation->parts[i].usage;
        sum.prompt_tokens += u->prompt_tokens;
        sum.cached_tokens += u->cached_tokens;
        sum.output_tokens += u->output_tokens;
        sum.draft_tokens += u->draft_tokens;
        sum.draft_tokens_accepted += u->draft_tokens_accepted;
        if (u->queue_ns > sum.queue_ns) sum.queue_ns = u->queue_ns;
        if (u->prompt_ns > sum.prompt_ns) sum.prompt_ns = u->prompt_ns;
        if (u->output_ns > sum.output_ns) sum.output_ns = u->output_ns;
    }
    return sum;
}

bool generation_timed_out(const struct generation *generation) {
    for (size_t i = 0; i < generation->n_prompts; i++)
        if (atomic_load(&generation->parts[i].job.timed_out)) return true;
    return false;
}
