#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "bench/history.h"
#include "bench/statistics.h"

#define MARGIN 0.02

/* What makes two rows the same test. */
static bool same_test(const json_t *a, const json_t *b) {
    static const char *const keys[] = {"name", "threads", "batch_tokens", "kv_type", "isa", "model_id", "machine"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const json_t *left = json_object_get(a, keys[i]), *right = json_object_get(b, keys[i]);
        if (left != right && !json_equal(left, right)) return false;
    }
    return true;
}

/* Samples of all rows that are the same test as `row`; false when there are none. */
static bool summarize_test(const json_t *rows, const json_t *row, struct summary *out) {
    size_t n = 0, capacity = 0;
    for (size_t i = 0; i < json_array_size(rows); i++)
        capacity += json_array_size(json_object_get(json_array_get(rows, i), "samples")) + 1;
    double *values = mem_alloc_array(capacity + 1, sizeof *values);
    for (size_t i = 0; values && i < json_array_size(rows); i++) {
        const json_t *other = json_array_get(rows, i), *samples = json_object_get(other, "samples");
        if (!same_test(row, other)) continue;
        for (size_t j = 0; j < json_array_size(samples); j++)
            values[n++] = json_number_value(json_array_get(samples, j));
    }
    if (n) *out = summarize(values, n);
    mem_free(values);
    return n > 0;
}

static bool seen_before(const json_t *rows, size_t index) {
    for (size_t i = 0; i < index; i++)
        if (same_test(json_array_get(rows, i), json_array_get(rows, index))) return true;
    return false;
}

json_t *history_compare(const json_t *before, const json_t *after, size_t *n_slower) {
    json_t *report = json_array();
    *n_slower = 0;
    for (size_t i = 0; i < json_array_size(after); i++) {
        const json_t *row = json_array_get(after, i);
        struct summary old, now;
        if (seen_before(after, i) || !summarize_test(before, row, &old) || !summarize_test(after, row, &now)) continue;
        bool slower = now.median < old.median;
        const char *verdict = !differ_significantly(&old, &now, MARGIN) ? "same" : slower ? "slower" : "faster";
        *n_slower += strcmp(verdict, "slower") == 0;
        json_array_append_new(report,
                              json_pack("{s:O?, s:O?, s:O?, s:O?, s:O?, s:f, s:f, s:f, s:I, s:I, s:s}", "name",
                                        json_object_get(row, "name"), "threads", json_object_get(row, "threads"), "isa",
                                        json_object_get(row, "isa"), "model", json_object_get(row, "model"), "machine",
                                        json_object_get(row, "machine"), "before", old.median, "after", now.median,
                                        "ratio", now.median / old.median, "samples_before", (json_int_t)old.n,
                                        "samples_after", (json_int_t)now.n, "verdict", verdict));
    }
    return report;
}
