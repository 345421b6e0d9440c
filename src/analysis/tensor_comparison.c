#include "analysis/tensor_comparison.h"

#include <math.h>
#include <stdatomic.h>

#include "base/memory.h"

double tensor_difference_sqnr(const struct tensor_difference *d) {
    if (d->verdict == TENSOR_EQUAL) return INFINITY;
    return d->verdict == TENSOR_DIFFERS ? 10 * log10(d->signal / d->error) : NAN;
}

/* ---- the values of one pair ---- */

struct chunk_sums {
    double signal, error;
};

/* Chunks write to their own sums; slots have scratch memory of their own. */
struct pair_job {
    const struct planned_tensor *first, *second;
    size_t rows_per_chunk;
    float *values;           /* [slots][2][n_cols] */
    int8_t *codes;           /* [slots][n_cols] */
    struct chunk_sums *sums; /* [chunks] */
    atomic_bool damaged, differs;
};

static void compare_chunk(void *context, size_t chunk, size_t slot) {
    struct pair_job *job = context;
    const struct planned_tensor *t = job->first;
    size_t n = t->n_cols, row0 = chunk * job->rows_per_chunk, last = min_size(row0 + job->rows_per_chunk, t->n_rows);
    float *a = job->values + 2 * slot * n, *b = a + n;
    int8_t *codes = job->codes + slot * n;
    struct chunk_sums sums = {0};
    bool differs = false;
    for (size_t row = row0; row < last; row++) {
        if (!viewed_row(job->first, row, a, codes) || !viewed_row(job->second, row, b, codes)) {
            atomic_store_explicit(&job->damaged, true, memory_order_relaxed);
            return;
        }
        for (size_t c = 0; c < n; c++) {
            double difference = (double)a[c] - (double)b[c];
            sums.signal += (double)a[c] * (double)a[c];
            sums.error += difference * difference;
            differs |= !(difference == 0);
        }
    }
    job->sums[chunk] = sums;
    if (differs) atomic_store_explicit(&job->differs, true, memory_order_relaxed);
}

static bn_status compare_values(struct thread_pool *pool, struct tensor_difference *d, bn_error *err) {
    size_t n_slots = thread_pool_size(pool), cols = max_size(d->first->n_cols, 1);
    struct pair_job job = {.first = d->first, .second = d->second, .rows_per_chunk = viewed_rows_per_chunk(d->first)};
    size_t n_chunks = (d->first->n_rows + job.rows_per_chunk - 1) / job.rows_per_chunk;
    job.values = mem_alloc_array(2 * n_slots * cols, sizeof(float));
    job.codes = mem_alloc_array(n_slots, cols);
    job.sums = mem_calloc(max_size(n_chunks, 1), sizeof *job.sums);
    bool ok = job.values && job.codes && job.sums;
    if (ok) thread_pool_run(pool, compare_chunk, &job, n_chunks);
    for (size_t i = 0; ok && i < n_chunks; i++) { /* in order: the same sums for any number of threads */
        d->signal += job.sums[i].signal;
        d->error += job.sums[i].error;
    }
    d->verdict = atomic_load(&job.damaged)   ? TENSOR_UNREADABLE
                 : atomic_load(&job.differs) ? TENSOR_DIFFERS
                                             : TENSOR_EQUAL;
    mem_free(job.values);
    mem_free(job.codes);
    mem_free(job.sums);
    return ok ? BN_OK : fail_no_memory(err, 2 * n_slots * cols * sizeof(float));
}

/* ---- pairs ---- */

static bool same_shape(const struct planned_tensor *a, const struct planned_tensor *b) {
    return a->n_rows == b->n_rows && a->n_cols == b->n_cols;
}

static bn_status compare_pair(const struct weights_view *first, struct tensor_difference *d, bn_error *err) {
    if (!d->second) {
        d->verdict = TENSOR_ONLY_FIRST;
        return BN_OK;
    }
    if (!same_shape(d->first, d->second)) {
        d->verdict = TENSOR_RESHAPED;
        return BN_OK;
    }
    if (!viewed_decodable(d->first) || !viewed_decodable(d->second)) {
        d->verdict = TENSOR_UNREADABLE;
        return BN_OK;
    }
    return compare_values(first->pool, d, err);
}

static void add_unmatched(const struct weights_view *first, const struct weights_view *second,
                          struct tensor_comparison *out) {
    for (size_t i = 0; i < second->plan.n; i++) {
        const struct planned_tensor *t = &second->plan.tensors[i];
        if (weights_view_find(first, t->name)) continue;
        out->items[out->n++] = (struct tensor_difference){.name = t->name, .second = t, .verdict = TENSOR_ONLY_SECOND};
    }
}

static void count(struct tensor_comparison *out) {
    for (size_t i = 0; i < out->n; i++) {
        out->n_equal += out->items[i].verdict == TENSOR_EQUAL;
        out->n_differing += out->items[i].verdict == TENSOR_DIFFERS;
    }
    out->n_unmatched = out->n - out->n_equal - out->n_differing;
}

bn_status tensors_compare(const struct weights_view *first, const struct weights_view *second,
                          bool (*progress)(void *context, size_t done, size_t total), void *context,
                          struct tensor_comparison *out, bn_error *err) {
    size_t room = first->plan.n + second->plan.n;
    *out = (struct tensor_comparison){.items = mem_calloc(max_size(room, 1), sizeof *out->items)};
    bn_status status = out->items ? BN_OK : fail_no_memory(err, room * sizeof *out->items);
    for (size_t i = 0; i < first->plan.n && !status; i++) {
        const struct planned_tensor *t = &first->plan.tensors[i];
        struct tensor_difference *d = &out->items[out->n++];
        *d = (struct tensor_difference){.name = t->name, .first = t, .second = weights_view_find(second, t->name)};
        status = compare_pair(first, d, err);
        tensor_set_drop_pages(model_tensors(first->model));
        tensor_set_drop_pages(model_tensors(second->model));
        if (!status && progress && !progress(context, i + 1, first->plan.n))
            status = fail(err, BN_STATUS_CANCELLED, "interrupted");
    }
    if (status) return status;
    add_unmatched(first, second, out);
    count(out);
    return BN_OK;
}

void tensor_comparison_release(struct tensor_comparison *comparison) {
    mem_free(comparison->items);
    *comparison = (struct tensor_comparison){0};
}
