/* Choosing tokens with a screened head.
 *
 * In tiles of MODEL_SCREEN_MAX rows: bounds of all logits in one pass over the six-bit copy of the head; of each row,
 * exact logits of the ids with the largest lower bounds, which take the place of their bounds; ids whose upper bound
 * reaches a threshold; their exact logits; and the sampler on these. The threshold is a guess of how much the sampler
 * needs: that the result is the one of all logits is proven by the sampler, from the one fact that no other id exceeds
 * the threshold. What a grammar doesn't allow has no bounds that could count. */
#include "engine/screen.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "engine/argmax.h"
#include "engine/candidates.h"
#include "engine/exact_math.h"

#define BLOCK         16 /* ids, of whose lower bounds one counts when the k-th largest is looked for */
#define LISTED_SHARE  8  /* lists are at most 1/8 of the vocabulary: reading more costs as much as all */
#define LONGEST_PAUSE 63 /* tokens */
#define WEIGHT_BLOCK  256
#define ROWS_KEPT     128 /* listed rows whose pages may stay, with the 64 KiB around that the system maps with each */
#define N_DEPTHS      256 /* ids are counted by how far their upper bound lies below the largest, … */
#define DEPTH_SCALE   4.0 /* … in quarters of the temperature */
#define TAIL_WANTED   (1.0 / 128) /* of what top-p leaves out: mass that may stay unlisted … */
#define TAIL_HOPELESS 0.25        /* … and how much leaves it hardly a chance to be decided */
#define FORBIDDEN     (-FLT_MAX)  /* the bounds of an id that can't come */

/* One row of the tile. An item's rows lie together, in order. */
struct screen_row {
    struct plan_item *item;
    size_t n_right; /* guesses that are taken for right in this row */
    struct screen_need need;
    struct partial_logits partial;
    float *lower, *upper; /* [V] */
    bool sound;           /* has bounds, and a list */
};

struct screen {
    size_t vocab_size, capacity;
    float *lower, *upper; /* [MODEL_SCREEN_MAX, V] */
    bn_candidate *items;  /* [MODEL_SCREEN_MAX, capacity] */
    struct screen_row rows[MODEL_SCREEN_MAX];
    size_t n_rows;
    size_t rows_read; /* of the exact head since its pages were dropped */
};

struct screen *screen_create(size_t vocab_size) {
    struct screen *screen = mem_calloc(1, sizeof *screen);
    if (!screen) return NULL;
    screen->vocab_size = vocab_size;
    screen->capacity = vocab_size / LISTED_SHARE + 1;
    screen->lower = mem_alloc_array(MODEL_SCREEN_MAX * vocab_size, sizeof(float));
    screen->upper = mem_alloc_array(MODEL_SCREEN_MAX * vocab_size, sizeof(float));
    screen->items = mem_alloc_array(MODEL_SCREEN_MAX * screen->capacity, sizeof *screen->items);
    if (screen->lower && screen->upper && screen->items) return screen;
    screen_destroy(screen);
    return NULL;
}

void screen_destroy(struct screen *screen) {
    if (!screen) return;
    mem_free(screen->lower);
    mem_free(screen->upper);
    mem_free(screen->items);
    mem_free(screen);
}

/* ---- which ids are listed ---- */

/* A float that at least k lower bounds reach: the k-th largest of the maxima of blocks. */
static float kth_lower_bound(const struct screen *screen, const float *lower, size_t k, bn_candidate *maxima) {
    if (k == 1) return max_of(lower, screen->vocab_size);
    size_t n = screen->vocab_size / BLOCK;
    for (size_t i = 0; i < n; i++) maxima[i] = (bn_candidate){(int32_t)i, max_of(lower + i * BLOCK, BLOCK)};
    return k <= n ? candidates_kth_largest(maxima, n, k) : -INFINITY;
}

/* Ids by how far their upper bound lies below the largest lower bound, and their masses at most, relative to the latter's. */
struct depths {
    double masses[N_DEPTHS];
    size_t counts[N_DEPTHS];
};

