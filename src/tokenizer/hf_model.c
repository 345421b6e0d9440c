/* The models of tokenizer.json: BPE, Unigram, WordPiece, WordLevel. */
#include <string.h>

#include "base/memory.h"
#include "tokenizer/hf_json.h"

static bn_status read_vocab_object(bn_tokenizer *tokenizer, const json_t *vocab, bn_error *err) {
    const char *text;
    json_t *id;
    if (!json_is_object(vocab))
        return fail(err, BN_STATUS_BAD_FILE, "'model.vocab' must be an object of tokens and ids");
    json_object_foreach((json_t *)vocab, text, id) {
        if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) > INT32_MAX)
            return fail(err, BN_STATUS_BAD_FILE, "the id of token '%.60s' must be an integer from 0 to %d", text,
                        INT32_MAX);
        bn_status status = vocabulary_add(&tokenizer->vocabulary, (size_t)json_integer_value(id), text, strlen(text),
                                          TOKEN_MODEL, err);
        if (status) return status;
    }
    return BN_OK;
}

static int32_t find_token(const bn_tokenizer *tokenizer, const json_t *model, const char *key) {
    const json_t *value = json_object_get(model, key);
    if (!json_is_string(value)) return -1;
    return vocabulary_find_model(&tokenizer->vocabulary, json_string_value(value), json_string_length(value));
}

static bn_status read_bpe(bn_tokenizer *tokenizer, const json_t *model, bn_error *err) {
    struct bpe *bpe = &tokenizer->bpe;
    tokenizer->model = MODEL_BPE;
    bpe->ranking = BPE_MERGES;
    bn_status status = read_vocab_object(tokenizer, json_object_get(model, "vocab"), err);
    if (!status) status = json_get_bool(model, "fuse_unk", &bpe->fuse_unknown, err);
    if (!status) status = json_get_bool(model, "byte_fallback", &bpe->byte_fallback, err);
    if (!status) status = json_get_bool(model, "ignore_merges", &bpe->ignore_merges, err);
    if (!status)
        status =
            hf_copy_text(tokenizer, model, "continuing_subword_prefix", NULL, &bpe->prefix, &bpe->prefix_size, err);
    if (!status)
        status = hf_copy_text(tokenizer, model, "end_of_word_suffix", NULL, &bpe->suffix, &bpe->suffix_size, err);
    if (bpe->prefix_size == 0) bpe->prefix = NULL;
    if (bpe->suffix_size == 0) bpe->suffix = NULL;
    bpe->unknown_id = find_token(tokenizer, model, "unk_token");
    return status;
}

bn_status hf_add_merge_line(struct bpe *bpe, const char *line, size_t size, size_t rank, bn_error *err) {
    const char *space = memchr(line, ' ', size);
    size_t left = space ? (size_t)(space - line) : 0;
    if (left == 0 || left + 1 >= size || memchr(space + 1, ' ', size - left - 1))
        return fail(err, BN_STATUS_BAD_FILE, "merge %zu, '%.60s', must be two tokens with a space between", rank, line);
    return bpe_add_merge(bpe, line, left, space + 1, size - left - 1, rank, err);
}

static bn_status read_merges(struct bpe *bpe, const json_t *merges, bn_error *err) {
    size_t rank;
    json_t *merge;
    if (!json_is_array(merges)) return fail(err, BN_STATUS_BAD_FILE, "'model.merges' must be an array");
    bn_status status = bpe_reserve_merges(bpe, json_array_size(merges), err);
    json_array_foreach(merges, rank, merge) {
        const json_t *left = json_array_get(merge, 0), *right = json_array_get(merge, 1);
        if (status) break;
        if (json_is_string(merge))
            status = hf_add_merge_line(bpe, json_string_value(merge), json_string_length(merge), rank, err);
        else if (json_is_string(left) && json_is_string(right) && json_array_size(merge) == 2)
            status = bpe_add_merge(bpe, json_string_value(left), json_string_length(left), json_string_value(right),
                                   json_string_length(right), rank, err);
        else
            status = fail(err, BN_STATUS_BAD_FILE, "merge %zu must be a string or two strings", rank);
    }
    return status;
}

