/* Attention over the paged KV cache: an online softmax over tiles of positions.
 *
 * The order of every sum is a function of positions alone, so that a token's result doesn't depend on batch, chunking,
 * threads or pages. Positions are cut at multiples of TILE_POSITIONS and SPLIT_POSITIONS from 0. Within a split the
 * visible part of one tile after the other is added to (m, l, o): the highest score so far, Σ exp(score − m) and
 * Σ exp(score − m)·v (Milakov & Gimelshein 2018; Dao et al. 2022). The splits' results are then merged in order.
 *
 * A block is up to BLOCK_ROWS query rows that read the same keys: the heads of one key-value head × neighbouring tokens
 * of one sequence. Keys are thus read once for all of them. Threads take (block, key-value head); when there are fewer
 * of these than threads would like, as in decoding, they take (block, key-value head, split) and the merge follows. */
#include "model/attention.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "kernels/layout.h"
#include "model/kv_layout.h"

#define TILE_POSITIONS  64
#define SPLIT_POSITIONS 1024
#define BLOCK_ROWS      64
#define WIDEN_ROWS      16 /* from so many rows on, narrow keys and values are widened once, not once per row tile */

/* ---- scratch ---- */

/* The running sums of a block over one split or over all so far. */
struct sums {
    float *o;     /* [rows, D] */
    float *m, *l; /* [rows]; l = 0: nothing seen yet */
};

/* What one thread works with. */
struct attention_slot {
    float *q; /* [rows, D] */
    struct sums split, total;
    float *scores;        /* [rows, TILE_POSITIONS] */
    float *c, *ones;      /* [rows] */
    float *keys, *values; /* [D, KV_PAGE_TOKENS], [KV_PAGE_TOKENS, D]: of a page, widened */
    int8_t *q8;           /* [rows, kv_padded_dim(D)] and room for rounding up to L16_COLS */
    float *q_factors;     /* [rows] */
};

static size_t group_size(const struct model_config *c) {
    return c->n_heads / c->n_kv_heads;
}

static size_t tokens_per_block(const struct model_config *c) {
    return max_size(1, BLOCK_ROWS / group_size(c));
}

static size_t splits_of(size_t n_positions) {
    return (n_positions + SPLIT_POSITIONS - 1) / SPLIT_POSITIONS;
}

int8_t *attention_slot_bytes(const struct attention_scratch *scratch, size_t slot) {
    return scratch->slots[slot].q8;
}

static bool take(struct arena *arena, float **out, size_t n) {
    return (*out = arena_alloc_array(arena, n, sizeof(float))) != NULL;
}

static bool slot_init(struct attention_slot *s, const struct model_config *c, struct arena *arena) {
    size_t rows = group_size(c) * tokens_per_block(c), D = c->head_dim;
    if (!(take(arena, &s->q, rows * D) && take(arena, &s->split.o, rows * D) && take(arena, &s->split.m, rows) &&
          take(arena, &s->split.l, rows) && take(arena, &s->total.o, rows * D) && take(arena, &s->total.m, rows) &&
          take(arena, &s->total.l, rows) && take(arena, &s->scores, rows * TILE_POSITIONS) &&
          take(arena, &s->c, rows) && take(arena, &s->ones, rows) && take(arena, &s->keys, D * KV_PAGE_TOKENS) &&
          take(arena, &s->values, D * KV_PAGE_TOKENS) && take(arena, &s->q_factors, rows)))
        return false;
    s->q8 = arena_alloc_array(arena, rows * kv_padded_dim(D) + L16_COLS, 1);
    for (size_t r = 0; r < rows; r++) s->ones[r] = 1.0f;
    return s->q8 != NULL;
}

