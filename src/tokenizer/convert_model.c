/* "model" of a tokenizer.json. */
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "tokenizer/convert_parts.h"

/* ---- vocabularies ---- */

/* The reference numbers added tokens that aren't in the model's vocabulary itself, one after the other behind it. Where
 * the ids are others, the tokens have to be in the vocabulary. */
static bool added_follow_vocabulary(const bn_tokenizer *tokenizer) {
    const struct vocabulary *vocabulary = &tokenizer->vocabulary;
    size_t n = 0, next;
    for (size_t id = 0; id < vocabulary->size; id++) n += (vocabulary->records[id].flags & TOKEN_MODEL) != 0;
    next = n;
    for (size_t id = 0; id < vocabulary->size; id++) {
        const struct vocabulary_token token = vocabulary_token(vocabulary, id);
        if (token.text && !(token.flags & TOKEN_MODEL) && id != next++) return false;
    }
    return true;
}

bn_status convert_check_ids(const bn_tokenizer *tokenizer, bn_error *err) {
    const struct vocabulary *vocabulary = &tokenizer->vocabulary;
    const uint32_t both = TOKEN_MODEL | TOKEN_ADDED;
    for (size_t id = 0; id < vocabulary->size; id++) {
        const struct vocabulary_token token = vocabulary_token(vocabulary, id);
        if (!token.text || (token.flags & both) != both || token.flags & TOKEN_RESERVED) continue;
        if (vocabulary_find_model(vocabulary, token.text, token.size) < 0)
            return fail(err, BN_STATUS_UNSUPPORTED, "id %zu is both the added token '%.60s' and a token of the model",
                        id, token.text);
    }
    return BN_OK;
}

static bn_status check_text(struct vocabulary_token token, size_t id, bn_error *err) {
    if (utf8_valid(token.text, token.size) && !memchr(token.text, 0, token.size)) return BN_OK;
    return fail(err, BN_STATUS_UNSUPPORTED, "token %zu isn't UTF-8 without NUL, which tokenizer.json asks for", id);
}

/* How tokenizer.json spells a token: GGUF's WordPiece marks the start of words, tokenizer.json what continues them. */
static void spell(const bn_tokenizer *tokenizer, struct vocabulary_token token, struct buffer *out) {
    static const char word_start[] = "\xe2\x96\x81";
    buffer_clear(out);
    if (tokenizer->model != MODEL_WORDPIECE || tokenizer->wordpiece.prefix ||
        token.flags & (TOKEN_CONTROL | TOKEN_UNKNOWN | TOKEN_USER | TOKEN_ADDED))
        buffer_append(out, token.text, token.size);
    else if (token.size > 3 && memcmp(token.text, word_start, 3) == 0)
        buffer_append(out, token.text + 3, token.size - 3);
    else {
        buffer_append_text(out, "##");
        buffer_append(out, token.text, token.size);
    }
}

static bn_status add_entry(const bn_tokenizer *tokenizer, json_t *vocab, size_t id, struct buffer *spelling,
                           bn_error *err) {
    const struct vocabulary_token token = vocabulary_token(&tokenizer->vocabulary, id);
    bn_status status = check_text(token, id, err);
    if (status) return status;
    spell(tokenizer, token, spelling);
    if (spelling->failed) return fail_no_memory(err, token.size);
    const char *text = spelling->data ? spelling->data : "";
    const json_t *there = json_object_get(vocab, text);
    if (there)
        return fail(err, BN_STATUS_UNSUPPORTED,
                    "tokens %" JSON_INTEGER_FORMAT " and %zu are both '%.60s': a tokenizer.json has every text once",
                    json_integer_value(there), id, text);
    return json_object_set_new(vocab, text, json_integer((json_int_t)id)) ? fail_no_memory(err, token.size) : BN_OK;
}

static bn_status vocab_object(const bn_tokenizer *tokenizer, json_t **out, bn_error *err) {
    const struct vocabulary *vocabulary = &tokenizer->vocabulary;
    uint32_t wanted = added_follow_vocabulary(tokenizer) ? TOKEN_MODEL : TOKEN_MODEL | TOKEN_ADDED;
    struct buffer spelling;
    buffer_init(&spelling);
    json_t *vocab = json_object();
    bn_status status = vocab ? BN_OK : fail_no_memory(err, 0);
    for (size_t id = 0; id < vocabulary->size && !status; id++)
        if (vocabulary_token(vocabulary, id).text && vocabulary->records[id].flags & wanted)
            status = add_entry(tokenizer, vocab, id, &spelling, err);
    buffer_release(&spelling);
    if (status)
        json_decref(vocab);
    else
        *out = vocab;
    return status;
}

/* ---- models ---- */

static json_t *text_or_null(const char *text, size_t size) {
    return text ? json_stringn(text, size) : json_null();
}

static json_t *token_or_null(const bn_tokenizer *tokenizer, int32_t id) {
    return id >= 0 ? json_string(bn_tokenizer_token(tokenizer, id)) : json_null();
}

/* "a b", or ["a", "b"] where a token has a space. */
static json_t *merge_json(const bn_tokenizer *tokenizer, const struct merge *merge, bool as_pairs,
                          struct buffer *line) {
    const struct vocabulary_token left = vocabulary_token(&tokenizer->vocabulary, (size_t)merge->left);
    const struct vocabulary_token right = vocabulary_token(&tokenizer->vocabulary, (size_t)merge->right);
    if (as_pairs) return json_pack("[s%, s%]", left.text, (size_t)left.size, right.text, (size_t)right.size);
    buffer_clear(line);
    buffer_append(line, left.text, left.size);
    buffer_append_char(line, ' ');
    buffer_append(line, right.text, right.size);
    return line->failed ? NULL : json_stringn(line->data, line->size);
}

