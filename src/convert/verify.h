/* Is a result the model that it came from? Both read the same text, and their predictions are compared. */
#ifndef CONVERT_VERIFY_H
#define CONVERT_VERIFY_H

#include <stddef.h>

#include "base/error.h"

struct convert_verification {
    size_t n_tokens;            /* predictions compared */
    double mean_kl, largest_kl; /* Σ p·ln(p/q) of the source's distribution p against the result's q, in nats */
    double same_best;           /* the share of positions where both find the same token likeliest */
    double largest_difference;  /* of any logit */
};

/* Opens one after the other; `text` NULL: a sample of prose, code and other scripts. A source without a vocabulary is compared by token
 * ids. BN_STATUS_BAD_FILE when the two differ in their vocabularies' sizes. */
bn_status convert_verify(const char *source, const char *result, const char *text, size_t n_threads,
                         struct convert_verification *out, bn_error *err);

#endif
