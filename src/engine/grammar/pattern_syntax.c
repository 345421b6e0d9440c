/* Reading regular expressions: ECMA-262, section 22.2.1, with the u flag, but braces and brackets that open nothing stand
 * for themselves (annex B), as patterns in the wild need it. */
#include <string.h>

#include <utf8proc.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "engine/grammar/pattern_syntax.h"

#define DEEPEST_GROUP    200
#define MOST_REPETITIONS 100000

struct parser {
    struct work *work;
    const char *text;
    size_t n, at;
    unsigned depth;
    bool ignores_case, dot_is_all;
};

static struct pattern_node *parse_alternatives(struct parser *p);

static void refuse(struct parser *p, const char *what) {
    work_fail(p->work, BN_STATUS_UNSUPPORTED, "%s at byte %zu of the pattern isn't supported", what, p->at);
}
static void complain(struct parser *p, const char *what) {
    work_fail(p->work, BN_STATUS_BAD_ARGUMENT, "%s at byte %zu of the pattern", what, p->at);
}

static struct pattern_node *new_node(struct parser *p, enum pattern_kind kind) {
    struct pattern_node *node = work_alloc(p->work, 1, sizeof *node);
    if (node) node->kind = kind;
    return node;
}

static void add_item(struct parser *p, struct pattern_node *to, struct pattern_node *item) {
    if (!to || !item) return;
    to->items = work_grow(p->work, to->items, to->n_items + 1, &to->items_capacity, sizeof(struct pattern_node *));
    if (to->items) to->items[to->n_items++] = item;
}

static bool more(const struct parser *p) {
    return p->at < p->n && work_ok(p->work);
}
static bool sees(const struct parser *p, const char *what) {
    size_t n = strlen(what);
    return p->n - p->at >= n && memcmp(p->text + p->at, what, n) == 0;
}
static bool take(struct parser *p, const char *what) {
    if (!sees(p, what)) return false;
    p->at += strlen(what);
    return true;
}
static uint32_t take_character(struct parser *p) {
    uint32_t c = 0;
    int length = utf8_decode(p->text + p->at, p->n - p->at, &c);
    if (length <= 0) {
        complain(p, length ? "invalid UTF-8" : "something is missing");
        p->at = p->n;
        return 0;
    }
    p->at += (size_t)length;
    return c;
}

/* ---- sets ---- */

void code_set_add(struct work *work, struct code_set *set, uint32_t first, uint32_t last) {
    set->ranges = work_grow(work, set->ranges, set->n + 1, &set->capacity, sizeof *set->ranges);
    if (set->ranges && work_spend(work, 1)) set->ranges[set->n++] = (struct code_range){first, last};
}

static void sort_ranges(struct code_range *ranges, size_t n) {
    for (size_t i = 1; i < n; i++) { /* nearly sorted, mostly */
        struct code_range moving = ranges[i];
        size_t at = i;
        for (; at > 0 && ranges[at - 1].first > moving.first; at--) ranges[at] = ranges[at - 1];
        ranges[at] = moving;
    }
}

void code_set_finish(struct work *work, struct code_set *set, bool negated) {
    struct code_set merged = {0};
    uint32_t next = 0; /* the first code point that isn't dealt with */
    if (!work_spend(work, set->n < 2000 ? set->n : set->n * set->n / 100)) return;
    sort_ranges(set->ranges, set->n);
    for (size_t i = 0; i < set->n;) {
        uint32_t first = set->ranges[i].first, last = set->ranges[i].last;
        for (i++; i < set->n && set->ranges[i].first <= last + 1; i++)
            if (set->ranges[i].last > last) last = set->ranges[i].last;
        if (!negated)
            code_set_add(work, &merged, first, last);
        else if (first > next)
            code_set_add(work, &merged, next, first - 1);
        next = last + 1;
    }
    if (negated && next <= LAST_CODE_POINT) code_set_add(work, &merged, next, LAST_CODE_POINT);
    /* surrogates are no characters */
    struct code_set cut = {0};
    for (size_t i = 0; i < merged.n; i++) {
        struct code_range r = merged.ranges[i];
        if (r.first < 0xd800) code_set_add(work, &cut, r.first, r.last < 0xd7ff ? r.last : 0xd7ff);
        if (r.last > 0xdfff) code_set_add(work, &cut, r.first > 0xe000 ? r.first : 0xe000, r.last);
    }
    *set = cut;
}

