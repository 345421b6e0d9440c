/* What the next step computes.
 *
 * Sequences are served in one fixed order: by their request's turn, then arrival, then number of the choice. The turn is
 * the time of arrival; a step of priority counts as having come earlier, each request that the same client has here
 * already as having come later. So priorities age, no client keeps others out, and nobody starves. A step takes one
 * token of every running sequence that decodes, then chunks of prompts: as many tokens as the budget has room for, or
 * while others decode those of a bounded time. Neither tokens nor short prompts wait for a long one. A waiting sequence
 * is admitted when there is a slot and its tokens fit the free pages; the first in line is never overtaken.
 *
 * Pages are taken as sequences grow. When none is left, the last running sequence in the order gives up all of its
 * pages and waits again; later it computes its tokens anew (which costs time but not a bit: the forward pass gives the
 * same numbers in any chunking). So the first in the order can always go on, and there is no deadlock: requests that
 * would not fit the whole cache alone are refused when they are submitted. The beams of a request come and go
 * together, since a beam step needs all of them. A paused request gives up its pages in the same way. */
#include "base/clock.h"
#include "base/memory.h"
#include "engine/beam.h"
#include "engine/engine.h"

#include <string.h>

/* ---- order of service ---- */

#define PRIORITY_NS (INT64_C(10) * 1000000000) /* a step of priority */
#define CLIENT_NS   (INT64_C(1) * 1000000000)  /* a request of the same client */

static int64_t turn_of(const bn_engine *engine, const bn_request *request) {
    int64_t n_others = 0;
    for (size_t i = 0; request->options.client && i < engine->n_live; i++) {
        const struct sequence *s = engine->live[i];
        n_others += s->index == 0 && s->request->options.client == request->options.client;
    }
    return (int64_t)request->submitted_ns - (int64_t)request->options.priority * PRIORITY_NS + n_others * CLIENT_NS;
}

static bool served_before(const bn_request *a, const bn_request *b) {
    if (a->turn != b->turn) return a->turn < b->turn;
    return a->arrival < b->arrival;
}

void scheduler_enqueue(bn_engine *engine, bn_request *request) {
    size_t at = engine->n_live, n = request->n_sequences;
    request->turn = turn_of(engine, request);
    while (at > 0 && served_before(request, engine->live[at - 1]->request)) at--;
    memmove(engine->live + at + n, engine->live + at, (engine->n_live - at) * sizeof(struct sequence *));
    for (size_t i = 0; i < n; i++) engine->live[at + i] = &request->sequences[i];
    engine->n_live += n;
}

void scheduler_remove_done(bn_engine *engine) {
    size_t n = 0;
    for (size_t i = 0; i < engine->n_live; i++) {
        if (engine->live[i]->state != SEQUENCE_DONE) engine->live[n++] = engine->live[i];
    }
    engine->n_live = n;
}

static size_t count_running(const bn_engine *engine) {
    size_t n = 0;
    for (size_t i = 0; i < engine->n_live; i++) n += engine->live[i]->state == SEQUENCE_RUNNING;
    return n;
}

bool scheduler_has_slot(const bn_engine *engine) {
    return count_running(engine) < engine->max_sequences;
}

/* ---- admission ---- */

/* Pages a sequence still lacks for all its tokens and one more; with a window no more than it will ever have. */
static size_t pages_lacking(const struct sequence *s) {
    size_t wanted = pages_for(min_size(s->n_tokens + 1, s->request->capacity));
    return wanted > s->n_pages ? min_size(wanted - s->n_pages, s->request->engine->most_pages) : 0;
}

/* How much of a sequence may come out of the prefix tree: everything before the first row of logits it needs. */
static size_t prefix_limit(const struct sequence *s) {
    size_t position = s->n_computed;
    while (position + 1 < s->n_tokens && !request_wants_row(s->request, s, position)) position++;
    return position;
}

/* Lets one waiting sequence run if its pages are there: `promised` of the available ones belong to others. What the
 * tree knows of it is held from now on; there may be more when its turn comes. */
