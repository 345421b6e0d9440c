/* Inputs and guarded outputs for the kernel tests. */
#ifndef TESTS_KERNELS_INPUTS_H
#define TESTS_KERNELS_INPUTS_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/half.h"
#include "kernels/kernels.h"
#include "kernels/layout.h"

/* xorshift64*: the same inputs on every machine. */
static uint64_t random_state = 0x9e3779b97f4a7c15u;

static inline uint32_t random_u32(void) {
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (uint32_t)(random_state * 0x2545f4914f6cdd1du >> 32);
}

static inline float random_float(void) { /* about normal: the sum of four uniforms */
    double sum = 0;
    for (int i = 0; i < 4; i++) sum += random_u32() * 0x1p-32 - 0.5;
    return (float)(sum * 1.7320508);
}

enum values { VALUES_NORMAL, VALUES_ZERO, VALUES_HUGE, VALUES_SUBNORMAL, VALUES_MIXED, N_VALUES };

static inline float random_value(enum values kind) {
    float value = random_float();
    switch (kind) {
    case VALUES_ZERO:
        return random_u32() & 1 ? 0.0f : -0.0f;
    case VALUES_HUGE:
        return value * 1e30f;
    case VALUES_SUBNORMAL:
        return value * 1e-41f;
    case VALUES_MIXED:
        return ldexpf(value, (int)(random_u32() % 60) - 40);
    default:
        return value;
    }
}

#define GUARD_BYTES 128
#define GUARD       0xa5

struct mapping {
    void *memory;
    size_t bytes;
};

/* Bytes that end where a page begins which can't be touched, so that reading beyond them is seen without a sanitizer, too.
 * Before them lie guard bytes. The caller gives them to fenced_free. */
static inline void *fenced(size_t bytes) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t before = (bytes + GUARD_BYTES + sizeof(struct mapping) + page - 1) / page * page;
    struct mapping mapping = {.bytes = before + page};
    mapping.memory = mmap(NULL, mapping.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping.memory == MAP_FAILED) abort();
    unsigned char *fence = (unsigned char *)mapping.memory + before, *data = fence - bytes;
    if (mprotect(fence, page, PROT_NONE) != 0) abort();
    memset(data - GUARD_BYTES, GUARD, GUARD_BYTES + bytes);
    memcpy(data - GUARD_BYTES - sizeof mapping, &mapping, sizeof mapping);
    return data;
}

static inline void *fenced_zeros(size_t bytes) {
    return memset(fenced(bytes), 0, bytes);
}

static inline void fenced_free(void *data) {
    struct mapping mapping;
    memcpy(&mapping, (unsigned char *)data - GUARD_BYTES - sizeof mapping, sizeof mapping);
    munmap(mapping.memory, mapping.bytes);
}

/* n elements at a fence or, where the start would lie as vectors like it, off that alignment, with guard bytes behind. */
struct array {
    void *data;
    size_t bytes, behind;
};

static inline struct array array_of(size_t n, size_t element_bytes) {
    struct array a = {.bytes = n * element_bytes};
    a.behind = a.bytes % 16 ? 0 : 4;
    a.data = fenced(a.bytes + a.behind);
    return a;
}

static inline bool array_guarded(const struct array *a) {
    const unsigned char *data = a->data;
    for (size_t i = 1; i <= GUARD_BYTES; i++)
        if (*(data - i) != GUARD) return false;
    for (size_t i = 0; i < a->behind; i++)
        if (data[a->bytes + i] != GUARD) return false;
    return true;
}

static inline struct array random_floats(size_t n, enum values kind) {
    struct array a = array_of(n, sizeof(float));
    float *x = a.data;
    for (size_t i = 0; i < n; i++) x[i] = random_value(kind);
    return a;
}

/* Of binary16 or bfloat16: any finite bit pattern, or values near 1. */
static inline struct array random_halves(size_t n, bool bf16, enum values kind) {
    struct array a = array_of(n, sizeof(uint16_t));
    uint16_t *x = a.data;
    for (size_t i = 0; i < n; i++) {
        float value = random_value(kind == VALUES_HUGE ? VALUES_NORMAL : kind);
        x[i] = bf16 ? f32_to_bf16(value) : f32_to_f16(value);
    }
    return a;
}

static inline struct array array_copy(const struct array *from) {
    struct array a = array_of(from->bytes, 1);
    memcpy(a.data, from->data, from->bytes);
    return a;
}

static inline void array_free(struct array *a) {
    fenced_free(a->data);
}

/* Random -1, 0, 1 (or all of one value: -1, 1), row after row. */
enum weights { WEIGHTS_RANDOM, WEIGHTS_ONES, WEIGHTS_MINUS_ONES };

static inline int8_t *random_weights(size_t n, enum weights kind) {
    int8_t *w = malloc(n ? n : 1);
    if (!w) abort();
    for (size_t i = 0; i < n; i++)
        w[i] = kind == WEIGHTS_ONES ? 1 : kind == WEIGHTS_MINUS_ONES ? -1 : (int8_t)((int)(random_u32() % 3) - 1);
    return w;
}

static inline uint8_t *pack_l16(const int8_t *w, size_t n_rows, size_t n_cols) {
    uint8_t *packed = fenced(l16_bytes(n_rows, n_cols));
    size_t group_bytes = l16_steps(n_cols) * L16_BLOCK_BYTES;
    for (size_t g = 0; g < l16_groups(n_rows); g++)
        l16_pack_group(packed + g * group_bytes, w + g * L16_ROWS * n_cols, min_size(L16_ROWS, n_rows - g * L16_ROWS),
                       n_cols);
    return packed;
}

static inline uint8_t *pack_l12(const int8_t *w, size_t n_rows, size_t n_cols) {
    uint8_t *packed = fenced(l12_bytes(n_rows, n_cols));
    size_t group_bytes = l12_steps(n_cols) * L12_BLOCK_BYTES;
    for (size_t g = 0; g < l16_groups(n_rows); g++)
        l12_pack_group(packed + g * group_bytes, w + g * L12_ROWS * n_cols, min_size(L12_ROWS, n_rows - g * L12_ROWS),
                       n_cols);
    return packed;
}

/* Rows of quantised activations, zero up to the stride; extreme: only ±127. */
static inline int8_t *random_activations(size_t n_tokens, size_t n_cols, size_t stride, bool extreme, int32_t *sums) {
    int8_t *q = fenced_zeros(n_tokens * stride);
    for (size_t t = 0; t < n_tokens; t++) {
        int extreme_value = t % 2 ? -127 : 127;
        sums[t] = 0;
        for (size_t c = 0; c < n_cols; c++) {
            q[t * stride + c] = (int8_t)(extreme ? extreme_value : (int)(random_u32() % 255) - 127);
            sums[t] += q[t * stride + c];
        }
    }
    return q;
}

#endif
