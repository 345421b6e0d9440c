/* What repeated measurements of one thing say: middle and spread. */
#ifndef BENCH_STATISTICS_H
#define BENCH_STATISTICS_H

#include <stdbool.h>
#include <stddef.h>

struct summary {
    size_t n;
    double median, mean, min, max;
    double deviation; /* sample standard deviation, 0 for one value */
    double low, high; /* first and third quartile, interpolated linearly */
};

/* Of n ≥ 1 values, in any order; sorts them. */
struct summary summarize(double *values, size_t n);

/* The value below which `fraction` of n ≥ 1 ascending values lie, interpolated (Hyndman and Fan's definition 7, R's default). */
double quantile(const double *sorted, size_t n, double fraction);

/* Do two sets of measurements differ by more than their spread? True when their middle halves [low, high] don't touch
 * and the medians are more than `margin` (0.02 = 2 %) of the first apart. Quartiles, because timings have outliers on
 * one side only and a t-test would take them for spread. */
bool differ_significantly(const struct summary *before, const struct summary *after, double margin);

#endif
