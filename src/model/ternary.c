/* Ternary matrices out of files. Whatever a file's packing is, a row is brought to int8 -1, 0, 1 and sixteen rows at a
 * time are packed into the run layout; groups of rows are shared out among threads. */
#include "model/ternary.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "base/memory.h"
#include "kernels/layout.h"

#define GROUPS_PER_CHUNK 4
#define ROWS_PER_CHUNK   32

/* Per-thread row buffers. */
struct rows {
    float *values; /* [slots][n_cols] */
    int8_t *codes; /* [slots][L16_ROWS · n_cols] */
};

static bn_status rows_init(struct rows *rows, size_t n_slots, size_t n_cols, bn_error *err) {
    size_t values, codes;
    *rows = (struct rows){0};
    if (!mul_size(n_slots, n_cols, &values) || !mul_size(values, L16_ROWS, &codes)) return fail_no_memory(err, n_cols);
    rows->values = mem_alloc_array(values, sizeof(float));
    rows->codes = mem_alloc_array(codes, 1);
    return rows->values && rows->codes ? BN_OK : fail_no_memory(err, codes);
}

static void rows_release(struct rows *rows) {
    mem_free(rows->values);
    mem_free(rows->codes);
}

/* ---- magnitudes ---- */

struct summing {
    const struct tensor *tensor;
    size_t n_rows, n_cols;
    struct rows rows;
    double *sums; /* [n_rows] of magnitudes */
};

static void sum_rows(void *context, size_t chunk, size_t slot) {
    struct summing *s = context;
    float *values = s->rows.values + slot * s->n_cols;
    for (size_t r = chunk * ROWS_PER_CHUNK; r < min_size(s->n_rows, (chunk + 1) * ROWS_PER_CHUNK); r++) {
        tensor_decode_row(s->tensor, r, values);
        double sum = 0;
        for (size_t c = 0; c < s->n_cols; c++) sum += (double)fabsf(values[c]);
        s->sums[r] = sum;
    }
}

bn_status ternary_mean_magnitude(struct thread_pool *pool, const struct tensor *tensor, float *mean, bn_error *err) {
    struct summing s = {.tensor = tensor, .n_rows = tensor_rows(tensor), .n_cols = tensor_cols(tensor)};
    bn_status status = rows_init(&s.rows, thread_pool_size(pool), s.n_cols, err);
    s.sums = mem_alloc_array(s.n_rows, sizeof(double));
    if (status == BN_OK && !s.sums) status = fail_no_memory(err, s.n_rows * sizeof(double));
    double sum = 0;
    if (status == BN_OK) {
        thread_pool_run(pool, sum_rows, &s, (s.n_rows + ROWS_PER_CHUNK - 1) / ROWS_PER_CHUNK);
        for (size_t r = 0; r < s.n_rows; r++) sum += s.sums[r];
        *mean = (float)(sum / ((double)s.n_rows * (double)s.n_cols));
        if (!isfinite(*mean))
            status = fail(err, BN_STATUS_BAD_FILE, "tensor '%s' holds NaN or infinite weights or scales", tensor->name);
    }
    rows_release(&s.rows);
    mem_free(s.sums);
    return status;
}

bn_status ternary_guess_magnitude(const struct tensor *tensor, float *magnitude, bool *uniform, bn_error *err) {
    size_t n_rows = tensor_rows(tensor), n_cols = tensor_cols(tensor);
    float *values = mem_alloc_array(n_cols, sizeof(float));
    if (!values) return fail_no_memory(err, n_cols * sizeof(float));
    *magnitude = 0;
    *uniform = true;
    for (size_t r = 0; r < n_rows && *magnitude == 0; r++) {
        tensor_decode_row(tensor, r, values);
        for (size_t c = 0; c < n_cols; c++) {
            if (*magnitude == 0) *magnitude = fabsf(values[c]);
            if (values[c] != 0 && fabsf(values[c]) != *magnitude) *uniform = false;
        }
    }
    mem_free(values);
    return BN_OK;
}

/* ---- packing ---- */
struct packing {
    const struct ternary_source *source;
    struct rows rows;
    uint8_t *out;
    atomic_bool bad_code, other_values;
};

static bool unpack_hf_row(const struct ternary_source *s, size_t row, int8_t *out) {
    size_t quarter = (s->tensor_rows + 3) / 4;
    const uint8_t *bytes = s->tensor->data + row % quarter * s->n_cols;
    unsigned shift = 2 * (unsigned)(row / quarter), seen = 0;
    for (size_t c = 0; c < s->n_cols; c++) {
        unsigned code = bytes[c] >> shift & 3;
        seen |= code == 3;
        out[c] = (int8_t)((int)code - 1);
    }
    return !seen;
}

