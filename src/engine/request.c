/* Making a request: everything is checked and allocated here, so that nothing can be wrong with the options and next to
 * nothing can run out once it runs. The reading side is in result.c. */
#include "engine/request.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "engine/beam.h"
#include "engine/engine.h"

void bn_request_options_init(bn_request_options *options) {
    *options = (bn_request_options){.size = sizeof *options, .n_logprobs = -1, .length_penalty = 1};
    bn_sampling_init(&options->sampling);
}

/* ---- checks ---- */

static bn_status check_counts(const bn_engine *engine, const bn_request *request, bn_error *err) {
    const bn_request_options *o = &request->options;
    if (o->n > MAX_CHOICES || o->best_of > MAX_CHOICES || o->beams > MAX_CHOICES)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "n is %zu, best_of %zu, beams %zu; the limit is %d", o->n, o->best_of,
                    o->beams, MAX_CHOICES);
    if (o->best_of && o->best_of < o->n)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "best_of is %zu, less than n, which is %zu", o->best_of, o->n);
    if (o->beams > 1 && o->n > o->beams)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "n is %zu, more than beams, which is %zu", o->n, o->beams);
    if (o->beams > 1 && o->best_of)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "beams and best_of are two ways to choose: give one");
    if (o->beams > 1 && o->n_stop)
        return fail(err, BN_STATUS_UNSUPPORTED, "beam search can't look for stop strings: use stop_ids");
    if (!isfinite(o->length_penalty)) return fail(err, BN_STATUS_BAD_ARGUMENT, "length_penalty must be finite");
    if (o->n_logprobs < -1 || o->n_logprobs > (int32_t)min_size(MAX_LOGPROBS, engine->vocab_size))
        return fail(err, BN_STATUS_BAD_ARGUMENT, "n_logprobs is %d; -1 … %zu are possible", (int)o->n_logprobs,
                    min_size(MAX_LOGPROBS, engine->vocab_size));
    return BN_OK;
}

static bn_status check_ids(const bn_engine *engine, const int32_t *ids, size_t n, const char *what, bn_error *err) {
    if (n && !ids) return fail(err, BN_STATUS_BAD_ARGUMENT, "%s: NULL for %zu ids", what, n);
    for (size_t i = 0; i < n; i++) {
        if (ids[i] < 0 || (size_t)ids[i] >= engine->vocab_size)
            return fail(err, BN_STATUS_BAD_ARGUMENT, "%s[%zu] is %d; the model's ids are 0 … %zu", what, i, (int)ids[i],
                        engine->vocab_size - 1);
    }
    return BN_OK;
}

static bn_status check_prompt(const bn_engine *engine, const int32_t *prompt, size_t n, size_t room, bn_error *err) {
    if (n == 0)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "the prompt is empty: it takes one token at least, such as BOS");
    if (n > engine->context_length - room)
        return fail(err, BN_STATUS_CONTEXT_OVERFLOW, "the prompt has %zu tokens%s, the context holds %zu", n,
                    room ? " and needs room for one more" : "", engine->context_length);
    return check_ids(engine, prompt, n, "prompt", err);
}

/* Beams can't give way to each other, so all of them must fit the cache at their longest. */
static bn_status check_beams_fit(const bn_engine *engine, const bn_request *request, bn_error *err) {
    size_t pages = min_size(pages_for(request->capacity), engine->most_pages) * request->options.beams;
    if (pages <= engine->cache.n_pages) return BN_OK;
    return fail(err, BN_STATUS_BAD_ARGUMENT,
                "%zu beams of up to %zu tokens take %zu KV pages, the cache has %zu: "
                "lower beams or max_tokens, or raise kv_bytes",
                request->options.beams, request->capacity, pages, engine->cache.n_pages);
}

/* ---- copies ---- */

