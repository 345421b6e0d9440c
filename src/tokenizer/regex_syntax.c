/* From Oniguruma's Ruby syntax, or that of Rust's regex and fancy-regex, to PCRE2's.
 *
 * Most of a pattern is the same in all three. What isn't:
 *   sets           nest and intersect ([a-z&&[^aeiou]]): each becomes an expression that matches one character
 *   \s \w \h \b    stand for other characters than in PCRE2
 *   \p{…}          is of a newer Unicode than PCRE2's: the characters it lacks are written out; scripts are meant
 *                  without their extensions
 *   {n,m}+ {n}?    Ruby repeats what was repeated, PCRE2 takes them as possessive and lazy
 *   (?m)           Ruby's dot takes line breaks, which is (?s)
 *   \uXXXX \v \Q   characters, no operators */
#include "tokenizer/regex_syntax.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "tokenizer/unicode.h"

enum { MAX_NESTING = 250 };

struct translation {
    const char *pattern;
    size_t size, at;
    enum regex_syntax syntax;
    struct buffer *out;
    size_t atom; /* where in out the last atom begins: what a quantifier repeats */
    size_t groups[MAX_NESTING];
    size_t n_groups;
};

static bool peek(const struct translation *t, const char *what) {
    size_t n = strlen(what);
    return t->size - t->at >= n && memcmp(t->pattern + t->at, what, n) == 0;
}

static bool take(struct translation *t, const char *what) {
    if (!peek(t, what)) return false;
    t->at += strlen(what);
    return true;
}

static int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static void put_character(struct buffer *out, uint32_t c) {
    char text[16];
    snprintf(text, sizeof text, "\\x{%x}", (unsigned)c);
    buffer_append_text(out, text);
}

/* ---- classes: what stands inside brackets ---- */

static const char space_class[] = "\\t-\\r\\x{85}\\p{Z}";
static const char hex_class[] = "0-9a-fA-F";
/* Letters and marks, with the letters among symbols: circled and squared ones. */
#define WORD_LETTERS                                                                                                   \
    "\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\\x{24b6}-\\x{24e9}\\x{1f130}-\\x{1f149}\\x{1f150}-\\x{1f169}\\x{1f170}-"        \
    "\\x{1f189}"

static void put_range(void *context, uint32_t first, uint32_t last) {
    put_character(context, first);
    if (first == last) return;
    buffer_append_char(context, '-');
    put_character(context, last);
}

struct newer_context {
    struct buffer *out;
    const char *category;
};

static void put_newer_range(void *context, uint32_t first, uint32_t last, const char *category) {
    const struct newer_context *wanted = context;
    bool letters_of_case = strcmp(wanted->category, "LC") == 0 && strchr("ult", category[1]) && category[0] == 'L';
    if (strncmp(category, wanted->category, strlen(wanted->category)) != 0 && !letters_of_case) return;
    put_range(wanted->out, first, last);
}

/* \p{category} with the characters that PCRE2 doesn't know yet. */
static void put_category(struct buffer *out, const char *category) {
    buffer_append_text(out, strcmp(category, "LC") == 0 ? "\\p{L&}" : "\\p{");
    if (strcmp(category, "LC") != 0) {
        buffer_append_text(out, category);
        buffer_append_char(out, '}');
    }
    unicode_newer_categories(put_newer_range, &(struct newer_context){out, category});
}

/* What else \w takes: Oniguruma's the numbers of Latin-1, but not in brackets; Rust's the joiners. */
static const char *word_extras(enum regex_syntax syntax, bool in_brackets) {
    if (syntax == REGEX_RUST) return "\\x{200c}\\x{200d}";
    return in_brackets ? "" : "\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}";
}

static void put_word(struct buffer *out, const char *extras) {
    static const char *const newer[] = {"L", "M", "Nd", "Nl", "Pc"};
    buffer_append_text(out, WORD_LETTERS);
    buffer_append_text(out, extras);
    for (size_t i = 0; i < sizeof newer / sizeof *newer; i++)
        unicode_newer_categories(put_newer_range, &(struct newer_context){out, newer[i]});
}

/* \s \w \d \h and their opposites; false for another letter. */
static bool put_letter_class(struct buffer *out, char letter, const char *extras, bool *negated) {
    *negated = letter >= 'A' && letter <= 'Z';
    switch (letter | 0x20) {
    case 's':
        buffer_append_text(out, space_class);
        return true;
    case 'w':
        put_word(out, extras);
        return true;
    case 'd':
        put_category(out, "Nd");
        return true;
    case 'h':
        buffer_append_text(out, hex_class);
        return true;
    default:
        return false;
    }
}

