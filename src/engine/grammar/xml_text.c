/* See xml_text.h. */
#include "engine/grammar/xml_text.h"

#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"

/* What isn't written as itself. The first four everywhere, the others in attributes. */
static const struct {
    uint32_t code_point;
    const char *text;
} references[] = {{'&', "&amp;"},  {'<', "&lt;"},  {'>', "&gt;"},  {'\r', "&#13;"},
                  {'"', "&quot;"}, {'\t', "&#9;"}, {'\n', "&#10;"}};
enum { N_REFERENCES = sizeof references / sizeof *references, N_IN_CONTENT = 4 };

/* Code points that stand for themselves, or else for a reference (XML 1.0, production 2). */
static const struct {
    uint32_t first, last;
} characters[] = {{9, 10}, {13, 13}, {32, 0xd7ff}, {0xe000, 0xfffd}, {0x10000, LAST_CODE_POINT}};

struct spelling {
    struct work *work;
    const struct dfa *texts;
    size_t n_references;
};

/* Words of a state: that of the texts, characters of a reference that were read, and the first reference that begins with them. */
enum { AT, READ, OF, N_WORDS };

/* Where the i-th reference leads if it may come: the state behind it, or DFA_DEAD. */
static uint32_t behind(const struct spelling *s, size_t i, uint32_t state) {
    return dfa_next(s->texts, state, references[i].code_point);
}

static void expand_reference(const struct spelling *s, const uint32_t *words, struct exploration *to) {
    const char *begun = references[words[OF]].text;
    uint32_t n = words[READ];
    for (uint32_t c = '#'; c <= 'z'; c++) { /* what references are made of, in order */
        uint32_t next[N_WORDS] = {DFA_DEAD};
        for (size_t i = 0; i < s->n_references && next[AT] == DFA_DEAD; i++) {
            const char *text = references[i].text;
            if (strncmp(text, begun, n) != 0 || (uint8_t)text[n] != c || behind(s, i, words[AT]) == DFA_DEAD) continue;
            next[AT] = text[n + 1] ? words[AT] : behind(s, i, words[AT]);
            next[READ] = text[n + 1] ? n + 1 : 0;
            next[OF] = text[n + 1] ? (uint32_t)i : 0;
        }
        if (next[AT] != DFA_DEAD) explore_edge(to, c, c, next, N_WORDS);
    }
}

/* A part of an edge, without what isn't written as itself. */
static void expand_plain(const struct spelling *s, uint32_t first, uint32_t last, uint32_t state,
                         struct exploration *to) {
    const uint32_t next[N_WORDS] = {state};
    while (first <= last) {
        uint32_t end = last, skip = 0;
        for (size_t i = 0; i < s->n_references; i++) {
            uint32_t c = references[i].code_point;
            if (c >= first && c <= end) {
                end = c; /* the nearest */
                skip = 1;
            }
        }
        if (end - skip + 1 > first) explore_edge(to, first, end - skip, next, N_WORDS);
        first = end + 1;
    }
}

static void expand_spelling(void *context, const uint32_t *words, size_t n, struct exploration *to) {
    const struct spelling *s = context;
    const struct dfa_state *state = &s->texts->states[words[AT]];
    uint32_t ampersand[N_WORDS] = {words[AT], 1, 0};
    bool any = false;
    (void)n;
    if (words[READ]) {
        expand_reference(s, words, to);
        return;
    }
    if (state->label) explore_accept(to, state->label);
    for (size_t i = 0; i < s->n_references; i++) any |= behind(s, i, words[AT]) != DFA_DEAD;
    /* edges come in order: what lies before the ampersand, it, and the rest */
    for (int round = 0; round < 2; round++) {
        uint32_t from = round ? '&' : 0, to_last = round ? LAST_CODE_POINT : '&' - 1;
        if (round && any) explore_edge(to, '&', '&', ampersand, N_WORDS);
        for (uint32_t e = 0; e < state->n_edges && work_spend(s->work, 1); e++) {
            const struct dfa_edge *edge = &s->texts->edges[state->first_edge + e];
            for (size_t c = 0; c < sizeof characters / sizeof *characters; c++) {
                uint32_t first = edge->first, last = edge->last;
                if (first < characters[c].first) first = characters[c].first;
                if (last > characters[c].last) last = characters[c].last;
                if (first < from) first = from;
                if (last > to_last) last = to_last;
                if (first <= last) expand_plain(s, first, last, edge->to, to);
            }
        }
    }
}

const struct dfa *xml_spelled(struct work *work, const struct dfa *texts, enum xml_place place) {
    const uint32_t start[N_WORDS] = {0};
    struct spelling spelling = {work, texts, place == XML_CONTENT ? N_IN_CONTENT : N_REFERENCES};
    if (!texts || texts->n_states == 0) return texts;
    return dfa_explore(work, start, N_WORDS, expand_spelling, &spelling);
}

/* ---- names ---- */

static const struct {
    uint32_t first, last;
    bool starts;
} name_characters[] = {
    {'-', '.', false},      {'0', '9', false},       {'A', 'Z', true},       {'_', '_', true},
    {'a', 'z', true},       {0xb7, 0xb7, false},     {0xc0, 0xd6, true},     {0xd8, 0xf6, true},
    {0xf8, 0x2ff, true},    {0x300, 0x36f, false},   {0x370, 0x37d, true},   {0x37f, 0x1fff, true},
    {0x200c, 0x200d, true}, {0x203f, 0x2040, false}, {0x2070, 0x218f, true}, {0x2c00, 0x2fef, true},
    {0x3001, 0xd7ff, true}, {0xf900, 0xfdcf, true},  {0xfdf0, 0xfffd, true}, {0x10000, 0xeffff, true},
};

bool xml_is_name(const char *text, size_t n) {
    for (size_t i = 0; i < n;) {
        uint32_t c;
        int length = utf8_decode(text + i, n - i, &c);
        bool known = false;
        for (size_t k = 0; k < sizeof name_characters / sizeof *name_characters && length > 0; k++)
            known |=
                c >= name_characters[k].first && c <= name_characters[k].last && (i > 0 || name_characters[k].starts);
        if (!known) return false;
        i += (size_t)length;
    }
    return n > 0;
}

const char *xml_quoted(struct work *work, const char *text) {
    char *out = work_alloc(work, 6 * strlen(text) + 1, 1), *to = out;
    for (; out && *text; text++) {
        const char *reference = NULL;
        for (size_t i = 0; i < N_REFERENCES; i++)
            if ((uint8_t)*text == references[i].code_point) reference = references[i].text;
        if (!reference && (uint8_t)*text < 32) return NULL;
        if (reference) {
            strcpy(to, reference);
            to += strlen(reference);
        } else {
            *to++ = *text;
        }
    }
    return out;
}