static bn_status copy_stops(bn_request *request, const bn_request_options *options, bn_error *err) {
    if (options->n_stop > MAX_STOP_STRINGS)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "%zu stop strings; the limit is %d", options->n_stop,
                    MAX_STOP_STRINGS);
    if (options->n_stop && (!options->stop || !request->engine->tokenizer))
        return fail(err, BN_STATUS_BAD_ARGUMENT,
                    options->stop ? "stop strings need a model with a tokenizer" : "stop is NULL, n_stop isn't 0");
    request->stops = arena_alloc_array(&request->arena, options->n_stop, sizeof *request->stops);
    if (!request->stops) return fail_no_memory(err, options->n_stop * sizeof *request->stops);
    for (size_t i = 0; i < options->n_stop; i++) {
        const char *text = options->stop[i];
        size_t n = text ? strnlen(text, MAX_STOP_BYTES + 1) : 0;
        if (n == 0 || n > MAX_STOP_BYTES || !utf8_valid(text, n))
            return fail(err, BN_STATUS_BAD_ARGUMENT, "stop string %zu must be 1 … %d bytes of valid UTF-8", i,
                        MAX_STOP_BYTES);
        request->stops[i] = (struct stop_string){arena_strndup(&request->arena, text, n), n};
        if (!request->stops[i].bytes) return fail_no_memory(err, n);
    }
    return BN_OK;
}

static bn_status collect_end_ids(bn_request *request, const bn_request_options *options, bn_error *err) {
    const bn_engine *engine = request->engine;
    if (options->n_stop_ids > MAX_STOP_IDS)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "%zu stop ids; the limit is %d", options->n_stop_ids, MAX_STOP_IDS);
    bn_status status = check_ids(engine, options->stop_ids, options->n_stop_ids, "stop_ids", err);
    if (status) return status;
    size_t n_own = options->ignore_end ? 0 : engine->n_end_ids, n = n_own + options->n_stop_ids;
    request->end_ids = arena_alloc_array(&request->arena, n, sizeof *request->end_ids);
    if (!request->end_ids) return fail_no_memory(err, n * sizeof *request->end_ids);
    if (n_own) memcpy(request->end_ids, engine->end_ids, n_own * sizeof *request->end_ids);
    if (options->n_stop_ids)
        memcpy(request->end_ids + n_own, options->stop_ids, options->n_stop_ids * sizeof *request->end_ids);
    request->n_end_ids = n;
    return BN_OK;
}

/* The caller's options over the defaults, in one form: n is there, beams and best_of are 0 where they say nothing. */
static bn_request_options settled(const bn_request_options *options) {
    bn_request_options o;
    bn_request_options_init(&o);
    if (options) memcpy(&o, options, options->size ? min_size(options->size, sizeof o) : sizeof o);
    if (o.n == 0) o.n = 1;
    if (o.beams <= 1) o.beams = 0;
    if (o.best_of <= 1 && o.n == 1) o.best_of = 0;
    return o;
}

/* ---- sequences ---- */

static bn_status create_sequence(bn_request *request, size_t index, const int32_t *prompt, bn_error *err) {
    struct arena *arena = &request->arena;
    struct sequence *s = &request->sequences[index];
    size_t capacity = request->capacity, n_output = capacity - request->n_prompt;
    *s = (struct sequence){.request = request, .index = index, .n_tokens = request->n_prompt};
    s->state = index == 0 ? SEQUENCE_WAITING : SEQUENCE_IDLE;
    s->tokens = arena_alloc_array(arena, capacity, sizeof *s->tokens);
    s->pages = arena_alloc_array(arena, pages_for(capacity), sizeof(struct kv_page *));
    s->page_data = arena_alloc_array(arena, pages_for(capacity), sizeof(uint8_t *));
    bool ok = s->tokens && s->pages && s->page_data;
    if (ok && request_wants_logprobs(request))
        ok = (s->logprobs = arena_alloc_array(arena, n_output, sizeof *s->logprobs)) != NULL;
    if (!ok) return fail_no_memory(err, capacity * sizeof *s->tokens);
    memcpy(s->tokens, prompt, request->n_prompt * sizeof *s->tokens);
    return BN_OK;
}

