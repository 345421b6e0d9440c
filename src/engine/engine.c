/* Making an engine, and driving it: whoever waits for a request runs steps until it is finished, while others who wait
 * sleep; when the driver leaves, one of them takes over. */
#include "engine/engine.h"

#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "engine/screen.h"

#define DEFAULT_SEQUENCES    16
#define DEFAULT_BATCH_TOKENS 256
#define MAX_SEQUENCES        4096
#define MAX_BATCH_TOKENS     65536
#define MIN_ROWS             32 /* of logits in a step; log-probabilities of prompts come in such portions */
#define EXACT_KV_BYTES       ((size_t)64 << 20) /* up to here a context's keys and values are kept in float32 */

/* What the public types are called in the model layer, and back. */
static const enum kv_type cache_types[] = {[BN_KV_F16] = KV_F16, [BN_KV_F32] = KV_F32, [BN_KV_Q8_0] = KV_Q8};
static const bn_kv_type public_types[] = {[KV_F16] = BN_KV_F16, [KV_F32] = BN_KV_F32, [KV_Q8] = BN_KV_Q8_0};

/* ---- creation ---- */

static bn_status check_options(const bn_engine_options *o, size_t model_context, bn_error *err) {
    if (o->context_length > model_context)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "context_length is %zu, the model's own is %zu", o->context_length,
                    model_context);
    if (o->max_sequences > MAX_SEQUENCES)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "max_sequences is %zu; the limit is %d", o->max_sequences,
                    MAX_SEQUENCES);
    if (o->batch_tokens > MAX_BATCH_TOKENS)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "batch_tokens is %zu; the limit is %d", o->batch_tokens,
                    MAX_BATCH_TOKENS);
    if ((unsigned)o->kv_type > BN_KV_Q8_0)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "kv_type %d isn't one of bn_kv_type", (int)o->kv_type);
    if (o->attention_sinks && !o->attention_window)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "attention_sinks is %zu without an attention_window: a token sees all",
                    o->attention_sinks);
    return BN_OK;
}

static size_t half_of_memory(void) {
    long pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
    return pages > 0 && page_bytes > 0 ? (size_t)pages / 2 * (size_t)page_bytes : SIZE_MAX;
}

/* Pages one sequence has at once: those of the whole context, or with a window those of sinks, window and a step's
 * tokens, each with a page begun before and one after. */
static size_t most_pages(const bn_engine *engine) {
    size_t all = pages_for(engine->context_length), window = engine->attention_window;
    if (!window || window >= engine->context_length || engine->attention_sinks >= engine->context_length) return all;
    return min_size(all, pages_for(engine->attention_sinks) + pages_for(window) + pages_for(engine->batch_tokens) + 2);
}

/* The type and number of pages; a cache smaller than a context shortens the context, so that one sequence always
 * fits. */
static bn_status init_cache(bn_engine *engine, const bn_engine_options *o, bn_error *err) {
    size_t context_pages, n_pages, page_bytes, exact;
    engine->attention_sinks = min_size(o->attention_sinks, engine->context_length);
    engine->attention_window = o->attention_window;
    engine->most_pages = context_pages = most_pages(engine);
    bool small = mul_size(context_pages, model_kv_page_bytes(engine->model, KV_F32), &exact) && exact <= EXACT_KV_BYTES;
    engine->kv_type = o->kv_type != BN_KV_AUTO ? cache_types[o->kv_type] : small ? KV_F32 : KV_F16;
    page_bytes = model_kv_page_bytes(engine->model, engine->kv_type);
    if (!mul_size(context_pages, engine->max_sequences, &n_pages)) n_pages = SIZE_MAX;
    n_pages = o->kv_bytes ? o->kv_bytes / page_bytes : min_size(n_pages, half_of_memory() / page_bytes);
    if (n_pages == 0)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "kv_bytes is %zu, but a KV page of %d tokens takes %zu bytes",
                    o->kv_bytes, KV_PAGE_TOKENS, page_bytes);
    if (n_pages < context_pages) engine->context_length = n_pages * KV_PAGE_TOKENS;
    engine->use_prefixes = !o->no_prefix_cache && !o->attention_window;
    bn_status status = kv_cache_init(&engine->cache, n_pages, page_bytes, err);
    prefix_tree_init(&engine->prefixes, &engine->cache);
    return status;
}

