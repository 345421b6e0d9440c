/* tokenizer.json: its frame, added tokens, truncation and padding. The parts are read by hf_model.c, hf_steps.c and
 * hf_output.c. */
#include "tokenizer/hf_json.h"

#include <string.h>

#include "base/memory.h"

const char *hf_type(const json_t *step) {
    const char *type = json_string_value(json_object_get(step, "type"));
    return type ? type : "";
}

static bn_status copy_string(bn_tokenizer *tokenizer, const json_t *value, const char **text, size_t *size,
                             bn_error *err) {
    *size = json_string_length(value);
    *text = arena_strndup(&tokenizer->vocabulary.arena, json_string_value(value), *size);
    return *text ? BN_OK : fail_no_memory(err, *size);
}

bn_status hf_copy_text(bn_tokenizer *tokenizer, const json_t *object, const char *key, const char *fallback,
                       const char **text, size_t *size, bn_error *err) {
    const json_t *value = json_object_get(object, key);
    if (!value || json_is_null(value)) {
        *text = fallback;
        *size = fallback ? strlen(fallback) : 0;
        return BN_OK;
    }
    if (!json_is_string(value))
        return fail(err, BN_STATUS_BAD_FILE, "'%s' of %s must be a string", key, hf_type(object));
    return copy_string(tokenizer, value, text, size, err);
}

bn_status hf_copy_pattern(bn_tokenizer *tokenizer, const json_t *object, const char **text, size_t *size,
                          bool *is_regex, bn_error *err) {
    const json_t *pattern = json_object_get(object, "pattern");
    const json_t *literal = json_is_string(pattern) ? pattern : json_object_get(pattern, "String");
    const json_t *regex = json_object_get(pattern, "Regex");
    *is_regex = !literal && json_is_string(regex);
    if (!*is_regex && !json_is_string(literal))
        return fail(err, BN_STATUS_BAD_FILE, "'pattern' of %s must have a 'String' or a 'Regex'", hf_type(object));
    bn_status status = copy_string(tokenizer, *is_regex ? regex : literal, text, size, err);
    *is_regex |= !status && *size == 0; /* nothing is found between all characters, as by an expression */
    return status;
}

bn_status hf_add_token(bn_tokenizer *tokenizer, const json_t *entry, size_t id, bn_error *err) {
    struct added_token token = {.id = (int32_t)id};
    const json_t *content = json_object_get(entry, "content");
    if (!json_is_string(content)) return fail(err, BN_STATUS_BAD_FILE, "added token %zu has no 'content'", id);
    token.content = json_string_value(content);
    token.size = json_string_length(content);
    bool special = false, normalized = true, single_word = false, left = false, right = false;
    bn_status status = json_get_bool(entry, "special", &special, err);
    normalized = !special;
    if (!status) status = json_get_bool(entry, "normalized", &normalized, err);
    if (!status) status = json_get_bool(entry, "single_word", &single_word, err);
    if (!status) status = json_get_bool(entry, "lstrip", &left, err);
    if (!status) status = json_get_bool(entry, "rstrip", &right, err);
    if (status) return status;
    token.special = special;
    token.normalized = normalized;
    token.single_word = single_word;
    token.left_strip = left;
    token.right_strip = right;
    return tokenizer_add_token(tokenizer, token, err);
}

/* The reference counts: a text that is new gets the next id from the number of the model's entries on, whatever "id"
 * says. That may be a token's of the model, where its ids have gaps; the added token is then what the id decodes to. */
static size_t counted_id(const struct vocabulary *vocabulary, const json_t *entry, size_t *next) {
    const json_t *content = json_object_get(entry, "content");
    size_t size = json_string_length(content);
    int32_t known = size ? vocabulary_find(vocabulary, json_string_value(content), size) : 0;
    return known >= 0 ? (size_t)known : (*next)++;
}

static bn_status read_added_tokens(bn_tokenizer *tokenizer, const json_t *tokens, bn_error *err) {
    size_t i, next = tokenizer->vocabulary.expected;
    json_t *entry;
    if (tokens && !json_is_null(tokens) && !json_is_array(tokens))
        return fail(err, BN_STATUS_BAD_FILE, "'added_tokens' must be an array");
    json_array_foreach(tokens, i, entry) {
        size_t id = SIZE_MAX;
        bn_status status = json_get_size(entry, "id", 0, INT32_MAX, &id, err);
        if (!status && id == SIZE_MAX) status = fail(err, BN_STATUS_BAD_FILE, "added token %zu has no 'id'", i);
        if (!status) status = hf_add_token(tokenizer, entry, counted_id(&tokenizer->vocabulary, entry, &next), err);
        if (status) return status;
    }
    return BN_OK;
}

static bn_status read_truncation(struct truncation *truncation, const json_t *object, bn_error *err) {
    if (!json_is_object(object)) return BN_OK;
    const char *direction = "Right", *strategy = "LongestFirst";
    truncation->enabled = true;
    truncation->max_length = 512;
    bn_status status = json_get_size(object, "max_length", 0, SIZE_MAX / 4, &truncation->max_length, err);
    if (!status) status = json_get_size(object, "stride", 0, SIZE_MAX / 4, &truncation->stride, err);
    if (!status) status = json_get_text(object, "direction", &direction, err);
    if (!status) status = json_get_text(object, "strategy", &strategy, err);
    if (status) return status;
    truncation->left = strcmp(direction, "Left") == 0;
    if (strcmp(strategy, "OnlyFirst") == 0)
        truncation->strategy = TRUNCATE_ONLY_FIRST;
    else if (strcmp(strategy, "OnlySecond") == 0)
        truncation->strategy = TRUNCATE_ONLY_SECOND;
    else if (strcmp(strategy, "LongestFirst") != 0)
        return fail(err, BN_STATUS_BAD_FILE, "unknown truncation strategy '%s'", strategy);
    return BN_OK;
}