/* Room for what a step may draw, and for the draft model's page table. */
static bn_status create_draws(bn_request *request, struct sequence *s, bn_error *err) {
    struct arena *arena = &request->arena;
    const struct speculation *speculation = &request->engine->speculation;
    size_t n = 1 + speculation->max_drafts, n_pages = pages_for(request->capacity);
    size_t n_top = request->options.n_logprobs > 0 ? (size_t)request->options.n_logprobs : 0;
    s->draws = arena_alloc_array(arena, n, sizeof *s->draws);
    bool ok = s->draws != NULL;
    for (size_t i = 0; ok && i < n; i++)
        ok = (s->draws[i].top = arena_alloc_array(arena, n_top, sizeof *s->draws->top)) != NULL;
    if (ok && speculation->model) {
        s->draft_pages.pages = arena_alloc_array(arena, n_pages, sizeof(struct kv_page *));
        s->draft_pages.data = arena_alloc_array(arena, n_pages, sizeof(uint8_t *));
        ok = s->draft_pages.pages && s->draft_pages.data;
    }
    s->draw = s->draws;
    return ok ? BN_OK : fail_no_memory(err, n * sizeof *s->draws);
}

/* prompt: all of it, with what was taken back. */
static bn_status create_output(bn_request *request, struct sequence *s, const int32_t *prompt, size_t n_prompt,
                               bn_error *err) {
    const bn_engine *engine = request->engine;
    bn_status drawable = create_draws(request, s, err);
    if (drawable) return drawable;
    bn_status status = sampler_create(&request->options.sampling, engine->vocab_size, engine->tokenizer,
                                      (uint32_t)s->index, &s->sampler, err);
    if (status) return status;
    if (request->trie)
        status = matcher_create(request->options.grammar, request->trie, request->capacity - request->n_prompt,
                                &s->matcher, err);
    if (status) return status;
    bool skip_special = !request->options.keep_special;
    status = output_text_init(&s->text, engine->tokenizer, skip_special, request->stops, request->options.n_stop, err);
    if (status || !request->healing.n_prefix) return status;
    return output_text_follow(&s->text, engine->tokenizer, skip_special, prompt, n_prompt, request->n_prompt, err);
}

static bn_status create_sequences(bn_request *request, const int32_t *prompt, size_t n, bn_error *err) {
    request->sequences = arena_alloc_array(&request->arena, n, sizeof *request->sequences);
    request->order = arena_alloc_array(&request->arena, n, sizeof *request->order);
    if (!request->sequences || !request->order) return fail_no_memory(err, n * sizeof *request->sequences);
    for (size_t i = 0; i < n; i++) {
        bn_status status = create_sequence(request, i, prompt, err);
        if (status) return status;
        request->n_sequences = i + 1;
        request->order[i] = i;
    }
    return BN_OK;
}

static bn_request *allocate(bn_engine *engine, size_t n_prompt, size_t capacity) {
    bn_request *request = mem_calloc(1, sizeof *request);
    if (!request) return NULL;
    request->engine = engine;
    arena_init(&request->arena);
    atomic_init(&request->cancelled, false);
    atomic_init(&request->paused, false);
    atomic_init(&request->finished, false);
    request->n_prompt = n_prompt;
    request->capacity = capacity;
    request->realm.rope_class = model_rope_class(engine->model, capacity);
    request->submitted_ns = clock_now_ns();
    return request;
}

