/* A tokenizer as a tokenizer.json (version 1.0) and its tokenizer_config.json. */
#include <string.h>

#include "base/memory.h"
#include "tokenizer/convert_parts.h"

/* ---- added tokens ---- */

static json_t *added_json(const struct added_token *token) {
    return json_pack("{s:i, s:s%, s:b, s:b, s:b, s:b, s:b}", "id", token->id, "content", token->content, token->size,
                     "single_word", token->single_word, "lstrip", token->left_strip, "rstrip", token->right_strip,
                     "normalized", token->normalized, "special", token->special);
}

static json_t *symbol_json(struct vocabulary_token token, size_t id) {
    const struct added_token added = {.content = token.text, .size = token.size, .id = (int32_t)id};
    return added_json(&added);
}

static bool is_added_symbol(const bn_tokenizer *tokenizer, struct vocabulary_token token) {
    return sentencepiece_step(tokenizer) && token.text && token.size > 0 && token.flags & TOKEN_USER &&
           !(token.flags & TOKEN_ADDED) && sentencepiece_symbol_means(tokenizer, token) == SYMBOL_ADDED;
}

/* In the order of ids, as the reference numbers them. */
static bn_status added_tokens_json(const bn_tokenizer *tokenizer, json_t **out, bn_error *err) {
    const struct added_tokens *added = &tokenizer->added;
    const struct vocabulary *vocabulary = &tokenizer->vocabulary;
    const struct added_token **by_id = mem_calloc(vocabulary->size + 1, sizeof *by_id);
    json_t *list = json_array();
    bool ok = by_id && list;
    for (size_t i = added->n; ok && i-- > 0;) by_id[added->items[i].id] = &added->items[i];
    for (size_t id = 0; ok && id < vocabulary->size; id++) {
        if (by_id[id])
            ok = append_step(list, added_json(by_id[id]));
        else if (is_added_symbol(tokenizer, vocabulary_token(vocabulary, id)))
            ok = append_step(list, symbol_json(vocabulary_token(vocabulary, id), id));
    }
    mem_free(by_id);
    return finish_steps(ok, list, out, err);
}

/* ---- truncation and padding ---- */

static json_t *truncation_json(const struct truncation *truncation) {
    static const char *const strategies[] = {"LongestFirst", "OnlyFirst", "OnlySecond"};
    if (!truncation->enabled) return json_null();
    return json_pack("{s:s, s:I, s:s, s:I}", "direction", truncation->left ? "Left" : "Right", "max_length",
                     (json_int_t)truncation->max_length, "strategy", strategies[truncation->strategy], "stride",
                     (json_int_t)truncation->stride);
}

static json_t *padding_json(const bn_tokenizer *tokenizer) {
    const struct padding *padding = &tokenizer->padding;
    if (!padding->enabled) return json_null();
    json_t *strategy = padding->fixed_length ? json_pack("{s:I}", "Fixed", (json_int_t)padding->fixed_length)
                                             : json_string("BatchLongest");
    return json_pack("{s:o, s:s, s:o, s:i, s:i, s:s}", "strategy", strategy, "direction",
                     padding->left ? "Left" : "Right", "pad_to_multiple_of",
                     padding->multiple_of ? json_integer((json_int_t)padding->multiple_of) : json_null(), "pad_id",
                     padding->id, "pad_type_id", padding->type_id, "pad_token",
                     bn_tokenizer_token(tokenizer, padding->id));
}

/* ---- steps ---- */

/* null, the step itself, or a Sequence of several. */
static json_t *sequence(json_t *steps, const char *member) {
    if (json_array_size(steps) == 1) {
        json_t *only = json_incref(json_array_get(steps, 0));
        json_decref(steps);
        return only;
    }
    if (json_array_size(steps) > 1) return json_pack("{s:s, s:o}", "type", "Sequence", member, steps);
    json_decref(steps);
    return json_null();
}

static bn_status put(json_t *root, const char *key, json_t *value, bn_error *err) {
    return json_object_set_new(root, key, value) ? fail_no_memory(err, 0) : BN_OK;
}

typedef bn_status (*describe_function)(const bn_tokenizer *tokenizer, json_t **steps, bn_error *err);

