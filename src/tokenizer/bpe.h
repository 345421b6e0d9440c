/* Byte-pair encoding: a word begins as single symbols, and the neighbours with the best rank are joined until none
 * can be.
 *
 * Three families differ only in how a pair is ranked:
 *   BPE_MERGES   a list of merges (GPT-2, tokenizer.json): rank = place in the list;
 *   BPE_RANKS    joined text in the vocabulary (tiktoken): rank = id;
 *   BPE_SCORES   joined text in the vocabulary (SentencePiece): the highest score.
 * Ties go to the leftmost pair. Short words are scanned for the best pair; long ones use a heap, so that time is
 * O(n log n) whatever the text is. */
#ifndef TOKENIZER_BPE_H
#define TOKENIZER_BPE_H

#include <stdatomic.h>

#include "tokenizer/merge_table.h"
#include "tokenizer/pair_cache.h"
#include "tokenizer/token_list.h"
#include "tokenizer/trie.h"
#include "tokenizer/vocabulary.h"

enum bpe_ranking { BPE_MERGES, BPE_RANKS, BPE_SCORES };

enum { BPE_AFFIX_MAX = 64, BPE_JOINS_SPACE = 0xff };

/* How a token comes up: the merge that makes it. */
struct bpe_origin {
    int32_t rank; /* -1: a character, or a token that never comes up */
    int32_t left, right;
    uint32_t size; /* characters (or bytes) it is made of; 0: it never comes up */
};

/* A space as " ", "▁", or "Ġ" where a normalizer has turned bytes into letters. */
enum bpe_space { BPE_SPACE, BPE_SPACE_ESCAPED, BPE_SPACE_LETTER };

struct bpe {
    const struct vocabulary *vocabulary;
    enum bpe_ranking ranking;
    struct merge_table merges; /* BPE_MERGES */
    int32_t last_joined;       /* while merges are added: what the last one became */
    /* Vocabularies of byte strings: texts as bytes, not in GPT-2's alphabet, so that words needn't be rewritten. */
    bool byte_level;
    struct token_map by_bytes;
    struct text_pool bytes; /* the texts of by_bytes */
    int32_t byte_ids[256];  /* of single bytes, -1 for none */
    size_t longest_token;   /* bytes; longer pairs aren't looked up */
    /* Bit last · 256 + first: a pair whose left ends with byte `last` and whose right begins with `first` may be
     * joinable. Where it isn't set, a text without words (Llama 2, sentencepiece) falls into parts that are merged on
     * their own. BPE_JOINS_SPACE, which no character begins with, stands for "▁". */
    uint8_t joins[8192];
    const float *scores;             /* BPE_SCORES: [vocabulary size] */
    const struct trie *user_symbols; /* BPE_SCORES: cut out first and never joined */

    /* By id, where merges cross the borders of words: a text is encoded word by word all the same, and words whose
     * tokens don't stay apart are encoded as one. NULL: no need, or not possible. */
    struct bpe_origin *origins;
    size_t n_origins;
    struct pair_cache pairs; /* of those whose tokens are joined */
    enum bpe_space space;    /* what spaces are in the text that is merged */
    bool spaces_lead;        /* words begin with their spaces; else they end with them */

    int32_t unknown_id; /* -1 for none: unknown characters are dropped */
    bool fuse_unknown, byte_fallback, ignore_merges;
    int32_t byte_fallback_ids[256];
    const char *prefix, *suffix; /* continuing_subword_prefix, end_of_word_suffix; NULL for none */
    size_t prefix_size, suffix_size;
    /* Per id: does its own text encode to it alone? Found out once and remembered; any thread may write the same
     * answer. */
    atomic_uchar *whole;
};

struct bpe_symbol;
struct bpe_candidate;
struct bpe_scratch {
    struct bpe_symbol *symbols;
    size_t symbol_capacity;
    struct bpe_candidate *heap;
    size_t heap_n, heap_capacity;
};

/* vocabulary is complete; the other fields as wanted, then this builds what is derived. */
bn_status bpe_finish(struct bpe *bpe, bn_error *err);
/* The same where the tables are there already, from a compiled file. */
bn_status bpe_reopen(struct bpe *bpe, bn_error *err);
/* Room for n merges. */
bn_status bpe_reserve_merges(struct bpe *bpe, size_t n, bn_error *err);
/* A merge as it is spelled in the vocabulary. */
struct bpe_merge_text {
    const char *left, *right;
    size_t left_size, right_size;
};
/* Adds n merges, at most BPE_MERGE_BATCH, of ranks from `rank`. Several at once are faster. */
enum { BPE_MERGE_BATCH = 32 };
bn_status bpe_add_merges(struct bpe *bpe, const struct bpe_merge_text *texts, size_t n, size_t rank, bn_error *err);
void bpe_release(struct bpe *bpe);
void bpe_scratch_release(struct bpe_scratch *scratch);
/* Does a text encode to the same ids whether it is cut before "▁" or not, wherever bpe_next_cut cuts? */
bool bpe_cuts_at_spaces(const struct bpe *bpe);
/* Where the next "▁" after text[at] that nothing joins to what is before it stands; n if there is none. */
size_t bpe_next_cut(const struct bpe *bpe, const char *text, size_t n, size_t at);
/* bpe_finish's part for merges that cross words: origins, or none. */
bn_status bpe_find_origins(struct bpe *bpe, bn_error *err);
/* Where there are origins. Appends what the texts of two tokens in a row encode to, each of which encodes to its token
 * alone: these two, if they stay apart. The places of the tokens aren't told. */
void bpe_join(const struct bpe *bpe, int32_t left, int32_t right, struct bpe_scratch *scratch, struct token_list *out);
/* Says that two tokens will be joined soon. */
static inline void bpe_prefetch_join(const struct bpe *bpe, int32_t left, int32_t right) {
    __builtin_prefetch(&bpe->origins[(size_t)left < bpe->n_origins ? left : 0]);
    __builtin_prefetch(&bpe->origins[(size_t)right < bpe->n_origins ? right : 0]);
}
/* Merges n ≥ 1 symbols, ids, and appends what they become, without places. BPE_MERGES only. */
void bpe_merge_symbols(const struct bpe *bpe, const int32_t *symbols, size_t n, struct bpe_scratch *scratch,
                       struct token_list *out);
/* Where the next word after text[at] begins; n if none does. */
size_t bpe_next_word(const struct bpe *bpe, const char *text, size_t n, size_t at);
/* Appends the tokens of one word; begin and end are bytes of the word. */
void bpe_encode(const struct bpe *bpe, const char *word, size_t size, struct bpe_scratch *scratch,
                struct token_list *out);

#endif
