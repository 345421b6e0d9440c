/* Text to tokens: the pipeline of pipeline.h, segment by segment. */
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "tokenizer/pipeline.h"
#include "tokenizer/unicode.h"

/* All memory of one encoding, reused between its segments. */
struct work {
    struct text text;       /* the segment, on its way */
    struct pieces segments; /* of the raw text */
    struct pieces pieces;   /* of the segment */
    struct normalizer_scratch normalizer;
    struct pretokenizer_scratch pretokenizer;
    struct bpe_scratch bpe;
    struct unigram_scratch unigram;
};

static void work_release(struct work *work) {
    text_release(&work->text);
    pieces_release(&work->segments);
    pieces_release(&work->pieces);
    normalizer_scratch_release(&work->normalizer);
    pretokenizer_scratch_release(&work->pretokenizer);
    bpe_scratch_release(&work->bpe);
    unigram_scratch_release(&work->unigram);
}

static bn_status encode_word(const bn_tokenizer *tokenizer, const char *word, size_t size, struct work *work,
                             struct token_list *out, bn_error *err) {
    int32_t id;
    switch (tokenizer->model) {
    case MODEL_BPE:
        bpe_encode(&tokenizer->bpe, word, size, &work->bpe, out);
        break;
    case MODEL_UNIGRAM:
        return unigram_encode(&tokenizer->unigram, word, size, &work->unigram, out, err);
    case MODEL_WORDPIECE:
        wordpiece_encode(&tokenizer->wordpiece, word, size, out);
        break;
    case MODEL_WORDLEVEL:
        id = vocabulary_find_model(&tokenizer->vocabulary, word, size);
        if (id < 0) id = tokenizer->wordpiece.unknown_id;
        if (id >= 0) token_list_push(out, id, 0, size);
        break;
    case MODEL_BYTES:
        for (size_t i = 0; i < size; i++) token_list_push(out, tokenizer->first_byte_id + (uint8_t)word[i], i, i + 1);
        break;
    }
    return BN_OK;
}

static uint16_t count_edge_spaces(const char *text, size_t n, bool leading) {
    size_t count = 0, at = leading ? 0 : n;
    for (uint32_t c; leading ? at < n : at > 0; count++) {
        if (leading)
            at += unicode_next(text + at, n - at, &c);
        else
            at = unicode_previous(text, at, &c);
        if (!unicode_is_space(c)) break;
    }
    return (uint16_t)min_size(count, UINT16_MAX);
}

static void push_added(struct token_list *out, int32_t id, struct span place, const char *text, size_t n) {
    token_list_push(out, id, place.begin, place.end);
    if (out->failed) return;
    struct token *token = &out->items[out->n - 1];
    token->added = true;
    token->leading = count_edge_spaces(text, n, true);
    token->trailing = count_edge_spaces(text, n, false);
}

/* The tokens of one piece; their offsets become bytes of the original. */
static bn_status encode_piece(const bn_tokenizer *tokenizer, struct work *work, const struct piece *piece,
                              struct token_list *out, bn_error *err) {
    const struct text *text = &work->text;
    const char *word = text->bytes + piece->begin;
    size_t size = piece->end - piece->begin, n = out->n;
    if (piece->id >= 0) {
        struct span place = {text->base, text->base};
        if (size > 0) place = text_span(text, piece->begin, piece->end);
        push_added(out, piece->id, place, word, size);
        return BN_OK;
    }
    bn_status status = encode_word(tokenizer, word, size, work, out, err);
    if (status) return status;
    for (; n < out->n; n++) {
        struct token *token = &out->items[n];
        if (token->begin == token->end) continue;
        struct span place = text_span(text, piece->begin + token->begin, piece->begin + token->end);
        token->begin = place.begin;
        token->end = place.end;
    }
    return BN_OK;
}

