/* See candidates.h. Selection and sorting work on the floats' bits: by radix, so their time doesn't depend on the
 * values, and nothing is allocated. */
#include "engine/candidates.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "engine/argmax.h"
#include "engine/exact_math.h"

#define RADIX_BITS   8
#define RADIX_SIZE   (1u << RADIX_BITS)
#define RADIX_PASSES (32 / RADIX_BITS)

/* Logits per block in the search for the head of a long list. */
#define HEAD_BLOCK 64

bool candidates_init(struct candidates *c, size_t capacity) {
    c->capacity = capacity;
    c->own_items = mem_alloc_array(capacity, sizeof *c->own_items);
    c->weights = mem_alloc_array(capacity, sizeof *c->weights);
    c->keep = mem_alloc_array(capacity, sizeof *c->keep);
    c->ranks = mem_alloc_array(capacity, sizeof *c->ranks);
    c->ranks_swap = mem_alloc_array(capacity, sizeof *c->ranks_swap);
    return c->own_items && c->weights && c->keep && c->ranks && c->ranks_swap;
}

void candidates_release(struct candidates *c) {
    mem_free(c->own_items);
    mem_free(c->weights);
    mem_free(c->keep);
    mem_free(c->ranks);
    mem_free(c->ranks_swap);
}

void candidates_begin(struct candidates *c, float *logits) {
    c->logits = logits;
    c->items = c->own_items;
    c->listed = false;
    c->weighed = false;
    c->partial = c->undecided = false;
    c->n = 0;
}

void candidates_begin_partial(struct candidates *c, const struct partial_logits *partial) {
    c->logits = NULL;
    c->items = partial->items;
    c->n = partial->n;
    c->listed = true;
    c->weighed = false;
    c->partial = true;
    c->undecided = false;
    c->floor = partial->floor;
    c->tail = partial->tail;
    c->tail_reference = partial->tail_reference;
}

bool candidates_are_whole(struct candidates *c) {
    c->undecided |= c->partial;
    return !c->partial;
}

/* Appends the ids in [begin, end) whose logit is at least `bound` and not −infinity. */
static void list_range(struct candidates *c, size_t begin, size_t end, float bound) {
    size_t n = c->n;
    for (size_t id = begin; id < end; id++) {
        float logit = c->logits[id];
        c->items[n] = (bn_candidate){(int32_t)id, logit}; /* n ≤ id: overwritten if it doesn't count */
        n += logit >= bound && logit > -INFINITY;
    }
    c->n = n;
}

void candidates_list(struct candidates *c) {
    if (c->listed) return;
    list_range(c, 0, c->capacity, -INFINITY);
    c->listed = true;
}

static void sum_weights(struct candidates *c) {
    double total = 0;
    for (size_t i = 0; i < c->n; i++) total += c->weights[i];
    c->total = total;
}

bool candidates_weigh(struct candidates *c) {
    candidates_list(c);
    if (c->weighed) return c->n > 0;
    if (c->n == 0) return false;
    float max = c->items[0].logit;
    for (size_t i = 1; i < c->n; i++) max = c->items[i].logit > max ? c->items[i].logit : max;
    c->max = max;
    for (size_t i = 0; i < c->n; i++) c->weights[i] = candidates_relative(c, i);
    exact_exp(c->weights, c->n);
    sum_weights(c);
    c->weighed = true;
    return true;
}

