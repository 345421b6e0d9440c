/* Decoder steps as state machines: each gets a token's text (or, after a step that fuses, a part of the one text) and
 * passes on what is settled to the next step. */
#include "tokenizer/decoder.h"

#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/unicode.h"

static const char replacement_character[] = "\xef\xbf\xbd";
static const char escaped_space[] = "\xe2\x96\x81";

struct stage {
    const struct decoder_step *step;
    struct buffer pending;         /* what isn't settled yet: bytes, a held text, the last CTC token */
    struct buffer work;            /* the text being rewritten */
    size_t whole;                  /* BYTE_FALLBACK: bytes of pending that are known to be whole characters */
    size_t strip_left;             /* STRIP: characters that may still be cut at the beginning */
    bool started;                  /* a token has been seen */
    bool text_seen, space_dropped; /* SENTENCEPIECE */
};

struct decoding {
    bool streaming;
    struct buffer *out;
    bn_error *err;
    bn_status status;
    size_t n;
    struct stage stages[];
};

static void push(struct decoding *d, size_t i, const struct vocabulary_token *token, const char *text, size_t n,
                 bool begins);

static void pass(struct decoding *d, size_t i, const char *text, size_t n, bool begins) {
    if (i + 1 == d->n)
        buffer_append(d->out, text, n);
    else
        push(d, i + 1, NULL, text, n, begins);
}

static void pass_work(struct decoding *d, size_t i, bool begins) {
    struct buffer *work = &d->stages[i].work;
    if (work->failed) d->out->failed = true;
    pass(d, i, work->data ? work->data : "", work->size, begins);
}

/* Clearing a buffer forgets that an append failed; the text would come out with a hole and no error. */
static void clear_pending(struct decoding *d, struct buffer *pending) {
    if (pending->failed) d->out->failed = true;
    buffer_clear(pending);
}

static bool starts_with(const char *text, size_t n, const char *what, size_t size) {
    return size > 0 && n >= size && memcmp(text, what, size) == 0;
}

void decoder_append_replaced(struct buffer *out, const char *text, size_t n, const char *from, size_t from_size,
                             const char *to, size_t to_size) {
    const char *end = text + n, *found;
    while (from_size > 0 && (found = memmem(text, (size_t)(end - text), from, from_size))) {
        buffer_append(out, text, (size_t)(found - text));
        buffer_append(out, to, to_size);
        text = found + from_size;
    }
    buffer_append(out, text, (size_t)(end - text));
}

/* ---- bytes ---- */

/* Passes on the valid characters of pending, U+FFFD for each broken part (ByT5: nothing), and keeps an unfinished
 * tail unless `all`. */
static void settle_bytes(struct decoding *d, size_t i, bool all) {
    struct stage *stage = &d->stages[i];
    const char *bytes = stage->pending.data;
    size_t n = stage->pending.size, tail = all || n == 0 ? 0 : utf8_incomplete_tail(bytes, n), at = 0;
    buffer_clear(&stage->work);
    while (at < n - tail) {
        uint32_t c;
        int length = utf8_decode(bytes + at, n - at, &c);
        if (length > 0)
            buffer_append(&stage->work, bytes + at, (size_t)length);
        else if (stage->step->kind != DECODE_RAW_BYTES)
            buffer_append_text(&stage->work, replacement_character);
        at += (size_t)(length > 0 ? length : -length);
    }
    char kept[4];
    if (tail) memcpy(kept, bytes + n - tail, tail);
    clear_pending(d, &stage->pending);
    buffer_append(&stage->pending, kept, tail);
    if (stage->work.size == 0) return;
    pass_work(d, i, !stage->started);
    stage->started = true;
}

static void push_byte_level(struct decoding *d, size_t i, const char *text, size_t n) {
    struct buffer *pending = &d->stages[i].pending;
    size_t before = pending->size;
    for (size_t at = 0; at < n;) {
        uint32_t c;
        at += unicode_next(text + at, n - at, &c);
        int byte = byte_alphabet_get(c);
        if (byte < 0) { /* not of the alphabet: the text as it stands */
            pending->size = before;
            buffer_append(pending, text, n);
            break;
        }
        buffer_append_char(pending, (char)byte);
    }
    if (!d->stages[i].step->buffered) settle_bytes(d, i, false);
}

