/* The sampler chain of one choice of one request: public options in, one token id out per step. */
#ifndef ENGINE_SAMPLER_H
#define ENGINE_SAMPLER_H

#include <stddef.h>
#include <stdint.h>

#include "bitnet/engine.h"
#include "bitnet/sampler.h"
#include "bitnet/tokenizer.h"

struct sampler;

/* options are checked (bn_sampling_check) and copied, strings included. tokenizer may be NULL; DRY breakers need it.
 * stream numbers the choice: the random stream is (options->seed, stream). Not thread-safe; one per choice. */
bn_status sampler_create(const bn_sampling *options, size_t vocab_size, const bn_tokenizer *tokenizer, uint32_t stream,
                         struct sampler **out, bn_error *err);
void sampler_destroy(struct sampler *sampler);

struct partial_logits; /* candidates.h */
struct healing;        /* healing.h */

struct sampler_input {
    float *logits;                        /* [vocab_size], changed in place */
    const struct partial_logits *partial; /* instead of logits: what a screened head knows */
    const int32_t *history;               /* prompt and output so far */
    size_t n_history;
    size_t n_prompt;          /* of which the prompt */
    const int32_t *forbidden; /* ids that must not come now (end tokens before min_tokens); may be NULL */
    size_t n_forbidden;
    const uint64_t *allowed;       /* NULL, or a bit for each id: all others must not come */
    const struct healing *healing; /* NULL, or the prompt is being healed: n_spelled bytes have been spelled */
    size_t n_spelled;
    uint64_t position; /* index of the token to draw in the output: the random counter */
};

/* Which logits the chain has to know exactly to choose as it would from all of them. */
struct screen_need {
    size_t k;           /* the k largest, and … */
    double depth;       /* … those at most this far below the k-th; */
    double left_out;    /* > 0: instead of these, enough to tell where all but this share of the mass … */
    double temperature; /* … at this temperature is reached */
};
/* False: it needs all logits. */
bool sampler_screens(const struct sampler *sampler, struct screen_need *need);
/* Before the logits are chosen by their bounds: ids whose logits the chain may change get −infinity and infinity, so
 * that they don't count and are always listed. */
void sampler_touch(const struct sampler *sampler, const struct sampler_input *input, float *lower, float *upper);

#define SAMPLER_UNDECIDED (-1)
/* Runs the chain and draws. *id is < vocab_size; SAMPLER_UNDECIDED if partial logits don't tell which one it is. */
bn_status sampler_sample(struct sampler *sampler, const struct sampler_input *input, int32_t *id, bn_error *err);
/* Only forbidden ids, bias and penalties, in place: what beam search uses before its log-softmax. */
void sampler_apply_penalties(struct sampler *sampler, const struct sampler_input *input);

/* Natural-log softmax of raw logits: of `id`, and of the n_top most likely ids (descending, ties: lowest id first)
 * into top[n_top]. Float64 sums in ascending id order with the maximum subtracted: independent of everything else. */
void logprobs_of(const float *logits, size_t vocab_size, int32_t id, float *logprob, bn_logprob *top, size_t n_top);
/* All of them: out[vocab_size] in float64 (beam search, perplexity). */
void logprobs_all(const float *logits, size_t vocab_size, double *out);
/* The lowest id among the largest logits; NaNs lose. */
int32_t argmax_lowest(const float *logits, size_t n);

#endif
