/* Stop strings are matched on the text, byte by byte, so it doesn't matter how tokens cut it: the stop string that is
 * complete first ends the text, and of several that end at the same byte the longest. Since text is held back as long
 * as its end may begin a stop string, no match ever begins in what was already shown; and since stop strings are valid
 * UTF-8 and pieces are whole characters, every cut falls between characters. */
#include "engine/output_text.h"

#include <string.h>

#include "base/memory.h"

bn_status output_text_init(struct output_text *text, const bn_tokenizer *tokenizer, bool skip_special,
                           const struct stop_string *stops, size_t n_stops, bn_error *err) {
    buffer_init(&text->buffer);
    text->stops = stops;
    text->n_stops = n_stops;
    return tokenizer ? bn_decoder_create(tokenizer, skip_special, &text->decoder, err) : BN_OK;
}

void output_text_release(struct output_text *text) {
    if (text->decoder) bn_decoder_destroy(text->decoder);
    buffer_release(&text->buffer);
}

/* The longest stop string that ends with the first `end` bytes of the text; NULL: none does. */
static const struct stop_string *stop_ending_at(const struct output_text *text, size_t end) {
    const struct stop_string *longest = NULL;
    for (size_t i = 0; i < text->n_stops; i++) {
        const struct stop_string *stop = &text->stops[i];
        if (longest && stop->n <= longest->n) continue;
        if (stop->n <= end && !memcmp(text->buffer.data + end - stop->n, stop->bytes, stop->n)) longest = stop;
    }
    return longest;
}

/* How many bytes at the end of the text begin a stop string. */
static size_t held_back(const struct output_text *text) {
    size_t most = 0;
    for (size_t i = 0; i < text->n_stops; i++) {
        const struct stop_string *stop = &text->stops[i];
        for (size_t n = min_size(stop->n - 1, text->buffer.size); n > most; n--) {
            if (!memcmp(text->buffer.data + text->buffer.size - n, stop->bytes, n)) most = n;
        }
    }
    return most;
}

static bn_status append(struct output_text *text, const char *piece, size_t n, bn_error *err) {
    size_t old_size = text->buffer.size, skipped = min_size(n, text->n_skip);
    text->n_skip -= skipped;
    piece += skipped;
    n -= skipped;
    if (n == 0) return BN_OK;
    buffer_append(&text->buffer, piece, n);
    if (text->buffer.failed) return fail_no_memory(err, old_size + n);
    for (size_t end = old_size + 1; text->n_stops && end <= text->buffer.size; end++) {
        text->stop = stop_ending_at(text, end);
        if (!text->stop) continue;
        text->buffer.size = text->n_sure = end - text->stop->n;
        text->buffer.data[text->buffer.size] = '\0';
        return BN_OK;
    }
    text->n_sure = text->buffer.size - held_back(text);
    return BN_OK;
}

static bn_status push_ids(bn_decoder *decoder, const bn_tokenizer *tokenizer, const int32_t *ids, size_t n_ids,
                          size_t *n_bytes, bn_error *err) {
    const char *piece;
    size_t n;
    *n_bytes = 0;
    for (size_t i = 0; i < n_ids; i++) {
        if ((size_t)ids[i] >= bn_tokenizer_vocab_size(tokenizer)) continue;
        bn_status status = bn_decoder_push(decoder, ids[i], &piece, &n, err);
        if (status) return status;
        *n_bytes += n;
    }
    return BN_OK;
}

bn_status output_text_follow(struct output_text *text, const bn_tokenizer *tokenizer, bool skip_special,
                             const int32_t *prompt, size_t n_prompt, size_t n_kept, bn_error *err) {
    bn_decoder *whole;
    size_t n_bytes, n_kept_bytes;
    bn_status status = bn_decoder_create(tokenizer, skip_special, &whole, err);
    if (status) return status;
    status = push_ids(whole, tokenizer, prompt, n_prompt, &n_bytes, err);
    bn_decoder_destroy(whole);
    if (!status) status = push_ids(text->decoder, tokenizer, prompt, n_kept, &n_kept_bytes, err);
    if (!status) text->n_skip = n_bytes - min_size(n_bytes, n_kept_bytes);
    return status;
}

bn_status output_text_push(struct output_text *text, const bn_tokenizer *tokenizer, int32_t id, bn_error *err) {
    if (!text->decoder || (size_t)id >= bn_tokenizer_vocab_size(tokenizer)) return BN_OK;
    const char *piece;
    size_t n;
    bn_status status = bn_decoder_push(text->decoder, id, &piece, &n, err);
    return status ? status : append(text, piece, n, err);
}

bn_status output_text_finish(struct output_text *text, bn_error *err) {
    const char *piece;
    size_t n;
    if (text->decoder && !text->stop) {
        bn_status status = bn_decoder_finish(text->decoder, &piece, &n, err);
        if (!status) status = append(text, piece, n, err);
        if (status) return status;
    }
    text->n_sure = text->buffer.size;
    return BN_OK;
}
