/* When to guess, and how far: see speculation.h. */
#include "engine/speculation.h"

#include <string.h>

#include "base/memory.h"
#include "engine/draft_model.h"
#include "engine/engine.h"
#include "engine/grammar/matcher.h"

#define DEFAULT_DRAFTS 8
#define FORCED_BYTES   96 /* that are looked ahead for */
#define LONGEST_MATCH  16 /* compared tokens; longer matches don't make a guess better */

#define COST_DECAY  0.98
#define PRIOR_SHARE 0.2 /* of the first token's time that a second one takes, until it has been measured */
#define LEARNING    0.15
#define FORGETTING  0.01 /* back towards the prior for a kind of guess that isn't tried at present */

static const double prior_acceptance[DRAFT_KINDS] = {0.3, 0.5, 0.7, 0.7, 0.9};

/* ---- what tokens cost ---- */

void speculation_note_step(struct speculation *speculation, size_t n_tokens, uint64_t ns) {
    struct step_cost *c = &speculation->cost;
    double n = (double)n_tokens, t = (double)ns;
    c->weight = COST_DECAY * c->weight + 1;
    c->tokens = COST_DECAY * c->tokens + n;
    c->tokens2 = COST_DECAY * c->tokens2 + n * n;
    c->ns = COST_DECAY * c->ns + t;
    c->tokens_ns = COST_DECAY * c->tokens_ns + n * t;
}

double step_cost_of_token(const struct step_cost *c, size_t n_tokens) {
    double variance = c->weight * c->tokens2 - c->tokens * c->tokens, n = (double)n_tokens;
    double slope = PRIOR_SHARE, first = 1; /* of the line: time of one token, and of each further one */
    if (variance > 0.05 * c->weight * c->weight) {
        slope = (c->weight * c->tokens_ns - c->tokens * c->ns) / variance;
        first = (c->ns - slope * (c->tokens - c->weight)) / c->weight;
    }
    if (!(first > 0) || slope > first) return 1;    /* noise, or no gain from batching at all */
    if (slope < 0.02 * first) slope = 0.02 * first; /* noise: nothing is free */
    return slope * n / (first + slope * (n - 1));
}

/* A draft model's time for a guess, in tokens at the price of a step of n_tokens. */
static double cost_of_guess(const struct speculation *speculation, size_t n_tokens) {
    const struct step_cost *c = &speculation->cost;
    if (!(c->ns > 0)) return 0;
    return draft_model_guess_ns(speculation->model) * (double)n_tokens / (c->ns / c->weight);
}

/* ---- guesses from the sequence itself ---- */

size_t lookup_drafts(const int32_t *tokens, size_t n_tokens, int32_t *drafts, size_t max, size_t *n_matched) {
    size_t best = 1, from = 0;
    *n_matched = 0;
    if (n_tokens < 3) return 0;
    int32_t last = tokens[n_tokens - 1], second = tokens[n_tokens - 2];
    for (size_t end = n_tokens - 1; end >= 2 && best < LONGEST_MATCH; end--) { /* tokens before `end` match */
        if (tokens[end - 1] != last || tokens[end - 2] != second) continue;
        size_t length = 2;
        while (length < LONGEST_MATCH && length < end && tokens[end - 1 - length] == tokens[n_tokens - 1 - length])
            length++;
        if (length <= best) continue;
        best = length;
        from = end;
    }
    if (best < 2) return 0;
    *n_matched = best;
    size_t n = 0; /* a repetition that reaches to the end goes on with its own guesses */
    for (; n < max; n++) drafts[n] = from + n < n_tokens ? tokens[from + n] : drafts[from + n - n_tokens];
    return n;
}

/* ---- guesses from the grammar ---- */

/* What the tokenizer makes of a text, if its tokens spell just that. */
static size_t encoded(const bn_tokenizer *tokenizer, const struct token_trie *trie, const char *text, size_t n,
                      int32_t *drafts, size_t max) {
    const bn_encode_options options = {.size = sizeof options};
    int32_t *ids = NULL;
    size_t n_ids = 0, at = 0, n_spelling;
    if (bn_tokenizer_encode(tokenizer, text, n, &options, &ids, &n_ids, NULL)) return 0;
    for (size_t i = 0; i < n_ids && at <= n; i++) {
        const char *spelling = token_trie_spelling(trie, ids[i], &n_spelling);
        bool same = n_spelling > 0 && n_spelling <= n - at && memcmp(spelling, text + at, n_spelling) == 0;
        at = same ? at + n_spelling : n + 1;
    }
    size_t n_drafts = at == n ? min_size(n_ids, max) : 0;
    if (n_drafts) memcpy(drafts, ids, n_drafts * sizeof *ids);
    bn_free(ids);
    return n_drafts;
}

size_t forced_drafts(const bn_tokenizer *tokenizer, const struct token_trie *trie, const char *bytes, size_t n,
                     int32_t *drafts, size_t max) {
    const char *special = memchr(bytes, SPECIAL_MARK, n);
    size_t n_text = special ? (size_t)(special - bytes) : n;
    size_t n_drafts = n_text ? encoded(tokenizer, trie, bytes, n_text, drafts, max) : 0;
    size_t at = n_drafts ? n_text : 0, length;
    for (; at < n && n_drafts < max; at += length) {
        int32_t id = token_trie_longest(trie, bytes + at, n - at, &length);
        if (id < 0) break;
        drafts[n_drafts++] = id;
    }
    return n_drafts;
}

static int kind_of_match(size_t n_matched) {
    return n_matched >= 5 ? 2 : n_matched >= 3 ? 1 : 0;
}

/* ---- how far ---- */

/* Guess i is used with probability a^i. It is worth computing while that exceeds what it costs, both in tokens at the
 * step's present price. */
