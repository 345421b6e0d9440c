/* One run of tokens that the model continues: the choice of a request, or one beam. It knows its tokens, how many of
 * them have keys and values in pages, and which pages these are. */
#ifndef ENGINE_SEQUENCE_H
#define ENGINE_SEQUENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bitnet/engine.h"
#include "engine/draft_model.h"
#include "engine/grammar/matcher.h"
#include "engine/output_text.h"
#include "engine/prefix_tree.h"
#include "engine/sampler.h"
#include "engine/speculation.h"

enum sequence_state {
    SEQUENCE_IDLE,    /* takes no part yet: another sequence of its request runs the prompt for it, or a dead beam */
    SEQUENCE_WAITING, /* for room; has no pages */
    SEQUENCE_RUNNING,
    SEQUENCE_DONE
};

/* A token drawn in the step that is in progress; written by the thread that works on its row. */
struct draw {
    int32_t id;
    float logprob;
    bn_logprob *top; /* [n_logprobs] */
    bn_status status;
    bn_error error;
};

struct sequence {
    struct bn_request *request;
    size_t index; /* in the request; numbers the random stream */
    enum sequence_state state;

    int32_t *tokens; /* [request->capacity] prompt and output */
    size_t n_tokens;
    size_t n_computed;      /* of these have keys and values in pages; the rest is pending */
    size_t n_planned;       /* of the pending ones and the guesses behind them are in this step's batch */
    size_t n_drafts;        /* guesses in tokens[n_tokens …], computed along in this step */
    struct kv_page **pages; /* [pages of capacity] */
    uint8_t **page_data;    /* their data, as the forward pass wants them */
    size_t n_pages;
    size_t gap_end; /* pages before it may have been given back by sequence_drop_unseen: NULL in both tables */
    bool fresh;     /* admitted, nothing computed yet */
    bool deferred;  /* a prompt that takes no part in this step: another one computes what it needs */

    struct sampler *sampler; /* NULL: bn_engine_logits */
    struct matcher *matcher; /* NULL: the output is free */
    struct draw *draws; /* of this step: what follows the tokens, then what follows each guess that came true … */
    size_t n_draws;     /* … so many … */
    struct draw *draw;  /* … of which this is the one being booked or told */
    struct draft_record drafting;
    struct draft_pages draft_pages;
    uint32_t screen_pause;  /* tokens to choose from all logits before the screen is tried again … */
    uint32_t screen_pauses; /* … and how many it will be when it fails then */
    float *logprobs;        /* [output capacity]; NULL: not asked for */
    double sum_logprob;
    struct output_text text;
    char *snapshot; /* text given out by bn_request_choice while the sequence ran */
    bn_finish finish;
    bool touched;          /* is in the engine's list of touched sequences … */
    struct sequence *next; /* … with this one behind it */
    bool has_news;         /* a token the callback hasn't seen */
    bool told_finish;      /* the callback has had the last event */
    size_t n_told;         /* bytes of text it has had */
};

static inline size_t sequence_pending(const struct sequence *s) {
    return s->n_tokens - s->n_computed;
}
static inline size_t pages_for(size_t n_tokens) {
    return (n_tokens + KV_PAGE_TOKENS - 1) / KV_PAGE_TOKENS;
}

/* Gives back all pages, after telling the tree (NULL: none) what they hold. */
void sequence_drop_pages(struct sequence *s, struct kv_cache *cache, struct prefix_tree *tree);
/* Tells the tree about the whole pages computed so far. */
void sequence_share_pages(struct sequence *s, struct prefix_tree *tree);
/* Gives back the pages that no later token sees when each sees the first n_sinks and the last `window` positions. Not for
 * sequences whose pages the tree knows. */
void sequence_drop_unseen(struct sequence *s, struct kv_cache *cache, size_t n_sinks, size_t window);
/* Makes the page of `position` writable: takes a new one, or copies a shared one. False: no page is available. */
bool sequence_secure_page(struct sequence *s, struct kv_cache *cache, size_t position);
/* `to` (without pages) goes on from what `from` has computed, on the same pages. */
void sequence_fork_pages(struct sequence *to, const struct sequence *from, struct kv_cache *cache);

/* Takes whole pages that the tree knows for the first tokens, at most `limit` of them. *tail is what
 * sequence_copy_tail needs, to be called or dropped with sequence_drop_tail before anything else happens. */
void sequence_attach_prefix(struct sequence *s, struct prefix_tree *tree, size_t limit, struct prefix_match *match);
void sequence_copy_tail(struct sequence *s, struct kv_cache *cache, struct prefix_match *match);
void sequence_drop_tail(struct kv_cache *cache, struct prefix_match *match);

#endif
