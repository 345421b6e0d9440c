/* Speculative decoding: a step that decodes costs mostly the reading of weights, so it may as well compute a few tokens
 * more that somebody guessed. Row by row the next token is drawn as always; while it equals the guess, the row behind
 * the guess counts too (Leviathan et al., "Fast Inference from Transformers via Speculative Decoding", 2023, with the
 * strictest test). Each draw has its own random number and every row the same bits in any batch, so the output is the
 * one that decoding token by token gives, to the bit and at any temperature.
 *
 * Guesses come from a draft model, or else from the output's grammar, where it says which bytes have to come (the tokens that the
 * tokenizer makes of them, since they may be spelled otherwise), or from the sequence itself: what followed the last
 * occurrence of its last tokens (Saxena, "Prompt Lookup Decoding", 2023). How many are worth their time follows from how often guesses of that kind
 * came true and from what further tokens in a step cost, both measured while it runs.
 *
 * Belongs to the driving thread. */
#ifndef ENGINE_SPECULATION_H
#define ENGINE_SPECULATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bitnet/engine.h"
#include "model/model.h"

#define MAX_DRAFTS (MODEL_SCREEN_MAX - 1) /* with the token before them they are one tile of a screened head */

struct sequence;
struct draft_model;
struct token_trie;

/* Guesses by how many tokens before them matched, those of a draft model, and those of a grammar. */
enum { DRAFT_KINDS = 5, DRAFT_OF_MODEL = 3, DRAFT_OF_GRAMMAR = 4 };

/* A sequence's experience. */
struct draft_record {
    bool begun;
    int kind;                       /* of the guesses in this step */
    double acceptance[DRAFT_KINDS]; /* how often a guess comes true when those before it did */
};

/* What a step that only decodes costs by its number of tokens: decaying sums for a straight line through the
 * measurements. */
struct step_cost {
    double weight, tokens, tokens2, ns, tokens_ns;
};

struct speculation {
    size_t max_drafts; /* per sequence and step; 0: never */
    struct step_cost cost;
    struct draft_model *model; /* NULL: guesses come from the sequences themselves */
    uint64_t drafts, accepted;
};

bn_status speculation_init(bn_engine *engine, const bn_engine_options *options, bn_error *err);
void speculation_release(struct speculation *speculation);

/* Fills in the guesses of every sequence for the coming step. With the engine's lock, which it gives up while a draft
 * model runs. */
void speculation_guess(bn_engine *engine);
/* A step of n_tokens that only decoded took ns. */
void speculation_note_step(struct speculation *speculation, size_t n_tokens, uint64_t ns);
/* n_right of the sequence's guesses came true. */
void speculation_note_result(struct speculation *speculation, struct sequence *s, size_t n_right);

/* Share of a step of n_tokens that one token more would add, by that line, times n_tokens: 1 where time is
 * proportional to tokens, near 0 where tokens are free. */
double step_cost_of_token(const struct step_cost *cost, size_t n_tokens);
/* Tokens for bytes that have to come: at most `max` ids. Bytes that are special tokens are spelled as in token_trie.h. */
size_t forced_drafts(const bn_tokenizer *tokenizer, const struct token_trie *trie, const char *bytes, size_t n,
                     int32_t *drafts, size_t max);
/* What followed the longest (then latest) earlier occurrence of the last tokens: at most `max` ids. *n_matched: how
 * many tokens matched, 0 and no guesses when fewer than 2 do. */
size_t lookup_drafts(const int32_t *tokens, size_t n_tokens, int32_t *drafts, size_t max, size_t *n_matched);

#endif
