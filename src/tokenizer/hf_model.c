/* The models of tokenizer.json: BPE, Unigram, WordPiece, WordLevel. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "tokenizer/hf_json.h"

static bn_status finish_pull(struct json_pull *pull, bn_status status, const char *what, bn_error *err) {
    bool bad = pull->failed || json_pull_peek(pull), no_memory = pull->no_memory;
    json_pull_release(pull);
    if (no_memory) return fail_no_memory(err, 0);
    return bad && !status ? fail(err, BN_STATUS_BAD_FILE, "'%s' isn't valid JSON", what) : status;
}

enum { ENTRY_BATCH = 32 };

struct entry {
    const char *text;
    size_t size;
    uint64_t id;
};

static bn_status pull_entry(struct json_pull *pull, struct entry *entry, bn_error *err) {
    if (!json_pull_string(pull, &entry->text, &entry->size)) return BN_OK;
    json_pull_expect(pull, ':');
    if (json_pull_index(pull, INT32_MAX, &entry->id) || pull->failed) return BN_OK;
    return fail(err, BN_STATUS_BAD_FILE, "the id of token '%.*s' must be an integer from 0 to %d",
                (int)min_size(entry->size, 60), entry->text, INT32_MAX);
}

static bn_status add_entries(struct vocabulary *vocabulary, const struct entry *entries, size_t n, bn_error *err) {
    bn_status status = BN_OK;
    for (size_t i = 0; i < n && !status; i++)
        status = vocabulary_add(vocabulary, entries[i].id, entries[i].text, entries[i].size, TOKEN_MODEL, err);
    return status;
}

/* In batches, so that the places in the hash map come from memory side by side. A string that had escapes lies in the
 * reader's memory until the next one: its entry ends a batch. */
static bn_status pull_entries(struct vocabulary *vocabulary, struct json_pull *pull, bn_error *err) {
    struct entry batch[ENTRY_BATCH];
    size_t n = 0;
    bool more;
    do {
        unsigned turn = pull->turn;
        bn_status status = pull_entry(pull, &batch[n], err);
        if (status) return status;
        if (pull->failed) return BN_OK;
        vocabulary_prefetch(vocabulary, batch[n].text, batch[n].size);
        n++;
        more = json_pull_accept(pull, ',');
        if (more && n < ENTRY_BATCH && pull->turn == turn) continue;
        status = add_entries(vocabulary, batch, n, err);
        if (status) return status;
        n = 0;
    } while (more);
    json_pull_expect(pull, '}');
    return BN_OK;
}

static bn_status read_vocab_object(bn_tokenizer *tokenizer, const struct json_slice *vocab, bn_error *err) {
    if (!vocab->text) return fail(err, BN_STATUS_BAD_FILE, "'model.vocab' must be an object of tokens and ids");
    struct json_pull pull = json_pull_over(vocab->text, vocab->size);
    bn_status status = BN_OK;
    json_pull_expect(&pull, '{');
    if (!json_pull_accept(&pull, '}')) status = pull_entries(&tokenizer->vocabulary, &pull, err);
    return finish_pull(&pull, status, "model.vocab", err);
}

static int32_t find_token(const bn_tokenizer *tokenizer, const json_t *model, const char *key) {
    const json_t *value = json_object_get(model, key);
    if (!json_is_string(value)) return -1;
    return vocabulary_find_model(&tokenizer->vocabulary, json_string_value(value), json_string_length(value));
}

