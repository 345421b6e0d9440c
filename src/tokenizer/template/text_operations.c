/* What filters and str methods share: splitting, stripping, replacing, padding, escaping and case mappings. */
#include <string.h>

#include "base/utf8.h"
#include "tokenizer/template/builtins.h"
#include "tokenizer/template/characters.h"

static bool add_piece(struct evaluator *ev, struct list_builder *pieces, const char *from, const char *to) {
    struct text *piece = text_wrap(ev, from, (size_t)(to - from));
    return piece && list_builder_add(ev, pieces, value_text(piece));
}

static const char *previous_code_point(const char *p, uint32_t *c) {
    do p--;
    while (((unsigned char)*p & 0xc0) == 0x80);
    const char *q = p;
    *c = next_code_point(&q);
    return p;
}

static bool split_on_space(struct evaluator *ev, const struct text *t, int64_t max, struct list_builder *pieces) {
    const char *p = t->data, *end = p + t->n_bytes;
    for (;;) {
        const char *q = p;
        while (p < end && python_is_space(next_code_point(&q))) p = q;
        if (p >= end) return true;
        if (max >= 0 && (int64_t)pieces->n >= max) return add_piece(ev, pieces, p, end); /* the rest, as it is */
        const char *begin = p;
        for (q = p; p < end && !python_is_space(next_code_point(&q)); p = q) continue;
        if (!add_piece(ev, pieces, begin, p)) return false;
    }
}

static void reverse_pieces(struct list_builder *pieces) {
    for (size_t i = 0; i < pieces->n / 2; i++) {
        struct value v = pieces->items[i];
        pieces->items[i] = pieces->items[pieces->n - 1 - i];
        pieces->items[pieces->n - 1 - i] = v;
    }
}

static bool rsplit_on_space(struct evaluator *ev, const struct text *t, int64_t max, struct list_builder *pieces) {
    const char *begin = t->data, *end = begin + t->n_bytes;
    uint32_t c;
    for (;;) {
        while (end > begin) {
            const char *p = previous_code_point(end, &c);
            if (!python_is_space(c)) break;
            end = p;
        }
        if (end == begin) break;
        const char *p = end;
        if (max >= 0 && (int64_t)pieces->n >= max) {
            if (!add_piece(ev, pieces, begin, end)) return false;
            break;
        }
        while (p > begin) {
            const char *q = previous_code_point(p, &c);
            if (python_is_space(c)) break;
            p = q;
        }
        if (!add_piece(ev, pieces, p, end)) return false;
        end = p;
    }
    reverse_pieces(pieces);
    return true;
}

/* memmem, but never over much more than the distance to the next occurrence: sanitizers check the whole haystack of every
 * call, which would make counting quadratic under them. */
const char *find_bytes(const char *data, size_t n, const char *needle, size_t m) {
    if (m == 1) return memchr(data, needle[0], n);
    const size_t window = 4096 + 4 * m;
    for (size_t from = 0; n - from >= m;) {
        size_t size = n - from < window ? n - from : window;
        const char *at = memmem(data + from, size, needle, m);
        if (at || from + size == n) return at;
        from += size - m + 1;
    }
    return NULL;
}

/* find_bytes is linear; the search from the right isn't, so it pays for what it compares. */
bool find_text(struct evaluator *ev, const char *data, size_t n, const struct text *needle, bool last,
               const char **at) {
    size_t m = needle->n_bytes;
    *at = NULL;
    if (m > n) return true;
    if (!last || m == 0) {
        *at = m == 0 ? data + (last ? n : 0) : find_bytes(data, n, needle->data, m);
        return ev_spend_bytes(ev, *at ? (size_t)(*at - data) : n);
    }
    size_t i = n - m + 1;
    while (i-- > 0) {
        if (data[i] != needle->data[0]) continue;
        if (!ev_spend_bytes(ev, m)) return false;
        if (memcmp(data + i, needle->data, m) == 0) {
            *at = data + i;
            break;
        }
    }
    return ev_spend_bytes(ev, n - m - (*at ? i : 0));
}