/* A property that is yes or no, by PCRE2's name, with the characters that PCRE2 doesn't know yet. */
static void put_binary(struct buffer *out, const char *name) {
    buffer_append_text(out, "\\p{");
    buffer_append_text(out, name);
    buffer_append_char(out, '}');
    unicode_newer_property(name, put_range, out);
}

/* POSIX brackets in Unicode's terms. */
static bool put_posix_class(struct buffer *out, const char *name, const char *extras) {
    static const struct {
        const char *name, *text, *categories[8]; /* categories with the characters that PCRE2 doesn't know yet */
    } classes[] = {
        {"digit", "", {"Nd"}},
        {"cntrl", "\\p{Cc}", {NULL}},
        {"blank", "\\p{Zs}\\t", {NULL}},
        {"space", space_class, {NULL}},
        {"xdigit", hex_class, {NULL}},
        {"ascii", "\\x{0}-\\x{7f}", {NULL}},
        {"punct", "", {"P", "S"}}, /* symbols too */
        {"graph", "", {"L", "M", "N", "P", "S", "Cf", "Co"}},
        {"print", "", {"L", "M", "N", "P", "S", "Cf", "Co", "Zs"}},
    };
    static const char *const properties[][2] = {
        {"alpha", "alphabetic"}, {"alnum", "alphabetic"}, {"upper", "uppercase"}, {"lower", "lowercase"}};
    for (size_t i = 0; i < sizeof properties / sizeof *properties; i++)
        if (strcmp(name, properties[i][0]) == 0) {
            put_binary(out, properties[i][1]);
            if (strcmp(name, "alnum") == 0) put_category(out, "Nd");
            return true;
        }
    if (strcmp(name, "word") == 0) {
        put_word(out, extras);
        return true;
    }
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (strcmp(name, classes[i].name) == 0) {
            buffer_append_text(out, classes[i].text);
            for (size_t k = 0; k < 8 && classes[i].categories[k]; k++) put_category(out, classes[i].categories[k]);
            return true;
        }
    return false;
}

/* ---- properties ---- */

static const char *const categories[][2] = {
    {"l", "L"},
    {"letter", "L"},
    {"lc", "LC"},
    {"casedletter", "LC"},
    {"lu", "Lu"},
    {"uppercaseletter", "Lu"},
    {"ll", "Ll"},
    {"lowercaseletter", "Ll"},
    {"lt", "Lt"},
    {"titlecaseletter", "Lt"},
    {"lm", "Lm"},
    {"modifierletter", "Lm"},
    {"lo", "Lo"},
    {"otherletter", "Lo"},
    {"m", "M"},
    {"mark", "M"},
    {"combiningmark", "M"},
    {"mn", "Mn"},
    {"nonspacingmark", "Mn"},
    {"mc", "Mc"},
    {"spacingmark", "Mc"},
    {"me", "Me"},
    {"enclosingmark", "Me"},
    {"n", "N"},
    {"number", "N"},
    {"nd", "Nd"},
    {"decimalnumber", "Nd"},
    {"nl", "Nl"},
    {"letternumber", "Nl"},
    {"no", "No"},
    {"othernumber", "No"},
    {"p", "P"},
    {"punctuation", "P"},
    {"pc", "Pc"},
    {"connectorpunctuation", "Pc"},
    {"pd", "Pd"},
    {"dashpunctuation", "Pd"},
    {"ps", "Ps"},
    {"openpunctuation", "Ps"},
    {"pe", "Pe"},
    {"closepunctuation", "Pe"},
    {"pi", "Pi"},
    {"initialpunctuation", "Pi"},
    {"pf", "Pf"},
    {"finalpunctuation", "Pf"},
    {"po", "Po"},
    {"otherpunctuation", "Po"},
    {"s", "S"},
    {"symbol", "S"},
    {"sm", "Sm"},
    {"mathsymbol", "Sm"},
    {"sc", "Sc"},
    {"currencysymbol", "Sc"},
    {"sk", "Sk"},
    {"modifiersymbol", "Sk"},
    {"so", "So"},
    {"othersymbol", "So"},
    {"z", "Z"},
    {"separator", "Z"},
    {"zs", "Zs"},
    {"spaceseparator", "Zs"},
    {"zl", "Zl"},
    {"lineseparator", "Zl"},
    {"zp", "Zp"},
    {"paragraphseparator", "Zp"},
    {"cc", "Cc"},
    {"control", "Cc"},
    {"cf", "Cf"},
    {"format", "Cf"},
    {"co", "Co"},
    {"privateuse", "Co"},
    {"cs", "Cs"},
    {"surrogate", "Cs"},
};

