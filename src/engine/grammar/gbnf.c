/* GBNF, llama.cpp's grammars: rules "name ::= alternatives" of texts in quotes, classes in brackets, rule names, groups and
 * repetitions; "<name>" stands for a special token. A rule ends where its line does, except inside of parentheses and
 * after "|". */
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "engine/grammar/rules_reader.h"

static uint32_t read_hex(struct rules_reader *r, size_t n) {
    uint32_t value = 0;
    for (size_t i = 0; i < n; i++, r->at++) {
        char c = rules_here(r);
        uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                                : 16;
        if (digit == 16) {
            rules_complain(r, "a hexadecimal digit is missing");
            return 0;
        }
        value = value << 4 | digit;
    }
    return value;
}

static uint32_t read_character(struct rules_reader *r) {
    uint32_t c = 0;
    int length = r->at < r->n ? utf8_decode(r->text + r->at, r->n - r->at, &c) : 0;
    if (length <= 0 || c == '\n') {
        rules_complain(r, "the line ends, or isn't UTF-8, in the middle of a text or class");
        return 0;
    }
    r->at += (size_t)length;
    if (c != '\\') return c;
    char escape = rules_here(r);
    r->at++;
    switch (escape) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'x':
        return read_hex(r, 2);
    case 'u':
        return read_hex(r, 4);
    case 'U':
        return read_hex(r, 8);
    case '\\':
    case '"':
    case '[':
    case ']':
        return (uint32_t)escape;
    default:
        rules_complain(r, "unknown escape");
        return 0;
    }
}

static struct pattern_node *character_node(struct rules_reader *r, uint32_t first, uint32_t last) {
    struct pattern_node *node = body_new(r->rules, PATTERN_CHARS);
    if (node) code_set_add(r->work, &node->set, first, last);
    if (node) code_set_finish(r->work, &node->set, false);
    return node;
}

static struct pattern_node *read_text(struct rules_reader *r) {
    struct pattern_node *concat = body_new(r->rules, PATTERN_CONCAT);
    for (r->at++; rules_here(r) && rules_here(r) != '"';) {
        uint32_t c = read_character(r);
        body_add(r->rules, concat, character_node(r, c, c));
    }
    if (rules_here(r) != '"') rules_complain(r, "a text without its end");
    r->at++;
    return concat;
}

static struct pattern_node *read_class(struct rules_reader *r) {
    struct pattern_node *node = body_new(r->rules, PATTERN_CHARS);
    r->at++;
    bool negated = rules_here(r) == '^';
    r->at += negated;
    while (node && rules_here(r) && rules_here(r) != ']') {
        uint32_t first = read_character(r), last = first;
        if (rules_here(r) == '-' && r->at + 1 < r->n && r->text[r->at + 1] != ']') {
            r->at++;
            last = read_character(r);
        }
        if (last < first) rules_complain(r, "a range that ends before it begins");
        code_set_add(r->work, &node->set, first, last);
    }
    if (rules_here(r) != ']') rules_complain(r, "a class without its end");
    r->at++;
    if (node) code_set_finish(r->work, &node->set, negated);
    return node;
}

static struct pattern_node *read_special(struct rules_reader *r) {
    const char *begin = r->text + r->at, *end = memchr(begin, '>', r->n - r->at);
    if (!end || end == begin + 1 || begin[1] == '[') {
        rules_complain(r, "expected <name> of a special token");
        return NULL;
    }
    r->at += (size_t)(end + 1 - begin);
    return body_special(r->rules, begin, (size_t)(end + 1 - begin));
}

static struct pattern_node *read_alternatives(struct rules_reader *r, bool nested);

static struct pattern_node *read_item(struct rules_reader *r) {
    struct pattern_node *node;
    size_t begin = r->at;
    char c = rules_here(r);
    if (c == '"') return read_text(r);
    if (c == '[') return read_class(r);
    if (c == '<') return read_special(r);
    if (c == '.') {
        r->at++;
        return character_node(r, 0, LAST_CODE_POINT);
    }
    if (c == '(') {
        r->at++;
        rules_enter_group(r);
        node = read_alternatives(r, true);
        r->depth--;
        if (rules_here(r) != ')') rules_complain(r, "a group without its end");
        r->at++;
        return node;
    }
    while (rules_is_name(rules_here(r))) r->at++;
    if (r->at == begin) {
        rules_complain(r, "unexpected character");
        return NULL;
    }
    return rules_reference(r, begin);
}

static struct pattern_node *read_repetitions(struct rules_reader *r, struct pattern_node *item) {
    for (;;) {
        uint32_t min = 0, max = PATTERN_UNLIMITED;
        char c = rules_here(r);
        if (c == '{') {
            r->at++;
            rules_skip_space(r, false);
            min = rules_here(r) == ',' ? 0 : rules_count(r);
            max = min;
            rules_skip_space(r, false);
            if (rules_here(r) == ',') {
                r->at++;
                rules_skip_space(r, false);
                max = rules_here(r) == '}' ? PATTERN_UNLIMITED : rules_count(r);
                rules_skip_space(r, false);
            }
            if (rules_here(r) != '}' || max < min) rules_complain(r, "expected {m}, {m,} or {m,n}");
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

static struct pattern_node *read_alternatives(struct rules_reader *r, bool nested) {
    struct pattern_node *alternatives = body_new(r->rules, PATTERN_ALTERNATIVES);
    for (;;) {
        struct pattern_node *concat = body_new(r->rules, PATTERN_CONCAT);
        rules_skip_space(r, true);
        while (rules_here(r) && rules_here(r) != '|' && rules_here(r) != ')' && rules_here(r) != '\n') {
            body_add(r->rules, concat, read_repetitions(r, read_item(r)));
            rules_skip_space(r, nested);
        }
        body_add(r->rules, alternatives, concat);
        if (rules_here(r) != '|') return alternatives;
        r->at++;
    }
}

static void read_rule(struct rules_reader *r) {
    size_t begin = r->at;
    while (rules_is_name(rules_here(r))) r->at++;
    if (r->at == begin) {
        rules_complain(r, "expected a rule: name ::= …");
        return;
    }
    uint32_t rule = rules_find(r->rules, r->text + begin, r->at - begin);
    rules_skip_space(r, false);
    if (!rules_take(r, "::=")) {
        rules_complain(r, "expected ::= behind the rule's name");
        return;
    }
    struct pattern_node *body = read_alternatives(r, false);
    if (!work_ok(r->work)) return;
    if (rules_here(r) == ')') rules_complain(r, "a ) that closes nothing");
    if (r->rules->items[rule].body)
        rules_complain(r, "the rule is defined twice");
    else
        r->rules->items[rule].body = body;
}

struct rules *gbnf_compile(struct work *work, const char *text, size_t n) {
    struct rules_reader r = {.rules = rules_create(work), .work = work, .text = text, .n = n, .line = 1};
    return rules_read(&r, read_rule, "root");
}
