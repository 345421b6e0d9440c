/* Jinja's lexer for its default delimiters, with trim_blocks and lstrip_blocks on:
 *
 *   data   up to the next {{, {% or {#; a '-' in the opening tag strips white space before it, a '+' keeps the blanks
 *          that lstrip_blocks would take (blanks alone on their line before a block or comment)
 *   tags   names, numbers, strings, operators; brackets must match inside one tag, which is also what lets }} stand
 *          inside a dict
 *
 * After a closing tag '-' strips white space; a block or comment also swallows one newline unless '+' says no. */
#include "tokenizer/template/lexer.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "tokenizer/template/characters.h"
#include "tokenizer/template/integer.h"

struct lexer {
    struct evaluator *ev;
    const char *source;
    size_t size, at;
    struct token *tokens;
    size_t n, capacity;
    char open[MAX_PARSER_NESTING]; /* closing brackets that are due */
    size_t n_open;
};

static bool lex_fail(struct lexer *lx, size_t at, const char *message) {
    lx->ev->at = at;
    return ev_fail(lx->ev, "%s", message);
}

static bool add_token(struct lexer *lx, enum token_type type, size_t from, size_t to) {
    if (lx->n == lx->capacity) {
        size_t capacity = lx->capacity ? 2 * lx->capacity : 64;
        struct token *tokens = mem_realloc_array(lx->tokens, capacity, sizeof *tokens);
        if (!tokens) return ev_out_of_memory(lx->ev);
        lx->tokens = tokens;
        lx->capacity = capacity;
    }
    lx->tokens[lx->n++] = (struct token){.type = type, .offset = (uint32_t)from, .n = (uint32_t)(to - from)};
    return true;
}

static bool starts(const struct lexer *lx, size_t at, const char *what) {
    size_t n = strlen(what);
    return n <= lx->size - at && memcmp(lx->source + at, what, n) == 0;
}

static size_t skip_spaces(const struct lexer *lx, size_t at) {
    while (at < lx->size) {
        const char *p = lx->source + at;
        if (!python_is_space(next_code_point(&p))) break;
        at = (size_t)(p - lx->source);
    }
    return at;
}

static size_t strip_spaces_before(const struct lexer *lx, size_t from, size_t to) {
    while (to > from) {
        size_t last = to - 1;
        while (last > from && ((unsigned char)lx->source[last] & 0xc0) == 0x80) last--;
        const char *p = lx->source + last;
        if (!python_is_space(next_code_point(&p))) break;
        to = last;
    }
    return to;
}

/* Data [from, to) before an opening tag with this sign. Blanks alone on the tag's line go (lstrip_blocks); the line is
 * the tag's own when the data before it has a newline or what came before ended with one. */
static bool add_data(struct lexer *lx, size_t from, size_t to, char sign, bool is_variable) {
    if (sign == '-') {
        to = strip_spaces_before(lx, from, to);
    } else if (sign != '+' && !is_variable) {
        size_t line = to;
        while (line > from && lx->source[line - 1] != '\n') line--;
        bool at_line_start = line > from || from == 0 || lx->source[from - 1] == '\n';
        if (at_line_start && strip_spaces_before(lx, line, to) == line) to = line;
    }
    return to == from || add_token(lx, TOKEN_DATA, from, to);
}

/* Behind a closing "-%}", "+%}" or "%}" at `at` (its sign's place): where the text goes on; 0 if there is none. */
static size_t closing_tag(const struct lexer *lx, size_t at, const char *close, bool is_block) {
    char sign = at < lx->size && (lx->source[at] == '-' || (is_block && lx->source[at] == '+')) ? lx->source[at] : 0;
    if (!starts(lx, at + (sign != 0), close)) return 0;
    size_t end = at + (sign != 0) + 2;
    if (sign == '-') return skip_spaces(lx, end);
    return end + (is_block && sign == 0 && end < lx->size && lx->source[end] == '\n');
}

static bool lex_comment(struct lexer *lx, size_t begin) {
    for (size_t at = begin + 2; at + 1 < lx->size; at++) {
        size_t end = closing_tag(lx, at, "#}", true);
        if (end) {
            lx->at = end;
            return true;
        }
    }
    return lex_fail(lx, begin, "missing end of comment tag");
}