static bool has_space(const struct vocabulary *vocabulary, int32_t id) {
    const struct vocabulary_token token = vocabulary_token(vocabulary, (size_t)id);
    return token.text && memchr(token.text, ' ', token.size) != NULL;
}

static bn_status merges_json(const bn_tokenizer *tokenizer, json_t **out, bn_error *err) {
    struct merge_list merges = {0};
    bn_status status = tokenizer->model == MODEL_BPE ? convert_merges(tokenizer, &merges, err) : BN_OK;
    if (status) return status;
    bool as_pairs = false;
    for (size_t i = 0; i < merges.n && !as_pairs; i++)
        as_pairs = has_space(&tokenizer->vocabulary, merges.items[i].left) ||
                   has_space(&tokenizer->vocabulary, merges.items[i].right);
    struct buffer line;
    buffer_init(&line);
    json_t *list = json_array();
    bool ok = list != NULL;
    for (size_t i = 0; i < merges.n && ok; i++)
        ok = append_step(list, merge_json(tokenizer, &merges.items[i], as_pairs, &line));
    buffer_release(&line);
    mem_free(merges.items);
    return finish_steps(ok, list, out, err);
}

/* ByT5 is BPE without merges: no character is in the vocabulary, so that each falls back to its bytes. */
static bn_status bpe_json(const bn_tokenizer *tokenizer, json_t **model, bn_error *err) {
    const struct bpe *bpe = &tokenizer->bpe;
    bool bytes = tokenizer->model == MODEL_BYTES;
    json_t *vocab = NULL, *merges = NULL;
    bn_status status = vocab_object(tokenizer, &vocab, err);
    if (!status) status = merges_json(tokenizer, &merges, err);
    if (status) {
        json_decref(vocab);
        return status;
    }
    *model = json_pack("{s:s, s:n, s:o, s:o, s:o, s:b, s:b, s:b, s:o, s:o}", "type", "BPE", "dropout", "unk_token",
                       token_or_null(tokenizer, bpe->unknown_id), "continuing_subword_prefix",
                       text_or_null(bpe->prefix, bpe->prefix_size), "end_of_word_suffix",
                       text_or_null(bpe->suffix, bpe->suffix_size), "fuse_unk",
                       bpe->fuse_unknown || bpe->ranking == BPE_SCORES, "byte_fallback", bytes || bpe->byte_fallback,
                       "ignore_merges", bpe->ignore_merges || sentencepiece_needs_whole_words(tokenizer), "vocab",
                       vocab, "merges", merges);
    return *model ? BN_OK : fail_no_memory(err, 0);
}

static bn_status unigram_json(const bn_tokenizer *tokenizer, json_t **model, bn_error *err) {
    const struct vocabulary *vocabulary = &tokenizer->vocabulary;
    json_t *vocab = json_array();
    bn_status status = vocab ? BN_OK : fail_no_memory(err, 0);
    for (size_t id = 0; id < vocabulary->size && vocabulary->records[id].flags & TOKEN_MODEL && !status; id++) {
        const struct vocabulary_token token = vocabulary_token(vocabulary, id);
        status = check_text(token, id, err);
        if (!status &&
            !append_step(vocab, json_pack("[s%, f]", token.text, (size_t)token.size, tokenizer->unigram.scores[id])))
            status = fail_no_memory(err, token.size);
    }
    if (!status && !added_follow_vocabulary(tokenizer))
        status = fail(err, BN_STATUS_UNSUPPORTED,
                      "the ids of its added tokens don't follow the vocabulary one by one, and a tokenizer.json can't "
                      "say ids of Unigram tokens");
    if (status) {
        json_decref(vocab);
        return status;
    }
    int32_t unknown = tokenizer->unigram.unknown_id;
    *model = json_pack("{s:s, s:o, s:o, s:b}", "type", "Unigram", "unk_id",
                       unknown >= 0 ? json_integer(unknown) : json_null(), "vocab", vocab, "byte_fallback",
                       tokenizer->unigram.byte_fallback);
    return *model ? BN_OK : fail_no_memory(err, 0);
}

static bn_status words_json(const bn_tokenizer *tokenizer, json_t **model, bn_error *err) {
    const struct wordpiece *wordpiece = &tokenizer->wordpiece;
    const char *unknown = wordpiece->unknown_id >= 0 ? bn_tokenizer_token(tokenizer, wordpiece->unknown_id) : "[UNK]";
    json_t *vocab = NULL;
    bn_status status = vocab_object(tokenizer, &vocab, err);
    if (status) return status;
    if (tokenizer->model == MODEL_WORDLEVEL)
        *model = json_pack("{s:s, s:o, s:s}", "type", "WordLevel", "vocab", vocab, "unk_token", unknown);
    else
        *model = json_pack("{s:s, s:s, s:s, s:I, s:o}", "type", "WordPiece", "unk_token", unknown,
                           "continuing_subword_prefix", wordpiece->prefix ? wordpiece->prefix : "##",
                           "max_input_chars_per_word", (json_int_t)wordpiece->max_characters, "vocab", vocab);
    return *model ? BN_OK : fail_no_memory(err, 0);
}

bn_status model_to_json(const bn_tokenizer *tokenizer, json_t **model, bn_error *err) {
    switch (tokenizer->model) {
    case MODEL_BPE:
    case MODEL_BYTES:
        return bpe_json(tokenizer, model, err);
    case MODEL_UNIGRAM:
        return unigram_json(tokenizer, model, err);
    case MODEL_WORDPIECE:
    case MODEL_WORDLEVEL:
        break;
    }
    return words_json(tokenizer, model, err);
}
