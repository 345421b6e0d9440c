/* Sets of numbers, and the digits that spell them.
 *
 * A set is an interval and conditions "is (not) a multiple of". Spelled in decimal without an exponent, a prefix stands for the
 * numbers that further digits make of it, and whether one of these is in the set is arithmetic on integers: everything is
 * scaled by a power of ten that makes all bounds whole. Prefixes that behave alike share a state, so there are few. */
#ifndef ENGINE_GRAMMAR_NUMBER_H
#define ENGINE_GRAMMAR_NUMBER_H

#include "engine/grammar/work.h"

typedef __int128 wide;

struct decimal {
    wide digits; /* value · 10^scale */
    uint32_t scale;
};
/* A JSON number's text. False: more digits than are computed with (about 30). */
bool decimal_parse(const char *text, size_t n, struct decimal *out);
int decimal_compare(struct decimal a, struct decimal b);

struct number_bound {
    bool given, open; /* open: the bound itself is outside */
    struct decimal value;
};
#define MOST_MULTIPLES 6
struct number_multiple {
    struct decimal of; /* > 0 */
    bool negated;      /* the number must not be a multiple */
};
struct number_set {
    struct number_bound min, max;
    struct number_multiple multiples[MOST_MULTIPLES];
    uint32_t n_multiples;
    bool plain; /* spelled without point and exponent: what an integer is up to draft 4 */
};

/* a ∩ b. False: too many conditions. */
bool number_set_and(struct number_set *a, const struct number_set *b);
bool number_set_add_multiple(struct number_set *set, struct decimal of, bool negated);

/* A set made ready: all of it in units of 10^-scale. */
struct number_automaton {
    uint32_t scale;
    bool bounded[2]; /* has the magnitude an upper bound, for … [0] positive, [1] negative numbers */
    wide low[2], high[2];
    bool low_open[2], high_open[2], none[2];
    bool zero_allowed;
    uint64_t modulus; /* all conditions are about residues of it */
    uint64_t multiples[MOST_MULTIPLES];
    bool negated[MOST_MULTIPLES];
    uint32_t n_multiples;
    bool must_be_whole; /* a multiple is asked for: nothing behind the scaled number but zeros */
    bool no_fraction;   /* whole numbers are spelled without a point */
    bool any_form;      /* exponents are read, too: then whether the number is in the set is known at its end */
    struct number_set set;
    wide power[40]; /* 10^i */
};
/* False: more digits than are computed with. */
bool number_automaton_init(struct number_automaton *out, const struct number_set *set);
/* Does any number belong to it? */
bool number_automaton_inhabited(const struct number_automaton *a);

/* A prefix. */
struct number_prefix {
    uint8_t phase, negative, n_fraction, rest; /* rest: digits other than zero came behind the scaled number */
    union {
        uint64_t residue;
        struct {
            int32_t shift, exponent; /* of any form: value · 10^(shift ± exponent), minus if n_fraction */
        };
    };
    wide value; /* scaled by 10^n_fraction; one that behaves like it */
};
void number_start(struct number_prefix *out);
/* False: no number of the set begins like this. */
bool number_next(const struct number_automaton *a, const struct number_prefix *from, uint8_t byte,
                 struct number_prefix *out);
bool number_accepts(const struct number_automaton *a, const struct number_prefix *prefix);

#endif