static bn_status put_steps(json_t *root, const char *key, const char *member, const bn_tokenizer *tokenizer,
                           describe_function describe, bn_error *err) {
    json_t *steps;
    bn_status status = describe(tokenizer, &steps, err);
    return status ? status : put(root, key, sequence(steps, member), err);
}

/* ByT5's own decoder joins bytes; tokens with a space between is no decoder at all. */
static bn_status decoder_steps(const bn_tokenizer *tokenizer, json_t **steps, bn_error *err) {
    enum decoder_kind kind = tokenizer->decoder.steps[0].kind;
    if (kind == DECODE_SENTENCEPIECE) return sentencepiece_decoder_to_json(tokenizer, steps, err);
    if (kind != DECODE_RAW_BYTES && kind != DECODE_JOIN_SPACES)
        return tokenizer_describe_decoder(tokenizer, steps, err);
    json_t *list = json_array();
    bool ok = list != NULL;
    if (ok && kind == DECODE_RAW_BYTES)
        ok = append_step(list, json_pack("{s:s}", "type", "ByteFallback")) &&
             append_step(list, json_pack("{s:s}", "type", "Fuse"));
    return finish_steps(ok, list, steps, err);
}

static bn_status put_all(const bn_tokenizer *tokenizer, json_t *root, bn_error *err) {
    bool spm = sentencepiece_step(tokenizer) != NULL;
    json_t *added = NULL, *model = NULL;
    bn_status status = put(root, "version", json_string("1.0"), err);
    if (!status) status = put(root, "truncation", truncation_json(&tokenizer->truncation), err);
    if (!status) status = put(root, "padding", padding_json(tokenizer), err);
    if (!status) status = added_tokens_json(tokenizer, &added, err);
    if (!status) status = put(root, "added_tokens", added, err);
    if (!status)
        status = put_steps(root, "normalizer", "normalizers", tokenizer,
                           spm ? sentencepiece_normalizer_to_json : tokenizer_describe_normalizer, err);
    if (!status)
        status = put_steps(root, "pre_tokenizer", "pretokenizers", tokenizer,
                           spm ? sentencepiece_pretokenizer_to_json : tokenizer_describe_pretokenizer, err);
    if (!status)
        status = put_steps(root, "post_processor", "processors", tokenizer, tokenizer_describe_postprocessor, err);
    if (!status) status = put_steps(root, "decoder", "decoders", tokenizer, decoder_steps, err);
    if (!status) status = model_to_json(tokenizer, &model, err);
    if (!status) status = put(root, "model", model, err);
    return status;
}

bn_status tokenizer_to_json(const bn_tokenizer *tokenizer, json_t **root, bn_error *err) {
    bn_status status = convert_check_ids(tokenizer, err);
    if (status) return status;
    json_t *object = json_object();
    status = object ? put_all(tokenizer, object, err) : fail_no_memory(err, 0);
    if (status)
        json_decref(object);
    else
        *root = object;
    return status;
}

/* ---- tokenizer_config.json ---- */

bn_status tokenizer_config_to_json(const bn_tokenizer *tokenizer, json_t **root, bn_error *err) {
    const struct token_roles roles = tokenizer_roles(tokenizer);
    const struct {
        const char *key;
        int32_t id;
    } members[] = {
        {"bos_token", roles.bos}, {"eos_token", roles.eos}, {"unk_token", roles.unknown}, {"pad_token", roles.pad}};
    json_t *config =
        json_pack("{s:s, s:b}", "tokenizer_class", "PreTrainedTokenizerFast", "clean_up_tokenization_spaces", false);
    bn_status status = config ? BN_OK : fail_no_memory(err, 0);
    for (size_t i = 0; i < sizeof members / sizeof *members && !status; i++)
        if (members[i].id >= 0)
            status = put(config, members[i].key, json_string(bn_tokenizer_token(tokenizer, members[i].id)), err);
    if (!status && tokenizer->chat_template)
        status = put(config, "chat_template", json_string(tokenizer->chat_template), err);
    if (status)
        json_decref(config);
    else
        *root = config;
    return status;
}
