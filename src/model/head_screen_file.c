/* A stored copy is used as it is mapped, so nothing of it is read but its scales and norms: they are few, and the bounds
 * need the largest. Whether it belongs to the head that lies in the same file shows in a sample of rows, since every row
 * can be computed anew to the same bits. */
#include "model/head_screen_file.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "kernels/layout.h"

#define PREFIX       "output.screen."
#define SAMPLED_ROWS 16

bool head_screen_owns(const char *tensor_name) {
    return strncmp(tensor_name, PREFIX, strlen(PREFIX)) == 0;
}

static struct tensor vector_of(const char *name, const float *values, size_t n) {
    return (struct tensor){.name = name,
                           .type = TYPE_F32,
                           .n_dims = 1,
                           .shape = {n},
                           .data = (const uint8_t *)values,
                           .size_bytes = n * sizeof *values};
}

static struct tensor bytes_of(const char *name, const uint8_t *bytes, size_t n_groups, size_t group_bytes) {
    return (struct tensor){.name = name,
                           .type = TYPE_I8,
                           .n_dims = 2,
                           .shape = {n_groups, group_bytes},
                           .data = bytes,
                           .size_bytes = n_groups * group_bytes};
}

void head_screen_tensors(const struct head_screen *screen, const struct linear *head,
                         struct tensor out[SCREEN_TENSORS]) {
    size_t n = head->n_rows, groups = s6_groups(n);
    out[0] = bytes_of(PREFIX "codes", screen->codes, groups, s6_group_bytes(head->n_cols));
    out[1] = bytes_of(PREFIX "multipliers", screen->multipliers, groups, s6_spans(head->n_cols) * S6_ROWS);
    out[2] = vector_of(PREFIX "scales", screen->scales, n);
    out[3] = vector_of(PREFIX "residuals", screen->residuals, n);
    out[4] = vector_of(PREFIX "norms", screen->norms, n);
}

/* The data of the tensor that was described, or NULL with the problem. */
static const void *find_part(const struct tensor_set *set, const struct tensor *expected, char *problem,
                             size_t problem_bytes) {
    const struct tensor *t = tensor_set_find(set, expected->name);
    const char *what = NULL;
    if (!t)
        what = "is missing";
    else if (t->type != expected->type || t->n_dims != expected->n_dims ||
             memcmp(t->shape, expected->shape, t->n_dims * sizeof *t->shape) != 0)
        what = "has another type or shape than this head needs";
    else if ((uintptr_t)t->data % CACHE_LINE != 0)
        what = "isn't aligned to 64 bytes";
    if (!what) return t->data;
    snprintf(problem, problem_bytes, "the stored copy of the head isn't used: '%s' %s", expected->name, what);
    return NULL;
}

static bool row_is(const struct head_screen *screen, size_t r, size_t n_cols, const struct screen_row *row,
                   const int8_t *q, const uint8_t *multipliers) {
    size_t n_spans = s6_spans(n_cols), group = r / S6_ROWS;
    const uint8_t *codes = screen->codes + group * s6_group_bytes(n_cols);
    const uint8_t *of_group = screen->multipliers + group * n_spans * S6_ROWS;
    bool same =
        row->scale == screen->scales[r] && row->residual == screen->residuals[r] && row->norm == screen->norms[r];
    for (size_t s = 0; s < n_spans && same; s++) same = of_group[s * S6_ROWS + r % S6_ROWS] == multipliers[s];
    for (size_t c = 0; c < n_spans * S6_SPAN && same; c++) same = s6_value(codes, r % S6_ROWS, c) == q[c];
    return same;
}

/* *differs: the first of the sampled rows that isn't what the head gives, or SIZE_MAX. */
static bn_status compare_sample(const struct head_screen *screen, const struct linear *head, size_t *differs,
                                bn_error *err) {
    size_t n = min_size(SAMPLED_ROWS, head->n_rows), n_spans = s6_spans(head->n_cols);
    int8_t *q = mem_alloc_array(n_spans, S6_SPAN);
    uint8_t *multipliers = mem_alloc_array(n_spans, 1);
    float *w = mem_alloc_array(n_spans, S6_SPAN * sizeof *w);
    bool allocated = q && multipliers && w;
    *differs = SIZE_MAX;
    for (size_t i = 0; allocated && i < n && *differs == SIZE_MAX; i++) {
        size_t r = i * (head->n_rows / n);
        struct screen_row row = head_screen_row(head, kernels_best(), r, q, multipliers, w);
        if (!row_is(screen, r, head->n_cols, &row, q, multipliers)) *differs = r;
    }
    mem_free(q);
    mem_free(multipliers);
    mem_free(w);
    return allocated ? BN_OK : fail_no_memory(err, n_spans * S6_SPAN * sizeof *w);
}

bn_status head_screen_from_file(struct head_screen *screen, const struct linear *head, const struct tensor_set *set,
                                bool *stored, char *problem, size_t problem_bytes, bn_error *err) {
    struct tensor parts[SCREEN_TENSORS];
    head_screen_tensors(&(struct head_screen){0}, head, parts);
    *problem = 0;
    *stored = false;
    if (!tensor_set_find(set, parts[0].name)) return BN_OK;
    for (size_t i = 0; i < SCREEN_TENSORS; i++)
        if (!(parts[i].data = find_part(set, &parts[i], problem, problem_bytes))) return BN_OK;
    struct head_screen found = {parts[0].data,
                                parts[1].data,
                                (const void *)parts[2].data,
                                (const void *)parts[3].data,
                                (const void *)parts[4].data,
                                0};
    if (!head_screen_is_sound(&found, head->n_rows)) {
        snprintf(problem, problem_bytes, "the stored copy of the head isn't used: its norms aren't finite");
        return BN_OK;
    }
    size_t differs;
    bn_status status = compare_sample(&found, head, &differs, err);
    if (status != BN_OK) return status;
    *stored = differs == SIZE_MAX;
    if (*stored)
        *screen = found;
    else
        snprintf(problem, problem_bytes, "the stored copy of the head isn't used: row %zu isn't that of the head",
                 differs);
    return BN_OK;
}
