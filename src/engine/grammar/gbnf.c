/* GBNF, llama.cpp's grammars: rules "name ::= alternatives" of texts in quotes, classes in brackets, rule names, groups and
 * repetitions; "<name>" stands for a special token. A rule ends where its line does, except inside of parentheses and
 * after "|". */
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "engine/grammar/rules.h"

#define DEEPEST_GROUP 100

struct reader_of_gbnf {
    struct rules *rules;
    struct work *work;
    const char *text;
    size_t n, at, line;
    unsigned depth;
};

static void complain(struct reader_of_gbnf *r, const char *what) {
    work_fail(r->work, BN_STATUS_BAD_ARGUMENT, "line %zu: %s", r->line, what);
}

static char here(const struct reader_of_gbnf *r) {
    return r->at < r->n && work_ok(r->work) ? r->text[r->at] : '\0';
}

static void skip_space(struct reader_of_gbnf *r, bool lines) {
    for (;; r->at++) {
        char c = here(r);
        if (c == '#') {
            while (r->at < r->n && r->text[r->at] != '\n') r->at++;
            c = here(r);
        }
        if (c == '\n' && lines)
            r->line++;
        else if (c != ' ' && c != '\t' && c != '\r')
            return;
    }
}

static bool is_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static uint32_t read_hex(struct reader_of_gbnf *r, size_t n) {
    uint32_t value = 0;
    for (size_t i = 0; i < n; i++, r->at++) {
        char c = here(r);
        uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                                : 16;
        if (digit == 16) {
            complain(r, "a hexadecimal digit is missing");
            return 0;
        }
        value = value << 4 | digit;
    }
    return value;
}

static uint32_t read_character(struct reader_of_gbnf *r) {
    uint32_t c = 0;
    int length = r->at < r->n ? utf8_decode(r->text + r->at, r->n - r->at, &c) : 0;
    if (length <= 0 || c == '\n') {
        complain(r, "the line ends, or isn't UTF-8, in the middle of a text or class");
        return 0;
    }
    r->at += (size_t)length;
    if (c != '\\') return c;
    char escape = here(r);
    r->at++;
    switch (escape) {
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'x': return read_hex(r, 2);
    case 'u': return read_hex(r, 4);
    case 'U': return read_hex(r, 8);
    case '\\':
    case '"':
    case '[':
    case ']': return (uint32_t)escape;
    default: complain(r, "unknown escape"); return 0;
    }
}

static struct pattern_node *character_node(struct reader_of_gbnf *r, uint32_t first, uint32_t last) {
    struct pattern_node *node = body_new(r->rules, PATTERN_CHARS);
    if (node) code_set_add(r->work, &node->set, first, last);
    if (node) code_set_finish(r->work, &node->set, false);
    return node;
}

static struct pattern_node *read_text(struct reader_of_gbnf *r) {
    struct pattern_node *concat = body_new(r->rules, PATTERN_CONCAT);
    for (r->at++; here(r) && here(r) != '"';) {
        uint32_t c = read_character(r);
        body_add(r->rules, concat, character_node(r, c, c));
    }
    if (here(r) != '"') complain(r, "a text without its end");
    r->at++;
    return concat;
}

static struct pattern_node *read_class(struct reader_of_gbnf *r) {
    struct pattern_node *node = body_new(r->rules, PATTERN_CHARS);
    r->at++;
    bool negated = here(r) == '^';
    r->at += negated;
    while (node && here(r) && here(r) != ']') {
        uint32_t first = read_character(r), last = first;
        if (here(r) == '-' && r->at + 1 < r->n && r->text[r->at + 1] != ']') {
            r->at++;
            last = read_character(r);
        }
        if (last < first) complain(r, "a range that ends before it begins");
        code_set_add(r->work, &node->set, first, last);
    }
    if (here(r) != ']') complain(r, "a class without its end");
    r->at++;
    if (node) code_set_finish(r->work, &node->set, negated);
    return node;
}

static struct pattern_node *read_special(struct reader_of_gbnf *r) {
    const char *begin = r->text + r->at, *end = memchr(begin, '>', r->n - r->at);
    if (!end || end == begin + 1 || begin[1] == '[') {
        complain(r, "expected <name> of a special token");
        return NULL;
    }
    r->at += (size_t)(end + 1 - begin);
    return body_special(r->rules, begin, (size_t)(end + 1 - begin));
}

static struct pattern_node *read_alternatives(struct reader_of_gbnf *r, bool nested);

