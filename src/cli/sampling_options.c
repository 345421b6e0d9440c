#include "cli/sampling_options.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/clock.h"
#include "base/memory.h"

#define FIELD(name) offsetof(struct sampling_options, name)

const struct option sampling_option_table[] = {
    {"temp", 0, OPTION_NUMBER, FIELD(temperature), "T", -1, 100,
     "temperature; 0: always the most likely token (the model's own value, else 0.8)", "temperature"},
    {"top-k", 0, OPTION_INTEGER, FIELD(top_k), "K", -1, INT32_MAX, "keep the K most likely; 0: off (model's, else 40)",
     NULL},
    {"top-p", 0, OPTION_NUMBER, FIELD(top_p), "P", 0, 1,
     "keep the smallest set with probability P; 1: off (model's, else 0.95)", NULL},
    {"min-p", 0, OPTION_NUMBER, FIELD(min_p), "P", 0, 1,
     "drop what is less likely than P times the most likely; 0: off (model's, else 0.05)", NULL},
    {"top-nsigma", 0, OPTION_NUMBER, FIELD(top_n_sigma), "N", -1, 100,
     "keep logits within N standard deviations of the largest; 0 or less: off", "top-n-sigma"},
    {"typical", 0, OPTION_NUMBER, FIELD(typical_p), "P", 0, 1, "locally typical sampling; 1: off", "typical-p"},
    {"xtc-probability", 0, OPTION_NUMBER, FIELD(xtc_probability), "P", 0, 1,
     "chance that XTC drops the top choices; 0: off", NULL},
    {"xtc-threshold", 0, OPTION_NUMBER, FIELD(xtc_threshold), "P", 0, 1, "what XTC counts as a top choice (0.1)", NULL},
    {"mirostat", 0, OPTION_INTEGER, FIELD(mirostat), "0|2", 0, 2, "2: Mirostat 2.0 instead of the filters; 0: off",
     NULL},
    {"mirostat-ent", 0, OPTION_NUMBER, FIELD(mirostat_tau), "TAU", 0, 100, "Mirostat's target surprise (5)",
     "mirostat-tau"},
    {"mirostat-lr", 0, OPTION_NUMBER, FIELD(mirostat_eta), "ETA", 0, 1, "Mirostat's learning rate (0.1)",
     "mirostat-eta"},
    {"repeat-penalty", 0, OPTION_NUMBER, FIELD(repetition_penalty), "R", 0.01, 100,
     "divide (or multiply) logits of tokens seen before; 1: off (model's, else 1)", "repetition-penalty"},
    {"repeat-last-n", 0, OPTION_INTEGER, FIELD(penalty_last_n), "N", -1, INT32_MAX,
     "tokens the penalties look back at; -1: all (64)", "penalty-last-n"},
    {"presence-penalty", 0, OPTION_NUMBER, FIELD(presence_penalty), "X", -100, 100,
     "subtracted from tokens seen before (0)", NULL},
    {"frequency-penalty", 0, OPTION_NUMBER, FIELD(frequency_penalty), "X", -100, 100,
     "subtracted per earlier occurrence (0)", NULL},
    {"dry-multiplier", 0, OPTION_NUMBER, FIELD(dry_multiplier), "X", 0, 100,
     "strength of the DRY penalty on repeated sequences; 0: off", NULL},
    {"dry-base", 0, OPTION_NUMBER, FIELD(dry_base), "X", 1, 100, "how it grows with the length repeated (1.75)", NULL},
    {"dry-allowed-length", 0, OPTION_INTEGER, FIELD(dry_allowed_length), "N", 0, INT32_MAX,
     "repeats up to this are free (2)", NULL},
    {"dry-penalty-last-n", 0, OPTION_INTEGER, FIELD(dry_last_n), "N", -1, INT32_MAX,
     "tokens DRY looks back at; -1: all", "dry-last-n"},
    {"dry-sequence-breaker", 0, OPTION_LIST, FIELD(dry_breakers), "TEXT", 0, 0,
     "text that ends a repeated sequence; may be repeated (newline, colon, quote, asterisk)", "dry-breakers"},
    {"logit-bias", 'l', OPTION_LIST, FIELD(logit_bias), "ID±BIAS", 0, 0,
     "add to a token's logit, e.g. 15043+1 or 15043-100 (never); may be repeated", NULL},
    {"samplers", 0, OPTION_TEXT, FIELD(samplers), "LIST", 0, 0,
     "steps and their order, or a preset, hf or llama.cpp "
     "(penalties;dry;temperature;top_n_sigma;top_k;typ_p;top_p;min_p;xtc)",
     NULL},
    {"seed", 's', OPTION_INTEGER, FIELD(seed), "N", -1, 0x1p62,
     "same seed, same text; -1: random (shown with -v and in JSON)", NULL},
    {0},
};