/* A run of byte tokens is text if all of it is valid, else one U+FFFD a byte. */
static void end_fallback_run(struct decoding *d, size_t i) {
    struct stage *stage = &d->stages[i];
    struct buffer *run = &stage->pending;
    if (run->size > 0 && stage->whole == run->size) pass(d, i, run->data, run->size, true);
    for (size_t k = 0; stage->whole < run->size && k < run->size; k++) pass(d, i, replacement_character, 3, true);
    clear_pending(d, run);
    stage->whole = 0;
}

/* One more byte of a run. A stream shows the characters that are whole; of the run only the rest is kept. */
static void push_fallback_byte(struct decoding *d, size_t i, char byte) {
    struct stage *stage = &d->stages[i];
    struct buffer *run = &stage->pending;
    uint32_t c;
    buffer_append_char(run, byte);
    if (run->failed) return;
    int length = utf8_decode(run->data + stage->whole, run->size - stage->whole, &c);
    if (length <= 0) return; /* unfinished, or broken: then it stays so */
    stage->whole += (size_t)length;
    if (d->streaming) end_fallback_run(d, i);
}

static void push_fallback(struct decoding *d, size_t i, const char *text, size_t n) {
    int byte = byte_token_value(text, n);
    if (byte >= 0) {
        push_fallback_byte(d, i, (char)byte);
        return;
    }
    end_fallback_run(d, i);
    pass(d, i, text, n, true);
}

static void push_raw_bytes(struct decoding *d, size_t i, const char *text, size_t n) {
    int byte = byte_token_value(text, n);
    if (byte >= 0)
        buffer_append_char(&d->stages[i].pending, (char)byte);
    else
        buffer_append(&d->stages[i].pending, text, n);
    settle_bytes(d, i, false);
}

/* ---- words ---- */

static void push_metaspace(struct decoding *d, size_t i, const char *text, size_t n) {
    struct stage *stage = &d->stages[i];
    const struct decoder_step *step = stage->step;
    bool dropped = !stage->started && step->drop_first_space;
    buffer_clear(&stage->work);
    decoder_append_replaced(&stage->work, text, n, step->pattern, step->pattern_size, " ", dropped ? 0 : 1);
    stage->started = true;
    pass_work(d, i, true);
}

