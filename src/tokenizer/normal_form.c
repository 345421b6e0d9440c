/* Normalization forms over utf8proc's properties.
 *
 * The text is taken apart into starters followed by their marks ("segments"). A segment is decomposed, its marks are
 * put in order of their combining class (stably), and composed. Each character carries its change (text.h): the first
 * of a decomposition stands for the old character, the others are inserted; a composition adds the changes of its
 * parts and takes one off. These are the rules the reference's alignment follows. */
#include "tokenizer/normal_form.h"

#include <string.h>
#include <utf8proc.h>

#include "base/memory.h"
#include "tokenizer/unicode.h"

/* The primary composite of two characters, 0 for none. */
static uint32_t compose_pair(uint32_t first, uint32_t second) {
    if (second < 0x300 || second >= INVALID_BYTE || first >= INVALID_BYTE) return 0;
    utf8proc_int32_t pair[2] = {(utf8proc_int32_t)first, (utf8proc_int32_t)second};
    if (utf8proc_normalize_utf32(pair, 2, UTF8PROC_COMPOSE | UTF8PROC_STABLE) != 1) return 0;
    return unicode_decomposes((uint32_t)pair[0]) ? (uint32_t)pair[0] : 0;
}

static void decompose(uint32_t code_point, bool compatibility, struct changes *out) {
    utf8proc_int32_t parts[32];
    if (code_point < 0x80 || code_point >= INVALID_BYTE || !unicode_decomposes(code_point)) {
        changes_push(out, code_point, 0);
        return;
    }
    int bound_class = 0;
    utf8proc_option_t options = compatibility ? UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT : UTF8PROC_DECOMPOSE;
    utf8proc_ssize_t n = utf8proc_decompose_char((utf8proc_int32_t)code_point, parts, 32, options, &bound_class);
    if (n < 1 || n > 32) {
        changes_push(out, code_point, 0);
        return;
    }
    for (utf8proc_ssize_t i = 0; i < n; i++) changes_push(out, (uint32_t)parts[i], i > 0);
}

/* Stable counting sort by combining class: a text of a million marks must not take quadratic time. */
static bool sort_marks(struct change *marks, size_t n) {
    if (n < 2) return true;
    bool sorted = true;
    for (size_t i = 1; i < n && sorted; i++)
        sorted = unicode_combining_class(marks[i - 1].code_point) <= unicode_combining_class(marks[i].code_point);
    if (sorted) return true;
    struct change *copy = mem_alloc_array(n, sizeof *copy);
    if (!copy) return false;
    size_t starts[257] = {0};
    for (size_t i = 0; i < n; i++) starts[(unicode_combining_class(marks[i].code_point) & 255) + 1]++;
    for (size_t c = 1; c < 257; c++) starts[c] += starts[c - 1];
    for (size_t i = 0; i < n; i++) copy[starts[unicode_combining_class(marks[i].code_point) & 255]++] = marks[i];
    memcpy(marks, copy, n * sizeof *marks);
    mem_free(copy);
    return true;
}

static bool reorder(struct changes *changes) {
    for (size_t i = 0; i < changes->n;) {
        size_t end = i;
        while (end < changes->n && unicode_combining_class(changes->items[end].code_point) != 0) end++;
        if (!sort_marks(changes->items + i, end - i)) return false;
        i = end + 1;
    }
    return true;
}

/* Canonical composition, in place: a mark joins the last starter unless one of its own class or higher, or another
 * starter, stands between and stayed. */
static void recompose(struct changes *changes) {
    struct change *items = changes->items;
    size_t n = 0, starter = SIZE_MAX;
    unsigned last_class = 0; /* of the marks kept since the starter; 0: none */
    for (size_t i = 0; i < changes->n; i++) {
        struct change c = items[i];
        unsigned class = unicode_combining_class(c.code_point);
        bool blocked = starter == SIZE_MAX || (last_class && last_class >= class);
        uint32_t composite = blocked ? 0 : compose_pair(items[starter].code_point, c.code_point);
        if (composite) {
            items[starter].code_point = composite;
            items[starter].change += c.change - 1;
            continue;
        }
        if (class == 0) {
            starter = n;
            last_class = 0;
        } else if (starter != SIZE_MAX) {
            last_class = class;
        }
        items[n++] = c;
    }
    changes->n = n;
}

bool normal_form_changes(const struct text *text, bool compatibility, bool compose, struct changes *changes) {
    changes->n = 0;
    for (size_t at = 0; at < text->size;) {
        uint32_t code_point;
        at += unicode_next(text->bytes + at, text->size - at, &code_point);
        decompose(code_point, compatibility, changes);
    }
    if (changes->failed || !reorder(changes)) return false;
    if (compose) recompose(changes);
    return true;
}

bool normal_form_is_trivial(const struct text *text, bool compatibility, bool compose) {
    /* Below U+0300 everything is in NFC; its first byte in UTF-8 is below 0xcc. */
    unsigned char limit = compose && !compatibility ? 0xcc : 0x80;
    unsigned char most = 0;
    for (size_t i = 0; i < text->size; i++) {
        unsigned char byte = (unsigned char)text->bytes[i];
        if (byte > most) most = byte;
    }
    return most < limit;
}

/* Does the form leave a character alone unless something behind it composes with it? It is a starter with no
 * decomposition that is in no composition the second (utf8proc numbers those from 0x8000 on). */
static bool is_inert(uint32_t code_point, bool compose) {
    if (code_point < 0x300) return code_point < 0x80;
    if (code_point >= INVALID_BYTE) return true;
    const utf8proc_property_t *property = utf8proc_get_property((utf8proc_int32_t)code_point);
    bool hangul = (code_point >= 0x1100 && code_point <= 0x11ff) || (code_point >= 0xac00 && code_point <= 0xd7a3);
    return !property->combining_class && property->decomp_seqindex == UINT16_MAX && !hangul &&
           (!compose || property->comb_index < 0x8000 || property->comb_index == UINT16_MAX);
}

/* A part begins with the character before the first one that isn't inert, which may compose with it, and ends before
 * the next inert one. */
bool normal_form_next_part(const struct text *text, size_t from, bool compatibility, bool compose, size_t *begin,
                           size_t *end) {
    const bool latin = compose && !compatibility; /* NFC leaves what is below U+0300 alone */
    size_t previous = from;
    for (size_t at = from, length; at < text->size; at += length) {
        size_t run = unicode_ascii_run(text->bytes + at, text->size - at);
        if (run > 0) {
            previous = at + run - 1;
            length = run;
            continue;
        }
        uint32_t c;
        length = unicode_next(text->bytes + at, text->size - at, &c);
        if ((latin && c < 0x300) || is_inert(c, compose)) {
            previous = at;
            continue;
        }
        *begin = previous;
        for (at += length; at < text->size; at += length) {
            length = unicode_next(text->bytes + at, text->size - at, &c);
            if (c < 0x80 || (latin && c < 0x300) || is_inert(c, compose)) break;
        }
        *end = at;
        return true;
    }
    return false;
}
