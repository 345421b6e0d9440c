#include "bench/speed.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "engine/engine.h"

enum { WARM_UP_PROMPT = 64, WARM_UP_OUTPUT = 2, DEFAULT_BATCH_TOKENS = 256 };

void speed_test_name(const struct speed_test *test, char *out, size_t size) {
    char prompt[32] = "", output[32] = "", depth[32] = "", streams[32] = "";
    if (test->prompt) snprintf(prompt, sizeof prompt, "pp%zu", test->prompt);
    if (test->output) snprintf(output, sizeof output, "%stg%zu", test->prompt ? "+" : "", test->output);
    if (test->depth) snprintf(depth, sizeof depth, "@d%zu", test->depth);
    if (test->streams > 1) snprintf(streams, sizeof streams, "x%zu", test->streams);
    snprintf(out, size, "%s%s%s%s", prompt, output, depth, streams);
}

/* One measurement under way. */
struct measurement {
    bn_engine *engine;
    const struct speed_test *test;
    bool (*cancelled)(void);
    struct speed_sample *sample;
    size_t n_prompt, max_tokens; /* of each sequence */
    size_t depth;                /* tokens of each that are put into the cache and not computed */
    size_t n_filled;             /* of all sequences, so far */
    int32_t *ids;                /* [n_prompt] */
    size_t vocab_size;
    bn_request **requests; /* [streams]; NULL where there is none */
    size_t *n_output;      /* [streams] tokens drawn so far */
};

static bool on_token(void *context, const bn_token_event *event) {
    size_t *n_output = context;
    *n_output += event->id >= 0;
    return true;
}

static bn_status submit(struct measurement *m, size_t stream, size_t n_prompt, size_t max_tokens, bn_error *err) {
    for (size_t i = 0; i < n_prompt; i++)
        m->ids[i] = (int32_t)(random_uniform(1, (uint32_t)stream, i, 0) * (double)m->vocab_size);
    bn_request_options options;
    bn_request_options_init(&options);
    options.sampling.temperature = 0;
    options.max_tokens = max_tokens;
    options.ignore_end = true;
    options.on_token = on_token;
    options.on_token_context = &m->n_output[stream];
    m->n_output[stream] = 0;
    return bn_engine_submit(m->engine, m->ids, n_prompt, &options, &m->requests[stream], err);
}

static void release_requests(struct measurement *m) {
    for (size_t i = 0; i < m->test->streams; i++) {
        if (m->requests[i]) bn_request_release(m->requests[i]);
        m->requests[i] = NULL;
    }
}

/* Positions up to `depth` of a sequence whose first ones have been computed: their pages' contents, again and again. How
 * long a step takes depends on where keys and values lie and not on what they are, and computing 32,768 of them takes
 * a quarter of an hour. What can't be had is computed after all. Nobody else uses the engine. */
static void fill_depth(struct measurement *m, struct sequence *s) {
    struct kv_cache *cache = &m->engine->cache;
    size_t known = s->n_computed / KV_PAGE_TOKENS;
    while (known > 0 && s->state == SEQUENCE_RUNNING && s->n_computed < m->depth) {
        size_t page = s->n_computed / KV_PAGE_TOKENS, end = min_size(m->depth, (page + 1) * KV_PAGE_TOKENS);
        if (!sequence_secure_page(s, cache, s->n_computed)) return;
        memcpy(s->page_data[page], s->page_data[page % known], cache->page_bytes);
        m->n_filled += end - s->n_computed;
        s->n_computed = end;
    }
}

static bn_status step(struct measurement *m, bn_error *err) {
    bool busy;
    if (m->cancelled && m->cancelled()) return fail(err, BN_STATUS_CANCELLED, "interrupted");
    bn_status status = bn_engine_step(m->engine, &busy, err);
    for (size_t i = 0; !status && m->depth && i < m->test->streams; i++)
        if (m->requests[i]) fill_depth(m, &m->requests[i]->sequences[0]);
    for (size_t i = 0; !status && !busy && i < m->test->streams; i++)
        if (m->requests[i]) status = bn_request_wait(m->requests[i], err); /* the reason why it ended early */
    if (!status && !busy) return fail(err, BN_STATUS_INTERNAL, "the engine ended before the measurement did");
    return status;
}