static bool split_on(struct evaluator *ev, const struct text *t, const struct text *separator, int64_t max,
                     bool from_right, struct list_builder *pieces) {
    const char *begin = t->data, *end = begin + t->n_bytes;
    while (max < 0 || (int64_t)pieces->n < max) {
        const char *at;
        if (!find_text(ev, begin, (size_t)(end - begin), separator, from_right, &at)) return false;
        if (!at) break;
        if (!add_piece(ev, pieces, from_right ? at + separator->n_bytes : begin, from_right ? end : at)) return false;
        if (from_right)
            end = at;
        else
            begin = at + separator->n_bytes;
    }
    if (!add_piece(ev, pieces, begin, end)) return false;
    if (from_right) reverse_pieces(pieces);
    return true;
}

bool split_text(struct evaluator *ev, const struct text *t, const struct text *separator, int64_t max, bool from_right,
                struct value *out) {
    struct list_builder pieces = {0};
    if (separator && separator->n_bytes == 0) return ev_fail(ev, "empty separator");
    if (!ev_spend_bytes(ev, t->n_bytes)) return false;
    bool ok = separator    ? split_on(ev, t, separator, max, from_right, &pieces)
              : from_right ? rsplit_on_space(ev, t, max, &pieces)
                           : split_on_space(ev, t, max, &pieces);
    return ok && list_value(ev, V_LIST, pieces.items, pieces.n, out);
}

bool split_lines(struct evaluator *ev, const struct text *t, bool keep_ends, struct value *out) {
    struct list_builder lines = {0};
    const char *begin = t->data, *end = begin + t->n_bytes;
    for (const char *p = begin; p < end;) {
        const char *at = p;
        uint32_t c = next_code_point(&p);
        if (!python_is_line_break(c)) continue;
        if (c == '\r' && p < end && *p == '\n') p++;
        if (!add_piece(ev, &lines, begin, keep_ends ? p : at)) return false;
        begin = p;
    }
    if (begin < end && !add_piece(ev, &lines, begin, end)) return false;
    return list_value(ev, V_LIST, lines.items, lines.n, out);
}

static bool is_stripped(uint32_t c, const struct text *characters) {
    if (!characters) return python_is_space(c);
    for (const char *p = characters->data, *end = p + characters->n_bytes; p < end;)
        if (next_code_point(&p) == c) return true;
    return false;
}

/* str.strip: of white space, or of any of the given characters. */
bool strip_text(struct evaluator *ev, struct value self, struct value characters_value, bool left, bool right,
                struct value *out) {
    const struct text *t = self.as.text, *characters = NULL;
    if (is_given(characters_value) && characters_value.type != V_NONE &&
        !argument_text(ev, characters_value, "strip's argument", &characters))
        return false;
    if (!ev_spend(ev, 1 + (characters ? characters->n_bytes / 16 * (t->n_bytes + 1) : 0))) return false;
    const char *begin = t->data, *end = begin + t->n_bytes;
    uint32_t c;
    while (left && begin < end) {
        const char *p = begin;
        if (!is_stripped(next_code_point(&p), characters)) break;
        begin = p;
    }
    while (right && end > begin) {
        const char *p = previous_code_point(end, &c);
        if (!is_stripped(c, characters)) break;
        end = p;
    }
    *out = self;
    if ((size_t)(end - begin) == t->n_bytes) return true;
    return (out->as.text = text_wrap(ev, begin, (size_t)(end - begin))) != NULL;
}

/* An empty `old` matches before every character and at the end. */
static bool replace_nothing(struct evaluator *ev, const struct text *t, const struct text *replacement, int64_t max,
                            struct writer *w) {
    const char *p = t->data, *end = p + t->n_bytes;
    for (; max != 0; max--) {
        if (!write_bytes(ev, w, replacement->data, replacement->n_bytes)) return false;
        if (p >= end) return true;
        const char *at = p;
        next_code_point(&p);
        if (!write_bytes(ev, w, at, (size_t)(p - at))) return false;
    }
    return write_bytes(ev, w, p, (size_t)(end - p));
}

bool replace_text(struct evaluator *ev, const struct text *t, const struct text *old, const struct text *replacement,
                  int64_t max, struct value *out) {
    struct writer w = {0};
    const char *p = t->data, *end = p + t->n_bytes;
    if (old->n_bytes == 0) {
        if (!replace_nothing(ev, t, replacement, max, &w)) return false;
        return writer_value(ev, &w, out);
    }
    for (; max != 0; max--) {
        const char *at = find_bytes(p, (size_t)(end - p), old->data, old->n_bytes);
        if (!at) break;
        if (!write_bytes(ev, &w, p, (size_t)(at - p)) || !write_bytes(ev, &w, replacement->data, replacement->n_bytes))
            return false;
        p = at + old->n_bytes;
    }
    if (p == t->data) {
        *out = value_text(t);
        return true;
    }
    return write_bytes(ev, &w, p, (size_t)(end - p)) && writer_value(ev, &w, out);
}

