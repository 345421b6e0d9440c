/* See draft_model.h. One pass over the draft model per guess, for all sequences that guess; before the first one each
 * sequence catches up on the tokens that the draft model hasn't seen. */
#include "engine/draft_model.h"

#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "engine/engine.h"

struct draft_model {
    bn_model *model;
    size_t context_length, vocab_size;
    struct forward_options options;
    struct kv_cache cache;
    struct workspace *workspace;
    float *logits; /* [max_sequences, vocab_size] */
    /* the batch of a pass, and whose its rows are */
    struct sequence **guessing; /* [max_sequences] */
    struct batch_sequence *sequences;
    int32_t *tokens; /* [batch_tokens] */
    uint8_t *want_logits;
    size_t batch_tokens;
    double guess_ns;
};

/* ---- creation ---- */

static bn_status check_vocabulary(const bn_engine *engine, const bn_model *model, bn_error *err) {
    size_t n = model_vocab_size(model);
    if (n != engine->vocab_size)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "the draft model has a vocabulary of %zu, the model one of %zu", n,
                    engine->vocab_size);
    const bn_tokenizer *ours = engine->tokenizer, *theirs = bn_model_tokenizer(model);
    if (!ours || !theirs) return BN_OK;
    n = min_size(bn_tokenizer_vocab_size(ours), bn_tokenizer_vocab_size(theirs));
    for (size_t id = 0; id < n; id++) {
        const char *a = bn_tokenizer_token(ours, (int32_t)id), *b = bn_tokenizer_token(theirs, (int32_t)id);
        if (a && b && strcmp(a, b))
            return fail(err, BN_STATUS_BAD_ARGUMENT, "token %zu is '%s' in the draft model and '%s' in the model", id,
                        b, a);
    }
    return BN_OK;
}

static bn_status allocate(struct draft_model *draft, const bn_engine *engine, bn_error *err) {
    size_t n = engine->max_sequences, row_bytes = draft->vocab_size * sizeof(float), bytes;
    if (!mul_size(n, row_bytes, &bytes)) return fail_no_memory(err, SIZE_MAX);
    draft->batch_tokens = engine->batch_tokens;
    draft->logits = mem_alloc_aligned(bytes);
    draft->guessing = mem_alloc_array(n, sizeof(struct sequence *));
    draft->sequences = mem_alloc_array(n, sizeof *draft->sequences);
    draft->tokens = mem_alloc_array(draft->batch_tokens, sizeof *draft->tokens);
    draft->want_logits = mem_calloc(draft->batch_tokens, 1);
    if (!draft->logits || !draft->guessing || !draft->sequences || !draft->tokens || !draft->want_logits)
        return fail_no_memory(err, bytes);
    bn_status status = kv_cache_init(&draft->cache, pages_for(draft->context_length) * n,
                                     model_kv_page_bytes(draft->model, KV_F16), err);
    if (status) return status;
    return workspace_create(draft->model, draft->batch_tokens, draft->context_length, engine->pool, &draft->workspace,
                            err);
}

bn_status draft_model_create(bn_engine *engine, bn_model *model, struct draft_model **out, bn_error *err) {
    bn_status status = check_vocabulary(engine, model, err);
    if (status) return status;
    struct draft_model *draft = mem_calloc(1, sizeof *draft);
    if (!draft) return fail_no_memory(err, sizeof *draft);
    draft->model = model;
    draft->vocab_size = model_vocab_size(model);
    draft->context_length = min_size(engine->context_length, model_context_length(model));
    draft->options = (struct forward_options){.kernels = engine->kernels, .pool = engine->pool, .kv_type = KV_F16};
    status = allocate(draft, engine, err);
    if (status)
        draft_model_destroy(draft);
    else
        *out = draft;
    return status;
}

void draft_model_destroy(struct draft_model *draft) {
    if (!draft) return;
    if (draft->workspace) workspace_destroy(draft->workspace);
    kv_cache_release(&draft->cache);
    mem_free_aligned(draft->logits);
    mem_free(draft->guessing);
    mem_free(draft->sequences);
    mem_free(draft->tokens);
    mem_free(draft->want_logits);
    mem_free(draft);
}