/* Properties that PCRE2 knows by the same name and that are no script. */
static const char *const binary_properties[] = {
    "alphabetic",
    "uppercase",
    "lowercase",
    "whitespace",
    "emoji",
    "emojipresentation",
    "emojimodifier",
    "emojimodifierbase",
    "emojicomponent",
    "extendedpictographic",
    "math",
    "dash",
    "hexdigit",
    "asciihexdigit",
    "ideographic",
    "unifiedideograph",
    "diacritic",
    "extender",
    "quotationmark",
    "terminalpunctuation",
    "sentenceterminal",
    "cased",
    "caseignorable",
    "idstart",
    "idcontinue",
    "xidstart",
    "xidcontinue",
    "joincontrol",
    "variationselector",
    "regionalindicator",
    "graphemebase",
    "graphemeextend",
    "patternwhitespace",
    "patternsyntax",
    "defaultignorablecodepoint",
    "softdotted",
};

static void put_script(struct buffer *out, const char *name) {
    buffer_append_text(out, "\\p{sc:");
    buffer_append_text(out, name);
    buffer_append_char(out, '}');
    unicode_newer_property(name, put_range, out);
}

/* What newer versions of Unicode take characters away from, told by what it isn't. */
static bool put_opposite(struct buffer *out, const char *name) {
    static const char *const opposites[][5] = {
        {"c"},
        {"other"},
        {"cn", "Cc", "Cf", "Co", "Cs"},
        {"unassigned", "Cc", "Cf", "Co", "Cs"},
        {"unknown", "Cc", "Cf"}, /* the script */
        {"zzzz", "Cc", "Cf"},
    };
    static const char *const visible[] = {"L", "M", "N", "P", "S", "Z"};
    for (size_t i = 0; i < sizeof opposites / sizeof *opposites; i++) {
        if (strcmp(name, opposites[i][0]) != 0) continue;
        for (size_t k = 0; k < sizeof visible / sizeof *visible; k++) put_category(out, visible[k]);
        for (size_t k = 1; k < 5 && opposites[i][k]; k++) put_category(out, opposites[i][k]);
        return true;
    }
    return false;
}

static void put_property(struct buffer *out, const char *name, const char *extras, bool *negated) {
    if (strcmp(name, "assigned") == 0 && put_opposite(out, "cn")) return;
    if (put_opposite(out, name)) {
        *negated = !*negated;
        return;
    }
    for (size_t i = 0; i < sizeof categories / sizeof *categories; i++)
        if (strcmp(name, categories[i][0]) == 0) {
            put_category(out, categories[i][1]);
            return;
        }
    if (strcmp(name, "any") == 0) {
        buffer_append_text(out, "\\x{0}-\\x{10ffff}");
        return;
    }
    if (put_posix_class(out, name, extras)) return;
    for (size_t i = 0; i < sizeof binary_properties / sizeof *binary_properties; i++)
        if (strcmp(name, binary_properties[i]) == 0) {
            put_binary(out, name);
            return;
        }
    put_script(out, name);
}

enum { PROPERTY_NAME = 64 };

/* {name}, {^name} or a single letter behind \p; names in lower case without blanks, hyphens and underscores. */
static void read_property(struct translation *t, struct buffer *out, bool in_brackets, bool *negated) {
    char name[PROPERTY_NAME] = "";
    size_t n = 0;
    if (!take(t, "{")) {
        if (t->at < t->size) name[n++] = (char)(t->pattern[t->at++] | 0x20);
    } else {
        if (take(t, "^")) *negated = !*negated;
        while (t->at < t->size && t->pattern[t->at] != '}' && n + 1 < sizeof name) {
            char c = t->pattern[t->at++];
            if (c == ' ' || c == '_' || c == '-') continue;
            if (c == '=' || c == ':') { /* script=…, general_category=… */
                n = 0;
                continue;
            }
            name[n++] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
        }
        take(t, "}");
    }
    name[n] = '\0';
    put_property(out, name, word_extras(t->syntax, in_brackets), negated);
}

/* ---- single characters ---- */

