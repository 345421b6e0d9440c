/* Ternary matrices out of files. Whatever a file's packing is, a row is brought to int8 -1, 0, 1 and sixteen rows at a
 * time are packed into the run layout; groups of rows are shared out among threads. */
#include "model/ternary.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "base/memory.h"
#include "kernels/layout.h"

#define GROUPS_PER_CHUNK 4
#define ROWS_PER_CHUNK 32

/* Per-thread row buffers. */
struct rows {
    float *values;  /* [slots][n_cols] */
    int8_t *codes;  /* [slots][L16_ROWS · n_cols] */
};

static bn_status rows_init(struct rows *rows, size_t n_slots, size_t n_cols, bn_error *err) {
    size_t values, codes;
    *rows = (struct rows){0};
    if (!mul_size(n_slots, n_cols, &values) || !mul_size(values, L16_ROWS, &codes))
        return fail_no_memory(err, n_cols);
    rows->values = mem_alloc_array(values, sizeof(float));
    rows->codes = mem_alloc_array(codes, 1);
    return rows->values && rows->codes ? BN_OK : fail_no_memory(err, codes);
}

static void rows_release(struct rows *rows) {
    mem_free(rows->values);
    mem_free(rows->codes);
}

static void decode_row(const struct tensor *tensor, size_t row, size_t n_cols, float *out) {
    size_t row_bytes = 0;
    tensor_type_bytes(tensor->type, 1, n_cols, &row_bytes); /* checked when the file was opened */
    tensor_decode(tensor->type, tensor->data + row * row_bytes, out, n_cols);
}

/* ---- statistics of float tensors: per row, then over rows in order ---- */
struct statistics {
    const struct tensor *tensor;
    size_t n_rows, n_cols;
    struct rows rows;
    double *row_sums;           /* [n_rows] of magnitudes */
    float *row_largest;         /* [n_rows] */
    double sum;                 /* over all rows; finite, or the tensor is refused */
    float magnitude;            /* largest of all rows */
    atomic_bool differs;
};

static void measure_rows(void *context, size_t chunk, size_t slot) {
    struct statistics *s = context;
    float *values = s->rows.values + slot * s->n_cols;
    for (size_t r = chunk * ROWS_PER_CHUNK; r < min_size(s->n_rows, (chunk + 1) * ROWS_PER_CHUNK); r++) {
        decode_row(s->tensor, r, s->n_cols, values);
        double sum = 0;
        float largest = 0;
        for (size_t c = 0; c < s->n_cols; c++) {
            float magnitude = fabsf(values[c]);
            sum += (double)magnitude;
            if (magnitude > largest) largest = magnitude;
        }
        s->row_sums[r] = sum;
        s->row_largest[r] = largest;
    }
}

static void compare_rows(void *context, size_t chunk, size_t slot) {
    struct statistics *s = context;
    float *values = s->rows.values + slot * s->n_cols;
    for (size_t r = chunk * ROWS_PER_CHUNK; r < min_size(s->n_rows, (chunk + 1) * ROWS_PER_CHUNK); r++) {
        if (atomic_load_explicit(&s->differs, memory_order_relaxed)) return;
        decode_row(s->tensor, r, s->n_cols, values);
        for (size_t c = 0; c < s->n_cols; c++)
            if (values[c] != 0 && fabsf(values[c]) != s->magnitude) {
                atomic_store_explicit(&s->differs, true, memory_order_relaxed);
                break;
            }
    }
}

static bn_status statistics_init(struct statistics *s, struct thread_pool *pool, const struct tensor *tensor,
                                 bn_error *err) {
    *s = (struct statistics){.tensor = tensor, .n_rows = tensor_rows(tensor), .n_cols = tensor_cols(tensor)};
    bn_status status = rows_init(&s->rows, thread_pool_size(pool), s->n_cols, err);
    s->row_sums = mem_alloc_array(s->n_rows, sizeof(double));
    s->row_largest = mem_alloc_array(s->n_rows, sizeof(float));
    if (status == BN_OK && (!s->row_sums || !s->row_largest)) status = fail_no_memory(err, s->n_rows * sizeof(double));
    if (status != BN_OK) return status;
    thread_pool_run(pool, measure_rows, s, (s->n_rows + ROWS_PER_CHUNK - 1) / ROWS_PER_CHUNK);
    for (size_t r = 0; r < s->n_rows; r++) {
        s->sum += s->row_sums[r];
        s->magnitude = fmaxf(s->magnitude, s->row_largest[r]);
    }
    if (!isfinite(s->sum))
        return fail(err, BN_STATUS_BAD_FILE, "tensor '%s' holds NaN or infinite weights or scales", tensor->name);
    return BN_OK;
}

