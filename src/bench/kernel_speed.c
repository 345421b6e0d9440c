/* Each operation of each table, by itself.
 *
 * One thread, timed by its own CPU clock, which stands still while others have the core. Each figure is the median of
 * several samples of some milliseconds, the tables taking turns, so that what else the machine does to caches and
 * memory hits all of them alike. Bytes are those of weights or keys (of all inputs and outputs for row operations).
 * Scalar is the plain C definition, compiled like the rest of the library. */
#include "bench/kernel_speed.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "bench/statistics.h"
#include "kernels/kernels.h"
#include "kernels/layout.h"

#define N_SAMPLES    9
#define SAMPLE_S     3e-3
#define MAX_TABLES   8
#define MAX_TOKENS   64
#define ROWS         2560 /* of the down projection of a 2-billion-parameter model */
#define COLS         6912
#define HEAD_ROWS    512
#define SCREEN_ROWS  2048
#define SCREEN_CHUNK 128
#define SCREEN_BYTES (SCREEN_ROWS / S6_ROWS * s6_group_bytes(ROWS))
#define BLOCK_ROWS   640
#define KEYS         512
#define HEAD_DIM     128
#define GROUP        4 /* query heads per key-value head */
#define MEMORY_BYTES ((size_t)256 << 20)

/* Everything that the operations read and write, allocated once. */
struct data {
    uint8_t *packed;         /* MEMORY_BYTES of copies of [ROWS, COLS] in L16 */
    int8_t *q;               /* [MAX_TOKENS, COLS] */
    int32_t *q_sums, *y_int; /* sums: [MAX_TOKENS], or for each span of ROWS columns */
    float *w, *x, *y, *up;   /* w: [HEAD_ROWS, COLS]; the others [MAX_TOKENS, COLS] */
    uint16_t *halves;        /* as w */
    uint8_t *blocks;         /* [BLOCK_ROWS, ROWS] in any block format */
    size_t copy, n_copies;
};

struct operation {
    const char *name;
    void (*run)(const struct kernels *k, struct data *d);
    double bytes, operations; /* per run */
};

static void ternary(const struct kernels *k, struct data *d, size_t n_tokens, size_t copy) {
    struct matmul_shape shape = {ROWS, COLS, n_tokens, COLS, ROWS};
    k->ternary_matmul(d->y_int, d->packed + copy * l16_bytes(ROWS, COLS), d->q, d->q_sums, &shape);
}

static void ternary_1(const struct kernels *k, struct data *d) {
    ternary(k, d, 1, 0);
}
static void ternary_1_memory(const struct kernels *k, struct data *d) {
    d->copy = (d->copy + 1) % d->n_copies;
    ternary(k, d, 1, d->copy);
}
static void ternary_2(const struct kernels *k, struct data *d) {
    ternary(k, d, 2, 0);
}
static void ternary_4(const struct kernels *k, struct data *d) {
    ternary(k, d, 4, 0);
}
static void ternary_8(const struct kernels *k, struct data *d) {
    ternary(k, d, 8, 0);
}
static void ternary_64(const struct kernels *k, struct data *d) {
    ternary(k, d, 64, 0);
}

/* Rows of the head's six-bit copy, in chunks as a model takes them; whatever bytes lie there. */
static void screen(const struct kernels *k, struct data *d, size_t n_tokens, size_t copy) {
    size_t n_spans = s6_spans(ROWS), multipliers = SCREEN_CHUNK / S6_ROWS * n_spans * S6_ROWS;
    const uint8_t *codes = d->packed + copy * SCREEN_BYTES;
    for (size_t row = 0; row < SCREEN_ROWS;
         row += SCREEN_CHUNK, codes += SCREEN_CHUNK / S6_ROWS * s6_group_bytes(ROWS)) {
        struct matmul_shape shape = {SCREEN_CHUNK, ROWS, n_tokens, 0, SCREEN_ROWS};
        k->screen_matmul(d->y + row, codes, (const uint8_t *)d->halves + row / SCREEN_CHUNK * multipliers, d->q,
                         d->q_sums, &shape);
    }
}
#define SCREEN(n)                                                                                                      \
    static void screen_##n(const struct kernels *k, struct data *d) {                                                  \
        screen(k, d, n, 0);                                                                                            \
    }