/* What English detokenization undoes, in the reference's order. */
static const char *const clean_ups[][2] = {
    {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},    {" n't", "n't"},
    {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
};

void decoder_clean_up(struct buffer *text) {
    struct buffer other;
    buffer_init(&other);
    for (size_t k = 0; k < sizeof clean_ups / sizeof *clean_ups; k++) {
        const char *from = clean_ups[k][0], *to = clean_ups[k][1];
        if (text->size < strlen(from) || !memmem(text->data, text->size, from, strlen(from))) continue;
        buffer_clear(&other);
        decoder_append_replaced(&other, text->data, text->size, from, strlen(from), to, strlen(to));
        struct buffer old = *text;
        *text = other;
        other = old;
    }
    text->failed |= other.failed;
    buffer_release(&other);
}

/* GGUF's spelling: tokens that begin a word have U+2581 in front, the others are continuations. */
bool decoder_continues_word(const struct decoder_step *step, const struct vocabulary_token *token, const char **text,
                            size_t *n) {
    const char *mark = step->content ? step->content : step->pattern;
    size_t size = step->content ? step->content_size : step->pattern_size;
    bool marked = size == 0 || starts_with(*text, *n, mark, size); /* an empty prefix is always there */
    if (marked) {
        *text += size;
        *n -= size;
    }
    return step->content ? !marked && !(token && token->flags & TOKEN_SPECIAL) : marked;
}

static void push_wordpiece(struct decoding *d, size_t i, const struct vocabulary_token *token, const char *text,
                           size_t n) {
    struct stage *stage = &d->stages[i];
    buffer_clear(&stage->work);
    if ((stage->started || stage->step->content) && !decoder_continues_word(stage->step, token, &text, &n) &&
        stage->started)
        buffer_append_char(&stage->work, ' ');
    buffer_append(&stage->work, text, n);
    if (stage->step->cleanup) decoder_clean_up(&stage->work);
    stage->started = true;
    pass_work(d, i, true);
}

/* The suffix is a space, but nothing at the end of the text: from the first one on, the token waits for the next (all
 * of it, where another step looks at whole tokens). */
static void release_suffixed(struct decoding *d, size_t i, bool last) {
    struct stage *stage = &d->stages[i];
    if (stage->pending.size == 0) return;
    buffer_clear(&stage->work);
    decoder_append_replaced(&stage->work, stage->pending.data, stage->pending.size, stage->step->pattern,
                            stage->step->pattern_size, " ", last ? 0 : 1);
    clear_pending(d, &stage->pending);
    pass_work(d, i, true);
}

static void push_bpe_suffix(struct decoding *d, size_t i, const char *text, size_t n) {
    struct stage *stage = &d->stages[i];
    release_suffixed(d, i, false);
    const char *suffix =
        stage->step->pattern_size ? memmem(text, n, stage->step->pattern, stage->step->pattern_size) : NULL;
    size_t settled = !suffix ? n : i + 1 == d->n ? (size_t)(suffix - text) : 0;
    if (!suffix || settled) pass(d, i, text, settled, true);
    buffer_append(&stage->pending, text + settled, n - settled);
}

/* Repeated tokens count once; the pad token is nothing, the delimiter a space. */
static void push_ctc(struct decoding *d, size_t i, const char *text, size_t n) {
    struct stage *stage = &d->stages[i];
    const struct decoder_step *step = stage->step;
    if (stage->started && stage->pending.size == n && (n == 0 || memcmp(stage->pending.data, text, n) == 0)) return;
    stage->started = true;
    clear_pending(d, &stage->pending);
    buffer_append(&stage->pending, text, n);
    buffer_clear(&stage->work);
    decoder_append_replaced(&stage->work, text, n, step->pattern, step->pattern_size, "", 0);
    if (step->cleanup && stage->work.size) {
        decoder_clean_up(&stage->work);
        struct buffer spaced;
        buffer_init(&spaced);
        decoder_append_replaced(&spaced, stage->work.data, stage->work.size, step->content, step->content_size, " ", 1);
        buffer_release(&stage->work);
        stage->work = spaced;
    }
    if (stage->work.size) pass_work(d, i, true);
}

static void push_replace(struct decoding *d, size_t i, const char *text, size_t n, bool begins) {
    struct stage *stage = &d->stages[i];
    const struct decoder_step *step = stage->step;
    buffer_clear(&stage->work);
    if (!step->regex) {
        decoder_append_replaced(&stage->work, text, n, step->pattern, step->pattern_size, step->content,
                                step->content_size);
        pass_work(d, i, begins);
        return;
    }
    struct regex_search search;
    if (!d->status) d->status = regex_search_begin(step->regex, &search, d->err);
    if (d->status) return;
    size_t done = 0, begin, end;
    bool found;
    while (!(d->status = regex_search_next(&search, text, n, done, &found, &begin, &end, d->err)) && found) {
        buffer_append(&stage->work, text + done, begin - done);
        buffer_append(&stage->work, step->content, step->content_size);
        done = end;
    }
    regex_search_end(&search);
    buffer_append(&stage->work, text + done, n - done);
    pass_work(d, i, begins);
}

static void push_strip(struct decoding *d, size_t i, const char *text, size_t n, bool begins) {
    struct stage *stage = &d->stages[i];
    const struct decoder_step *step = stage->step;
    if (begins) stage->strip_left = step->start;
    while (stage->strip_left > 0 && starts_with(text, n, step->content, step->content_size)) {
        text += step->content_size;
        n -= step->content_size;
        stage->strip_left--;
    }
    if (n > 0) stage->strip_left = 0;
    for (size_t k = 0; k < step->stop && n >= step->content_size; k++) {
        if (!starts_with(text + n - step->content_size, step->content_size, step->content, step->content_size)) break;
        n -= step->content_size;
    }
    pass(d, i, text, n, begins);
}

static void push_fuse(struct decoding *d, size_t i, const char *text, size_t n) {
    struct stage *stage = &d->stages[i];
    if (stage->step->buffered) {
        buffer_append(&stage->pending, text, n);
        return;
    }
    pass(d, i, text, n, !stage->started);
    stage->started = true;
}

static void push_joined(struct decoding *d, size_t i, const char *text, size_t n) {
    struct stage *stage = &d->stages[i];
    if (stage->started) pass(d, i, " ", 1, true);
    stage->started = true;
    pass(d, i, text, n, true);
}

/* ---- sentencepiece ---- */

/* Bytes: characters where they form some, else U+FFFD for one byte after the other. */
static void settle_sentencepiece_bytes(struct decoding *d, size_t i, bool all) {
    struct stage *stage = &d->stages[i];
    const char *bytes = stage->pending.data;
    size_t n = stage->pending.size, tail = all || n == 0 ? 0 : utf8_incomplete_tail(bytes, n), at = 0;
    while (at < n - tail) {
        uint32_t c;
        int length = utf8_decode(bytes + at, n - at, &c);
        if (length > 0)
            pass(d, i, bytes + at, (size_t)length, true);
        else
            pass(d, i, replacement_character, 3, true);
        at += (size_t)(length > 0 ? length : 1);
        stage->text_seen = true;
    }
    char kept[4];
    if (tail) memcpy(kept, bytes + n - tail, tail);
    clear_pending(d, &stage->pending);
    buffer_append(&stage->pending, kept, tail);
}

static void push_sentencepiece(struct decoding *d, size_t i, const struct vocabulary_token *token) {
    struct stage *stage = &d->stages[i];
    const struct decoder_step *step = stage->step;
    const char *text = token->text;
    size_t n = token->size;
    int byte = token->flags & TOKEN_BYTE ? byte_token_value(text, n) : -1;
    if (byte >= 0) {
        buffer_append_char(&stage->pending, (char)byte);
        settle_sentencepiece_bytes(d, i, false);
        return;
    }
    settle_sentencepiece_bytes(d, i, true);
    if (token->flags & TOKEN_CONTROL) {
        pass(d, i, text, n, true);
        return;
    }
    if (stage->space_dropped) stage->text_seen = true;
    stage->space_dropped = false;
    if (!stage->text_seen && step->drop_first_space && starts_with(text, n, escaped_space, 3)) {
        text += 3;
        n -= 3;
        stage->space_dropped = !step->drop_all_first_spaces;
    }
    buffer_clear(&stage->work);
    if (step->content && token->flags & TOKEN_UNKNOWN)
        buffer_append(&stage->work, step->content, step->content_size);
    else
        decoder_append_replaced(&stage->work, text, n, escaped_space, 3, " ", 1);
    if (stage->work.size) stage->text_seen = true;
    pass_work(d, i, true);
}

/* ---- the chain ---- */

static void push(struct decoding *d, size_t i, const struct vocabulary_token *token, const char *text, size_t n,
                 bool begins) {
    switch (d->stages[i].step->kind) {
    case DECODE_BYTE_LEVEL:
        push_byte_level(d, i, text, n);
        break;
    case DECODE_BYTE_FALLBACK:
        push_fallback(d, i, text, n);
        break;
    case DECODE_METASPACE:
        push_metaspace(d, i, text, n);
        break;
    case DECODE_WORDPIECE:
        push_wordpiece(d, i, token, text, n);
        break;
    case DECODE_BPE_SUFFIX:
        push_bpe_suffix(d, i, text, n);
        break;
    case DECODE_CTC:
        push_ctc(d, i, text, n);
        break;
    case DECODE_REPLACE:
        push_replace(d, i, text, n, begins);
        break;
    case DECODE_STRIP:
        push_strip(d, i, text, n, begins);
        break;
    case DECODE_FUSE:
        push_fuse(d, i, text, n);
        break;
    case DECODE_JOIN_SPACES:
        push_joined(d, i, text, n);
        break;
    case DECODE_RAW_BYTES:
        push_raw_bytes(d, i, text, n);
        break;
    case DECODE_SENTENCEPIECE:
        push_sentencepiece(d, i, token);
        break; /* always the first step */
    }
}

static void finish(struct decoding *d, size_t i) {
    struct stage *stage = &d->stages[i];
    switch (stage->step->kind) {
    case DECODE_BYTE_LEVEL:
    case DECODE_RAW_BYTES:
        settle_bytes(d, i, true);
        break;
    case DECODE_BYTE_FALLBACK:
        end_fallback_run(d, i);
        break;
    case DECODE_BPE_SUFFIX:
        release_suffixed(d, i, true);
        break;
    case DECODE_SENTENCEPIECE:
        settle_sentencepiece_bytes(d, i, true);
        break;
    case DECODE_FUSE:
        if (stage->step->buffered)
            pass(d, i, stage->pending.data ? stage->pending.data : "", stage->pending.size, true);
        break;
    default:
        break;
    }
}

/* After everything became one text, only steps that work on it part by part can follow without waiting for its end. */
static bool works_in_parts(const struct decoder_step *step) {
    uint32_t c;
    switch (step->kind) {
    case DECODE_FUSE:
        return true;
    case DECODE_STRIP:
        return step->stop == 0;
    case DECODE_REPLACE:
        return !step->regex && step->pattern_size > 0 &&
               unicode_next(step->pattern, step->pattern_size, &c) == step->pattern_size;
    default:
        return false;
    }
}

void decoder_finish(struct decoder *decoder) {
    bool later_steps_can = true;
    for (size_t i = decoder->n; i-- > 0;) {
        struct decoder_step *step = &decoder->steps[i];
        step->buffered = !later_steps_can;
        later_steps_can = later_steps_can && works_in_parts(step);
    }
}

void decoder_release(struct decoder *decoder) {
    for (size_t i = 0; i < decoder->n; i++) regex_free(decoder->steps[i].regex);
    mem_free(decoder->steps);
    *decoder = (struct decoder){0};
}

bn_status decoding_create(const struct decoder *decoder, bool streaming, struct decoding **out, bn_error *err) {
    size_t size = sizeof **out + decoder->n * sizeof(*out)->stages[0];
    struct decoding *d = mem_calloc(1, size);
    if (!d) return fail_no_memory(err, size);
    d->streaming = streaming;
    d->n = decoder->n;
    for (size_t i = 0; i < d->n; i++) {
        d->stages[i].step = &decoder->steps[i];
        buffer_init(&d->stages[i].pending);
        buffer_init(&d->stages[i].work);
    }
    *out = d;
    return BN_OK;
}

void decoding_destroy(struct decoding *d) {
    if (!d) return;
    for (size_t i = 0; i < d->n; i++) {
        buffer_release(&d->stages[i].pending);
        buffer_release(&d->stages[i].work);
    }
    mem_free(d);
}

static bn_status result(struct decoding *d, bn_error *err) {
    bool failed = d->out->failed;
    for (size_t i = 0; i < d->n; i++) failed |= d->stages[i].pending.failed | d->stages[i].work.failed;
    return failed ? fail_no_memory(err, d->out->size) : d->status;
}

bn_status decoding_push(struct decoding *d, const struct vocabulary_token *token, struct buffer *out, bn_error *err) {
    d->out = out;
    d->err = err;
    push(d, 0, token, token->text, token->size, true);
    return result(d, err);
}

bn_status decoding_finish(struct decoding *d, struct buffer *out, bn_error *err) {
    d->out = out;
    d->err = err;
    for (size_t i = 0; i < d->n; i++) finish(d, i);
    return result(d, err);
}

bool decoding_waits(const struct decoding *d) {
    for (size_t i = 0; i < d->n; i++) {
        const struct stage *stage = &d->stages[i];
        enum decoder_kind kind = stage->step->kind;
        bool bytes = kind == DECODE_BYTE_LEVEL || kind == DECODE_RAW_BYTES || kind == DECODE_SENTENCEPIECE ||
                     kind == DECODE_BYTE_FALLBACK;
        if (bytes && stage->pending.size > 0) return true;
    }
    return false;
}