static uint32_t read_hex(struct translation *t, size_t most) {
    uint32_t value = 0;
    for (size_t i = 0; i < most && t->at < t->size && hex_value(t->pattern[t->at]) >= 0; i++)
        value = value * 16 + (uint32_t)hex_value(t->pattern[t->at++]);
    return value;
}

static uint32_t read_braced_hex(struct translation *t, size_t digits) {
    if (!take(t, "{")) return read_hex(t, digits);
    uint32_t value = read_hex(t, 6);
    take(t, "}");
    return value;
}

/* The character of an escape whose letter has been read. */
static uint32_t read_escaped(struct translation *t, uint32_t letter) {
    static const char named[][2] = {{'n', '\n'}, {'t', '\t'}, {'r', '\r'}, {'f', '\f'},
                                    {'v', '\v'}, {'a', '\a'}, {'e', 27}};
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        if (letter == (uint32_t)named[i][0]) return (uint32_t)named[i][1];
    if (letter == 'x') return read_braced_hex(t, 2);
    if (letter == 'u') return read_braced_hex(t, 4);
    if (letter == 'U' && t->syntax == REGEX_RUST) return read_braced_hex(t, 8);
    return letter;
}

static uint32_t read_code_point(struct translation *t) {
    uint32_t c;
    t->at += unicode_next(t->pattern + t->at, t->size - t->at, &c);
    return c;
}

/* ---- sets ---- */

/* One operand of && : characters that fit into brackets, and expressions that don't. */
struct operand {
    struct buffer plain, others;
};

static void operand_clear(struct operand *operand) {
    buffer_clear(&operand->plain);
    buffer_clear(&operand->others);
}

static void add_other(struct operand *operand, const char *before, const struct buffer *text, const char *after) {
    if (operand->others.size) buffer_append_char(&operand->others, '|');
    buffer_append_text(&operand->others, before);
    buffer_append(&operand->others, text->data ? text->data : "", text->size);
    buffer_append_text(&operand->others, after);
}

static void add_class(struct operand *operand, const struct buffer *class, bool negated) {
    if (negated)
        add_other(operand, "[^", class, "]");
    else
        buffer_append(&operand->plain, class->data ? class->data : "", class->size);
}

static void put_operand(const struct operand *operand, struct buffer *out) {
    const struct buffer *plain = &operand->plain, *others = &operand->others;
    if (plain->size == 0 && others->size == 0) {
        buffer_append_text(out, "(?!)"); /* nothing */
        return;
    }
    if (others->size) buffer_append_text(out, "(?:");
    if (plain->size) {
        buffer_append_char(out, '[');
        buffer_append(out, plain->data, plain->size);
        buffer_append_char(out, ']');
    }
    if (others->size) {
        if (plain->size) buffer_append_char(out, '|');
        buffer_append(out, others->data, others->size);
        buffer_append_char(out, ')');
    }
}

static void translate_set(struct translation *t, struct buffer *out, unsigned depth);

static bool read_posix(struct translation *t, struct operand *operand) {
    const char *close = memmem(t->pattern + t->at, t->size - t->at, ":]", 2);
    char name[16];
    size_t begin = t->at + 2;
    bool negated = begin < t->size && t->pattern[begin] == '^';
    begin += negated;
    if (!close || (size_t)(close - t->pattern) < begin || (size_t)(close - t->pattern) - begin >= sizeof name)
        return false;
    size_t n = (size_t)(close - t->pattern) - begin;
    memcpy(name, t->pattern + begin, n);
    name[n] = '\0';
    struct buffer class;
    buffer_init(&class);
    bool known = put_posix_class(&class, name, word_extras(t->syntax, true));
    if (known) {
        add_class(operand, &class, negated);
        t->at = (size_t)(close - t->pattern) + 2;
    }
    operand->plain.failed |= class.failed;
    buffer_release(&class);
    return known;
}

/* A class in a set, behind the backslash; false, with nothing read, for the escape of a character. */
static bool read_set_class(struct translation *t, struct operand *operand) {
    struct buffer class;
    bool negated;
    char letter = t->pattern[t->at];
    buffer_init(&class);
    bool is_class = letter == 'p' || letter == 'P';
    if (is_class) {
        t->at++;
        negated = letter == 'P';
        read_property(t, &class, true, &negated);
    } else if (put_letter_class(&class, letter, word_extras(t->syntax, true), &negated)) {
        is_class = true;
        t->at++;
    }
    if (is_class) add_class(operand, &class, negated);
    operand->plain.failed |= class.failed;
    buffer_release(&class);
    return is_class;
}