SCREEN(1)
SCREEN(2)
SCREEN(4)
SCREEN(8)
SCREEN(12)
SCREEN(16)
static void screen_1_memory(const struct kernels *k, struct data *d) {
    d->copy = (d->copy + 1) % (MEMORY_BYTES / SCREEN_BYTES);
    screen(k, d, 1, d->copy);
}

static const struct matmul_shape float_vector = {HEAD_ROWS, ROWS, 1, COLS, HEAD_ROWS};
static const struct matmul_shape float_tokens = {HEAD_ROWS, ROWS, 16, COLS, HEAD_ROWS};

static void matmul_f32_1(const struct kernels *k, struct data *d) {
    k->matmul_f32(d->y, d->w, d->x, &float_vector);
}
static void matmul_f32_16(const struct kernels *k, struct data *d) {
    k->matmul_f32(d->y, d->w, d->x, &float_tokens);
}
static void matmul_f16_1(const struct kernels *k, struct data *d) {
    k->matmul_f16(d->y, d->halves, d->x, &float_vector);
}
static void matmul_f16_16(const struct kernels *k, struct data *d) {
    k->matmul_f16(d->y, d->halves, d->x, &float_tokens);
}
static void matmul_bf16_1(const struct kernels *k, struct data *d) {
    k->matmul_bf16(d->y, d->halves, d->x, &float_vector);
}
/* 640 × 2560 weights in blocks: any bytes do, save that scales are small finite numbers. */
static void matmul_blocks(const struct kernels *k, struct data *d, enum tensor_type type, size_t n_tokens) {
    struct matmul_shape shape = {BLOCK_ROWS, ROWS, n_tokens, COLS, BLOCK_ROWS};
    k->matmul_blocks(d->y, d->blocks, type, d->x, &shape);
}
#define BLOCKS(name, type)                                                                                             \
    static void name##_1(const struct kernels *k, struct data *d) {                                                    \
        matmul_blocks(k, d, type, 1);                                                                                  \
    }                                                                                                                  \
    static void name##_4(const struct kernels *k, struct data *d) {                                                    \
        matmul_blocks(k, d, type, 4);                                                                                  \
    }
BLOCKS(q2_0, TYPE_Q2_0)
BLOCKS(pq2_0, TYPE_PQ2_0)
BLOCKS(tq2_0, TYPE_TQ2_0)
BLOCKS(tq1_0, TYPE_TQ1_0)
BLOCKS(q4_0, TYPE_Q4_0)
BLOCKS(q8_0, TYPE_Q8_0)
BLOCKS(q4_k, TYPE_Q4_K)
BLOCKS(q6_k, TYPE_Q6_K)

