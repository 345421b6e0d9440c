#include "kernels/limits.h"

#include <string.h>

#include "base/clock.h"
#include "base/memory.h"

enum { PASSES = 10, PIECE_BYTES = 1 << 20, N_ACCUMULATORS = 8, PEAK_ROUNDS = 200000, PEAK_CHUNKS = 4 };
#define READ_BYTES ((size_t)256 << 20)

/* ---- reading ---- */

struct reading {
    const uint64_t *words;
    uint64_t sums[256]; /* per slot, so that the loads aren't left out */
};

uint64_t limits_read(const void *bytes, size_t size) {
    typedef uint64_t pair __attribute__((vector_size(16), may_alias));
    const pair *from = bytes;
    pair sums[N_ACCUMULATORS] = {0};
    for (size_t i = 0; i < size / sizeof(pair); i += N_ACCUMULATORS) {
        __builtin_prefetch(from + i + 256);
        __builtin_prefetch(from + i + 260);
        for (size_t j = 0; j < N_ACCUMULATORS; j++) sums[j] += from[i + j];
    }
    for (size_t j = 1; j < N_ACCUMULATORS; j++) sums[0] += sums[j];
    return sums[0][0] + sums[0][1];
}

static void read_piece(void *context, size_t chunk, size_t slot) {
    struct reading *reading = context;
    reading->sums[slot] += limits_read(reading->words + chunk * (PIECE_BYTES / sizeof(uint64_t)), PIECE_BYTES);
}

static bn_status measure_reading(struct thread_pool *pool, double *bytes_per_s, bn_error *err) {
    struct reading reading = {0};
    uint64_t *words = mem_alloc_aligned(READ_BYTES);
    if (!words) return fail_no_memory(err, READ_BYTES);
    memset(words, 1, READ_BYTES); /* pages of its own: untouched ones would all be the one page of zeros */
    reading.words = words;
    *bytes_per_s = 0;
    for (size_t i = 0; i < PASSES; i++) {
        uint64_t start = clock_now_ns();
        thread_pool_run(pool, read_piece, &reading, READ_BYTES / PIECE_BYTES);
        double speed = (double)READ_BYTES / ((double)(clock_now_ns() - start) * 1e-9);
        if (speed > *bytes_per_s) *bytes_per_s = speed;
    }
    mem_free_aligned(words);
    return BN_OK;
}

/* ---- arithmetic ---- */

/* Where there are no vectors: one multiply-add at a time. */
static double peak_int8_scalar(size_t rounds) {
    int32_t sums[N_ACCUMULATORS] = {0}, a = 3, b = 5;
    for (size_t i = 0; i < rounds; i++)
        for (size_t j = 0; j < N_ACCUMULATORS; j++) {
            __asm__ volatile("" : "+r"(b));
            sums[j] += a * b;
            __asm__ volatile("" : "+r"(sums[j]));
        }
    return 2.0 * N_ACCUMULATORS * (double)rounds;
}

static double peak_float_scalar(size_t rounds) {
    float sums[N_ACCUMULATORS] = {0}, a = 3, b = 5;
    for (size_t i = 0; i < rounds; i++)
        for (size_t j = 0; j < N_ACCUMULATORS; j++) {
            __asm__ volatile("" : "+m"(b));
            sums[j] += a * b;
        }
    volatile float kept = sums[0] + sums[1] + sums[2] + sums[3] + sums[4] + sums[5] + sums[6] + sums[7];
    (void)kept;
    return 2.0 * N_ACCUMULATORS * (double)rounds;
}

static const struct {
    const char *isa;
    peak_loop int8, float32;
} loops[] = {
#if defined(__x86_64__)
    {"amx", peak_int8_avx512, peak_float_avx512}, /* its tiles could do more */
    {"avx512vbmi", peak_int8_avx512, peak_float_avx512}, {"avx512", peak_int8_avx512, peak_float_avx512},
    {"avxvnni", peak_int8_avx2, peak_float_avx2},        {"avx2", peak_int8_avx2, peak_float_avx2},
#elif defined(__aarch64__)
    {"i8mm", peak_int8_neon, peak_float_neon}, /* smmla could do more */
    {"neon", peak_int8_neon, peak_float_neon},
#endif
    {"scalar", peak_int8_scalar, peak_float_scalar},
};

struct arithmetic {
    peak_loop loop;
    double operations[256]; /* per slot */
};

static void run_loop(void *context, size_t chunk, size_t slot) {
    (void)chunk;
    struct arithmetic *arithmetic = context;
    arithmetic->operations[slot] += arithmetic->loop(PEAK_ROUNDS);
}

static double measure_loop(struct thread_pool *pool, peak_loop loop) {
    double best = 0;
    for (size_t i = 0; i < PASSES; i++) {
        struct arithmetic arithmetic = {.loop = loop};
        uint64_t start = clock_now_ns();
        thread_pool_run(pool, run_loop, &arithmetic, PEAK_CHUNKS * thread_pool_size(pool));
        double seconds = (double)(clock_now_ns() - start) * 1e-9, operations = 0;
        for (size_t slot = 0; slot < thread_pool_size(pool); slot++) operations += arithmetic.operations[slot];
        if (operations / seconds > best) best = operations / seconds;
    }
    return best;
}

peak_loop limits_peak_int8(const char *isa) {
    for (size_t i = 0; i < sizeof loops / sizeof *loops; i++)
        if (strcmp(loops[i].isa, isa) == 0) return loops[i].int8;
    return NULL;
}

bn_status limits_measure(struct thread_pool *pool, const char *isa, struct machine_limits *out, bn_error *err) {
    *out = (struct machine_limits){.threads = thread_pool_size(pool)};
    for (size_t i = 0; i < sizeof loops / sizeof *loops; i++) {
        if (strcmp(loops[i].isa, isa) != 0) continue;
        out->int8_operations_per_s = measure_loop(pool, loops[i].int8);
        out->float_operations_per_s = measure_loop(pool, loops[i].float32);
        return measure_reading(pool, &out->read_bytes_per_s, err);
    }
    return fail(err, BN_STATUS_BAD_ARGUMENT, "there are no limits for the kernels '%s'", isa);
}