static bn_status collect_end_ids(bn_engine *engine, bn_error *err) {
    bn_generation_defaults defaults = {.size = sizeof defaults};
    bn_model_get_generation_defaults(engine->model, &defaults);
    size_t n_tokenizer = engine->tokenizer ? bn_tokenizer_vocab_size(engine->tokenizer) : 0, n = 0;
    n_tokenizer = min_size(n_tokenizer, engine->vocab_size);
    for (size_t id = 0; id < n_tokenizer; id++) n += bn_tokenizer_is_end(engine->tokenizer, (int32_t)id);
    engine->end_ids = mem_alloc_array(n + defaults.n_eos, sizeof *engine->end_ids);
    if (!engine->end_ids) return fail_no_memory(err, (n + defaults.n_eos) * sizeof *engine->end_ids);
    for (size_t id = 0; id < n_tokenizer; id++) {
        if (bn_tokenizer_is_end(engine->tokenizer, (int32_t)id)) engine->end_ids[engine->n_end_ids++] = (int32_t)id;
    }
    for (size_t i = 0; i < defaults.n_eos; i++) {
        int32_t id = defaults.eos[i];
        if (id >= 0 && (size_t)id < engine->vocab_size && !engine_is_end(engine, id))
            engine->end_ids[engine->n_end_ids++] = id;
    }
    return BN_OK;
}

static bn_status init_buffers(bn_engine *engine, bn_error *err) {
    struct plan *plan = &engine->plan;
    size_t n = engine->batch_tokens, row_bytes = engine->vocab_size * sizeof(float), logits_bytes, scratch_bytes;
    engine->max_rows = min_size(n, max_size(engine->max_sequences, MIN_ROWS));
    if (!mul_size(engine->max_rows, row_bytes, &logits_bytes) ||
        !mul_size(engine->n_threads, engine->vocab_size * sizeof(double), &scratch_bytes))
        return fail_no_memory(err, SIZE_MAX);
    engine->logits = mem_alloc_aligned(logits_bytes);
    engine->scratch = mem_alloc_aligned(scratch_bytes);
    plan->items = mem_alloc_array(n, sizeof *plan->items);
    plan->sequences = mem_alloc_array(n, sizeof *plan->sequences);
    plan->tokens = mem_alloc_array(n, sizeof *plan->tokens);
    plan->want_logits = mem_alloc_array(n, sizeof *plan->want_logits);
    plan->rows = mem_alloc_array(n, sizeof *plan->rows);
    if (!engine->logits || !engine->scratch || !plan->items || !plan->sequences || !plan->tokens ||
        !plan->want_logits || !plan->rows)
        return fail_no_memory(err, logits_bytes + scratch_bytes);
    if (model_is_screened(engine->model) && !(engine->screen = screen_create(engine->vocab_size)))
        return fail_no_memory(err, 2 * MODEL_SCREEN_MAX * row_bytes);
    return workspace_create(engine->model, n, engine->context_length, engine->pool, &engine->workspace, err);
}

static bn_status init(bn_engine *engine, bn_model *model, const bn_engine_options *o, bn_error *err) {
    bn_status status = check_options(o, model_context_length(model), err);
    if (status) return status;
    engine->model = model;
    engine->tokenizer = bn_model_tokenizer(model);
    engine->vocab_size = model_vocab_size(model);
    engine->context_length = o->context_length ? o->context_length : model_context_length(model);
    engine->batch_tokens = o->batch_tokens ? o->batch_tokens : DEFAULT_BATCH_TOKENS;
    /* Each running sequence has at least one token to compute, so more than batch_tokens would only starve prompts. */
    engine->max_sequences = min_size(o->max_sequences ? o->max_sequences : DEFAULT_SEQUENCES, engine->batch_tokens);
    engine->n_threads = o->n_threads ? o->n_threads : cpu_count_physical();
    engine->kernels = kernels_best();
    if (o->isa) status = kernels_select(o->isa, &engine->kernels, err);
    if (!status) status = thread_pool_acquire(engine->n_threads, &engine->pool, err);
    if (!status) status = init_cache(engine, o, err);
    if (!status) status = collect_end_ids(engine, err);
    if (!status) status = init_buffers(engine, err);
    return status ? status : speculation_init(engine, o, err);
}

bn_status bn_engine_create(bn_model *model, const bn_engine_options *options, bn_engine **out, bn_error *err) {
    bn_engine_options own = {0};
    if (options) memcpy(&own, options, options->size ? min_size(options->size, sizeof own) : sizeof own);
    bn_engine *engine = mem_calloc(1, sizeof *engine);
    if (!engine) return fail_no_memory(err, sizeof *engine);
    pthread_mutex_init(&engine->lock, NULL);
    pthread_cond_init(&engine->changed, NULL);
    bn_status status = init(engine, model, &own, err);
    if (status)
        bn_engine_destroy(engine);
    else
        *out = engine;
    return status;
}

