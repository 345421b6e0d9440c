/* DRY ("don't repeat yourself"): a token that would prolong a repetition gets a penalty that grows exponentially with
 * the repetition's length.
 *
 * For every earlier position we need how long the text before it agrees with the current end of the text. Read
 * backwards, these are the Z values of the history, found in O(n) (Gusfield, "Algorithms on Strings, Trees and
 * Sequences", 1.3-1.4). Matches end at a sequence breaker and, as the penalty is bounded, needn't be counted beyond the
 * length that reaches the bound; so the Z array is short and is allocated once. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "engine/sampler_chain.h"

#define LONGEST_MATCH    16384
#define LONGEST_SEQUENCE 20

static const char *const default_breakers[] = {"\n", ":", "\"", "*"};

/* base^exponent by squaring: the same bits everywhere, unlike pow(). */
static double power(double base, size_t exponent) {
    double result = 1;
    for (; exponent > 0; exponent >>= 1, base *= base)
        if (exponent & 1) result *= base;
    return result;
}

/* The length at which multiplier · base^(length − allowed) has passed every float. */
static size_t longest_match(const bn_sampling *options) {
    size_t length = (size_t)options->dry_allowed_length;
    for (double growth = 1; growth < (double)FLT_MAX && length < LONGEST_MATCH; length++)
        growth *= (double)options->dry_base;
    return length;
}

static bool contains(const char *text, size_t text_bytes, const char *part) {
    return memmem(text, text_bytes, part, strlen(part)) != NULL;
}

/* Marks the tokens whose text contains a breaker. A token without a text of its own breaks nothing. */
static bn_status mark_breaking_tokens(struct dry *dry, const char *const *breakers, size_t n_breakers,
                                      size_t vocab_size, const bn_tokenizer *tokenizer, bn_error *err) {
    size_t n_tokens = min_size(vocab_size, bn_tokenizer_vocab_size(tokenizer));
    for (size_t i = 0; i < n_tokens; i++) {
        char *text;
        size_t text_bytes;
        bn_error error;
        int32_t id = (int32_t)i;
        bn_status status = bn_tokenizer_decode(tokenizer, &id, 1, false, &text, &text_bytes, &error);
        if (status == BN_STATUS_NO_MEMORY) return fail(err, status, "%s", error.message);
        if (status != BN_OK) continue;
        for (size_t b = 0; b < n_breakers && !dry->breaks[i]; b++)
            dry->breaks[i] = contains(text, text_bytes, breakers[b]);
        bn_free(text);
    }
    return BN_OK;
}

static bn_status encode_breaker(struct dry *dry, const char *breaker, const bn_tokenizer *tokenizer, bn_error *err) {
    const bn_encode_options plain = {.size = sizeof plain};
    int32_t *ids;
    size_t n_ids;
    bn_status status = bn_tokenizer_encode(tokenizer, breaker, strlen(breaker), &plain, &ids, &n_ids, err);
    if (status != BN_OK) return status;
    if (n_ids > 1 && n_ids <= LONGEST_SEQUENCE)
        dry->sequences[dry->n_sequences++] = (struct breaker_sequence){ids, n_ids};
    else
        bn_free(ids);
    return BN_OK;
}

bn_status dry_init(struct dry *dry, const bn_sampling *options, size_t vocab_size, const bn_tokenizer *tokenizer,
                   bn_error *err) {
    if (options->dry_multiplier == 0) return BN_OK;
    dry->longest_match = longest_match(options);
    dry->matches = mem_alloc_array(dry->longest_match, sizeof *dry->matches);
    if (!dry->matches) return fail_no_memory(err, dry->longest_match * sizeof *dry->matches);

    const char *const *breakers = options->dry_breakers;
    size_t n_breakers = options->n_dry_breakers;
    if (!breakers && tokenizer) {
        breakers = default_breakers;
        n_breakers = sizeof default_breakers / sizeof default_breakers[0];
    }
    if (n_breakers == 0) return BN_OK;
    if (!tokenizer) return fail(err, BN_STATUS_BAD_ARGUMENT, "dry_breakers: the model has no tokenizer to find them");
    dry->breaks = mem_calloc(vocab_size, sizeof *dry->breaks);
    dry->sequences = mem_calloc(n_breakers, sizeof *dry->sequences);
    if (!dry->breaks || !dry->sequences) return fail_no_memory(err, vocab_size);
    bn_status status = mark_breaking_tokens(dry, breakers, n_breakers, vocab_size, tokenizer, err);
    for (size_t i = 0; i < n_breakers && status == BN_OK; i++)
        status = encode_breaker(dry, breakers[i], tokenizer, err);
    return status;
}