/* Bytes that aren't UTF-8 become U+FFFD, one for each maximal broken part. */
static void replace_invalid(struct text *text, struct normalizer_scratch *scratch) {
    struct text *out = &scratch->other;
    text_clear(out, text->base);
    for (size_t at = 0; at < text->size;) {
        uint32_t c;
        int length = utf8_decode(text->bytes + at, text->size - at, &c);
        size_t end = at + (size_t)(length > 0 ? length : -length);
        if (length > 0)
            text_append_text(out, text, at, end);
        else
            text_append(out, "\xef\xbf\xbd", 3, text_span(text, at, end));
        at = end;
    }
    struct text old = *text;
    *text = *out;
    *out = old;
}

static bn_status encode_segment(const bn_tokenizer *tokenizer, const char *input, const struct piece *segment,
                                bool parse_special, struct work *work, struct token_list *out, bn_error *err) {
    struct text *text = &work->text;
    text_borrow(text, input, segment->begin, segment->end - segment->begin);
    if (!tokenizer->keeps_invalid_bytes && !utf8_valid(text->bytes, text->size))
        replace_invalid(text, &work->normalizer);
    bn_status status = normalizer_apply(&tokenizer->normalizer, text, &work->normalizer, err);
    if (status) return status;
    struct pieces *pieces = &work->pieces;
    pieces->n = 0;
    added_tokens_split(&tokenizer->added, &tokenizer->added.normalized, parse_special, text->bytes, text->size, pieces);
    if (text->failed || pieces->failed) return fail_no_memory(err, text->size);
    status = pretokenizer_apply(&tokenizer->pretokenizer, text, pieces, &work->pretokenizer, err);
    for (size_t i = 0; i < pieces->n && !status; i++)
        status = encode_piece(tokenizer, work, &pieces->items[i], out, err);
    return status;
}

/* Tokens of a text before post-processing, offsets in bytes of it. */
static bn_status encode_text(const bn_tokenizer *tokenizer, const char *input, size_t size, bool parse_special,
                             struct token_list *out, bn_error *err) {
    if (size > UINT32_MAX / 2)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "text of %zu bytes, at most %u can be encoded at once", size,
                    UINT32_MAX / 2);
    struct work work = {0};
    bn_status status = BN_OK;
    added_tokens_split(&tokenizer->added, &tokenizer->added.raw, parse_special, input, size, &work.segments);
    if (work.segments.failed) status = fail_no_memory(err, size);
    for (size_t i = 0; i < work.segments.n && !status; i++) {
        const struct piece *segment = &work.segments.items[i];
        if (segment->id >= 0)
            push_added(out, segment->id, (struct span){segment->begin, segment->end}, input + segment->begin,
                       segment->end - segment->begin);
        else
            status = encode_segment(tokenizer, input, segment, parse_special, &work, out, err);
    }
    if (!status && (out->failed || work.text.failed)) status = fail_no_memory(err, size);
    work_release(&work);
    return status;
}

/* Offsets from bytes to code points: a begin falls on the character that holds the byte, an end behind the one that
 * holds the last. A maximal broken part of UTF-8 counts as one character. */
static bn_status offsets_to_code_points(const char *text, size_t size, struct token_list *tokens, bn_error *err) {
    uint32_t *index = mem_alloc_array(size + 1, sizeof *index);
    if (!index) return fail_no_memory(err, (size + 1) * sizeof *index);
    uint32_t count = 0;
    for (size_t at = 0; at < size; count++) {
        uint32_t c;
        int length = utf8_decode(text + at, size - at, &c);
        for (int n = length > 0 ? length : -length; n > 0; n--) index[at++] = count;
    }
    index[size] = count;
    for (size_t i = 0; i < tokens->n; i++) {
        struct token *token = &tokens->items[i];
        bool empty = token->begin >= token->end;
        token->begin = index[min_size(token->begin, size)];
        token->end = empty ? token->begin : index[min_size(token->end, size) - 1] + 1;
    }
    mem_free(index);
    return BN_OK;
}

static bn_status encode_with_offsets(const bn_tokenizer *tokenizer, const char *text, size_t size, bool parse_special,
                                     struct token_list *out, bn_error *err) {
    bn_status status = encode_text(tokenizer, text, size, parse_special, out, err);
    return status ? status : offsets_to_code_points(text, size, out, err);
}