static size_t depth_of(const struct draft_record *record, int kind, double cost, size_t max) {
    double reached = 1;
    size_t n = 0;
    while (n < max && (reached *= record->acceptance[kind]) > cost) n++;
    return n;
}

static void forget(struct draft_record *record, int kind) {
    record->acceptance[kind] += FORGETTING * (prior_acceptance[kind] - record->acceptance[kind]);
}

void speculation_note_result(struct speculation *speculation, struct sequence *s, size_t n_right) {
    if (!s->n_drafts) return;
    double *acceptance = &s->drafting.acceptance[s->drafting.kind];
    for (size_t i = 0; i < n_right; i++) *acceptance += LEARNING * (1 - *acceptance);
    if (n_right < s->n_drafts) *acceptance -= LEARNING * *acceptance;
    speculation->drafts += s->n_drafts;
    speculation->accepted += n_right;
    s->request->draft_tokens += s->n_drafts;
    s->request->draft_tokens_accepted += n_right;
    s->n_drafts = 0;
}

/* ---- the step's guesses ---- */

/* Only where rows are drawn one after the other by the engine's own samplers. */
static bool may_guess(const struct sequence *s) {
    const bn_request *request = s->request;
    return s->state == SEQUENCE_RUNNING && request->forked && !request->beams && !request->logits &&
           !request->options.sampling.custom;
}

/* Tokens of the coming step if nobody guesses; 0 when it computes prompts too, which leave no room worth using. */
static size_t decoding_tokens(const bn_engine *engine) {
    size_t n = 0;
    for (size_t i = 0; i < engine->n_live; i++) {
        const struct sequence *s = engine->live[i];
        if (s->state == SEQUENCE_WAITING || (s->state == SEQUENCE_RUNNING && sequence_pending(s) > 1)) return 0;
        n += s->state == SEQUENCE_RUNNING;
    }
    return n;
}

/* False: the grammar, if there is one, leaves a choice. */
static bool guess_by_grammar(const bn_engine *engine, struct sequence *s, double cost, size_t max) {
    const bn_request *request = s->request;
    char bytes[FORCED_BYTES];
    if (!s->matcher || max == 0) return false;
    size_t n_forced =
        matcher_forced(s->matcher, s->tokens + request->n_prompt, s->n_tokens - request->n_prompt, bytes, sizeof bytes);
    size_t n =
        n_forced ? forced_drafts(engine->tokenizer, request->trie, bytes, n_forced, s->tokens + s->n_tokens, max) : 0;
    if (!n) return false;
    s->drafting.kind = DRAFT_OF_GRAMMAR;
    s->n_drafts = min_size(n, depth_of(&s->drafting, DRAFT_OF_GRAMMAR, cost, max));
    if (!s->n_drafts) forget(&s->drafting, DRAFT_OF_GRAMMAR);
    return true;
}

static void guess_by_lookup(struct sequence *s, double cost, size_t max) {
    size_t n_matched, n = lookup_drafts(s->tokens, s->n_tokens, s->tokens + s->n_tokens, max, &n_matched);
    if (!n) return;
    s->drafting.kind = kind_of_match(n_matched);
    s->n_drafts = min_size(n, depth_of(&s->drafting, s->drafting.kind, cost, max));
    if (!s->n_drafts) forget(&s->drafting, s->drafting.kind);
}

static void plan_draft_model(struct sequence *s, double cost, size_t max) {
    s->drafting.kind = DRAFT_OF_MODEL;
    s->n_drafts = depth_of(&s->drafting, DRAFT_OF_MODEL, cost, max);
    if (!s->n_drafts) forget(&s->drafting, DRAFT_OF_MODEL);
}

void speculation_guess(bn_engine *engine) {
    struct speculation *speculation = &engine->speculation;
    for (size_t i = 0; i < engine->n_live; i++) engine->live[i]->n_drafts = 0;
    size_t n_tokens = speculation->max_drafts ? decoding_tokens(engine) : 0;
    if (!n_tokens) return;
    double cost = step_cost_of_token(&speculation->cost, n_tokens);
    if (speculation->model) cost += cost_of_guess(speculation, n_tokens);
    size_t share = min_size(engine->batch_tokens, engine->max_rows) / n_tokens, n_guessing = 0;
    for (size_t i = 0; i < engine->n_live; i++) {
        struct sequence *s = engine->live[i];
        if (!may_guess(s)) continue;
        if (!s->drafting.begun) memcpy(s->drafting.acceptance, prior_acceptance, sizeof prior_acceptance);
        s->drafting.begun = true;
        /* the token drawn after the last guess must still fit */
        size_t room = s->request->capacity - s->n_tokens - 1;
        size_t max = min_size(min_size(speculation->max_drafts, room), share ? share - 1 : 0);
        if (speculation->model)
            plan_draft_model(s, cost, max);
        else if (!guess_by_grammar(engine, s, cost, max))
            guess_by_lookup(s, cost, max);
        n_guessing += s->n_drafts > 0;
    }
    if (speculation->model && n_guessing) draft_model_guess(speculation->model, engine);
}

/* ---- life ---- */

bn_status speculation_init(bn_engine *engine, const bn_engine_options *options, bn_error *err) {
    struct speculation *speculation = &engine->speculation;
    if (options->max_drafts > MAX_DRAFTS)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "max_drafts is %zu; the limit is %d", options->max_drafts, MAX_DRAFTS);
    if (options->no_speculation) return BN_OK;
    speculation->max_drafts = options->max_drafts ? options->max_drafts : DEFAULT_DRAFTS;
    return options->draft_model ? draft_model_create(engine, options->draft_model, &speculation->model, err) : BN_OK;
}

void speculation_release(struct speculation *speculation) {
    draft_model_destroy(speculation->model);
}