void bn_engine_destroy(bn_engine *engine) {
    if (!engine) return;
    if (engine->workspace) workspace_destroy(engine->workspace);
    speculation_release(&engine->speculation);
    if (engine->pool) thread_pool_release(engine->pool);
    kv_cache_release(&engine->cache);
    mem_free_aligned(engine->logits);
    mem_free_aligned(engine->scratch);
    screen_destroy(engine->screen);
    token_trie_destroy(engine->token_trie);
    bn_token_bytes_destroy(engine->token_bytes);
    mem_free(engine->plan.rows);
    mem_free(engine->plan.items);
    mem_free(engine->plan.sequences);
    mem_free(engine->plan.tokens);
    mem_free(engine->plan.want_logits);
    mem_free(engine->live);
    mem_free(engine->end_ids);
    pthread_cond_destroy(&engine->changed);
    pthread_mutex_destroy(&engine->lock);
    mem_free(engine);
}

/* ---- submitting ---- */

/* Room in the order of service is made here, where failing is harmless. */
static bn_status enqueue(bn_engine *engine, bn_request *request, bn_error *err) {
    pthread_mutex_lock(&engine->lock);
    size_t needed = engine->n_live + request->n_sequences;
    if (needed > engine->live_capacity) {
        size_t capacity = max_size(2 * engine->live_capacity, needed);
        struct sequence **live = mem_realloc_array(engine->live, capacity, sizeof(struct sequence *));
        if (!live) {
            pthread_mutex_unlock(&engine->lock);
            return fail_no_memory(err, capacity * sizeof(struct sequence *));
        }
        engine->live = live;
        engine->live_capacity = capacity;
    }
    request->arrival = engine->arrivals++;
    engine->n_requests++;
    scheduler_enqueue(engine, request);
    pthread_mutex_unlock(&engine->lock);
    return BN_OK;
}

bn_status engine_token_bytes(bn_engine *engine, const bn_token_bytes **out, bn_error *err) {
    pthread_mutex_lock(&engine->lock);
    *out = engine->token_bytes;
    pthread_mutex_unlock(&engine->lock);
    if (*out) return BN_OK;
    bn_token_bytes *table;
    bn_status status = bn_token_bytes_create(engine->tokenizer, &table, err);
    if (status) return status;
    pthread_mutex_lock(&engine->lock);
    if (!engine->token_bytes) {
        engine->token_bytes = table;
        table = NULL;
    }
    *out = engine->token_bytes;
    pthread_mutex_unlock(&engine->lock);
    bn_token_bytes_destroy(table); /* another thread was faster */
    return BN_OK;
}

bn_status engine_token_trie(bn_engine *engine, const struct token_trie **out, bn_error *err) {
    pthread_mutex_lock(&engine->lock);
    *out = engine->token_trie;
    pthread_mutex_unlock(&engine->lock);
    if (*out) return BN_OK;
    const bn_token_bytes *bytes;
    struct token_trie *trie;
    bn_status status = engine_token_bytes(engine, &bytes, err);
    if (!status) status = token_trie_create(engine->tokenizer, bytes, engine->vocab_size, &trie, err);
    if (status) return status;
    pthread_mutex_lock(&engine->lock);
    if (!engine->token_trie) {
        engine->token_trie = trie;
        trie = NULL;
    }
    *out = engine->token_trie;
    pthread_mutex_unlock(&engine->lock);
    token_trie_destroy(trie);
    return BN_OK;
}

bn_status bn_engine_submit(bn_engine *engine, const int32_t *prompt, size_t n_prompt, const bn_request_options *options,
                           bn_request **out, bn_error *err) {
    bn_request *request;
    bn_status status = request_create(engine, prompt, n_prompt, options, &request, err);
    if (status) return status;
    status = enqueue(engine, request, err);
    if (status)
        request_destroy(request);
    else
        *out = request;
    return status;
}

/* ---- driving ---- */

/* Runs one step. With the lock, which it gives up meanwhile; nobody else may be driving. */
static bool drive(bn_engine *engine) {
    bool finished;
    engine->driving = true;
    bool busy = engine_run_step(engine, &finished);
    engine->driving = false;
    engine->drives++;
    if (finished || engine->n_step_waiters) pthread_cond_broadcast(&engine->changed);
    return busy;
}

