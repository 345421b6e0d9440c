/* The ternary products against the machine's limits.
 *
 * A limit and a kernel are only comparable when they had the same machine, and a shared one changes from second to
 * second. So all batch sizes of a matrix take turns with the limits themselves (a loop of multiply-adds on registers, a
 * read of a piece of the same memory), some milliseconds each, for many rounds; what counts is each one's best time,
 * since disturbance only ever makes things slower. Wall-clock time: threads that wait for each other are part of it. Only
 * 512 tokens, which take longer than the scheduler leaves anyone alone, count the threads' own time.
 *
 * Weights come from more memory than the caches hold ("memory"), a different copy each time; for 1024 × 1024, one layer
 * over and over, tokens are independent and every thread does whole BitLinear steps (rounding, product, scale). */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/threads.h"
#include "bench/kernel_speed.h"
#include "kernels/kernels.h"
#include "kernels/layout.h"
#include "kernels/limits.h"

#define MEMORY_BYTES ((size_t)192 << 20)
#define CHUNK_ROWS   64
#define TOKEN_TILE   48
#define MAX_TOKENS   512
#define MAX_ROWS     6912
#define MAX_COLS     6912
#define ROUNDS       40
#define LAYER        1024  /* rows and columns of the layer that is used over and over */
#define LAYER_STEPS  200   /* BitLinear steps per thread and sample */
#define PEAK_ROUNDS  40000 /* some 0.5 ms */

static const struct { size_t rows, cols; } matrices[] = {{2560, 6912}, {6912, 2560}, {2560, 2560}, {640, 2560}};
static const size_t batches[] = {1, 2, 3, 4, 6, 8, 12, 16, 512};
#define N_MATRICES (sizeof matrices / sizeof *matrices)
#define N_BATCHES  (sizeof batches / sizeof *batches)

struct roofline {
    const struct kernel_bench *bench;
    const struct kernels *kernels;
    struct thread_pool *pool;
    size_t threads;
    peak_loop peak;
    uint8_t *weights; /* MEMORY_BYTES of codes 0, 1, 2 */
    int8_t *q;        /* [MAX_TOKENS, MAX_COLS] */
    float *x, *y;     /* [LAYER], [MAX_TOKENS, MAX_ROWS] */
    int32_t *q_sums;
    float *scales;
    double *seconds; /* [threads]: of a product's chunks, by each thread's own clock */
    size_t at;       /* where in `weights` the next product begins */
};

/* One product of one batch: chunks of rows, tiles of tokens. */
struct product {
    const struct roofline *r;
    enum ternary_layout layout;
    const uint8_t *packed;
    size_t rows, cols, tokens;
};

static void product_chunk(void *context, size_t chunk, size_t slot) {
    const struct product *p = context;
    const struct roofline *r = p->r;
    bool own_time = p->tokens > TOKEN_TILE; /* asking for it takes a microsecond */
    double start = own_time ? clock_thread_seconds() : 0;
    int32_t sums[CHUNK_ROWS * TOKEN_TILE];
    size_t row = chunk * CHUNK_ROWS, n_rows = min_size(CHUNK_ROWS, p->rows - row);
    for (size_t t = 0; t < p->tokens; t += TOKEN_TILE) {
        struct matmul_shape shape = {n_rows, p->cols, min_size(TOKEN_TILE, p->tokens - t), p->cols, CHUNK_ROWS};
        (p->layout == LAYOUT_L12 ? r->kernels->ternary_matmul_l12 : r->kernels->ternary_matmul)(
            sums, p->packed + ternary_bytes(p->layout, row, p->cols), r->q + t * p->cols, r->q_sums + t, &shape);
        for (size_t i = 0; i < shape.n_tokens; i++)
            r->kernels->ternary_scale(r->y + (t + i) * p->rows + row, sums + i * CHUNK_ROWS, r->scales[t + i], 0.7f,
                                      n_rows);
    }
    if (own_time) r->seconds[slot] += clock_thread_seconds() - start;
}

static double seconds_since(uint64_t start) {
    return (double)(clock_now_ns() - start) * 1e-9;
}

static double product_seconds(struct roofline *r, enum ternary_layout layout, size_t rows, size_t cols, size_t tokens) {
    size_t bytes = ternary_bytes(layout, rows, cols);
    if (r->at + bytes > MEMORY_BYTES) r->at = 0;
    struct product p = {r, layout, r->weights + r->at, rows, cols, tokens};
    r->at += bytes;
    memset(r->seconds, 0, r->threads * sizeof *r->seconds);
    uint64_t start = clock_now_ns();
    thread_pool_run(r->pool, product_chunk, &p, (rows + CHUNK_ROWS - 1) / CHUNK_ROWS);
    if (tokens <= TOKEN_TILE) return seconds_since(start);
    double sum = 0;
    for (size_t i = 0; i < r->threads; i++) sum += r->seconds[i];
    return sum / (double)r->threads;
}

