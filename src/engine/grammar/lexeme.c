/* See lexeme.h. Positions:
 *   TEXT    state, partial character
 *   STRING  phase, state, characters, value (a partial character or escape); at its end the label in place of the state
 *   NUMBER  a number_prefix
 *   BYTES   how many */
#include "engine/grammar/lexeme.h"

#include <string.h>

/* ---- UTF-8: a partial character is its bits so far, bytes to come, and bytes in all ---- */

#define PARTIAL(bits, left, size) ((uint32_t)(bits) | (uint32_t)(left) << 24 | (uint32_t)(size) << 28)

/* The code points it may become; false: none. */
static bool partial_range(uint32_t partial, uint32_t *first, uint32_t *last) {
    uint32_t bits = partial & 0xffffff, left = partial >> 24 & 15, size = partial >> 28;
    uint32_t least = size == 2 ? 0x80 : size == 3 ? 0x800 : 0x10000;
    *first = bits << 6 * left;
    *last = ((bits + 1) << 6 * left) - 1;
    if (*first < least) *first = least;
    if (*last > LAST_CODE_POINT) *last = LAST_CODE_POINT;
    return *first <= *last;
}

/* One byte more. False: not UTF-8. *complete: *partial is a code point now. */
static bool add_byte(uint32_t *partial, uint8_t byte, bool *complete) {
    *complete = false;
    if (*partial == 0) {
        *complete = byte < 0x80;
        *partial = byte < 0x80                    ? byte
                   : byte >= 0xc2 && byte <= 0xdf ? PARTIAL(byte & 0x1f, 1, 2)
                   : byte >= 0xe0 && byte <= 0xef ? PARTIAL(byte & 0x0f, 2, 3)
                                                  : PARTIAL(byte & 0x07, 3, 4);
        return byte < 0x80 || (byte >= 0xc2 && byte <= 0xf4);
    }
    uint32_t left = (*partial >> 24 & 15) - 1, first, last;
    if ((byte & 0xc0) != 0x80) return false;
    *partial = PARTIAL((*partial & 0xffffff) << 6 | (byte & 0x3f), left, *partial >> 28);
    if (!partial_range(*partial, &first, &last)) return false;
    *complete = left == 0;
    if (*complete) *partial = first;
    return true;
}

/* Does an edge of the state meet these code points, so that at most `room` characters behind it can be the last? */
static bool meets(const struct dfa *dfa, uint32_t state, uint32_t first, uint32_t last, uint32_t room) {
    const struct dfa_state *s = &dfa->states[state];
    for (uint32_t e = 0; e < s->n_edges; e++) {
        const struct dfa_edge *edge = &dfa->edges[s->first_edge + e];
        if (edge->first > last) return false;
        if (edge->last >= first && dfa->states[edge->to].length <= room) return true;
    }
    return false;
}

static bool meets_partial(const struct dfa *dfa, uint32_t state, uint32_t partial, uint32_t room) {
    uint32_t first, last;
    return partial_range(partial, &first, &last) && meets(dfa, state, first, last, room);
}

/* ---- text ---- */

static bool text_next(const struct lexeme *lexeme, const uint32_t *from, uint8_t byte, uint32_t *to) {
    bool complete;
    uint32_t partial = from[1];
    if (!add_byte(&partial, byte, &complete)) return false;
    if (complete) {
        to[0] = dfa_next(lexeme->dfa, from[0], partial);
        to[1] = 0;
        return to[0] != DFA_DEAD;
    }
    to[0] = from[0];
    to[1] = partial;
    return meets_partial(lexeme->dfa, from[0], partial, UINT32_MAX);
}

/* ---- JSON strings (RFC 8259, section 7); halves of surrogate pairs alone are refused ---- */

enum string_phase {
    STRING_OPEN,
    STRING_CONTENT,
    STRING_ESCAPE,
    STRING_HEX,       /* \u and up to three digits: value, with a one in front */
    STRING_LOW_SLASH, /* a high surrogate has been read */
    STRING_LOW_U,
    STRING_LOW_HEX, /* high surrogate's bits << 17, then as for HEX */
    STRING_PARTIAL,
    STRING_CLOSED,
};
enum { PHASE, STATE, COUNT, VALUE };