static bn_status fill(bn_request *request, const int32_t *prompt, size_t n_prompt, const bn_request_options *options,
                      bn_error *err) {
    const bn_request_options *o = options;
    request->options = *options;
    request->realm.scope = options->cache_scope;
    bn_status status = check_counts(request->engine, request, err);
    if (!status) status = copy_stops(request, o, err);
    if (!status) status = collect_end_ids(request, o, err);
    if (!status && o->beams) status = check_beams_fit(request->engine, request, err);
    if (status) return status;
    request->options.stop = NULL; /* the caller's; copied to request->stops */
    request->options.stop_ids = NULL;

    size_t n = max_size(o->beams, max_size(o->n, o->best_of));
    request->ranked = o->beams || o->best_of;
    request->n_choices = o->n;
    status = create_sequences(request, prompt, n, err);
    for (size_t i = 0; i < request->n_sequences && !status; i++)
        status = create_output(request, &request->sequences[i], prompt, n_prompt, err);
    if (status) return status;
    if (o->beams && !(request->beams = beam_search_create(request)))
        return fail_no_memory(err, o->beams * request->capacity * sizeof(int32_t));
    if (o->echo_logprobs) {
        request->prompt_logprobs = arena_alloc_array(&request->arena, request->n_prompt, sizeof(float));
        if (!request->prompt_logprobs) return fail_no_memory(err, request->n_prompt * sizeof(float));
        request->prompt_logprobs[0] = NAN;
        size_t n_top = o->n_logprobs > 0 ? (size_t)o->n_logprobs : 0, n_all;
        if (!mul_size(request->n_prompt, n_top, &n_all)) return fail_no_memory(err, SIZE_MAX);
        if (n_top && !(request->prompt_top = arena_alloc_array(&request->arena, n_all, sizeof(bn_logprob))))
            return fail_no_memory(err, n_all * sizeof(bn_logprob));
    }
    return BN_OK;
}

static bn_status start_healing(bn_engine *engine, struct healing *healing, const int32_t *prompt, size_t n_prompt,
                               size_t *n_kept, bn_error *err) {
    const bn_token_bytes *table;
    if (!engine->tokenizer)
        return fail(err, BN_STATUS_UNSUPPORTED, "heal: the model has no tokenizer that knows its tokens' bytes");
    bn_status status = engine_token_bytes(engine, &table, err);
    return status ? status : healing_init(healing, table, engine->vocab_size, prompt, n_prompt, n_kept, err);
}

static bn_status prepare_grammar(bn_engine *engine, const bn_request_options *options, const struct token_trie **trie,
                                 bn_error *err) {
    if (options->beams || options->heal)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "a grammar can't be combined with %s",
                    options->beams ? "beams" : "heal");
    if (!engine->tokenizer)
        return fail(err, BN_STATUS_UNSUPPORTED, "grammar: the model has no tokenizer that knows its tokens' bytes");
    return engine_token_trie(engine, trie, err);
}

bn_status request_create(bn_engine *engine, const int32_t *prompt, size_t n_prompt, const bn_request_options *options,
                         bn_request **out, bn_error *err) {
    bn_status status = check_prompt(engine, prompt, n_prompt, 1, err);
    if (status) return status;
    const bn_request_options own = settled(options);
    struct healing healing = {0};
    size_t n_kept = n_prompt;
    if (own.heal) status = start_healing(engine, &healing, prompt, n_prompt, &n_kept, err);
    if (status) return status;
    const struct token_trie *trie = NULL;
    if (own.grammar && !status) status = prepare_grammar(engine, &own, &trie, err);
    if (status) {
        healing_release(&healing);
        return status;
    }
    size_t room = engine->context_length - n_kept;
    if (own.max_tokens) room = min_size(room, own.max_tokens);
    bn_request *request = allocate(engine, n_kept, n_kept + room);
    if (!request) {
        healing_release(&healing);
        return fail_no_memory(err, sizeof *request);
    }
    request->healing = healing;
    request->trie = trie;
    status = fill(request, prompt, n_prompt, &own, err);
    if (status)
        request_destroy(request);
    else
        *out = request;
    return status;
}

bn_status request_create_logits(bn_engine *engine, const int32_t *ids, size_t n_ids, bool last_only, float *logits,
                                bn_request **out, bn_error *err) {
    bn_status status = check_prompt(engine, ids, n_ids, 0, err);
    if (status) return status;
    bn_request *request = allocate(engine, n_ids, n_ids);
    if (!request) return fail_no_memory(err, sizeof *request);
    bn_request_options_init(&request->options);
    request->n_choices = 1;
    request->logits = logits;
    request->last_row_only = last_only;
    status = create_sequences(request, ids, 1, err);
    if (status)
        request_destroy(request);
    else
        *out = request;
    return status;
}

