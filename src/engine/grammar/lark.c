/* Lark grammars, as llguidance takes them: rules in lower case, tokens in upper case, texts in quotes with an optional i,
 * /regular expressions/, ranges "a".."z", groups, [optional parts], repetitions * + ? ~n ~n..m {n,m}, %ignore, %import of
 * common tokens, <special tokens>. Names for trees (?rule, !rule, -> alias) and priorities change nothing about which texts
 * there are. What is ignored may stand before every token and at the end. */
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "engine/grammar/rules_reader.h"

/* A line that begins with "|" goes on with the rule before it. */
static bool goes_on(struct rules_reader *r) {
    size_t at = r->at, line = r->line;
    rules_skip_space(r, true);
    if (rules_here(r) == '|') return true;
    r->at = at;
    r->line = line;
    return false;
}

static size_t read_name(struct rules_reader *r) {
    size_t begin = r->at;
    while (rules_is_name(rules_here(r)) && !(rules_here(r) == '-' && r->at + 1 < r->n && r->text[r->at + 1] == '>'))
        r->at++;
    if (r->at == begin) rules_complain(r, "expected a name");
    return begin;
}

/* ---- texts and patterns ---- */

static void read_string(struct rules_reader *r, struct buffer *out) {
    for (r->at++; rules_here(r) && rules_here(r) != '"' && rules_here(r) != '\n'; r->at++) {
        char c = rules_here(r);
        if (c != '\\') {
            buffer_append_char(out, c);
            continue;
        }
        r->at++;
        c = rules_here(r);
        unsigned value = 0;
        char utf8[4];
        size_t n_digits = c == 'x' ? 2 : c == 'u' ? 4 : 0;
        for (size_t i = 1; i <= n_digits; i++) {
            char d = r->at + i < r->n ? r->text[r->at + i] : '?';
            const char *all = "0123456789abcdef", *found = strchr(all, d >= 'A' && d <= 'F' ? d + 32 : d);
            if (!d || !found)
                rules_complain(r, "a hexadecimal digit is missing");
            else
                value = value << 4 | (unsigned)(found - all);
        }
        r->at += n_digits;
        if (n_digits)
            buffer_append(out, utf8, utf8_encode(value >= 0xd800 && value < 0xe000 ? 0xfffd : value, utf8));
        else
            buffer_append_char(out, c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c == 'f' ? '\f' : c);
    }
    if (!rules_take(r, "\"")) rules_complain(r, "a text without its end");
    if (out->failed) work_fail(r->work, BN_STATUS_NO_MEMORY, "out of memory while a grammar is read");
}

/* Letters in both cases. */
static void fold_case(struct rules_reader *r, struct pattern_node *text) {
    for (size_t i = 0; text && i < text->n_items; i++) {
        struct code_set *set = &text->items[i]->set;
        uint32_t c = set->n ? set->ranges[0].first : 0;
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
            code_set_add(r->work, set, c ^ 32, c ^ 32);
            code_set_finish(r->work, set, false);
        }
    }
}

static struct pattern_node *read_quoted(struct rules_reader *r) {
    struct buffer text, last;
    struct pattern_node *node = NULL;
    buffer_init(&text);
    buffer_init(&last);
    read_string(r, &text);
    if (rules_take(r, "..")) {
        uint32_t a = 0, b = 0;
        if (rules_here(r) == '"') read_string(r, &last);
        bool one = text.size && last.size && utf8_decode(text.data, text.size, &a) == (int)text.size &&
                   utf8_decode(last.data, last.size, &b) == (int)last.size && a <= b;
        if (!one) rules_complain(r, "a range is \"a\"..\"z\"");
        node = body_new(r->rules, PATTERN_CHARS);
        if (node) code_set_add(r->work, &node->set, a, b);
        if (node) code_set_finish(r->work, &node->set, false);
    } else {
        node = body_text(r->rules, text.data ? text.data : "", text.size);
        if (rules_take(r, "i")) fold_case(r, node);
        if (node) node->lexeme = true;
    }
    buffer_release(&text);
    buffer_release(&last);
    return node;
}

static struct pattern_node *parse_regex(struct rules_reader *r, const char *text, size_t n) {
    struct pattern_node *tree = pattern_parse(r->work, text, n);
    if (tree) tree->lexeme = true;
    return tree;
}

static struct pattern_node *read_regex(struct rules_reader *r) {
    size_t begin = ++r->at;
    bool in_class = false;
    for (; rules_here(r) && rules_here(r) != '\n' && (rules_here(r) != '/' || in_class); r->at++) {
        if (rules_here(r) == '[') in_class = true;
        if (rules_here(r) == ']') in_class = false;
        if (rules_here(r) == '\\') r->at++;
    }
    size_t n = r->at - begin;
    if (!rules_take(r, "/")) rules_complain(r, "a regular expression without its end");
    while (rules_here(r) >= 'a' && rules_here(r) <= 'z') {
        if (rules_here(r) != 'u') rules_refuse(r, "a flag of a regular expression");
        r->at++;
    }
    return work_ok(r->work) ? parse_regex(r, r->text + begin, n) : NULL;
}

