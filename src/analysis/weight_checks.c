#include "analysis/weight_checks.h"

#include <math.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/memory.h"

enum { NAMED = 3 /* tensors in a sentence */ };

void weight_findings_release(struct weight_findings *findings) {
    buffer_release(&findings->sentence);
}

/* Adds the n-th item of a list, "12 of 'blk.0.ffn_up.weight', …", as long as it is short. */
static void name_it(struct buffer *sentence, size_t n, const char *format, ...) PRINTF_LIKE(3, 4);
static void name_it(struct buffer *sentence, size_t n, const char *format, ...) {
    char text[600];
    va_list arguments;
    if (n > NAMED + 1) return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    buffer_printf(sentence, "%s%s", n > 1 ? ", " : "", n > NAMED ? "…" : text);
}

static bn_status tell(weight_progress progress, void *context, const char *what, size_t done, size_t total,
                      bn_error *err) {
    if (!progress || progress(context, what, done, total)) return BN_OK;
    return fail(err, BN_STATUS_CANCELLED, "interrupted");
}

/* ---- values ---- */

static bn_status count_bad(void *context, const float *values, size_t n, bn_error *err) {
    (void)err;
    size_t *bad = context;
    for (size_t i = 0; i < n; i++) *bad += !isfinite(values[i]);
    return BN_OK;
}

bn_status values_check(const struct tensor_set *set, weight_progress progress, void *context,
                       struct weight_findings *out, bn_error *err) {
    bn_status status = BN_OK;
    for (size_t i = 0; i < set->n_tensors && !status; i++) {
        const struct tensor *tensor = &set->tensors[i];
        size_t bad = 0;
        bn_error problem = {0};
        status = tensor_visit_values(tensor, count_bad, &bad, &problem);
        if (status == BN_STATUS_NO_MEMORY) return fail(err, status, "%s", problem.message);
        if (status) {
            name_it(&out->sentence, ++out->n_damaged, "%s", problem.message);
        } else if (bad) {
            name_it(&out->sentence, ++out->n_damaged, "%zu values of '%s' are NaN or infinite", bad, tensor->name);
        }
        tensor_set_drop_pages(set);
        status = tell(progress, context, "tensors", i + 1, set->n_tensors, err);
    }
    if (!status && !out->n_damaged) buffer_printf(&out->sentence, "%zu tensors, all finite", set->n_tensors);
    return status;
}

/* ---- rows ---- */

/* Chunks count into the atomics; slots have scratch memory of their own. */
struct rows_job {
    const struct planned_tensor *tensor;
    size_t rows_per_chunk;
    float *values; /* [slots][n_cols] */
    int8_t *codes; /* [slots][n_cols] */
    atomic_size_t n_zero, n_damaged;
};

static bool all_zero(const float *values, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (values[i] != 0) return false;
    return true;
}

static void look_at_chunk(void *context, size_t chunk, size_t slot) {
    struct rows_job *job = context;
    const struct planned_tensor *t = job->tensor;
    size_t n = t->n_cols, row0 = chunk * job->rows_per_chunk, last = min_size(row0 + job->rows_per_chunk, t->n_rows);
    size_t n_zero = 0, n_damaged = 0;
    for (size_t row = row0; row < last; row++) {
        float *values = job->values + slot * n;
        bool good = viewed_row(t, row, values, job->codes + slot * n);
        n_damaged += !good;
        n_zero += good && all_zero(values, n);
    }
    atomic_fetch_add_explicit(&job->n_zero, n_zero, memory_order_relaxed);
    atomic_fetch_add_explicit(&job->n_damaged, n_damaged, memory_order_relaxed);
}

static bn_status look_at(const struct weights_view *view, const struct planned_tensor *t, size_t *n_zero,
                         size_t *n_damaged, bn_error *err) {
    size_t n_slots = thread_pool_size(view->pool), cols = max_size(t->n_cols, 1);
    struct rows_job job = {.tensor = t, .rows_per_chunk = viewed_rows_per_chunk(t)};
    job.values = mem_alloc_array(n_slots * cols, sizeof(float));
    job.codes = mem_alloc_array(n_slots, cols);
    bool ok = job.values && job.codes;
    if (ok) thread_pool_run(view->pool, look_at_chunk, &job, (t->n_rows + job.rows_per_chunk - 1) / job.rows_per_chunk);
    *n_zero = atomic_load(&job.n_zero);
    *n_damaged = atomic_load(&job.n_damaged);
    mem_free(job.values);
    mem_free(job.codes);
    return ok ? BN_OK : fail_no_memory(err, n_slots * cols * sizeof(float));
}

bn_status rows_check(const struct weights_view *view, weight_progress progress, void *context,
                     struct weight_findings *out, bn_error *err) {
    const struct plan *plan = &view->plan;
    struct buffer zeros;
    size_t n_rows = 0, n_with_zeros = 0;
    bn_status status = BN_OK;
    buffer_init(&zeros);
    for (size_t i = 0; i < plan->n && !status; i++) {
        const struct planned_tensor *t = &plan->tensors[i];
        if (t->content == CONTENT_CONSTANT || t->n_dims != 2 || !viewed_decodable(t)) continue;
        size_t n_zero = 0, n_damaged = 0;
        status = look_at(view, t, &n_zero, &n_damaged, err);
        n_rows += t->n_rows;
        out->n_zero_rows += n_zero;
        if (n_damaged)
            name_it(&out->sentence, ++out->n_damaged, "%zu rows of '%s' have damaged codes", n_damaged, t->name);
        if (n_zero) name_it(&zeros, ++n_with_zeros, "%zu of '%s'", n_zero, t->name);
        tensor_set_drop_pages(model_tensors(view->model));
        if (!status) status = tell(progress, context, "matrices", i + 1, plan->n, err);
    }
    if (!status && !out->n_damaged && out->n_zero_rows)
        buffer_printf(&out->sentence, "%zu of %zu rows are all zero: %s", out->n_zero_rows, n_rows, zeros.data);
    else if (!status && !out->n_damaged)
        buffer_printf(&out->sentence, "%zu rows, none all zero", n_rows);
    buffer_release(&zeros);
    return status;
}