static bool admit_one(bn_engine *engine, struct sequence *s, size_t *promised, size_t n_running) {
    struct prefix_match match = {0};
    if (engine->use_prefixes) sequence_attach_prefix(s, &engine->prefixes, prefix_limit(s), &match);
    sequence_drop_tail(&engine->cache, &match);
    size_t lacking = pages_lacking(s);
    /* One page of headroom for each that runs already, so that the newcomer isn't thrown out right away. */
    if (n_running && kv_cache_available(&engine->cache) < *promised + lacking + n_running) {
        sequence_drop_pages(s, &engine->cache, NULL);
        return false;
    }
    s->state = SEQUENCE_RUNNING;
    s->fresh = true;
    *promised += lacking;
    if (!s->request->started_ns) s->request->started_ns = clock_now_ns();
    return true;
}

/* The beams of a request are admitted together: alone on the machine, or when all of them find room. */
static bool admit_beams(bn_engine *engine, bn_request *request, size_t *promised, size_t n_running) {
    size_t lacking = 0;
    for (size_t i = 0; i < request->n_sequences; i++) {
        const struct sequence *s = &request->sequences[i];
        if (s->state == SEQUENCE_WAITING) lacking += pages_lacking(s);
    }
    if (n_running && kv_cache_available(&engine->cache) < *promised + lacking + n_running) return false;
    for (size_t i = 0; i < request->n_sequences; i++) {
        struct sequence *s = &request->sequences[i];
        if (s->state == SEQUENCE_WAITING) admit_one(engine, s, promised, 0);
    }
    return true;
}

static void admit(bn_engine *engine) {
    size_t n_running = count_running(engine), promised = 0;
    for (size_t i = 0; i < engine->n_live; i++) {
        if (engine->live[i]->state == SEQUENCE_RUNNING) promised += pages_lacking(engine->live[i]);
    }
    for (size_t i = 0; i < engine->n_live; i++) {
        struct sequence *s = engine->live[i];
        if (s->state != SEQUENCE_WAITING || request_is_paused(s->request)) continue;
        struct beam_search *beams = s->request->beams;
        size_t n = beams ? beams->n_active : 1;
        if (n_running && n_running + n > engine->max_sequences) return;
        if (!(beams ? admit_beams(engine, s->request, &promised, n_running)
                    : admit_one(engine, s, &promised, n_running)))
            return;
        n_running += n;
    }
}

/* ---- shares of the budget ---- */

/* Before its first chunk a sequence takes what the tree knows by now, which may have come since it was admitted: of
 * many prompts that begin alike only the first is computed. */
static void take_prefix(bn_engine *engine, struct sequence *s) {
    struct prefix_match match;
    s->fresh = false;
    if (!engine->use_prefixes) return;
    sequence_drop_pages(s, &engine->cache, NULL);
    sequence_attach_prefix(s, &engine->prefixes, prefix_limit(s), &match);
    sequence_copy_tail(s, &engine->cache, &match);
}

/* Takes as many of the pending tokens of a sequence, and then of its guesses, into the step as the rest of the budget
 * and of the rows allow. */
static void plan_chunk(struct sequence *s, size_t most, size_t *tokens_left, size_t *rows_left) {
    size_t n_ahead = sequence_pending(s) + s->n_drafts;
    size_t end = s->n_computed + min_size(n_ahead, min_size(most, *tokens_left)), position = s->n_computed;
    for (; position < end; position++) {
        bool wanted = request_wants_row(s->request, s, position) && !s->request->embedding; /* no logits */
        if (wanted && *rows_left == 0) break;
        *rows_left -= wanted;
    }
    s->n_planned = position - s->n_computed;
    if (s->n_drafts) s->n_drafts = position > s->n_tokens ? position - s->n_tokens : 0;
    *tokens_left -= s->n_planned;
}

/* bn_engine_logits alone gets its rows straight into the caller's buffer, so their number isn't limited. */
static bool rows_go_to_caller(const bn_engine *engine) {
    return engine->n_live == 1 && engine->live[0]->request->logits && !engine->live[0]->request->last_row_only;
}

static bool is_prompt(const struct sequence *s) {
    return s->state == SEQUENCE_RUNNING && sequence_pending(s) > 1;
}