static void quantize_row(const struct kernels *k, struct data *d) {
    float scale;
    k->quantize_row((int8_t *)d->y, &scale, d->y_int, d->x, COLS);
}
static void ternary_scale(const struct kernels *k, struct data *d) {
    k->ternary_scale(d->y, d->y_int, 0.01f, 1.5f, COLS);
}
static void rms_norm(const struct kernels *k, struct data *d) {
    k->rms_norm(d->y, d->x, d->up, COLS, 1e-5f);
}
static void layer_norm(const struct kernels *k, struct data *d) {
    k->layer_norm(d->y, d->x, d->up, d->up, COLS, 1e-5f);
}
static void softmax(const struct kernels *k, struct data *d) {
    memcpy(d->y, d->x, COLS * sizeof *d->y);
    k->softmax(d->y, COLS);
}
static void softcap(const struct kernels *k, struct data *d) {
    memcpy(d->y, d->x, COLS * sizeof *d->y);
    k->softcap(d->y, 30.0f, COLS);
}
static void silu(const struct kernels *k, struct data *d) {
    k->silu(d->y, d->x, d->up, COLS);
}
static void relu2(const struct kernels *k, struct data *d) {
    k->relu2(d->y, d->x, d->up, COLS);
}
static void gelu_tanh(const struct kernels *k, struct data *d) {
    k->gelu_tanh(d->y, d->x, d->up, COLS);
}
static void gelu_erf(const struct kernels *k, struct data *d) {
    k->gelu_erf(d->y, d->x, d->up, COLS);
}
static void rope_half(const struct kernels *k, struct data *d) {
    memcpy(d->y, d->x, HEAD_DIM * sizeof *d->y);
    k->rope_half(d->y, d->x, d->up, HEAD_DIM / 2);
}
static void rope_neighbours(const struct kernels *k, struct data *d) {
    memcpy(d->y, d->x, HEAD_DIM * sizeof *d->y);
    k->rope_neighbours(d->y, d->x, d->up, HEAD_DIM / 2);
}
static void scores(const struct kernels *k, struct data *d, const void *keys, bool f16) {
    for (size_t i = 0; i < KEYS * HEAD_DIM; i += KEY_BLOCK * HEAD_DIM) {
        if (f16)
            k->attention_scores_f16(d->y, KEY_BLOCK, d->x, GROUP, (const uint16_t *)keys + i, HEAD_DIM, 0.088f, NULL);
        else
            k->attention_scores_f32(d->y, KEY_BLOCK, d->x, GROUP, (const float *)keys + i, HEAD_DIM, 0.088f, NULL);
    }
}
static void scores_f32(const struct kernels *k, struct data *d) {
    scores(k, d, d->w, false);
}
static void scores_f16(const struct kernels *k, struct data *d) {
    scores(k, d, d->halves, true);
}
static void scores_q8(const struct kernels *k, struct data *d) {
    for (size_t i = 0; i < KEYS * HEAD_DIM; i += KEY_BLOCK * HEAD_DIM)
        k->attention_scores_q8(d->y, KEY_BLOCK, d->q, d->up, GROUP, d->q + i, d->up, HEAD_DIM, NULL);
}
static void values_f32(const struct kernels *k, struct data *d) {
    k->attention_values_f32(d->y, d->up, d->x, KEYS, GROUP, d->w, KEYS, HEAD_DIM, NULL);
}
static void values_f16(const struct kernels *k, struct data *d) {
    k->attention_values_f16(d->y, d->up, d->x, KEYS, GROUP, d->halves, KEYS, HEAD_DIM, NULL);
}
static void values_i8(const struct kernels *k, struct data *d) {
    k->attention_values_i8(d->y, d->up, d->x, KEYS, GROUP, d->q, KEYS, HEAD_DIM, NULL);
}
static void to_f16(const struct kernels *k, struct data *d) {
    k->f32_to_f16((uint16_t *)d->y, d->x, COLS);
}
static void from_f16(const struct kernels *k, struct data *d) {
    k->f16_to_f32(d->y, d->halves, COLS);
}