static void peak_chunk(void *context, size_t chunk, size_t slot) {
    (void)chunk, (void)slot;
    ((const struct roofline *)context)->peak(PEAK_ROUNDS / 4);
}

/* Operations per second of the multiply-add loop. */
static double peak_speed(struct roofline *r) {
    double operations = r->peak(0x100) / 0x100 * (double)(PEAK_ROUNDS / 4 * 4) * (double)r->threads;
    uint64_t start = clock_now_ns();
    thread_pool_run(r->pool, peak_chunk, r, 4 * r->threads);
    return operations / seconds_since(start);
}

#define PIECE ((size_t)256 << 10)
static void read_chunk(void *context, size_t chunk, size_t slot) {
    (void)slot;
    const struct roofline *r = context;
    limits_read(r->weights + r->at + chunk * PIECE, PIECE);
}

/* Bytes per second of reading as many as a product of these does. */
static double read_speed(struct roofline *r, size_t bytes) {
    size_t pieces = max_size(bytes / PIECE, r->threads);
    if (r->at + pieces * PIECE > MEMORY_BYTES) r->at = 0;
    uint64_t start = clock_now_ns();
    thread_pool_run(r->pool, read_chunk, r, pieces);
    double speed = (double)(pieces * PIECE) / seconds_since(start);
    r->at += pieces * PIECE;
    return speed;
}

struct best {
    double seconds[N_TERNARY_LAYOUTS][N_BATCHES], peak, reading;
};

static void emit_batch(const struct roofline *r, enum ternary_layout layout, size_t rows, size_t cols, size_t tokens,
                       const struct best *best, double seconds) {
    char name[64];
    double bytes = (double)ternary_bytes(layout, rows, cols), operations = 2.0 * (double)(rows * cols * tokens);
    snprintf(name, sizeof name, "roofline %zux%zu %s, %zu token%s", rows, cols, ternary_layout_name(layout), tokens,
             tokens > 1 ? "s" : "");
    kernel_bench_emit(r->bench, name, r->kernels->name, r->threads,
                      &(struct kernel_figures){.seconds = seconds,
                                               .bytes = bytes,
                                               .operations = operations,
                                               .ratio_to_scalar = NAN,
                                               .percent_of_reading = bytes / seconds / best->reading * 100,
                                               .percent_of_peak = operations / seconds / best->peak * 100,
                                               .times_one_token = seconds / best->seconds[layout][0],
                                               .per_second = NAN});
}

static void measure_round(struct roofline *r, size_t rows, size_t cols, size_t round, struct best *best) {
    for (enum ternary_layout layout = LAYOUT_L16; layout < N_TERNARY_LAYOUTS; layout++) {
        for (size_t b = 0; b < N_BATCHES; b++) {
            if (batches[b] > TOKEN_TILE && round % 8 != 0) continue; /* long enough to be steady */
            double seconds = product_seconds(r, layout, rows, cols, batches[b]);
            if (round == 0 || seconds < best->seconds[layout][b]) best->seconds[layout][b] = seconds;
        }
    }
    double peak = peak_speed(r), reading = read_speed(r, l16_bytes(rows, cols));
    if (peak > best->peak) best->peak = peak;
    if (reading > best->reading) best->reading = reading;
}

static bn_status measure_matrix(struct roofline *r, size_t rows, size_t cols, bn_error *err) {
    struct best best = {0};
    for (size_t round = 0; round < ROUNDS; round++) {
        if (r->bench->cancelled()) return fail(err, BN_STATUS_CANCELLED, "interrupted");
        measure_round(r, rows, cols, round, &best);
    }
    for (enum ternary_layout layout = LAYOUT_L16; layout < N_TERNARY_LAYOUTS; layout++)
        for (size_t b = 0; b < N_BATCHES; b++)
            emit_batch(r, layout, rows, cols, batches[b], &best, best.seconds[layout][b]);
    return BN_OK;
}

/* ---- the small layer ---- */

static const char layer_name[] = "bitlinear 1024x1024";

static void layer_chunk(void *context, size_t chunk, size_t slot) {
    (void)slot;
    const struct roofline *r = context;
    int8_t q[LAYER];
    int32_t sums[LAYER], q_sum;
    float scale, *y = r->y + chunk * LAYER;
    struct matmul_shape shape = {LAYER, LAYER, 1, LAYER, LAYER};
    for (size_t i = 0; i < LAYER_STEPS; i++) {
        r->kernels->quantize_row(q, &scale, &q_sum, r->x, LAYER);
        r->kernels->ternary_matmul(sums, r->weights, q, &q_sum, &shape);
        r->kernels->ternary_scale(y, sums, scale, 0.7f, LAYER);
    }
}