/* ---- guessing ---- */

double draft_model_guess_ns(const struct draft_model *draft) {
    return draft->guess_ns;
}

void draft_model_drop(struct draft_model *draft, struct sequence *s) {
    struct draft_pages *p = &s->draft_pages;
    if (!draft) return;
    while (p->n) kv_page_drop(&draft->cache, p->pages[--p->n]);
    p->n_computed = 0;
}

static bool secure_pages(struct draft_model *draft, struct draft_pages *p, size_t n_tokens) {
    while (p->n < pages_for(n_tokens)) {
        struct kv_page *page = kv_cache_acquire(&draft->cache);
        if (!page) return false;
        p->pages[p->n] = page;
        p->data[p->n++] = page->data;
    }
    return true;
}

/* Computes all tokens but the last, in chunks. */
static void catch_up(struct draft_model *draft, struct sequence *s) {
    struct draft_pages *p = &s->draft_pages;
    p->n_computed = min_size(p->n_computed, s->n_tokens - 1); /* guesses that didn't come true */
    while (p->n_computed < s->n_tokens - 1) {
        size_t n = min_size(draft->batch_tokens, s->n_tokens - 1 - p->n_computed);
        struct batch_sequence part = {n, p->n_computed, p->data, s->request->capacity};
        memset(draft->want_logits, 0, n);
        const struct batch batch = {s->tokens + p->n_computed, draft->want_logits, n, &part, 1};
        model_forward(draft->model, draft->workspace, &draft->options, &batch, draft->logits);
        p->n_computed += n;
    }
}

/* Guess number `depth` of the sequences that want so many. False: none does. */
static bool guess_next(struct draft_model *draft, size_t n_guessing, size_t depth) {
    struct batch batch = {draft->tokens, draft->want_logits, 0, draft->sequences, 0};
    struct sequence **rows = draft->guessing;
    for (size_t i = 0; i < n_guessing; i++) {
        struct sequence *s = rows[i];
        if (s->n_drafts <= depth) continue;
        struct draft_pages *p = &s->draft_pages;
        draft->tokens[batch.n_sequences] = s->tokens[s->n_tokens - 1 + depth];
        draft->want_logits[batch.n_sequences] = 1;
        draft->sequences[batch.n_sequences++] =
            (struct batch_sequence){1, p->n_computed++, p->data, s->request->capacity};
    }
    batch.n_tokens = batch.n_sequences;
    if (!batch.n_tokens) return false;
    model_forward(draft->model, draft->workspace, &draft->options, &batch, draft->logits);
    size_t row = 0;
    for (size_t i = 0; i < n_guessing; i++) {
        struct sequence *s = rows[i];
        if (s->n_drafts <= depth) continue;
        s->tokens[s->n_tokens + depth] = argmax_lowest(draft->logits + row++ * draft->vocab_size, draft->vocab_size);
    }
    return true;
}

void draft_model_guess(struct draft_model *draft, bn_engine *engine) {
    size_t n = 0;
    for (size_t i = 0; i < engine->n_live; i++) {
        struct sequence *s = engine->live[i];
        if (!s->n_drafts) continue;
        size_t end = s->n_tokens + s->n_drafts; /* the last guess itself is never computed by the draft model */
        if (end > draft->context_length || !secure_pages(draft, &s->draft_pages, end))
            s->n_drafts = 0;
        else
            draft->guessing[n++] = s;
    }
    if (!n) return;
    pthread_mutex_unlock(&engine->lock);
    for (size_t i = 0; i < n; i++) catch_up(draft, draft->guessing[i]);
    uint64_t begun_ns = clock_now_ns();
    size_t depth = 0, n_guesses = 0;
    while (guess_next(draft, n, depth)) depth++;
    for (size_t i = 0; i < n; i++) n_guesses += draft->guessing[i]->n_drafts;
    double ns = (double)(clock_now_ns() - begun_ns) / (double)n_guesses;
    draft->guess_ns = draft->guess_ns > 0 ? draft->guess_ns + 0.1 * (ns - draft->guess_ns) : ns;
    pthread_mutex_lock(&engine->lock);
}
