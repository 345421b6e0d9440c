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
#include "roofline.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/threads.h"
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
    const struct kernels *kernels;
    struct thread_pool *pool;
    size_t threads;
    peak_loop peak;
    uint8_t *weights; /* MEMORY_BYTES of codes 0, 1, 2 */
    int8_t *q;        /* [MAX_TOKENS, MAX_COLS] */
    float *x, *y;     /* [LAYER], [MAX_TOKENS, MAX_ROWS] */
    int32_t *q_sums;
    float *scales;
    size_t at; /* where in `weights` the next product begins */
    bool json;
};

static double thread_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static const char *const layout_names[N_TERNARY_LAYOUTS] = {"L16", "L12"};

/* One product of one batch: chunks of rows, tiles of tokens. */
struct product {
    const struct roofline *r;
    enum ternary_layout layout;
    const uint8_t *packed;
    size_t rows, cols, tokens;
    double seconds[2]; /* of its chunks, by each thread's own clock */
};

static void product_chunk(void *context, size_t chunk, size_t slot) {
    struct product *p = context;
    const struct roofline *r = p->r;
    bool own_time = p->tokens > TOKEN_TILE; /* asking for it takes a microsecond */
    double start = own_time ? thread_seconds() : 0;
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
    if (own_time) p->seconds[slot] += thread_seconds() - start;
}

static double seconds_since(uint64_t start) {
    return (double)(clock_now_ns() - start) * 1e-9;
}

static double product_seconds(struct roofline *r, enum ternary_layout layout, size_t rows, size_t cols, size_t tokens) {
    size_t bytes = ternary_bytes(layout, rows, cols);
    if (r->at + bytes > MEMORY_BYTES) r->at = 0;
    struct product p = {r, layout, r->weights + r->at, rows, cols, tokens, {0}};
    r->at += bytes;
    uint64_t start = clock_now_ns();
    thread_pool_run(r->pool, product_chunk, &p, (rows + CHUNK_ROWS - 1) / CHUNK_ROWS);
    if (tokens > TOKEN_TILE) return (p.seconds[0] + p.seconds[1]) / (double)r->threads;
    return seconds_since(start);
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

static void print_batch(const struct roofline *r, enum ternary_layout layout, size_t rows, size_t cols, size_t tokens,
                        const struct best *best, double seconds) {
    double read = (double)ternary_bytes(layout, rows, cols) / seconds;
    double operations = 2.0 * (double)(rows * cols * tokens) / seconds, one = best->seconds[layout][0];
    double of_read = read / best->reading * 100, of_peak = operations / best->peak * 100;
    if (r->json)
        printf("{\"operation\":\"ternary_matmul\",\"layout\":\"%s\",\"table\":\"%s\",\"threads\":%zu,\"rows\":%zu,"
               "\"cols\":%zu,\"tokens\":%zu,\"seconds\":%.4g,\"gb_per_s\":%.4g,\"percent_of_reading\":%.1f,"
               "\"gop_per_s\":%.4g,\"percent_of_peak\":%.1f,\"times_one_token\":%.3g}\n",
               layout_names[layout], r->kernels->name, r->threads, rows, cols, tokens, seconds, read * 1e-9, of_read,
               operations * 1e-9, of_peak, seconds / one);
    else
        printf("%-10s %s %zut %4zux%4zu %3zu tokens %9.1f us %6.1f GB/s %5.1f%% of reading %6.1f GOP/s %5.1f%% of peak "
               "%6.2f x 1 token\n",
               r->kernels->name, layout_names[layout], r->threads, rows, cols, tokens, seconds * 1e6, read * 1e-9,
               of_read, operations * 1e-9, of_peak, seconds / one);
    fflush(stdout);
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

static void measure_matrix(struct roofline *r, size_t rows, size_t cols) {
    struct best best = {0};
    for (size_t round = 0; round < ROUNDS; round++) measure_round(r, rows, cols, round, &best);
    if (!r->json)
        printf("limits of %zu thread%s: reading %.1f GB/s, int8 products %.1f GOP/s\n", r->threads,
               r->threads > 1 ? "s" : "", best.reading * 1e-9, best.peak * 1e-9);
    for (enum ternary_layout layout = LAYOUT_L16; layout < N_TERNARY_LAYOUTS; layout++)
        for (size_t b = 0; b < N_BATCHES; b++)
            print_batch(r, layout, rows, cols, batches[b], &best, best.seconds[layout][b]);
}

/* ---- the small layer ---- */

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
    if (r->json)
        printf("{\"operation\":\"bitlinear\",\"table\":\"%s\",\"threads\":%zu,\"rows\":%d,\"cols\":%d,"
               "\"per_second\":%.0f}\n",
               r->kernels->name, r->threads, LAYER, LAYER, best);
    else
        printf("%-7s %zu thread%s BitLinear %dx%d, 1 token: %.0f per second\n", r->kernels->name, r->threads,
               r->threads > 1 ? "s" : " ", LAYER, LAYER, best);
}

static bool allocate(struct roofline *r) {
    r->weights = mem_map(MEMORY_BYTES);
    r->q = mem_alloc_aligned((size_t)MAX_TOKENS * MAX_COLS);
    r->x = mem_alloc_aligned(LAYER * sizeof *r->x);
    r->y = mem_alloc_aligned((size_t)MAX_TOKENS * MAX_ROWS * sizeof *r->y);
    r->q_sums = mem_calloc(MAX_TOKENS, sizeof *r->q_sums);
    r->scales = mem_calloc(MAX_TOKENS, sizeof *r->scales);
    if (!r->weights || !r->q || !r->x || !r->y || !r->q_sums || !r->scales) return false;
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

static bool wanted(const char *name, char *const *words, int n) {
    for (int i = 0; i < n; i++)
        if (strstr(name, words[i])) return true;
    return n == 0;
}

static void measure_table(struct roofline *r, char *const *words, int n) {
    char name[64];
    for (size_t m = 0; m < N_MATRICES; m++) {
        snprintf(name, sizeof name, "roofline %s %zu %zux%zu", r->kernels->name, r->threads, matrices[m].rows,
                 matrices[m].cols);
        if (wanted(name, words, n)) measure_matrix(r, matrices[m].rows, matrices[m].cols);
    }
    snprintf(name, sizeof name, "bitlinear %s %zu", r->kernels->name, r->threads);
    if (wanted(name, words, n)) measure_layer(r);
}

bool roofline_run(char *const *words, int n, bool json) {
    struct roofline r = {.json = json};
    bool good = allocate(&r);
    for (size_t i = 1; good && kernels_name(i); i++) {
        for (r.threads = 1; r.threads <= min_size(2, cpu_count()); r.threads++) {
            r.peak = limits_peak_int8(kernels_name(i));
            if (!r.peak || kernels_select(kernels_name(i), &r.kernels, NULL) != BN_OK) continue;
            good = thread_pool_acquire(r.threads, &r.pool, NULL) == BN_OK;
            if (!good) break;
            measure_table(&r, words, n);
            thread_pool_release(r.pool);
        }
    }
    if (r.weights) mem_unmap(r.weights, MEMORY_BYTES);
    mem_free_aligned(r.q), mem_free_aligned(r.x), mem_free_aligned(r.y);
    mem_free(r.q_sums), mem_free(r.scales);
    return good;
}