static void measure_layer(struct roofline *r) {
    double best = 0;
    for (size_t round = 0; round < 4 * ROUNDS; round++) {
        uint64_t start = clock_now_ns();
        thread_pool_run(r->pool, layer_chunk, r, r->threads);
        double speed = (double)(LAYER_STEPS * r->threads) / seconds_since(start);
        if (speed > best) best = speed;
    }
    kernel_bench_emit(r->bench, layer_name, r->kernels->name, r->threads,
                      &(struct kernel_figures){.seconds = 1 / best,
                                               .bytes = (double)l16_bytes(LAYER, LAYER),
                                               .operations = 2.0 * LAYER * LAYER,
                                               .ratio_to_scalar = NAN,
                                               .percent_of_reading = NAN,
                                               .percent_of_peak = NAN,
                                               .times_one_token = NAN,
                                               .per_second = best});
}

static bool allocate(struct roofline *r, size_t threads) {
    r->weights = mem_map(MEMORY_BYTES);
    r->q = mem_alloc_aligned((size_t)MAX_TOKENS * MAX_COLS);
    r->x = mem_alloc_aligned(LAYER * sizeof *r->x);
    r->y = mem_alloc_aligned((size_t)MAX_TOKENS * MAX_ROWS * sizeof *r->y);
    r->q_sums = mem_calloc(MAX_TOKENS, sizeof *r->q_sums);
    r->scales = mem_calloc(MAX_TOKENS, sizeof *r->scales);
    r->seconds = mem_calloc(threads, sizeof *r->seconds);
    if (!r->seconds || !r->weights || !r->q || !r->x || !r->y || !r->q_sums || !r->scales) return false;
    uint32_t state = 1;
    for (size_t i = 0; i < MEMORY_BYTES; i++) {
        state = state * 1664525u + 1013904223u;
        r->weights[i] = (uint8_t)(state >> 24 & 0x55) << (state >> 23 & 1); /* all codes 0 and 1, or 0 and 2 */
    }
    for (size_t i = 0; i < (size_t)MAX_TOKENS * MAX_COLS; i++) r->q[i] = (int8_t)((int)(i * 7919 % 255) - 127);
    for (size_t i = 0; i < LAYER; i++) r->x[i] = (float)r->q[i];
    memset(r->y, 0, (size_t)MAX_TOKENS * MAX_ROWS * sizeof *r->y);
    return true;
}

static void release(struct roofline *r) {
    if (r->weights) mem_unmap(r->weights, MEMORY_BYTES);
    mem_free_aligned(r->q), mem_free_aligned(r->x), mem_free_aligned(r->y);
    mem_free(r->q_sums), mem_free(r->scales), mem_free(r->seconds);
}

static const char *matrix_name(size_t m, char out[64]) {
    snprintf(out, 64, "roofline %zux%zu", matrices[m].rows, matrices[m].cols);
    return out;
}

/* Of one table with one number of threads. */
static bn_status measure_table(struct roofline *r, bn_error *err) {
    bn_status status = BN_OK;
    char name[64];
    for (size_t m = 0; m < N_MATRICES && !status; m++) {
        if (!kernel_bench_wants(r->bench, matrix_name(m, name))) continue;
        r->bench->begin(r->bench->context, name);
        status = measure_matrix(r, matrices[m].rows, matrices[m].cols, err);
    }
    if (!status && kernel_bench_wants(r->bench, layer_name)) {
        r->bench->begin(r->bench->context, layer_name);
        measure_layer(r);
    }
    return status;
}

static bool wants_any(const struct kernel_bench *bench) {
    char name[64];
    for (size_t m = 0; m < N_MATRICES; m++)
        if (kernel_bench_wants(bench, matrix_name(m, name))) return true;
    return kernel_bench_wants(bench, layer_name);
}

bn_status kernel_rooflines(const struct kernel_bench *bench, bn_error *err) {
    struct roofline r = {.bench = bench};
    size_t most = 0;
    if (!wants_any(bench)) return BN_OK;
    for (size_t t = 0; t < bench->n_threads; t++) most = max_size(most, bench->threads[t]);
    bn_status status = allocate(&r, most) ? BN_OK : fail_no_memory(err, MEMORY_BYTES);
    for (size_t i = 0; i < bench->n_isas && !status; i++) {
        r.peak = limits_peak_int8(bench->isas[i]);
        status = kernels_select(bench->isas[i], &r.kernels, err);
        for (size_t t = 0; t < bench->n_threads && !status && strcmp(bench->isas[i], "scalar") != 0; t++) {
            r.threads = bench->threads[t];
            status = thread_pool_acquire(r.threads, &r.pool, err);
            if (status) break;
            status = measure_table(&r, err);
            thread_pool_release(r.pool);
        }
    }
    release(&r);
    return status;
}
