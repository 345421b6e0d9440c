/* Post-processors and decoders of tokenizer.json. */
#include <string.h>

#include "tokenizer/hf_json.h"

static bool is(const json_t *step, const char *type) {
    return strcmp(hf_type(step), type) == 0;
}

static bn_status check_depth(unsigned depth, bn_error *err) {
    if (depth > HF_MAX_DEPTH) return fail(err, BN_STATUS_BAD_FILE, "more than %d nested steps", HF_MAX_DEPTH);
    return BN_OK;
}

/* ---- post-processors ---- */

static bn_status check_id(const bn_tokenizer *tokenizer, const json_t *id, const char *what, bn_error *err) {
    if (json_is_integer(id) && json_integer_value(id) >= 0 &&
        (uint64_t)json_integer_value(id) < tokenizer->vocabulary.size)
        return BN_OK;
    return fail(err, BN_STATUS_BAD_FILE, "post_processor: the id of '%.60s' must be one of the vocabulary (0 to %zu)",
                what, tokenizer->vocabulary.size - 1);
}

/* "sep" and "cls" of BERT and RoBERTa: [text, id]. */
static bn_status read_end(const bn_tokenizer *tokenizer, const json_t *object, const char *key, int32_t *id,
                          bn_error *err) {
    const json_t *value = json_array_get(json_object_get(object, key), 1);
    bn_status status = check_id(tokenizer, value, key, err);
    if (!status) *id = (int32_t)json_integer_value(value);
    return status;
}

static bn_status start_template(bn_tokenizer *tokenizer, bn_error *err) {
    if (tokenizer->postprocessor.has_template)
        return fail(err, BN_STATUS_UNSUPPORTED, "a sequence of post-processors that add special tokens twice");
    tokenizer->postprocessor.has_template = true;
    return BN_OK;
}

enum { TEXT = 0, PAIR = 1, CLS = 2, SEP = 3 };

/* layout: TEXT, PAIR, CLS, SEP and their type ids, two digits an item, e.g. "20" = CLS with type id 0. */
static bn_status fill_template(struct template *template, const char *layout, int32_t cls, int32_t sep, bn_error *err) {
    bn_status status = BN_OK;
    for (; *layout && !status; layout += 2) {
        int what = layout[0] - '0';
        struct template_item item = {
            .sequence = what <= PAIR ? what : -1, .id = what == CLS ? cls : sep, .type_id = (uint8_t)(layout[1] - '0')};
        status = template_push(template, item, err);
    }
    return status;
}

static bn_status read_bert(bn_tokenizer *tokenizer, const json_t *object, const char *single, const char *pair,
                           bn_error *err) {
    int32_t cls = 0, sep = 0;
    bn_status status = start_template(tokenizer, err);
    if (!status) status = read_end(tokenizer, object, "cls", &cls, err);
    if (!status) status = read_end(tokenizer, object, "sep", &sep, err);
    if (!status) status = fill_template(&tokenizer->postprocessor.single, single, cls, sep, err);
    if (!status) status = fill_template(&tokenizer->postprocessor.pair, pair, cls, sep, err);
    return status;
}

static bn_status read_trim(bn_tokenizer *tokenizer, const json_t *object, bn_error *err) {
    bool trim = true, prefix = true;
    bn_status status = json_get_bool(object, "trim_offsets", &trim, err);
    if (!status) status = json_get_bool(object, "add_prefix_space", &prefix, err);
    tokenizer->postprocessor.trim_offsets |= trim;
    if (trim) tokenizer->postprocessor.add_prefix_space = prefix;
    return status;
}

