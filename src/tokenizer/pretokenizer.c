/* Cutting texts into pieces. A step reports the matches of its pattern and the gaps between them, in order, and the
 * split behaviour turns this stream of events into pieces. */
#include "tokenizer/pretokenizer.h"

#include <string.h>

#include "base/memory.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/script.h"
#include "tokenizer/unicode.h"

void pretokenizer_release(struct pretokenizer *pretokenizer) {
    for (size_t i = 0; i < pretokenizer->n; i++) regex_free(pretokenizer->steps[i].regex);
    mem_free(pretokenizer->steps);
    *pretokenizer = (struct pretokenizer){0};
}

void pretokenizer_scratch_release(struct pretokenizer_scratch *scratch) {
    text_release(&scratch->text);
    pieces_release(&scratch->pieces);
}

/* ---- events to pieces ---- */

struct splitter {
    struct pieces *out;
    enum split_behavior behavior;
    bool invert;
    bool open; /* a piece is held back because it may still grow */
    size_t begin, end;
    bool previous_match; /* what the event before was */
};

static void emit(struct splitter *s, size_t begin, size_t end) {
    if (begin < end) pieces_push(s->out, begin, end, -1);
}

static void close_piece(struct splitter *s) {
    if (s->open) emit(s, s->begin, s->end);
    s->open = false;
}

static void hold(struct splitter *s, size_t begin, size_t end) {
    close_piece(s);
    s->open = true;
    s->begin = begin;
    s->end = end;
}

static void event(struct splitter *s, size_t begin, size_t end, bool match) {
    match ^= s->invert;
    switch (s->behavior) {
    case SPLIT_REMOVED:
        if (!match) emit(s, begin, end);
        break;
    case SPLIT_ISOLATED:
        emit(s, begin, end);
        break;
    case SPLIT_CONTIGUOUS:
        if (s->open && match == s->previous_match)
            s->end = end;
        else
            hold(s, begin, end);
        break;
    case SPLIT_MERGED_WITH_PREVIOUS:
        if (s->open && match && !s->previous_match)
            s->end = end;
        else
            hold(s, begin, end);
        break;
    case SPLIT_MERGED_WITH_NEXT: /* only a match is ever open */
        if (match) {
            hold(s, begin, end);
        } else {
            emit(s, s->open ? s->begin : begin, end);
            s->open = false;
        }
        break;
    }
    s->previous_match = match;
}

/* ---- patterns to events; all offsets in the whole text, [begin, end) is the piece ---- */

static void events_of_scanner(split_scanner scan, const struct text *text, size_t begin, size_t end,
                              struct splitter *s) {
    const char *bytes = text->bytes + begin;
    size_t n = end - begin, gap = 0;
    for (size_t at = 0; at < n;) {
        size_t next = scan(bytes, n, at);
        if (next == at) {
            uint32_t c;
            at += unicode_next(bytes + at, n - at, &c);
            continue;
        }
        if (gap < at) event(s, begin + gap, begin + at, false);
        event(s, begin + at, begin + next, true);
        gap = at = next;
    }
    if (gap < n) event(s, begin + gap, end, false);
}

static void events_of_class(bool (*in_class)(uint32_t), const struct text *text, size_t begin, size_t end,
                            struct splitter *s) {
    size_t gap = begin;
    for (size_t at = begin, length; at < end; at += length) {
        uint32_t c;
        length = unicode_next(text->bytes + at, end - at, &c);
        if (!in_class(c)) continue;
        if (gap < at) event(s, gap, at, false);
        event(s, at, at + length, true);
        gap = at + length;
    }
    if (gap < end) event(s, gap, end, false);
}

static void events_of_literal(const struct pretokenizer_step *step, const struct text *text, size_t begin, size_t end,
                              struct splitter *s) {
    size_t gap = begin;
    const char *found;
    while (step->literal_size && (found = memmem(text->bytes + gap, end - gap, step->literal, step->literal_size))) {
        size_t at = (size_t)(found - text->bytes);
        if (gap < at) event(s, gap, at, false);
        gap = at + step->literal_size;
        event(s, at, gap, true);
    }
    if (gap < end) event(s, gap, end, false);
}

