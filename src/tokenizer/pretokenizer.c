/* Cutting texts into pieces. A step reports the matches of its pattern and the gaps between them, in order, and the
 * split behaviour turns this stream of events into pieces. Each piece goes on to the next step at once, and from the
 * last one to whoever wants them: no list of them is ever made, but before a step that rewrites the text. */
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

/* One pass of a text through steps that only cut. */
struct walk {
    const struct text *text;
    const struct piece_sink *sink;
    bn_error *err;
    bn_status status;
};

struct splitter {
    struct walk *walk;
    const struct pretokenizer_step *step, *end; /* this one, and where the steps end */
    bool open;                                  /* a piece is held back because it may still grow */
    size_t begin, stop;
    bool previous_match; /* what the event before was */
};

static void split_piece(struct walk *walk, const struct pretokenizer_step *step, const struct pretokenizer_step *end,
                        size_t begin, size_t stop);

static void emit(struct splitter *s, size_t begin, size_t end) {
    struct walk *walk = s->walk;
    if (begin >= end || walk->status) return;
    if (s->step + 1 < s->end)
        split_piece(walk, s->step + 1, s->end, begin, end);
    else
        walk->status = walk->sink->take(walk->sink->context, walk->text,
                                        (struct piece){(uint32_t)begin, (uint32_t)end, -1}, walk->err);
}

static void close_piece(struct splitter *s) {
    if (s->open) emit(s, s->begin, s->stop);
    s->open = false;
}

static void hold(struct splitter *s, size_t begin, size_t end) {
    close_piece(s);
    s->open = true;
    s->begin = begin;
    s->stop = end;
}