const struct option length_option_table[] = {
    {"n-predict", 'n', OPTION_INTEGER, FIELD(max_tokens), "N", -1, INT32_MAX,
     "most tokens to generate; -1 or 0: until the model ends or the context is full", "max-tokens predict"},
    {"min-tokens", 0, OPTION_SIZE, FIELD(min_tokens), "N", 0, INT32_MAX, "the model can't end before", NULL},
    {"stop", 'r', OPTION_LIST, FIELD(stop), "TEXT", 0, 0, "stop before this text; may be repeated", "reverse-prompt"},
    {"ignore-eos", 0, OPTION_FLAG, FIELD(ignore_eos), NULL, 0, 0, "go on after end tokens", NULL},
    {"special", 0, OPTION_FLAG, FIELD(special), NULL, 0, 0, "show special tokens' text", "sp"},
    {"n", 0, OPTION_SIZE, FIELD(n), "N", 1, 256, "so many independent samples (1)", "parallel"},
    {"best-of", 0, OPTION_SIZE, FIELD(best_of), "N", 0, 256, "generate N samples, show the likeliest", NULL},
    {"beams", 0, OPTION_SIZE, FIELD(beams), "N", 0, 64, "beam search of this width instead of sampling", NULL},
    {"length-penalty", 0, OPTION_NUMBER, FIELD(length_penalty), "X", -100, 100,
     "exponent of the length in a beam's score (1)", NULL},
    {"logprobs", 0, OPTION_INTEGER, FIELD(logprobs), "N", -1, 64,
     "with --json: log-probabilities of the tokens and of the N likeliest at each step", "n-probs"},
    {0},
};

void sampling_options_defaults(struct sampling_options *options) {
    bn_sampling neutral;
    bn_sampling_init(&neutral);
    *options = (struct sampling_options){
        .temperature = NAN,
        .top_p = NAN,
        .min_p = NAN,
        .repetition_penalty = NAN,
        .top_k = -1,
        .typical_p = neutral.typical_p,
        .xtc_probability = neutral.xtc_probability,
        .xtc_threshold = neutral.xtc_threshold,
        .mirostat_tau = neutral.mirostat_tau,
        .mirostat_eta = neutral.mirostat_eta,
        .mirostat = neutral.mirostat,
        .dry_multiplier = neutral.dry_multiplier,
        .dry_base = neutral.dry_base,
        .dry_allowed_length = neutral.dry_allowed_length,
        .dry_last_n = neutral.dry_last_n,
        .penalty_last_n = neutral.penalty_last_n,
        .seed = -1,
        .max_tokens = -1,
        .n = 1,
        .length_penalty = 1,
        .logprobs = -1,
    };
}

uint64_t random_seed(void) {
    uint32_t seed;
    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        seed = (uint32_t)(clock_now_ns() ^ (uint64_t)time(NULL));
    return seed;
}

/* ---- from JSON ---- */

/* A scalar as the text a flag would have. NULL: not a scalar, or no memory. */
static const char *scalar_text(const json_t *value, struct arena *strings) {
    char number[40];
    if (json_is_string(value)) return arena_strndup(strings, json_string_value(value), json_string_length(value));
    if (json_is_boolean(value)) return json_is_true(value) ? "on" : "off";
    if (json_is_integer(value))
        snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_real(value))
        snprintf(number, sizeof number, "%.17g", json_real_value(value));
    else
        return NULL;
    return arena_strndup(strings, number, strlen(number));
}