/* "{%- raw -%}": 0 when the tag at `at` isn't one, otherwise where its content begins. */
static size_t raw_tag(const struct lexer *lx, size_t at) {
    at += 2;
    if (at < lx->size && (lx->source[at] == '-' || lx->source[at] == '+')) at++;
    at = skip_spaces(lx, at);
    if (!starts(lx, at, "raw")) return 0;
    at = skip_spaces(lx, at + 3);
    if (starts(lx, at, "-%}")) return skip_spaces(lx, at + 3);
    return starts(lx, at, "%}") ? at + 2 : 0;
}

static bool lex_raw(struct lexer *lx, size_t begin, size_t content) {
    for (size_t at = content; at + 1 < lx->size; at++) {
        if (!starts(lx, at, "{%")) continue;
        char sign = at + 2 < lx->size ? lx->source[at + 2] : 0;
        if (sign != '-' && sign != '+') sign = 0;
        size_t name = skip_spaces(lx, at + 2 + (sign != 0));
        if (!starts(lx, name, "endraw")) continue;
        size_t end = closing_tag(lx, skip_spaces(lx, name + 6), "%}", true);
        if (!end) continue;
        lx->at = end;
        return add_data(lx, content, at, sign, false);
    }
    return lex_fail(lx, begin, "missing end of raw directive");
}

static bool lex_name(struct lexer *lx) {
    size_t begin = lx->at;
    const char *p = lx->source + begin, *end = lx->source + lx->size;
    while (p < end) {
        const char *next = p;
        uint32_t c = next_code_point(&next);
        if (!(p == lx->source + begin ? python_is_identifier_start(c) : python_is_identifier_part(c))) break;
        p = next;
    }
    lx->at = (size_t)(p - lx->source);
    return add_token(lx, TOKEN_NAME, begin, lx->at);
}

static bool is_digit_of(char c, unsigned base) {
    if (base == 16) return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    return c >= '0' && c < (char)('0' + base);
}

/* Digits that single underscores may separate (and, behind a prefix, precede). */
static size_t digits_end(const struct lexer *lx, size_t at, unsigned base, bool underscore_first) {
    bool may_separate = underscore_first;
    while (at < lx->size) {
        bool is_separator = lx->source[at] == '_';
        size_t digit = at + is_separator;
        if ((is_separator && !may_separate) || digit >= lx->size || !is_digit_of(lx->source[digit], base)) break;
        at = digit + 1;
        may_separate = true;
    }
    return at;
}

static bool lex_number(struct lexer *lx) {
    size_t begin = lx->at, end;
    if (lx->source[begin] == '0' && begin + 1 < lx->size) {
        char kind = (char)(lx->source[begin + 1] | 0x20);
        unsigned base = kind == 'b' ? 2 : kind == 'o' ? 8 : kind == 'x' ? 16 : 0;
        end = base ? digits_end(lx, begin + 2, base, true) : begin + 2;
        if (base && end > begin + 2) {
            lx->at = end;
            return add_token(lx, TOKEN_INTEGER, begin, end);
        }
    }
    end = digits_end(lx, begin, 10, false);
    size_t whole = end;
    bool after_dot = begin > 0 && lx->source[begin - 1] == '.'; /* a.0.1 are two integers */
    if (!after_dot) {
        if (end + 1 < lx->size && lx->source[end] == '.' && is_digit_of(lx->source[end + 1], 10))
            end = digits_end(lx, end + 1, 10, false);
        if (end + 1 < lx->size && (lx->source[end] | 0x20) == 'e') {
            size_t exponent = end + 1 + (lx->source[end + 1] == '+' || lx->source[end + 1] == '-');
            size_t exponent_end = digits_end(lx, exponent, 10, false);
            if (exponent_end > exponent) end = exponent_end;
        }
    }
    if (end == whole && lx->source[begin] == '0') { /* decimal integers don't start with 0, unless they are 0 */
        for (size_t i = begin; i < end; i++)
            if (lx->source[i] != '0' && lx->source[i] != '_') end = i;
    }
    lx->at = end;
    return add_token(lx, end > whole ? TOKEN_FLOAT : TOKEN_INTEGER, begin, end);
}

static bool lex_string(struct lexer *lx) {
    size_t begin = lx->at;
    char quote = lx->source[begin];
    for (size_t at = begin + 1; at < lx->size; at++) {
        if (lx->source[at] == '\\') {
            at++;
        } else if (lx->source[at] == quote) {
            lx->at = at + 1;
            return add_token(lx, TOKEN_STRING, begin, at + 1);
        }
    }
    return lex_fail(lx, begin, "unexpected quote: the string has no end");
}

