/* SentencePiece's pipeline in the steps of tokenizer.json: character map, white space, dummy prefix and escaping are
 * normalizers, user-defined symbols added tokens or a split before the model. */
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "tokenizer/convert_parts.h"

static const char escaped_space[] = "\xe2\x96\x81";

const struct normalizer_step *sentencepiece_step(const bn_tokenizer *tokenizer) {
    const struct normalizer *normalizer = &tokenizer->normalizer;
    bool is = normalizer->n == 1 && normalizer->steps[0].kind == NORMALIZE_SENTENCEPIECE;
    return is ? &normalizer->steps[0] : NULL;
}

/* ---- user-defined symbols ---- */

static bool contains_space(struct vocabulary_token token) {
    return memmem(token.text, token.size, escaped_space, 3) || memchr(token.text, ' ', token.size);
}

static bool is_spaces(struct vocabulary_token token) {
    for (size_t i = 0; i + 3 <= token.size; i += 3)
        if (memcmp(token.text + i, escaped_space, 3) != 0) return false;
    return token.size % 3 == 0;
}

enum symbol_means sentencepiece_symbol_means(const bn_tokenizer *tokenizer, struct vocabulary_token token) {
    const struct normalizer_step *step = sentencepiece_step(tokenizer);
    if (step && !step->add_dummy_prefix && !step->remove_extra_whitespaces && !contains_space(token))
        return SYMBOL_ADDED;
    return is_spaces(token) ? SYMBOL_RUN : SYMBOL_WHOLE;
}

static bool is_symbol(struct vocabulary_token token) {
    return token.text && token.size > 0 && token.flags & TOKEN_USER;
}

bool sentencepiece_needs_whole_words(const bn_tokenizer *tokenizer) {
    const struct vocabulary *vocabulary = &tokenizer->vocabulary;
    for (size_t id = 0; id < vocabulary->size && sentencepiece_step(tokenizer); id++)
        if (is_symbol(vocabulary_token(vocabulary, id)) &&
            sentencepiece_symbol_means(tokenizer, vocabulary_token(vocabulary, id)) == SYMBOL_WHOLE)
            return true;
    return false;
}

static int longest_first(const void *a, const void *b) {
    const struct vocabulary_token *x = a, *y = b;
    return (x->size < y->size) - (x->size > y->size);
}

static void append_literal(struct buffer *pattern, struct vocabulary_token token) {
    for (size_t i = 0; i < token.size; i++) {
        if (strchr("\\^$.|?*+()[]{}-#&~ /", token.text[i])) buffer_append_char(pattern, '\\');
        buffer_append_char(pattern, token.text[i]);
    }
}

/* Where tokenizer.json's model looks up whole words or pieces, it finds byte tokens by their spelling <0xXX>, which
 * SentencePiece never does: such a text is cut behind its first character. */
static bool must_cut_bytes(const bn_tokenizer *tokenizer) {
    return tokenizer->model == MODEL_UNIGRAM
               ? tokenizer->unigram.byte_fallback
               : tokenizer->bpe.byte_fallback && sentencepiece_needs_whole_words(tokenizer);
}

/* symbol|symbol|…, of several that fit the longest; empty if there are none to isolate. */
static bn_status symbols_pattern(const bn_tokenizer *tokenizer, struct buffer *pattern, bn_error *err) {
    const struct vocabulary *vocabulary = &tokenizer->vocabulary;
    struct vocabulary_token *symbols = mem_alloc_array(vocabulary->size + 1, sizeof *symbols);
    if (!symbols) return fail_no_memory(err, vocabulary->size * sizeof *symbols);
    size_t n = 0;
    for (size_t id = 0; id < vocabulary->size; id++)
        if (is_symbol(vocabulary_token(vocabulary, id)) &&
            sentencepiece_symbol_means(tokenizer, vocabulary_token(vocabulary, id)) != SYMBOL_ADDED)
            symbols[n++] = vocabulary_token(vocabulary, id);
    qsort(symbols, n, sizeof *symbols, longest_first);
    for (size_t i = 0; i < n; i++) {
        if (i) buffer_append_char(pattern, '|');
        append_literal(pattern, symbols[i]);
    }
    mem_free(symbols);
    if (must_cut_bytes(tokenizer)) {
        if (n) buffer_append_char(pattern, '|');
        buffer_append_text(pattern, "<(?=0x[0-9A-Fa-f]{2}>)");
    }
    return pattern->failed ? fail_no_memory(err, pattern->size) : BN_OK;
}

/* ---- steps ---- */

bn_status sentencepiece_normalizer_to_json(const bn_tokenizer *tokenizer, json_t **steps, bn_error *err) {
    const struct normalizer_step *step = sentencepiece_step(tokenizer);
    if (step->whitespace_as_suffix)
        return fail(err, BN_STATUS_UNSUPPORTED,
                    "tokenizer.json has no step that puts the space behind a text "
                    "(treat_whitespace_as_suffix)");
    json_t *list = json_array();
    bool ok = list != NULL;
    if (ok && step->precompiled.units) {
        char *map = precompiled_to_base64(&step->precompiled);
        ok = map && append_step(list, json_pack("{s:s, s:s}", "type", "Precompiled", "precompiled_charsmap", map));
        mem_free(map);
    }
    if (ok && step->remove_extra_whitespaces)
        ok = append_step(list, replace_step("Regex", "\\A +", "")) &&
             append_step(list, replace_step("Regex", " {2,}", " "));
    if (ok && step->add_dummy_prefix)
        ok = append_step(list, json_pack("{s:s, s:s}", "type", "Prepend", "prepend", escaped_space));
    if (ok) ok = append_step(list, replace_step("String", " ", escaped_space));
    if (ok && step->remove_extra_whitespaces) ok = append_step(list, replace_step("Regex", "\xe2\x96\x81+\\z", ""));
    return finish_steps(ok, list, steps, err);
}

bn_status sentencepiece_pretokenizer_to_json(const bn_tokenizer *tokenizer, json_t **steps, bn_error *err) {
    struct buffer pattern;
    buffer_init(&pattern);
    json_t *list = json_array();
    bn_status status = list ? symbols_pattern(tokenizer, &pattern, err) : fail_no_memory(err, 0);
    bool ok = !status;
    if (ok && pattern.size > 0)
        ok = append_step(list, json_pack("{s:s, s:{s:s}, s:s, s:b}", "type", "Split", "pattern", "Regex", pattern.data,
                                         "behavior", "Isolated", "invert", false));
    buffer_release(&pattern);
    if (status) {
        json_decref(list);
        return status;
    }
    return finish_steps(ok, list, steps, err);
}

bn_status sentencepiece_decoder_to_json(const bn_tokenizer *tokenizer, json_t **steps, bn_error *err) {
    const struct decoder_step *step = &tokenizer->decoder.steps[0];
    json_t *list = json_array();
    bool ok = list && append_step(list, replace_step("String", escaped_space, " ")) &&
              append_step(list, json_pack("{s:s}", "type", "ByteFallback")) &&
              append_step(list, json_pack("{s:s}", "type", "Fuse"));
    if (ok && step->drop_first_space)
        ok = append_step(list, json_pack("{s:s, s:s, s:I, s:i}", "type", "Strip", "content", " ", "start",
                                         (json_int_t)(step->drop_all_first_spaces ? INT32_MAX : 1), "stop", 0));
    return finish_steps(ok, list, steps, err);
}