static bn_status copy_out(const struct token_list *tokens, struct encoding *out, bn_error *err) {
    size_t n = tokens->n;
    *out = (struct encoding){.n = n};
    out->ids = mem_alloc_array(n, sizeof *out->ids);
    out->type_ids = mem_alloc_array(n, sizeof *out->type_ids);
    out->offsets = mem_alloc_array(n, sizeof *out->offsets);
    if (!out->ids || !out->type_ids || !out->offsets) {
        encoding_release(out);
        return fail_no_memory(err, n * sizeof *out->offsets);
    }
    for (size_t i = 0; i < n; i++) {
        const struct token *token = &tokens->items[i];
        out->ids[i] = token->id;
        out->type_ids[i] = token->type_id;
        out->offsets[i][0] = token->begin;
        out->offsets[i][1] = token->end;
    }
    return BN_OK;
}

bn_status tokenizer_encode(const bn_tokenizer *tokenizer, const struct encode_request *request, struct encoding *out,
                           bn_error *err) {
    struct token_list text = {0}, pair = {0}, all = {0};
    struct token_list *second = request->pair ? &pair : NULL;
    const struct postprocessor *post = &tokenizer->postprocessor;
    *out = (struct encoding){0};
    bn_status status =
        encode_with_offsets(tokenizer, request->text, request->text_bytes, request->parse_special, &text, err);
    if (!status && second)
        status = encode_with_offsets(tokenizer, request->pair, request->pair_bytes, request->parse_special, &pair, err);
    size_t n_special = request->add_special ? template_special_count(second ? &post->pair : &post->single) : 0;
    if (!status) status = truncation_apply(&tokenizer->truncation, n_special, &text, second, err);
    if (!status) {
        if (post->trim_offsets) postprocessor_trim(post, &tokenizer->vocabulary, &text);
        if (post->trim_offsets && second) postprocessor_trim(post, &tokenizer->vocabulary, second);
        postprocessor_fill(post, &text, second, request->add_special, &all);
        padding_apply(&tokenizer->padding, &all);
        status = all.failed ? fail_no_memory(err, all.n * sizeof *all.items) : copy_out(&all, out, err);
    }
    token_list_release(&text);
    token_list_release(&pair);
    token_list_release(&all);
    return status;
}

void encoding_release(struct encoding *encoding) {
    mem_free(encoding->ids);
    mem_free(encoding->type_ids);
    mem_free(encoding->offsets);
    *encoding = (struct encoding){0};
}

bn_status bn_tokenizer_encode(const bn_tokenizer *tokenizer, const char *text, size_t text_bytes,
                              const bn_encode_options *options, int32_t **ids, size_t *n_ids, bn_error *err) {
    bool add_special = true, parse_special = tokenizer_parses_special(tokenizer);
    if (options) {
        if (options->size < sizeof *options)
            return fail(err, BN_STATUS_BAD_ARGUMENT, "bn_encode_options.size is %zu, expected %zu", options->size,
                        sizeof *options);
        add_special = options->add_special;
        parse_special = options->parse_special;
    }
    if (!text && text_bytes) return fail(err, BN_STATUS_BAD_ARGUMENT, "text is NULL and text_bytes %zu", text_bytes);
    struct token_list tokens = {0}, all = {0};
    bn_status status = encode_text(tokenizer, text ? text : "", text_bytes, parse_special, &tokens, err);
    if (!status) postprocessor_fill(&tokenizer->postprocessor, &tokens, NULL, add_special, &all);
    int32_t *result = status ? NULL : mem_alloc_array(all.n, sizeof *result);
    if (!status && (all.failed || !result)) status = fail_no_memory(err, all.n * sizeof *result);
    if (!status) {
        for (size_t i = 0; i < all.n; i++) result[i] = all.items[i].id;
        *ids = result;
        *n_ids = all.n;
    } else {
        mem_free(result);
    }
    token_list_release(&tokens);
    token_list_release(&all);
    return status;
}