/* ---- expressions ---- */

static struct pattern_node *read_alternatives(struct rules_reader *r, bool nested);

static struct pattern_node *read_group(struct rules_reader *r, const char *end) {
    r->at++;
    rules_enter_group(r);
    struct pattern_node *node = read_alternatives(r, true);
    r->depth--;
    if (!rules_take(r, end)) rules_complain(r, "a group without its end");
    return *end == ']' ? body_repeat(r->rules, node, 0, 1) : node;
}

static struct pattern_node *read_item(struct rules_reader *r) {
    char c = rules_here(r);
    if (c == '"') return read_quoted(r);
    if (c == '/') return read_regex(r);
    if (c == '(') return read_group(r, ")");
    if (c == '[') return read_group(r, "]");
    if (c == '<') {
        const char *begin = r->text + r->at, *end = memchr(begin, '>', r->n - r->at);
        if (!end || begin[1] == '[') {
            rules_refuse(r, "a token given by its number");
            return NULL;
        }
        r->at += (size_t)(end + 1 - begin);
        return body_special(r->rules, begin, (size_t)(end + 1 - begin));
    }
    if (c == '%' || c == '&' || c == '~') {
        rules_refuse(r, "this operator");
        return NULL;
    }
    size_t begin = read_name(r);
    if (rules_here(r) == '{') rules_refuse(r, "a template");
    return rules_reference(r, begin);
}

static struct pattern_node *read_repetitions(struct rules_reader *r, struct pattern_node *item) {
    for (;;) {
        uint32_t min = 0, max = PATTERN_UNLIMITED;
        rules_skip_space(r, false);
        if (rules_take(r, "~")) {
            rules_skip_space(r, false);
            max = min = rules_count(r);
            if (rules_take(r, "..")) max = rules_count(r);
        } else if (rules_take(r, "{")) {
            rules_skip_space(r, false);
            max = min = rules_here(r) == ',' ? 0 : rules_count(r);
            rules_skip_space(r, false);
            if (rules_take(r, ",")) {
                rules_skip_space(r, false);
                max = rules_here(r) == '}' ? PATTERN_UNLIMITED : rules_count(r);
            }
            rules_skip_space(r, false);
            if (!rules_take(r, "}")) rules_complain(r, "expected {m,n}");
        } else if (rules_take(r, "+")) {
            min = 1;
        } else if (rules_take(r, "?")) {
            max = 1;
        } else if (!rules_take(r, "*")) {
            return item;
        }
        if (max < min) rules_complain(r, "a repetition whose bounds are reversed");
        item = body_repeat(r->rules, item, min, max);
    }
}

static bool ends_concat(const struct rules_reader *r) {
    char c = rules_here(r);
    return c == '\0' || c == '|' || c == ')' || c == ']' || c == '\n' ||
           (c == '-' && r->at + 1 < r->n && r->text[r->at + 1] == '>');
}

static struct pattern_node *read_alternatives(struct rules_reader *r, bool nested) {
    struct pattern_node *alternatives = body_new(r->rules, PATTERN_ALTERNATIVES);
    for (;;) {
        struct pattern_node *concat = body_new(r->rules, PATTERN_CONCAT);
        rules_skip_space(r, nested);
        while (!ends_concat(r)) {
            body_add(r->rules, concat, read_repetitions(r, read_item(r)));
            rules_skip_space(r, nested);
        }
        if (rules_take(r, "->")) {
            rules_skip_space(r, false);
            read_name(r);
            rules_skip_space(r, nested);
        }
        body_add(r->rules, alternatives, concat);
        if (!nested && rules_here(r) == '\n' && !goes_on(r)) return alternatives;
        if (!rules_take(r, "|")) return alternatives;
    }
}

/* ---- statements ---- */