/* Will what a prompt ahead of it computes serve this one, too? Then it waits, to find that in the prefix tree. */
static bool follows_another(const bn_engine *engine, size_t place) {
    const struct sequence *s = engine->live[place];
    if (!engine->use_prefixes || !s->fresh || prefix_limit(s) < KV_PAGE_TOKENS) return false;
    for (size_t i = 0; i < place; i++) {
        const struct sequence *other = engine->live[i];
        if (is_prompt(other) && !other->fresh &&
            other->n_computed < KV_PAGE_TOKENS * (other->n_tokens / KV_PAGE_TOKENS) &&
            other->n_tokens > KV_PAGE_TOKENS && prefix_realm_is(other->request->realm, s->request->realm) &&
            memcmp(other->tokens, s->tokens, KV_PAGE_TOKENS * sizeof *s->tokens) == 0)
            return true;
    }
    return false;
}

/* The prompts that compute in this step. Returns the first in line (NULL: there are none) and what all others need. */
static struct sequence *gather_prompts(bn_engine *engine, size_t *others_need) {
    struct sequence *first = NULL;
    *others_need = 0;
    for (size_t i = 0; i < engine->n_live; i++) {
        struct sequence *s = engine->live[i];
        if (!is_prompt(s)) continue;
        s->deferred = first && follows_another(engine, i);
        if (s->deferred) continue;
        if (s->fresh) take_prefix(engine, s);
        if (first)
            *others_need += sequence_pending(s);
        else
            first = s;
    }
    return first;
}

static struct sequence *shortest_unplanned_prompt(const bn_engine *engine) {
    struct sequence *shortest = NULL;
    for (size_t i = 0; i < engine->n_live; i++) {
        struct sequence *s = engine->live[i];
        if (!is_prompt(s) || s->deferred || s->n_planned) continue;
        if (!shortest || sequence_pending(s) < sequence_pending(shortest)) shortest = s;
    }
    return shortest;
}

/* The first in line has half of the tokens for sure, so that every prompt gets on in its turn; the other half goes to
 * those that need the fewest, since a short prompt holds a long one up by little, and the other way round by much. */
static void share_among_prompts(bn_engine *engine, size_t tokens_left, size_t rows_left) {
    size_t others_need, all = tokens_left;
    struct sequence *s = gather_prompts(engine, &others_need);
    if (!s) return;
    plan_chunk(s, max_size((all + 1) / 2, all - min_size(all, others_need)), &tokens_left, &rows_left);
    while (tokens_left && (s = shortest_unplanned_prompt(engine))) {
        plan_chunk(s, tokens_left, &tokens_left, &rows_left);
        if (!s->n_planned) return; /* no rows are left */
    }
}

#define PROMPTS_NS        (UINT64_C(250) * 1000000)
#define MIN_PROMPT_TOKENS 16 /* from here on a token costs about what it does in a full chunk */

/* While sequences decode, the tokens of prompts in a step are a gap between two tokens of each of them. So there are
 * only as many as take PROMPTS_NS at the pace of the last steps. Prompts among themselves have the whole budget. */
static size_t prompt_budget(const bn_engine *engine, size_t tokens_left) {
    size_t affordable = engine->token_ns ? PROMPTS_NS / engine->token_ns : 0;
    return min_size(tokens_left, max_size(affordable, MIN_PROMPT_TOKENS));
}

static void share_budget(bn_engine *engine) {
    size_t tokens_left = engine->batch_tokens;
    size_t rows_left = rows_go_to_caller(engine) ? engine->batch_tokens : engine->max_rows;
    for (size_t i = 0; i < engine->n_live; i++) {
        struct sequence *s = engine->live[i];
        if (s->state == SEQUENCE_RUNNING && sequence_pending(s) == 1)
            plan_chunk(s, tokens_left, &tokens_left, &rows_left);
    }
    if (tokens_left < engine->batch_tokens) tokens_left = prompt_budget(engine, tokens_left);
    share_among_prompts(engine, tokens_left, rows_left);
}

void scheduler_note_step(bn_engine *engine, uint64_t elapsed_ns) {
    uint64_t ns = elapsed_ns / engine->plan.n_tokens;
    engine->token_ns = engine->token_ns ? (engine->token_ns + ns) / 2 : ns;
}

/* ---- pages ---- */

static void preempt(bn_engine *engine, struct sequence *s) {
    bn_request *request = s->request;
    for (size_t i = 0; i < request->n_sequences; i++) {
        struct sequence *other = &request->sequences[i];
        if ((other != s && !request->beams) || other->state != SEQUENCE_RUNNING) continue;
        sequence_drop_pages(other, &engine->cache, engine_prefixes(engine));
        draft_model_drop(engine->speculation.model, other);
        other->state = SEQUENCE_WAITING;
    }
    if (request->beams) request->beams->n_ready = 0;
}

