/* Models side by side: what they are, how large, how their values and predictions differ from the first one's, how well
 * each predicts a text, how fast each is. */
#ifndef ANALYSIS_MODEL_COMPARISON_H
#define ANALYSIS_MODEL_COMPARISON_H

#include "base/json.h"
#include "bitnet/bitnet.h"

enum { COMPARISON_MAX_MODELS = 16 };

struct comparison_options {
    const char *const *names,
        *const *paths; /* [n], 2 ≤ n ≤ COMPARISON_MAX_MODELS: what they are called, and where they are */
    size_t n;
    const char *text; /* to predict; NULL: a page of prose */
    size_t text_bytes;
    size_t n_threads; /* 0: all CPUs */
    bool with_speed;  /* measure tokens per second, too */
    /* Told what is done now; false stops with BN_STATUS_CANCELLED. May be NULL. */
    bool (*progress)(void *context, const char *what, size_t done, size_t total);
    void *context;
};

/* Opens one model after the other; values are compared row by row, so memory holds one model's run-time form and the logits
 * of two for at most QUESTION_TOKENS tokens. The report, for json_decref:
 *
 *     {"models": [{"name", "path", "architecture", "quantization", "parameters", "file_bytes", "weight_bytes",
 *                  "resident_bytes", "bits_per_weight", "vocab_size", "configuration": {…},
 *                  "perplexity": {"perplexity", "error", "bits_per_byte", "scored_tokens", "context"},
 *                  "speed": {"prompt_tokens_per_s", "output_tokens_per_s", "prompt_tokens", "output_tokens"},
 *                  "logits": {"tokens", "mean_kl", "largest_kl", "top1_agreement", "largest_logit_difference"},
 *                  "tensors": {"equal", "differing", "unmatched", "sqnr_db",
 *                              "list": [{"name", "verdict", "type", "other_type", "sqnr_db", "relative_error"}]}}],
 *      "configuration_differences": ["num_hidden_layers"],
 *      "not_compared": [{"model", "part", "why"}]}
 *
 * logits and tensors are null for the first model, to which they compare, and every part that can't be had is null and in not_compared.
 * An error is a model that can't be opened. */
bn_status models_compare(const struct comparison_options *options, json_t **out, bn_error *err);

#endif