static bool balance(struct lexer *lx, char c) {
    if (c == '(' || c == '[' || c == '{') {
        if (lx->n_open == sizeof lx->open) return lex_fail(lx, lx->at, "nested too deeply");
        lx->open[lx->n_open++] = c == '(' ? ')' : c == '[' ? ']' : '}';
    } else if (c == ')' || c == ']' || c == '}') {
        if (!lx->n_open || lx->open[--lx->n_open] != c) return lex_fail(lx, lx->at, "unexpected closing bracket");
    }
    return true;
}

static bool lex_operator(struct lexer *lx) {
    static const struct {
        char text[3];
        enum token_type type;
    } operators[] = {
        {"//", TOKEN_FLOOR_DIV},   {"**", TOKEN_POW},          {"==", TOKEN_EQ},        {"!=", TOKEN_NE},
        {">=", TOKEN_GE},          {"<=", TOKEN_LE},           {"+", TOKEN_ADD},        {"-", TOKEN_SUB},
        {"/", TOKEN_DIV},          {"*", TOKEN_MUL},           {"%", TOKEN_MOD},        {"~", TOKEN_TILDE},
        {"[", TOKEN_LEFT_BRACKET}, {"]", TOKEN_RIGHT_BRACKET}, {"(", TOKEN_LEFT_PAREN}, {")", TOKEN_RIGHT_PAREN},
        {"{", TOKEN_LEFT_BRACE},   {"}", TOKEN_RIGHT_BRACE},   {">", TOKEN_GT},         {"<", TOKEN_LT},
        {"=", TOKEN_ASSIGN},       {".", TOKEN_DOT},           {":", TOKEN_COLON},      {"|", TOKEN_PIPE},
        {",", TOKEN_COMMA},        {";", TOKEN_SEMICOLON}};
    for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++) {
        if (!starts(lx, lx->at, operators[i].text)) continue;
        if (!balance(lx, lx->source[lx->at])) return false;
        size_t begin = lx->at;
        lx->at += strlen(operators[i].text);
        return add_token(lx, operators[i].type, begin, lx->at);
    }
    return lex_fail(lx, lx->at, "unexpected character");
}

/* The inside of {% … %} or {{ … }}, its end included. */
static bool lex_tag(struct lexer *lx, bool is_block) {
    size_t begin = lx->at - 2;
    const char *close = is_block ? "%}" : "}}";
    lx->n_open = 0;
    for (;;) {
        lx->at = skip_spaces(lx, lx->at);
        if (lx->at >= lx->size) return lex_fail(lx, begin, "the tag has no end");
        size_t end = lx->n_open ? 0 : closing_tag(lx, lx->at, close, is_block);
        if (end) {
            if (!add_token(lx, is_block ? TOKEN_BLOCK_END : TOKEN_VARIABLE_END, lx->at, lx->at + 2)) return false;
            lx->at = end;
            return true;
        }
        char c = lx->source[lx->at];
        const char *p = lx->source + lx->at;
        bool ok;
        if (c >= '0' && c <= '9')
            ok = lex_number(lx);
        else if (c == '\'' || c == '"')
            ok = lex_string(lx);
        else if (python_is_identifier_start(next_code_point(&p)))
            ok = lex_name(lx);
        else
            ok = lex_operator(lx);
        if (!ok) return false;
    }
}

static bool lex_template(struct lexer *lx) {
    while (lx->at < lx->size) {
        size_t from = lx->at, tag = from;
        while (tag + 1 < lx->size &&
               !(lx->source[tag] == '{' && strchr("{%#", lx->source[tag + 1]) && lx->source[tag + 1]))
            tag++;
        if (tag + 1 >= lx->size) {
            lx->at = lx->size;
            return add_token(lx, TOKEN_DATA, from, lx->size);
        }
        char kind = lx->source[tag + 1], sign = tag + 2 < lx->size ? lx->source[tag + 2] : 0;
        bool has_sign = sign == '-' || sign == '+';
        if (!add_data(lx, from, tag, has_sign ? sign : 0, kind == '{')) return false;
        size_t raw = kind == '%' ? raw_tag(lx, tag) : 0;
        if (raw) {
            if (!lex_raw(lx, tag, raw)) return false;
            continue;
        }
        if (kind == '#') {
            if (!lex_comment(lx, tag)) return false;
            continue;
        }
        if (!add_token(lx, kind == '%' ? TOKEN_BLOCK_BEGIN : TOKEN_VARIABLE_BEGIN, tag, tag + 2)) return false;
        lx->at = tag + 2 + has_sign;
        if (!lex_tag(lx, kind == '%')) return false;
    }
    return true;
}

