/* Reading a request: what has come so far, from any thread. While a sequence runs, its arrays of ids only grow behind
 * what a reader was shown; its text may move, so a reader gets a copy. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "engine/engine.h"

/* Copies as much of a result as the caller's struct holds and keeps its size field. */
static void copy_out(void *out, const void *full, size_t full_bytes) {
    size_t bytes;
    memcpy(&bytes, out, sizeof bytes);
    if (bytes == 0 || bytes > full_bytes) bytes = full_bytes;
    memcpy((char *)out + sizeof bytes, (const char *)full + sizeof bytes, bytes - min_size(bytes, sizeof bytes));
}

bool bn_request_finished(const bn_request *request) {
    return atomic_load_explicit(&request->finished, memory_order_acquire);
}

/* Whoever waits for a request while all are paused sleeps. */
static void wake_waiters(bn_engine *engine) {
    pthread_mutex_lock(&engine->lock);
    pthread_cond_broadcast(&engine->changed);
    pthread_mutex_unlock(&engine->lock);
}

void bn_request_cancel(bn_request *request) {
    atomic_store(&request->cancelled, true);
    if (atomic_load(&request->paused)) wake_waiters(request->engine);
}

void bn_request_pause(bn_request *request, bool paused) {
    bool before = atomic_exchange(&request->paused, paused);
    if (before && !paused) wake_waiters(request->engine);
}

size_t bn_request_n_choices(const bn_request *request) {
    pthread_mutex_lock(&request->engine->lock);
    size_t n = request->n_choices;
    pthread_mutex_unlock(&request->engine->lock);
    return n;
}

/* The text shown of a sequence; under the lock. NULL: no memory for the copy. */
static const char *shown_text(struct sequence *s) {
    const char *text = s->text.buffer.data ? s->text.buffer.data : "";
    if (s->state == SEQUENCE_DONE) return text;
    mem_free(s->snapshot);
    return s->snapshot = mem_strndup(text, s->text.n_sure);
}

bn_status bn_request_choice(const bn_request *request, size_t choice, bn_choice *out) {
    bn_status status = BN_OK;
    pthread_mutex_lock(&request->engine->lock);
    if (choice < request->n_choices) {
        struct sequence *s = &request->sequences[request->order[choice]];
        bool beam_running = request->beams && s->state != SEQUENCE_DONE;
        bn_choice full = {.size = sizeof full,
                          .ids = s->tokens + request->n_prompt,
                          .n_ids = beam_running ? 0 : s->n_tokens - request->n_prompt,
                          .text = shown_text(s),
                          .text_bytes = s->text.n_sure,
                          .logprobs = request->options.n_logprobs >= 0 ? s->logprobs : NULL,
                          .sum_logprob = request_wants_logprobs(request) ? s->sum_logprob : NAN,
                          .finish = s->finish};
        if (full.text)
            copy_out(out, &full, sizeof full);
        else
            status = BN_STATUS_NO_MEMORY;
    } else {
        status = BN_STATUS_BAD_ARGUMENT;
    }
    pthread_mutex_unlock(&request->engine->lock);
    return status;
}

void bn_request_usage(const bn_request *request, bn_usage *out) {
    pthread_mutex_lock(&request->engine->lock);
    bn_usage full = {.size = sizeof full,
                     .prompt_tokens = request->n_prompt,
                     .cached_tokens = request->cached_tokens,
                     .output_tokens = request->output_tokens,
                     .draft_tokens = request->draft_tokens,
                     .draft_tokens_accepted = request->draft_tokens_accepted};
    if (request->started_ns) full.queue_ns = request->started_ns - request->submitted_ns;
    if (request->first_token_ns) {
        full.prompt_ns = request->first_token_ns - request->started_ns;
        full.output_ns = request->last_token_ns - request->first_token_ns;
    }
    pthread_mutex_unlock(&request->engine->lock);
    copy_out(out, &full, sizeof full);
}

const float *bn_request_prompt_logprobs(const bn_request *request, size_t *n) {
    pthread_mutex_lock(&request->engine->lock);
    bool ready = request->prompt_logprobs && request->first_token_ns;
    pthread_mutex_unlock(&request->engine->lock);
    if (n) *n = ready ? request->n_prompt : 0;
    return ready ? request->prompt_logprobs : NULL;
}

const bn_logprob *bn_request_prompt_top(const bn_request *request, size_t *n_top) {
    size_t n;
    bool ready = bn_request_prompt_logprobs(request, &n) && request->prompt_top;
    if (n_top) *n_top = ready ? (size_t)request->options.n_logprobs : 0;
    return ready ? request->prompt_top : NULL;
}
