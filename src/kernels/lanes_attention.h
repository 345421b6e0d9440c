/* The attention operations for 16 lanes at a time; a part of lanes_float.h.
 *
 * In the products of queries with keys a lane is a key: 16·SCORE_VECTORS keys and SCORE_ROWS query rows stay in
 * registers over all dimensions. In the products of weights with values a lane is a dimension: 16·VALUE_VECTORS
 * dimensions and VALUE_ROWS rows stay in registers over all keys. Either way an element of the cache is widened once
 * for a tile of rows and nothing is summed across lanes. */
#ifndef KERNELS_LANES_ATTENTION_H
#define KERNELS_LANES_ATTENTION_H

/* run(n) for tiles of TILE rows, then for what is left, n being a constant in each call. */
#define FOR_ROW_TILES(row, n_rows, TILE, run)                                                                          \
    do {                                                                                                               \
        for (; row + (TILE) <= (n_rows); row += (TILE)) run((TILE));                                                   \
        if ((TILE) > 2 && row + 2 <= (n_rows)) {                                                                       \
            run(2);                                                                                                    \
            row += 2;                                                                                                  \
        }                                                                                                              \
        for (; row < (n_rows); row++) run(1);                                                                          \
    } while (0)

/* Fetches into the caches what lies in `next` where vector i of those at `index` lies in what is being read: once per
 * cache line, and to the second level: more misses can be under way there than in the first (f16 from memory: 13.6 →
 * 20 GB/s on a Zen 4 core). */
ALWAYS_INLINE void prefetch_like(const char *next, size_t index, int i, enum element element) {
    if (next && (size_t)i * LANES * element_bytes(element) % CACHE_LINE == 0)
        __builtin_prefetch(element_at(next, index + (size_t)(LANES * i), element), 0, 2);
}

/* ---- queries × keys ---- */

ALWAYS_INLINE void score_tile(float *scores, size_t score_stride, const float *q, const void *k, size_t head_dim,
                              float factor, enum element element, const char *next, const int rows) {
    for (size_t j = 0; j < KEY_BLOCK; j += SCORE_VECTORS * LANES) {
        f32x16 acc[SCORE_ROWS * SCORE_VECTORS];
        UNROLL for (int i = 0; i < rows * SCORE_VECTORS; i++) acc[i] = lanes_set(0.0f);
        for (size_t d = 0; d < head_dim; d++) {
            f32x16 keys[SCORE_VECTORS];
            UNROLL for (int i = 0; i < SCORE_VECTORS; i++) {
                keys[i] = load_elements(k, d * KEY_BLOCK + j + (size_t)(LANES * i), element);
                prefetch_like(next, d * KEY_BLOCK + j, i, element);
            }
            UNROLL for (int r = 0; r < rows; r++) {
                f32x16 query = lanes_set(q[(size_t)r * head_dim + d]);
                UNROLL for (int i = 0; i < SCORE_VECTORS; i++) acc[r * SCORE_VECTORS + i] =
                    lanes_fma(query, keys[i], acc[r * SCORE_VECTORS + i]);
            }
        }
        f32x16 factors = lanes_set(factor);
        for (int r = 0; r < rows; r++)
            for (int i = 0; i < SCORE_VECTORS; i++)
                lanes_store(scores + (size_t)r * score_stride + j + (size_t)(LANES * i),
                            lanes_mul(acc[r * SCORE_VECTORS + i], factors));
    }
}

ALWAYS_INLINE void attention_scores(float *scores, size_t score_stride, const float *q, size_t n_rows, const void *k,
                                    size_t head_dim, float factor, enum element element, const void *next) {
    size_t row = 0;
#define RUN(rows)                                                                                                      \
    score_tile(scores + row * score_stride, score_stride, q + row * head_dim, k, head_dim, factor, element,            \
               row ? NULL : next, rows)
    FOR_ROW_TILES(row, n_rows, SCORE_ROWS, RUN);
#undef RUN
}

static void attention_scores_f32(float *scores, size_t score_stride, const float *q, size_t n_rows, const float *k,
                                 size_t head_dim, float factor, const void *next) {
    attention_scores(scores, score_stride, q, n_rows, k, head_dim, factor, ELEMENT_F32, next);
}

