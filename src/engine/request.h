/* A request: a prompt, options, and the sequences that answer it. */
#ifndef ENGINE_REQUEST_H
#define ENGINE_REQUEST_H

#include <stdatomic.h>

#include "base/arena.h"
#include "engine/healing.h"
#include "engine/sequence.h"

struct beam_search;

/* Bounds of what one request may ask for. */
#define MAX_CHOICES      256
#define MAX_STOP_STRINGS 256
#define MAX_STOP_BYTES   4096
#define MAX_STOP_IDS     4096
#define MAX_LOGPROBS     64

/* What the engine's lock guards is written by the driving thread under it, read by the driving thread without and by
 * others with it. */
struct bn_request {
    bn_engine *engine;
    struct arena arena;         /* all arrays below and those of the sequences */
    bn_request_options options; /* settled: n ≥ 1; beams, best_of 0 or > 1. Stop strings and ids are below */
    struct stop_string *stops;
    int32_t *end_ids; /* ids that end this request */
    size_t n_end_ids;
    size_t n_prompt;               /* without what was taken back … */
    struct healing healing;        /* … to be healed */
    const struct token_trie *trie; /* of the engine; NULL: no grammar */
    size_t capacity;               /* longest a sequence may become; also the reserved length that picks rope factors */
    struct prefix_realm realm;     /* of its pages */
    uint64_t arrival;

    struct sequence *sequences; /* [n_sequences] */
    size_t n_sequences;
    size_t n_done;
    bool begun;                /* something of the prompt has been computed */
    bool forked;               /* the prompt's last row has been sampled for all sequences */
    bool ranked;               /* best_of or beams: choices are sorted at the end, callbacks come then … */
    bool told;                 /* … and came */
    struct beam_search *beams; /* NULL: no beam search */
    size_t *order;             /* [n_choices] choice → sequence */
    size_t n_choices;

    float *prompt_logprobs; /* [n_prompt]; NULL: not asked for */
    bn_logprob *prompt_top; /* [n_prompt, n_logprobs]; NULL: not asked for */
    size_t n_echoed;        /* positions whose successor's log-probability is there */
    float *logits;          /* bn_engine_logits: the caller's rows; NULL: a request that generates */
    bool last_row_only;
    float *embedding; /* bn_engine_embed: where it goes; NULL: something else */
    double *hidden;   /* [hidden_size] the sum so far, in the order of the tokens */
    int64_t turn;     /* in the order of service: when it came, with what its priority and its client add */

    atomic_bool cancelled; /* set by anyone, acted on by the driver */
    atomic_bool paused;    /* likewise */
    atomic_bool finished;  /* release/acquire: set last, after which the driver doesn't touch the request */
    bn_status status;      /* guarded by the engine's lock */
    bn_error error;

    uint64_t submitted_ns, started_ns, first_token_ns, last_token_ns; /* 0: not yet */
    size_t cached_tokens, output_tokens, draft_tokens, draft_tokens_accepted;
};

/* Checks and copies. Fails with BAD_ARGUMENT, CONTEXT_OVERFLOW or NO_MEMORY. */
bn_status request_create(bn_engine *engine, const int32_t *prompt, size_t n_prompt, const bn_request_options *options,
                         bn_request **out, bn_error *err);
bn_status request_create_logits(bn_engine *engine, const int32_t *ids, size_t n_ids, bool last_only, float *logits,
                                bn_request **out, bn_error *err);
bn_status request_create_embedding(bn_engine *engine, const int32_t *ids, size_t n_ids, bn_pooling pooling, float *out,
                                   bn_request **request, bn_error *err);
void request_destroy(bn_request *request);

/* Is it to stand still? One that was cancelled isn't: it ends. */
static inline bool request_is_paused(const bn_request *request) {
    return atomic_load(&request->paused) && !atomic_load(&request->cancelled);
}

/* Is this an id that ends the request? */
bool request_is_end(const bn_request *request, int32_t id);
/* Will the row of logits of this position be needed? */
bool request_wants_row(const bn_request *request, const struct sequence *s, size_t position);
/* Does what follows the first n_history tokens still have to spell what was taken back from the prompt? */
bool request_heals(const bn_request *request, const struct sequence *s, size_t n_history, size_t *n_spelled);
/* Are the draws of this step complete? They are when the last one ends the generation, failed, or isn't what was
 * guessed: what lies behind it counts for nothing. */
bool request_draws_end(const struct sequence *s);
/* Whether log-probabilities of drawn tokens are needed. */
static inline bool request_wants_logprobs(const bn_request *r) {
    return r->options.n_logprobs >= 0 || r->ranked;
}

/* What the sampler needs to know besides the logits, to draw what follows the first n_history tokens. */
struct sampler_input request_sampler_input(const bn_request *request, const struct sequence *s, size_t n_history,
                                           float *logits);

/* Adds to it what the request's grammar allows there, if there is one. */
bn_status request_allow(const bn_request *request, struct sequence *s, size_t n_history, struct sampler_input *input,
                        bn_error *err);
/* Is the output complete by the grammar, so that nothing can follow? */
bool request_is_complete(const bn_request *request, struct sequence *s);

/* Sorts the sequences of a finished best_of request by mean log-probability, ties by index. */
void request_rank(bn_request *request);

#endif
