/* Scanners for known split patterns; see split_pattern.h. Beside each is the alternative it stands for. */
#include "tokenizer/split_pattern.h"

#include <stdbool.h>
#include <string.h>

#include "tokenizer/unicode.h"

struct cursor {
    const char *text;
    size_t n;
};

/* Class bits of the character at `at`, and its end; at the end of the text no bits and *end = at. */
static inline unsigned class_at(const struct cursor *c, size_t at, size_t *end) {
    if (at >= c->n) {
        *end = at;
        return 0;
    }
    uint32_t code_point;
    *end = at + unicode_next(c->text + at, c->n - at, &code_point);
    return unicode_class(code_point);
}

/* [classes]* and [^classes]* */
static inline size_t skip(const struct cursor *c, size_t at, unsigned classes) {
    for (size_t end; at < c->n && (class_at(c, at, &end) & classes); at = end) {}
    return at;
}
static inline size_t skip_others(const struct cursor *c, size_t at, unsigned classes) {
    for (size_t end; at < c->n && !(class_at(c, at, &end) & classes); at = end) {}
    return at;
}

/* [\r\n]* and, for the o200k family, [\r\n/]* */
static inline size_t skip_newlines(const struct cursor *c, size_t at, bool slash) {
    while (at < c->n && (c->text[at] == '\r' || c->text[at] == '\n' || (slash && c->text[at] == '/'))) at++;
    return at;
}

/* \p{N}{1,most} */
static inline size_t scan_digits(const struct cursor *c, size_t at, size_t most) {
    for (size_t end; most > 0 && (class_at(c, at, &end) & CLASS_NUMBER); most--) at = end;
    return at;
}

/* 's|'t|'re|'ve|'m|'ll|'d; ignoring case, U+017F (long s) folds to s. */
static size_t scan_contraction(const struct cursor *c, size_t at, bool ignore_case) {
    if (at + 1 >= c->n || c->text[at] != '\'') return at;
    const unsigned char *p = (const unsigned char *)c->text + at + 1;
    size_t left = c->n - at - 1;
    unsigned char fold = ignore_case ? 0x20 : 0;
    unsigned char first = p[0] | (p[0] < 0x80 ? fold : 0);
    if (strchr("stmd", first) && first) return at + 2;
    if (left < 2) return at;
    if (ignore_case && p[0] == 0xc5 && p[1] == 0xbf) return at + 3;
    unsigned char second = p[1] | (p[1] < 0x80 ? fold : 0);
    bool pair = (second == 'e' && (first == 'r' || first == 'v')) || (first == 'l' && second == 'l');
    return pair ? at + 3 : at;
}

/* White space at `at`: what the tail of every pattern does with it.
 *   at_end   \s++$           comes first (tiktoken's own cl100k pattern)
 *   lines    \s*[\r\n]+      up to the last line break of the run
 *            \s+(?!\S)|\s+   all but the last character, unless the text ends or there is only one */
static inline size_t scan_space(const struct cursor *c, size_t at, bool lines, bool at_end) {
    size_t end = at, last = at, after_newline = at;
    for (size_t next; end < c->n; end = next) {
        unsigned kind = class_at(c, end, &next);
        if (!(kind & CLASS_SPACE)) break;
        last = end;
        if (kind & CLASS_NEWLINE) after_newline = next;
    }
    if (at_end && end == c->n) return end;
    if (lines && after_newline > at) return after_newline;
    if (end == c->n || last == at) return end;
    return last;
}

/* 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ */
size_t split_scan_gpt2(const char *text, size_t n, size_t at) {
    const struct cursor c = {text, n};
    size_t end = scan_contraction(&c, at, false);
    if (end > at) return end;
    size_t start = text[at] == ' ' ? at + 1 : at;
    unsigned kind = class_at(&c, start, &end);
    if (end > start && !(kind & CLASS_SPACE)) {
        if (kind & CLASS_LETTER) return skip(&c, end, CLASS_LETTER);
        if (kind & CLASS_NUMBER) return skip(&c, end, CLASS_NUMBER);
        return skip_others(&c, end, CLASS_SPACE | CLASS_LETTER | CLASS_NUMBER);
    }
    return scan_space(&c, at, false, false);
}

/*  ?[^\s\p{L}\p{N}]+[\r\n]* */
static inline size_t scan_others(const struct cursor *c, size_t at, bool slash) {
    size_t start = c->text[at] == ' ' ? at + 1 : at;
    size_t end = skip_others(c, start, CLASS_SPACE | CLASS_LETTER | CLASS_NUMBER);
    return end > start ? skip_newlines(c, end, slash) : at;
}