static void attention_scores_f16(float *scores, size_t score_stride, const float *q, size_t n_rows, const uint16_t *k,
                                 size_t head_dim, float factor, const void *next) {
    attention_scores(scores, score_stride, q, n_rows, k, head_dim, factor, ELEMENT_F16, next);
}

ALWAYS_INLINE void score_tile_q8(float *scores, size_t score_stride, const int8_t *q, const float *q_factors,
                                 const int8_t *k, const float *k_scales, size_t head_dim, const char *next,
                                 const int rows) {
    for (size_t j = 0; j < KEY_BLOCK; j += SCORE_VECTORS * LANES) {
        i32x16 acc[SCORE_ROWS * SCORE_VECTORS];
        UNROLL for (int r = 0; r < rows; r++) {
            i32x16 start = lanes_dot_start(q + (size_t)r * head_dim, head_dim);
            UNROLL for (int i = 0; i < SCORE_VECTORS; i++) acc[r * SCORE_VECTORS + i] = start;
        }
        for (size_t d = 0; d < head_dim; d += 4) {
            fours keys[SCORE_VECTORS];
            UNROLL for (int i = 0; i < SCORE_VECTORS; i++) {
                size_t at = d * KEY_BLOCK + 4 * (j + (size_t)(LANES * i));
                keys[i] = lanes_load_fours(k + at);
                if (next) __builtin_prefetch(next + at, 0, 2);
            }
            UNROLL for (int r = 0; r < rows; r++) {
                int32_t query;
                memcpy(&query, q + (size_t)r * head_dim + d, sizeof query);
                UNROLL for (int i = 0; i < SCORE_VECTORS; i++) acc[r * SCORE_VECTORS + i] =
                    lanes_dot_fours(acc[r * SCORE_VECTORS + i], keys[i], query);
            }
        }
        for (int r = 0; r < rows; r++)
            for (int i = 0; i < SCORE_VECTORS; i++) {
                size_t key = j + (size_t)(LANES * i);
                f32x16 scaled = lanes_mul(lanes_to_float(acc[r * SCORE_VECTORS + i]), lanes_load(k_scales + key));
                lanes_store(scores + (size_t)r * score_stride + key, lanes_mul(scaled, lanes_set(q_factors[r])));
            }
    }
}

static void attention_scores_q8(float *scores, size_t score_stride, const int8_t *q, const float *q_factors,
                                size_t n_rows, const int8_t *k, const float *k_scales, size_t head_dim,
                                const void *next) {
    size_t row = 0;
#define RUN(rows)                                                                                                      \
    score_tile_q8(scores + row * score_stride, score_stride, q + row * head_dim, q_factors + row, k, k_scales,         \
                  head_dim, row ? NULL : next, rows)
    FOR_ROW_TILES(row, n_rows, SCORE_ROWS, RUN);
#undef RUN
}

/* ---- softmax ---- */

static float softmax_step(float *scores, size_t n, float *m, float *l) {
    f32x16 largest = lanes_set(*m), sum = lanes_set(0.0f);
    for (size_t i = 0; i < n; i += LANES)
        largest = keep(n - i, lanes_max(load_up_to(scores + i, n - i), largest), largest);
    float highest = lanes_highest(largest);
    f32x16 highs = lanes_set(highest);
    for (size_t i = 0; i < n; i += LANES) {
        f32x16 e = lanes_exp(lanes_sub(load_up_to(scores + i, n - i), highs));
        store_up_to(scores + i, e, n - i);
        sum = keep(n - i, lanes_add(sum, e), sum);
    }
    float c = exp_f32(*m - highest);
    *l = fma_f32(*l, c, lanes_sum(sum));
    *m = highest;
    return c;
}

/* ---- weights × values ---- */