/* The listed item of that id, or NULL. */
static bn_candidate *find_item(const struct candidates *c, int32_t id) {
    size_t low = 0, high = c->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (c->items[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < c->n && c->items[low].id == id ? &c->items[low] : NULL;
}

float *candidates_logit(struct candidates *c, int32_t id) {
    c->weighed = false;
    if (id < 0 || (size_t)id >= c->capacity) return NULL;
    if (!c->listed) return c->logits[id] > -INFINITY ? &c->logits[id] : NULL;
    bn_candidate *item = find_item(c, id);
    c->undecided |= !item && c->partial;
    return item && item->logit > -INFINITY ? &item->logit : NULL;
}

void candidates_force(struct candidates *c, const bn_logit_bias *ids, const float *logits, size_t n) {
    if (c->listed)
        for (size_t i = 0; i < c->n; i++) c->items[i].logit = -INFINITY;
    else
        for (size_t id = 0; id < c->capacity; id++) c->logits[id] = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        bn_candidate *item = c->listed ? find_item(c, ids[i].id) : NULL;
        float *logit = c->listed ? item ? &item->logit : NULL : &c->logits[ids[i].id];
        if (logit && logits[i] > -INFINITY) *logit = logits[i];
    }
    c->partial = false;
}

void candidates_drop_impossible(struct candidates *c) {
    size_t n = 0;
    for (size_t i = 0; c->listed && i < c->n; i++)
        if (c->items[i].logit > -INFINITY) c->items[n++] = c->items[i];
    if (c->listed) c->n = n;
}

void candidates_filter(struct candidates *c) {
    size_t n = 0;
    bool max_is_left = false;
    for (size_t i = 0; i < c->n; i++) {
        if (!c->keep[i]) continue;
        c->items[n] = c->items[i];
        if (c->weighed) {
            c->weights[n] = c->weights[i];
            max_is_left |= c->items[n].logit == c->max;
        }
        n++;
    }
    c->n = n;
    /* Weights relative to a maximum that's gone could all be 0. */
    c->weighed &= max_is_left;
    if (c->weighed) sum_weights(c);
}

uint32_t descending_key(float x) {
    x += 0.0f; /* −0 → +0 */
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint32_t ascending = bits >> 31 ? ~bits : bits | 0x80000000u;
    return ~ascending;
}

static float float_of_key(uint32_t key) {
    uint32_t ascending = ~key;
    uint32_t bits = ascending >> 31 ? ascending & 0x7FFFFFFFu : ~ascending;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

void candidates_sort_ranks(struct candidates *c, size_t n) {
    size_t count[RADIX_PASSES][RADIX_SIZE] = {{0}};
    for (size_t i = 0; i < n; i++)
        for (unsigned pass = 0; pass < RADIX_PASSES; pass++)
            count[pass][c->ranks[i].key >> (pass * RADIX_BITS) & (RADIX_SIZE - 1)]++;
    for (unsigned pass = 0; n > 0 && pass < RADIX_PASSES; pass++) {
        unsigned shift = pass * RADIX_BITS;
        if (count[pass][c->ranks[0].key >> shift & (RADIX_SIZE - 1)] == n) continue; /* all alike */
        size_t start = 0;
        for (size_t digit = 0; digit < RADIX_SIZE; digit++) {
            size_t of_digit = count[pass][digit];
            count[pass][digit] = start;
            start += of_digit;
        }
        for (size_t i = 0; i < n; i++)
            c->ranks_swap[count[pass][c->ranks[i].key >> shift & (RADIX_SIZE - 1)]++] = c->ranks[i];
        struct rank *sorted = c->ranks_swap;
        c->ranks_swap = c->ranks;
        c->ranks = sorted;
    }
}

/* The k-th smallest descending_key of the items, 1 ≤ k ≤ n, digit by digit from the top. */
static uint32_t select_key(const bn_candidate *items, size_t n, size_t k) {
    uint32_t prefix = 0, mask = 0;
    for (unsigned pass = RADIX_PASSES; pass-- > 0;) {
        unsigned shift = pass * RADIX_BITS;
        size_t count[RADIX_SIZE] = {0};
        for (size_t i = 0; i < n; i++) {
            uint32_t key = descending_key(items[i].logit);
            if ((key & mask) == prefix) count[key >> shift & (RADIX_SIZE - 1)]++;
        }
        uint32_t digit = 0;
        while (k > count[digit]) k -= count[digit++];
        prefix |= digit << shift;
        mask |= (RADIX_SIZE - 1) << shift;
    }
    return prefix;
}

float candidates_kth_largest(const bn_candidate *items, size_t n, size_t k) {
    return float_of_key(select_key(items, n, k));
}

/* Lists a superset of the k largest: everything that reaches the k-th largest of the maxima of blocks, since the k
 * blocks above that bound have at least one such logit each. Most blocks have none and are passed over. */
static void list_head(struct candidates *c, size_t k, size_t n_blocks) {
    for (size_t block = 0; block < n_blocks; block++)
        c->items[block] = (bn_candidate){(int32_t)block, max_of(c->logits + block * HEAD_BLOCK, HEAD_BLOCK)};
    float bound = candidates_kth_largest(c->items, n_blocks, k);
    c->n = 0;
    for (size_t begin = 0; begin < c->capacity; begin += HEAD_BLOCK) {
        size_t n = min_size(HEAD_BLOCK, c->capacity - begin);
        if (max_of(c->logits + begin, n) >= bound) list_range(c, begin, begin + n, bound);
    }
    c->listed = true;
}

void candidates_keep_largest(struct candidates *c, size_t k) {
    size_t n_blocks = c->capacity / HEAD_BLOCK;
    if (!c->listed && k <= n_blocks) list_head(c, k, n_blocks);
    candidates_list(c);
    if (c->n < k) {
        candidates_are_whole(c);
        return;
    }
    uint32_t last = select_key(c->items, c->n, k);
    if (c->partial && !(float_of_key(last) > c->floor)) {
        c->undecided = true;
        return;
    }
    c->partial = false;
    if (c->n == k) return;
    size_t ties = k; /* how many of the items equal to the k-th may stay */
    for (size_t i = 0; i < c->n; i++) ties -= descending_key(c->items[i].logit) < last;
    for (size_t i = 0; i < c->n; i++) {
        uint32_t key = descending_key(c->items[i].logit);
        c->keep[i] = key < last || (key == last && ties > 0);
        ties -= key == last && ties > 0;
    }
    candidates_filter(c);
}

size_t candidates_largest(const struct candidates *c) {
    size_t largest = 0;
    for (size_t i = 1; i < c->n; i++)
        if (c->items[i].logit > c->items[largest].logit) largest = i;
    return largest;
}
