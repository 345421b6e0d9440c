#include "convert/median.h"

#include <math.h>
#include <string.h>

#include "base/half.h"
#include "base/memory.h"

enum { BINS = 1 << 16, ROWS_PER_CHUNK = 32 };

/* ---- of a tensor: the upper 16 bits by one pass, the lower ones by another; bits of positive floats sort as they do ---- */

struct counting {
    const struct tensor *tensor;
    size_t n_rows, n_cols;
    float *values;    /* [slots][n_cols] */
    uint64_t *counts; /* [slots][BINS] */
    uint32_t upper;   /* counted are the lower halves of values with these upper ones */
    bool lower_pass;
};

static void count_rows(void *context, size_t chunk, size_t slot) {
    struct counting *c = context;
    float *values = c->values + slot * c->n_cols;
    uint64_t *counts = c->counts + slot * BINS;
    for (size_t r = chunk * ROWS_PER_CHUNK; r < min_size(c->n_rows, (chunk + 1) * ROWS_PER_CHUNK); r++) {
        tensor_decode_row(c->tensor, r, values);
        for (size_t i = 0; i < c->n_cols; i++) {
            uint32_t bits = f32_bits(values[i]) & 0x7fffffff;
            if (!c->lower_pass)
                counts[bits >> 16]++;
            else if (bits >> 16 == c->upper)
                counts[bits & 0xffff]++;
        }
    }
}

/* The bin that holds the value of this rank; *rank becomes its rank in there. */
static uint32_t count_bins(struct counting *c, struct thread_pool *pool, uint64_t *rank) {
    size_t n_slots = thread_pool_size(pool);
    memset(c->counts, 0, n_slots * BINS * sizeof *c->counts);
    thread_pool_run(pool, count_rows, c, (c->n_rows + ROWS_PER_CHUNK - 1) / ROWS_PER_CHUNK);
    for (uint32_t bin = 0; bin < BINS; bin++) {
        uint64_t n = 0;
        for (size_t slot = 0; slot < n_slots; slot++) n += c->counts[slot * BINS + bin];
        if (*rank < n) return bin;
        *rank -= n;
    }
    return BINS - 1;
}

bn_status tensor_median_magnitude(struct thread_pool *pool, const struct tensor *tensor, float *median, bn_error *err) {
    struct counting c = {.tensor = tensor, .n_rows = tensor_rows(tensor), .n_cols = tensor_cols(tensor)};
    size_t n_slots = thread_pool_size(pool);
    c.values = mem_alloc_array(n_slots * c.n_cols, sizeof(float));
    c.counts = mem_alloc_array(n_slots * BINS, sizeof(uint64_t));
    bn_status status = c.values && c.counts ? BN_OK : fail_no_memory(err, n_slots * BINS * sizeof(uint64_t));
    if (!status) {
        uint64_t rank = (c.n_rows * c.n_cols - 1) / 2;
        c.upper = count_bins(&c, pool, &rank);
        bool finite = true;
        for (size_t slot = 0; slot < n_slots; slot++)
            for (size_t bin = 0x7f80; bin < BINS; bin++) finite &= c.counts[slot * BINS + bin] == 0;
        c.lower_pass = true;
        *median = f32_from_bits(c.upper << 16 | count_bins(&c, pool, &rank));
        if (!finite) status = fail(err, BN_STATUS_BAD_FILE, "tensor '%s' holds NaN or infinite weights", tensor->name);
    }
    mem_free(c.values);
    mem_free(c.counts);
    return status;
}

/* ---- of a few values: quickselect ---- */

float median_magnitude(float *values, size_t n) {
    for (size_t i = 0; i < n; i++) values[i] = fabsf(values[i]);
    size_t rank = (n - 1) / 2, low = 0, high = n - 1;
    while (low < high) {
        float pivot = values[low + (high - low) / 2];
        size_t i = low, j = high;
        for (;;) {
            while (values[i] < pivot) i++;
            while (values[j] > pivot) j--;
            if (i >= j) break;
            float swapped = values[i];
            values[i++] = values[j];
            values[j--] = swapped;
        }
        if (rank <= j)
            high = j;
        else
            low = j + 1;
    }
    return values[rank];
}