static void count_depths(const struct screen_row *row, size_t vocab_size, double reference, struct depths *out) {
    double temperature = row->need.temperature, weights[WEIGHT_BLOCK];
    *out = (struct depths){0};
    for (size_t begin = 0; begin < vocab_size; begin += WEIGHT_BLOCK) {
        size_t n = min_size(WEIGHT_BLOCK, vocab_size - begin), depths[WEIGHT_BLOCK];
        for (size_t i = 0; i < n; i++) {
            double upper = (double)row->upper[begin + i];
            /* the last term: what the sampler's division in float32 may add */
            double x = (upper - reference) / temperature + 0x1p-22 * fabs(upper / temperature);
            weights[i] = x < 0 ? x : 0; /* also where upper is infinite */
            depths[i] = (size_t)fmin(-weights[i] * DEPTH_SCALE, N_DEPTHS - 1);
        }
        exact_exp(weights, n);
        for (size_t i = 0; i < n; i++) {
            out->masses[depths[i]] += weights[i];
            out->counts[depths[i]]++;
        }
    }
}

/* The threshold that leaves little mass below, or what lists hold, and a bound of what it leaves. */
static float threshold_by_mass(const struct screen *screen, struct screen_row *row) {
    struct depths depths;
    double reference = (double)max_of(row->lower, screen->vocab_size), tail = 0;
    if (!isfinite(reference)) return -INFINITY;
    count_depths(row, screen->vocab_size, reference, &depths);
    size_t capacity_depth = 0, listed = depths.counts[0];
    while (capacity_depth + 1 < N_DEPTHS && listed + depths.counts[capacity_depth + 1] <= screen->capacity)
        listed += depths.counts[++capacity_depth];
    size_t deepest = N_DEPTHS - 1; /* that is listed */
    for (;
         deepest > 0 && (deepest > capacity_depth || tail + depths.masses[deepest] <= TAIL_WANTED * row->need.left_out);
         deepest--)
        tail += depths.masses[deepest];
    if (!(tail <= TAIL_HOPELESS * row->need.left_out)) return -INFINITY;
    row->partial.tail = tail * (1 + 0x1p-30);
    row->partial.tail_reference = reference / row->need.temperature;
    double distance = (double)(deepest + 1) / DEPTH_SCALE * row->need.temperature;
    /* A little lower, so that rounding counts an id twice rather than not at all. */
    return (float)(reference - distance - 0x1p-20 * (fabs(reference) + distance));
}

static bn_candidate *scratch_candidates(const bn_engine *engine, size_t slot) {
    return (bn_candidate *)(void *)(engine->scratch + slot * engine->vocab_size);
}

/* Lists the ids whose bound, the lower or the upper one, reaches the threshold. False: too many. */
static bool list_ids(const struct screen *screen, struct screen_row *row, const float *bounds, float threshold) {
    struct partial_logits *partial = &row->partial;
    partial->n = 0;
    for (size_t begin = 0; begin < screen->vocab_size; begin += BLOCK) {
        size_t end = min_size(begin + BLOCK, screen->vocab_size);
        if (max_of(bounds + begin, end - begin) < threshold) continue;
        for (size_t id = begin; id < end; id++) {
            if (bounds[id] < threshold) continue;
            if (partial->n == screen->capacity) return false;
            partial->items[partial->n++] = (bn_candidate){(int32_t)id, 0};
        }
    }
    return true;
}

/* Bounds of what is changed one by one, and of what the grammar doesn't allow, in all rows of an item: a matcher is for one
 * thread at a time. */
static void settle_chunk(void *context, size_t chunk, size_t slot) {
    const bn_engine *engine = context;
    struct screen_row *rows = &engine->screen->rows[chunk];
    struct sequence *s = rows->item->sequence;
    (void)slot;
    if (rows->n_right) return; /* its item's first row sees to it */
    for (struct screen_row *row = rows; row < rows + rows->item->n_rows; row++) {
        if (!row->sound) continue;
        struct sampler_input input = request_sampler_input(s->request, s, s->n_tokens + row->n_right, NULL);
        sampler_touch(s->sampler, &input, row->lower, row->upper);
        row->sound = request_allow(s->request, s, s->n_tokens + row->n_right, &input, NULL) == BN_OK;
        for (size_t id = 0; row->sound && input.allowed && id < engine->vocab_size; id++)
            if (!(input.allowed[id / 64] >> id % 64 & 1)) row->lower[id] = row->upper[id] = FORBIDDEN;
    }
}

