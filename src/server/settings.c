#include "server/settings.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/memory.h"

json_t *json_member(const json_t *object, const char *name) {
    json_t *value = json_object_get(object, name);
    return json_is_null(value) ? NULL : value;
}

double json_number_or(const json_t *object, const char *name, double otherwise) {
    const json_t *value = json_object_get(object, name);
    return json_is_number(value) ? json_number_value(value) : otherwise;
}

json_int_t json_integer_or(const json_t *object, const char *name, json_int_t otherwise) {
    const json_t *value = json_object_get(object, name);
    if (json_is_integer(value)) return json_integer_value(value);
    if (!json_is_real(value)) return otherwise;
    double number = json_real_value(value); /* 5.0; beyond 64 bits: the largest */
    return number >= 0x1p63 ? INT64_MAX : number <= -0x1p63 ? INT64_MIN : (json_int_t)number;
}

bool json_bool_or(const json_t *object, const char *name, bool otherwise) {
    const json_t *value = json_object_get(object, name);
    return json_is_boolean(value) ? json_is_true(value) : otherwise;
}

const char *json_text_or(const json_t *object, const char *name, const char *otherwise) {
    const json_t *value = json_object_get(object, name);
    const char *text = json_string_value(value);
    return text && strlen(text) == json_string_length(value) ? text : otherwise;
}

/* ---- sampling ---- */

static void set_float(const json_t *body, const char *name, float *value) {
    *value = (float)json_number_or(body, name, (double)*value);
}

static void set_int(const json_t *body, const char *name, int32_t *value) {
    *value = (int32_t)json_integer_or(body, name, *value);
}

/* The model's own, where its author has published any. */
static void set_defaults(bn_sampling *s, const bn_generation_defaults *d) {
    s->penalty_last_n = -1;
    s->penalize_output_only = true;
    if (!isnan(d->temperature)) s->temperature = d->temperature;
    if (!isnan(d->top_p)) s->top_p = d->top_p;
    if (!isnan(d->min_p)) s->min_p = d->min_p;
    if (!isnan(d->repetition_penalty)) s->repetition_penalty = d->repetition_penalty;
    if (d->top_k >= 0) s->top_k = d->top_k;
}

static uint64_t random_seed(void) {
    uint32_t seed;
    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed) seed = (uint32_t)clock_now_ns();
    return seed;
}

static void read_sampling(bn_sampling *s, const json_t *body) {
    set_float(body, "temperature", &s->temperature);
    set_float(body, "top_p", &s->top_p);
    set_int(body, "top_k", &s->top_k);
    set_float(body, "min_p", &s->min_p);
    set_float(body, "typical_p", &s->typical_p);
    set_float(body, "top_n_sigma", &s->top_n_sigma);
    set_float(body, "xtc_probability", &s->xtc_probability);
    set_float(body, "xtc_threshold", &s->xtc_threshold);
    set_int(body, "mirostat", &s->mirostat);
    set_float(body, "mirostat_tau", &s->mirostat_tau);
    set_float(body, "mirostat_eta", &s->mirostat_eta);
    set_float(body, "repeat_penalty", &s->repetition_penalty);
    set_float(body, "repetition_penalty", &s->repetition_penalty);
    set_int(body, "repeat_last_n", &s->penalty_last_n);
    set_float(body, "presence_penalty", &s->presence_penalty);
    set_float(body, "frequency_penalty", &s->frequency_penalty);
    set_float(body, "dry_multiplier", &s->dry_multiplier);
    set_float(body, "dry_base", &s->dry_base);
    set_int(body, "dry_allowed_length", &s->dry_allowed_length);
    set_int(body, "dry_penalty_last_n", &s->dry_last_n);
    if (s->top_k < 0) s->top_k = 0;
    if (s->top_n_sigma < 0) s->top_n_sigma = 0;
}

/* ---- lists ---- */

static bool out_of_memory(struct failure *failure) {
    bn_error error;
    return succeeded(failure, fail(&error, BN_STATUS_NO_MEMORY, "out of memory"), &error);
}

static bool read_stops(struct settings *settings, const json_t *stop, struct failure *failure) {
    if (!stop) return true;
    size_t n = json_is_array(stop) ? json_array_size(stop) : 1, n_kept = 0;
    const char **texts = arena_alloc_array(&settings->arena, n, sizeof *texts);
    if (!texts) return out_of_memory(failure);
    for (size_t i = 0; i < n; i++) {
        const json_t *text = json_is_array(stop) ? json_array_get(stop, i) : stop;
        if (json_string_length(text) == 0) continue; /* "stop": "" means none to some clients */
        texts[n_kept] = arena_strndup(&settings->arena, json_string_value(text), json_string_length(text));
        if (!texts[n_kept++]) return out_of_memory(failure);
    }
    settings->options.stop = texts;
    settings->options.n_stop = n_kept;
    return true;
}