static bn_status read_special(const bn_tokenizer *tokenizer, const json_t *root, const json_t *special,
                              struct template *template, uint8_t type_id, bn_error *err) {
    const char *name = json_string_value(json_object_get(special, "id"));
    const json_t *ids =
        json_object_get(json_object_get(json_object_get(root, "special_tokens"), name ? name : ""), "ids");
    size_t i;
    json_t *id;
    if (!name || !json_is_array(ids))
        return fail(err, BN_STATUS_BAD_FILE, "post_processor: '%.60s' isn't in 'special_tokens'", name ? name : "");
    json_array_foreach(ids, i, id) {
        bn_status status = check_id(tokenizer, id, name, err);
        if (!status)
            status = template_push(template, (struct template_item){-1, (int32_t)json_integer_value(id), type_id}, err);
        if (status) return status;
    }
    return BN_OK;
}

static bn_status read_template(const bn_tokenizer *tokenizer, const json_t *root, const char *key,
                               struct template *template, bn_error *err) {
    size_t i;
    json_t *piece;
    json_array_foreach(json_object_get(root, key), i, piece) {
        const json_t *special = json_object_get(piece, "SpecialToken"), *sequence = json_object_get(piece, "Sequence");
        const json_t *body = special ? special : sequence;
        size_t type_id = 0;
        bn_status status = json_get_size(body, "type_id", 0, UINT8_MAX, &type_id, err);
        if (!status && !body)
            status =
                fail(err, BN_STATUS_BAD_FILE, "post_processor: '%s[%zu]' is neither SpecialToken nor Sequence", key, i);
        if (!status && special) status = read_special(tokenizer, root, special, template, (uint8_t)type_id, err);
        if (!status && sequence && !special) {
            const char *id = json_string_value(json_object_get(sequence, "id"));
            status =
                template_push(template, (struct template_item){id && *id == 'B' ? 1 : 0, -1, (uint8_t)type_id}, err);
        }
        if (status) return status;
    }
    return BN_OK;
}

bn_status hf_read_postprocessor(bn_tokenizer *tokenizer, const json_t *object, unsigned depth, bn_error *err) {
    if (!object || json_is_null(object)) return BN_OK;
    bn_status status = check_depth(depth, err);
    if (status) return status;
    if (is(object, "Sequence")) {
        size_t i;
        json_t *child;
        json_array_foreach(json_object_get(object, "processors"), i, child) if (!status) status =
            hf_read_postprocessor(tokenizer, child, depth + 1, err);
        return status;
    }
    if (is(object, "ByteLevel")) return read_trim(tokenizer, object, err);
    if (is(object, "BertProcessing")) return read_bert(tokenizer, object, "200030", "2000301131", err);
    if (is(object, "RobertaProcessing")) {
        tokenizer->postprocessor.types_overflow = true;
        status = read_trim(tokenizer, object, err);
        return status ? status : read_bert(tokenizer, object, "200030", "200030301030", err);
    }
    if (is(object, "TemplateProcessing")) {
        status = start_template(tokenizer, err);
        if (!status) status = read_template(tokenizer, object, "single", &tokenizer->postprocessor.single, err);
        return status ? status : read_template(tokenizer, object, "pair", &tokenizer->postprocessor.pair, err);
    }
    return fail(err, BN_STATUS_UNSUPPORTED, "post-processor '%s' isn't known", hf_type(object));
}

/* ---- decoders ---- */

static bn_status read_texts(bn_tokenizer *tokenizer, struct decoder_step *step, const json_t *object,
                            const char *pattern_key, const char *pattern, const char *content_key, const char *content,
                            bn_error *err) {
    bn_status status = hf_copy_text(tokenizer, object, pattern_key, pattern, &step->pattern, &step->pattern_size, err);
    if (!status && content_key)
        status = hf_copy_text(tokenizer, object, content_key, content, &step->content, &step->content_size, err);
    if (!status) status = json_get_bool(object, "cleanup", &step->cleanup, err);
    return status;
}

static bn_status read_replace(bn_tokenizer *tokenizer, struct decoder_step *step, const json_t *object, bn_error *err) {
    bool is_regex;
    bn_status status = hf_copy_pattern(tokenizer, object, &step->pattern, &step->pattern_size, &is_regex, err);
    if (!status) status = hf_copy_text(tokenizer, object, "content", "", &step->content, &step->content_size, err);
    if (!status && is_regex) status = regex_compile(step->pattern, step->pattern_size, REGEX_RUBY, &step->regex, err);
    return status;
}