bool attention_scratch_init(struct attention_scratch *scratch, const struct model_config *c, size_t max_tokens,
                            size_t max_context, size_t n_slots, struct arena *arena) {
    scratch->slots = arena_alloc_array(arena, n_slots, sizeof *scratch->slots);
    scratch->blocks = arena_alloc_array(arena, max_tokens + 1, sizeof *scratch->blocks);
    if (!scratch->slots || !scratch->blocks) return false;
    for (size_t i = 0; i < n_slots; i++)
        if (!slot_init(&scratch->slots[i], c, arena)) return false;
    size_t n_splits = splits_of(max_context);
    if (n_slots == 1 || n_splits == 1) return true;
    scratch->partial_rows = (2 * n_slots + c->n_kv_heads) * group_size(c) * n_splits;
    return take(arena, &scratch->partials, scratch->partial_rows * (c->head_dim + 2));
}

/* ---- what a token sees ---- */

struct range {
    size_t from, to;
};
enum run { RUN_SINKS, RUN_RECENT, N_RUNS };

/* The visible positions are two runs, in this order; the first is empty unless there are sinks. */
static struct range visible(const struct attention *a, size_t position, enum run run) {
    size_t end = position + 1, window = a->layer->window;
    size_t first = window && end > window ? end - window : 0;
    size_t recent = a->recent && end > a->recent ? max_size(first, end - a->recent) : first;
    if (run == RUN_RECENT) return (struct range){recent, end};
    return (struct range){first, max_size(first, min_size(a->n_sinks, recent))};
}

static struct range intersect(struct range a, struct range b) {
    struct range both = {max_size(a.from, b.from), min_size(a.to, b.to)};
    if (both.from >= both.to) both.from = both.to = 0;
    return both;
}

static bool same(struct range a, struct range b) {
    return a.from == b.from && a.to == b.to;
}

/* ---- one block ---- */

struct block {
    const struct attention *a;
    struct attention_slot *slot;
    const struct token_place *places; /* [n_tokens] */
    uint8_t *const *pages;
    size_t n_tokens, kv_head, group; /* rows = n_tokens · group */
    bool wide;                       /* pages are widened first */
};

static struct block block_of(const struct attention *a, size_t index, size_t kv_head, size_t slot) {
    size_t first = a->scratch->blocks[index], n = a->scratch->blocks[index + 1] - first, group = group_size(a->config);
    return (struct block){.a = a,
                          .slot = &a->scratch->slots[slot],
                          .places = a->places + first,
                          .pages = a->places[first].sequence->pages,
                          .n_tokens = n,
                          .kv_head = kv_head,
                          .group = group,
                          .wide = a->kv_type != KV_F32 && n * group >= WIDEN_ROWS};
}

/* Rows of the block, token after token, next to each other. */
static void load_queries(const struct block *b) {
    const struct attention *a = b->a;
    size_t D = a->config->head_dim, heads = a->config->n_heads, padded = kv_padded_dim(D);
    size_t first = (size_t)(b->places - a->places);
    for (size_t t = 0; t < b->n_tokens; t++)
        memcpy(b->slot->q + t * b->group * D, a->q + ((first + t) * heads + b->kv_head * b->group) * D,
               b->group * D * sizeof(float));
    if (a->kv_type != KV_Q8) return;
    for (size_t r = 0; r < b->n_tokens * b->group; r++) {
        int32_t sum;
        a->kernels->quantize_row(b->slot->q8 + r * padded, &b->slot->q_factors[r], &sum, b->slot->q + r * D, D);
        b->slot->q_factors[r] *= a->layer->attention_scale;
    }
}

/* Keys or values of a page for prefetching; NULL when there is no such page, or pages are widened. */
static const void *upcoming(const struct block *b, size_t page, bool values) {
    if (b->wide || page > b->places[b->n_tokens - 1].position / KV_PAGE_TOKENS || !b->pages[page]) return NULL;
    const struct kv_part part = kv_part_of(b->a, b->pages[page], b->kv_head);
    return values ? part.values : part.keys;
}

