/* The filters: each looks at the probabilities that the stages before it left and drops the unlikely tokens (XTC: the
 * likely ones). Definitions and sources: docs/sampling.md.
 *
 * Probabilities are float64, but thresholds and logits come as float32; so a probability is rounded to float32 before
 * it's compared. Then p = 0.5 with top_p = 0.5 is equality although the logit ln 0.5 was already rounded, and
 * cumulated masses don't fail by their last bits. Rounding is monotone: no order changes. */
#include <math.h>
#include <string.h>

#include "engine/exact_math.h"
#include "engine/sampler_chain.h"

/* Relative: covers the rounding of exponentials, and of sums of them over a vocabulary. */
#define LIST_SAFETY 0x1p-30

void stage_temperature(struct sampler *sampler, const struct sampler_input *input) {
    (void)input;
    struct candidates *c = &sampler->candidates;
    float temperature = sampler->options.temperature;
    if (temperature == 1) return;
    c->weighed = false;
    c->floor /= temperature; /* division is monotone, rounding included */
    if (c->listed)
        for (size_t i = 0; i < c->n; i++) c->items[i].logit /= temperature;
    else
        for (size_t id = 0; id < c->capacity; id++) c->logits[id] /= temperature;
}

enum screening screen_temperature(const struct sampler *sampler, struct screen_need *need) {
    need->temperature = (double)sampler->options.temperature;
    return SCREENING_GOES_ON;
}

/* Tang et al., "Top-nσ: Not All Logits Are You Need", 2024. */
void stage_top_n_sigma(struct sampler *sampler, const struct sampler_input *input) {
    (void)input;
    struct candidates *c = &sampler->candidates;
    if (sampler->options.top_n_sigma == 0 || !candidates_are_whole(c) || !candidates_weigh(c)) return;
    double sum = 0, sum_squares = 0; /* of z − z_max over finite z; an overflown temperature can leave others */
    size_t n_finite = 0;
    for (size_t i = 0; i < c->n; i++) {
        double relative = candidates_relative(c, i);
        if (!isfinite(relative)) continue;
        sum += relative;
        n_finite++;
    }
    double mean = sum / (double)n_finite;
    for (size_t i = 0; i < c->n; i++) {
        double difference = candidates_relative(c, i) - mean;
        if (isfinite(difference)) sum_squares += difference * difference;
    }
    float bound = (float)(-(double)sampler->options.top_n_sigma * sqrt(sum_squares / (double)n_finite));
    for (size_t i = 0; i < c->n; i++) c->keep[i] = (float)candidates_relative(c, i) >= bound;
    candidates_filter(c);
}

enum screening screen_top_n_sigma(const struct sampler *sampler, struct screen_need *need) {
    (void)need;
    return sampler->options.top_n_sigma == 0 ? SCREENING_GOES_ON : SCREENING_FAILS;
}

void stage_top_k(struct sampler *sampler, const struct sampler_input *input) {
    (void)input;
    if (sampler->options.top_k > 0) candidates_keep_largest(&sampler->candidates, (size_t)sampler->options.top_k);
}

enum screening screen_top_k(const struct sampler *sampler, struct screen_need *need) {
    if (sampler->options.top_k <= 0) return SCREENING_GOES_ON;
    need->k = (size_t)sampler->options.top_k;
    return SCREENING_ENDS;
}

/* Keeps ranked items until their mass reaches `limit`, at least one. Of a partial list the mass of all tokens is known
 * to lie between two numbers: where both say the same and what's kept is above the floor, the whole list would say so. */
static void keep_until_mass(struct candidates *c, size_t n_ranks, float limit) {
    double least = c->total, most = c->total, mass = 0;
    if (c->partial) {
        least *= 1 - LIST_SAFETY;
        most = (most + c->tail * exp(c->tail_reference - (double)c->max)) * (1 + LIST_SAFETY);
    }
    memset(c->keep, 0, c->n * sizeof *c->keep);
    size_t r = 0;
    for (; r < n_ranks && (r == 0 || (float)(mass / most) < limit); r++) {
        size_t i = c->ranks[r].index;
        bool sure = r == 0 || (float)(mass / least) < limit;
        c->undecided |= c->partial && !(sure && c->items[i].logit > c->floor);
        c->keep[i] = true;
        mass += c->weights[i];
    }
    c->undecided |= c->partial && r == n_ranks;
    c->partial = false;
    candidates_filter(c);
}

/* Holtzman et al., "The Curious Case of Neural Text Degeneration", 2020: the nucleus.
 *
 * Tokens with p < (1 − top_p) / 2n have less than (1 − top_p) / 2 of the mass together, so the others reach top_p and
 * only they need sorting. */
void stage_top_p(struct sampler *sampler, const struct sampler_input *input) {
    (void)input;
    struct candidates *c = &sampler->candidates;
    float top_p = sampler->options.top_p;
    if (top_p >= 1 || !candidates_weigh(c)) return;
    double smallest = c->partial ? 0 : c->total * (1.0 - (double)top_p) / (2.0 * (double)c->n);
    size_t n_ranks = 0;
    for (size_t i = 0; i < c->n; i++) {
        c->ranks[n_ranks] = (struct rank){descending_key(c->items[i].logit), (uint32_t)i};
        n_ranks += c->weights[i] >= smallest;
    }
    candidates_sort_ranks(c, n_ranks);
    keep_until_mass(c, n_ranks, top_p);
}

