/* One step: guesses, plan, forward pass, a draw for every row that ends a sequence's tokens or a right guess, and what
 * comes of it. The lock is held while plans are made and results booked, which is short, and not while anything is
 * computed. */
#include "engine/beam.h"
#include "engine/engine.h"

#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "engine/screen.h"

/* ---- rows of logits; on any thread, without the lock ---- */

/* Draws what follows the tokens and n_right guesses. The row is left as it is if `keep`: others need it, or its
 * log-probabilities are. */
static void draw_token(const bn_engine *engine, struct sequence *s, size_t n_right, float *row, bool keep,
                       size_t slot) {
    const bn_request *request = s->request;
    struct draw *draw = &s->draws[n_right];
    float *logits = row;
    bool want_logprobs = request_wants_logprobs(request);
    if (keep || want_logprobs) {
        logits = (float *)(engine->scratch + slot * engine->vocab_size);
        memcpy(logits, row, engine->vocab_size * sizeof *row);
    }
    struct sampler_input input = request_sampler_input(request, s, s->n_tokens + n_right, logits);
    draw->status = request_allow(request, s, s->n_tokens + n_right, &input, &draw->error);
    if (!draw->status) draw->status = sampler_sample(s->sampler, &input, &draw->id, &draw->error);
    if (draw->status || !want_logprobs) return;
    size_t n_top = request->options.n_logprobs > 0 ? (size_t)request->options.n_logprobs : 0;
    logprobs_of(row, engine->vocab_size, draw->id, &draw->logprob, draw->top, n_top);
}

/* Draws along the guesses, after what a screened head has decided. */
static void draw_along(const bn_engine *engine, struct sequence *s, float *rows, size_t slot) {
    for (; !request_draws_end(s); s->n_draws++, rows += engine->vocab_size)
        draw_token(engine, s, s->n_draws, rows, false, slot);
}

/* The last row of a sequence, with those of its guesses: the first of a request serves all of its choices. */
static void draw_next(const bn_engine *engine, struct sequence *s, float *row, size_t slot) {
    bn_request *request = s->request;
    if (request->beams) {
        beam_score(s, row, engine->vocab_size, engine->scratch + slot * engine->vocab_size);
    } else if (request->forked) {
        draw_along(engine, s, row, slot);
    } else {
        for (size_t i = 0; i < request->n_sequences; i++)
            draw_token(engine, &request->sequences[i], 0, row, i + 1 < request->n_sequences, slot);
    }
}

/* Log-probabilities at a place of the prompt. */
static void echo_logprobs(bn_request *request, const float *row, size_t vocab_size, int32_t id, size_t place) {
    size_t n_top = request->prompt_top ? (size_t)request->options.n_logprobs : 0;
    logprobs_of(row, vocab_size, id, &request->prompt_logprobs[place],
                n_top ? request->prompt_top + place * n_top : NULL, n_top);
}

static void process_rows(const bn_engine *engine, const struct plan_item *item, size_t slot) {
    struct sequence *s = item->sequence;
    bn_request *request = s->request;
    size_t vocab_size = engine->vocab_size;
    float *row = item->logits;
    for (size_t i = 0; i < s->n_planned; i++) {
        size_t position = s->n_computed + i;
        if (!request_wants_row(request, s, position)) continue;
        if (request->logits) {
            float *to = request->logits + (request->last_row_only ? 0 : position * vocab_size);
            if (to != row) memcpy(to, row, vocab_size * sizeof *row);
        } else {
            if (request->prompt_logprobs && position >= request->n_echoed && position + 1 < request->n_prompt)
                echo_logprobs(request, row, vocab_size, s->tokens[position + 1], position + 1);
            if (position + 1 == s->n_tokens) {
                draw_next(engine, s, row, slot);
                return;
            }
        }
        row += vocab_size;
    }
}

/* Samplers of the caller's own run on the driving thread, as promised; all others wherever there is room. */
static bool runs_on_driver(const struct plan_item *item) {
    return !item->drawn && item->sequence->request->options.sampling.custom != NULL;
}