/* (?i:'s|…)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,digits}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+ */
static inline size_t scan_gpt4(const struct cursor *c, size_t at, size_t digits, bool at_end) {
    size_t end = scan_contraction(c, at, true), next;
    if (end > at) return end;
    unsigned kind = class_at(c, at, &end);
    if (kind & CLASS_LETTER) return skip(c, end, CLASS_LETTER);
    if (kind & CLASS_NUMBER) return scan_digits(c, at, digits);
    if (!(kind & CLASS_NEWLINE) && (class_at(c, end, &next) & CLASS_LETTER)) return skip(c, next, CLASS_LETTER);
    end = scan_others(c, at, false);
    return end > at ? end : scan_space(c, at, true, at_end);
}
static size_t scan_cl100k(const char *text, size_t n, size_t at) {
    return scan_gpt4(&(struct cursor){text, n}, at, 3, false);
}
static size_t scan_qwen2(const char *text, size_t n, size_t at) {
    return scan_gpt4(&(struct cursor){text, n}, at, 1, false);
}
static size_t scan_tiktoken(const char *text, size_t n, size_t at) {
    return scan_gpt4(&(struct cursor){text, n}, at, 3, true);
}

/* U*W+ or U+W* with U = [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}], W = [\p{Ll}\p{Lm}\p{Lo}\p{M}]; at itself if neither matches.
 * The greedy U* gives back characters until one that W takes follows: the last one of the run that is in both.
 * *first: it was the first of the two. */
static size_t scan_cased_word(const struct cursor *c, size_t at, bool *first) {
    const unsigned both = CLASS_OTHER_LETTER | CLASS_MARK;
    size_t end = at, after_both = at;
    for (size_t next; end < c->n; end = next) {
        unsigned kind = class_at(c, end, &next);
        if (!(kind & (CLASS_UPPER | both))) {
            if (!(kind & CLASS_LOWER)) break;
            *first = true;
            return skip(c, next, CLASS_LOWER | both);
        }
        if (kind & both) after_both = next;
    }
    *first = after_both > at;
    return *first ? after_both : end;
}

/* [^\r\n\p{L}\p{N}]?(U*W+|U+W*)(?i:'s|…)?|\p{N}{1,digits}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+
 * U*W+ is tried with the prefix and without before U+W* is; a mark may be prefix or word, and alone is U*W+. */
static inline size_t scan_cased(const struct cursor *c, size_t at, size_t digits, bool contractions) {
    size_t end, next;
    unsigned kind = class_at(c, at, &end);
    if (kind & CLASS_NUMBER) return scan_digits(c, at, digits);
    size_t word = at;
    bool first;
    if (kind & CLASS_LETTER) {
        word = scan_cased_word(c, at, &first);
    } else if (!(kind & CLASS_NEWLINE)) {
        word = scan_cased_word(c, end, &first);
        if ((kind & CLASS_MARK) && !first)
            word = end;
        else if (word == end)
            word = at;
    }
    if (word > at) return contractions && (next = scan_contraction(c, word, true)) > word ? next : word;
    end = scan_others(c, at, true);
    return end > at ? end : scan_space(c, at, true, false);
}
static size_t scan_o200k(const char *text, size_t n, size_t at) {
    return scan_cased(&(struct cursor){text, n}, at, 3, true);
}
static size_t scan_tekken(const char *text, size_t n, size_t at) {
    return scan_cased(&(struct cursor){text, n}, at, 1, false);
}

/* \p{N}{1,3} */
static size_t scan_three_digits(const char *text, size_t n, size_t at) {
    return scan_digits(&(struct cursor){text, n}, at, 3);
}
static size_t scan_one_digit(const char *text, size_t n, size_t at) {
    return scan_digits(&(struct cursor){text, n}, at, 1);
}

/* \p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N})): in threes, any run of numbers */
static size_t scan_numbers(const char *text, size_t n, size_t at) {
    return skip(&(struct cursor){text, n}, at, CLASS_NUMBER);
}

static size_t skip_decimals(const char *text, size_t n, size_t at, uint32_t *next) {
    *next = 0;
    while (at < n) {
        size_t length = unicode_next(text + at, n - at, next);
        if (!unicode_is_decimal(*next)) break;
        at += length;
        *next = 0;
    }
    return at;
}

/* (?=(\d{3})+(?!\d)): before threes, any run of digits */
static size_t scan_decimals(const char *text, size_t n, size_t at) {
    uint32_t next;
    return skip_decimals(text, n, at, &next);
}

/* \w in Ruby's syntax */
static bool is_ruby_word(uint32_t c) {
    if (c == 0x200c || c == 0x200d) return false;
    return unicode_is_word(c) || c == 0xb2 || c == 0xb3 || c == 0xb9 || (c >= 0xbc && c <= 0xbe);
}

/* \d{1,3}(?=(?:\d{3})*\b): in threes, a run of digits that nothing of a word follows. After a run that isn't one, this is
 * asked again in the middle of it. */
static size_t scan_whole_decimals(const char *text, size_t n, size_t at) {
    uint32_t c;
    if (at > 0 && (unicode_previous(text, at, &c), unicode_is_decimal(c))) return at;
    size_t end = skip_decimals(text, n, at, &c);
    return is_ruby_word(c) ? at : end;
}

/* [一-龥぀-ゟ゠-ヿ]+ */
static size_t scan_cjk(const char *text, size_t n, size_t at) {
    while (at < n) {
        uint32_t code_point;
        size_t length = unicode_next(text + at, n - at, &code_point);
        bool cjk = (code_point >= 0x4e00 && code_point <= 0x9fa5) || (code_point >= 0x3040 && code_point <= 0x30ff);
        if (!cjk) break;
        at += length;
    }
    return at;
}

