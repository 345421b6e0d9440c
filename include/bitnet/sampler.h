/* How the next token is chosen from the model's logits.
 *
 * A chain: logit bias → penalties → DRY → temperature → top-nσ → top-k → typical → top-p → min-p → XTC → draw. `order`
 * changes it. Ties are always resolved towards the lowest id. The draw is inverse transform over ids in ascending order with
 * float64 cumulated probabilities, using Philox4x32-10 keyed by (seed, choice index, position), so the same request
 * gives the same text whatever runs beside it. docs/sampling.md has formulas and sources. */
#ifndef BITNET_SAMPLER_H
#define BITNET_SAMPLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bitnet/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bn_logit_bias {
    int32_t id;
    float bias; /* added to the logit; ≤ -100 forbids, ≥ 100 forces */
} bn_logit_bias;

/* A candidate during sampling. */
typedef struct bn_candidate {
    int32_t id;
    float logit;
} bn_candidate;

/* A sampler of the caller's own: sees the candidates that the chain left (ascending by id, logits after all steps
 * before it) and returns the index of the chosen one, or a negative number to fail the request. `history` is prompt and
 * output so far. Called on the thread that drives the engine; must not call back into it. */
typedef ptrdiff_t (*bn_sampler_function)(void *context, const bn_candidate *candidates, size_t n_candidates,
                                         const int32_t *history, size_t n_history);

/* bn_sampling_init fills in the neutral values given here; every stage is off at its neutral value. */
typedef struct bn_sampling {
    size_t size;                /* sizeof(bn_sampling) */
    float temperature;          /* 1; ≤ 0 is greedy: the largest logit after bias and penalties */
    int32_t top_k;              /* 0 = off; exactly k are kept */
    float top_p;                /* 1 = off; in [0, 1]: the smallest set with mass ≥ top_p, at least one */
    float top_n_sigma;          /* 0 = off; keeps z ≥ z_max − top_n_sigma · σ(z) */
    float min_p;                /* 0 = off; keeps p ≥ min_p · p_max */
    float typical_p;            /* 1 = off */
    float xtc_probability;      /* 0 = off */
    float xtc_threshold;        /* 0.1; off above 0.5 */
    int32_t mirostat;           /* 0 = off, 2 = mirostat 2.0: replaces top-nσ, top-k, typical, top-p, min-p, XTC */
    float mirostat_tau;         /* 5 */
    float mirostat_eta;         /* 0.1 */
    float repetition_penalty;   /* 1 = off; z > 0 is divided, else multiplied */
    float presence_penalty;     /* 0 */
    float frequency_penalty;    /* 0 */
    int32_t penalty_last_n;     /* 64: tokens of prompt and output the three look at; -1 = all, 0 = off */
    bool penalize_output_only;  /* presence and frequency count generated tokens only (OpenAI) */
    float dry_multiplier;       /* 0 = off */
    float dry_base;             /* 1.75 */
    int32_t dry_allowed_length; /* 2 */
    int32_t dry_last_n;         /* -1 = all */
    const char *const *dry_breakers; /* strings; NULL = "\n", ":", "\"", "*" */
    size_t n_dry_breakers;
    const bn_logit_bias *logit_bias;
    size_t n_logit_bias;
    uint64_t seed;
    /* Stages that run, and in which order; one that isn't named doesn't run. NULL = the default
     * "penalties;dry;temperature;top_n_sigma;top_k;typ_p;top_p;min_p;xtc". Presets: "hf" and "llama.cpp". */
    const char *order;
    bn_sampler_function custom; /* NULL = draw as documented */
    void *custom_context;
} bn_sampling;

BN_API void bn_sampling_init(bn_sampling *sampling);
/* BN_STATUS_BAD_ARGUMENT naming the field that is out of range (NaN included) or the unknown name in `order`. */
BN_API bn_status bn_sampling_check(const bn_sampling *sampling, bn_error *err);

#ifdef __cplusplus
}
#endif
#endif