/* Scores of the positions of one page for the rows of tokens [first, end). */
static void score_page(const struct block *b, size_t page, float *scores, size_t first, size_t end, const void *next) {
    const struct attention *a = b->a;
    const struct attention_slot *s = b->slot;
    const struct kv_part part = kv_part_of(a, b->pages[page], b->kv_head);
    size_t D = a->config->head_dim, row = first * b->group, n = (end - first) * b->group;
    float scale = a->layer->attention_scale;
    scores += row * TILE_POSITIONS;
    if (a->kv_type == KV_Q8) {
        size_t padded = kv_padded_dim(D);
        a->kernels->attention_scores_q8(scores, TILE_POSITIONS, s->q8 + row * padded, s->q_factors + row, n,
                                        (const int8_t *)part.keys, part.key_scales, padded, next);
        return;
    }
    const void *keys = part.keys;
    if (b->wide) {
        a->kernels->f16_to_f32(s->keys, keys, D * KV_PAGE_TOKENS);
        keys = s->keys;
    }
    if (a->kv_type == KV_F32 || b->wide)
        a->kernels->attention_scores_f32(scores, TILE_POSITIONS, s->q + row * D, n, keys, D, scale, next);
    else
        a->kernels->attention_scores_f16(scores, TILE_POSITIONS, s->q + row * D, n, keys, D, scale, next);
}

/* Adds weights × values at positions [seen.from, seen.to) of one page for the rows of tokens [first, end). */
static void add_values(const struct block *b, const struct kv_part *part, const float *c, struct range seen,
                       float *weights, size_t first, size_t end, const void *next) {
    const struct attention *a = b->a;
    const struct attention_slot *s = b->slot;
    size_t D = a->config->head_dim, row = first * b->group, n_rows = (end - first) * b->group;
    size_t at = seen.from % KV_PAGE_TOKENS, n = seen.to - seen.from;
    float *o = s->split.o + row * D;
    weights += row * TILE_POSITIONS + seen.from % TILE_POSITIONS;
    c += row;
    if (a->kv_type == KV_Q8)
        for (size_t r = 0; r < n_rows; r++)
            a->kernels->multiply(weights + r * TILE_POSITIONS, part->value_scales + at, n);
    if (a->kv_type == KV_F32 || b->wide) {
        const float *values = b->wide ? s->values : (const float *)(const void *)part->values;
        a->kernels->attention_values_f32(o, c, weights, TILE_POSITIONS, n_rows, values + at * D, n, D, next);
    } else if (a->kv_type == KV_F16) {
        const uint16_t *values = (const uint16_t *)(const void *)part->values + at * D;
        a->kernels->attention_values_f16(o, c, weights, TILE_POSITIONS, n_rows, values, n, D, next);
    } else {
        const int8_t *values = (const int8_t *)part->values + at * D;
        a->kernels->attention_values_i8(o, c, weights, TILE_POSITIONS, n_rows, values, n, D, next);
    }
}

/* exp(score − m) of the positions a token sees, for its rows. */
static void weigh_token(const struct block *b, size_t token, struct range seen) {
    const struct kernels *kernels = b->a->kernels;
    const struct attention_slot *s = b->slot;
    size_t n = seen.to - seen.from;
    for (size_t r = token * b->group; r < (token + 1) * b->group; r++) {
        float *scores = s->scores + r * TILE_POSITIONS + seen.from % TILE_POSITIONS;
        if (b->a->config->attention_softcap > 0) kernels->softcap(scores, b->a->config->attention_softcap, n);
        s->c[r] = kernels->softmax_step(scores, n, &s->split.m[r], &s->split.l[r]);
    }
}

/* The values of one page of a tile for tokens [first, end) that see some of the tile. Neighbours that see the same of
 * the page go together. */