static bn_status events_of_regex(const struct regex *regex, const struct text *text, size_t begin, size_t end,
                                 struct splitter *s, bn_error *err) {
    struct regex_search search;
    bn_status status = regex_search_begin(regex, &search, err);
    if (status) return status;
    size_t gap = 0, n = end - begin, match_begin, match_end;
    bool found;
    while (!(status = regex_search_next(&search, text->bytes + begin, n, gap, &found, &match_begin, &match_end, err)) &&
           found) {
        if (gap < match_begin) event(s, begin + gap, begin + match_begin, false);
        event(s, begin + match_begin, begin + match_end, true);
        gap = match_end;
    }
    regex_search_end(&search);
    if (!status && gap < n) event(s, begin + gap, end, false);
    return status;
}

static void cut_fixed(size_t length, const struct text *text, size_t begin, size_t end, struct splitter *s) {
    size_t at = begin, count = 0;
    while (at < end) {
        uint32_t c;
        at += unicode_next(text->bytes + at, end - at, &c);
        if (++count < length) continue;
        emit(s, begin, at);
        begin = at;
        count = 0;
    }
    emit(s, begin, end);
}

/* A piece goes on while its characters are of one script; characters of none go with what is before them, and vanish
 * where nothing is. */
static void cut_scripts(const struct text *text, size_t begin, size_t end, struct splitter *s) {
    int last = -1;
    size_t start = end;
    for (size_t at = begin, length; at < end; at += length) {
        uint32_t c;
        length = unicode_next(text->bytes + at, end - at, &c);
        int script = script_of(c);
        if (script == SCRIPT_ANY) continue;
        if (script != last) {
            emit(s, start, at);
            start = at;
        }
        last = script;
    }
    emit(s, start, end);
}

static bn_status split_piece(const struct pretokenizer_step *step, const struct text *text, size_t begin, size_t end,
                             struct pieces *out, bn_error *err) {
    struct splitter s = {.out = out, .behavior = step->behavior, .invert = step->invert};
    bn_status status = BN_OK;
    switch (step->kind) {
    case PRETOKENIZE_SCANNER:
        events_of_scanner(step->scan, text, begin, end, &s);
        break;
    case PRETOKENIZE_REGEX:
        status = events_of_regex(step->regex, text, begin, end, &s, err);
        break;
    case PRETOKENIZE_LITERAL:
        events_of_literal(step, text, begin, end, &s);
        break;
    case PRETOKENIZE_CLASS:
        events_of_class(step->in_class, text, begin, end, &s);
        break;
    case PRETOKENIZE_FIXED:
        cut_fixed(step->length, text, begin, end, &s);
        break;
    case PRETOKENIZE_SCRIPTS:
        cut_scripts(text, begin, end, &s);
        break;
    case PRETOKENIZE_METASPACE:
    case PRETOKENIZE_BYTE_LEVEL:
        break;
    }
    close_piece(&s);
    return status;
}

/* ---- steps that rewrite the text ---- */

static bool begins_with(const struct text *text, size_t begin, size_t end, const char *what, size_t size) {
    return end - begin >= size && memcmp(text->bytes + begin, what, size) == 0;
}

static struct span first_character_span(const struct text *text, size_t begin, size_t end) {
    uint32_t c;
    return text_span(text, begin, begin + unicode_next(text->bytes + begin, end - begin, &c));
}