static bn_status read_strip(bn_tokenizer *tokenizer, struct decoder_step *step, const json_t *object, bn_error *err) {
    bn_status status = hf_copy_text(tokenizer, object, "content", " ", &step->content, &step->content_size, err);
    if (!status) status = json_get_size(object, "start", 0, INT32_MAX, &step->start, err);
    if (!status) status = json_get_size(object, "stop", 0, INT32_MAX, &step->stop, err);
    return status;
}

static bn_status read_metaspace(bn_tokenizer *tokenizer, struct decoder_step *step, const json_t *object,
                                bn_error *err) {
    const char *scheme = "always";
    bool add_prefix_space = true;
    bn_status status = json_get_bool(object, "add_prefix_space", &add_prefix_space, err);
    if (!add_prefix_space) scheme = "never";
    if (!status) status = json_get_text(object, "prepend_scheme", &scheme, err);
    step->drop_first_space = strcmp(scheme, "never") != 0;
    return status ? status
                  : hf_copy_text(tokenizer, object, "replacement", "\xe2\x96\x81", &step->pattern, &step->pattern_size,
                                 err);
}

static const struct {
    const char *type;
    enum decoder_kind kind;
} decoders[] = {
    {"ByteLevel", DECODE_BYTE_LEVEL},
    {"ByteFallback", DECODE_BYTE_FALLBACK},
    {"Metaspace", DECODE_METASPACE},
    {"WordPiece", DECODE_WORDPIECE},
    {"BPEDecoder", DECODE_BPE_SUFFIX},
    {"CTC", DECODE_CTC},
    {"Replace", DECODE_REPLACE},
    {"Strip", DECODE_STRIP},
    {"Fuse", DECODE_FUSE},
};

static bn_status read_step(bn_tokenizer *tokenizer, struct decoder_step *step, const json_t *object, bn_error *err) {
    switch (step->kind) {
    case DECODE_METASPACE:
        return read_metaspace(tokenizer, step, object, err);
    case DECODE_WORDPIECE:
        step->cleanup = true;
        return read_texts(tokenizer, step, object, "prefix", "##", NULL, NULL, err);
    case DECODE_BPE_SUFFIX:
        return read_texts(tokenizer, step, object, "suffix", "</w>", NULL, NULL, err);
    case DECODE_CTC:
        step->cleanup = true;
        return read_texts(tokenizer, step, object, "pad_token", "<pad>", "word_delimiter_token", "|", err);
    case DECODE_REPLACE:
        return read_replace(tokenizer, step, object, err);
    case DECODE_STRIP:
        return read_strip(tokenizer, step, object, err);
    default:
        return BN_OK;
    }
}

bn_status hf_read_decoder(bn_tokenizer *tokenizer, const json_t *object, unsigned depth, bn_error *err) {
    if (!object || json_is_null(object)) return BN_OK;
    bn_status status = check_depth(depth, err);
    if (status) return status;
    if (tokenizer->decoder.n >= HF_MAX_STEPS)
        return fail(err, BN_STATUS_BAD_FILE, "more than %d decoders", HF_MAX_STEPS);
    if (is(object, "Sequence")) {
        size_t i;
        json_t *child;
        json_array_foreach(json_object_get(object, "decoders"), i, child) if (!status) status =
            hf_read_decoder(tokenizer, child, depth + 1, err);
        return status;
    }
    for (size_t i = 0; i < sizeof decoders / sizeof *decoders; i++) {
        if (!is(object, decoders[i].type)) continue;
        struct decoder_step *step = decoder_append(&tokenizer->decoder, decoders[i].kind);
        return step ? read_step(tokenizer, step, object, err) : fail_no_memory(err, sizeof *step);
    }
    return fail(err, BN_STATUS_UNSUPPORTED, "decoder '%s' isn't known", hf_type(object));
}
