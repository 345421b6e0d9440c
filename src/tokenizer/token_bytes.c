/* Tokens as bytes, for whoever has to know what a token will add before it is chosen: grammars, healing, stop strings.
 *
 * A decoder works on a whole list of tokens, but between others a token nearly always adds the same bytes, which may be
 * part of a character only. The table says which: the decoder's steps, each for a token that is neither the first nor
 * the last. (Not a fixed contribution: CTC, whose repeated tokens count once.) Sorted by bytes, the tokens that
 * continue a prefix are neighbours. */
#include "tokenizer/token_bytes.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/unicode.h"

/* ---- one token ---- */

static void set_text(struct buffer *text, const char *bytes, size_t n) {
    buffer_clear(text);
    buffer_append(text, bytes, n);
}

static void replace_text(struct buffer *text, const char *from, size_t from_size, const char *to, size_t to_size) {
    struct buffer out;
    buffer_init(&out);
    decoder_append_replaced(&out, text->data ? text->data : "", text->size, from, from_size, to, to_size);
    out.failed |= text->failed;
    buffer_release(text);
    *text = out;
}

static void byte_level(struct buffer *text) {
    struct buffer out;
    buffer_init(&out);
    for (size_t at = 0; at < text->size;) {
        uint32_t c;
        at += unicode_next(text->data + at, text->size - at, &c);
        int byte = byte_alphabet_get(c);
        if (byte < 0) { /* not of the alphabet: the text as it stands */
            buffer_release(&out);
            return;
        }
        buffer_append_char(&out, (char)byte);
    }
    out.failed |= text->failed;
    buffer_release(text);
    *text = out;
}

static bool fallback_byte(struct buffer *text) {
    int byte = byte_token_value(text->data ? text->data : "", text->size);
    if (byte < 0) return false;
    char one = (char)byte;
    set_text(text, &one, 1);
    return true;
}

static void put_in_front(struct buffer *text, const char *what, size_t skip) {
    struct buffer out;
    buffer_init(&out);
    buffer_append_text(&out, what);
    if (text->size > skip) buffer_append(&out, text->data + skip, text->size - skip);
    out.failed |= text->failed;
    buffer_release(text);
    *text = out;
}

static void wordpiece(const struct decoder_step *step, const struct vocabulary_token *token, struct buffer *text) {
    const char *bytes = text->data ? text->data : "";
    size_t n = text->size;
    bool continues = decoder_continues_word(step, token, &bytes, &n);
    put_in_front(text, continues ? "" : " ", text->size - n);
    if (step->cleanup) decoder_clean_up(text);
}

static void strip(const struct decoder_step *step, struct buffer *text) {
    size_t begin = 0, end = text->size, size = step->content_size;
    for (size_t i = 0; size && i < step->start && end - begin >= size; i++, begin += size)
        if (memcmp(text->data + begin, step->content, size) != 0) break;
    for (size_t i = 0; size && i < step->stop && end - begin >= size; i++, end -= size)
        if (memcmp(text->data + end - size, step->content, size) != 0) break;
    if (end < text->size) text->size = end, text->data[end] = '\0';
    if (begin) put_in_front(text, "", begin);
}

static bn_status replace_matches(const struct decoder_step *step, struct buffer *text, bn_error *err) {
    struct regex_search search;
    struct buffer out;
    size_t done = 0, begin, end;
    bool found;
    bn_status status = regex_search_begin(step->regex, &search, err);
    if (status) return status;
    const char *bytes = text->data ? text->data : "";
    buffer_init(&out);
    while (!(status = regex_search_next(&search, bytes, text->size, done, &found, &begin, &end, err)) && found) {
        buffer_append(&out, bytes + done, begin - done);
        buffer_append(&out, step->content, step->content_size);
        done = end;
    }
    regex_search_end(&search);
    if (!status) buffer_append(&out, bytes + done, text->size - done);
    out.failed |= text->failed;
    buffer_release(text);
    *text = out;
    return status;
}

static void sentencepiece(const struct decoder_step *step, const struct vocabulary_token *token, struct buffer *text) {
    if (token->flags & TOKEN_BYTE && fallback_byte(text)) return;
    if (step->content && token->flags & TOKEN_UNKNOWN)
        set_text(text, step->content, step->content_size);
    else
        replace_text(text, "\xe2\x96\x81", 3, " ", 1);
}