static bn_status assign_json(const struct option *option, void *options, const char *name, const json_t *value,
                             struct arena *strings, bn_error *err) {
    const char *text = scalar_text(value, strings);
    if (!text) return fail(err, BN_STATUS_BAD_ARGUMENT, "'%s' must be a string, a number or a boolean", name);
    if (json_is_string(value) && strlen(text) != json_string_length(value))
        return fail(err, BN_STATUS_BAD_ARGUMENT, "'%s' has a NUL character", name);
    return option_assign(option, options, text, LAYER_FLAG, name, strings, err);
}

/* {"5": -100} as the list item "5-100". */
static bn_status assign_biases(const struct option *option, struct sampling_options *options, const char *name,
                               const json_t *object, struct arena *strings, bn_error *err) {
    const char *id;
    json_t *bias;
    json_object_foreach((json_t *)object, id, bias) {
        if (!json_is_number(bias))
            return fail(err, BN_STATUS_BAD_ARGUMENT, "'%s': the bias of %s must be a number", name, id);
        char item[100];
        snprintf(item, sizeof item, "%.40s%+.9g", id, json_number_value(bias));
        const char *kept = arena_strndup(strings, item, strlen(item));
        if (!kept) return fail_no_memory(err, sizeof item);
        bn_status status = option_assign(option, options, kept, LAYER_FLAG, name, strings, err);
        if (status) return status;
    }
    return BN_OK;
}

bn_status sampling_options_from_json(struct sampling_options *options, const char *name, const json_t *value,
                                     struct arena *strings, bn_error *err) {
    const struct option *option = option_find(sampling_option_table, name);
    if (!option) option = option_find(length_option_table, name);
    if (!option && (option = option_find(grammar_option_table, name)))
        return json_is_null(value) ? BN_OK : assign_json(option, &options->grammar, name, value, strings, err);
    if (!option) return fail(err, BN_STATUS_BAD_ARGUMENT, "unknown option '%s'", name);
    if (json_is_null(value)) return BN_OK;
    if (option->offset == FIELD(logit_bias) && json_is_object(value))
        return assign_biases(option, options, name, value, strings, err);
    if (option->kind != OPTION_LIST || !json_is_array(value))
        return assign_json(option, options, name, value, strings, err);
    for (size_t i = 0; i < json_array_size(value); i++) {
        bn_status status = assign_json(option, options, name, json_array_get(value, i), strings, err);
        if (status) return status;
    }
    return BN_OK;
}

/* ---- to a request ---- */

bn_status logit_biases_parse(const struct text_list *list, bn_logit_bias **out, bn_error *err) {
    *out = NULL;
    if (!list->n) return BN_OK;
    bn_logit_bias *biases = mem_alloc_array(list->n, sizeof *biases);
    if (!biases) return fail_no_memory(err, list->n * sizeof *biases);
    for (size_t i = 0; i < list->n; i++) {
        const char *text = list->items[i];
        char *sign, *end = NULL;
        long id = strtol(text, &sign, 10);
        float bias = *sign == '+' || *sign == '-' ? strtof(sign, &end) : NAN;
        if (sign == text || id < 0 || id > INT32_MAX || !isfinite(bias) || !end || *end) {
            mem_free(biases);
            return fail(err, BN_STATUS_BAD_ARGUMENT,
                        "--logit-bias: '%s' isn't a token id and a signed number, as in 15043-1", text);
        }
        biases[i] = (bn_logit_bias){(int32_t)id, bias};
    }
    *out = biases;
    return BN_OK;
}

static float given_or(double given, float otherwise) {
    return isnan(given) ? otherwise : (float)given;
}

/* What is neither given nor published: neutral next to published values (they were chosen together), else ours. */
static void fill_defaults(bn_sampling *sampling, const struct sampling_options *options,
                          const bn_generation_defaults *author) {
    bool published = !isnan(author->temperature) || !isnan(author->top_p) || !isnan(author->min_p) ||
                     author->top_k >= 0 || author->do_sample >= 0;
    float temperature = author->do_sample == 0 ? 0 : published ? given_or(author->temperature, 1) : 0.8f;
    sampling->temperature = given_or(options->temperature, temperature);
    sampling->top_p = given_or(options->top_p, given_or(author->top_p, published ? 1 : 0.95f));
    sampling->min_p = given_or(options->min_p, given_or(author->min_p, published ? 0 : 0.05f));
    int64_t top_k = author->top_k >= 0 ? author->top_k : published ? 0 : 40;
    sampling->top_k = (int32_t)(options->top_k >= 0 ? options->top_k : top_k);
    sampling->repetition_penalty = given_or(options->repetition_penalty, given_or(author->repetition_penalty, 1));
}