static bn_status read_bpe(bn_tokenizer *tokenizer, const json_t *model, const struct json_slice *vocab, bn_error *err) {
    struct bpe *bpe = &tokenizer->bpe;
    tokenizer->model = MODEL_BPE;
    bpe->ranking = BPE_MERGES;
    bn_status status = read_vocab_object(tokenizer, vocab, err);
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

static bn_status split_line(const char *line, size_t size, size_t rank, struct bpe_merge_text *out, bn_error *err) {
    const char *space = memchr(line, ' ', size);
    size_t left = space ? (size_t)(space - line) : 0;
    if (left == 0 || left + 1 >= size || memchr(space + 1, ' ', size - left - 1))
        return fail(err, BN_STATUS_BAD_FILE, "merge %zu, '%.*s', must be two tokens with a space between", rank,
                    (int)min_size(size, 60), line);
    *out = (struct bpe_merge_text){line, space + 1, left, size - left - 1};
    return BN_OK;
}

/* "a b" or ["a", "b"] */
static bn_status pull_merge(struct json_pull *pull, size_t rank, struct bpe_merge_text *out, bn_error *err) {
    const char *line;
    size_t size;
    if (json_pull_peek(pull) == '"')
        return json_pull_string(pull, &line, &size) ? split_line(line, size, rank, out, err) : BN_OK;
    bool pair = json_pull_accept(pull, '[') && json_pull_peek(pull) == '"' &&
                json_pull_string(pull, &out->left, &out->left_size) && json_pull_accept(pull, ',') &&
                json_pull_peek(pull) == '"' && json_pull_string(pull, &out->right, &out->right_size) &&
                json_pull_accept(pull, ']');
    if (pair || pull->failed) return BN_OK;
    return fail(err, BN_STATUS_BAD_FILE, "merge %zu must be a string or two strings", rank);
}

/* Merges are added in batches. A string that had escapes lies in the reader's memory until the next one: its merge ends
 * a batch. */
static bn_status pull_merges(struct bpe *bpe, struct json_pull *pull, bn_error *err) {
    struct bpe_merge_text batch[BPE_MERGE_BATCH];
    size_t n = 0, rank = 0;
    bool more;
    do {
        unsigned turn = pull->turn;
        bn_status status = pull_merge(pull, rank + n, &batch[n], err);
        if (status) return status;
        if (pull->failed) return BN_OK;
        n++;
        more = json_pull_accept(pull, ',');
        if (more && n < BPE_MERGE_BATCH && pull->turn == turn) continue;
        status = bpe_add_merges(bpe, batch, n, rank, err);
        if (status) return status;
        rank += n;
        n = 0;
    } while (more);
    json_pull_expect(pull, ']');
    return BN_OK;
}

static bn_status read_merges(struct bpe *bpe, const struct json_slice *merges, bn_error *err) {
    if (!merges->text) return fail(err, BN_STATUS_BAD_FILE, "'model.merges' must be an array");
    bn_status status = bpe_reserve_merges(bpe, merges->n, err);
    if (status) return status;
    struct json_pull pull = json_pull_over(merges->text, merges->size);
    json_pull_expect(&pull, '[');
    if (!json_pull_accept(&pull, ']')) status = pull_merges(bpe, &pull, err);
    return finish_pull(&pull, status, "model.merges", err);
}

/* The number as the reference's JSON reader takes it: the digits as an integer, rounded to a double, then divided by a
 * power of ten, which rounds again. For numbers of more than 15 digits that may be off by the last bit, and paths that
 * add up to nearly the same are decided by it. */
static double read_twice_rounded(double value) {
    char text[40], power[16];
    int digits = 16;
    snprintf(text, sizeof text, "%.15e", fabs(value));
    if (!isfinite(value) || value == 0) return value;
    if (strtod(text, NULL) != fabs(value)) {
        digits = 17;
        snprintf(text, sizeof text, "%.16e", fabs(value));
    }
    int exponent = atoi(strchr(text, 'e') + 1) - (digits - 1);
    if (exponent < -308 || exponent > 308) return value;
    memmove(text + 1, text + 2, strlen(text + 2) + 1); /* the point */
    unsigned long long significand = strtoull(text, NULL, 10);
    if (significand % 10 == 0) return value; /* 15 digits or fewer */
    snprintf(power, sizeof power, "1e%d", abs(exponent));
    double scale = strtod(power, NULL);
    return copysign(exponent < 0 ? (double)significand / scale : (double)significand * scale, value);
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
        unigram->scores[id] = read_twice_rounded(json_number_value(score));
        bn_status status = vocabulary_add(&tokenizer->vocabulary, id, json_string_value(text), json_string_length(text),
                                          TOKEN_MODEL | TOKEN_MAY_REPEAT, err);
        if (status) return status;
    }
    bn_status status = json_get_size(model, "unk_id", 0, n - 1, &unknown, err);
    if (!status) status = json_get_bool(model, "byte_fallback", &unigram->byte_fallback, err);
    if (unknown != SIZE_MAX) unigram->unknown_id = (int32_t)unknown;
    return status;
}

static bn_status read_wordpiece(bn_tokenizer *tokenizer, const json_t *model, const struct json_slice *vocab,
                                bn_error *err) {
    tokenizer->model = MODEL_WORDPIECE;
    tokenizer->wordpiece.max_characters = 100;
    bn_status status = read_vocab_object(tokenizer, vocab, err);
    if (!status)
        status =
            json_get_size(model, "max_input_chars_per_word", 0, INT32_MAX, &tokenizer->wordpiece.max_characters, err);
    tokenizer->wordpiece.unknown_id = find_token(tokenizer, model, "unk_token");
    return status;
}

static bn_status read_wordlevel(bn_tokenizer *tokenizer, const json_t *model, const struct json_slice *vocab,
                                bn_error *err) {
    tokenizer->model = MODEL_WORDLEVEL;
    bn_status status = read_vocab_object(tokenizer, vocab, err);
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

bn_status hf_read_model(bn_tokenizer *tokenizer, const json_t *model, const struct hf_large *large, bn_error *err) {
    if (!json_is_object(model)) return fail(err, BN_STATUS_BAD_FILE, "no 'model': this isn't a tokenizer.json");
    const char *type = guess_type(model);
    if (strcmp(type, "BPE") == 0) return read_bpe(tokenizer, model, &large->vocab, err);
    if (strcmp(type, "Unigram") == 0) return read_unigram(tokenizer, model, err);
    if (strcmp(type, "WordPiece") == 0) return read_wordpiece(tokenizer, model, &large->vocab, err);
    if (strcmp(type, "WordLevel") == 0) return read_wordlevel(tokenizer, model, &large->vocab, err);
    return fail(err, BN_STATUS_UNSUPPORTED, "model type '%s'; BPE, Unigram, WordPiece and WordLevel can be read", type);
}

bn_status hf_finish_model(bn_tokenizer *tokenizer, const json_t *model, const struct hf_large *large, bn_error *err) {
    bn_status status;
    struct wordpiece *wordpiece = &tokenizer->wordpiece;
    size_t size;
    switch (tokenizer->model) {
    case MODEL_BPE:
        status = read_merges(&tokenizer->bpe, &large->merges, err);
        return status ? status : bpe_finish(&tokenizer->bpe, err);
    case MODEL_UNIGRAM:
        return unigram_finish(&tokenizer->unigram, false, err);
    case MODEL_WORDPIECE:
        status = hf_copy_text(tokenizer, model, "continuing_subword_prefix", "##", &wordpiece->prefix, &size, err);
        return status ? status : wordpiece_finish(wordpiece, &tokenizer->vocabulary, wordpiece->prefix, NULL, err);
    case MODEL_WORDLEVEL:
    case MODEL_BYTES:
        break;
    }
    return BN_OK;
}
