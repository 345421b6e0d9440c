/* Checks that look at every weight of a model. Findings are sentences. */
#ifndef ANALYSIS_WEIGHT_CHECKS_H
#define ANALYSIS_WEIGHT_CHECKS_H

#include "analysis/tensor_listing.h"
#include "analysis/weights_view.h"
#include "base/buffer.h"

struct weight_findings {
    size_t n_damaged; /* tensors: values that aren't finite, codes that no packer writes, types that can't be decoded */
    size_t n_zero_rows; /* rows of matrices whose values are all zero */
    struct buffer sentence;
};

typedef bool (*weight_progress)(void *context, const char *what, size_t done, size_t total);

/* Decodes all tensors of a file as they are, one after the other. The sentence names the first damaged ones. */
bn_status values_check(const struct tensor_set *set, weight_progress progress, void *context,
                       struct weight_findings *out, bn_error *err);

/* Looks at the rows that the model multiplies by, with all threads of the view. */
bn_status rows_check(const struct weights_view *view, weight_progress progress, void *context,
                     struct weight_findings *out, bn_error *err);

/* Begin with zeros. */
void weight_findings_release(struct weight_findings *findings);

#endif