static void statistics_release(struct statistics *s) {
    rows_release(&s->rows);
    mem_free(s->row_sums);
    mem_free(s->row_largest);
}

bn_status ternary_mean_magnitude(struct thread_pool *pool, const struct tensor *tensor, float *mean, bn_error *err) {
    struct statistics s;
    bn_status status = statistics_init(&s, pool, tensor, err);
    *mean = (float)(s.sum / ((double)s.n_rows * (double)s.n_cols));
    statistics_release(&s);
    return status;
}

bn_status ternary_common_magnitude(struct thread_pool *pool, const struct tensor *tensor, float *magnitude,
                                   bool *uniform, bn_error *err) {
    struct statistics s;
    bn_status status = statistics_init(&s, pool, tensor, err);
    if (status == BN_OK) thread_pool_run(pool, compare_rows, &s, (s.n_rows + ROWS_PER_CHUNK - 1) / ROWS_PER_CHUNK);
    *magnitude = s.magnitude;
    *uniform = !atomic_load(&s.differs);
    statistics_release(&s);
    return status;
}

/* ---- packing ---- */
struct packing {
    const struct ternary_source *source;
    struct rows rows;
    uint8_t *out;
    float inverse; /* 1/max(mean|W|, 1e-5) of masters */
    atomic_bool bad_code;
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

static bool unpack_row(const struct packing *job, size_t row, float *values, int8_t *out) {
    const struct ternary_source *s = job->source;
    if (s->form == TERNARY_HF_PACKED) return unpack_hf_row(s, row, out);
    if (s->form == TERNARY_I2S)
        return i2s_unpack(s->tensor->data, s->layout, s->tensor_rows, s->n_cols, row, row + 1, out, NULL) == BN_OK;
    decode_row(s->tensor, row, s->n_cols, values);
    if (s->form == TERNARY_VALUES) {
        for (size_t c = 0; c < s->n_cols; c++) out[c] = (int8_t)((values[c] > 0) - (values[c] < 0));
        return true;
    }
    for (size_t c = 0; c < s->n_cols; c++) { /* t = clamp(rint(W · 1/mean|W|), ±1), ties to even */
        float scaled = values[c] * job->inverse;
        out[c] = (int8_t)((scaled > 0.5f) - (scaled < -0.5f));
    }
    return true;
}

static void pack_groups(void *context, size_t chunk, size_t slot) {
    struct packing *job = context;
    const struct ternary_source *s = job->source;
    float *values = job->rows.values + slot * s->n_cols;
    int8_t *codes = job->rows.codes + slot * L16_ROWS * s->n_cols;
    size_t group_bytes = l16_steps(s->n_cols) * L16_BLOCK_BYTES;
    size_t last = min_size(l16_groups(s->n_rows), (chunk + 1) * GROUPS_PER_CHUNK);
    for (size_t g = chunk * GROUPS_PER_CHUNK; g < last; g++) {
        size_t n = min_size(L16_ROWS, s->n_rows - g * L16_ROWS);
        for (size_t r = 0; r < n; r++)
            if (!unpack_row(job, row_map_at(&s->map, g * L16_ROWS + r), values, codes + r * s->n_cols)) {
                atomic_store_explicit(&job->bad_code, true, memory_order_relaxed);
                return;
            }
        l16_pack_group(job->out + g * group_bytes, codes, n, s->n_cols);
    }
}

bn_status ternary_pack(struct thread_pool *pool, const struct ternary_source *source, uint8_t *out, bn_error *err) {
    struct packing job = {.source = source, .out = out, .inverse = 1 / fmaxf(source->magnitude, 1e-5f)};
    bn_status status = rows_init(&job.rows, thread_pool_size(pool), source->n_cols, err);
    if (status == BN_OK)
        thread_pool_run(pool, pack_groups, &job,
                        (l16_groups(source->n_rows) + GROUPS_PER_CHUNK - 1) / GROUPS_PER_CHUNK);
    rows_release(&job.rows);
    if (status == BN_OK && atomic_load(&job.bad_code))
        status = fail(err, BN_STATUS_BAD_FILE, "tensor '%s' can't be unpacked: it holds the code 3, which no ternary value "
                      "has, or a shape its packing can't hold (damaged file or another layout)", source->tensor->name);
    return status;
}