static size_t prompt_tokens_done(const struct measurement *m) {
    bn_engine_stats stats = {.size = sizeof stats};
    bn_engine_get_stats(m->engine, &stats);
    return (size_t)stats.prompt_tokens + m->n_filled;
}

/* Sequences that have drawn n tokens. */
static size_t streams_with(const struct measurement *m, size_t n) {
    size_t count = 0;
    for (size_t i = 0; i < m->test->streams; i++) count += m->n_output[i] >= n;
    return count;
}

/* Code, tables and worker threads as a running program has them. */
static bn_status warm_up(struct measurement *m, bn_error *err) {
    size_t n_prompt = min_size(m->test->prompt ? WARM_UP_PROMPT : 1, m->n_prompt);
    size_t n_output = min_size(WARM_UP_OUTPUT, m->max_tokens);
    bn_status status = submit(m, 0, n_prompt, n_output, err);
    while (!status && m->n_output[0] < n_output) status = step(m, err);
    release_requests(m);
    return status;
}

/* The clock starts: what it shows, with `position` tokens in the cache. */
static uint64_t start_clock(struct measurement *m, size_t position) {
    const struct speed_observer *observer = m->test->observer;
    if (observer) {
        observer->start(observer->context, m->sample, position);
        m->engine->timer = (struct step_timer){observer->step_done, observer->context};
    }
    return clock_now_ns();
}

static bn_status run_prompts(struct measurement *m, size_t *n_timed, size_t *n_steps, uint64_t *start, bn_error *err) {
    const struct speed_test *test = m->test;
    /* Several prompts take turns with what is filled, so there it is computed. */
    m->depth = !test->prompt ? m->n_prompt - 1 : test->streams == 1 ? m->sample->depth : 0;
    size_t base = prompt_tokens_done(m), all = m->n_prompt * test->streams, before = m->sample->depth * test->streams;
    bn_status status = BN_OK;
    if (before == 0) *start = start_clock(m, 0);
    for (size_t i = 0; !status && i < test->streams; i++) status = submit(m, i, m->n_prompt, m->max_tokens, err);
    if (before && test->prompt) {
        while (!status && prompt_tokens_done(m) - base < before) status = step(m, err);
        *start = start_clock(m, m->sample->depth);
    }
    *n_timed = all - (prompt_tokens_done(m) - base);
    for (*n_steps = 0; !status && streams_with(m, 1) < test->streams; ++*n_steps) status = step(m, err);
    return status;
}

static bn_status run(struct measurement *m, bn_error *err) {
    const struct speed_test *test = m->test;
    uint64_t start = 0;
    size_t n_tokens, n_steps;
    bn_status status = run_prompts(m, &n_tokens, &n_steps, &start, err);
    if (status) return status;
    if (!test->prompt) {
        n_tokens = n_steps = 0;
        start = start_clock(m, m->n_prompt);
    }
    for (size_t i = 0; !status && i < test->output; i++) status = step(m, err);
    m->sample->seconds = (double)(clock_now_ns() - start) * 1e-9;
    m->sample->tokens = n_tokens + test->output * test->streams;
    m->sample->steps = n_steps + test->output;
    m->engine->timer = (struct step_timer){0};
    return status;
}

/* Sequences that start early decode while the prompts of later ones are computed: so many steps at most. */
static size_t tokens_before_last_starts(const struct speed_test *test, size_t n_prompt, size_t batch_tokens) {
    if (test->streams == 1) return 0;
    size_t for_prompts = batch_tokens > test->streams ? batch_tokens - test->streams : 1;
    return test->streams * n_prompt / for_prompts + test->streams;
}