bn_status bn_engine_step(bn_engine *engine, bool *busy, bn_error *err) {
    (void)err; /* errors belong to requests */
    bool did = true;
    pthread_mutex_lock(&engine->lock);
    uint64_t before = engine->drives;
    engine->n_step_waiters++;
    while (engine->driving && engine->drives == before) pthread_cond_wait(&engine->changed, &engine->lock);
    engine->n_step_waiters--;
    if (engine->drives == before) {
        did = drive(engine);
        /* Someone who sleeps in bn_request_wait may have to drive now that nobody does. */
        pthread_cond_broadcast(&engine->changed);
    }
    pthread_mutex_unlock(&engine->lock);
    if (busy) *busy = did;
    return BN_OK;
}

static void wait_until_finished(bn_request *request) {
    bn_engine *engine = request->engine;
    pthread_mutex_lock(&engine->lock);
    while (!bn_request_finished(request)) {
        if (engine->driving || !drive(engine)) pthread_cond_wait(&engine->changed, &engine->lock);
    }
    pthread_mutex_unlock(&engine->lock);
}

bn_status bn_request_wait(bn_request *request, bn_error *err) {
    wait_until_finished(request);
    if (request->status && err) *err = request->error;
    return request->status;
}

void bn_request_release(bn_request *request) {
    if (!request) return;
    bn_request_cancel(request);
    wait_until_finished(request); /* at most the step that is running */
    request_destroy(request);
}

bn_status bn_engine_logits(bn_engine *engine, const int32_t *ids, size_t n_ids, bool last_only, float *logits,
                           bn_error *err) {
    bn_request *request;
    bn_status status = request_create_logits(engine, ids, n_ids, last_only, logits, &request, err);
    if (status) return status;
    status = enqueue(engine, request, err);
    if (!status) status = bn_request_wait(request, err);
    request_destroy(request);
    return status;
}

bn_status bn_engine_embed(bn_engine *engine, const int32_t *const *ids, const size_t *n_ids, size_t n_texts,
                          bn_pooling pooling, float *out, bn_error *err) {
    size_t n_hidden = model_hidden_size(engine->model), n = 0;
    bn_status status = BN_OK;
    bn_request **requests = mem_alloc_array(n_texts, sizeof(bn_request *));
    if (!requests) return fail_no_memory(err, n_texts * sizeof(bn_request *));
    for (; n < n_texts && !status; n++) {
        status = request_create_embedding(engine, ids[n], n_ids[n], pooling, out + n * n_hidden, &requests[n], err);
        if (status) break;
        status = enqueue(engine, requests[n], err);
        if (status) request_destroy(requests[n]);
        if (status) break;
    }
    if (status) error_prefix(err, "text %zu", n);
    for (size_t i = 0; i < n; i++) {
        bn_status ended = status ? BN_OK : bn_request_wait(requests[i], err);
        if (!status) status = ended;
        bn_request_release(requests[i]);
    }
    mem_free(requests);
    return status;
}

/* ---- introspection ---- */

void bn_engine_get_stats(bn_engine *engine, bn_engine_stats *out) {
    pthread_mutex_lock(&engine->lock);
    size_t queued = 0;
    for (size_t i = 0; i < engine->n_live; i++) {
        const struct sequence *s = engine->live[i];
        queued += s->index == 0 && s->request->started_ns == 0;
    }
    const struct kv_cache *cache = &engine->cache;
    bn_engine_stats full = {.size = sizeof full,
                            .requests_running = engine->n_requests - queued,
                            .requests_queued = queued,
                            .kv_pages_total = cache->n_pages,
                            .kv_pages_used = kv_cache_used(cache),
                            .kv_pages_cached = cache->cached.n,
                            .kv_page_tokens = KV_PAGE_TOKENS,
                            .steps = engine->steps,
                            .prompt_tokens = engine->prompt_tokens,
                            .output_tokens = engine->output_tokens,
                            .cached_tokens = engine->cached_tokens,
                            .draft_tokens = engine->speculation.drafts,
                            .draft_tokens_accepted = engine->speculation.accepted,
                            .max_sequences = engine->max_sequences,
                            .isa = engine->kernels->name,
                            .n_threads = engine->n_threads,
                            .context_length = engine->context_length,
                            .head_screened = engine->head_screened,
                            .head_rescored = engine->head_rescored,
                            .head_fallbacks = engine->head_fallbacks,
                            .kv_type = public_types[engine->kv_type],
                            .kv_bytes = (uint64_t)cache->n_pages * cache->page_bytes};
    pthread_mutex_unlock(&engine->lock);
    size_t bytes = out->size ? min_size(out->size, sizeof full) : sizeof full;
    full.size = out->size;
    memcpy(out, &full, bytes);
}