static void value_page(const struct block *b, struct range tile, size_t page, enum run run, size_t first, size_t end) {
    const struct attention_slot *s = b->slot;
    const struct kv_part part = kv_part_of(b->a, b->pages[page], b->kv_head);
    const struct range here = {page * KV_PAGE_TOKENS, (page + 1) * KV_PAGE_TOKENS};
    size_t n = KV_PAGE_TOKENS * b->a->config->head_dim;
    if (b->wide && b->a->kv_type == KV_F16)
        b->a->kernels->f16_to_f32(s->values, (const uint16_t *)(const void *)part.values, n);
    else if (b->wide)
        b->a->kernels->i8_to_f32(s->values, (const int8_t *)part.values, n);
    const void *coming = upcoming(b, page + 1, (page + 1) * KV_PAGE_TOKENS < tile.to);
    for (size_t t = first, next; t < end; t = next) {
        struct range in_tile = intersect(visible(b->a, b->places[t].position, run), tile);
        struct range seen = intersect(in_tile, here);
        bool begins = in_tile.from >= here.from; /* the sums so far are rescaled once per tile */
        for (next = t + 1; next < end; next++) {
            struct range other = intersect(visible(b->a, b->places[next].position, run), tile);
            if (!same(seen, intersect(other, here)) || begins != (other.from >= here.from)) break;
        }
        if (seen.to) add_values(b, &part, begins ? s->c : s->ones, seen, s->scores, t, next, coming);
    }
}

/* Adds one tile to the sums of the split, for the tokens that see some of it. */
static void attend_tile(const struct block *b, struct range tile, enum run run) {
    size_t first = b->n_tokens, end = 0;
    struct range all = {SIZE_MAX, 0};
    for (size_t t = 0; t < b->n_tokens; t++) {
        struct range seen = intersect(visible(b->a, b->places[t].position, run), tile);
        if (!seen.to) continue;
        first = min_size(first, t);
        end = t + 1;
        all = (struct range){min_size(all.from, seen.from), max_size(all.to, seen.to)};
    }
    if (!end) return;
    size_t from = all.from / KV_PAGE_TOKENS, to = (all.to - 1) / KV_PAGE_TOKENS;
    for (size_t page = from; page <= to; page++)
        score_page(b, page, b->slot->scores + page * KV_PAGE_TOKENS % TILE_POSITIONS, first, end,
                   page < to ? upcoming(b, page + 1, false) : upcoming(b, from, true));
    for (size_t t = first; t < end; t++) weigh_token(b, t, intersect(visible(b->a, b->places[t].position, run), tile));
    for (size_t page = from; page <= to; page++) value_page(b, tile, page, run, first, end);
}

/* slot->split = the sums over one split. */
static void attend_split(const struct block *b, size_t split) {
    size_t rows = b->n_tokens * b->group;
    const struct sums *sums = &b->slot->split;
    memset(sums->o, 0, rows * b->a->config->head_dim * sizeof(float));
    for (size_t r = 0; r < rows; r++) {
        sums->m[r] = -INFINITY;
        sums->l[r] = 0.0f;
    }
    const struct range whole = {split * SPLIT_POSITIONS, (split + 1) * SPLIT_POSITIONS};
    for (int run = 0; run < N_RUNS; run++) {
        struct range first = visible(b->a, b->places[0].position, (enum run)run);
        struct range last = visible(b->a, b->places[b->n_tokens - 1].position, (enum run)run);
        struct range seen = intersect(whole, (struct range){min_size(first.from, last.from), last.to});
        for (size_t p = seen.from / TILE_POSITIONS * TILE_POSITIONS; p < seen.to; p += TILE_POSITIONS)
            attend_tile(b, (struct range){p, p + TILE_POSITIONS}, (enum run)run);
    }
}

/* Adds the sums of a later split to one row's total. */
static void merge(const struct attention *a, float *o, float *m, float *l, const float *split_o, float split_m,
                  float split_l) {
    size_t D = a->config->head_dim;
    if (split_l == 0) return;
    if (*l == 0) {
        memcpy(o, split_o, D * sizeof *o);
        *m = split_m;
        *l = split_l;
        return;
    }
    float weight = split_m, unused = 0.0f, c = a->kernels->softmax_step(&weight, 1, m, &unused);
    *l = *l * c + split_l * weight;
    a->kernels->attention_values_f32(o, &c, &weight, 1, 1, split_o, 1, D, NULL);
}

static void finish(const struct attention *a, size_t token, size_t head, const float *o, float l) {
    size_t D = a->config->head_dim;
    float *out = a->out + (token * a->config->n_heads + head) * D;
    memcpy(out, o, D * sizeof *out);
    a->kernels->scale(out, 1.0f / l, D);
}