static bn_status check_room(const struct measurement *m, const bn_engine_stats *stats, bn_error *err) {
    size_t length = m->n_prompt + m->max_tokens, page = stats->kv_page_tokens;
    if (length > stats->context_length)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "a sequence of %zu tokens doesn't fit into the context of %zu", length,
                    stats->context_length);
    if ((length + page - 1) / page * m->test->streams > stats->kv_pages_total)
        return fail(err, BN_STATUS_BAD_ARGUMENT,
                    "%zu sequences of %zu tokens don't fit into the KV cache of %zu tokens", m->test->streams, length,
                    stats->kv_pages_total * page);
    return BN_OK;
}

static bn_status prepare(struct measurement *m, bn_model *model, bn_error *err) {
    const struct speed_test *test = m->test;
    struct speed_sample *out = m->sample;
    const bn_engine_options options = {
        .size = sizeof options,
        .n_threads = test->threads,
        .context_length = test->context_length,
        .max_sequences = test->streams,
        .batch_tokens = test->batch_tokens,
        .kv_type = test->kv_type,
        .no_prefix_cache = true,
        .no_speculation = true, /* random weights repeat themselves: guesses would be far too good */
        .isa = test->isa,
    };
    bn_status status = bn_engine_create(model, &options, &m->engine, err);
    if (status) return status;
    bn_engine_stats stats = {.size = sizeof stats};
    bn_engine_get_stats(m->engine, &stats);
    out->threads = stats.n_threads;
    out->batch_tokens = test->batch_tokens ? test->batch_tokens : DEFAULT_BATCH_TOKENS;
    out->kv_type = stats.kv_type;
    out->isa = stats.isa;
    out->depth = test->prompt ? round_up(test->depth, out->batch_tokens) : test->depth;
    m->n_prompt = max_size(out->depth + test->prompt, 1);
    m->max_tokens = 1 + test->output + tokens_before_last_starts(test, m->n_prompt, out->batch_tokens);
    m->ids = mem_alloc_array(max_size(m->n_prompt, WARM_UP_PROMPT), sizeof *m->ids);
    m->requests = mem_calloc(test->streams, sizeof *m->requests);
    m->n_output = mem_calloc(test->streams, sizeof *m->n_output);
    if (!m->ids || !m->requests || !m->n_output) return fail_no_memory(err, m->n_prompt * sizeof *m->ids);
    return check_room(m, &stats, err);
}

bn_status speed_measure(bn_model *model, const struct speed_test *test, bool (*cancelled)(void),
                        struct speed_sample *out, bn_error *err) {
    bn_model_info info = {.size = sizeof info};
    bn_model_get_info(model, &info);
    *out = (struct speed_sample){0};
    struct measurement m = {.test = test, .cancelled = cancelled, .sample = out, .vocab_size = info.vocab_size};
    bn_status status = prepare(&m, model, err);
    if (!status) status = warm_up(&m, err);
    if (!status) status = run(&m, err);
    if (m.requests) release_requests(&m);
    bn_engine_destroy(m.engine);
    mem_free(m.ids);
    mem_free(m.requests);
    mem_free(m.n_output);
    return status;
}

/* Steps as the engine plans them: prompts share a step when they fit. */
struct model_work speed_work(const bn_model *model, const struct speed_test *test, const struct speed_sample *sample) {
    struct model_cost cost;
    struct model_work work = {0};
    model_cost(model, sample->kv_type, &cost);
    size_t abreast = test->prompt ? min_size(max_size(sample->batch_tokens / test->prompt, 1), test->streams) : 1;
    for (size_t first = 0; test->prompt && first < test->streams; first += abreast) {
        size_t streams = min_size(abreast, test->streams - first);
        for (size_t done = 0, n; done < test->prompt; done += n) {
            n = min_size(sample->batch_tokens, test->prompt - done);
            model_cost_step(&cost, streams, sample->depth + done, n, done + n == test->prompt, &work);
        }
    }
    size_t position = max_size(sample->depth + test->prompt, 1);
    for (size_t i = 0; i < test->output; i++) model_cost_step(&cost, test->streams, position + i, 1, true, &work);
    return work;
}