/* Adds up the hidden states of an embedding's tokens, one after the other; the last one's step divides. */
static void pool_hidden(const bn_engine *engine, struct plan_item *item) {
    bn_request *request = item->sequence->request;
    const struct sequence *s = item->sequence;
    size_t n = model_hidden_size(engine->model), n_pooled = request->last_row_only ? 1 : s->n_tokens;
    for (size_t r = 0; r < item->n_rows; r++) {
        const float *hidden = model_hidden(engine->model, engine->workspace, item->first_row + r);
        for (size_t i = 0; i < n; i++) request->hidden[i] += (double)hidden[i];
    }
    if (s->n_computed + s->n_planned < s->n_tokens) return;
    for (size_t i = 0; i < n; i++) request->embedding[i] = (float)(request->hidden[i] / (double)n_pooled);
}

static void process_chunk(void *context, size_t chunk, size_t slot) {
    const bn_engine *engine = context;
    const struct plan_item *item = &engine->plan.items[chunk];
    if (!item->drawn && !runs_on_driver(item)) process_rows(engine, item, slot);
}

/* All logits of the rows that still need them. */
static void compute_logits(bn_engine *engine, const struct forward_options *options) {
    struct plan *plan = &engine->plan;
    size_t n = 0;
    for (size_t i = 0; i < plan->n_items; i++) {
        struct plan_item *item = &plan->items[i];
        if (item->drawn) continue;
        item->logits = plan->logits + n * engine->vocab_size;
        for (size_t r = item->sequence->n_draws; r < item->n_rows; r++) plan->rows[n++] = item->first_row + r;
    }
    if (n > 0)
        model_logits(engine->model, engine->workspace, options, n < plan->n_rows ? plan->rows : NULL, n, plan->logits);
}

static void compute(bn_engine *engine) {
    const struct plan *plan = &engine->plan;
    const struct forward_options options = {.kernels = engine->kernels,
                                            .pool = engine->pool,
                                            .kv_type = engine->kv_type,
                                            .timer = engine->timer,
                                            .attention_sinks = engine->attention_sinks,
                                            .attention_window = engine->attention_window};
    const struct batch batch = {.tokens = plan->tokens,
                                .want_logits = plan->want_logits,
                                .n_tokens = plan->n_tokens,
                                .sequences = plan->sequences,
                                .n_sequences = plan->n_items};
    step_done(&engine->timer, STEP_PLAN, -1, plan->n_tokens);
    model_forward(engine->model, engine->workspace, &options, &batch, NULL);
    for (size_t i = 0; i < plan->n_items; i++) {
        struct plan_item *item = &engine->plan.items[i];
        item->drawn = item->sequence->request->embedding != NULL;
        if (item->drawn) pool_hidden(engine, item);
    }
    if (engine->screen) screen_draw(engine, &options);
    compute_logits(engine, &options);
    step_done(&engine->timer, STEP_HEAD, -1, plan->n_rows);
    thread_pool_run(engine->pool, process_chunk, engine, plan->n_items);
    for (size_t i = 0; i < plan->n_items; i++) {
        if (runs_on_driver(&plan->items[i])) process_rows(engine, &plan->items[i], 0);
    }
    step_done(&engine->timer, STEP_DRAW, -1, plan->n_rows);
}

/* ---- booking the results; under the lock ---- */

static void append_first(bn_engine *engine, struct sequence *s) {
    speculation_note_result(&engine->speculation, s, s->n_draws - 1);
    s->draw = s->draws;
    sequence_append(engine, s);
}

/* The next draw of every sequence that has one: one token at a time, so that callbacks, stop strings and cancelling
 * see nothing of guesses. The plan shrinks to the sequences that have more. */
static void book_next(bn_engine *engine) {
    struct plan *plan = &engine->plan;
    size_t n = 0;
    for (size_t i = 0; i < plan->n_items; i++) {
        struct sequence *s = plan->items[i].sequence;
        if (s->state != SEQUENCE_RUNNING || atomic_load(&s->request->cancelled)) continue;
        s->draw++;
        s->n_computed = s->n_tokens;
        sequence_append(engine, s);
        plan->items[n] = plan->items[i];
        n += s->state == SEQUENCE_RUNNING && s->draw + 1 < s->draws + s->n_draws;
    }
    plan->n_items = n;
}

static void keep_items_with_more(struct plan *plan) {
    size_t n = 0;
    for (size_t i = 0; i < plan->n_items; i++) {
        const struct sequence *s = plan->items[i].sequence;
        plan->items[n] = plan->items[i];
        n += s->state == SEQUENCE_RUNNING && s->n_draws > 1;
    }
    plan->n_items = n;
}

