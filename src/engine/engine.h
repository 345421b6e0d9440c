/* The engine's inside: what all its files share. */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include <pthread.h>

#include "engine/grammar/token_trie.h"
#include "engine/kv_cache.h"
#include "engine/prefix_tree.h"
#include "engine/request.h"
#include "engine/speculation.h"
#include "kernels/kernels.h"
#include "model/model.h"

/* A sequence's part in the batch of a step. */
struct plan_item {
    struct sequence *sequence;
    size_t n_rows;    /* rows of logits it gets … */
    size_t first_row; /* … from here on, in the order of the forward pass */
    float *logits;    /* where they are, once computed */
    bool drawn;       /* by the screened head: needs none of them */
};

/* The batch of one step. Built under the lock, then read without it by the driving thread and its workers. */
struct plan {
    struct plan_item *items; /* [batch_tokens] */
    struct batch_sequence *sequences;
    size_t n_items;
    int32_t *tokens; /* [batch_tokens] */
    uint8_t *want_logits;
    size_t n_tokens;
    size_t n_rows;
    size_t *rows;                           /* [batch_tokens] of which all logits are computed */
    uint64_t screened, rescored, fallbacks; /* see bn_engine_stats */
    float *logits; /* where the rows go: engine->logits, or straight into the caller's buffer */
};

struct bn_engine {
    /* Fixed at creation. */
    bn_model *model;
    const bn_tokenizer *tokenizer; /* NULL: the model has none */
    const struct kernels *kernels;
    struct thread_pool *pool;
    size_t n_threads, vocab_size, context_length, max_sequences, batch_tokens;
    enum kv_type kv_type;
    size_t attention_sinks, attention_window; /* a window: pages that no token will see are given back */
    size_t most_pages;                        /* that one sequence has at once */
    bool use_prefixes;
    int32_t *end_ids; /* of the model: the tokenizer's and the published defaults' */
    size_t n_end_ids;
    struct step_timer timer; /* set while no step runs; off unless something is measured */

    /* Of the driving thread; nobody else touches these. */
    struct workspace *workspace;
    float *logits; /* [max_rows, vocab_size] */
    size_t max_rows;
    double *scratch; /* [n_threads, vocab_size]: a row per working thread, as doubles or floats */
    struct plan plan;
    struct screen *screen;                   /* NULL: the head isn't screened */
    struct speculation speculation;          /* its counts are guarded by lock */
    struct sequence *touched, *last_touched; /* sequences of this step with news or an end to tell, linked by next */

    /* Guarded by lock. */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a request finished, or a step ended that someone waits for */
    bool driving;           /* a thread is in a step: it alone changes sequences and pages */
    size_t n_step_waiters;
    struct sequence **live; /* in order of service: priority, arrival, index; done ones until the step's end */
    size_t n_live, live_capacity;
    size_t n_requests;
    uint64_t arrivals;
    struct kv_cache cache;
    struct prefix_tree prefixes;
    bn_token_bytes *token_bytes;   /* for healing; NULL until a request asks for it, then it stays */
    struct token_trie *token_trie; /* for grammars, likewise */
    uint64_t token_ns;             /* what a token costs in steps with prompts, of late; 0: not known yet */
    uint64_t drives;               /* how often a thread has driven, cancellations included */
    uint64_t steps, prompt_tokens, output_tokens, cached_tokens;
    uint64_t head_screened, head_rescored, head_fallbacks;
};

static inline struct prefix_tree *engine_prefixes(bn_engine *engine) {
    return engine->use_prefixes ? &engine->prefixes : NULL;
}

/* The bytes of the tokenizer's tokens: made when they are first asked for, which any thread may without the lock. */
bn_status engine_token_bytes(bn_engine *engine, const bn_token_bytes **out, bn_error *err);

/* The same as a trie, for grammars. */
bn_status engine_token_trie(bn_engine *engine, const struct token_trie **out, bn_error *err);

/* Does this id end a generation by the model's own word? */
static inline bool engine_is_end(const bn_engine *engine, int32_t id) {
    for (size_t i = 0; i < engine->n_end_ids; i++) {
        if (engine->end_ids[i] == id) return true;
    }
    return false;
}

/* ---- scheduler.c: under the lock ---- */

/* Chooses what the next step computes; the plan is empty when there is nothing to do. */
void scheduler_plan(bn_engine *engine);
/* What a step with chunks of prompts took. */
void scheduler_note_step(bn_engine *engine, uint64_t elapsed_ns);
/* May one more sequence run? */
bool scheduler_has_slot(const bn_engine *engine);
/* Puts a request's sequences into the order of service; there is room for them. */
void scheduler_enqueue(bn_engine *engine, bn_request *request);
/* Those of paused requests give up their pages and wait. False: there are no others. */
bool scheduler_suspend_paused(bn_engine *engine);
/* Takes sequences that are done out of it. */
void scheduler_remove_done(bn_engine *engine);

/* ---- step.c: by the driving thread, which holds the lock on entry and exit ---- */

/* Ends requests that were cancelled or, if there are none, runs one step. False when there was nothing to do, or all is
 * paused.
 * *finished: some request became finished. */
bool engine_run_step(bn_engine *engine, bool *finished);

/* ---- outcome.c: under the lock, by the driving thread ---- */

/* Appends the token of s->draw to the sequence, with its text, and ends the sequence if that ends it. */
void sequence_append(bn_engine *engine, struct sequence *s);
void sequence_finish(bn_engine *engine, struct sequence *s, bn_finish finish);
/* Ends a beam search with its hypotheses as the request's choices. */
void beams_finish(bn_engine *engine, bn_request *request);
/* Ends all sequences of a request that aren't done: cancelled, or failed with `error`. */
void request_abort(bn_engine *engine, bn_request *request, bn_finish finish, const bn_error *error);
/* Calls the callbacks for what was touched. Releases the lock meanwhile. */
void outcome_deliver(bn_engine *engine);
/* Marks requests whose sequences are all done as finished; true if there were any. The list of touched sequences is
 * empty afterwards. */
bool outcome_settle(bn_engine *engine);

#endif