static void event(struct splitter *s, size_t begin, size_t end, bool match) {
    match ^= s->step->invert;
    switch (s->step->behavior) {
    case SPLIT_REMOVED:
        if (!match) emit(s, begin, end);
        break;
    case SPLIT_ISOLATED:
        emit(s, begin, end);
        break;
    case SPLIT_CONTIGUOUS:
        if (s->open && match == s->previous_match)
            s->stop = end;
        else
            hold(s, begin, end);
        break;
    case SPLIT_MERGED_WITH_PREVIOUS:
        if (s->open && match && !s->previous_match)
            s->stop = end;
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

/* The run of digits [begin, end) in threes from the right. Takes and returns where the gap before what comes next begins. */
static size_t events_of_digits(const struct text *text, size_t gap, size_t begin, size_t end, struct splitter *s) {
    const bool places = s->step->matches == SPLIT_BEFORE_THREES;
    size_t digits = 0;
    uint32_t c;
    for (size_t at = begin; at < end; digits++) at += unicode_next(text->bytes + at, end - at, &c);
    for (size_t at = begin; at < end && !s->walk->status; digits--) {
        if (digits % 3 == 0 || (at == begin && !places)) {
            if (gap < at) event(s, gap, at, !places && gap >= begin);
            if (places) event(s, at, at, true);
            gap = at;
        }
        at += unicode_next(text->bytes + at, end - at, &c);
    }
    if (places) return gap;
    event(s, gap, end, true);
    return end;
}

static void events_of_scanner(const struct text *text, size_t begin, size_t end, struct splitter *s) {
    const char *bytes = text->bytes + begin;
    size_t n = end - begin, gap = 0;
    for (size_t at = 0; at < n && !s->walk->status;) {
        size_t next = s->step->scan(bytes, n, at);
        if (next == at) {
            uint32_t c;
            at += unicode_next(bytes + at, n - at, &c);
            continue;
        }
        if (s->step->matches == SPLIT_FOUND) {
            if (gap < at) event(s, begin + gap, begin + at, false);
            event(s, begin + at, begin + next, true);
            gap = next;
        } else {
            gap = events_of_digits(text, begin + gap, begin + at, begin + next, s) - begin;
        }
        at = next;
    }
    if (gap < n) event(s, begin + gap, end, false);
}

static void events_of_class(const struct text *text, size_t begin, size_t end, struct splitter *s) {
    size_t gap = begin;
    for (size_t at = begin, length; at < end; at += length) {
        uint32_t c;
        length = unicode_next(text->bytes + at, end - at, &c);
        if (!s->step->in_class(c)) continue;
        if (gap < at) event(s, gap, at, false);
        event(s, at, at + length, true);
        gap = at + length;
    }
    if (gap < end) event(s, gap, end, false);
}

static void events_of_literal(const struct text *text, size_t begin, size_t end, struct splitter *s) {
    const struct pretokenizer_step *step = s->step;
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

static bn_status events_of_regex(const struct text *text, size_t begin, size_t end, struct splitter *s) {
    bn_error *err = s->walk->err;
    struct regex_search search;
    bn_status status = regex_search_begin(s->step->regex, &search, err);
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

static void split_piece(struct walk *walk, const struct pretokenizer_step *step, const struct pretokenizer_step *end,
                        size_t begin, size_t stop) {
    const struct text *text = walk->text;
    struct splitter s = {.walk = walk, .step = step, .end = end};
    bn_status status = BN_OK;
    switch (step->kind) {
    case PRETOKENIZE_SCANNER:
        events_of_scanner(text, begin, stop, &s);
        break;
    case PRETOKENIZE_REGEX:
        status = events_of_regex(text, begin, stop, &s);
        break;
    case PRETOKENIZE_LITERAL:
        events_of_literal(text, begin, stop, &s);
        break;
    case PRETOKENIZE_CLASS:
        events_of_class(text, begin, stop, &s);
        break;
    case PRETOKENIZE_FIXED:
        cut_fixed(step->length, text, begin, stop, &s);
        break;
    case PRETOKENIZE_SCRIPTS:
        cut_scripts(text, begin, stop, &s);
        break;
    case PRETOKENIZE_METASPACE: /* the text is rewritten already; each replacement begins a piece */
        if (step->split)
            events_of_literal(text, begin, stop, &s);
        else
            emit(&s, begin, stop);
        break;
    case PRETOKENIZE_BYTE_LEVEL:
        emit(&s, begin, stop);
        break;
    }
    close_piece(&s);
    if (!walk->status) walk->status = status;
}

/* ---- steps that rewrite the text ---- */

static bool begins_with(const struct text *text, size_t begin, size_t end, const char *what, size_t size) {
    return end - begin >= size && memcmp(text->bytes + begin, what, size) == 0;
}

static struct span first_character_span(const struct text *text, size_t begin, size_t end) {
    uint32_t c;
    return text_span(text, begin, begin + unicode_next(text->bytes + begin, end - begin, &c));
}

/* Spaces become the replacement, which is also put in front. */
static void metaspace(const struct pretokenizer_step *step, const struct text *text, const struct piece *piece,
                      struct text *out) {
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
}

static void byte_level(const struct pretokenizer_step *step, const struct text *text, const struct piece *piece,
                       struct text *out) {
    if (step->add_prefix_space && text->bytes[piece->begin] != ' ')
        text_append(out, " ", 1, first_character_span(text, piece->begin, piece->end));
    if (!step->map_bytes) text_append_text(out, text, piece->begin, piece->end);
    for (size_t at = piece->begin, length; step->map_bytes && at < piece->end; at += length) {
        uint32_t c;
        length = unicode_next(text->bytes + at, piece->end - at, &c);
        struct span span = text_span(text, at, at + length);
        for (size_t i = 0; i < length; i++) {
            char bytes[4];
            text_append(out, bytes, byte_alphabet_put((uint8_t)text->bytes[at + i], bytes), span);
        }
    }
}

/* The step for every piece; the pieces stay the same pieces, of the new text. */
static void rewrite_pieces(const struct pretokenizer_step *step, struct text *text, struct pieces *pieces,
                           struct text *out) {
    text_clear(out, text->base);
    for (size_t i = 0; i < pieces->n; i++) {
        struct piece *piece = &pieces->items[i];
        size_t start = out->size;
        if (piece->id >= 0)
            text_append_text(out, text, piece->begin, piece->end);
        else if (step->kind == PRETOKENIZE_METASPACE)
            metaspace(step, text, piece, out);
        else
            byte_level(step, text, piece, out);
        if (out->failed) return; /* the pieces have no text behind them */
        piece->begin = (uint32_t)start;
        piece->end = (uint32_t)out->size;
    }
    struct text old = *text;
    *text = *out;
    *out = old;
}

static bool rewrites(const struct pretokenizer_step *step) {
    return step->kind == PRETOKENIZE_METASPACE || step->kind == PRETOKENIZE_BYTE_LEVEL;
}

static bn_status collect(void *context, const struct text *text, struct piece piece, bn_error *err) {
    struct pieces *pieces = context;
    pieces_push(pieces, piece.begin, piece.end, piece.id);
    return pieces->failed ? fail_no_memory(err, text->size) : BN_OK;
}

/* All pieces through [step, end). */
static bn_status walk_pieces(const struct text *text, const struct pieces *pieces, const struct pretokenizer_step *step,
                             const struct pretokenizer_step *end, const struct piece_sink *sink, bn_error *err) {
    struct walk walk = {.text = text, .sink = sink, .err = err};
    for (size_t i = 0; i < pieces->n && !walk.status; i++) {
        struct piece piece = pieces->items[i];
        if (step < end && piece.id < 0)
            split_piece(&walk, step, end, piece.begin, piece.end);
        else
            walk.status = sink->take(sink->context, text, piece, err);
    }
    return walk.status;
}

bn_status pretokenizer_apply(const struct pretokenizer *pretokenizer, struct text *text, struct pieces *pieces,
                             struct pretokenizer_scratch *scratch, const struct piece_sink *sink, bn_error *err) {
    const struct pretokenizer_step *step = pretokenizer->steps, *stop;
    const struct pretokenizer_step *end = step ? step + pretokenizer->n : NULL;
    do {
        if (step < end && rewrites(step)) {
            rewrite_pieces(step, text, pieces, &scratch->text);
            if (scratch->text.failed || text->failed) return fail_no_memory(err, text->size);
        }
        for (stop = step < end ? step + 1 : end; stop < end && !rewrites(stop);) stop++;
        if (stop == end) return walk_pieces(text, pieces, step, end, sink, err);
        scratch->pieces.n = 0;
        const struct piece_sink list = {collect, &scratch->pieces};
        bn_status status = walk_pieces(text, pieces, step, stop, &list, err);
        if (status) return status;
        struct pieces old = *pieces;
        *pieces = scratch->pieces;
        scratch->pieces = old;
        step = stop;
    } while (true);
}
