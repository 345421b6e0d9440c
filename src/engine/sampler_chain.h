/* Inside the sampler: its state, and the stages that its parts contribute to the table in sampler.c. */
#ifndef ENGINE_SAMPLER_CHAIN_H
#define ENGINE_SAMPLER_CHAIN_H

#include "base/error.h"
#include "engine/candidates.h"
#include "engine/sampler.h"

#define MAX_STAGES 16

/* What a stage does decides when it runs. */
enum stage_kind {
    STAGE_PENALTY, /* also when decoding greedily, and for beam search */
    STAGE_SCALE,   /* not when decoding greedily */
    STAGE_FILTER,  /* neither then nor with mirostat, which replaces these */
};

/* What a stage says about a screened head: it changes nothing about what is needed; it's the one that decides, and has
 * said in `need` what it takes; it takes all logits. */
enum screening { SCREENING_GOES_ON, SCREENING_ENDS, SCREENING_FAILS };

struct stage {
    const char *names[4]; /* ours, then further ones that are understood */
    enum stage_kind kind;
    void (*run)(struct sampler *sampler, const struct sampler_input *input); /* does nothing at the neutral value */
    enum screening (*screen)(const struct sampler *sampler, struct screen_need *need); /* NULL: goes on */
};

struct stage_list {
    const struct stage *items[MAX_STAGES];
    size_t n;
};

/* A DRY breaker that the tokenizer writes with several tokens. */
struct breaker_sequence {
    int32_t *ids;
    size_t n;
};

struct dry {
    size_t longest_match;               /* longer ones are counted as this long */
    bool *breaks;                       /* [vocab_size]: the token's text contains a breaker; NULL = none does */
    struct breaker_sequence *sequences; /* [n_sequences] */
    size_t n_sequences;
    uint32_t *matches; /* [longest_match]: the Z array of the current suffix */
};

struct sampler {
    bn_sampling options; /* pointers in it are the sampler's own or NULL */
    uint32_t stream;
    size_t vocab_size;
    struct stage_list stages;
    struct candidates candidates; /* arrays only if not greedy */
    float *forced;                /* [n_logit_bias]: room for the logits of forced ids */
    uint32_t *counts;             /* [vocab_size], all 0 between stages */
    struct dry dry;
    double mirostat_mu;
};

/* Draws of one position; each has a number of its own, so none depends on whether another one happened. */
enum draw { DRAW_TOKEN, DRAW_XTC };
double sampler_random(const struct sampler *sampler, const struct sampler_input *input, enum draw draw);

/* NULL is the default order. */
bn_status stage_list_parse(const char *order, struct stage_list *out, bn_error *err);

/* penalties.c */
void forbid_and_bias(struct sampler *sampler, const struct sampler_input *input);
void stage_penalties(struct sampler *sampler, const struct sampler_input *input);
/* The logit after a subtraction or multiplication, kept finite: a penalty makes a token unlikely, not impossible. */
float finite_logit(double logit);
/* The last last_n tokens of the history (−1 = all). */
void history_window(const struct sampler_input *input, int32_t last_n, size_t *begin, size_t *end);

/* dry.c */
bn_status dry_init(struct dry *dry, const bn_sampling *options, size_t vocab_size, const bn_tokenizer *tokenizer,
                   bn_error *err);
void dry_release(struct dry *dry);
void stage_dry(struct sampler *sampler, const struct sampler_input *input);

/* sampler_filters.c */
void stage_temperature(struct sampler *sampler, const struct sampler_input *input);
void stage_top_n_sigma(struct sampler *sampler, const struct sampler_input *input);
void stage_top_k(struct sampler *sampler, const struct sampler_input *input);
void stage_typical(struct sampler *sampler, const struct sampler_input *input);
void stage_top_p(struct sampler *sampler, const struct sampler_input *input);
void stage_min_p(struct sampler *sampler, const struct sampler_input *input);
void stage_xtc(struct sampler *sampler, const struct sampler_input *input);
enum screening screen_temperature(const struct sampler *sampler, struct screen_need *need);
enum screening screen_top_n_sigma(const struct sampler *sampler, struct screen_need *need);
enum screening screen_top_k(const struct sampler *sampler, struct screen_need *need);
enum screening screen_typical(const struct sampler *sampler, struct screen_need *need);
enum screening screen_top_p(const struct sampler *sampler, struct screen_need *need);
enum screening screen_min_p(const struct sampler *sampler, struct screen_need *need);
enum screening screen_xtc(const struct sampler *sampler, struct screen_need *need);
void mirostat_filter(struct sampler *sampler);
void mirostat_update(struct sampler *sampler, size_t chosen);

#endif