static void fill_sampling(bn_sampling *sampling, const struct sampling_options *options) {
    sampling->top_n_sigma = options->top_n_sigma > 0 ? (float)options->top_n_sigma : 0;
    sampling->typical_p = (float)options->typical_p;
    sampling->xtc_probability = (float)options->xtc_probability;
    sampling->xtc_threshold = (float)options->xtc_threshold;
    sampling->mirostat = (int32_t)options->mirostat;
    sampling->mirostat_tau = (float)options->mirostat_tau;
    sampling->mirostat_eta = (float)options->mirostat_eta;
    sampling->presence_penalty = (float)options->presence_penalty;
    sampling->frequency_penalty = (float)options->frequency_penalty;
    sampling->penalty_last_n = (int32_t)options->penalty_last_n;
    sampling->dry_multiplier = (float)options->dry_multiplier;
    sampling->dry_base = (float)options->dry_base;
    sampling->dry_allowed_length = (int32_t)options->dry_allowed_length;
    sampling->dry_last_n = (int32_t)options->dry_last_n;
    if (options->dry_breakers.n) {
        sampling->dry_breakers = options->dry_breakers.items;
        sampling->n_dry_breakers = options->dry_breakers.n;
    }
    sampling->n_logit_bias = options->logit_bias.n;
    sampling->order = options->samplers;
    sampling->seed = options->seed < 0 ? random_seed() : (uint64_t)options->seed;
}

bn_status prepared_request_init(struct prepared_request *out, const struct sampling_options *options,
                                const bn_model *model, bn_error *err) {
    *out = (struct prepared_request){.defaults.size = sizeof out->defaults};
    bn_status status = logit_biases_parse(&options->logit_bias, &out->logit_bias, err);
    if (status) return status;
    bn_model_get_generation_defaults(model, &out->defaults);
    bn_request_options *request = &out->options;
    bn_request_options_init(request);
    fill_sampling(&request->sampling, options);
    fill_defaults(&request->sampling, options, &out->defaults);
    request->sampling.logit_bias = out->logit_bias;
    request->max_tokens = options->max_tokens < 0 ? 0 : (size_t)options->max_tokens;
    request->min_tokens = options->min_tokens;
    request->n = options->n;
    request->best_of = options->best_of;
    request->beams = options->beams;
    request->length_penalty = (float)options->length_penalty;
    request->stop = options->stop.items;
    request->n_stop = options->stop.n;
    request->stop_ids = out->defaults.eos;
    request->n_stop_ids = options->ignore_eos ? 0 : out->defaults.n_eos;
    request->ignore_end = options->ignore_eos;
    request->keep_special = options->special;
    request->n_logprobs = (int32_t)options->logprobs;
    status = bn_sampling_check(&request->sampling, err);
    if (!status) status = grammar_options_compile(&options->grammar, false, &out->grammar, err);
    request->grammar = out->grammar;
    if (status) prepared_request_release(out);
    return status;
}

void prepared_request_release(struct prepared_request *request) {
    mem_free(request->logit_bias);
    bn_grammar_release(request->grammar);
    request->logit_bias = NULL;
    request->grammar = NULL;
}

void describe_sampling(const bn_sampling *s, char *out, size_t size) {
    int n = snprintf(out, size, "temperature %g, top-k %d, top-p %g, min-p %g", s->temperature, s->top_k, s->top_p,
                     s->min_p);
    size_t at = n > 0 ? min_size((size_t)n, size) : 0;
    if (s->repetition_penalty != 1)
        at += (size_t)snprintf(out + at, size - at, ", repeat penalty %g", s->repetition_penalty);
    at = min_size(at, size);
    snprintf(out + at, size - at, ", seed %" PRIu64, s->seed);
}
