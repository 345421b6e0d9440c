/* The byte automaton of a grammar: a pushdown automaton, made deterministic while it runs.
 *
 * A state is a set of items. An item is a position in a lexeme and a frame: what is to be read when the lexeme has ended. A
 * frame is a set of pairs "symbol, then that frame"; symbols are what the grammars' own parts define (rules.c,
 * schema_run.c, schema_object.c): runs of words, the first of which says whose they are. When a lexeme may end, the symbols of its frame are
 * expanded to the items that can come next. Items and pairs that agree in their first half are merged, so there are never more
 * than the grammar has lexemes and symbols, however many ways a text has been read (Tomita's graph-structured stack). Everything
 * gets a number when it is first met, transitions are remembered: what was met before costs a look into a table.
 *
 * Every item is alive: some text completes it. So a byte may come if and only if it leads to a state with items, or to the end.
 *
 * An automaton grows as it is used. When it has used its memory it is emptied, and whoever holds numbers of it has to
 * begin again: `epoch` tells. Not thread-safe. */
#ifndef ENGINE_GRAMMAR_AUTOMATON_H
#define ENGINE_GRAMMAR_AUTOMATON_H

#include "engine/grammar/lexeme.h"

struct bn_grammar;
struct token_trie;
struct local_mask;

#define MANY_BYTES     (-1)
#define BYTES_UNKNOWN  (-2)
#define STATE_DEAD     0 /* no items, and not the end */
#define STATE_UNKNOWN  UINT32_MAX
#define DEEPEST_FRAMES 2000
#define DISTANCE_FAR   0x3fffffffu /* no bound is known */

struct lex_state {
    struct lex_position at;
    uint32_t lexeme, label, distance;
    bool over; /* nothing can follow */
    bool stays_known;
    uint64_t stays; /* kinds of characters that lead nowhere else (byte_kinds.h), if it's known */
    int16_t only;   /* the one byte that can follow, escapes aside; MANY_BYTES, or BYTES_UNKNOWN */
    uint32_t *next; /* [256] numbers, STATE_UNKNOWN for not yet; NULL: none yet. 0 is dead */
    struct local_mask *local;
};

struct automaton_state {
    bool ends;         /* the text may end here … */
    bool only_ends;    /* … and can't go on */
    uint32_t *next;    /* [256], as above */
    uint64_t *mask;    /* [mask words of the trie]; NULL: not computed */
    uint32_t distance; /* bytes that complete the text; STATE_UNKNOWN: not computed */
    uint32_t farthest; /* the largest distance that a token leads to; STATE_UNKNOWN: not computed */
};

struct frame {
    uint32_t depth, distance;
};

struct automaton {
    const struct bn_grammar *grammar;
    const struct token_trie *trie; /* NULL: only bytes are read */
    uint32_t epoch;
    struct work work;

    struct interner lexeme_names;
    struct lexeme *lexemes;
    size_t lexemes_capacity;
    struct interner lex_names;
    struct lex_state *lex;
    size_t lex_capacity;
    struct interner symbols; /* the first is the end */
    struct interner frame_names;
    struct frame *frames;
    size_t frames_capacity;
    struct interner state_names; /* words: does it end, then the items' pairs */
    struct automaton_state *states;
    size_t states_capacity;
    uint32_t start;
    struct interner key_names; /* of objects' keys where only some are possible */
    const struct dfa **keys;
    size_t keys_capacity;

    struct interner taken_names; /* see schema_unique.h */
    const struct dfa **left;
    size_t left_capacity;

    /* Set by who reads a text, for each byte. Whether a value that ends with it equals an earlier item of its array (values.h);
     * where a generation is read, the string that ends with it (schema_unique.h). What follows from them isn't remembered. */
    bool repeats;
    struct {
        const char *text; /* with its quotes */
        size_t n;
    } item;

    /* the state being made */
    struct {
        uint32_t *pairs; /* lexeme position, frame */
        size_t n, capacity;
        uint32_t *visited; /* symbol, label, frame */
        size_t n_visited, visited_capacity;
        bool ends;
        uint32_t depth;
    } closure;
};

/* Frees nothing but what it made: grammar and trie belong to others. */
bn_status automaton_create(const struct bn_grammar *grammar, const struct token_trie *trie, struct automaton **out,
                           bn_error *err);
void automaton_destroy(struct automaton *automaton);
/* Empties it when it is full or has failed for that; the start is known again. What comes until the next time may take so many
 * steps and no more, since others wait meanwhile. False: it can't even begin. */
bool automaton_refresh(struct automaton *automaton);

/* STATE_DEAD also when memory ran out: then work_ok() is false. */
uint32_t automaton_next(struct automaton *automaton, uint32_t state, uint8_t byte);
/* The one byte that can follow a state if nothing is spelled by an escape in vain; a negative number: there are others, or the
 * text may end here. */
int automaton_only_byte(struct automaton *automaton, uint32_t state);
uint32_t lex_next(struct automaton *automaton, uint32_t lex, uint8_t byte);
/* The number of a position. */
uint32_t lex_number(struct automaton *automaton, uint32_t lexeme, const struct lex_position *at);
/* Sets `item` for the last byte of a text that is read: a JSON string, if one ends there. */
void automaton_note_item(struct automaton *automaton, const char *text, size_t n);
/* The state in which a lexeme with that label has ended and the frame's symbols are expanded. */
uint32_t automaton_pop(struct automaton *automaton, uint32_t frame, uint32_t label);

/* ---- for the parts of grammars, in their expansions ---- */

uint32_t automaton_symbol(struct automaton *automaton, const uint32_t *words, size_t n);
/* The same lexeme always gets the same number. */
uint32_t automaton_lexeme(struct automaton *automaton, const struct lexeme *lexeme);
uint32_t automaton_text(struct automaton *automaton, const struct dfa *dfa);
uint32_t automaton_push(struct automaton *automaton, uint32_t symbol, uint32_t frame);
/* A lexeme may come, then the frame. */
void automaton_scan(struct automaton *automaton, uint32_t lexeme, uint32_t frame);
/* The symbol may come, then the frame. label: of the lexeme that ended before it. */
void automaton_expand(struct automaton *automaton, uint32_t symbol, uint32_t label, uint32_t frame);
/* The frame may come. */
void automaton_return(struct automaton *automaton, uint32_t frame, uint32_t label);

#endif
