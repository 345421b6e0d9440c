/* From Oniguruma's Ruby syntax, or that of Rust's regex and fancy-regex, to PCRE2's.
 *
 * Most of a pattern is the same in all three. What isn't:
 *   sets           nest and intersect ([a-z&&[^aeiou]]): each becomes an expression that matches one character
 *   \s \w \b \p{…} stand for other characters than in PCRE2 (regex_classes.h)
 *   {n,m}+ {n}?    Ruby repeats what was repeated, PCRE2 takes them as possessive and lazy
 *   (?m)           Ruby's dot takes line breaks, which is (?s)
 *   \uXXXX \v \Q   characters, no operators */
#include "tokenizer/regex_syntax.h"

#include <stdint.h>
#include <string.h>

#include "tokenizer/regex_classes.h"
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

enum { PROPERTY_NAME = 64 };

/* {name}, {^name} or a single letter behind \p; names in lower case without blanks, hyphens and underscores. */
static void read_property(struct translation *t, struct buffer *out, bool in_brackets, bool *negated) {
    char name[PROPERTY_NAME] = "";
    size_t n = 0;
    if (!take(t, "{")) { /* Rust's; in Ruby's syntax see begins_property */
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
    regex_put_property(out, name, regex_word_extras(t->syntax, in_brackets), negated);
}

/* Is the letter, which the text goes on behind, that of a property? In Ruby's syntax \pL is a p and an L. */
static bool begins_property(const struct translation *t, uint32_t letter) {
    return (letter == 'p' || letter == 'P') && (t->syntax == REGEX_RUST || peek(t, "{"));
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

static uint32_t read_octal(struct translation *t, size_t most) {
    uint32_t value = 0;
    for (size_t i = 0; i < most && t->at < t->size && t->pattern[t->at] >= '0' && t->pattern[t->at] <= '7'; i++)
        value = value * 8 + (uint32_t)(t->pattern[t->at++] - '0');
    return value;
}

/* Ruby's \o{101}, \cA and \C-A; else the letter itself. */
static uint32_t read_ruby_escaped(struct translation *t, uint32_t letter) {
    if (letter == 'o' && take(t, "{")) {
        uint32_t value = read_octal(t, 8);
        take(t, "}");
        return value;
    }
    if ((letter != 'c' && (letter != 'C' || !take(t, "-"))) || t->at >= t->size) return letter;
    char control = t->pattern[t->at++];
    return control == '?' ? 0x7f : (uint32_t)control & 0x9f;
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
    return t->syntax == REGEX_RUBY ? read_ruby_escaped(t, letter) : letter;
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

static void append_all(struct buffer *out, const struct buffer *text) {
    buffer_append(out, text->data ? text->data : "", text->size);
}

/* PCRE2's Mn may be that of Unicode 15, with a character that is Mc since. */
static bool is_nonspacing(const struct buffer *class) {
    static const char nonspacing[] = "\\p{Mn}";
    return class->size >= sizeof nonspacing - 1 && memcmp(class->data, nonspacing, sizeof nonspacing - 1) == 0;
}

static void put_class(struct buffer *out, const struct buffer *class, bool negated) {
    const bool nonspacing = is_nonspacing(class);
    if (nonspacing) buffer_append_text(out, negated ? "(?:\\x{1171e}|" : "(?:(?!\\x{1171e})");
    buffer_append_text(out, negated ? "[^" : "[");
    append_all(out, class);
    buffer_append_text(out, nonspacing ? "])" : "]");
    out->failed |= class->failed;
}

static void add_class(struct operand *operand, const struct buffer *class, bool negated) {
    if (!negated && !is_nonspacing(class)) {
        append_all(&operand->plain, class);
        return;
    }
    if (operand->others.size) buffer_append_char(&operand->others, '|');
    put_class(&operand->others, class, negated);
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
    bool known = regex_put_posix_class(&class, name, regex_word_extras(t->syntax, true));
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
    char letter = t->pattern[t->at++];
    buffer_init(&class);
    bool is_class = begins_property(t, (uint32_t)letter);
    if (is_class) {
        negated = letter == 'P';
        read_property(t, &class, true, &negated);
    } else {
        is_class = regex_put_letter_class(&class, letter, regex_word_extras(t->syntax, true), &negated);
    }
    if (is_class)
        add_class(operand, &class, negated);
    else
        t->at--;
    operand->plain.failed |= class.failed;
    buffer_release(&class);
    return is_class;
}

static uint32_t read_set_character(struct translation *t) {
    uint32_t c = read_code_point(t);
    if (c != '\\' || t->at >= t->size) return c;
    if (t->syntax == REGEX_RUBY && t->pattern[t->at] >= '0' && t->pattern[t->at] <= '7') return read_octal(t, 3);
    c = read_code_point(t);
    return c == 'b' ? 8 : read_escaped(t, c);
}

/* A character, or a range of them. */
static void read_set_range(struct translation *t, struct operand *operand) {
    uint32_t first = read_set_character(t);
    regex_put_character(&operand->plain, first);
    bool range = t->size - t->at >= 2 && t->pattern[t->at] == '-' && t->pattern[t->at + 1] != ']';
    if (!range) return;
    t->at++;
    buffer_append_char(&operand->plain, '-');
    regex_put_character(&operand->plain, read_set_character(t));
}

static void read_set_item(struct translation *t, struct operand *operand, unsigned depth) {
    if (peek(t, "[:") && read_posix(t, operand)) return;
    if (take(t, "[")) {
        struct buffer nested;
        buffer_init(&nested);
        translate_set(t, &nested, depth + 1);
        if (operand->others.size) buffer_append_char(&operand->others, '|');
        append_all(&operand->others, &nested);
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
        append_all(out, &operand.plain);
        buffer_append_char(out, ']');
    } else {
        put_operand(&operand, &set);
        buffer_append_text(out, negated ? "(?:(?!" : intersects ? "(?:" : "");
        append_all(out, &set);
        buffer_append_text(out, negated ? ")(?s:.))" : intersects ? ")" : "");
    }
    out->failed |= set.failed || operand.plain.failed || operand.others.failed;
    buffer_release(&operand.plain);
    buffer_release(&operand.others);
    buffer_release(&set);
}

/* ---- outside sets ---- */

static void translate_word_border(struct translation *t, bool negated) {
    struct buffer word;
    buffer_init(&word);
    regex_put_word(&word, regex_word_extras(t->syntax, false));
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
    if (begins_property(t, c)) {
        negated = c == 'P';
        read_property(t, &class, false, &negated);
        put_class(t->out, &class, negated);
    } else if (c < 128 && regex_put_letter_class(&class, (char)c, regex_word_extras(t->syntax, false), &negated)) {
        put_class(t->out, &class, negated);
    } else if (c == 'b' || c == 'B') {
        translate_word_border(t, c == 'B');
    } else if (c == 'X') {
        regex_put_cluster(t->out);
    } else if (c == 'O' && t->syntax == REGEX_RUBY) {
        buffer_append_text(t->out, "(?s:.)");
    } else if (c && c < 128 && strchr("AzZGKRNkgyY0123456789", (int)c)) {
        buffer_append_char(t->out, '\\');
        buffer_append_char(t->out, (char)c);
    } else {
        regex_put_character(t->out, read_escaped(t, c));
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