static bool is_ascii_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* [ASCII punctuation][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
 * Digits and controls match nothing and stay as gaps. */
static size_t scan_deepseek(const char *text, size_t n, size_t at) {
    const struct cursor c = {text, n};
    const unsigned word = CLASS_LETTER | CLASS_MARK, signs = CLASS_PUNCTUATION | CLASS_SYMBOL;
    size_t end, next;
    unsigned kind = class_at(&c, at, &end);
    if ((kind & signs) && end == at + 1 && end < n && is_ascii_letter(text[end])) {
        while (end < n && is_ascii_letter(text[end])) end++;
        return end;
    }
    if (kind & CLASS_LETTER) return skip(&c, end, word);
    if (!(kind & (CLASS_NEWLINE | signs)) && (class_at(&c, end, &next) & word)) return skip(&c, next, word);
    if (kind & CLASS_MARK) return end;
    size_t start = text[at] == ' ' ? at + 1 : at;
    end = skip(&c, start, signs);
    if (end > start) return skip_newlines(&c, end, false);
    return scan_space(&c, at, true, false);
}

size_t split_scan_words(const char *text, size_t n, size_t at) {
    uint32_t code_point;
    size_t end = at + unicode_next(text + at, n - at, &code_point);
    if (unicode_is_space(code_point)) return at;
    bool word = unicode_is_word(code_point);
    for (; end < n;) {
        size_t length = unicode_next(text + end, n - end, &code_point);
        if (unicode_is_space(code_point) || unicode_is_word(code_point) != word) break;
        end += length;
    }
    return end;
}

#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define UPPER_RUN    "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER_RUN    "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define SPACE_TAIL   "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

static const struct {
    const char *regex;
    split_scanner scan;
} known[] = {
    {"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", split_scan_gpt2},
    {"'s|'t|'re|'ve|'m|'ll|'d| ?[\\p{L}]+| ?[\\p{N}]+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", split_scan_gpt2},
    {"'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", split_scan_gpt2},
    {CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" SPACE_TAIL, scan_cl100k},
    {CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" SPACE_TAIL, scan_qwen2},
    /* tiktoken's own, in Ruby's syntax */
    {"'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}++|\\p{N}{1,3}| "
     "?[^\\s\\p{L}\\p{N}]++[\\r\\n]*+|\\s++\\z|\\s*[\\r\\n]|\\s+(?!\\S)|\\s",
     scan_tiktoken},
    {"[^\\r\\n\\p{L}\\p{N}]?" UPPER_RUN "*" LOWER_RUN "+" CONTRACTIONS "?|[^\\r\\n\\p{L}\\p{N}]?" UPPER_RUN
     "+" LOWER_RUN "*" CONTRACTIONS "?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|" SPACE_TAIL,
     scan_o200k},
    {"[^\\r\\n\\p{L}\\p{N}]?" UPPER_RUN "*" LOWER_RUN "+|[^\\r\\n\\p{L}\\p{N}]?" UPPER_RUN "+" LOWER_RUN
     "*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|" SPACE_TAIL,
     scan_tekken},
    {"\\p{N}{1,3}", scan_three_digits},
    {"\\p{N}", scan_one_digit},
    {"\\p{N}{1,3}(?=(?:\\p{N}{3})*(?!\\p{N}))", scan_numbers},
    {"\\d{1,3}(?=(?:\\d{3})*\\b)", scan_whole_decimals},
    {"(?=(\\d{3})+(?!\\d))", scan_decimals},
    {"[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+", scan_cjk},
    {"[!\\\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| "
     "?[\\p{P}\\p{S}]+[\\r\\n]*|" SPACE_TAIL,
     scan_deepseek},
    {"[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| "
     "?[\\p{P}\\p{S}]+[\\r\\n]*|" SPACE_TAIL,
     scan_deepseek},
};

/* tiktoken's as its files have it. To Ruby {1,3}+ repeats again, and $ is the end of any line. */
static const char tiktoken_in_rust[] = "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}++|\\p{N}{1,3}+| "
                                       "?[^\\s\\p{L}\\p{N}]++[\\r\\n]*+|\\s++$|\\s*[\\r\\n]|\\s+(?!\\S)|\\s";

split_scanner split_pattern_find(const char *regex, enum regex_syntax syntax) {
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].regex, regex) == 0)
            return known[i].scan == scan_whole_decimals && syntax != REGEX_RUBY ? NULL : known[i].scan;
    return syntax == REGEX_RUST && strcmp(regex, tiktoken_in_rust) == 0 ? scan_tiktoken : NULL;
}

const char *split_pattern_regex(split_scanner scan) {
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].scan == scan) return known[i].regex;
    return "\\w+|[^\\w\\s]+"; /* split_scan_words */
}

enum split_matches split_pattern_matches(split_scanner scan) {
    if (scan == scan_decimals) return SPLIT_BEFORE_THREES;
    return scan == scan_numbers || scan == scan_whole_decimals ? SPLIT_THREES : SPLIT_FOUND;
}