static const struct code_range digits[] = {{'0', '9'}};
static const struct code_range words[] = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
static const struct code_range spaces[] = {{9, 13},          {32, 32},         {0xa0, 0xa0},     {0x1680, 0x1680},
                                           {0x2000, 0x200a}, {0x2028, 0x2029}, {0x202f, 0x202f}, {0x205f, 0x205f},
                                           {0x3000, 0x3000}, {0xfeff, 0xfeff}};
static const struct code_range newlines[] = {{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};

static void add_ranges(struct parser *p, struct code_set *set, const struct code_range *ranges, size_t n,
                       bool negated) {
    struct code_set own = {0};
    for (size_t i = 0; i < n; i++) code_set_add(p->work, &own, ranges[i].first, ranges[i].last);
    code_set_finish(p->work, &own, negated);
    for (size_t i = 0; i < own.n; i++) code_set_add(p->work, set, own.ranges[i].first, own.ranges[i].last);
}
#define ADD_RANGES(p, set, ranges, negated) add_ranges(p, set, ranges, sizeof ranges / sizeof *ranges, negated)

/* General categories by their short names; long names of the large ones. */
static const char *category_of_long_name(const char *name, size_t n) {
    static const char *const names[][2] = {
        {"Letter", "L"},
        {"Lowercase_Letter", "Ll"},
        {"Uppercase_Letter", "Lu"},
        {"Mark", "M"},
        {"Number", "N"},
        {"Decimal_Number", "Nd"},
        {"digit", "Nd"},
        {"Punctuation", "P"},
        {"punct", "P"},
        {"Symbol", "S"},
        {"Separator", "Z"},
        {"Space_Separator", "Zs"},
        {"Other", "C"},
        {"Control", "Cc"},
        {"Alphabetic", "L"},
    };
    for (size_t i = 0; i + 1 < sizeof names / sizeof names[0]; i++)
        if (strlen(names[i][0]) == n && memcmp(names[i][0], name, n) == 0) return names[i][1];
    return NULL;
}

static void add_category(struct parser *p, struct code_set *set, bool negated) {
    const char *end = p->at < p->n ? memchr(p->text + p->at, '}', p->n - p->at) : NULL;
    if (p->at >= p->n || p->text[p->at] != '{' || !end) {
        complain(p, "\\p without a {property}");
        return;
    }
    const char *name = p->text + p->at + 1;
    size_t n = (size_t)(end - name);
    for (const char *prefix = "General_Category="; n > strlen(prefix) && memcmp(name, prefix, strlen(prefix)) == 0;)
        name += strlen(prefix), n -= strlen(prefix);
    for (const char *prefix = "gc="; n > strlen(prefix) && memcmp(name, prefix, strlen(prefix)) == 0;)
        name += strlen(prefix), n -= strlen(prefix);
    const char *category = category_of_long_name(name, n);
    if (category) name = category, n = strlen(category);
    if (n < 1 || n > 2 || !strchr("LMNPSZC", name[0])) {
        refuse(p, "this Unicode property");
        return;
    }
    bool any = false;
    struct code_set own = {0};
    if (!work_spend(p->work, 100000)) return;
    for (uint32_t c = 0, first; c <= LAST_CODE_POINT; c++) {
        first = c;
        for (; c <= LAST_CODE_POINT; c++) {
            const char *of = utf8proc_category_string((utf8proc_int32_t)c);
            if (of[0] != name[0] || (n == 2 && of[1] != name[1])) break;
        }
        if (c > first) code_set_add(p->work, &own, first, c - 1), any = true;
    }
    if (!any) refuse(p, "this Unicode property");
    code_set_finish(p->work, &own, negated);
    for (size_t i = 0; i < own.n; i++) code_set_add(p->work, set, own.ranges[i].first, own.ranges[i].last);
    p->at = (size_t)(end + 1 - p->text);
}

/* ---- escapes ---- */

static uint32_t hex_digits(struct parser *p, size_t n) {
    uint32_t value = 0;
    for (size_t i = 0; i < n; i++) {
        char c = p->at + i < p->n ? p->text[p->at + i] : 0;
        uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                                : 16;
        if (digit == 16) {
            complain(p, "a hexadecimal digit is missing");
            return 0;
        }
        value = value << 4 | digit;
    }
    p->at += n;
    return value;
}

static uint32_t unicode_escape(struct parser *p) {
    if (take(p, "{")) {
        const char *end = memchr(p->text + p->at, '}', p->n - p->at);
        size_t n = end ? (size_t)(end - p->text) - p->at : 0;
        uint32_t c = n >= 1 && n <= 6 ? hex_digits(p, n) : LAST_CODE_POINT + 1;
        if (c > LAST_CODE_POINT) complain(p, "not a code point");
        p->at += end != NULL;
        return c;
    }
    uint32_t c = hex_digits(p, 4);
    if (c >= 0xd800 && c < 0xdc00 && take(p, "\\u")) {
        uint32_t low = hex_digits(p, 4);
        if (low < 0xdc00 || low > 0xdfff) complain(p, "half of a surrogate pair");
        return 0x10000 + ((c - 0xd800) << 10) + ((low - 0xdc00) & 0x3ff);
    }
    return c;
}

/* After a backslash: adds a class to *set, or returns the one character it stands for. */
#define IS_CLASS UINT32_MAX
static uint32_t parse_escape(struct parser *p, struct code_set *set) {
    uint32_t c = take_character(p);
    switch (c) {
    case 'd':
    case 'D':
        ADD_RANGES(p, set, digits, c == 'D');
        return IS_CLASS;
    case 'w':
    case 'W':
        ADD_RANGES(p, set, words, c == 'W');
        return IS_CLASS;
    case 's':
    case 'S':
        ADD_RANGES(p, set, spaces, c == 'S');
        return IS_CLASS;
    case 'p':
    case 'P':
        add_category(p, set, c == 'P');
        return IS_CLASS;
    case 't':
        return '\t';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 'f':
        return '\f';
    case 'v':
        return '\v';
    case 'a':
        return 7;
    case 'e':
        return 27;
    case 'x':
        return hex_digits(p, 2);
    case 'u':
        return unicode_escape(p);
    case 'c':
        return take_character(p) & 31;
    case '0':
        if (p->at < p->n && p->text[p->at] >= '0' && p->text[p->at] <= '9') refuse(p, "an octal escape");
        return 0;
    case 'b':
        return '\b'; /* in a class; elsewhere it's an assertion */
    default:
        if ((c >= '1' && c <= '9') || c == 'k')
            refuse(p, "a back-reference");
        else if (c == 'G')
            refuse(p, "this assertion");
        else if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
            refuse(p, "this escape");
        return c;
    }
}

/* Letters of the other case beside those of the set. */
static void add_other_cases(struct parser *p, struct code_set *set) {
    size_t n = set->n;
    for (size_t i = 0; i < n && work_ok(p->work); i++) {
        const struct code_range range = set->ranges[i];
        if (!work_spend(p->work, (range.last - range.first) / 8)) return;
        for (uint32_t c = range.first; c <= range.last && work_ok(p->work); c++) {
            uint32_t lower = (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
            uint32_t upper = (uint32_t)utf8proc_toupper((utf8proc_int32_t)c);
            if (lower < range.first || lower > range.last) code_set_add(p->work, set, lower, lower);
            if (upper < range.first || upper > range.last) code_set_add(p->work, set, upper, upper);
        }
    }
}

static struct pattern_node *chars_of(struct parser *p, struct code_set set, bool negated) {
    struct pattern_node *node = new_node(p, PATTERN_CHARS);
    if (p->ignores_case) add_other_cases(p, &set);
    code_set_finish(p->work, &set, negated);
    if (node) node->set = set;
    return node;
}

static struct pattern_node *one_character(struct parser *p, uint32_t c) {
    struct code_set set = {0};
    code_set_add(p->work, &set, c, c);
    return chars_of(p, set, false);
}

static struct pattern_node *parse_class(struct parser *p) {
    struct code_set set = {0};
    bool negated = take(p, "^");
    while (more(p) && p->text[p->at] != ']') {
        uint32_t first = take(p, "\\") ? parse_escape(p, &set) : take_character(p), last = first;
        bool range = p->at + 1 < p->n && p->text[p->at] == '-' && p->text[p->at + 1] != ']';
        if (range && first != IS_CLASS) {
            p->at++;
            last = take(p, "\\") ? parse_escape(p, &set) : take_character(p);
            if (last == IS_CLASS) { /* "[a-\d]": a minus between two things */
                code_set_add(p->work, &set, '-', '-');
                last = first;
            }
        }
        if (first == IS_CLASS) continue;
        if (last < first) complain(p, "a range that ends before it begins");
        code_set_add(p->work, &set, first, last);
    }
    if (!take(p, "]")) complain(p, "a class without its end");
    return chars_of(p, set, negated);
}

/* ---- structure ---- */

static struct pattern_node *look_node(struct parser *p, bool behind, bool negative) {
    struct pattern_node *look = new_node(p, PATTERN_LOOK);
    if (!look) return NULL;
    look->behind = behind;
    look->negative = negative;
    return look;
}

/* \b: a letter on one side only; \B: on both or neither. */
static struct pattern_node *word_boundary(struct parser *p, bool negative) {
    struct pattern_node *ways = new_node(p, PATTERN_ALTERNATIVES);
    for (int i = 0; i < 2 && work_ok(p->work); i++) {
        struct pattern_node *way = new_node(p, PATTERN_CONCAT);
        for (int side = 0; side < 2 && work_ok(p->work); side++) {
            struct code_set set = {0};
            ADD_RANGES(p, &set, words, false);
            struct pattern_node *look = look_node(p, side == 0, (i ^ (side && !negative)) != 0);
            add_item(p, look, chars_of(p, set, false));
            add_item(p, way, look);
        }
        add_item(p, ways, way);
    }
    return ways;
}

/* "?i", "?s-i" and so on, up to `end`; false, and nothing is taken, where something else stands. */
static bool take_flags(struct parser *p, char end) {
    size_t at = p->at + 1;
    bool on = true, ignores_case = p->ignores_case, dot_is_all = p->dot_is_all;
    for (; at < p->n && strchr("isu-", p->text[at]); at++) {
        if (p->text[at] == '-') on = false;
        if (p->text[at] == 'i') ignores_case = on;
        if (p->text[at] == 's') dot_is_all = on;
    }
    if (at >= p->n || p->text[at] != end) return false;
    p->at = at + 1;
    p->ignores_case = ignores_case;
    p->dot_is_all = dot_is_all;
    return true;
}

static struct pattern_node *parse_group(struct parser *p) {
    struct pattern_node *look = NULL;
    if (p->depth >= DEEPEST_GROUP) {
        work_fail(p->work, BN_STATUS_UNSUPPORTED, "groups of the pattern are nested deeper than %d", DEEPEST_GROUP);
        return NULL;
    }
    bool ignored_case = p->ignores_case, dot_was_all = p->dot_is_all;
    if (sees(p, "?=") || sees(p, "?!") || sees(p, "?<=") || sees(p, "?<!")) {
        bool behind = p->text[++p->at] == '<';
        look = look_node(p, behind, p->text[p->at += behind] == '!');
        p->at++;
    } else if (take(p, "?P<") || take(p, "?<")) {
        const char *end = memchr(p->text + p->at, '>', p->n - p->at);
        p->at = end ? (size_t)(end + 1 - p->text) : p->n;
    } else if (!take(p, "?:") && sees(p, "?") && !take_flags(p, ':')) {
        refuse(p, "this kind of group");
    }
    p->depth++;
    struct pattern_node *inside = parse_alternatives(p);
    p->depth--;
    p->ignores_case = ignored_case;
    p->dot_is_all = dot_was_all;
    if (!take(p, ")")) complain(p, "a group without its end");
    if (!look) return inside;
    add_item(p, look, inside);
    return look;
}

/* "{2}", "{2,}", "{2,5}"; false, and nothing is taken, for other braces. */
static bool parse_bounds(struct parser *p, uint32_t *min, uint32_t *max) {
    size_t at = p->at + 1, begin = at;
    uint32_t values[2] = {0, 0};
    bool given[2] = {false, false}, comma = false;
    for (; at < p->n; at++) {
        char c = p->text[at];
        if (c == ',' && !comma) {
            comma = true;
        } else if (c >= '0' && c <= '9') {
            given[comma] = true;
            values[comma] = values[comma] > MOST_REPETITIONS ? values[comma] : values[comma] * 10 + (uint32_t)(c - '0');
        } else {
            break;
        }
    }
    if (at >= p->n || p->text[at] != '}' || at == begin || !given[0]) return false;
    *min = values[0];
    *max = !comma ? values[0] : given[1] ? values[1] : PATTERN_UNLIMITED;
    p->at = at + 1;
    if (*max < *min) complain(p, "a repetition whose bounds are reversed");
    if (*min > MOST_REPETITIONS || (*max != PATTERN_UNLIMITED && *max > MOST_REPETITIONS))
        work_fail(p->work, BN_STATUS_UNSUPPORTED, "more than %d repetitions at byte %zu of the pattern",
                  MOST_REPETITIONS, p->at);
    return true;
}

static struct pattern_node *parse_repetitions(struct parser *p, struct pattern_node *what) {
    while (more(p) && what) {
        uint32_t min = 0, max = PATTERN_UNLIMITED;
        if (sees(p, "{")) {
            if (!parse_bounds(p, &min, &max)) return what;
        } else if (take(p, "?")) {
            max = 1;
        } else if (take(p, "+")) {
            min = 1;
        } else if (!take(p, "*")) {
            return what;
        }
        if (what->kind == PATTERN_START || what->kind == PATTERN_END || what->kind == PATTERN_LOOK)
            refuse(p, "a repeated assertion");
        if (!take(p, "?") && sees(p, "+") && what->kind != PATTERN_REPEAT) refuse(p, "a possessive repetition");
        struct pattern_node *repeat = new_node(p, PATTERN_REPEAT);
        if (!repeat) return NULL;
        repeat->min = min;
        repeat->max = max;
        add_item(p, repeat, what);
        what = repeat;
    }
    return what;
}

static struct pattern_node *parse_atom(struct parser *p) {
    struct code_set set = {0};
    uint32_t c = take_character(p);
    switch (c) {
    case '(':
        return parse_group(p);
    case '[':
        return parse_class(p);
    case '^':
        return new_node(p, PATTERN_START);
    case '$':
        return new_node(p, PATTERN_END);
    case '.':
        ADD_RANGES(p, &set, newlines, true);
        if (p->dot_is_all) ADD_RANGES(p, &set, newlines, false);
        return chars_of(p, set, false);
    case '\\':
        if (take(p, "A")) return new_node(p, PATTERN_START);
        if (take(p, "Z") || take(p, "z")) return new_node(p, PATTERN_END);
        if (take(p, "b")) return word_boundary(p, false);
        if (take(p, "B")) return word_boundary(p, true);
        c = parse_escape(p, &set);
        return c == IS_CLASS ? chars_of(p, set, false) : one_character(p, c);
    case '*':
    case '+':
    case '?':
        complain(p, "a repetition of nothing");
        return NULL;
    default:
        return one_character(p, c);
    }
}

static struct pattern_node *parse_concat(struct parser *p) {
    struct pattern_node *concat = new_node(p, PATTERN_CONCAT);
    while (more(p) && p->text[p->at] != '|' && p->text[p->at] != ')')
        add_item(p, concat, parse_repetitions(p, parse_atom(p)));
    return concat;
}

static struct pattern_node *parse_alternatives(struct parser *p) {
    struct pattern_node *alternatives = new_node(p, PATTERN_ALTERNATIVES);
    do add_item(p, alternatives, parse_concat(p));
    while (more(p) && take(p, "|"));
    return work_ok(p->work) ? alternatives : NULL;
}

struct pattern_node *pattern_parse(struct work *work, const char *text, size_t n) {
    struct parser p = {.work = work, .text = text, .n = n};
    if (!work_spend(work, n)) return NULL;
    if (sees(&p, "(?")) {
        p.at = 1;
        if (!take_flags(&p, ')')) p.at = 0;
    }
    struct pattern_node *tree = parse_alternatives(&p);
    if (tree && p.at < n) complain(&p, "a ) that closes nothing");
    return work_ok(work) ? tree : NULL;
}
