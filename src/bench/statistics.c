#include "bench/statistics.h"

#include <math.h>
#include <stdlib.h>

static int by_value(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

double quantile(const double *sorted, size_t n, double fraction) {
    double at = fraction * (double)(n - 1);
    size_t below = (size_t)at;
    if (below + 1 >= n) return sorted[n - 1];
    return sorted[below] + (at - (double)below) * (sorted[below + 1] - sorted[below]);
}

struct summary summarize(double *values, size_t n) {
    qsort(values, n, sizeof *values, by_value);
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) sum += values[i];
    double mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) squares += (values[i] - mean) * (values[i] - mean);
    return (struct summary){
        .n = n,
        .median = quantile(values, n, 0.5),
        .mean = mean,
        .min = values[0],
        .max = values[n - 1],
        .deviation = n > 1 ? sqrt(squares / (double)(n - 1)) : 0,
        .low = quantile(values, n, 0.25),
        .high = quantile(values, n, 0.75),
    };
}

bool differ_significantly(const struct summary *before, const struct summary *after, double margin) {
    bool apart = before->high < after->low || after->high < before->low;
    return apart && fabs(after->median - before->median) > margin * fabs(before->median);
}