static struct sequence *last_running(const bn_engine *engine) {
    for (size_t i = engine->n_live; i-- > 0;) {
        if (engine->live[i]->state == SEQUENCE_RUNNING) return engine->live[i];
    }
    return NULL;
}

static bool runs_alone(const bn_engine *engine, const struct sequence *s) {
    for (size_t i = 0; i < engine->n_live; i++) {
        const struct sequence *other = engine->live[i];
        if (other->state == SEQUENCE_RUNNING && other != s && (!s->request->beams || other->request != s->request))
            return false;
    }
    return true;
}

/* Makes the pages writable that a sequence's planned tokens go to, at the cost of those served after it; the last in
 * line gives up its own place. Guesses go without. Alone and still without a page, the system is out of memory. */
static void secure_pages(bn_engine *engine, struct sequence *s) {
    size_t position = s->n_computed, end = s->n_computed + s->n_planned;
    while (position < end) {
        if (sequence_secure_page(s, &engine->cache, position)) {
            position = (position / KV_PAGE_TOKENS + 1) * KV_PAGE_TOKENS;
            continue;
        }
        if (position >= s->n_tokens) {
            s->n_planned = position - s->n_computed;
            s->n_drafts = position - s->n_tokens;
            return;
        }
        if (runs_alone(engine, s)) {
            bn_error error;
            fail(&error, BN_STATUS_NO_MEMORY,
                 "no memory for another KV page of %zu bytes: lower kv_bytes or "
                 "context_length",
                 engine->cache.page_bytes);
            request_abort(engine, s->request, BN_FINISH_ERROR, &error);
            return;
        }
        struct sequence *victim = last_running(engine);
        bool own = victim == s || (s->request->beams && victim->request == s->request);
        preempt(engine, victim);
        if (own) return;
    }
}

bool scheduler_suspend_paused(bn_engine *engine) {
    bool others = false;
    for (size_t i = 0; i < engine->n_live; i++) {
        struct sequence *s = engine->live[i];
        bool paused = request_is_paused(s->request);
        others |= !paused;
        if (paused && s->state == SEQUENCE_RUNNING) preempt(engine, s);
    }
    return others;
}

/* ---- the batch ---- */

static void add_item(struct plan *plan, struct sequence *s) {
    const bn_request *request = s->request;
    struct plan_item *item = &plan->items[plan->n_items];
    *item = (struct plan_item){.sequence = s, .first_row = plan->n_rows};
    plan->sequences[plan->n_items++] = (struct batch_sequence){.n_tokens = s->n_planned,
                                                               .first_position = s->n_computed,
                                                               .pages = s->page_data,
                                                               .reserved_length = request->capacity};
    for (size_t i = 0; i < s->n_planned; i++) {
        size_t position = s->n_computed + i;
        plan->tokens[plan->n_tokens] = s->tokens[position];
        plan->want_logits[plan->n_tokens++] = request_wants_row(request, s, position);
        item->n_rows += request_wants_row(request, s, position);
    }
    plan->n_rows += item->n_rows;
}

void scheduler_plan(bn_engine *engine) {
    struct plan *plan = &engine->plan;
    plan->n_items = plan->n_tokens = plan->n_rows = 0;
    plan->screened = plan->rescored = plan->fallbacks = 0;
    for (size_t i = 0; i < engine->n_live; i++) {
        struct sequence *s = engine->live[i];
        s->n_planned = s->n_draws = 0;
        s->deferred = false;
    }
    admit(engine);
    share_budget(engine);
    for (size_t i = 0; i < engine->n_live; i++) {
        if (engine->live[i]->n_planned) secure_pages(engine, engine->live[i]);
    }
    for (size_t i = 0; i < engine->n_live; i++) {
        if (engine->live[i]->n_planned) add_item(plan, engine->live[i]);
    }
    plan->logits = engine->logits;
    if (rows_go_to_caller(engine) && plan->n_items) {
        const struct sequence *s = plan->items[0].sequence;
        plan->logits = s->request->logits + s->n_computed * engine->vocab_size;
    }
}
