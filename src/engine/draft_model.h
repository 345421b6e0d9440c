/* A small model that guesses for a large one with the same vocabulary: greedily, with keys and values of its own, which
 * follow the sequences' tokens and are cut back to what came true. Belongs to the driving thread. */
#ifndef ENGINE_DRAFT_MODEL_H
#define ENGINE_DRAFT_MODEL_H

#include "bitnet/engine.h"

struct draft_model;
struct sequence;

/* The draft model's keys and values of one sequence. */
struct draft_pages {
    struct kv_page **pages; /* [pages of capacity]; NULL: the engine has no draft model */
    uint8_t **data;
    size_t n;
    size_t n_computed; /* tokens whose keys and values are in them */
};

/* model must outlive the engine, whose kernels, pool and sizes are settled. BN_STATUS_BAD_ARGUMENT when the vocabularies differ. */
bn_status draft_model_create(bn_engine *engine, bn_model *model, struct draft_model **out, bn_error *err);
void draft_model_destroy(struct draft_model *draft);
/* Writes s->n_drafts guesses behind the tokens of every sequence that has n_drafts set, fewer (and n_drafts less) where the draft
 * model's context or memory ends. Called with the engine's lock, which it gives up meanwhile. */
void draft_model_guess(struct draft_model *draft, bn_engine *engine);
/* Nanoseconds that a guess has taken of late; 0: not known yet. */
double draft_model_guess_ns(const struct draft_model *draft);
/* The sequence needs its draft pages no longer. */
void draft_model_drop(struct draft_model *draft, struct sequence *s);

#endif