void dry_release(struct dry *dry) {
    for (size_t i = 0; i < dry->n_sequences; i++) bn_free(dry->sequences[i].ids);
    mem_free(dry->sequences);
    mem_free(dry->breaks);
    mem_free(dry->matches);
}

static bool breaks_alone(const struct sampler *sampler, int32_t id) {
    return sampler->dry.breaks && id >= 0 && (size_t)id < sampler->vocab_size && sampler->dry.breaks[id];
}

/* True if a breaker ends with the last of the n ≥ 1 ids. */
static bool breaker_ends(const struct sampler *sampler, const int32_t *ids, size_t n) {
    if (breaks_alone(sampler, ids[n - 1])) return true;
    for (size_t i = 0; i < sampler->dry.n_sequences; i++) {
        const struct breaker_sequence *sequence = &sampler->dry.sequences[i];
        if (sequence->n <= n && memcmp(ids + n - sequence->n, sequence->ids, sequence->n * sizeof *ids) == 0)
            return true;
    }
    return false;
}

/* For each token that followed an earlier match of the current end: the longest match, into counts. `limit` is how far
 * the end reaches back. In the reversed text r[i] = ids[n−1−i], the match before the token r[t−1] is Z[t]. */
static void find_matches(struct sampler *sampler, const int32_t *ids, size_t n, size_t limit) {
    uint32_t *z = sampler->dry.matches;
    const int32_t *last = ids + n - 1; /* r[i] = last[−i] */
    size_t left = 0, right = 0;        /* r[left, right) equals r[0, right − left) */
    for (size_t t = 1; t < n; t++) {
        size_t length = t < right ? min_size(right - t, z[t - left]) : 0;
        while (length < limit && t + length < n && *(last - t - length) == *(last - length)) length++;
        if (t + length > right) {
            left = t;
            right = t + length;
        }
        if (t < limit) z[t] = (uint32_t)length;
        int32_t next = *(last - (t - 1));
        if (length < (size_t)sampler->options.dry_allowed_length || breaks_alone(sampler, next)) continue;
        if (candidates_logit(&sampler->candidates, next) && length > sampler->counts[next])
            sampler->counts[next] = (uint32_t)length;
    }
}

void stage_dry(struct sampler *sampler, const struct sampler_input *input) {
    const bn_sampling *options = &sampler->options;
    if (options->dry_multiplier == 0) return;
    size_t begin, end;
    history_window(input, options->dry_last_n, &begin, &end);
    if (begin == end) return;
    size_t n = end - begin, limit = 0;
    const int32_t *ids = input->history + begin;
    while (limit < min_size(n, sampler->dry.longest_match) && !breaker_ends(sampler, ids, n - limit)) limit++;
    size_t allowed = (size_t)options->dry_allowed_length;
    if (limit < allowed) return;
    find_matches(sampler, ids, n, limit);
    for (size_t i = 0; i < n; i++) {
        float *logit = candidates_logit(&sampler->candidates, ids[i]);
        if (!logit || sampler->counts[ids[i]] == 0) continue;
        double growth = fmin(power((double)options->dry_base, sampler->counts[ids[i]] - allowed), (double)FLT_MAX);
        *logit = finite_logit((double)*logit - (double)options->dry_multiplier * growth);
        sampler->counts[ids[i]] = 0;
    }
}