static uint32_t read_set_character(struct translation *t) {
    uint32_t c = read_code_point(t);
    if (c != '\\' || t->at >= t->size) return c;
    c = read_code_point(t);
    return c == 'b' ? 8 : read_escaped(t, c);
}

/* A character, or a range of them. */
static void read_set_range(struct translation *t, struct operand *operand) {
    uint32_t first = read_set_character(t);
    put_character(&operand->plain, first);
    bool range = t->size - t->at >= 2 && t->pattern[t->at] == '-' && t->pattern[t->at + 1] != ']';
    if (!range) return;
    t->at++;
    buffer_append_char(&operand->plain, '-');
    put_character(&operand->plain, read_set_character(t));
}

static void read_set_item(struct translation *t, struct operand *operand, unsigned depth) {
    if (peek(t, "[:") && read_posix(t, operand)) return;
    if (take(t, "[")) {
        struct buffer nested;
        buffer_init(&nested);
        translate_set(t, &nested, depth + 1);
        add_other(operand, "", &nested, "");
        if (operand->others.size > REGEX_TRANSLATED_MAX) t->at = t->size;
        operand->plain.failed |= nested.failed;
        buffer_release(&nested);
        return;
    }
    if (t->size - t->at >= 2 && t->pattern[t->at] == '\\') {
        t->at++;
        if (read_set_class(t, operand)) return;
        t->at--;
    }
    read_set_range(t, operand);
}

/* Behind the opening bracket: an expression for one character of the set. */
static void translate_set(struct translation *t, struct buffer *out, unsigned depth) {
    struct operand operand;
    struct buffer set;
    buffer_init(&operand.plain);
    buffer_init(&operand.others);
    buffer_init(&set);
    bool negated = take(t, "^"), first = true, intersects = false;
    while (depth < MAX_NESTING && t->at < t->size && operand.plain.size <= REGEX_TRANSLATED_MAX &&
           (first || !peek(t, "]"))) {
        first = false;
        if (take(t, "&&")) { /* what comes next has to hold as well */
            intersects = true;
            buffer_append_text(&set, "(?=");
            put_operand(&operand, &set);
            buffer_append_char(&set, ')');
            operand_clear(&operand);
        } else {
            read_set_item(t, &operand, depth);
        }
    }
    bool closed = take(t, "]");
    if (!closed) {
        buffer_append_char(out, '['); /* PCRE2 says what is wrong */
    } else if (negated && !intersects && operand.others.size == 0) {
        buffer_append_text(out, "[^");
        buffer_append(out, operand.plain.data ? operand.plain.data : "", operand.plain.size);
        buffer_append_char(out, ']');
    } else {
        put_operand(&operand, &set);
        buffer_append_text(out, negated ? "(?:(?!" : intersects ? "(?:" : "");
        buffer_append(out, set.data ? set.data : "", set.size);
        buffer_append_text(out, negated ? ")(?s:.))" : intersects ? ")" : "");
    }
    out->failed |= set.failed || operand.plain.failed || operand.others.failed;
    buffer_release(&operand.plain);
    buffer_release(&operand.others);
    buffer_release(&set);
}

/* ---- outside sets ---- */

static void put_class(struct translation *t, const struct buffer *class, bool negated) {
    buffer_append_text(t->out, negated ? "[^" : "[");
    buffer_append(t->out, class->data ? class->data : "", class->size);
    buffer_append_char(t->out, ']');
    t->out->failed |= class->failed;
}

static void translate_word_border(struct translation *t, bool negated) {
    struct buffer word;
    buffer_init(&word);
    put_word(&word, word_extras(t->syntax, false));
    const char *class = word.data ? word.data : "";
    const char *const parts[] = {"(?:(?<=[", "])(?", negated ? "=[" : "![", "])|(?<![", "])(?", negated ? "![" : "=[",
                                 "]))"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        buffer_append_text(t->out, parts[i]);
        if (i == 0 || i == 2 || i == 3 || i == 5) buffer_append_text(t->out, class);
    }
    t->out->failed |= word.failed;
    buffer_release(&word);
}

