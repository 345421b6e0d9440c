/* Lexemes: the regular pieces that grammars are made of, read byte by byte.
 *
 * A lexeme is a language with a spelling: plain text (UTF-8), a JSON string with its quotes and escapes, a decimal number, a
 * special token. Where reading has come to is a handful of words; whoever reads gives them numbers (automaton.c).
 * All positions are alive: some bytes lead from there to the lexeme's end. */
#ifndef ENGINE_GRAMMAR_LEXEME_H
#define ENGINE_GRAMMAR_LEXEME_H

#include "engine/grammar/dfa.h"
#include "engine/grammar/number.h"

enum lexeme_kind { LEXEME_TEXT, LEXEME_STRING, LEXEME_NUMBER, LEXEME_BYTES };

struct lexeme {
    enum lexeme_kind kind;
    const struct dfa *dfa;                 /* TEXT, STRING: not empty */
    uint32_t min, max;                     /* STRING: characters; min is 0 unless dfa->everything */
    const struct number_automaton *number; /* NUMBER */
    const char *bytes;                     /* BYTES: a special token, see token_trie.h */
    uint32_t n_bytes;
};

#define LEX_WORDS 8
struct lex_position {
    uint32_t words[LEX_WORDS];
    uint32_t n;
};

void lexeme_start(const struct lexeme *lexeme, struct lex_position *out);
/* False: nothing begins like this. */
bool lexeme_next(const struct lexeme *lexeme, const struct lex_position *from, uint8_t byte, struct lex_position *out);
/* What has been read if the lexeme may end here, 0 otherwise. */
uint32_t lexeme_label(const struct lexeme *lexeme, const struct lex_position *at);
/* Has it ended, so that no byte can follow? */
bool lexeme_is_over(const struct lexeme *lexeme, const struct lex_position *at);
/* Bytes that end it: an upper bound. Not for numbers. */
uint32_t lexeme_distance(const struct lexeme *lexeme, const struct lex_position *at);

/* Of a JSON string: characters that were begun, as far as they are counted. */
uint32_t lexeme_characters(const struct lexeme *lexeme, const struct lex_position *at);
/* Inside of a string that isn't counted any more, or has room enough for `longest` characters: its state; else DFA_DEAD. */
uint32_t lexeme_string_state(const struct lexeme *lexeme, const struct lex_position *at, uint32_t longest);
/* Inside of a string, where its next character or its end may come. */
bool lexeme_in_string(const struct lexeme *lexeme, const struct lex_position *at);
/* Inside of a string that may hold anything. *room: characters that may come, *missing: that must. */
bool lexeme_in_free_string(const struct lexeme *lexeme, const struct lex_position *at, uint32_t *room,
                           uint32_t *missing);
/* A position from which the same tokens lead on, as none is longer than so many characters. False: none but itself. */
bool lexeme_twin(const struct lexeme *lexeme, const struct lex_position *at, uint32_t longest,
                 struct lex_position *out);
/* The position inside of a string from which anything may come, so that most tokens lead to the same from there and from
 * others. False: there is none. */
bool lexeme_free_position(const struct lexeme *lexeme, struct lex_position *out);

#endif