bn_status token_bytes_of(const struct decoder *decoder, const struct vocabulary_token *token, struct buffer *text,
                         bn_error *err) {
    bn_status status = BN_OK;
    bool fused = false;
    set_text(text, token->text, token->size);
    for (size_t i = 0; i < decoder->n && !status; i++) {
        const struct decoder_step *step = &decoder->steps[i];
        switch (step->kind) {
        case DECODE_BYTE_LEVEL:
            byte_level(text);
            fused = true;
            break;
        case DECODE_BYTE_FALLBACK:
        case DECODE_RAW_BYTES:
            fallback_byte(text);
            break;
        case DECODE_METASPACE:
            replace_text(text, step->pattern, step->pattern_size, " ", 1);
            break;
        case DECODE_WORDPIECE:
            if (!fused) wordpiece(step, token, text);
            break;
        case DECODE_BPE_SUFFIX:
            replace_text(text, step->pattern, step->pattern_size, fused ? "" : " ", fused ? 0 : 1);
            break;
        case DECODE_CTC:
            replace_text(text, step->pattern, step->pattern_size, "", 0);
            if (!step->cleanup) break;
            decoder_clean_up(text);
            replace_text(text, step->content, step->content_size, " ", 1);
            break;
        case DECODE_REPLACE:
            if (step->regex)
                status = replace_matches(step, text, err);
            else
                replace_text(text, step->pattern, step->pattern_size, step->content, step->content_size);
            break;
        case DECODE_STRIP:
            if (!fused) strip(step, text);
            break;
        case DECODE_FUSE:
            fused = true;
            break;
        case DECODE_JOIN_SPACES:
            put_in_front(text, " ", 0);
            break;
        case DECODE_SENTENCEPIECE:
            sentencepiece(step, token, text);
            break;
        }
    }
    return !status && text->failed ? fail_no_memory(err, text->size) : status;
}

/* ---- the table ---- */

struct bn_token_bytes {
    char *bytes;       /* of all tokens, one behind the other */
    uint32_t *begins;  /* [n + 1] */
    int32_t *by_bytes; /* ids of tokens with any bytes, in the order of their bytes */
    size_t n, n_sorted;
    size_t longest; /* bytes */
};

const char *bn_token_bytes_get(const bn_token_bytes *table, int32_t id, size_t *n_bytes) {
    *n_bytes = 0;
    if (id < 0 || (size_t)id >= table->n) return "";
    *n_bytes = table->begins[id + 1] - table->begins[id];
    return table->bytes + table->begins[id];
}

void bn_token_bytes_destroy(bn_token_bytes *table) {
    if (!table) return;
    mem_free(table->bytes);
    mem_free(table->begins);
    mem_free(table->by_bytes);
    mem_free(table);
}

/* memcmp of the common part, then the shorter one first. */
static int compare_bytes(const char *a, size_t n_a, const char *b, size_t n_b) {
    int order = memcmp(a, b, min_size(n_a, n_b));
    return order ? order : (n_a > n_b) - (n_a < n_b);
}

static int compare_ids(const void *a, const void *b, void *context) {
    const bn_token_bytes *table = context;
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    size_t n_x, n_y;
    const char *bytes_x = bn_token_bytes_get(table, x, &n_x), *bytes_y = bn_token_bytes_get(table, y, &n_y);
    int order = compare_bytes(bytes_x, n_x, bytes_y, n_y);
    return order ? order : (x > y) - (x < y);
}

static bn_status fill_table(const bn_tokenizer *tokenizer, bn_token_bytes *table, bn_error *err) {
    struct buffer all, one;
    buffer_init(&all);
    buffer_init(&one);
    bn_status status = BN_OK;
    for (size_t id = 0; id < table->n && !status; id++) {
        struct vocabulary_token token = vocabulary_token(&tokenizer->vocabulary, id);
        table->begins[id] = (uint32_t)all.size;
        if (token.flags & TOKEN_REWRITTEN) token = vocabulary_decoded(&tokenizer->vocabulary, id);
        if (!token.text || token.flags & (TOKEN_SPECIAL | TOKEN_CONTROL)) continue;
        status = token_bytes_of(&tokenizer->decoder, &token, &one, err);
        buffer_append(&all, one.data ? one.data : "", one.size);
        table->longest = max_size(table->longest, one.size);
        if (one.size) table->by_bytes[table->n_sorted++] = (int32_t)id;
        if (!status && all.size > UINT32_MAX / 2)
            status =
                fail(err, BN_STATUS_UNSUPPORTED, "the vocabulary's tokens have more than %u bytes", UINT32_MAX / 2);
    }
    table->begins[table->n] = (uint32_t)all.size;
    if (!status && (all.failed || !(table->bytes = buffer_take(&all)))) status = fail_no_memory(err, all.size);
    buffer_release(&one);
    buffer_release(&all);
    return status;
}

