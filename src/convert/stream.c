#include "convert/stream.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "base/memory.h"
#include "convert/median.h"

enum { CHUNK_VALUES = 1 << 16, BATCH_BYTES = 8 << 20, CODE_BLOCK = 128 /* of I2_S */ };

/* What one chunk's rows lost. */
struct losses {
    double signal, error;
    size_t zeros;
};

/* One tensor on its way. Chunks write to disjoint places of `bytes` and `losses`. */
struct encoding_job {
    const struct planned_tensor *tensor;
    const struct convert_options *options;
    struct ternary_source codes;
    size_t n_rows;    /* of the result: bytes rows when packed */
    size_t row_bytes; /* 0 for I2_S, whose blocks run across rows */
    size_t rows_per_chunk, chunk_bytes;
    size_t first_row;        /* of the batch */
    float *values, *decoded; /* [slots][n_cols] */
    int8_t *row_codes;       /* [slots][rows_per_chunk or 4][n_cols] */
    size_t codes_per_slot;
    uint8_t *bytes;        /* of the batch */
    struct losses *losses; /* [chunks of the batch] */
    atomic_int problem;    /* enum ternary_row_result, or NOT_FINITE */
};
enum { NOT_FINITE = 100 };

static bool is_packed(const struct planned_tensor *t) {
    return t->content == CONTENT_CODES && t->type == TYPE_U8;
}

static bool is_copied(const struct planned_tensor *t) {
    return t->content == CONTENT_VALUES && t->type == t->source.type && !t->ternarized;
}

static void set_problem(struct encoding_job *job, int problem) {
    atomic_store_explicit(&job->problem, problem, memory_order_relaxed);
}

/* ---- one row ---- */

static void unpack(struct encoding_job *job, size_t row, float *values, int8_t *codes) {
    enum ternary_row_result result = ternary_unpack_row(&job->codes, planned_row(job->tensor, row), values, codes);
    if (result != TERNARY_ROW_GOOD) set_problem(job, (int)result);
}

/* values → those that are left when each is rounded to −1, 0, 1 times the scale of its run of n. */
static void round_run(const struct encoding_job *job, const float *values, float *out, size_t n) {
    float magnitude = 0;
    if (job->options->method == TERNARY_ABSMEAN) {
        double sum = 0;
        for (size_t i = 0; i < n; i++) sum += (double)fabsf(values[i]);
        magnitude = (float)(sum / (double)n);
    } else {
        memcpy(out, values, n * sizeof *out);
        magnitude = median_magnitude(out, n);
    }
    float half = magnitude / 2;
    for (size_t i = 0; i < n; i++) out[i] = values[i] > half ? magnitude : values[i] < -half ? -magnitude : 0;
}

static void round_row(const struct encoding_job *job, const float *values, float *out, size_t n) {
    size_t block = tensor_type_find(job->tensor->type)->block;
    size_t run = job->options->granularity == TERNARY_PER_GROUP ? block : n;
    for (size_t at = 0; at < n; at += run) round_run(job, values + at, out + at, min_size(run, n - at));
}

static void count_losses(struct losses *losses, const float *values, const float *decoded, size_t n) {
    double signal = 0, error = 0;
    size_t zeros = 0;
    for (size_t i = 0; i < n; i++) {
        double difference = (double)values[i] - (double)decoded[i];
        signal += (double)values[i] * (double)values[i];
        error += difference * difference;
        zeros += decoded[i] == 0;
    }
    losses->signal += signal;
    losses->error += error;
    losses->zeros += zeros;
}

/* ---- rows of each kind ---- */

static bool all_finite(const float *values, size_t n) {
    float sum = 0;
    for (size_t i = 0; i < n; i++) sum += values[i] * 0; /* 0, or NaN for NaN and infinities */
    return sum == 0;
}

static void encode_values_row(struct encoding_job *job, size_t row, size_t slot, uint8_t *out, struct losses *losses) {
    const struct planned_tensor *t = job->tensor;
    size_t n = t->n_cols;
    float *values = job->values + slot * n, *decoded = job->decoded + slot * n;
    tensor_decode_row(&t->source, planned_row(t, row), values);
    bool plain = tensor_type_find(t->type)->block == 1;
    if (!plain && !all_finite(values, n)) set_problem(job, NOT_FINITE);
    if (t->ternarized) round_row(job, values, decoded, n);
    tensor_encode(t->type, t->ternarized ? decoded : values, out, n);
    if (!t->measured) return;
    tensor_decode(t->type, out, decoded, n);
    count_losses(losses, values, decoded, n);
}