#define TERNARY_BYTES             (ROWS * (double)COLS / 4)
#define TERNARY_OPS               (2.0 * ROWS * COLS)
#define SCREENED_BYTES            (SCREEN_ROWS * (double)ROWS * 6 / 8)
#define SCREEN_OPS                (2.0 * SCREEN_ROWS * ROWS)
#define FLOAT_OPS                 (2.0 * HEAD_ROWS * ROWS)
#define BLOCK_OPS                 (2.0 * BLOCK_ROWS * ROWS)
#define BLOCK_BYTES(block, bytes) (BLOCK_ROWS * (double)ROWS / (block) * (bytes))
#define KEY_OPS                   (2.0 * GROUP * KEYS * HEAD_DIM)
static const struct operation operations[] = {
    {"ternary 2560x6912, 1 token", ternary_1, TERNARY_BYTES, TERNARY_OPS},
    {"ternary 2560x6912, 1 token, memory", ternary_1_memory, TERNARY_BYTES, TERNARY_OPS},
    {"ternary 2560x6912, 2 tokens", ternary_2, TERNARY_BYTES, 2 * TERNARY_OPS},
    {"ternary 2560x6912, 4 tokens", ternary_4, TERNARY_BYTES, 4 * TERNARY_OPS},
    {"ternary 2560x6912, 8 tokens", ternary_8, TERNARY_BYTES, 8 * TERNARY_OPS},
    {"ternary 2560x6912, 64 tokens", ternary_64, TERNARY_BYTES, 64 * TERNARY_OPS},
    {"screen 2048x2560, 1 token", screen_1, SCREENED_BYTES, SCREEN_OPS},
    {"screen 2048x2560, 1 token, memory", screen_1_memory, SCREENED_BYTES, SCREEN_OPS},
    {"screen 2048x2560, 2 tokens", screen_2, SCREENED_BYTES, 2 * SCREEN_OPS},
    {"screen 2048x2560, 4 tokens", screen_4, SCREENED_BYTES, 4 * SCREEN_OPS},
    {"screen 2048x2560, 8 tokens", screen_8, SCREENED_BYTES, 8 * SCREEN_OPS},
    {"screen 2048x2560, 12 tokens", screen_12, SCREENED_BYTES, 12 * SCREEN_OPS},
    {"screen 2048x2560, 16 tokens", screen_16, SCREENED_BYTES, 16 * SCREEN_OPS},
    {"matmul_f32 512x2560, 1 token", matmul_f32_1, 4.0 * HEAD_ROWS *ROWS, FLOAT_OPS},
    {"matmul_f32 512x2560, 16 tokens", matmul_f32_16, 4.0 * HEAD_ROWS *ROWS, 16 * FLOAT_OPS},
    {"matmul_f16 512x2560, 1 token", matmul_f16_1, 2.0 * HEAD_ROWS *ROWS, FLOAT_OPS},
    {"matmul_f16 512x2560, 16 tokens", matmul_f16_16, 2.0 * HEAD_ROWS *ROWS, 16 * FLOAT_OPS},
    {"matmul_bf16 512x2560, 1 token", matmul_bf16_1, 2.0 * HEAD_ROWS *ROWS, FLOAT_OPS},
    {"blocks Q2_0 640x2560, 1 token", q2_0_1, BLOCK_BYTES(64, 18), BLOCK_OPS},
    {"blocks Q2_0 640x2560, 4 tokens", q2_0_4, BLOCK_BYTES(64, 18), 4 * BLOCK_OPS},
    {"blocks PQ2_0 640x2560, 1 token", pq2_0_1, BLOCK_BYTES(128, 34), BLOCK_OPS},
    {"blocks PQ2_0 640x2560, 4 tokens", pq2_0_4, BLOCK_BYTES(128, 34), 4 * BLOCK_OPS},
    {"blocks TQ2_0 640x2560, 1 token", tq2_0_1, BLOCK_BYTES(256, 66), BLOCK_OPS},
    {"blocks TQ2_0 640x2560, 4 tokens", tq2_0_4, BLOCK_BYTES(256, 66), 4 * BLOCK_OPS},
    {"blocks TQ1_0 640x2560, 1 token", tq1_0_1, BLOCK_BYTES(256, 54), BLOCK_OPS},
    {"blocks TQ1_0 640x2560, 4 tokens", tq1_0_4, BLOCK_BYTES(256, 54), 4 * BLOCK_OPS},
    {"blocks Q4_0 640x2560, 1 token", q4_0_1, BLOCK_BYTES(32, 18), BLOCK_OPS},
    {"blocks Q4_0 640x2560, 4 tokens", q4_0_4, BLOCK_BYTES(32, 18), 4 * BLOCK_OPS},
    {"blocks Q8_0 640x2560, 1 token", q8_0_1, BLOCK_BYTES(32, 34), BLOCK_OPS},
    {"blocks Q8_0 640x2560, 4 tokens", q8_0_4, BLOCK_BYTES(32, 34), 4 * BLOCK_OPS},
    {"blocks Q4_K 640x2560, 1 token", q4_k_1, BLOCK_BYTES(256, 144), BLOCK_OPS},
    {"blocks Q4_K 640x2560, 4 tokens", q4_k_4, BLOCK_BYTES(256, 144), 4 * BLOCK_OPS},
    {"blocks Q6_K 640x2560, 1 token", q6_k_1, BLOCK_BYTES(256, 210), BLOCK_OPS},
    {"blocks Q6_K 640x2560, 4 tokens", q6_k_4, BLOCK_BYTES(256, 210), 4 * BLOCK_OPS},
    {"quantize_row 6912", quantize_row, 5.0 * COLS, 0},
    {"ternary_scale 6912", ternary_scale, 8.0 * COLS, 2.0 * COLS},
    {"rms_norm 6912", rms_norm, 12.0 * COLS, 4.0 * COLS},
    {"layer_norm 6912", layer_norm, 16.0 * COLS, 8.0 * COLS},
    {"softmax 6912", softmax, 8.0 * COLS, 0},
    {"softcap 6912", softcap, 8.0 * COLS, 0},
    {"silu 6912", silu, 12.0 * COLS, 0},
    {"relu2 6912", relu2, 12.0 * COLS, 0},
    {"gelu_tanh 6912", gelu_tanh, 12.0 * COLS, 0},
    {"gelu_erf 6912", gelu_erf, 12.0 * COLS, 0},
    {"rope_half 128", rope_half, 8.0 * HEAD_DIM, 3.0 * HEAD_DIM},
    {"rope_neighbours 128", rope_neighbours, 8.0 * HEAD_DIM, 3.0 * HEAD_DIM},
    {"attention_scores_f32 4x512x128", scores_f32, 4.0 * KEYS *HEAD_DIM, KEY_OPS},
    {"attention_scores_f16 4x512x128", scores_f16, 2.0 * KEYS *HEAD_DIM, KEY_OPS},
    {"attention_scores_q8 4x512x128", scores_q8, 1.0 * KEYS *HEAD_DIM, KEY_OPS},
    {"attention_values_f32 4x512x128", values_f32, 4.0 * KEYS *HEAD_DIM, KEY_OPS},
    {"attention_values_f16 4x512x128", values_f16, 2.0 * KEYS *HEAD_DIM, KEY_OPS},
    {"attention_values_i8 4x512x128", values_i8, 1.0 * KEYS *HEAD_DIM, KEY_OPS},
    {"f32_to_f16 6912", to_f16, 6.0 * COLS, 0},
    {"f16_to_f32 6912", from_f16, 6.0 * COLS, 0},
};