static bool has_room(const struct lexeme *lexeme, const uint32_t *at) {
    return lexeme->max == UINT32_MAX || at[COUNT] < lexeme->max;
}
/* Characters that may come behind the next one. */
static uint32_t room_behind(const struct lexeme *lexeme, const uint32_t *at) {
    return lexeme->max == UINT32_MAX ? UINT32_MAX : lexeme->max - at[COUNT] - 1;
}
static bool string_meets(const struct lexeme *lexeme, const uint32_t *at, uint32_t first, uint32_t last) {
    return meets(lexeme->dfa, at[STATE], first, last, room_behind(lexeme, at));
}

static bool string_character(const struct lexeme *lexeme, uint32_t *at, uint32_t code_point) {
    if (!has_room(lexeme, at)) return false;
    uint32_t room = room_behind(lexeme, at);
    at[PHASE] = STRING_CONTENT;
    at[STATE] = dfa_next(lexeme->dfa, at[STATE], code_point);
    at[VALUE] = 0;
    if (lexeme->max != UINT32_MAX || at[COUNT] < lexeme->min) at[COUNT]++;
    return at[STATE] != DFA_DEAD && lexeme->dfa->states[at[STATE]].length <= room;
}

static bool string_content(const struct lexeme *lexeme, uint32_t *at, uint8_t byte) {
    if (byte == '"') {
        uint32_t label = lexeme->dfa->states[at[STATE]].label;
        if (!label || at[COUNT] < lexeme->min) return false;
        at[PHASE] = STRING_CLOSED;
        at[STATE] = label;
        at[COUNT] = at[VALUE] = 0;
        return true;
    }
    if (byte < 0x20 || !has_room(lexeme, at)) return false;
    if (byte == '\\') {
        at[PHASE] = STRING_ESCAPE;
        return string_meets(lexeme, at, 0, LAST_CODE_POINT);
    }
    bool complete;
    if (!add_byte(&at[VALUE], byte, &complete)) return false;
    if (complete) return string_character(lexeme, at, at[VALUE]);
    at[PHASE] = STRING_PARTIAL;
    return meets_partial(lexeme->dfa, at[STATE], at[VALUE], room_behind(lexeme, at));
}

static bool string_escape(const struct lexeme *lexeme, uint32_t *at, uint8_t byte) {
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    if (byte == 'u') {
        at[PHASE] = STRING_HEX;
        at[VALUE] = 1;
        return true;
    }
    const char *letter = byte ? strchr(letters, byte) : NULL;
    return letter && string_character(lexeme, at, (uint8_t)meanings[letter - letters]);
}

static int hex_value(uint8_t byte) {
    return byte >= '0' && byte <= '9'   ? byte - '0'
           : byte >= 'a' && byte <= 'f' ? byte - 'a' + 10
           : byte >= 'A' && byte <= 'F' ? byte - 'A' + 10
                                        : -1;
}

/* `digits`: what was read, with a one in front; the range of four digits it may become. */
static void hex_range(uint32_t digits, uint32_t *first, uint32_t *last) {
    uint32_t left = digits < 0x10 ? 4 : digits < 0x100 ? 3 : digits < 0x1000 ? 2 : digits < 0x10000 ? 1 : 0;
    left = digits == 1 ? 4 : left;
    *first = ((digits << 4 * left) & 0xffff);
    *last = *first + (1u << 4 * left) - 1;
}

static bool string_hex(const struct lexeme *lexeme, uint32_t *at, uint8_t byte) {
    int digit = hex_value(byte);
    uint32_t first, last;
    if (digit < 0) return false;
    at[VALUE] = at[VALUE] << 4 | (uint32_t)digit;
    hex_range(at[VALUE], &first, &last);
    if (at[VALUE] >> 16) {
        if (first < 0xd800 || first > 0xdfff) return string_character(lexeme, at, first);
        if (first > 0xdbff) return false;
        at[PHASE] = STRING_LOW_SLASH;
        at[VALUE] = first - 0xd800;
        return string_meets(lexeme, at, 0x10000 + (at[VALUE] << 10), 0x10000 + (at[VALUE] << 10) + 0x3ff);
    }
    /* high surrogates stand for what is beyond the basic plane */
    uint32_t high_first = first < 0xd800 ? 0xd800 : first, high_last = last > 0xdbff ? 0xdbff : last;
    return string_meets(lexeme, at, first, last) ||
           (high_first <= high_last && string_meets(lexeme, at, 0x10000 + ((high_first - 0xd800) << 10),
                                                    0x10000 + ((high_last - 0xd800) << 10) + 0x3ff));
}