ALWAYS_INLINE void value_tile(float *out, const float *c, const float *p, size_t p_stride, const void *v, size_t n_keys,
                              size_t head_dim, size_t d, enum element element, const char *next, const int rows,
                              const int vectors) {
    f32x16 acc[VALUE_ROWS * VALUE_VECTORS];
    UNROLL for (int r = 0; r < rows; r++) {
        UNROLL for (int i = 0; i < vectors; i++) acc[r * vectors + i] =
            lanes_mul(lanes_load(out + (size_t)r * head_dim + d + (size_t)(LANES * i)), lanes_set(c[r]));
    }
    for (size_t j = 0; j < n_keys; j++) {
        f32x16 values[VALUE_VECTORS];
        UNROLL for (int i = 0; i < vectors; i++) {
            values[i] = load_elements(v, j * head_dim + d + (size_t)(LANES * i), element);
            prefetch_like(next, j * head_dim + d, i, element);
        }
        UNROLL for (int r = 0; r < rows; r++) {
            f32x16 weight = lanes_set(p[(size_t)r * p_stride + j]);
            UNROLL for (int i = 0; i < vectors; i++) acc[r * vectors + i] =
                lanes_fma(weight, values[i], acc[r * vectors + i]);
        }
    }
    UNROLL for (int r = 0; r < rows; r++) {
        UNROLL for (int i = 0; i < vectors; i++)
            lanes_store(out + (size_t)r * head_dim + d + (size_t)(LANES * i), acc[r * vectors + i]);
    }
}

/* The last head_dim mod 16 dimensions of one row. */
ALWAYS_INLINE void value_tail(float *out, float c, const float *p, const void *v, size_t n_keys, size_t head_dim,
                              size_t d, enum element element) {
    size_t left = head_dim - d;
    f32x16 acc = lanes_mul(lanes_load_n(out + d, left), lanes_set(c));
    for (size_t j = 0; j < n_keys; j++)
        acc = lanes_fma(lanes_set(p[j]), load_elements_n(v, j * head_dim + d, left, element), acc);
    lanes_store_n(out + d, acc, left);
}

ALWAYS_INLINE void value_rows(float *out, const float *c, const float *p, size_t p_stride, const void *v, size_t n_keys,
                              size_t head_dim, enum element element, const char *next, const int rows) {
    size_t d = 0;
    for (; d + VALUE_VECTORS * LANES <= head_dim; d += VALUE_VECTORS * LANES)
        value_tile(out, c, p, p_stride, v, n_keys, head_dim, d, element, next, rows, VALUE_VECTORS);
    for (; d + LANES <= head_dim; d += LANES)
        value_tile(out, c, p, p_stride, v, n_keys, head_dim, d, element, next, rows, 1);
    if (d < head_dim)
        for (size_t r = 0; r < (size_t)rows; r++)
            value_tail(out + r * head_dim, c[r], p + r * p_stride, v, n_keys, head_dim, d, element);
}

ALWAYS_INLINE void attention_values(float *out, const float *c, const float *p, size_t p_stride, size_t n_rows,
                                    const void *v, size_t n_keys, size_t head_dim, enum element element,
                                    const void *next) {
    size_t row = 0;
#define RUN(rows)                                                                                                      \
    value_rows(out + row * head_dim, c + row, p + row * p_stride, p_stride, v, n_keys, head_dim, element,              \
               row ? NULL : next, rows)
    FOR_ROW_TILES(row, n_rows, VALUE_ROWS, RUN);
#undef RUN
}

static void attention_values_f32(float *out, const float *c, const float *p, size_t p_stride, size_t n_rows,
                                 const float *v, size_t n_keys, size_t head_dim, const void *next) {
    attention_values(out, c, p, p_stride, n_rows, v, n_keys, head_dim, ELEMENT_F32, next);
}

static void attention_values_f16(float *out, const float *c, const float *p, size_t p_stride, size_t n_rows,
                                 const uint16_t *v, size_t n_keys, size_t head_dim, const void *next) {
    attention_values(out, c, p, p_stride, n_rows, v, n_keys, head_dim, ELEMENT_F16, next);
}

static void attention_values_i8(float *out, const float *c, const float *p, size_t p_stride, size_t n_rows,
                                const int8_t *v, size_t n_keys, size_t head_dim, const void *next) {
    attention_values(out, c, p, p_stride, n_rows, v, n_keys, head_dim, ELEMENT_I8, next);
}

#endif
