/* Beam search as Hugging Face generate does it.
 *
 * Every round adds one token to every beam. Of all continuations the best `width` are looked at: those that end (an end
 * id, or the length's limit) become hypotheses with score / length^length_penalty. The best `width` that don't end are
 * the next beams. Hugging Face takes both out of the best max(2, 1 + number of end ids) · width continuations, a list
 * just long enough to hold that many open ones; keeping two lists of `width` gives the same without it. The search is
 * over when `width` hypotheses exist and no beam can still beat the worst of them (or at once with early_stopping), or
 * when the length's limit is reached. Ties: the lowest beam, then the lowest id; older hypotheses before newer. */
#include "engine/beam.h"

#include <math.h>
#include <string.h>

#include "bitnet/engine.h"

static bool init_spare(bn_request *request, struct sequence *spare) {
    size_t capacity = request->capacity;
    spare->tokens = arena_alloc_array(&request->arena, capacity, sizeof *spare->tokens);
    spare->pages = arena_alloc_array(&request->arena, pages_for(capacity), sizeof(struct kv_page *));
    spare->page_data = arena_alloc_array(&request->arena, pages_for(capacity), sizeof(uint8_t *));
    spare->logprobs = arena_alloc_array(&request->arena, capacity - request->n_prompt, sizeof(float));
    if (!spare->tokens || !spare->pages || !spare->page_data || !spare->logprobs) return false;
    memcpy(spare->tokens, request->sequences[0].tokens, request->n_prompt * sizeof *spare->tokens);
    return true;
}

static bool init_hypothesis(bn_request *request, struct hypothesis *h) {
    size_t n = request->capacity - request->n_prompt;
    h->ids = arena_alloc_array(&request->arena, n, sizeof *h->ids);
    h->logprobs = arena_alloc_array(&request->arena, n, sizeof *h->logprobs);
    return h->ids && h->logprobs;
}

static bool init_candidates(bn_request *request, struct beam_candidates *list) {
    list->items = arena_alloc_array(&request->arena, request->n_sequences, sizeof *list->items);
    return list->items != NULL;
}

struct beam_search *beam_search_create(bn_request *request) {
    struct arena *arena = &request->arena;
    size_t width = request->n_sequences;
    struct beam_search *search = arena_alloc(arena, sizeof *search);
    if (!search) return NULL;
    search->width = width;
    search->n_active = 1;
    search->beams = arena_alloc_array(arena, width, sizeof *search->beams);
    search->hypotheses = arena_alloc_array(arena, width, sizeof *search->hypotheses);
    search->spare = arena_alloc_array(arena, width, sizeof *search->spare);
    if (!search->beams || !search->hypotheses || !search->spare) return NULL;
    bool ok = init_candidates(request, &search->any) && init_candidates(request, &search->open);
    for (size_t i = 0; i < width && ok; i++) {
        ok = init_candidates(request, &search->beams[i].any) && init_candidates(request, &search->beams[i].open) &&
             init_hypothesis(request, &search->hypotheses[i]) && init_spare(request, &search->spare[i]);
    }
    return ok ? search : NULL;
}

/* ---- scoring ---- */

static bool would_enter(const struct beam_candidates *list, size_t width, double score) {
    return list->n < width || score > list->items[list->n - 1].score;
}

/* Candidates come in order of beam and id, so one that ties with others goes behind them. */
static void enter(struct beam_candidates *list, size_t width, const struct beam_candidate *candidate) {
    if (!would_enter(list, width, candidate->score)) return;
    size_t at = list->n < width ? list->n++ : width - 1;
    for (; at > 0 && candidate->score > list->items[at - 1].score; at--) list->items[at] = list->items[at - 1];
    list->items[at] = *candidate;
}

void beam_score(const struct sequence *s, float *logits, size_t vocab_size, double *scratch) {
    const bn_request *request = s->request;
    struct beam_search *search = request->beams;
    struct beam *beam = &search->beams[s->index];
    beam->any.n = beam->open.n = 0;
    logprobs_all(logits, vocab_size, scratch);
    for (size_t id = 0; id < vocab_size; id++) logits[id] = (float)scratch[id];
    struct sampler_input input = request_sampler_input(request, s, s->n_tokens, logits);
    sampler_apply_penalties(s->sampler, &input);
    for (size_t id = 0; id < vocab_size; id++) {
        /* What bias and penalties left alone keeps its float64. */
        double logprob = logits[id] == (float)scratch[id] ? scratch[id] : logits[id];
        struct beam_candidate candidate = {beam->score + logprob, scratch[id], s->index, (int32_t)id};
        if (!(candidate.score > -INFINITY) || !would_enter(&beam->open, search->width, candidate.score)) continue;
        enter(&beam->any, search->width, &candidate);
        if (!request_is_end(request, candidate.id)) enter(&beam->open, search->width, &candidate);
    }
}

/* ---- a round ---- */