static bool string_low(const struct lexeme *lexeme, uint32_t *at, uint8_t byte) {
    if (at[PHASE] == STRING_LOW_SLASH) {
        at[PHASE] = STRING_LOW_U;
        return byte == '\\';
    }
    if (at[PHASE] == STRING_LOW_U) {
        at[PHASE] = STRING_LOW_HEX;
        at[VALUE] = at[VALUE] << 17 | 1;
        return byte == 'u';
    }
    int digit = hex_value(byte);
    if (digit < 0) return false;
    uint32_t high = at[VALUE] >> 17, low = (at[VALUE] & 0x1ffff) << 4 | (uint32_t)digit, first, last;
    hex_range(low, &first, &last);
    if (first < 0xdc00) first = 0xdc00;
    if (last > 0xdfff) last = 0xdfff;
    if (first > last) return false;
    uint32_t base = 0x10000 + (high << 10);
    if (low >> 16) return string_character(lexeme, at, base + (first - 0xdc00));
    at[VALUE] = high << 17 | low;
    return string_meets(lexeme, at, base + (first - 0xdc00), base + (last - 0xdc00));
}

static bool string_next(const struct lexeme *lexeme, uint32_t *at, uint8_t byte) {
    bool complete;
    switch (at[PHASE]) {
    case STRING_OPEN:
        at[PHASE] = STRING_CONTENT;
        return byte == '"';
    case STRING_CONTENT:
        return string_content(lexeme, at, byte);
    case STRING_ESCAPE:
        return string_escape(lexeme, at, byte);
    case STRING_HEX:
        return string_hex(lexeme, at, byte);
    case STRING_LOW_SLASH:
    case STRING_LOW_U:
    case STRING_LOW_HEX:
        return string_low(lexeme, at, byte);
    case STRING_PARTIAL:
        if (!add_byte(&at[VALUE], byte, &complete)) return false;
        if (complete) return string_character(lexeme, at, at[VALUE]);
        return meets_partial(lexeme->dfa, at[STATE], at[VALUE], room_behind(lexeme, at));
    default:
        return false;
    }
}

uint32_t lexeme_characters(const struct lexeme *lexeme, const struct lex_position *at) {
    (void)lexeme;
    return at->words[COUNT] + (at->words[PHASE] != STRING_CONTENT);
}

bool lexeme_in_string(const struct lexeme *lexeme, const struct lex_position *at) {
    return lexeme->kind == LEXEME_STRING && at->words[PHASE] == STRING_CONTENT;
}

uint32_t lexeme_string_state(const struct lexeme *lexeme, const struct lex_position *at, uint32_t longest) {
    bool has_room = lexeme->max == UINT32_MAX || lexeme->max - at->words[COUNT] >= longest + lexeme->dfa->longest;
    return lexeme_in_string(lexeme, at) && has_room ? at->words[STATE] : DFA_DEAD;
}

bool lexeme_in_free_string(const struct lexeme *lexeme, const struct lex_position *at, uint32_t *room,
                           uint32_t *missing) {
    if (!lexeme_in_string(lexeme, at) || at->words[STATE] != lexeme->dfa->free_state) return false;
    *room = lexeme->max == UINT32_MAX ? UINT32_MAX : lexeme->max - at->words[COUNT];
    *missing = lexeme->min > at->words[COUNT] ? lexeme->min - at->words[COUNT] : 0;
    return true;
}

bool lexeme_twin(const struct lexeme *lexeme, const struct lex_position *at, uint32_t longest,
                 struct lex_position *out) {
    if (lexeme->kind != LEXEME_STRING || lexeme->max == UINT32_MAX || at->words[PHASE] == STRING_CLOSED) return false;
    uint32_t needed = longest + lexeme->dfa->longest + 1, count = at->words[COUNT];
    if (count == lexeme->min || count < lexeme->min || lexeme->max - count < needed) return false;
    *out = *at;
    out->words[COUNT] = lexeme->min;
    return true;
}

bool lexeme_free_position(const struct lexeme *lexeme, struct lex_position *out) {
    if (lexeme->kind != LEXEME_STRING || lexeme->dfa->free_state == DFA_DEAD || lexeme->max != UINT32_MAX ||
        lexeme->min)
        return false;
    lexeme_start(lexeme, out);
    out->words[PHASE] = STRING_CONTENT;
    out->words[STATE] = lexeme->dfa->free_state;
    return true;
}

