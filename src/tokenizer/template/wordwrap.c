/* The wordwrap filter: Python's textwrap.wrap on each line, with its way of breaking at hyphens. */
#include <string.h>

#include "tokenizer/template/builtins.h"
#include "tokenizer/template/characters.h"

struct chunk {
    const char *data;
    size_t n_bytes, n_chars;
    bool blank;
};

static bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_letter_at(const char *p, const char *end) {
    if (p >= end) return false;
    uint32_t c = next_code_point(&p);
    return python_is_alpha(c) || c == '_';
}

/* Two letters, or a letter between hyphens, stand before the hyphen at p (not before `begin`). */
static bool may_break_after(const char *begin, const char *p, const char *end) {
    const char *before = p;
    int letters = 0;
    while (letters < 2 && before > begin) {
        do before--;
        while (before > begin && ((unsigned char)*before & 0xc0) == 0x80);
        if (!is_letter_at(before, end)) break;
        letters++;
    }
    if (letters < 2) return false;
    const char *after = p + 1;
    if (!is_letter_at(after, end)) return false;
    next_code_point(&after);
    if (after < end && *after == '-') after++;
    return is_letter_at(after, end);
}

/* Where the chunk that begins at p ends: a run of blanks, or a word or part of one. */
static const char *chunk_end(const char *p, const char *end, bool break_on_hyphens) {
    const char *begin = p;
    if (is_blank(*p)) {
        while (p < end && is_blank(*p)) p++;
        return p;
    }
    for (; p < end && !is_blank(*p); p++)
        if (break_on_hyphens && *p == '-' && p > begin && may_break_after(begin, p, end)) return p + 1;
    return p;
}

struct wrapper {
    struct evaluator *ev;
    struct writer out;
    const struct text *newline;
    size_t width;
    bool break_long_words, break_on_hyphens;
    size_t n_lines;
};

static bool write_line(struct wrapper *wr, const char *from, const char *to) {
    struct evaluator *ev = wr->ev;
    if (wr->n_lines++ && !write_bytes(ev, &wr->out, wr->newline->data, wr->newline->n_bytes)) return false;
    return write_bytes(ev, &wr->out, from, (size_t)(to - from));
}

static struct chunk next_chunk(const char *p, const char *end, bool hyphens) {
    const char *stop = p < end ? chunk_end(p, end, hyphens) : p;
    size_t n = (size_t)(stop - p);
    return (struct chunk){.data = p, .n_bytes = n, .n_chars = count_code_points(p, n), .blank = n && is_blank(*p)};
}

/* Takes up to `room` characters off the front of a chunk. */
static void shorten(struct chunk *chunk, size_t room) {
    const char *p = chunk->data, *end = p + chunk->n_bytes;
    for (; room && p < end; room--, chunk->n_chars--) next_code_point(&p);
    chunk->n_bytes = (size_t)(end - p);
    chunk->data = p;
}

/* One paragraph: chunks go on a line while they fit; blanks at a line's ends are dropped, except (as textwrap has it)
 * those the paragraph begins with. `chunk` is always the next one to place. */
static bool wrap_paragraph(struct wrapper *wr, const struct text *t) {
    const char *end = t->data + t->n_bytes;
    struct chunk chunk = next_chunk(t->data, end, wr->break_on_hyphens);
    for (bool first = true; chunk.n_bytes; first = false) {
        if (chunk.blank && !first) chunk = next_chunk(chunk.data + chunk.n_bytes, end, wr->break_on_hyphens);
        const char *line = chunk.data, *line_end = line;
        size_t n = 0;
        while (chunk.n_bytes && n + chunk.n_chars <= wr->width) {
            if (!ev_spend(wr->ev, 1 + chunk.n_bytes / 16)) return false;
            n += chunk.n_chars;
            if (!chunk.blank) line_end = chunk.data + chunk.n_bytes;
            chunk = next_chunk(chunk.data + chunk.n_bytes, end, wr->break_on_hyphens);
        }
        if (chunk.n_chars > wr->width && (wr->break_long_words || n == 0)) {
            shorten(&chunk, wr->break_long_words ? wr->width - n : chunk.n_chars);
            line_end = chunk.data;
            if (!chunk.n_bytes) chunk = next_chunk(chunk.data, end, wr->break_on_hyphens);
        }
        if (line_end > line && !write_line(wr, line, line_end)) return false;
    }
    return true;
}

bool filter_wordwrap(struct evaluator *ev, struct value self, const struct value *a, const struct call *call,
                     struct value *out) {
    int64_t width = 79;
    const struct text *t;
    struct value paragraphs;
    (void)call;
    struct wrapper wr = {.ev = ev, .newline = text_wrap(ev, "\n", 1)};
    if (!wr.newline || !argument_text(ev, self, "what is wrapped", &t)) return false;
    if (is_given(a[0]) && !argument_size(ev, a[0], "width", &width)) return false;
    if (is_given(a[2]) && a[2].type != V_NONE && !argument_text(ev, a[2], "wrapstring", &wr.newline)) return false;
    if (width <= 0) return ev_fail(ev, "invalid width %lld (must be > 0)", (long long)width);
    wr.width = (size_t)width;
    wr.break_long_words = !is_given(a[1]) || value_truth(a[1]);
    wr.break_on_hyphens = !is_given(a[3]) || value_truth(a[3]);
    if (!split_lines(ev, t, false, &paragraphs)) return false;
    for (size_t i = 0; i < paragraphs.as.list->n; i++) {
        size_t before = wr.n_lines;
        if (!wrap_paragraph(&wr, paragraphs.as.list->items[i].as.text)) return false;
        if (wr.n_lines == before && !write_line(&wr, "", "")) return false; /* an empty paragraph is an empty line */
    }
    return writer_value(ev, &wr.out, out);
}
