/* Stages that change single logits: forbidden ids, logit bias, and penalties for tokens that occurred already. They
 * touch only the ids concerned, never the whole vocabulary, but for the first tokens of a healed prompt. */
#include <float.h>
#include <math.h>

#include "base/memory.h"
#include "engine/healing.h"
#include "engine/sampler_chain.h"

/* The edges of bn_logit_bias.bias, as in OpenAI's API. */
#define BIAS_FORBIDS (-100.0f)
#define BIAS_FORCES  100.0f

float finite_logit(double logit) {
    if (logit > (double)FLT_MAX) return FLT_MAX;
    if (logit < -(double)FLT_MAX) return -FLT_MAX;
    return (float)logit;
}

void history_window(const struct sampler_input *input, int32_t last_n, size_t *begin, size_t *end) {
    *end = input->n_history;
    *begin = last_n < 0 ? 0 : input->n_history - min_size(input->n_history, (size_t)last_n);
}

/* If a forced id is still possible, the others aren't any more. */
static void force(struct sampler *sampler) {
    const bn_sampling *options = &sampler->options;
    bool any = false;
    for (size_t i = 0; i < options->n_logit_bias; i++) {
        bool forces = options->logit_bias[i].bias >= BIAS_FORCES;
        const float *logit = forces ? candidates_logit(&sampler->candidates, options->logit_bias[i].id) : NULL;
        sampler->forced[i] = logit ? *logit : -INFINITY;
        any |= logit != NULL;
    }
    if (any) candidates_force(&sampler->candidates, options->logit_bias, sampler->forced, options->n_logit_bias);
}

/* All that don't spell what the prompt had. */
static void forbid_others(struct sampler *sampler, const struct sampler_input *input) {
    for (size_t id = 0; id < sampler->vocab_size; id++) {
        if (healing_allows(input->healing, input->n_spelled, (int32_t)id)) continue;
        float *logit = candidates_logit(&sampler->candidates, (int32_t)id);
        if (logit) *logit = -INFINITY;
    }
}

/* All that aren't allowed. */
static void forbid_but(struct sampler *sampler, const uint64_t *allowed) {
    for (size_t begin = 0; begin < sampler->vocab_size; begin += 64) {
        size_t n = min_size(64, sampler->vocab_size - begin);
        uint64_t bits = ~allowed[begin / 64] & (n < 64 ? (UINT64_C(1) << n) - 1 : UINT64_MAX);
        for (; bits; bits &= bits - 1) {
            float *logit = candidates_logit(&sampler->candidates, (int32_t)(begin + (size_t)__builtin_ctzll(bits)));
            if (logit) *logit = -INFINITY;
        }
    }
}

void forbid_and_bias(struct sampler *sampler, const struct sampler_input *input) {
    struct candidates *c = &sampler->candidates;
    for (size_t i = 0; i < input->n_forbidden; i++) {
        float *logit = candidates_logit(c, input->forbidden[i]);
        if (logit) *logit = -INFINITY;
    }
    if (input->allowed) forbid_but(sampler, input->allowed);
    if (input->healing) forbid_others(sampler, input);
    const bn_sampling *options = &sampler->options;
    for (size_t i = 0; i < options->n_logit_bias; i++) {
        float *logit = candidates_logit(c, options->logit_bias[i].id);
        float bias = options->logit_bias[i].bias;
        if (logit) *logit = bias <= BIAS_FORBIDS ? -INFINITY : finite_logit((double)*logit + (double)bias);
    }
    if (options->n_logit_bias > 0) force(sampler);
    candidates_drop_impossible(c);
}

/* Keskar et al., "CTRL", 2019, as transformers does it: once per id, whatever its count. */
static void penalize_repetition(struct sampler *sampler, const int32_t *ids, size_t n) {
    double penalty = (double)sampler->options.repetition_penalty;
    for (size_t i = 0; i < n; i++) {
        float *logit = candidates_logit(&sampler->candidates, ids[i]);
        if (!logit || sampler->counts[ids[i]]++ > 0) continue;
        double z = (double)*logit;
        *logit = finite_logit(z > 0 ? z / penalty : z * penalty);
    }
    for (size_t i = 0; i < n; i++)
        if (candidates_logit(&sampler->candidates, ids[i])) sampler->counts[ids[i]] = 0;
}

/* OpenAI: z −= count · frequency + presence. */
static void penalize_counts(struct sampler *sampler, const int32_t *ids, size_t n) {
    double frequency = (double)sampler->options.frequency_penalty;
    double presence = (double)sampler->options.presence_penalty;
    for (size_t i = 0; i < n; i++)
        if (candidates_logit(&sampler->candidates, ids[i])) sampler->counts[ids[i]]++;
    for (size_t i = 0; i < n; i++) {
        float *logit = candidates_logit(&sampler->candidates, ids[i]);
        if (!logit || sampler->counts[ids[i]] == 0) continue;
        *logit = finite_logit((double)*logit - (sampler->counts[ids[i]] * frequency + presence));
        sampler->counts[ids[i]] = 0;
    }
}

void stage_penalties(struct sampler *sampler, const struct sampler_input *input) {
    const bn_sampling *options = &sampler->options;
    size_t begin, end;
    history_window(input, options->penalty_last_n, &begin, &end);
    if (begin == end) return;
    if (options->repetition_penalty != 1) penalize_repetition(sampler, input->history + begin, end - begin);
    if (options->presence_penalty == 0 && options->frequency_penalty == 0) return;
    if (options->penalize_output_only) begin = max_size(begin, min_size(input->n_prompt, end));
    penalize_counts(sampler, input->history + begin, end - begin);
}

static void touch(const struct sampler *sampler, int32_t id, float *lower, float *upper) {
    if (id < 0 || (size_t)id >= sampler->vocab_size) return;
    lower[id] = -INFINITY;
    upper[id] = INFINITY;
}

void sampler_touch(const struct sampler *sampler, const struct sampler_input *input, float *lower, float *upper) {
    const bn_sampling *options = &sampler->options;
    for (size_t i = 0; i < input->n_forbidden; i++) touch(sampler, input->forbidden[i], lower, upper);
    for (size_t i = 0; i < options->n_logit_bias; i++) touch(sampler, options->logit_bias[i].id, lower, upper);
    bool penalties =
        options->repetition_penalty != 1 || options->presence_penalty != 0 || options->frequency_penalty != 0;
    size_t begin = input->n_history, dry_begin = begin, end;
    if (penalties) history_window(input, options->penalty_last_n, &begin, &end);
    if (options->dry_multiplier != 0) history_window(input, options->dry_last_n, &dry_begin, &end);
    for (size_t i = min_size(begin, dry_begin); i < input->n_history; i++)
        touch(sampler, input->history[i], lower, upper);
}