bn_status request_create_embedding(bn_engine *engine, const int32_t *ids, size_t n_ids, bn_pooling pooling, float *out,
                                   bn_request **request, bn_error *err) {
    bn_status status = request_create_logits(engine, ids, n_ids, pooling == BN_POOLING_LAST, NULL, request, err);
    if (status) return status;
    size_t n = model_hidden_size(engine->model);
    (*request)->embedding = out;
    (*request)->hidden = arena_alloc_array(&(*request)->arena, n, sizeof(double));
    if ((*request)->hidden) return BN_OK;
    request_destroy(*request);
    return fail_no_memory(err, n * sizeof(double));
}

void request_destroy(bn_request *request) {
    for (size_t i = 0; i < request->n_sequences; i++) {
        struct sequence *s = &request->sequences[i];
        if (s->sampler) sampler_destroy(s->sampler);
        matcher_destroy(s->matcher);
        output_text_release(&s->text);
        mem_free(s->snapshot);
    }
    healing_release(&request->healing);
    arena_release(&request->arena);
    mem_free(request);
}

/* ---- questions the engine asks ---- */

bool request_is_end(const bn_request *request, int32_t id) {
    for (size_t i = 0; i < request->n_end_ids; i++) {
        if (request->end_ids[i] == id) return true;
    }
    return false;
}

bool request_wants_row(const bn_request *request, const struct sequence *s, size_t position) {
    if (position + 1 >= s->n_tokens) return true;
    if (request->logits || request->embedding) return !request->last_row_only;
    return request->prompt_logprobs && position + 1 < request->n_prompt && position >= request->n_echoed;
}

bool request_draws_end(const struct sequence *s) {
    if (s->n_draws == 0) return false;
    size_t n_right = s->n_draws - 1;
    const struct draw *last = &s->draws[n_right];
    return last->status || n_right == s->n_drafts || last->id != s->tokens[s->n_tokens + n_right] ||
           request_is_end(s->request, last->id);
}

bool request_heals(const bn_request *request, const struct sequence *s, size_t n_history, size_t *n_spelled) {
    const struct healing *healing = &request->healing;
    *n_spelled = healing_spelled(healing, s->tokens + request->n_prompt, n_history - request->n_prompt);
    return *n_spelled < healing->n_prefix;
}

struct sampler_input request_sampler_input(const bn_request *request, const struct sequence *s, size_t n_history,
                                           float *logits) {
    size_t n_output = n_history - request->n_prompt, n_spelled;
    bool heals = request_heals(request, s, n_history, &n_spelled);
    bool too_early = n_output < request->options.min_tokens;
    return (struct sampler_input){.logits = logits,
                                  .history = s->tokens,
                                  .n_history = n_history,
                                  .n_prompt = request->n_prompt,
                                  .forbidden = too_early ? request->end_ids : NULL,
                                  .n_forbidden = too_early ? request->n_end_ids : 0,
                                  .healing = heals ? &request->healing : NULL,
                                  .n_spelled = n_spelled,
                                  .position = n_output};
}

bn_status request_allow(const bn_request *request, struct sequence *s, size_t n_history, struct sampler_input *input,
                        bn_error *err) {
    if (!s->matcher) return BN_OK;
    return matcher_allowed(s->matcher, s->tokens + request->n_prompt, n_history - request->n_prompt, request->end_ids,
                           request->n_end_ids, &input->allowed, err);
}

bool request_is_complete(const bn_request *request, struct sequence *s) {
    return s->matcher &&
           matcher_is_complete(s->matcher, s->tokens + request->n_prompt, s->n_tokens - request->n_prompt);
}

static double mean_logprob(const bn_request *request, size_t sequence) {
    const struct sequence *s = &request->sequences[sequence];
    size_t n = s->n_tokens - request->n_prompt;
    return n ? s->sum_logprob / (double)n : -INFINITY;
}

void request_rank(bn_request *request) {
    for (size_t i = 1; i < request->n_sequences; i++) { /* insertion sort: few, and stable */
        size_t moving = request->order[i], at = i;
        double mean = mean_logprob(request, moving);
        for (; at > 0 && mean > mean_logprob(request, request->order[at - 1]); at--)
            request->order[at] = request->order[at - 1];
        request->order[at] = moving;
    }
}