static void add_hypothesis(bn_request *request, const struct beam_candidate *candidate, bool ended, double norm) {
    struct beam_search *search = request->beams;
    struct hypothesis *all = search->hypotheses;
    double score = candidate->score / norm;
    size_t at = search->n_hypotheses;
    while (at > 0 && score > all[at - 1].score) at--;
    if (at == search->width) return;
    if (search->n_hypotheses < search->width) search->n_hypotheses++;
    struct hypothesis h = all[search->n_hypotheses - 1]; /* the one that falls out lends its memory */
    memmove(all + at + 1, all + at, (search->n_hypotheses - 1 - at) * sizeof *all);

    const struct sequence *from = &request->sequences[candidate->beam];
    h.n_ids = from->n_tokens - request->n_prompt + 1;
    memcpy(h.ids, from->tokens + request->n_prompt, (h.n_ids - 1) * sizeof *h.ids);
    memcpy(h.logprobs, from->logprobs, (h.n_ids - 1) * sizeof *h.logprobs);
    h.ids[h.n_ids - 1] = candidate->id;
    h.logprobs[h.n_ids - 1] = (float)candidate->logprob;
    h.sum_logprob = search->beams[candidate->beam].sum_logprob + candidate->logprob;
    h.score = score;
    h.ended = ended;
    all[at] = h;
}

/* Builds the continuation of a beam in spare memory; it shares the beam's pages. */
static void extend(bn_request *request, const struct beam_candidate *candidate, struct sequence *to,
                   struct kv_cache *cache) {
    const struct sequence *from = &request->sequences[candidate->beam];
    size_t n_prompt = request->n_prompt, n_output = from->n_tokens - n_prompt;
    memcpy(to->tokens + n_prompt, from->tokens + n_prompt, n_output * sizeof *to->tokens);
    memcpy(to->logprobs, from->logprobs, n_output * sizeof *to->logprobs);
    to->tokens[from->n_tokens] = candidate->id;
    to->logprobs[n_output] = (float)candidate->logprob;
    to->n_tokens = from->n_tokens + 1;
    sequence_fork_pages(to, from, cache);
}

/* What makes up a beam moves; who it is (its place, sampler, request) stays. */
static void move_run(struct sequence *to, const struct sequence *from) {
    to->tokens = from->tokens;
    to->n_tokens = from->n_tokens;
    to->n_computed = from->n_computed;
    to->pages = from->pages;
    to->page_data = from->page_data;
    to->n_pages = from->n_pages;
    to->gap_end = from->gap_end;
    to->logprobs = from->logprobs;
}

static void next_beams(bn_request *request, struct kv_cache *cache) {
    struct beam_search *search = request->beams;
    double sums[MAX_CHOICES];
    for (size_t i = 0; i < search->open.n; i++) {
        const struct beam_candidate *candidate = &search->open.items[i];
        extend(request, candidate, &search->spare[i], cache);
        sums[i] = search->beams[candidate->beam].sum_logprob + candidate->logprob;
    }
    for (size_t i = 0; i < search->n_active; i++) sequence_drop_pages(&request->sequences[i], cache, NULL);
    for (size_t i = 0; i < search->width; i++) {
        struct sequence *s = &request->sequences[i];
        s->state = i < search->open.n ? SEQUENCE_RUNNING : SEQUENCE_IDLE;
        if (i >= search->open.n) continue;
        struct sequence old = *s;
        move_run(s, &search->spare[i]);
        move_run(&search->spare[i], &old);
        search->beams[i].score = search->open.items[i].score;
        search->beams[i].sum_logprob = sums[i];
    }
    search->n_active = search->open.n;
}

/* Merges the beams' lists; beams come in order, so ties stay in order of beam. */
static void merge(struct beam_search *search) {
    search->any.n = search->open.n = 0;
    for (size_t i = 0; i < search->n_active; i++) {
        const struct beam *beam = &search->beams[i];
        for (size_t j = 0; j < beam->any.n; j++) enter(&search->any, search->width, &beam->any.items[j]);
        for (size_t j = 0; j < beam->open.n; j++) enter(&search->open, search->width, &beam->open.items[j]);
    }
}

bool beam_advance(bn_request *request, struct kv_cache *cache) {
    struct beam_search *search = request->beams;
    if (++search->n_ready < search->n_active) return false;
    search->n_ready = 0;
    merge(search);

    size_t length = request->sequences[0].n_tokens + 1 - request->n_prompt;
    bool at_limit = request->sequences[0].n_tokens + 1 == request->capacity;
    double norm = pow((double)length, request->options.length_penalty);
    for (size_t i = 0; i < search->any.n; i++) {
        bool ended = request_is_end(request, search->any.items[i].id);
        if (ended || at_limit) add_hypothesis(request, &search->any.items[i], ended, norm);
    }
    if (at_limit || search->open.n == 0) return true;
    if (search->n_hypotheses == search->width) {
        double best_possible = search->open.items[0].score / norm;
        double worst = search->hypotheses[search->width - 1].score;
        if (request->options.early_stopping || best_possible <= worst) return true;
    }
    next_beams(request, cache);
    return false;
}

void beam_conclude(bn_request *request) {
    const struct beam_search *search = request->beams;
    request->n_choices = search->n_hypotheses < request->n_choices ? search->n_hypotheses : request->n_choices;
    for (size_t i = 0; i < request->n_choices; i++) {
        const struct hypothesis *h = &search->hypotheses[i];
        struct sequence *s = &request->sequences[i];
        memcpy(s->tokens + request->n_prompt, h->ids, h->n_ids * sizeof *h->ids);
        memcpy(s->logprobs, h->logprobs, h->n_ids * sizeof *h->logprobs);
        s->n_tokens = request->n_prompt + h->n_ids;
        s->sum_logprob = h->sum_logprob;
        s->finish = h->ended ? BN_FINISH_STOP : BN_FINISH_LENGTH;
    }
}
