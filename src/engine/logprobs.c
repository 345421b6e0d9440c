/* Log-probabilities under the model itself: before temperature, bias, penalties and filters, as the OpenAI API reports
 * them. Float64 throughout, sums in ascending id order. */
#include <math.h>

#include "engine/argmax.h"
#include "engine/exact_math.h"
#include "engine/sampler.h"

/* Weights are computed by blocks, which vectorises, and added one by one. */
#define BLOCK 256

/* ln Σ exp(z − max). */
static double log_sum_exp(const float *logits, size_t n, double max) {
    double sum = 0, weight[BLOCK];
    for (size_t begin = 0; begin < n; begin += BLOCK) {
        size_t n_block = n - begin < BLOCK ? n - begin : BLOCK;
        for (size_t i = 0; i < n_block; i++) weight[i] = (double)logits[begin + i] - max;
        exact_exp(weight, n_block);
        for (size_t i = 0; i < n_block; i++) sum += weight[i];
    }
    return isfinite(sum) ? exact_log(sum) : (double)NAN;
}

/* The n_top largest into top, logits in the place of log-probabilities. Ids ascend, so only a larger one moves up. */
static void find_top(const float *logits, size_t vocab_size, bn_logprob *top, size_t n_top) {
    for (size_t i = 0; i < n_top; i++) top[i] = (bn_logprob){-1, -INFINITY};
    for (size_t id = 0; id < vocab_size; id++) {
        float logit = logits[id];
        bool free_place = top[n_top - 1].id < 0 && !isnan(logit);
        if (!(logit > top[n_top - 1].logprob) && !free_place) continue;
        size_t place = n_top - 1;
        for (; place > 0 && (top[place - 1].id < 0 || logit > top[place - 1].logprob); place--)
            top[place] = top[place - 1];
        top[place] = (bn_logprob){(int32_t)id, logit};
    }
}

void logprobs_of(const float *logits, size_t vocab_size, int32_t id, float *logprob, bn_logprob *top, size_t n_top) {
    double max = (double)max_of(logits, vocab_size);
    double log_sum = log_sum_exp(logits, vocab_size, max);
    *logprob = (float)((double)logits[id] - max - log_sum);
    if (n_top == 0) return;
    find_top(logits, vocab_size, top, n_top);
    for (size_t i = 0; i < n_top; i++) top[i].logprob = (float)((double)top[i].logprob - max - log_sum);
}

void logprobs_all(const float *logits, size_t vocab_size, double *out) {
    double max = (double)max_of(logits, vocab_size);
    double log_sum = log_sum_exp(logits, vocab_size, max);
    for (size_t id = 0; id < vocab_size; id++) out[id] = (double)logits[id] - max - log_sum;
}
