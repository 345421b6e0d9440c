/* How near attention comes to what the machine can do.
 *
 *     bench_attention [--json] [--threads N]
 *
 * The shape of a 2-billion-parameter model: 20 query heads on 5 key-value heads of 128. Decoding: one token at a
 * position; its keys and values are read from memory, so GB/s of them beside those of plain loads of the same memory (as
 * many layers as make 512 MiB are gone through in turn). A prompt: 64 tokens that end at a position; GFLOP/s of the two
 * products over the visible positions, beside the peak of fused multiply-adds. Best of several runs; limits are
 * measured in between. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "kernels/limits.h"
#include "model/attention.h"
#include "model/kv_layout.h"

enum { HEADS = 20, KV_HEADS = 5, HEAD_DIM = 128, PROMPT_TOKENS = 64, ROUNDS = 5, MAX_LAYERS = 30 };
#define MEMORY_BYTES ((size_t)512 << 20)

struct bench {
    struct model_config config;
    struct layer layer;
    struct attention attention;
    struct machine_limits limits;
    bool json;
};

/* One thread by its own CPU clock, which stands still while others have the core; several by the wall's. */
static double seconds_now(const struct bench *b) {
    return b->limits.threads > 1 ? (double)clock_now_ns() * 1e-9 : clock_thread_seconds();
}

static double least_seconds(struct bench *b) {
    double best = 1e9;
    for (size_t round = 0; round < ROUNDS; round++)
        for (size_t l = 0; l < b->config.n_layers; l++) {
            double start = seconds_now(b), seconds;
            b->attention.layer_index = l;
            attend(&b->attention);
            if ((seconds = seconds_now(b) - start) < best) best = seconds;
        }
    return best;
}

#define PIECE_BYTES ((size_t)1 << 20)

struct reading {
    const uint8_t *memory;
    uint64_t sums[256]; /* per slot, so that the loads aren't left out */
};

static void read_piece(void *context, size_t chunk, size_t slot) {
    struct reading *reading = context;
    typedef uint64_t words __attribute__((vector_size(64), may_alias, aligned(64)));
    const words *from = (const words *)(const void *)(reading->memory + chunk * PIECE_BYTES);
    words a = {0}, b = a, c = a, d = a;
    for (size_t i = 0; i < PIECE_BYTES / sizeof(words); i += 4) {
        __builtin_prefetch(from + i + 64);
        __builtin_prefetch(from + i + 66);
        a += from[i], b += from[i + 1], c += from[i + 2], d += from[i + 3];
    }
    reading->sums[slot] += a[0] + b[1] + c[2] + d[3];
}

/* Plain loads of the same pages, by the same clock: what decoding is held against. */
static double read_bytes_per_s(const struct bench *b, const uint8_t *memory, size_t bytes) {
    struct reading reading = {.memory = memory};
    size_t n = bytes / PIECE_BYTES;
    double best = 0;
    for (size_t round = 0; round < ROUNDS; round++) {
        double start = seconds_now(b), speed;
        thread_pool_run(b->attention.pool, read_piece, &reading, n);
        if ((speed = (double)(n * PIECE_BYTES) / (seconds_now(b) - start)) > best) best = speed;
    }
    return best;
}

static void print_row(const struct bench *b, const char *what, const char *type, size_t position, double seconds,
                      double bytes, double operations) {
    bool decode = operations == 0;
    double share =
        decode ? bytes / seconds / b->limits.read_bytes_per_s : operations / seconds / b->limits.float_operations_per_s;
    const char *unit = decode ? "GB/s" : "GFLOP/s";
    double speed = (decode ? bytes : operations) / seconds * 1e-9;
    if (b->json)
        printf("{\"name\":\"%s\",\"kv\":\"%s\",\"position\":%zu,\"threads\":%zu,\"seconds\":%.4g,\"speed\":%.4g,"
               "\"unit\":\"%s\",\"share_of_limit\":%.3f}\n",
               what, type, position, b->limits.threads, seconds, speed, unit, share);
    else
        printf("%-7s %-5s at %6zu: %9.1f us a layer %8.1f %-7s = %3.0f %% of the limit\n", what, type, position,
               seconds * 1e6, speed, unit, share * 100);
    fflush(stdout);
}