static uint32_t next_random(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void fill(struct data *d) {
    uint32_t state = 1;
    size_t one = l16_bytes(ROWS, COLS), wide = (size_t)MAX_TOKENS * COLS, weights = (size_t)HEAD_ROWS * COLS;
    for (size_t i = 0; i < one; i++)
        for (int p = 0; p < 4; p++) d->packed[i] = (uint8_t)(d->packed[i] << 2 | next_random(&state) % 3);
    for (size_t i = 1; i < d->n_copies; i++) memcpy(d->packed + i * one, d->packed, one);
    for (size_t i = 0; i < wide; i++) {
        d->q[i] = (int8_t)((int)(next_random(&state) % 255) - 127);
        d->x[i] = (float)(int)(next_random(&state) % 8001 - 4000) * 0.001f;
        d->up[i] = (float)(int)(next_random(&state) % 8001 - 4000) * 0.001f;
    }
    for (size_t i = 0; i < weights; i++) {
        d->w[i] = (float)(int)(next_random(&state) % 2001 - 1000) * 0.001f;
        d->halves[i] = (uint16_t)(next_random(&state) % 0x4000);
    }
}

static bool allocate(struct data *d) {
    size_t wide = (size_t)MAX_TOKENS * COLS, weights = (size_t)HEAD_ROWS * COLS;
    d->n_copies = MEMORY_BYTES / l16_bytes(ROWS, COLS);
    d->packed = mem_alloc_aligned(d->n_copies * l16_bytes(ROWS, COLS));
    d->q = mem_alloc_aligned(wide);
    d->q_sums = mem_calloc(MAX_TOKENS * s6_spans(ROWS), sizeof *d->q_sums);
    d->y_int = mem_calloc(wide, sizeof *d->y_int);
    d->w = mem_alloc_aligned(weights * sizeof *d->w);
    d->halves = mem_alloc_aligned(weights * sizeof *d->halves);
    d->blocks = mem_alloc_aligned((size_t)2 * BLOCK_ROWS * ROWS);
    if (d->blocks) memset(d->blocks, 0x15, (size_t)2 * BLOCK_ROWS * ROWS);
    d->x = mem_alloc_aligned(wide * sizeof *d->x);
    d->y = mem_alloc_aligned(wide * sizeof *d->y);
    d->up = mem_alloc_aligned(wide * sizeof *d->up);
    return d->packed && d->q && d->q_sums && d->y_int && d->w && d->halves && d->blocks && d->x && d->y && d->up;
}

static void release(struct data *d) {
    void *const aligned[] = {d->packed, d->q, d->w, d->halves, d->blocks, d->x, d->y, d->up};
    for (size_t i = 0; i < sizeof aligned / sizeof *aligned; i++) mem_free_aligned(aligned[i]);
    mem_free(d->q_sums);
    mem_free(d->y_int);
}

static double seconds_per_run(const struct operation *o, const struct kernels *k, struct data *d, size_t n_runs) {
    double start = clock_thread_seconds();
    for (size_t i = 0; i < n_runs; i++) o->run(k, d);
    return (clock_thread_seconds() - start) / (double)n_runs;
}

/* Medians of all tables, in turns. */
static void measure(const struct operation *o, const struct kernels *const *tables, size_t n_tables, struct data *d,
                    double *medians) {
    double samples[MAX_TABLES][N_SAMPLES];
    size_t n_runs[MAX_TABLES];
    for (size_t t = 0; t < n_tables; t++)
        n_runs[t] = 1 + (size_t)(SAMPLE_S / (seconds_per_run(o, tables[t], d, 1) + 1e-9));
    for (size_t s = 0; s < N_SAMPLES; s++)
        for (size_t t = 0; t < n_tables; t++) samples[t][s] = seconds_per_run(o, tables[t], d, n_runs[t]);
    for (size_t t = 0; t < n_tables; t++) medians[t] = summarize(samples[t], N_SAMPLES).median;
}

static void measure_operation(const struct kernel_bench *bench, const struct operation *o,
                              const struct kernels *const *tables, size_t n_tables, struct data *d) {
    double medians[MAX_TABLES], scalar = NAN;
    bench->begin(bench->context, o->name);
    measure(o, tables, n_tables, d, medians);
    for (size_t t = 0; t < n_tables; t++)
        if (strcmp(tables[t]->name, "scalar") == 0) scalar = medians[t];
    for (size_t t = 0; t < n_tables; t++)
        kernel_bench_emit(bench, o->name, tables[t]->name, 1,
                          &(struct kernel_figures){.seconds = medians[t],
                                                   .bytes = o->bytes,
                                                   .operations = o->operations > 0 ? o->operations : NAN,
                                                   .ratio_to_scalar = scalar / medians[t],
                                                   .percent_of_reading = NAN,
                                                   .percent_of_peak = NAN,
                                                   .times_one_token = NAN,
                                                   .per_second = NAN});
}

static bn_status measure_operations(const struct kernel_bench *bench, const struct kernels *const *tables,
                                    struct data *d, bn_error *err) {
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        if (!kernel_bench_wants(bench, operations[i].name)) continue;
        if (bench->cancelled()) return fail(err, BN_STATUS_CANCELLED, "interrupted");
        measure_operation(bench, &operations[i], tables, bench->n_isas, d);
    }
    return BN_OK;
}

