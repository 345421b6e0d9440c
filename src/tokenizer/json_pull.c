/* JSON a token at a time; RFC 8259. */
#include "tokenizer/json_pull.h"

#include <string.h>

#include "base/utf8.h"

struct json_pull json_pull_over(const char *text, size_t size) {
    return (struct json_pull){.at = text, .end = text + size};
}

void json_pull_release(struct json_pull *pull) {
    for (size_t i = 0; i < 2; i++) buffer_release(&pull->unescaped[i]);
}

static void give_up(struct json_pull *pull) {
    pull->failed = true;
    pull->at = pull->end;
}

char json_pull_peek(struct json_pull *pull) {
    const char *at = pull->at;
    while (at < pull->end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t')) at++;
    pull->at = at;
    return at < pull->end ? *at : '\0';
}

bool json_pull_accept(struct json_pull *pull, char c) {
    if (json_pull_peek(pull) != c) return false;
    pull->at++;
    return true;
}

void json_pull_expect(struct json_pull *pull, char c) {
    if (!json_pull_accept(pull, c)) give_up(pull);
}

/* ---- strings ---- */

static bool hex4(const char *at, const char *end, uint32_t *value) {
    *value = 0;
    if (end - at < 4) return false;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                                : 16;
        if (digit == 16) return false;
        *value = *value * 16 + digit;
    }
    return true;
}

/* What follows a backslash at `at`, to out; returns how many bytes that was, 0 for nonsense. */
static size_t unescape(const char *at, const char *end, struct buffer *out) {
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    const char *letter = at < end && *at ? strchr(letters, *at) : NULL;
    uint32_t c, low;
    char bytes[4];
    size_t n = 5;
    if (letter) {
        buffer_append_char(out, meanings[letter - letters]);
        return 1;
    }
    if (at >= end || *at != 'u' || !hex4(at + 1, end, &c)) return 0;
    if (c >= 0xd800 && c < 0xdc00) { /* the first half of a pair */
        if (end - at < 11 || at[5] != '\\' || at[6] != 'u' || !hex4(at + 7, end, &low)) return 0;
        if (low < 0xdc00 || low > 0xdfff) return 0;
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        n = 11;
    } else if (c >= 0xdc00 && c < 0xe000) {
        return 0;
    }
    buffer_append(out, bytes, utf8_encode(c, bytes));
    return n;
}

#define EACH_BYTE UINT64_C(0x0101010101010101)

/* The high bit of each byte that is zero; wrong only above one that is right. */
static uint64_t zero_bytes(uint64_t word) {
    return (word - EACH_BYTE) & ~word & EACH_BYTE * 0x80;
}

/* Where the plain part of a string ends, at a quote, backslash or control character, and whether all of it is ASCII.
 * Eight bytes at a time: the lowest bit set is that of the first such byte. */
static const char *plain_end(const char *at, const char *end, bool *ascii) {
    for (; end - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        uint64_t high = word & EACH_BYTE * 0x80, controls = (word - EACH_BYTE * 0x20) & ~word & EACH_BYTE * 0x80;
        uint64_t stops = zero_bytes(word ^ EACH_BYTE * '"') | zero_bytes(word ^ EACH_BYTE * '\\') | controls;
        if (stops) high &= (stops & -stops) - 1;
        if (high) *ascii = false;
        if (stops) return at + __builtin_ctzll(stops) / 8;
    }
    for (; at < end; at++) {
        unsigned char c = (unsigned char)*at;
        if (c == '"' || c == '\\' || c < 0x20) break;
        if (c >= 0x80) *ascii = false;
    }
    return at;
}

static bool string_with_escapes(struct json_pull *pull, const char *begin, const char *plain, const char **text,
                                size_t *size, bool *ascii) {
    struct buffer *out = &pull->unescaped[pull->turn++ % 2];
    buffer_clear(out);
    while (plain < pull->end && *plain == '\\') {
        buffer_append(out, begin, (size_t)(plain - begin));
        size_t n = unescape(plain + 1, pull->end, out);
        if (n == 0) return false;
        begin = plain + 1 + n;
        plain = plain_end(begin, pull->end, ascii);
    }
    buffer_append(out, begin, (size_t)(plain - begin));
    pull->no_memory |= out->failed;
    pull->at = plain;
    *text = out->data ? out->data : "";
    *size = out->size;
    return !out->failed && plain < pull->end && *plain == '"';
}

bool json_pull_string(struct json_pull *pull, const char **text, size_t *size) {
    json_pull_expect(pull, '"');
    if (pull->failed) return false;
    bool ascii = true;
    const char *begin = pull->at, *plain = plain_end(begin, pull->end, &ascii);
    bool good = plain < pull->end && *plain == '"';
    pull->at = plain;
    *text = begin;
    *size = (size_t)(plain - begin);
    if (plain < pull->end && *plain == '\\') good = string_with_escapes(pull, begin, plain, text, size, &ascii);
    if (!good || (!ascii && !utf8_valid(*text, *size))) {
        give_up(pull);
        return false;
    }
    pull->at++;
    return true;
}

/* ---- other values ---- */

bool json_pull_index(struct json_pull *pull, uint64_t max, uint64_t *value) {
    json_pull_peek(pull);
    const char *at = pull->at;
    *value = 0;
    for (; at < pull->end && *at >= '0' && *at <= '9' && *value <= max; at++)
        *value = *value * 10 + (uint64_t)(*at - '0');
    size_t digits = (size_t)(at - pull->at);
    bool ends = at < pull->end && (strchr(",]} \t\r\n", *at) != NULL);
    bool good = digits > 0 && *value <= max && ends && (digits == 1 || *pull->at != '0');
    size_t n;
    if (good)
        pull->at = at;
    else
        json_pull_skip(pull, &n);
    return good;
}

/* From a quote to the quote that closes the string, or the end. */
static const char *string_end(const char *at, const char *end) {
    bool ascii;
    for (at = plain_end(at + 1, end, &ascii); at < end && *at != '"'; at = plain_end(at, end, &ascii))
        at += *at == '\\' && end - at > 1 ? 2 : 1;
    return at;
}

void json_pull_skip(struct json_pull *pull, size_t *n) {
    size_t depth = 0;
    const char *at = pull->at, *end = pull->end;
    json_pull_peek(pull);
    for (*n = 0, at = pull->at; at < end; at++) {
        char c = *at;
        if (c == '"') {
            at = string_end(at, end);
            if (at == end) break;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            if (depth == 0) break; /* of what the value is in */
            if (--depth == 0) {
                at++;
                break;
            }
        } else if (c == ',') {
            if (depth == 0) break;
            *n += depth == 1;
        }
    }
    if (depth > 0 || at == pull->at) {
        give_up(pull);
        return;
    }
    pull->at = at;
}