static void *random_memory(size_t bytes) {
    uint8_t *memory = mem_map(bytes);
    uint32_t state = 1;
    for (size_t i = 0; memory && i < bytes; i += 2) { /* small positive numbers, whatever the type */
        state = state * 1664525u + 1013904223u;
        memory[i] = (uint8_t)(state >> 24);
        memory[i + 1] = 0x30 | (uint8_t)(state >> 30);
    }
    return memory;
}

static bool measure(struct bench *b, enum kv_type type, const char *name, size_t position, bool decode) {
    struct bn_model model = {.config = b->config};
    size_t n_pages = position / KV_PAGE_TOKENS + 1, n_tokens = decode ? 1 : PROMPT_TOKENS;
    model.config.n_layers = 1;
    size_t layer_bytes = model_kv_page_bytes(&model, type);
    size_t wanted = MEMORY_BYTES / (layer_bytes * n_pages) + 1;
    b->config.n_layers = decode ? min_size(wanted, MAX_LAYERS) : 1;
    size_t page_bytes = layer_bytes * b->config.n_layers;
    uint8_t *memory = random_memory(n_pages * page_bytes), **pages = mem_alloc_array(n_pages, sizeof *pages);
    struct token_place *places = mem_alloc_array(n_tokens, sizeof *places);
    if (!memory || !pages || !places) return false;
    for (size_t i = 0; i < n_pages; i++) pages[i] = memory + i * page_bytes;
    const struct batch_sequence sequence = {.pages = pages};
    for (size_t t = 0; t < n_tokens; t++) places[t] = (struct token_place){&sequence, position + 1 - n_tokens + t};
    b->attention.kv_type = type;
    b->attention.places = places;
    b->attention.n_tokens = n_tokens;
    if (decode) b->limits.read_bytes_per_s = read_bytes_per_s(b, memory, n_pages * page_bytes);
    double seconds = least_seconds(b), seen = decode ? (double)position + 1 : 0;
    for (size_t t = 0; t < n_tokens && !decode; t++) seen += (double)places[t].position + 1;
    print_row(b, decode ? "decode" : "prompt", name, position + 1, seconds,
              decode ? (double)layer_bytes * seen / KV_PAGE_TOKENS : 0, decode ? 0 : 4.0 * HEADS * HEAD_DIM * seen);
    mem_unmap(memory, n_pages * page_bytes);
    mem_free(pages);
    mem_free(places);
    return true;
}

static bool measure_all(struct bench *b) {
    static const size_t positions[] = {512, 4096, 32768};
    static const struct {
        enum kv_type type;
        const char *name;
    } types[] = {{KV_F32, "f32"}, {KV_F16, "f16"}, {KV_Q8, "q8_0"}};
    for (int decode = 1; decode >= 0; decode--)
        for (size_t p = 0; p < 3; p++) {
            if (limits_measure(b->attention.pool, b->attention.kernels->name, &b->limits, NULL) != BN_OK) return false;
            for (size_t t = 0; t < 3; t++)
                if (!measure(b, types[t].type, types[t].name, positions[p] - 1, decode)) return false;
        }
    return true;
}

int main(int argc, char **argv) {
    struct bench b = {.config = {.n_heads = HEADS, .n_kv_heads = KV_HEADS, .head_dim = HEAD_DIM}};
    size_t n_threads = cpu_count_physical();
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) b.json = true;
        if (strcmp(argv[i], "--threads") == 0 && i + 1 < argc) n_threads = strtoul(argv[i + 1], NULL, 10);
    }
    struct thread_pool *pool;
    struct arena arena;
    struct attention_scratch scratch = {0};
    const size_t row_bytes = sizeof(float) * PROMPT_TOKENS * HEADS * HEAD_DIM;
    float *q = random_memory(row_bytes), *out = random_memory(row_bytes);
    arena_init(&arena);
    b.layer.attention_scale = 0.088f;
    bool ok = q && out && thread_pool_acquire(n_threads, &pool, NULL) == BN_OK &&
              attention_scratch_init(&scratch, &b.config, PROMPT_TOKENS, 32768, n_threads, &arena);
    if (ok) {
        b.attention = (struct attention){.kernels = kernels_best(),
                                         .pool = pool,
                                         .config = &b.config,
                                         .layer = &b.layer,
                                         .q = q,
                                         .out = out,
                                         .scratch = &scratch};
        ok = measure_all(&b);
        thread_pool_release(pool);
    }
    if (!ok) fprintf(stderr, "bench_attention: not enough memory\n");
    arena_release(&arena);
    mem_unmap(q, row_bytes);
    mem_unmap(out, row_bytes);
    return !ok;
}