bn_status bn_token_bytes_create(const bn_tokenizer *tokenizer, bn_token_bytes **out, bn_error *err) {
    size_t n = tokenizer->vocabulary.size;
    bn_token_bytes *table = mem_calloc(1, sizeof *table);
    if (!table) return fail_no_memory(err, sizeof *table);
    table->n = n;
    table->begins = mem_calloc(n + 1, sizeof *table->begins);
    table->by_bytes = mem_alloc_array(n + 1, sizeof *table->by_bytes);
    bn_status status = table->begins && table->by_bytes ? fill_table(tokenizer, table, err)
                                                        : fail_no_memory(err, n * sizeof *table->begins);
    if (status) {
        bn_token_bytes_destroy(table);
        return status;
    }
    qsort_r(table->by_bytes, table->n_sorted, sizeof *table->by_bytes, compare_ids, table);
    *out = table;
    return BN_OK;
}

const int32_t *token_bytes_sorted(const bn_token_bytes *table, size_t *n) {
    *n = table->n_sorted;
    return table->by_bytes;
}

/* The first place in by_bytes whose token is not before the given bytes. */
static size_t lower_bound(const bn_token_bytes *table, const char *bytes, size_t n) {
    size_t low = 0, high = table->n_sorted;
    while (low < high) {
        size_t middle = (low + high) / 2, size;
        const char *other = bn_token_bytes_get(table, table->by_bytes[middle], &size);
        if (compare_bytes(other, size, bytes, n) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Does the token at this place begin with the given bytes? */
static bool has_prefix(const bn_token_bytes *table, size_t place, const char *prefix, size_t n, size_t *size) {
    if (place >= table->n_sorted) return false;
    const char *bytes = bn_token_bytes_get(table, table->by_bytes[place], size);
    return *size >= n && memcmp(bytes, prefix, n) == 0;
}

size_t bn_token_bytes_allow(const bn_token_bytes *table, const char *prefix, size_t n_prefix, uint8_t *mask) {
    size_t count = 0, size;
    memset(mask, 0, table->n);
    if (n_prefix == 0) return 0;
    for (size_t place = lower_bound(table, prefix, n_prefix); has_prefix(table, place, prefix, n_prefix, &size);
         place++)
        count += !mask[table->by_bytes[place]], mask[table->by_bytes[place]] = 1;
    for (size_t n = 1; n < n_prefix && n <= table->longest; n++) /* tokens that are the prefix's beginning */
        for (size_t place = lower_bound(table, prefix, n); has_prefix(table, place, prefix, n, &size) && size == n;
             place++)
            count += !mask[table->by_bytes[place]], mask[table->by_bytes[place]] = 1;
    return count;
}

/* Is there a token that begins with these bytes and goes on? */
static bool goes_on(const bn_token_bytes *table, const char *bytes, size_t n) {
    size_t size, place = lower_bound(table, bytes, n);
    while (has_prefix(table, place, bytes, n, &size) && size == n) place++; /* spelled alike */
    return has_prefix(table, place, bytes, n, &size);
}

bn_status bn_token_bytes_heal(const bn_token_bytes *table, const int32_t *ids, size_t n_ids, size_t max_back,
                              size_t *n_kept, char **prefix, size_t *n_prefix, bn_error *err) {
    struct buffer tail, best;
    size_t kept = n_ids;
    buffer_init(&tail);
    buffer_init(&best);
    for (size_t back = 1; back <= max_back && back <= n_ids; back++) {
        size_t n, size = tail.size;
        const char *bytes = bn_token_bytes_get(table, ids[n_ids - back], &n);
        if (n == 0 || n + size > table->longest) break; /* a special token stands for no text */
        buffer_append(&tail, bytes, n);
        if (tail.failed) break;
        memmove(tail.data + n, tail.data, size);
        memcpy(tail.data, bytes, n);
        if (!goes_on(table, tail.data, tail.size)) continue;
        kept = n_ids - back;
        set_text(&best, tail.data, tail.size);
    }
    bool failed = tail.failed || best.failed;
    size_t size = best.size;
    char *taken = failed ? NULL : buffer_take(&best);
    buffer_release(&tail);
    buffer_release(&best);
    if (!taken) return fail_no_memory(err, size);
    *n_kept = kept;
    *prefix = taken;
    *n_prefix = size;
    return BN_OK;
}
