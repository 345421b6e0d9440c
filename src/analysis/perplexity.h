/* How surprised a model is by a text, by three protocols whose figures aren't comparable with each other:
 *
 *   llama    llama.cpp's: chunks of n_ctx tokens, each with an empty cache and BOS (where the vocabulary adds one) over
 *            its first token; predictions from position n_ctx/2 on are scored, the rest of the text is dropped.
 *   stride   the sliding window of Hugging Face's guide: windows of ctx tokens every `stride`; each token but the first
 *            is scored once, with at least ctx − stride tokens before it (fewer at the beginning).
 *   harness  lm-evaluation-harness' rolling log-likelihood: BOS (else EOS) before the text, windows of ctx targets with
 *            one token of context, the last window moved back so that it is full; every token is scored.
 *
 * Each is reduced to spans: "run these inputs, score the last n_scored predictions". Sums are float64 in text order. */
#ifndef ANALYSIS_PERPLEXITY_H
#define ANALYSIS_PERPLEXITY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "bitnet/bitnet.h"

enum perplexity_protocol { PERPLEXITY_LLAMA, PERPLEXITY_STRIDE, PERPLEXITY_HARNESS };

/* Sums over all scored tokens. */
struct perplexity {
    double nll, nll_squares; /* natural logarithms */
    size_t n_tokens;         /* of the text */
    size_t n_scored, n_windows, n_windows_total;
    size_t bytes; /* that the scored tokens stand for */
};

struct perplexity_options {
    enum perplexity_protocol protocol;
    size_t context;     /* of a window, 4 or more; the engine's must be as long */
    size_t stride;      /* of PERPLEXITY_STRIDE; 0: half the context */
    size_t max_windows; /* 0: all */
    bool no_special;    /* without BOS, whatever the vocabulary says */
    /* Before the first window and after each; false stops with BN_STATUS_CANCELLED. May be NULL. */
    bool (*progress)(void *caller, const struct perplexity *so_far);
    void *caller;
};

/* Scores the text. BN_STATUS_BAD_ARGUMENT for one that is too short, BN_STATUS_UNSUPPORTED for a vocabulary that can't. */
bn_status perplexity_measure(const bn_model *model, bn_engine *engine, const char *text, size_t size,
                             const struct perplexity_options *options, struct perplexity *out, bn_error *err);

/* The same in an engine of its own, protocol stride with windows of PERPLEXITY_CONTEXT tokens or, if that is less, the model's context: for
 * putting models side by side. */
enum { PERPLEXITY_CONTEXT = 256 };
bn_status perplexity_of_model(bn_model *model, size_t n_threads, const char *text, size_t size, struct perplexity *out,
                              bn_error *err);

double perplexity_value(const struct perplexity *perplexity);
/* The standard error as llama.cpp states it: PPL · sqrt(variance of the nll / (count − 1)). */
double perplexity_error(const struct perplexity *perplexity);
double perplexity_bits_per_byte(const struct perplexity *perplexity);

#endif