static void translate_escape(struct translation *t) {
    struct buffer class;
    bool negated = false;
    t->atom = t->out->size;
    if (t->at >= t->size) {
        buffer_append_char(t->out, '\\');
        return;
    }
    uint32_t c = read_code_point(t);
    buffer_init(&class);
    if (c == 'p' || c == 'P') {
        negated = c == 'P';
        read_property(t, &class, false, &negated);
        put_class(t, &class, negated);
    } else if (c < 128 && put_letter_class(&class, (char)c, word_extras(t->syntax, false), &negated)) {
        put_class(t, &class, negated);
    } else if (c == 'b' || c == 'B') {
        translate_word_border(t, c == 'B');
    } else if (c == 'O' && t->syntax == REGEX_RUBY) {
        buffer_append_text(t->out, "(?s:.)");
    } else if (c && c < 128 && strchr("AzZGKRXNkgyY0123456789", (int)c)) {
        buffer_append_char(t->out, '\\');
        buffer_append_char(t->out, (char)c);
    } else {
        put_character(t->out, read_escaped(t, c));
    }
    buffer_release(&class);
}

/* The flags of (?imx-imx) and (?imx-imx:…): Ruby's m is s, Rust's u is always on. */
static void translate_flags(struct translation *t) {
    size_t end = t->at;
    while (end < t->size && t->pattern[end] && strchr("imsxuU-", t->pattern[end])) end++;
    if (end == t->size || end == t->at || (t->pattern[end] != ')' && t->pattern[end] != ':')) return;
    for (; t->at < end; t->at++) {
        char c = t->pattern[t->at];
        if (t->syntax == REGEX_RUBY && c == 'm') c = 's';
        if (c != 'u') buffer_append_char(t->out, c);
    }
}

static void translate_group(struct translation *t) {
    if (t->n_groups < MAX_NESTING) t->groups[t->n_groups] = t->out->size;
    t->n_groups++;
    buffer_append_char(t->out, '(');
    if (!take(t, "?")) return;
    buffer_append_char(t->out, '?');
    if (peek(t, "#")) {
        while (t->at < t->size && t->pattern[t->at] != ')') buffer_append_char(t->out, t->pattern[t->at++]);
        return;
    }
    if (t->syntax == REGEX_RUST && take(t, "P<")) {
        buffer_append_char(t->out, '<');
        return;
    }
    translate_flags(t);
}

static void close_group(struct translation *t) {
    if (t->n_groups > 0) t->n_groups--;
    t->atom = t->n_groups < MAX_NESTING ? t->groups[t->n_groups] : t->out->size;
    buffer_append_char(t->out, ')');
}

static void insert_text(struct buffer *out, size_t at, const char *text) {
    size_t n = strlen(text), size = out->size;
    buffer_append_text(out, text); /* for its room */
    if (out->failed) return;
    memmove(out->data + at + n, out->data + at, size - at);
    memcpy(out->data + at, text, n);
}

/* {n}, {n,}, {,m} or {n,m}; a brace that is none of these is a character. */
static void translate_interval(struct translation *t) {
    size_t end = t->at, commas = 0, digits = 0;
    for (; end < t->size && t->pattern[end] != '}'; end++) {
        bool digit = t->pattern[end] >= '0' && t->pattern[end] <= '9';
        if (!digit && (t->pattern[end] != ',' || commas > 0)) break;
        digits += digit;
        commas += !digit;
    }
    if (end == t->size || t->pattern[end] != '}' || digits == 0) {
        t->atom = t->out->size;
        buffer_append_text(t->out, "\\{");
        return;
    }
    buffer_append_char(t->out, '{');
    if (t->pattern[t->at] == ',') buffer_append_char(t->out, '0');
    buffer_append(t->out, t->pattern + t->at, end + 1 - t->at);
    t->at = end + 1;
    if (t->syntax == REGEX_RUBY && (peek(t, "+") || (commas == 0 && peek(t, "?")))) {
        insert_text(t->out, t->atom, "(?:");
        buffer_append_char(t->out, ')');
    }
}

void regex_translate(const char *pattern, size_t size, enum regex_syntax syntax, struct buffer *out) {
    struct translation t = {.pattern = pattern, .size = size, .syntax = syntax, .out = out};
    while (t.at < size && out->size <= REGEX_TRANSLATED_MAX) {
        char c = pattern[t.at++];
        switch (c) {
        case '\\':
            translate_escape(&t);
            break;
        case '[':
            t.atom = out->size;
            translate_set(&t, out, 0);
            break;
        case '(':
            translate_group(&t);
            break;
        case ')':
            close_group(&t);
            break;
        case '{':
            translate_interval(&t);
            break;
        case '*':
        case '+':
        case '?':
            buffer_append_char(out, c);
            break;
        default:
            if (((unsigned char)c & 0xc0) != 0x80) t.atom = out->size;
            buffer_append_char(out, c);
        }
    }
}
