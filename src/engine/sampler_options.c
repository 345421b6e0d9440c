/* Neutral values and allowed ranges of the public sampling options. */
#include <math.h>
#include <string.h>

#include "engine/sampler_chain.h"

#define BREAKER_BYTES            40
#define DRY_ALLOWED_LENGTH_LIMIT 1024

void bn_sampling_init(bn_sampling *sampling) {
    *sampling = (bn_sampling){
        .size = sizeof *sampling,
        .temperature = 1,
        .top_p = 1,
        .typical_p = 1,
        .xtc_threshold = 0.1f,
        .mirostat_tau = 5,
        .mirostat_eta = 0.1f,
        .repetition_penalty = 1,
        .penalty_last_n = 64,
        .dry_base = 1.75f,
        .dry_allowed_length = 2,
        .dry_last_n = -1,
    };
}

static bn_status check_floats(const bn_sampling *s, bn_error *err) {
    const struct {
        const char *name;
        float value, least, most;
    } fields[] = {
        {"temperature", s->temperature, -1e6f, 1e6f},
        {"top_p", s->top_p, 0, 1},
        {"top_n_sigma", s->top_n_sigma, 0, 1e6f},
        {"min_p", s->min_p, 0, 1},
        {"typical_p", s->typical_p, 0, 1},
        {"xtc_probability", s->xtc_probability, 0, 1},
        {"xtc_threshold", s->xtc_threshold, 0, 1},
        {"mirostat_tau", s->mirostat_tau, 0, 1e3f},
        {"mirostat_eta", s->mirostat_eta, 0, 1e3f},
        {"repetition_penalty", s->repetition_penalty, 1e-6f, 1e6f},
        {"presence_penalty", s->presence_penalty, -1e6f, 1e6f},
        {"frequency_penalty", s->frequency_penalty, -1e6f, 1e6f},
        {"dry_multiplier", s->dry_multiplier, 0, 1e6f},
        {"dry_base", s->dry_base, 1, 1e6f},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (!(fields[i].value >= fields[i].least && fields[i].value <= fields[i].most))
            return fail(err, BN_STATUS_BAD_ARGUMENT, "%s is %g; expected %g to %g", fields[i].name,
                        (double)fields[i].value, (double)fields[i].least, (double)fields[i].most);
    return BN_OK;
}

static bn_status check_integers(const bn_sampling *s, bn_error *err) {
    const struct {
        const char *name;
        int32_t value, least, most;
    } fields[] = {
        {"top_k", s->top_k, 0, INT32_MAX},
        {"penalty_last_n", s->penalty_last_n, -1, INT32_MAX},
        {"dry_allowed_length", s->dry_allowed_length, 1, DRY_ALLOWED_LENGTH_LIMIT},
        {"dry_last_n", s->dry_last_n, -1, INT32_MAX},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (fields[i].value < fields[i].least || fields[i].value > fields[i].most)
            return fail(err, BN_STATUS_BAD_ARGUMENT, "%s is %d; expected %d to %d", fields[i].name,
                        (int)fields[i].value, (int)fields[i].least, (int)fields[i].most);
    if (s->mirostat != 0 && s->mirostat != 2)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "mirostat is %d; expected 0 (off) or 2", (int)s->mirostat);
    return BN_OK;
}

static bn_status check_lists(const bn_sampling *s, bn_error *err) {
    if (!s->logit_bias && s->n_logit_bias > 0)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "logit_bias is NULL but n_logit_bias is %zu", s->n_logit_bias);
    for (size_t i = 0; i < s->n_logit_bias; i++) {
        bn_logit_bias entry = s->logit_bias[i];
        if (entry.id < 0 || isnan(entry.bias))
            return fail(err, BN_STATUS_BAD_ARGUMENT, "logit_bias[%zu] is %g for token %d; expected a number and an id",
                        i, (double)entry.bias, (int)entry.id);
    }
    if (!s->dry_breakers && s->n_dry_breakers > 0)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "dry_breakers is NULL but n_dry_breakers is %zu", s->n_dry_breakers);
    for (size_t i = 0; i < s->n_dry_breakers; i++) {
        const char *breaker = s->dry_breakers[i];
        if (!breaker || breaker[0] == '\0' || strlen(breaker) > BREAKER_BYTES)
            return fail(err, BN_STATUS_BAD_ARGUMENT, "dry_breakers[%zu] has %zu bytes; expected 1 to %d", i,
                        breaker ? strlen(breaker) : 0, BREAKER_BYTES);
    }
    return BN_OK;
}

bn_status bn_sampling_check(const bn_sampling *sampling, bn_error *err) {
    if (!sampling) return fail(err, BN_STATUS_BAD_ARGUMENT, "sampling is NULL");
    if (sampling->size != sizeof *sampling)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "sampling.size is %zu; expected %zu: call bn_sampling_init first",
                    sampling->size, sizeof *sampling);
    bn_status status = check_floats(sampling, err);
    if (status == BN_OK) status = check_integers(sampling, err);
    if (status == BN_OK) status = check_lists(sampling, err);
    struct stage_list stages;
    return status == BN_OK ? stage_list_parse(sampling->order, &stages, err) : status;
}