static struct pattern_node *read_item(struct reader_of_gbnf *r) {
    struct pattern_node *node;
    size_t begin = r->at;
    char c = here(r);
    if (c == '"') return read_text(r);
    if (c == '[') return read_class(r);
    if (c == '<') return read_special(r);
    if (c == '.') {
        r->at++;
        return character_node(r, 0, LAST_CODE_POINT);
    }
    if (c == '(') {
        r->at++;
        if (++r->depth > DEEPEST_GROUP) work_fail(r->work, BN_STATUS_UNSUPPORTED, "groups are nested deeper than %d", DEEPEST_GROUP);
        node = read_alternatives(r, true);
        r->depth--;
        if (here(r) != ')') complain(r, "a group without its end");
        r->at++;
        return node;
    }
    while (is_name(here(r))) r->at++;
    if (r->at == begin) {
        complain(r, "unexpected character");
        return NULL;
    }
    return body_rule(r->rules, rules_find(r->rules, r->text + begin, r->at - begin));
}

static uint32_t read_count(struct reader_of_gbnf *r) {
    uint32_t n = 0;
    size_t begin = r->at;
    for (; here(r) >= '0' && here(r) <= '9'; r->at++) n = n > 100000 ? n : n * 10 + (uint32_t)(here(r) - '0');
    if (r->at == begin) complain(r, "expected a number");
    if (n > 100000) work_fail(r->work, BN_STATUS_UNSUPPORTED, "line %zu: more than 100000 repetitions", r->line);
    return n;
}

static struct pattern_node *read_repetitions(struct reader_of_gbnf *r, struct pattern_node *item) {
    for (;;) {
        uint32_t min = 0, max = PATTERN_UNLIMITED;
        char c = here(r);
        if (c == '{') {
            r->at++;
            skip_space(r, false);
            min = here(r) == ',' ? 0 : read_count(r);
            max = min;
            skip_space(r, false);
            if (here(r) == ',') {
                r->at++;
                skip_space(r, false);
                max = here(r) == '}' ? PATTERN_UNLIMITED : read_count(r);
                skip_space(r, false);
            }
            if (here(r) != '}' || max < min) complain(r, "expected {m}, {m,} or {m,n}");
        } else if (c == '+') {
            min = 1;
        } else if (c == '?') {
            max = 1;
        } else if (c != '*') {
            return item;
        }
        r->at++;
        item = body_repeat(r->rules, item, min, max);
    }
}

static struct pattern_node *read_alternatives(struct reader_of_gbnf *r, bool nested) {
    struct pattern_node *alternatives = body_new(r->rules, PATTERN_ALTERNATIVES);
    for (;;) {
        struct pattern_node *concat = body_new(r->rules, PATTERN_CONCAT);
        skip_space(r, true);
        while (here(r) && here(r) != '|' && here(r) != ')' && here(r) != '\n') {
            body_add(r->rules, concat, read_repetitions(r, read_item(r)));
            skip_space(r, nested);
        }
        body_add(r->rules, alternatives, concat);
        if (here(r) != '|') return alternatives;
        r->at++;
    }
}

static void read_rule(struct reader_of_gbnf *r) {
    size_t begin = r->at;
    while (is_name(here(r))) r->at++;
    if (r->at == begin) {
        complain(r, "expected a rule: name ::= …");
        return;
    }
    uint32_t rule = rules_find(r->rules, r->text + begin, r->at - begin);
    skip_space(r, false);
    if (r->n - r->at < 3 || memcmp(r->text + r->at, "::=", 3) != 0) {
        complain(r, "expected ::= behind the rule's name");
        return;
    }
    r->at += 3;
    struct pattern_node *body = read_alternatives(r, false);
    if (!work_ok(r->work)) return;
    if (here(r) == ')') complain(r, "a ) that closes nothing");
    if (r->rules->items[rule].body) complain(r, "the rule is defined twice");
    else r->rules->items[rule].body = body;
}

struct rules *gbnf_compile(struct work *work, const char *text, size_t n) {
    struct reader_of_gbnf r = {.rules = rules_create(work), .work = work, .text = text, .n = n, .line = 1};
    if (!r.rules || !work_spend(work, n)) return NULL;
    if (memchr(text, '\0', n)) complain(&r, "a NUL character");
    for (skip_space(&r, true); here(&r); skip_space(&r, true)) read_rule(&r);
    uint32_t start = rules_find(r.rules, "root", 4);
    if (work_ok(work) && !r.rules->items[start].body) complain(&r, "there is no rule 'root'");
    if (work_ok(work)) rules_prepare(r.rules, start);
    return work_ok(work) ? r.rules : NULL;
}
