/* What models predict for a text, and how far the predictions of two of them are apart. */
#ifndef ANALYSIS_PREDICTIONS_H
#define ANALYSIS_PREDICTIONS_H

#include <stddef.h>

#include "base/error.h"
#include "bitnet/bitnet.h"

enum { QUESTION_TOKENS = 192 };

/* What models are asked. */
struct question {
    int32_t ids[QUESTION_TOKENS];
    size_t n;
};

/* The first tokens of a text in the model's vocabulary, no more than its context has; token ids of all sorts where it has
 * no vocabulary. BN_STATUS_BAD_ARGUMENT for a text without tokens. */
bn_status question_make(const bn_model *model, const char *text, size_t size, struct question *out, bn_error *err);

/* The model's logits behind each token of the question: [n, vocab_size], newly allocated (mem_free). BN_STATUS_BAD_ARGUMENT when the
 * question doesn't fit into its context or vocabulary. */
bn_status predictions_make(bn_model *model, size_t n_threads, const struct question *question, float **logits,
                           bn_error *err);

struct prediction_difference {
    size_t n_tokens;            /* predictions compared */
    double mean_kl, largest_kl; /* Σ p·ln(p/q) of the first model's distribution p against the second's q, in nats */
    double same_best;           /* the share of positions where both find the same token likeliest */
    double largest_difference;  /* of any logit; NaN where one isn't a number */
};

/* Of two [n, vocab_size] arrays of logits. */
bn_status predictions_compare(const float *a, const float *b, size_t n, size_t vocab_size,
                              struct prediction_difference *out, bn_error *err);

/* All of it for two model files: opens one after the other; `text` NULL: sample_text.h. BN_STATUS_BAD_FILE
 * when the two differ in their vocabularies' sizes. */
bn_status model_files_compare(const char *first, const char *second, const char *text, size_t n_threads,
                              struct prediction_difference *out, bn_error *err);

#endif