/* ---- sharing out the work ---- */

/* A chunk is (block, key-value head). */
static void attend_whole(void *context, size_t chunk, size_t slot) {
    const struct attention *a = context;
    size_t D = a->config->head_dim, K = a->config->n_kv_heads;
    const struct block b = block_of(a, chunk / K, chunk % K, slot);
    const struct sums *split = &b.slot->split, *total = &b.slot->total;
    size_t rows = b.n_tokens * b.group, first = (size_t)(b.places - a->places);
    load_queries(&b);
    memset(total->l, 0, rows * sizeof *total->l);
    for (size_t i = 0; i < splits_of(b.places[b.n_tokens - 1].position + 1); i++) {
        attend_split(&b, i);
        for (size_t r = 0; r < rows; r++)
            merge(a, total->o + r * D, &total->m[r], &total->l[r], split->o + r * D, split->m[r], split->l[r]);
    }
    for (size_t r = 0; r < rows; r++)
        finish(a, first + r / b.group, b.kv_head * b.group + r % b.group, total->o + r * D, total->l[r]);
}

/* Where (token, head, split) lies among the partial sums: o[D], m, l. */
static float *partial(const struct attention *a, size_t token, size_t head, size_t split) {
    return a->scratch->partials +
           ((token * a->config->n_heads + head) * a->n_splits + split) * (a->config->head_dim + 2);
}

/* A chunk is (block, key-value head, split). */
static void attend_part(void *context, size_t chunk, size_t slot) {
    const struct attention *a = context;
    size_t D = a->config->head_dim, K = a->config->n_kv_heads, split = chunk / K % a->n_splits;
    const struct block b = block_of(a, chunk / K / a->n_splits, chunk % K, slot);
    load_queries(&b);
    attend_split(&b, split);
    for (size_t r = 0; r < b.n_tokens * b.group; r++) {
        float *to = partial(a, (size_t)(b.places - a->places) + r / b.group, b.kv_head * b.group + r % b.group, split);
        memcpy(to, b.slot->split.o + r * D, D * sizeof *to);
        to[D] = b.slot->split.m[r];
        to[D + 1] = b.slot->split.l[r];
    }
}

/* Merges the parts of one token into its first one. */
static void merge_parts(const struct attention *a, size_t token) {
    size_t D = a->config->head_dim;
    for (size_t h = 0; h < a->config->n_heads; h++) {
        float *sums = partial(a, token, h, 0);
        for (size_t i = 1; i < a->n_splits; i++) {
            const float *part = partial(a, token, h, i);
            merge(a, sums, &sums[D], &sums[D + 1], part, part[D], part[D + 1]);
        }
        finish(a, token, h, sums, sums[D + 1]);
    }
}

/* Cuts the tokens into blocks; returns how many splits the longest sequence has. */
static size_t cut_blocks(struct attention *a) {
    size_t most = tokens_per_block(a->config), n_splits = 1, *blocks = a->scratch->blocks;
    a->n_blocks = 0;
    for (size_t t = 0; t < a->n_tokens; t++) {
        bool starts =
            t == 0 || a->places[t].sequence != a->places[t - 1].sequence || t - blocks[a->n_blocks - 1] == most;
        if (starts) blocks[a->n_blocks++] = t;
        n_splits = max_size(n_splits, splits_of(a->places[t].position + 1));
    }
    blocks[a->n_blocks] = a->n_tokens;
    return n_splits;
}

void attend(struct attention *a) {
    a->n_splits = cut_blocks(a);
    size_t chunks = a->n_blocks * a->config->n_kv_heads;
    bool few = chunks < 2 * thread_pool_size(a->pool) && a->n_splits > 1 &&
               a->n_tokens * a->config->n_heads * a->n_splits <= a->scratch->partial_rows;
    if (!few) {
        thread_pool_run(a->pool, attend_whole, a, chunks);
        return;
    }
    thread_pool_run(a->pool, attend_part, a, chunks * a->n_splits);
    for (size_t t = 0; t < a->n_tokens; t++) merge_parts(a, t);
}
