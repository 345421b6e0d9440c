/* Two models tensor by tensor: which parts of the network they share, and how far the values are apart. */
#ifndef ANALYSIS_TENSOR_COMPARISON_H
#define ANALYSIS_TENSOR_COMPARISON_H

#include "analysis/weights_view.h"

enum tensor_verdict {
    TENSOR_EQUAL,      /* every value is the same */
    TENSOR_DIFFERS,    /* see signal and error */
    TENSOR_RESHAPED,   /* another shape */
    TENSOR_UNREADABLE, /* values of one can't be decoded, or its ternary codes are damaged */
    TENSOR_ONLY_FIRST,
    TENSOR_ONLY_SECOND,
};

struct tensor_difference {
    const char *name;                            /* GGUF's; in a view's memory */
    const struct planned_tensor *first, *second; /* NULL: the model has no such tensor */
    enum tensor_verdict verdict;
    double signal, error; /* Σa², Σ(a − b)² */
};
/* 10·log10(signal/error): how much louder the first one's values are than what separates them from the second's. Infinite for
 * equal ones, NaN where nothing was compared. */
double tensor_difference_sqnr(const struct tensor_difference *difference);

struct tensor_comparison {
    struct tensor_difference *items; /* in the order of the first model, then what only the second has */
    size_t n;
    size_t n_equal, n_differing, n_unmatched; /* equal values; other values; anything else */
};

/* progress: tensors done of all; false stops with BN_STATUS_CANCELLED. May be NULL. Rows are compared by the first view's threads. Release
 * in any case; the views must outlive it. */
bn_status tensors_compare(const struct weights_view *first, const struct weights_view *second,
                          bool (*progress)(void *context, size_t done, size_t total), void *context,
                          struct tensor_comparison *out, bn_error *err);
void tensor_comparison_release(struct tensor_comparison *comparison);

#endif