static const struct {
    const char *name, *pattern;
} common[] = {
    {"DIGIT", "[0-9]"},
    {"HEXDIGIT", "[0-9a-fA-F]"},
    {"INT", "[0-9]+"},
    {"SIGNED_INT", "[+-]?[0-9]+"},
    {"DECIMAL", "[0-9]+\\.[0-9]*|\\.[0-9]+"},
    {"FLOAT", "[0-9]+[eE][+-]?[0-9]+|(?:[0-9]+\\.[0-9]*|\\.[0-9]+)(?:[eE][+-]?[0-9]+)?"},
    {"SIGNED_FLOAT", "[+-]?(?:[0-9]+[eE][+-]?[0-9]+|(?:[0-9]+\\.[0-9]*|\\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"},
    {"NUMBER", "[0-9]+|[0-9]+[eE][+-]?[0-9]+|(?:[0-9]+\\.[0-9]*|\\.[0-9]+)(?:[eE][+-]?[0-9]+)?"},
    {"SIGNED_NUMBER", "[+-]?(?:[0-9]+|[0-9]+[eE][+-]?[0-9]+|(?:[0-9]+\\.[0-9]*|\\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"},
    {"ESCAPED_STRING", "\"(?:[^\"\\\\\\n]|\\\\[^\\n])*\""},
    {"LCASE_LETTER", "[a-z]"},
    {"UCASE_LETTER", "[A-Z]"},
    {"LETTER", "[A-Za-z]"},
    {"WORD", "[A-Za-z]+"},
    {"CNAME", "[A-Za-z_][A-Za-z0-9_]*"},
    {"WS_INLINE", "[ \\t]+"},
    {"WS", "[ \\t\\f\\r\\n]+"},
    {"CR", "\\r"},
    {"LF", "\\n"},
    {"NEWLINE", "(?:\\r?\\n)+"},
};

static void define(struct rules_reader *r, uint32_t rule, struct pattern_node *body, bool lexeme) {
    if (!work_ok(r->work)) return;
    if (r->rules->items[rule].body) rules_complain(r, "defined twice");
    r->rules->items[rule].body = body;
    r->rules->items[rule].lexeme = lexeme;
}

static void import_one(struct rules_reader *r, const char *name, size_t n, const char *as, size_t n_as) {
    for (size_t i = 0; i < sizeof common / sizeof *common; i++) {
        if (strlen(common[i].name) != n || memcmp(common[i].name, name, n) != 0) continue;
        define(r, rules_find(r->rules, as, n_as), parse_regex(r, common[i].pattern, strlen(common[i].pattern)), true);
        return;
    }
    rules_refuse(r, "importing this name");
}

/* "%import common.WS", "%import common.WS -> SPACE", "%import common (INT, WS)" */
static void read_import(struct rules_reader *r) {
    rules_skip_space(r, false);
    if (!rules_take(r, "common")) {
        rules_refuse(r, "importing from anything but 'common'");
        return;
    }
    rules_skip_space(r, false);
    bool list = rules_take(r, "(");
    if (!list && !rules_take(r, ".")) rules_complain(r, "expected common.NAME");
    do {
        rules_skip_space(r, false);
        size_t begin = read_name(r), n = r->at - begin, as = begin, n_as = n;
        rules_skip_space(r, false);
        if (!list && rules_take(r, "->")) {
            rules_skip_space(r, false);
            as = read_name(r);
            n_as = r->at - as;
        }
        if (work_ok(r->work)) import_one(r, r->text + begin, n, r->text + as, n_as);
        rules_skip_space(r, false);
    } while (list && rules_take(r, ","));
    if (list && !rules_take(r, ")")) rules_complain(r, "expected )");
}

static void read_ignore(struct rules_reader *r) {
    struct rules *rules = r->rules;
    struct pattern_node *what = read_alternatives(r, false);
    if (!rules->ignored)
        rules->ignored = body_repeat(rules, body_new(rules, PATTERN_ALTERNATIVES), 0, PATTERN_UNLIMITED);
    if (rules->ignored) body_add(rules, rules->ignored->items[0], what);
}

static void read_statement(struct rules_reader *r) {
    if (rules_take(r, "%import")) {
        read_import(r);
        return;
    }
    if (rules_take(r, "%ignore")) {
        read_ignore(r);
        return;
    }
    if (rules_here(r) == '%') {
        rules_refuse(r, "this directive");
        return;
    }
    while (rules_take(r, "?") || rules_take(r, "!")) continue;
    size_t begin = read_name(r);
    if (!work_ok(r->work)) return;
    const char *first = r->text + begin;
    while (first < r->text + r->at && *first == '_') first++;
    bool lexeme = first < r->text + r->at && *first >= 'A' && *first <= 'Z';
    uint32_t rule = rules_find(r->rules, r->text + begin, r->at - begin);
    if (rules_here(r) == '{' || rules_here(r) == '[') rules_refuse(r, "a template or an attribute");
    if (rules_take(r, "."))
        while (rules_here(r) >= '0' && rules_here(r) <= '9') r->at++;
    rules_skip_space(r, false);
    if (!rules_take(r, ":")) {
        rules_complain(r, "expected : behind the name");
        return;
    }
    define(r, rule, read_alternatives(r, false), lexeme);
    if (rules_here(r) == ')' || rules_here(r) == ']') rules_complain(r, "something is closed that wasn't opened");
}

struct rules *lark_compile(struct work *work, const char *text, size_t n) {
    struct rules_reader r = {
        .rules = rules_create(work), .work = work, .text = text, .n = n, .line = 1, .slashes = true};
    return rules_read(&r, read_statement, "start");
}
