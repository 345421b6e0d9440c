/* Texts with alignment; see text.h for the idea. */
#include "tokenizer/text.h"

#include <string.h>

#include "base/memory.h"
#include "tokenizer/unicode.h"

void text_init(struct text *text) {
    memset(text, 0, sizeof *text);
}

void text_release(struct text *text) {
    mem_free(text->own_bytes);
    mem_free(text->own_spans);
    text_init(text);
}

void text_borrow(struct text *text, const char *input, size_t base, size_t size) {
    text->bytes = input + base;
    text->size = size;
    text->spans = NULL;
    text->base = (uint32_t)base;
}

void text_clear(struct text *text, size_t base) {
    text->bytes = text->own_bytes;
    text->spans = text->own_spans;
    text->size = 0;
    text->base = (uint32_t)base;
}

static bool reserve_more(struct text *text, size_t more) {
    if (text->failed) return false;
    size_t capacity = max_size(text->capacity + text->capacity / 2, text->size + more);
    capacity = max_size(capacity, 256);
    char *bytes = mem_realloc_array(text->own_bytes, capacity, 1);
    if (bytes) text->bytes = text->own_bytes = bytes;
    struct span *spans = text->unaligned ? NULL : mem_realloc_array(text->own_spans, capacity, sizeof *spans);
    if (spans) text->spans = text->own_spans = spans;
    text->failed = !bytes || (!spans && !text->unaligned);
    if (!text->failed) text->capacity = capacity;
    return !text->failed;
}

static inline bool reserve(struct text *text, size_t more) {
    return more <= text->capacity - text->size || reserve_more(text, more);
}

void text_append(struct text *text, const char *bytes, size_t n, struct span span) {
    if (n == 0 || !reserve(text, n)) return;
    memcpy(text->own_bytes + text->size, bytes, n);
    for (size_t i = 0; i < n && !text->unaligned; i++) text->own_spans[text->size + i] = span;
    text->size += n;
}

/* The span of the character that holds byte `at`. */
static struct span character_span(const struct text *text, size_t at) {
    if (text->spans) return text->spans[at];
    uint32_t code_point;
    size_t begin = at;
    while (begin > 0 && at - begin < 3 && ((unsigned char)text->bytes[begin] & 0xc0) == 0x80) begin--;
    size_t length = unicode_next(text->bytes + begin, text->size - begin, &code_point);
    if (begin + length <= at) begin = at, length = 1; /* a stray continuation byte */
    return (struct span){text->base + (uint32_t)begin, text->base + (uint32_t)(begin + length)};
}

void text_append_text(struct text *text, const struct text *from, size_t begin, size_t end) {
    if (from->spans || text->unaligned) {
        size_t n = end - begin;
        if (n == 0 || !reserve(text, n)) return;
        memcpy(text->own_bytes + text->size, from->bytes + begin, n);
        if (!text->unaligned) memcpy(text->own_spans + text->size, from->spans + begin, n * sizeof *text->spans);
        text->size += n;
        return;
    }
    for (size_t at = begin, length; at < end; at += length) {
        uint32_t code_point;
        length = unicode_next(from->bytes + at, end - at, &code_point);
        uint32_t origin = from->base + (uint32_t)at;
        text_append(text, from->bytes + at, length, (struct span){origin, origin + (uint32_t)length});
    }
}

struct span text_span(const struct text *text, size_t begin, size_t end) {
    if (!text->spans) return (struct span){text->base + (uint32_t)begin, text->base + (uint32_t)end};
    return (struct span){text->spans[begin].begin, text->spans[end - 1].end};
}

void changes_push(struct changes *changes, uint32_t code_point, int32_t change) {
    if (changes->n == changes->capacity) {
        size_t capacity = max_size(64, changes->capacity * 2);
        struct change *items = changes->failed ? NULL : mem_realloc_array(changes->items, capacity, sizeof *items);
        if (!items) {
            changes->failed = true;
            return;
        }
        changes->items = items;
        changes->capacity = capacity;
    }
    changes->items[changes->n++] = (struct change){code_point, change};
}

void changes_release(struct changes *changes) {
    mem_free(changes->items);
    *changes = (struct changes){0};
}

static size_t skip_characters(const struct text *text, size_t at, size_t n) {
    uint32_t code_point;
    for (; n > 0 && at < text->size; n--) at += unicode_next(text->bytes + at, text->size - at, &code_point);
    return at;
}

void text_append_changes(struct text *to, const struct changes *changes) {
    to->failed |= changes->failed;
    for (size_t i = 0; i < changes->n; i++) {
        char bytes[4];
        text_append(to, bytes, unicode_put(changes->items[i].code_point, bytes), (struct span){0, 0});
    }
}

void text_transform(const struct text *from, struct text *to, const struct changes *changes, size_t skip) {
    text_clear(to, from->base);
    to->failed |= changes->failed;
    if (to->unaligned) {
        text_append_changes(to, changes);
        return;
    }
    size_t at = skip_characters(from, 0, skip);
    for (size_t i = 0; i < changes->n; i++) {
        struct change c = changes->items[i];
        struct span span = {from->base, from->base};
        if (from->size > 0) {
            if (c.change <= 0)
                span = character_span(from, min_size(at, from->size - 1));
            else if (at > 0)
                span = character_span(from, at - 1);
        }
        if (c.change <= 0) at = skip_characters(from, at, 1 + (size_t) - (int64_t)c.change);
        char bytes[4];
        text_append(to, bytes, unicode_put(c.code_point, bytes), span);
    }
}