/* Spaces become the replacement, which is also put in front; then each replacement begins a piece. */
static void metaspace(const struct pretokenizer_step *step, const struct text *text, const struct piece *piece,
                      struct text *out, struct pieces *pieces) {
    size_t start = out->size;
    bool prefixed = text->bytes[piece->begin] == ' ' ||
                    begins_with(text, piece->begin, piece->end, step->literal, step->literal_size);
    struct span first = first_character_span(text, piece->begin, piece->end);
    if (!prefixed && (step->prepend == METASPACE_ALWAYS || (step->prepend == METASPACE_FIRST && first.begin == 0)))
        text_append(out, step->literal, step->literal_size, first);
    for (size_t at = piece->begin; at < piece->end;) {
        const char *space = memchr(text->bytes + at, ' ', piece->end - at);
        size_t stop = space ? (size_t)(space - text->bytes) : piece->end;
        text_append_text(out, text, at, stop);
        if (space) text_append(out, step->literal, step->literal_size, text_span(text, stop, stop + 1));
        at = stop + (space != NULL);
    }
    if (!step->split) {
        pieces_push(pieces, start, out->size, -1);
        return;
    }
    struct splitter s = {.out = pieces, .behavior = SPLIT_MERGED_WITH_NEXT};
    events_of_literal(step, out, start, out->size, &s);
    close_piece(&s);
}

static void byte_level(const struct pretokenizer_step *step, const struct text *text, const struct piece *piece,
                       struct text *out, struct pieces *pieces) {
    size_t start = out->size;
    if (step->add_prefix_space && text->bytes[piece->begin] != ' ')
        text_append(out, " ", 1, first_character_span(text, piece->begin, piece->end));
    for (size_t at = piece->begin, length; at < piece->end; at += length) {
        uint32_t c;
        length = unicode_next(text->bytes + at, piece->end - at, &c);
        struct span span = text_span(text, at, at + length);
        for (size_t i = 0; i < length; i++) {
            char bytes[4] = {text->bytes[at + i]};
            text_append(out, bytes, step->map_bytes ? byte_alphabet_put((uint8_t)text->bytes[at + i], bytes) : 1, span);
        }
    }
    pieces_push(pieces, start, out->size, -1);
}

static void rewrite_pieces(const struct pretokenizer_step *step, struct text *text, const struct pieces *in,
                           struct pretokenizer_scratch *scratch) {
    struct text *out = &scratch->text;
    text_clear(out, text->base);
    for (size_t i = 0; i < in->n; i++) {
        const struct piece *piece = &in->items[i];
        if (piece->id >= 0) {
            size_t start = out->size;
            text_append_text(out, text, piece->begin, piece->end);
            pieces_push(&scratch->pieces, start, out->size, piece->id);
        } else if (step->kind == PRETOKENIZE_METASPACE) {
            metaspace(step, text, piece, out, &scratch->pieces);
        } else {
            byte_level(step, text, piece, out, &scratch->pieces);
        }
        if (out->failed) return; /* what was pushed has no text behind it */
    }
    struct text old = *text;
    *text = *out;
    *out = old;
}

static bool rewrites(const struct pretokenizer_step *step) {
    return step->kind == PRETOKENIZE_METASPACE || step->kind == PRETOKENIZE_BYTE_LEVEL;
}

bn_status pretokenizer_apply(const struct pretokenizer *pretokenizer, struct text *text, struct pieces *pieces,
                             struct pretokenizer_scratch *scratch, bn_error *err) {
    for (size_t k = 0; k < pretokenizer->n; k++) {
        const struct pretokenizer_step *step = &pretokenizer->steps[k];
        scratch->pieces.n = 0;
        if (rewrites(step)) {
            rewrite_pieces(step, text, pieces, scratch);
            if (scratch->text.failed || text->failed) return fail_no_memory(err, text->size);
        } else {
            for (size_t i = 0; i < pieces->n; i++) {
                const struct piece *piece = &pieces->items[i];
                if (piece->id >= 0) {
                    pieces_push(&scratch->pieces, piece->begin, piece->end, piece->id);
                    continue;
                }
                bn_status status = split_piece(step, text, piece->begin, piece->end, &scratch->pieces, err);
                if (status) return status;
            }
        }
        if (scratch->pieces.failed) return fail_no_memory(err, scratch->pieces.n * sizeof *pieces->items);
        struct pieces old = *pieces;
        *pieces = scratch->pieces;
        scratch->pieces = old;
    }
    return BN_OK;
}