/* The choices go their own ways from the prompt's pages: those that find a slot at once, others when one is free. */
static void fork_choices(bn_engine *engine, bn_request *request) {
    request->forked = true;
    for (size_t i = 1; i < request->n_sequences; i++) {
        struct sequence *s = &request->sequences[i];
        s->state = SEQUENCE_WAITING;
        if (!scheduler_has_slot(engine)) continue;
        s->state = SEQUENCE_RUNNING;
        sequence_fork_pages(s, &request->sequences[0], &engine->cache);
    }
    for (size_t i = 0; i < request->n_sequences; i++) {
        if (request->sequences[i].state != SEQUENCE_DONE) sequence_append(engine, &request->sequences[i]);
    }
}

static void book_item(bn_engine *engine, struct sequence *s, uint64_t now_ns) {
    bn_request *request = s->request;
    size_t n = s->n_planned, from = s->n_computed;
    if (s->state == SEQUENCE_DONE) return;           /* another choice of its request failed in this step */
    s->n_computed = min_size(from + n, s->n_tokens); /* guesses count once they have come true */
    s->n_planned = 0;
    if (engine->attention_window)
        sequence_drop_unseen(s, &engine->cache, engine->attention_sinks, engine->attention_window);
    if (!request->begun) {
        request->begun = true;
        request->cached_tokens = from;
        engine->cached_tokens += from;
    }
    if (from < request->n_prompt) {
        engine->prompt_tokens += min_size(s->n_computed, request->n_prompt) - from;
        request->n_echoed = max_size(request->n_echoed, min_size(s->n_computed, request->n_prompt));
        if (engine->use_prefixes) sequence_share_pages(s, &engine->prefixes);
    }
    if (sequence_pending(s)) return;

    if (request->first_token_ns == 0) request->first_token_ns = now_ns;
    request->last_token_ns = now_ns;
    if (request->logits || request->embedding)
        sequence_finish(engine, s, BN_FINISH_STOP);
    else if (request->beams) {
        if (beam_advance(request, &engine->cache)) beams_finish(engine, request);
    } else if (!request->forked)
        fork_choices(engine, request);
    else
        append_first(engine, s);
}

static bool abort_cancelled(bn_engine *engine) {
    for (size_t i = 0; i < engine->n_live; i++) {
        struct sequence *s = engine->live[i];
        if (s->state != SEQUENCE_DONE && atomic_load(&s->request->cancelled))
            request_abort(engine, s->request, BN_FINISH_CANCELLED,
                          &(bn_error){BN_STATUS_CANCELLED, "the request was cancelled"});
    }
    return engine->touched != NULL;
}

static void compute_and_book(bn_engine *engine) {
    struct plan *plan = &engine->plan;
    bool only_decodes = plan->n_rows == plan->n_tokens;
    pthread_mutex_unlock(&engine->lock);
    uint64_t begun_ns = clock_now_ns();
    compute(engine);
    uint64_t now_ns = clock_now_ns();
    pthread_mutex_lock(&engine->lock);
    engine->steps++;
    engine->head_screened += plan->screened;
    engine->head_rescored += plan->rescored;
    engine->head_fallbacks += plan->fallbacks;
    if (only_decodes)
        speculation_note_step(&engine->speculation, plan->n_tokens, now_ns - begun_ns);
    else
        scheduler_note_step(engine, now_ns - begun_ns);
    for (size_t i = 0; i < plan->n_items; i++) book_item(engine, plan->items[i].sequence, now_ns);
    keep_items_with_more(plan);
}

bool engine_run_step(bn_engine *engine, bool *finished) {
    struct plan *plan = &engine->plan;
    *finished = false;
    if (engine->n_live == 0) return false;
    plan->n_items = 0;
    if (!abort_cancelled(engine)) {
        if (!scheduler_suspend_paused(engine)) return false;
        speculation_guess(engine);
        scheduler_plan(engine);
        if (plan->n_items) compute_and_book(engine);
    }
    /* Once a request is settled its owner may release it: by then no item of the plan may point to it. */
    for (;; book_next(engine)) {
        outcome_deliver(engine);
        *finished |= outcome_settle(engine);
        if (!plan->n_items) return true;
    }
}