enum screening screen_top_p(const struct sampler *sampler, struct screen_need *need) {
    need->left_out = 1 - (double)sampler->options.top_p;
    return need->left_out > 0 ? SCREENING_ENDS : SCREENING_GOES_ON;
}

/* Meister et al., "Locally Typical Sampling", 2022: closest to the expected information first.
 *
 * |−ln p − H| with −ln p = ln total − relative and H = ln total − Σ p·relative: the logarithm cancels. */
void stage_typical(struct sampler *sampler, const struct sampler_input *input) {
    (void)input;
    struct candidates *c = &sampler->candidates;
    if (sampler->options.typical_p >= 1 || !candidates_are_whole(c) || !candidates_weigh(c)) return;
    double mean = 0;
    for (size_t i = 0; i < c->n; i++)
        if (c->weights[i] > 0) mean += c->weights[i] * candidates_relative(c, i);
    mean /= c->total;
    for (size_t i = 0; i < c->n; i++) {
        float distance = (float)fabs(mean - candidates_relative(c, i));
        uint32_t bits; /* of a float ≥ 0: they ascend with it */
        memcpy(&bits, &distance, sizeof bits);
        c->ranks[i] = (struct rank){bits, (uint32_t)i};
    }
    candidates_sort_ranks(c, c->n);
    keep_until_mass(c, c->n, sampler->options.typical_p);
}

enum screening screen_typical(const struct sampler *sampler, struct screen_need *need) {
    (void)need;
    return sampler->options.typical_p >= 1 ? SCREENING_GOES_ON : SCREENING_FAILS;
}

/* Nguyen et al., "Turning Up the Heat: Min-p Sampling", 2024. Weights are relative to the largest already. */
void stage_min_p(struct sampler *sampler, const struct sampler_input *input) {
    (void)input;
    struct candidates *c = &sampler->candidates;
    if (sampler->options.min_p <= 0 || !candidates_weigh(c)) return;
    if (c->partial) {
        double highest = exp((double)c->floor - (double)c->max) * (1 + LIST_SAFETY); /* weight of an id not listed */
        c->undecided |= !((float)highest < sampler->options.min_p);
        c->partial = false;
    }
    for (size_t i = 0; i < c->n; i++) c->keep[i] = (float)c->weights[i] >= sampler->options.min_p;
    candidates_filter(c);
}

/* A little deeper than the definition, so that it decides. */
enum screening screen_min_p(const struct sampler *sampler, struct screen_need *need) {
    if (sampler->options.min_p <= 0) return SCREENING_GOES_ON;
    need->depth = (0x1p-10 - log((double)sampler->options.min_p)) * need->temperature;
    return SCREENING_ENDS;
}

/* "Exclude top choices": of the tokens that reach the threshold only the least probable stays, the last in the order of
 * falling p and, of equal ones, rising id. */
void stage_xtc(struct sampler *sampler, const struct sampler_input *input) {
    struct candidates *c = &sampler->candidates;
    const bn_sampling *options = &sampler->options;
    if (options->xtc_probability <= 0 || options->xtc_threshold > 0.5f || !candidates_are_whole(c)) return;
    if ((float)sampler_random(sampler, input, DRAW_XTC) > options->xtc_probability || !candidates_weigh(c)) return;
    size_t n_above = 0, least = 0;
    for (size_t i = 0; i < c->n; i++) {
        bool above = (float)(c->weights[i] / c->total) >= options->xtc_threshold;
        c->keep[i] = !above;
        if (!above) continue;
        if (n_above == 0 || c->items[i].logit <= c->items[least].logit) least = i;
        n_above++;
    }
    if (n_above < 2) return;
    c->keep[least] = true;
    candidates_filter(c);
}

enum screening screen_xtc(const struct sampler *sampler, struct screen_need *need) {
    (void)need;
    return sampler->options.xtc_probability <= 0 ? SCREENING_GOES_ON : SCREENING_FAILS;
}

/* −log2 p of a weighed item. */
static double surprise(const struct candidates *c, size_t i) {
    return (exact_log(c->total) - candidates_relative(c, i)) / EXACT_LN2;
}

/* Basu et al., "Mirostat", 2021, version 2: drops what is more surprising than μ, then steers μ so that the surprise of
 * what gets chosen stays near τ. */
void mirostat_filter(struct sampler *sampler) {
    struct candidates *c = &sampler->candidates;
    float mu = (float)sampler->mirostat_mu;
    for (size_t i = 0; i < c->n; i++) c->keep[i] = (float)surprise(c, i) <= mu;
    c->keep[candidates_largest(c)] = true;
    candidates_filter(c);
}

void mirostat_update(struct sampler *sampler, size_t chosen) {
    const bn_sampling *options = &sampler->options;
    double error = surprise(&sampler->candidates, chosen) - (double)options->mirostat_tau;
    sampler->mirostat_mu -= (double)options->mirostat_eta * error;
}