static bn_status read_padding(const bn_tokenizer *tokenizer, struct padding *padding, const json_t *object,
                              bn_error *err) {
    if (!json_is_object(object)) return BN_OK;
    const char *direction = "Right";
    size_t id = 0, type_id = 0;
    padding->enabled = true;
    bn_status status = json_get_text(object, "direction", &direction, err);
    const json_t *strategy = json_object_get(object, "strategy");
    if (!status && json_is_object(strategy))
        status = json_get_size(strategy, "Fixed", 0, LONGEST_PADDING, &padding->fixed_length, err);
    if (!status) status = json_get_size(object, "pad_to_multiple_of", 0, LONGEST_PADDING, &padding->multiple_of, err);
    if (!status) status = json_get_size(object, "pad_id", 0, max_size(tokenizer->vocabulary.size, 1) - 1, &id, err);
    if (!status) status = json_get_size(object, "pad_type_id", 0, UINT8_MAX, &type_id, err);
    if (status) return status;
    padding->left = strcmp(direction, "Left") == 0;
    padding->id = (int32_t)id;
    padding->type_id = (uint8_t)type_id;
    return BN_OK;
}

/* Byte-level BPE keeps words as bytes: its vocabulary is turned into bytes instead of every text into the alphabet. */
static void choose_byte_level(bn_tokenizer *tokenizer) {
    struct pretokenizer *pretokenizer = &tokenizer->pretokenizer;
    struct pretokenizer_step *last = pretokenizer->n ? &pretokenizer->steps[pretokenizer->n - 1] : NULL;
    const struct bpe *bpe = &tokenizer->bpe;
    bool loses =
        false; /* an expression never matches bytes that aren't UTF-8: what it must match is all that is left */
    for (size_t i = 0; i < pretokenizer->n; i++) {
        const struct pretokenizer_step *step = &pretokenizer->steps[i];
        tokenizer->keeps_invalid_bytes |= step->kind == PRETOKENIZE_BYTE_LEVEL;
        loses |= step->regex && step->invert && step->behavior == SPLIT_REMOVED;
    }
    tokenizer->keeps_invalid_bytes &= !loses;
    if (tokenizer->model != MODEL_BPE || bpe->prefix || bpe->suffix || bpe->byte_fallback) return;
    if (!last || last->kind != PRETOKENIZE_BYTE_LEVEL || !last->map_bytes) return;
    tokenizer->bpe.byte_level = true;
    pretokenizer->n--;
}

static bn_status read_all(bn_tokenizer *tokenizer, const json_t *root, const struct hf_large *large, bn_error *err) {
    const json_t *model = json_object_get(root, "model");
    bn_status status = hf_read_model(tokenizer, model, large, err);
    if (!status) status = hf_read_normalizer(tokenizer, json_object_get(root, "normalizer"), 0, err);
    if (!status) status = hf_read_pretokenizer(tokenizer, json_object_get(root, "pre_tokenizer"), 0, err);
    if (!status) choose_byte_level(tokenizer);
    if (!status) status = hf_finish_model(tokenizer, model, large, err);
    if (!status) status = read_added_tokens(tokenizer, json_object_get(root, "added_tokens"), err);
    if (!status) status = hf_read_postprocessor(tokenizer, json_object_get(root, "post_processor"), 0, err);
    if (!status) status = hf_read_decoder(tokenizer, json_object_get(root, "decoder"), 0, err);
    if (!status) status = read_truncation(&tokenizer->truncation, json_object_get(root, "truncation"), err);
    if (!status) status = read_padding(tokenizer, &tokenizer->padding, json_object_get(root, "padding"), err);
    if (!status) status = tokenizer_finish(tokenizer, err);
    return status;
}

static bn_status read_tree(const json_t *root, const struct hf_large *large, bn_tokenizer **out, bn_error *err) {
    bn_tokenizer *tokenizer;
    size_t n_pieces = json_array_size(json_object_get(json_object_get(root, "model"), "vocab"));
    bn_status status = tokenizer_create(max_size(n_pieces, large->vocab.n), &tokenizer, err);
    if (status) return status;
    status = read_all(tokenizer, root, large, err);
    if (status)
        bn_tokenizer_close(tokenizer);
    else
        *out = tokenizer;
    return status;
}

bn_status hf_read_text(const char *text, size_t size, const char *name, bool *found, bn_tokenizer **out,
                       bn_error *err) {
    struct hf_large large;
    struct buffer rest;
    json_t *root = NULL;
    buffer_init(&rest);
    *found = hf_large_take(text, size, &large, &rest);
    bn_status status = *found ? json_parse(rest.data, rest.size, name, &root, err) : BN_OK;
    if (rest.failed || large.no_memory) {
        *found = true;
        status = fail_no_memory(err, size);
    }
    buffer_release(&rest);
    if (status || !*found) return status;
    status = read_tree(root, &large, out, err);
    if (status) error_prefix(err, "%s", name);
    json_decref(root);
    return status;
}

bn_status tokenizer_from_json(const char *text, size_t size, const char *name, bn_tokenizer **out, bn_error *err) {
    bool found;
    bn_status status = hf_read_text(text, size, name, &found, out, err);
    if (found) return status;
    json_t *root;
    status = json_parse(text, size, name, &root, err);
    if (status) return status;
    json_decref(root);
    return fail(err, BN_STATUS_BAD_FILE, "%s: no 'model': this isn't a tokenizer.json", name);
}
