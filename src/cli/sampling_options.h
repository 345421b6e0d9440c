/* How a completion is generated: the options of `generate`, `run` and, as members of its lines, `batch`. */
#ifndef CLI_SAMPLING_OPTIONS_H
#define CLI_SAMPLING_OPTIONS_H

#include "base/json.h"
#include "bitnet/bitnet.h"
#include "cli/grammar_options.h"
#include "cli/options.h"

/* NAN and -1 stand for "not given" where the model's author may have published a value. */
struct sampling_options {
    double temperature, top_p, min_p, repetition_penalty, top_n_sigma;
    int64_t top_k;
    double typical_p, xtc_probability, xtc_threshold, mirostat_tau, mirostat_eta;
    double presence_penalty, frequency_penalty, dry_multiplier, dry_base;
    int64_t mirostat, penalty_last_n, dry_allowed_length, dry_last_n;
    struct text_list dry_breakers, logit_bias;
    const char *samplers;
    int64_t seed; /* -1: random */
    /* the length and number of answers */
    int64_t max_tokens; /* -1: until the context ends */
    size_t min_tokens, n, best_of, beams;
    double length_penalty;
    struct text_list stop;
    bool ignore_eos, special;
    int64_t logprobs; /* -1: none */
    struct grammar_options grammar;
};

extern const struct option sampling_option_table[], length_option_table[];
void sampling_options_defaults(struct sampling_options *options);

/* Sets one option from a member of a JSON object, by its name with '_' or '-': "top_k": 40, "stop": ["a", "b"],
 * "logit_bias": {"5": -100}. An unknown name or value is BN_STATUS_BAD_ARGUMENT. */
bn_status sampling_options_from_json(struct sampling_options *options, const char *name, const json_t *value,
                                     struct arena *strings, bn_error *err);

/* The items of --logit-bias; *out is NULL for none, else mem_free'd. */
bn_status logit_biases_parse(const struct text_list *list, bn_logit_bias **out, bn_error *err);

/* A request made of options; what it points at is in here. Not to be moved: `options` points into it. */
struct prepared_request {
    bn_request_options options;
    bn_logit_bias *logit_bias;
    bn_grammar *grammar;
    bn_generation_defaults defaults;
};
/* Fills in what wasn't given: the author's values, else ours (temperature 0.8, top-k 40, top-p 0.95, min-p 0.05), a
 * random seed. The options must outlive `out`; release with prepared_request_release. */
bn_status prepared_request_init(struct prepared_request *out, const struct sampling_options *options,
                                const bn_model *model, bn_error *err);
void prepared_request_release(struct prepared_request *request);
/* "temperature 0.8, top-k 40, …, seed 7" for --verbose. */
void describe_sampling(const bn_sampling *sampling, char *out, size_t size);

/* 32 bits from the system: enough to differ, short enough to type again. */
uint64_t random_seed(void);

#endif