/* The ids that have the largest lower bounds: as many as the chain needs, and those that come with them. Half the
 * width of an interval is saved where the threshold is made of logits and not of bounds. */
static void lead_chunk(void *context, size_t chunk, size_t slot) {
    const bn_engine *engine = context;
    const struct screen *screen = engine->screen;
    struct screen_row *row = &engine->screen->rows[chunk];
    row->partial.n = 0;
    if (!row->sound) return;
    float kth = kth_lower_bound(screen, row->lower, row->need.k, scratch_candidates(engine, slot));
    row->sound = isfinite(kth) && kth > FORBIDDEN && list_ids(screen, row, row->lower, kth);
}

static void list_chunk(void *context, size_t chunk, size_t slot) {
    const bn_engine *engine = context;
    const struct screen *screen = engine->screen;
    struct screen_row *row = &engine->screen->rows[chunk];
    if (!row->sound) return;
    for (size_t i = 0; i < row->partial.n; i++) {
        const bn_candidate *leader = &row->partial.items[i];
        row->lower[leader->id] = row->upper[leader->id] = leader->logit;
    }
    row->partial.tail = INFINITY;
    float threshold;
    if (row->need.left_out > 0) {
        threshold = threshold_by_mass(screen, row);
    } else {
        float kth = kth_lower_bound(screen, row->lower, row->need.k, scratch_candidates(engine, slot));
        threshold = nextafterf((float)((double)kth - row->need.depth), -INFINITY);
    }
    row->partial.floor = nextafterf(threshold, -INFINITY);
    row->sound = isfinite(threshold) && threshold > FORBIDDEN && list_ids(screen, row, row->upper, threshold);
}

/* ---- drawing ---- */

/* What follows the tokens and n_right guesses. The list is left as it is if `keep`: other choices need it. False:
 * undecided. */
static bool draw(const bn_engine *engine, struct sequence *s, size_t n_right, const struct partial_logits *listed,
                 bool keep, size_t slot) {
    struct draw *draw = &s->draws[n_right];
    struct partial_logits partial = *listed;
    if (keep) {
        partial.items = scratch_candidates(engine, slot);
        memcpy(partial.items, listed->items, listed->n * sizeof *listed->items);
    }
    struct sampler_input input = request_sampler_input(s->request, s, s->n_tokens + n_right, NULL);
    input.partial = &partial;
    draw->status = sampler_sample(s->sampler, &input, &draw->id, &draw->error);
    return draw->id != SAMPLER_UNDECIDED;
}

/* Along the guesses, as far as the rows decide. */
static bool draw_along(const bn_engine *engine, const struct screen_row *rows, size_t slot) {
    struct sequence *s = rows->item->sequence;
    for (; !request_draws_end(s); s->n_draws++) {
        const struct screen_row *row = &rows[s->n_draws];
        if (!row->sound || !draw(engine, s, row->n_right, &row->partial, false, slot)) return false;
    }
    return true;
}

static void draw_chunk(void *context, size_t chunk, size_t slot) {
    const bn_engine *engine = context;
    struct screen_row *row = &engine->screen->rows[chunk];
    if (row->n_right) return; /* its item's first row sees to it */
    bn_request *request = row->item->sequence->request;
    bool decided = true;
    if (request->forked)
        decided = draw_along(engine, row, slot);
    else
        for (size_t i = 0; i < request->n_sequences && decided; i++)
            decided = row->sound &&
                      draw(engine, &request->sequences[i], 0, &row->partial, i + 1 < request->n_sequences, slot);
    row->item->drawn = decided;
}

/* ---- the plan ---- */

/* What pages an exact pass of this step will bring in goes with the next listed rows. */
static void note_exact_rows(bn_engine *engine) {
    const struct plan *plan = &engine->plan;
    for (size_t i = 0; i < plan->n_items; i++)
        if (!plan->items[i].drawn && plan->items[i].n_rows > 0) engine->screen->rows_read = ROWS_KEPT;
}