/* A row of codes as values: −1, 0, 1 where the scale is a tensor of its own. */
static void scale_codes(const struct planned_tensor *t, const int8_t *codes, float *out) {
    float scale = t->scale_apart ? 1 : t->scale;
    for (size_t c = 0; c < t->n_cols; c++) out[c] = (float)codes[c] * scale;
}

/* What rounding to these codes lost, or what encoding them did. */
static void measure_codes_row(struct encoding_job *job, size_t row, size_t slot, const int8_t *codes,
                              const uint8_t *encoded, struct losses *losses) {
    const struct planned_tensor *t = job->tensor;
    float *values = job->values + slot * t->n_cols, *decoded = job->decoded + slot * t->n_cols;
    if (t->ternarized)
        tensor_decode_row(&t->source, planned_row(t, row), values);
    else
        scale_codes(t, codes, values);
    if (encoded && !t->scale_apart)
        tensor_decode(t->type, encoded, decoded, t->n_cols);
    else
        for (size_t c = 0; c < t->n_cols; c++) decoded[c] = (float)codes[c] * t->scale;
    count_losses(losses, values, decoded, t->n_cols);
}

static void encode_codes_row(struct encoding_job *job, size_t row, size_t slot, uint8_t *out, struct losses *losses) {
    const struct planned_tensor *t = job->tensor;
    float *values = job->values + slot * t->n_cols;
    int8_t *codes = job->row_codes + slot * job->codes_per_slot;
    unpack(job, row, values, codes);
    scale_codes(t, codes, values);
    tensor_encode(t->type, values, out, t->n_cols);
    if (t->measured) measure_codes_row(job, row, slot, codes, out, losses);
}

/* Byte row r holds rows r, r + P, r + 2P, r + 3P, the lowest bits first; rows that aren't there leave zeros. */
static void pack_row(struct encoding_job *job, size_t row, size_t slot, uint8_t *out, struct losses *losses) {
    const struct planned_tensor *t = job->tensor;
    int8_t *codes = job->row_codes + slot * job->codes_per_slot;
    memset(out, 0, t->n_cols);
    for (unsigned k = 0; k < 4; k++) {
        size_t source_row = row + k * job->n_rows;
        if (source_row >= t->n_rows) break;
        unpack(job, source_row, job->values + slot * t->n_cols, codes);
        for (size_t c = 0; c < t->n_cols; c++) out[c] |= (uint8_t)((codes[c] + 1) << 2 * k);
        if (t->measured) measure_codes_row(job, source_row, slot, codes, NULL, losses);
    }
}

/* Raw rows of a tensor whose values stay what they are. */
static void copy_row(struct encoding_job *job, size_t row, uint8_t *out) {
    const struct planned_tensor *t = job->tensor;
    size_t from = planned_row(t, row);
    if (t->source.view)
        t->source.view->read(&t->source, from, 0, t->n_cols, out);
    else
        memcpy(out, t->source.data + from * job->row_bytes, job->row_bytes);
}

static void encode_i2s_chunk(struct encoding_job *job, size_t row0, size_t n_rows, size_t slot, uint8_t *out,
                             struct losses *losses) {
    const struct planned_tensor *t = job->tensor;
    int8_t *codes = job->row_codes + slot * job->codes_per_slot;
    for (size_t r = 0; r < n_rows; r++) {
        unpack(job, row0 + r, job->values + slot * t->n_cols, codes + r * t->n_cols);
        if (t->measured) measure_codes_row(job, row0 + r, slot, codes + r * t->n_cols, NULL, losses);
    }
    i2s_pack(codes, n_rows * t->n_cols, out);
}