bool kernel_bench_wants(const struct kernel_bench *bench, const char *name) {
    for (size_t i = 0; i < bench->n_words; i++)
        if (strstr(name, bench->words[i])) return true;
    return bench->n_words == 0;
}

void kernel_bench_emit(const struct kernel_bench *bench, const char *name, const char *isa, size_t threads,
                       const struct kernel_figures *figures) {
    const double values[] = {figures->seconds,
                             figures->bytes / figures->seconds,
                             figures->operations / figures->seconds,
                             figures->ratio_to_scalar,
                             figures->percent_of_reading,
                             figures->percent_of_peak,
                             figures->times_one_token,
                             figures->per_second};
    static const char *const keys[] = {"seconds",         "bytes_per_second",   "operations_per_second",
                                       "ratio_to_scalar", "percent_of_reading", "percent_of_peak",
                                       "times_one_token", "per_second"};
    json_t *row = json_pack("{s:s, s:s, s:I}", "name", name, "isa", isa, "threads", (json_int_t)threads);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) json_object_set_new(row, keys[i], json_number(values[i]));
    bench->row(bench->context, row);
}

bn_status kernel_speeds(const struct kernel_bench *bench, bn_error *err) {
    const struct kernels *tables[MAX_TABLES];
    for (size_t i = 0; i < bench->n_isas; i++) {
        bn_status status = kernels_select(bench->isas[i], &tables[i], err);
        if (status) return status;
    }
    struct data d = {0};
    bn_status status = allocate(&d) ? BN_OK : fail_no_memory(err, MEMORY_BYTES);
    if (!status) {
        fill(&d);
        status = measure_operations(bench, tables, &d, err);
    }
    release(&d);
    return status;
}
