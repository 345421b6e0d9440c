/* Beam search: the `width` most likely continuations at once (docs/engine.md has the definition). */
#ifndef ENGINE_BEAM_H
#define ENGINE_BEAM_H

#include "engine/request.h"

struct beam_candidate {
    double score;   /* of the beam with this id added: log-probabilities after bias and penalties */
    double logprob; /* of the id under the model */
    size_t beam;
    int32_t id;
};

/* The best candidates so far, best first; ties in order of beam, then id. */
struct beam_candidates {
    struct beam_candidate *items; /* [width] */
    size_t n;
};

struct beam {
    double score, sum_logprob;
    struct beam_candidates any;  /* of all its continuations */
    struct beam_candidates open; /* of those that don't end it */
};

struct hypothesis {
    double score; /* score / length^length_penalty */
    double sum_logprob;
    int32_t *ids;
    float *logprobs;
    size_t n_ids;
    bool ended; /* by an end id, not by the length */
};

struct beam_search {
    size_t width;
    size_t n_active;                  /* sequences[0 … n_active) of the request are its beams, best first */
    size_t n_ready;                   /* of them have been scored in this round */
    struct beam *beams;               /* [width] */
    struct beam_candidates any, open; /* over all beams */
    struct hypothesis *hypotheses;    /* [width], best first */
    size_t n_hypotheses;
    struct sequence *spare; /* [width] tokens and page tables to build the next beams in */
};

/* From the request's arena, whose sequences exist. NULL: no memory. */
struct beam_search *beam_search_create(bn_request *request);

/* Scores the continuations of one beam from its row of logits, which is changed. scratch: [vocab_size]. Called on any
 * thread; beams of a request don't share what is written. */
void beam_score(const struct sequence *s, float *logits, size_t vocab_size, double *scratch);

/* One more beam of this round has been scored. After the last: ends hypotheses, and either makes the next beams, on
 * shared pages, or returns true: the search is over. */
bool beam_advance(bn_request *request, struct kv_cache *cache);

/* Writes the hypotheses into the request's sequences, best first. n_choices shrinks if there are fewer. */
void beam_conclude(bn_request *request);

#endif