/* ---- all kinds ---- */

void lexeme_start(const struct lexeme *lexeme, struct lex_position *out) {
    memset(out, 0, sizeof *out);
    switch (lexeme->kind) {
    case LEXEME_TEXT:
        out->n = 2;
        break;
    case LEXEME_STRING:
        out->n = 4;
        break;
    case LEXEME_NUMBER:
        out->n = LEX_WORDS;
        break;
    case LEXEME_BYTES:
        out->n = 1;
        break;
    }
}

_Static_assert(sizeof(uint32_t[LEX_WORDS]) >= 4 + sizeof(uint64_t) + sizeof(wide), "a prefix fits");

static void load_prefix(const uint32_t *words, struct number_prefix *p) {
    memset(p, 0, sizeof *p);
    memcpy(&p->phase, words, 4);
    memcpy(&p->residue, words + 1, sizeof p->residue);
    memcpy(&p->value, words + 3, sizeof p->value);
}
static void store_prefix(uint32_t *words, const struct number_prefix *p) {
    memcpy(words, &p->phase, 4);
    memcpy(words + 1, &p->residue, sizeof p->residue);
    memcpy(words + 3, &p->value, sizeof p->value);
}

bool lexeme_next(const struct lexeme *lexeme, const struct lex_position *from, uint8_t byte, struct lex_position *out) {
    *out = *from;
    struct number_prefix prefix, next;
    switch (lexeme->kind) {
    case LEXEME_TEXT:
        return text_next(lexeme, from->words, byte, out->words);
    case LEXEME_STRING:
        return string_next(lexeme, out->words, byte);
    case LEXEME_NUMBER:
        load_prefix(from->words, &prefix);
        if (!number_next(lexeme->number, &prefix, byte, &next)) return false;
        store_prefix(out->words, &next);
        return true;
    case LEXEME_BYTES:
        out->words[0]++;
        return from->words[0] < lexeme->n_bytes && (uint8_t)lexeme->bytes[from->words[0]] == byte;
    }
    return false;
}

uint32_t lexeme_label(const struct lexeme *lexeme, const struct lex_position *at) {
    struct number_prefix prefix;
    switch (lexeme->kind) {
    case LEXEME_TEXT:
        return at->words[1] ? 0 : lexeme->dfa->states[at->words[0]].label;
    case LEXEME_STRING:
        return at->words[PHASE] == STRING_CLOSED ? at->words[STATE] : 0;
    case LEXEME_NUMBER:
        load_prefix(at->words, &prefix);
        return number_accepts(lexeme->number, &prefix);
    case LEXEME_BYTES:
        return at->words[0] == lexeme->n_bytes;
    }
    return 0;
}

bool lexeme_is_over(const struct lexeme *lexeme, const struct lex_position *at) {
    switch (lexeme->kind) {
    case LEXEME_TEXT:
        return !at->words[1] && lexeme->dfa->states[at->words[0]].n_edges == 0;
    case LEXEME_STRING:
        return at->words[PHASE] == STRING_CLOSED;
    case LEXEME_BYTES:
        return at->words[0] == lexeme->n_bytes;
    case LEXEME_NUMBER:
        break;
    }
    return false;
}

uint32_t lexeme_distance(const struct lexeme *lexeme, const struct lex_position *at) {
    const uint32_t *words = at->words;
    uint32_t missing, room;
    switch (lexeme->kind) {
    case LEXEME_TEXT:
        return lexeme->dfa->states[words[0]].distance + (words[1] ? 4 : 0);
    case LEXEME_BYTES:
        return 1;
    case LEXEME_NUMBER:
        return 0;
    case LEXEME_STRING:
        if (words[PHASE] == STRING_CLOSED) return 0;
        missing = lexeme->min > words[COUNT] ? lexeme->min - words[COUNT] : 0;
        room = lexeme->max == UINT32_MAX ? UINT32_MAX : lexeme->max - words[COUNT];
        return dfa_distance(&lexeme->dfa->states[words[STATE]], room) + missing + 1 + (words[PHASE] == STRING_OPEN) +
               (words[PHASE] > STRING_CONTENT ? 12 : 0); /* the rest of an escape or character */
    }
    return 0;
}