static bool read_stop_ids(struct settings *settings, const json_t *body, const struct model *model,
                          struct failure *failure) {
    const json_t *ids = json_member(body, "stop_token_ids");
    size_t n_own = settings->options.ignore_end ? 0 : model->defaults.n_eos, n = json_array_size(ids);
    int32_t *all = arena_alloc_array(&settings->arena, n_own + n, sizeof *all);
    if (!all) return out_of_memory(failure);
    if (n_own) memcpy(all, model->defaults.eos, n_own * sizeof *all);
    for (size_t i = 0; i < n; i++) {
        json_int_t id = json_integer_value(json_array_get(ids, i));
        if (id < 0 || (size_t)id >= model->info.vocab_size)
            return refuse(failure, "stop_token_ids", "'stop_token_ids' has %lld; the model's ids are 0 … %zu",
                          (long long)id, model->info.vocab_size - 1);
        all[n_own + i] = (int32_t)id;
    }
    settings->options.stop_ids = all;
    settings->options.n_stop_ids = n_own + n;
    return true;
}

static bool bias_of(const struct model *model, const char *name, const json_t *value, bn_logit_bias *out,
                    struct failure *failure) {
    char *end;
    errno = 0;
    long long id = strtoll(name, &end, 10);
    if (errno || end == name || *end || id < 0 || (size_t)id >= model->info.vocab_size)
        return refuse(failure, "logit_bias", "'logit_bias' has the token id '%.40s'; the model's ids are 0 … %zu", name,
                      model->info.vocab_size - 1);
    double bias = json_is_false(value) ? -1e9 : json_number_value(value);
    if (!(json_is_number(value) || json_is_false(value)) || !(fabs(bias) <= 1e9))
        return refuse(failure, "logit_bias", "'logit_bias.%.40s' must be a number", name);
    *out = (bn_logit_bias){(int32_t)id, (float)bias};
    return true;
}

/* {"15043": 1.5} as OpenAI has it, or [[15043, 1.5], …] as llama-server has. */
static bool read_biases(struct settings *settings, const json_t *body, const struct model *model,
                        struct failure *failure) {
    json_t *biases = json_member(body, "logit_bias"), *value;
    size_t n = json_is_array(biases) ? json_array_size(biases) : json_object_size(biases), at = 0;
    bn_logit_bias *all = arena_alloc_array(&settings->arena, n, sizeof *all);
    const char *name;
    if (!all) return out_of_memory(failure);
    settings->options.sampling.logit_bias = all;
    settings->options.sampling.n_logit_bias = n;
    if (json_is_array(biases)) {
        for (; at < n; at++) {
            const json_t *pair = json_array_get(biases, at), *id = json_array_get(pair, 0);
            char digits[32];
            if (json_array_size(pair) != 2 || !json_is_integer(id))
                return refuse(failure, "logit_bias", "'logit_bias[%zu]' must be [token id, number]", at);
            snprintf(digits, sizeof digits, "%lld", (long long)json_integer_value(id));
            if (!bias_of(model, digits, json_array_get(pair, 1), &all[at], failure)) return false;
        }
        return true;
    }
    json_object_foreach(biases, name, value) {
        if (!bias_of(model, name, value, &all[at++], failure)) return false;
    }
    return true;
}

bool settings_read(struct settings *settings, const json_t *body, const struct model *model, struct failure *failure) {
    *settings = (struct settings){0};
    arena_init(&settings->arena);
    if (model->info.pooling)
        return refuse(failure, "model", "the model '%.80s' makes embeddings and writes no text: use /v1/embeddings",
                      model->name);
    if (json_array_size(json_member(body, "lora")))
        return refuse(failure, "lora", "'lora': this server has no adapters");
    bn_request_options *o = &settings->options;
    const json_t *preset = json_member(model->preset, "parameters"), *stop = json_member(body, "stop");
    json_int_t seed = json_integer_or(body, "seed", json_integer_or(preset, "seed", -1));
    bn_request_options_init(o);
    set_defaults(&o->sampling, &model->defaults);
    read_sampling(&o->sampling, preset);
    read_sampling(&o->sampling, body);
    settings->seed = o->sampling.seed = seed < 0 ? random_seed() : (uint64_t)seed;
    o->min_tokens = (size_t)json_integer_or(body, "min_tokens", 0);
    o->ignore_end = json_bool_or(body, "ignore_eos", false);
    o->keep_special = !json_bool_or(body, "skip_special_tokens", true);
    o->priority = (int32_t)-json_integer_or(body, "priority", 0);
    settings->include_stop = json_bool_or(body, "include_stop_str_in_output", false);
    settings->timeout_ms = (uint64_t)json_integer_or(body, "t_max_predict_ms", 0);
    bn_error error;
    return read_stops(settings, stop ? stop : json_member(preset, "stop"), failure) &&
           read_stop_ids(settings, body, model, failure) && read_biases(settings, body, model, failure) &&
           succeeded(failure, bn_sampling_check(&o->sampling, &error), &error);
}

void settings_release(struct settings *settings) {
    bn_grammar_release(settings->options.grammar);
    arena_release(&settings->arena);
}