bool pad_text(struct evaluator *ev, struct value self, int64_t width, const struct text *fill, int side,
              struct value *out) {
    const struct text *t = self.as.text;
    struct writer w = {0};
    *out = self;
    if (fill && fill->n_chars != 1) return ev_fail(ev, "the fill character must be exactly one character long");
    if (width < 0 || (uint64_t)width <= t->n_chars) return true;
    size_t pad = (size_t)width - t->n_chars;
    /* CPython's centring: the odd blank goes left when the width is odd */
    size_t left = side < 0 ? 0 : side > 0 ? pad : pad / 2 + (pad & (size_t)width & 1);
    const char *unit = fill ? fill->data : " ";
    size_t unit_bytes = fill ? fill->n_bytes : 1;
    if (!write_repeated(ev, &w, unit, unit_bytes, left) || !write_bytes(ev, &w, t->data, t->n_bytes) ||
        !write_repeated(ev, &w, unit, unit_bytes, pad - left))
        return false;
    return (out->as.text = text_wrap(ev, w.data, w.size)) != NULL;
}

bool write_escaped(struct evaluator *ev, struct writer *w, const struct text *t) {
    for (size_t i = 0; i < t->n_bytes; i++) {
        const char *entity = NULL;
        switch (t->data[i]) {
        case '<':
            entity = "&lt;";
            break;
        case '>':
            entity = "&gt;";
            break;
        case '&':
            entity = "&amp;";
            break;
        case '\'':
            entity = "&#39;";
            break;
        case '"':
            entity = "&#34;";
            break;
        default:
            break;
        }
        if (entity ? !write_text(ev, w, entity) : !write_char(ev, w, t->data[i])) return false;
    }
    return true;
}

/* Σ at the end of a word is ς: after a cased letter and not before one, skipping what is ignorable in between
 * (Unicode 3.13, Final_Sigma). */
static bool is_final_sigma(const struct text *t, const char *at, const char *after) {
    uint32_t c = 0;
    bool before = false;
    for (const char *p = at; p > t->data && !before;) {
        p = previous_code_point(p, &c);
        if (python_is_case_ignorable(c)) continue;
        if (!python_is_cased(c)) break;
        before = true;
    }
    for (const char *p = after, *end = t->data + t->n_bytes; before && p < end;) {
        c = next_code_point(&p);
        if (!python_is_case_ignorable(c)) return !python_is_cased(c);
    }
    return before;
}

static size_t mapped(const struct text *t, const char *at, const char *after, uint32_t c, enum case_mapping mapping,
                     bool in_word, uint32_t out[3]) {
    bool lower = mapping == CASE_LOWER;
    if (mapping == CASE_FOLD) return python_fold(c, out);
    if (mapping == CASE_UPPER || (mapping == CASE_SWAP && python_is_lower(c))) return python_upper(c, out);
    if ((mapping == CASE_TITLE || mapping == CASE_CAPITALIZE) && !in_word) return python_title(c, out);
    if (mapping == CASE_TITLE || mapping == CASE_CAPITALIZE || (mapping == CASE_SWAP && python_is_upper(c)))
        lower = true;
    if (!lower) {
        out[0] = c;
        return 1;
    }
    if (c == 0x3a3) {
        out[0] = is_final_sigma(t, at, after) ? 0x3c2 : 0x3c3;
        return 1;
    }
    return python_lower(c, out);
}

bool map_case(struct evaluator *ev, struct value self, enum case_mapping mapping, struct value *out) {
    const struct text *t = self.as.text;
    struct writer w = {0};
    bool in_word = false;
    for (const char *p = t->data, *end = p + t->n_bytes; p < end;) {
        const char *at = p;
        uint32_t c = next_code_point(&p), to[3];
        size_t n = mapped(t, at, p, c, mapping, in_word, to);
        in_word = mapping == CASE_CAPITALIZE || (mapping == CASE_TITLE && python_is_cased(c));
        for (size_t i = 0; i < n; i++)
            if (!write_code_point(ev, &w, to[i])) return false;
    }
    *out = self;
    return (out->as.text = text_wrap(ev, w.data ? w.data : "", w.size)) != NULL;
}
