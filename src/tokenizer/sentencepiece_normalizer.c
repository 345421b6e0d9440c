/* The reference's rules in order: leading white space dropped, dummy prefix, each prefix normalized with runs of
 * white space folded to one, trailing white space dropped, dummy suffix. */
#include "tokenizer/sentencepiece_normalizer.h"

#include <string.h>

#include "tokenizer/normalizer.h"
#include "tokenizer/trie.h"
#include "tokenizer/unicode.h"

static const char escaped_space[] = "\xe2\x96\x81";

/* What the text at `at` begins with, normalized; returns how many bytes of it that covers. */
static size_t normalize_prefix(const struct normalizer_step *step, const struct text *text, size_t at,
                               const char **normalized, size_t *size) {
    const char *rest = text->bytes + at;
    size_t n = text->size - at, length;
    int32_t value;
    *normalized = rest;
    if (step->user_symbols && (length = trie_longest_prefix(step->user_symbols, rest, n, &value)) > 0) {
        *size = length;
        return length;
    }
    const char *replacement = precompiled_find(&step->precompiled, rest, n, true, &length);
    if (replacement) {
        *normalized = replacement;
        *size = strlen(replacement);
        return length;
    }
    uint32_t c;
    length = unicode_next(rest, n, &c);
    *size = length;
    if (c >= INVALID_BYTE) {
        *normalized = "\xef\xbf\xbd";
        *size = 3;
    }
    return length;
}

static void append_escaped(struct text *out, const char *bytes, size_t n, struct span span) {
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] == ' ')
            text_append(out, escaped_space, 3, span);
        else
            text_append(out, bytes + i, 1, span);
    }
}

/* How many characters at `at` stay as they are, one byte each: no spaces, nothing the map or a user symbol begins
 * with. */
static size_t plain_run(const struct normalizer_step *step, const struct text *text, size_t at) {
    const struct trie *symbols = step->user_symbols;
    const char *bytes = text->bytes;
    size_t end = at;
    while (end < text->size && bytes[end] != ' ' && precompiled_is_plain(&step->precompiled, bytes[end]) &&
           !(symbols && symbols->root[(unsigned char)bytes[end]]))
        end++;
    bool whole = end == at || end == text->size || (unsigned char)bytes[end] < 128; /* nothing combines with the last */
    return end - at - !whole;
}

void sentencepiece_normalize(const struct normalizer_step *step, const struct text *text, struct text *out) {
    size_t at = 0, size;
    const char *normalized;
    text_clear(out, text->base);
    while (step->remove_extra_whitespaces && at < text->size) {
        size_t length = normalize_prefix(step, text, at, &normalized, &size);
        if (size != 1 || *normalized != ' ') break;
        at += length;
    }
    if (at == text->size) return;
    uint32_t origin = text_span(text, at, at + 1).begin;
    if (step->add_dummy_prefix && !step->whitespace_as_suffix)
        text_append(out, escaped_space, 3, (struct span){origin, origin});
    bool after_space = step->remove_extra_whitespaces;
    while (at < text->size) {
        size_t length = plain_run(step, text, at);
        if (length > 0) {
            text_append_text(out, text, at, at + length);
            after_space = false;
            at += length;
            continue;
        }
        length = normalize_prefix(step, text, at, &normalized, &size);
        struct span span = text_span(text, at, at + length);
        while (after_space && size > 0 && *normalized == ' ') normalized++, size--;
        if (size > 0) {
            append_escaped(out, normalized, size, span);
            after_space = normalized[size - 1] == ' ';
        }
        if (!step->remove_extra_whitespaces) after_space = false;
        at += length;
    }
    while (step->remove_extra_whitespaces && out->size >= 3 &&
           memcmp(out->bytes + out->size - 3, escaped_space, 3) == 0)
        out->size -= 3;
    if (step->add_dummy_prefix && step->whitespace_as_suffix) {
        uint32_t end = text_span(text, text->size - 1, text->size).end;
        text_append(out, escaped_space, 3, (struct span){end, end});
    }
}