/* Can this item be tried, and is it time to? */
static bool tries(const bn_engine *engine, const struct plan_item *item, struct screen_need *need) {
    struct sequence *s = item->sequence;
    const bn_request *request = s->request;
    size_t n_spelled;
    if (s->sampler && request_heals(request, s, s->n_tokens, &n_spelled)) return false; /* few ids are possible */
    if (!s->sampler || request->logits || request->beams || request_wants_logprobs(request) ||
        s->n_computed + s->n_planned != s->n_tokens + s->n_drafts || item->n_rows != 1 + s->n_drafts)
        return false; /* the last: a prompt whose log-probabilities are wanted */
    if (!sampler_screens(s->sampler, need) || need->k > engine->vocab_size / (2 * BLOCK)) return false;
    if (s->screen_pause == 0) return true;
    s->screen_pause--;
    return false;
}

/* Exact logits of the rows' listed ids, in portions whose pages are dropped. numbers: of the rows' hidden states. */
static void rescore(bn_engine *engine, const struct forward_options *options, const size_t *numbers) {
    struct screen *screen = engine->screen;
    for (size_t r = 0; r < screen->n_rows; r++) {
        const struct partial_logits *listed = &screen->rows[r].partial;
        for (size_t i = 0; i < listed->n && screen->rows[r].sound; i += ROWS_KEPT) {
            size_t n = min_size(ROWS_KEPT, listed->n - i);
            model_rescore(engine->model, engine->workspace, options, numbers[r], listed->items + i, n);
            engine->plan.rescored += n;
            screen->rows_read += n;
            if (screen->rows_read >= ROWS_KEPT) {
                model_drop_head_pages(engine->model);
                screen->rows_read = 0;
            }
        }
    }
}

static void run_tile(bn_engine *engine, const struct forward_options *options) {
    struct screen *screen = engine->screen;
    size_t numbers[MODEL_SCREEN_MAX];
    bool sound[MODEL_SCREEN_MAX];
    for (size_t i = 0; i < screen->n_rows; i++) {
        struct screen_row *row = &screen->rows[i];
        row->lower = screen->lower + i * screen->vocab_size;
        row->upper = screen->upper + i * screen->vocab_size;
        row->partial.items = screen->items + i * screen->capacity;
        numbers[i] = row->item->first_row + row->n_right;
    }
    model_screen(engine->model, engine->workspace, options, numbers, screen->n_rows, screen->lower, screen->upper,
                 sound);
    for (size_t i = 0; i < screen->n_rows; i++) screen->rows[i].sound = sound[i];
    thread_pool_run(engine->pool, settle_chunk, engine, screen->n_rows);
    thread_pool_run(engine->pool, lead_chunk, engine, screen->n_rows);
    rescore(engine, options, numbers);
    thread_pool_run(engine->pool, list_chunk, engine, screen->n_rows);
    rescore(engine, options, numbers);
    thread_pool_run(engine->pool, draw_chunk, engine, screen->n_rows);
    for (size_t i = 0; i < screen->n_rows; i++) {
        struct sequence *s = screen->rows[i].item->sequence;
        bool drawn = screen->rows[i].item->drawn;
        if (screen->rows[i].n_right) continue;
        engine->plan.screened += drawn ? screen->rows[i].item->n_rows : s->n_draws;
        engine->plan.fallbacks += !drawn;
        s->screen_pause = drawn ? 0 : s->screen_pauses;
        s->screen_pauses = drawn ? s->screen_pauses / 2 : (uint32_t)min_size(2 * s->screen_pauses + 1, LONGEST_PAUSE);
    }
    screen->n_rows = 0;
}

void screen_draw(bn_engine *engine, const struct forward_options *options) {
    struct screen *screen = engine->screen;
    screen->n_rows = 0;
    for (size_t i = 0; i < engine->plan.n_items; i++) {
        struct plan_item *item = &engine->plan.items[i];
        struct screen_need need;
        if (!tries(engine, item, &need)) continue;
        if (screen->n_rows + item->n_rows > MODEL_SCREEN_MAX) run_tile(engine, options);
        for (size_t r = 0; r < item->n_rows; r++)
            screen->rows[screen->n_rows++] = (struct screen_row){.item = item, .n_right = r, .need = need};
    }
    if (screen->n_rows) run_tile(engine, options);
    note_exact_rows(engine);
}