static bn_status read_unigram(bn_tokenizer *tokenizer, const json_t *model, bn_error *err) {
    struct unigram *unigram = &tokenizer->unigram;
    const json_t *vocab = json_object_get(model, "vocab");
    size_t id, n = json_array_size(vocab), unknown = SIZE_MAX;
    json_t *entry;
    tokenizer->model = MODEL_UNIGRAM;
    if (!json_is_array(vocab) || n == 0)
        return fail(err, BN_STATUS_BAD_FILE, "'model.vocab' must be an array of tokens and scores");
    unigram->scores = mem_alloc_array(n, sizeof *unigram->scores);
    if (!unigram->scores) return fail_no_memory(err, n * sizeof *unigram->scores);
    unigram->n_scores = n;
    json_array_foreach(vocab, id, entry) {
        const json_t *text = json_array_get(entry, 0), *score = json_array_get(entry, 1);
        if (!json_is_string(text) || !json_is_number(score))
            return fail(err, BN_STATUS_BAD_FILE, "'model.vocab[%zu]' must be a token and its score", id);
        unigram->scores[id] = json_number_value(score);
        bn_status status = vocabulary_add(&tokenizer->vocabulary, id, json_string_value(text), json_string_length(text),
                                          TOKEN_MODEL | TOKEN_MAY_REPEAT, err);
        if (status) return status;
    }
    bn_status status = json_get_size(model, "unk_id", 0, n - 1, &unknown, err);
    if (!status) status = json_get_bool(model, "byte_fallback", &unigram->byte_fallback, err);
    if (unknown != SIZE_MAX) unigram->unknown_id = (int32_t)unknown;
    return status;
}

static bn_status read_wordpiece(bn_tokenizer *tokenizer, const json_t *model, bn_error *err) {
    tokenizer->model = MODEL_WORDPIECE;
    tokenizer->wordpiece.max_characters = 100;
    bn_status status = read_vocab_object(tokenizer, json_object_get(model, "vocab"), err);
    if (!status)
        status =
            json_get_size(model, "max_input_chars_per_word", 0, INT32_MAX, &tokenizer->wordpiece.max_characters, err);
    tokenizer->wordpiece.unknown_id = find_token(tokenizer, model, "unk_token");
    return status;
}

static bn_status read_wordlevel(bn_tokenizer *tokenizer, const json_t *model, bn_error *err) {
    tokenizer->model = MODEL_WORDLEVEL;
    bn_status status = read_vocab_object(tokenizer, json_object_get(model, "vocab"), err);
    tokenizer->wordpiece.unknown_id = find_token(tokenizer, model, "unk_token");
    return status;
}

/* Old files have no "type". */
static const char *guess_type(const json_t *model) {
    if (*hf_type(model)) return hf_type(model);
    if (json_object_get(model, "merges")) return "BPE";
    if (json_is_array(json_object_get(model, "vocab"))) return "Unigram";
    return json_object_get(model, "continuing_subword_prefix") ? "WordPiece" : "WordLevel";
}

bn_status hf_read_model(bn_tokenizer *tokenizer, const json_t *model, bn_error *err) {
    if (!json_is_object(model)) return fail(err, BN_STATUS_BAD_FILE, "no 'model': this isn't a tokenizer.json");
    const char *type = guess_type(model);
    if (strcmp(type, "BPE") == 0) return read_bpe(tokenizer, model, err);
    if (strcmp(type, "Unigram") == 0) return read_unigram(tokenizer, model, err);
    if (strcmp(type, "WordPiece") == 0) return read_wordpiece(tokenizer, model, err);
    if (strcmp(type, "WordLevel") == 0) return read_wordlevel(tokenizer, model, err);
    return fail(err, BN_STATUS_UNSUPPORTED, "model type '%s'; BPE, Unigram, WordPiece and WordLevel can be read", type);
}

bn_status hf_finish_model(bn_tokenizer *tokenizer, const json_t *model, bn_error *err) {
    bn_status status;
    struct wordpiece *wordpiece = &tokenizer->wordpiece;
    size_t size;
    switch (tokenizer->model) {
    case MODEL_BPE:
        status = read_merges(&tokenizer->bpe, json_object_get(model, "merges"), err);
        return status ? status : bpe_finish(&tokenizer->bpe, err);
    case MODEL_UNIGRAM:
        return unigram_finish(&tokenizer->unigram, false, err);
    case MODEL_WORDPIECE:
        status = hf_copy_text(tokenizer, model, "continuing_subword_prefix", "##", &wordpiece->prefix, &size, err);
        return status ? status
                      : wordpiece_finish(wordpiece, &tokenizer->vocabulary, wordpiece->prefix, NULL, err);
    case MODEL_WORDLEVEL:
    case MODEL_BYTES:
        break;
    }
    return BN_OK;
}