/* Signs of values that should be 0 or ± magnitude; true when all are. */
static bool signs_of_values(const float *values, float magnitude, int8_t *out, size_t n) {
    unsigned others = 0;
    for (size_t c = 0; c < n; c++) {
        int sign = (values[c] > 0) - (values[c] < 0);
        others |= values[c] != (float)sign * magnitude;
        out[c] = (int8_t)sign;
    }
    return others == 0;
}

/* t = clamp(rint(w / mean|W|), ±1), ties to even: ± beyond one half. */
static void round_masters(const float *values, float inverse, int8_t *out, size_t n) {
    for (size_t c = 0; c < n; c++) {
        float scaled = values[c] * inverse;
        out[c] = (int8_t)((scaled > 0.5f) - (scaled < -0.5f));
    }
}

enum ternary_row_result ternary_unpack_row(const struct ternary_source *s, size_t row, float *values, int8_t *out) {
    bool good = true;
    switch (s->form) {
    case TERNARY_HF_PACKED:
        good = unpack_hf_row(s, row, out);
        break;
    case TERNARY_I2S:
        good = i2s_unpack(s->tensor->data, s->layout, s->tensor_rows, s->n_cols, row, row + 1, out, NULL) == BN_OK;
        break;
    case TERNARY_VALUES:
        tensor_decode_row(s->tensor, row, values);
        return signs_of_values(values, s->magnitude, out, s->n_cols) ? TERNARY_ROW_GOOD : TERNARY_ROW_OTHER_VALUES;
    case TERNARY_MASTERS:
        tensor_decode_row(s->tensor, row, values);
        round_masters(values, 1 / fmaxf(s->magnitude, 1e-5f), out, s->n_cols);
        break;
    }
    return good ? TERNARY_ROW_GOOD : TERNARY_ROW_BAD_CODE;
}

static void unpack_row(struct packing *job, size_t row, float *values, int8_t *out) {
    enum ternary_row_result result = ternary_unpack_row(job->source, row, values, out);
    if (result == TERNARY_ROW_OTHER_VALUES) atomic_store_explicit(&job->other_values, true, memory_order_relaxed);
    if (result == TERNARY_ROW_BAD_CODE) atomic_store_explicit(&job->bad_code, true, memory_order_relaxed);
}

static void pack_groups(void *context, size_t chunk, size_t slot) {
    struct packing *job = context;
    const struct ternary_source *s = job->source;
    float *values = job->rows.values + slot * s->n_cols;
    int8_t *codes = job->rows.codes + slot * L16_ROWS * s->n_cols;
    size_t group_bytes = l16_steps(s->n_cols) * L16_BLOCK_BYTES;
    size_t last = min_size(l16_groups(s->n_rows), (chunk + 1) * GROUPS_PER_CHUNK);
    for (size_t g = chunk * GROUPS_PER_CHUNK; g < last; g++) {
        if (atomic_load_explicit(&job->bad_code, memory_order_relaxed) ||
            atomic_load_explicit(&job->other_values, memory_order_relaxed))
            return; /* the result is of no use */
        size_t n = min_size(L16_ROWS, s->n_rows - g * L16_ROWS);
        for (size_t r = 0; r < n; r++)
            unpack_row(job, row_map_at(&s->map, g * L16_ROWS + r), values, codes + r * s->n_cols);
        l16_pack_group(job->out + g * group_bytes, codes, n, s->n_cols);
    }
}

bn_status ternary_pack(struct thread_pool *pool, const struct ternary_source *source, uint8_t *out, bool *uniform,
                       bn_error *err) {
    struct packing job = {.source = source, .out = out};
    bn_status status = rows_init(&job.rows, thread_pool_size(pool), source->n_cols, err);
    if (status == BN_OK)
        thread_pool_run(pool, pack_groups, &job,
                        (l16_groups(source->n_rows) + GROUPS_PER_CHUNK - 1) / GROUPS_PER_CHUNK);
    rows_release(&job.rows);
    if (uniform) *uniform = !atomic_load(&job.other_values);
    if (status == BN_OK && atomic_load(&job.bad_code))
        status = fail(err, BN_STATUS_BAD_FILE,
                      "tensor '%s' can't be unpacked: it holds the code 3, which no ternary value "
                      "has, or a shape its packing can't hold (damaged file or another layout)",
                      source->tensor->name);
    return status;
}
