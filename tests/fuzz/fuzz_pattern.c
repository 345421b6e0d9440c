/* Any bytes as a split pattern and a text, a NUL between them, in both syntaxes: matches must lie in the text, in order,
 * and the pattern's translation must not grow without bound. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tokenizer/regex_syntax.h"

static void walk(const struct regex *regex, const char *text, size_t n) {
    struct regex_search search;
    size_t from = 0, begin, end, matches = 0;
    bool found;
    bn_error err;
    if (regex_search_begin(regex, &search, &err)) return;
    while (!regex_search_next(&search, text, n, from, &found, &begin, &end, &err) && found) {
        if (begin < from || end < begin || end > n || ++matches > 2 * n + 2) abort();
        from = end;
    }
    regex_search_end(&search);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > 1024) return -1;
    const char *pattern = (const char *)data;
    size_t n = strnlen(pattern, size), rest = n < size ? size - n - 1 : 0;
    const char *text = rest ? pattern + n + 1 : "";
    for (int syntax = REGEX_RUBY; syntax <= REGEX_RUST; syntax++) {
        struct regex *regex;
        struct buffer translated;
        bn_error err;
        buffer_init(&translated);
        regex_translate(pattern, n, (enum regex_syntax)syntax, &translated);
        if (translated.size > 4 * (size_t)REGEX_TRANSLATED_MAX) abort();
        buffer_release(&translated);
        if (regex_compile(pattern, n, (enum regex_syntax)syntax, &regex, &err)) continue;
        walk(regex, text, rest < 64 ? rest : 64);
        regex_free(regex);
    }
    return 0;
}