static void encode_chunk(void *context, size_t chunk, size_t slot) {
    struct encoding_job *job = context;
    const struct planned_tensor *t = job->tensor;
    size_t row0 = job->first_row + chunk * job->rows_per_chunk, n = min_size(job->rows_per_chunk, job->n_rows - row0);
    uint8_t *out = job->bytes + chunk * job->chunk_bytes;
    struct losses *losses = &job->losses[chunk];
    *losses = (struct losses){0};
    if (t->content == CONTENT_CODES && t->type == TYPE_I2_S) {
        encode_i2s_chunk(job, row0, n, slot, out, losses);
        return;
    }
    for (size_t r = row0; r < row0 + n; r++, out += job->row_bytes) {
        if (is_copied(t))
            copy_row(job, r, out);
        else if (is_packed(t))
            pack_row(job, r, slot, out, losses);
        else if (t->content == CONTENT_CODES)
            encode_codes_row(job, r, slot, out, losses);
        else
            encode_values_row(job, r, slot, out, losses);
    }
}

/* ---- a tensor ---- */

static size_t greatest_divisor(size_t a, size_t b) {
    while (b) {
        size_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static bn_status job_init(struct encoding_job *job, const struct plan *plan, const struct planned_tensor *t,
                          size_t *chunks_per_batch, bn_error *err) {
    bool i2s = t->content == CONTENT_CODES && t->type == TYPE_I2_S, packed = is_packed(t);
    size_t n_slots = thread_pool_size(plan->pool), cols = max_size(t->n_cols, 1);
    *job = (struct encoding_job){.tensor = t, .options = plan->options, .codes = t->codes};
    job->codes.tensor = &t->source;
    job->n_rows = packed ? (t->n_rows + 3) / 4 : t->n_rows;
    size_t step = i2s ? CODE_BLOCK / greatest_divisor(CODE_BLOCK, cols) : 1; /* rows that are whole blocks */
    job->rows_per_chunk = round_up(max_size(CHUNK_VALUES / cols, 1), step);
    if (i2s)
        job->chunk_bytes = job->rows_per_chunk * cols / 4;
    else if (!tensor_type_bytes(t->type, 1, t->n_cols, &job->row_bytes))
        return fail(err, BN_STATUS_INTERNAL, "tensor '%s': rows aren't whole blocks", t->name);
    else
        job->chunk_bytes = job->rows_per_chunk * job->row_bytes;
    *chunks_per_batch = max_size(BATCH_BYTES / max_size(job->chunk_bytes, 1), 4 * n_slots);
    job->codes_per_slot = (i2s ? job->rows_per_chunk : 1) * cols;
    job->values = mem_alloc_array(n_slots * cols, sizeof(float));
    job->decoded = mem_alloc_array(n_slots * cols, sizeof(float));
    job->row_codes = mem_alloc_array(n_slots, job->codes_per_slot);
    job->bytes = mem_alloc_array(*chunks_per_batch, job->chunk_bytes);
    job->losses = mem_alloc_array(*chunks_per_batch, sizeof *job->losses);
    bool ok = job->values && job->decoded && job->row_codes && job->bytes && job->losses;
    return ok ? BN_OK : fail_no_memory(err, *chunks_per_batch * job->chunk_bytes);
}

static void job_release(struct encoding_job *job) {
    mem_free(job->values);
    mem_free(job->decoded);
    mem_free(job->row_codes);
    mem_free(job->bytes);
    mem_free(job->losses);
}

static bn_status check_problem(const struct encoding_job *job, bn_error *err) {
    const char *name = job->tensor->source.name;
    switch (atomic_load(&job->problem)) {
    case TERNARY_ROW_GOOD:
        return BN_OK;
    case TERNARY_ROW_OTHER_VALUES:
        return fail(err, BN_STATUS_BAD_FILE,
                    "tensor '%s' begins like a ternary one, but has other values than 0 and ±%g", name,
                    (double)job->codes.magnitude);
    case NOT_FINITE:
        return fail(err, BN_STATUS_BAD_FILE, "tensor '%s' holds NaN or infinite weights, which %s can't", name,
                    tensor_type_find(job->tensor->type)->name);
    default:
        return fail(err, BN_STATUS_BAD_FILE,
                    "tensor '%s' can't be unpacked: it holds the code 3, which no ternary value has, or a shape its "
                    "packing can't hold",
                    name);
    }
}

static bn_status emit(struct tensor_stream *stream, tensor_sink *sink, void *context, const void *bytes, size_t size,
                      bn_error *err) {
    const struct convert_options *options = stream->plan->options;
    bn_status status = sink(context, bytes, size, err);
    stream->done += size;
    if (!status && options->progress && !options->progress(options->context, stream->done, stream->total))
        status = fail(err, BN_STATUS_CANCELLED, "interrupted");
    return status;
}

static bn_status add_quality(struct tensor_stream *stream, const struct planned_tensor *t, const struct losses *losses,
                             bn_error *err) {
    struct convert_report *report = stream->report;
    struct tensor_quality *list = mem_realloc_array(report->qualities, report->n_qualities + 1, sizeof *list);
    if (!list) return fail_no_memory(err, (report->n_qualities + 1) * sizeof *list);
    report->qualities = list;
    list[report->n_qualities++] = (struct tensor_quality){
        .name = t->name,
        .type = t->type,
        .ternarized = t->ternarized,
        .signal = losses->signal,
        .error = losses->error,
        .zeros = (double)losses->zeros / ((double)t->n_rows * (double)t->n_cols),
    };
    return BN_OK;
}

static bn_status stream_rows(struct tensor_stream *stream, struct encoding_job *job, size_t chunks_per_batch,
                             tensor_sink *sink, void *context, bn_error *err) {
    struct losses total = {0};
    size_t n_chunks = (job->n_rows + job->rows_per_chunk - 1) / job->rows_per_chunk;
    bn_status status = BN_OK;
    for (size_t at = 0; at < n_chunks && !status; at += chunks_per_batch) {
        size_t n = min_size(chunks_per_batch, n_chunks - at);
        job->first_row = at * job->rows_per_chunk;
        size_t rows = min_size(n * job->rows_per_chunk, job->n_rows - job->first_row);
        thread_pool_run(stream->plan->pool, encode_chunk, job, n);
        status = check_problem(job, err);
        size_t bytes = job->row_bytes ? rows * job->row_bytes : rows * job->tensor->n_cols / 4;
        if (!status) status = emit(stream, sink, context, job->bytes, bytes, err);
        for (size_t i = 0; i < n; i++) {
            total.signal += job->losses[i].signal;
            total.error += job->losses[i].error;
            total.zeros += job->losses[i].zeros;
        }
        tensor_set_drop_pages(model_tensors(stream->plan->model));
    }
    if (!status && job->tensor->measured) status = add_quality(stream, job->tensor, &total, err);
    return status;
}

static bn_status stream_constant(struct tensor_stream *stream, const struct planned_tensor *t, tensor_sink *sink,
                                 void *context, bn_error *err) {
    size_t bytes = planned_bytes(t);
    uint8_t *encoded = mem_alloc(bytes);
    if (!encoded) return fail_no_memory(err, bytes);
    tensor_encode(t->type, t->constant, encoded, t->n_rows * t->n_cols);
    bn_status status = emit(stream, sink, context, encoded, bytes, err);
    mem_free(encoded);
    return status;
}

/* As it lies in the file. */
static bn_status stream_copy(struct tensor_stream *stream, const struct tensor *tensor, tensor_sink *sink,
                             void *context, bn_error *err) {
    bn_status status = BN_OK;
    for (size_t at = 0; at < tensor->size_bytes && !status; at += BATCH_BYTES) {
        status = emit(stream, sink, context, tensor->data + at, min_size(BATCH_BYTES, tensor->size_bytes - at), err);
        tensor_set_drop_pages(model_tensors(stream->plan->model));
    }
    return status;
}

bn_status stream_tensor(struct tensor_stream *stream, const struct planned_tensor *t, tensor_sink *sink, void *context,
                        bn_error *err) {
    if (t->content == CONTENT_CONSTANT) return stream_constant(stream, t, sink, context, err);
    if (is_copied(t) && !t->source.view && t->order == ROWS_KEPT)
        return stream_copy(stream, &t->source, sink, context, err);
    struct encoding_job job;
    size_t chunks_per_batch = 0;
    bn_status status = job_init(&job, stream->plan, t, &chunks_per_batch, err);
    if (!status) status = stream_rows(stream, &job, chunks_per_batch, sink, context, err);
    job_release(&job);
    if (status || t->content != CONTENT_CODES || t->type != TYPE_I2_S) return status;
    uint8_t tail[I2S_TAIL_BYTES] = {0};
    memcpy(tail, &t->scale, sizeof t->scale);
    return emit(stream, sink, context, tail, sizeof tail, err);
}