bool tokenize(struct evaluator *ev, struct token **tokens, size_t *n_tokens) {
    struct lexer lx = {.ev = ev, .source = ev->source, .size = ev->source_size};
    if (lex_template(&lx) && add_token(&lx, TOKEN_END, lx.size, lx.size)) {
        *tokens = lx.tokens;
        *n_tokens = lx.n;
        return true;
    }
    mem_free(lx.tokens);
    return false;
}

static bool hex_escape(struct evaluator *ev, const char **p, const char *end, unsigned n_digits, uint32_t *code) {
    *code = 0;
    for (unsigned i = 0; i < n_digits; i++, (*p)++) {
        if (*p == end || !is_digit_of(**p, 16)) return ev_fail(ev, "a \\x, \\u or \\U escape lacks digits");
        char c = **p;
        *code = *code << 4 | (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    if (*code > 0x10ffff || (*code >= 0xd800 && *code < 0xe000)) return ev_fail(ev, "U+%04X is not a character", *code);
    return true;
}

/* One escape sequence behind its backslash. Unknown ones stay as they are, as in Python. */
static bool write_escape(struct evaluator *ev, struct writer *w, const char **p, const char *end) {
    char c = *(*p)++;
    static const char letters[] = "abfnrtv\\'\"", meanings[] = "\a\b\f\n\r\t\v\\'\"";
    const char *known = c ? strchr(letters, c) : NULL;
    uint32_t code;
    if (known) return write_char(ev, w, meanings[known - letters]);
    if (c == '\n') return true;
    if (c == 'x' || c == 'u' || c == 'U')
        return hex_escape(ev, p, end, c == 'x' ? 2 : c == 'u' ? 4 : 8, &code) && write_code_point(ev, w, code);
    if (c >= '0' && c <= '7') {
        code = (uint32_t)(c - '0');
        for (int i = 0; i < 2 && *p < end && **p >= '0' && **p <= '7'; i++) code = code * 8 + (uint32_t)(*(*p)++ - '0');
        return write_code_point(ev, w, code);
    }
    if (c == 'N') return ev_fail(ev, "\\N{…} escapes are not supported; write \\u or \\U");
    return write_char(ev, w, '\\') && write_char(ev, w, c);
}

const struct text *string_token_value(struct evaluator *ev, const struct token *token) {
    const char *p = ev->source + token->offset + 1, *end = p + token->n - 2;
    if (!memchr(p, '\\', (size_t)(end - p))) return text_wrap(ev, p, (size_t)(end - p));
    struct writer w = {0};
    ev->at = token->offset;
    while (p < end) {
        const char *backslash = memchr(p, '\\', (size_t)(end - p));
        const char *stop = backslash ? backslash : end;
        if (!write_bytes(ev, &w, p, (size_t)(stop - p))) return NULL;
        p = stop;
        if (backslash) {
            p++;
            if (!write_escape(ev, &w, &p, end)) return NULL;
        }
    }
    return text_wrap(ev, w.data ? w.data : "", w.size);
}

bool number_token_value(struct evaluator *ev, const struct token *token, struct value *out) {
    const char *digits = ev->source + token->offset;
    ev->at = token->offset;
    if (token->type == TOKEN_INTEGER) {
        char kind = token->n > 2 ? (char)(digits[1] | 0x20) : 0;
        unsigned base = kind == 'x' ? 16 : kind == 'o' ? 8 : kind == 'b' ? 2 : 10;
        size_t skip = base == 10 ? 0 : 2;
        return integer_from_digits(ev, digits + skip, token->n - skip, base, false, out);
    }
    struct writer w = {0};
    for (size_t i = 0; i < token->n; i++)
        if (digits[i] != '_' && !write_char(ev, &w, digits[i])) return false;
    if (!write_char(ev, &w, 0)) return false;
    *out = value_float(strtod(w.data, NULL));
    return true;
}
