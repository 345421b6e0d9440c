/* What comes after the model as objects of tokenizer.json: post-processor and decoder. */
#include <string.h>

#include "tokenizer/convert_parts.h"

/* ---- post-processor ---- */

static json_t *item_json(const bn_tokenizer *tokenizer, const struct template_item *item) {
    if (item->sequence >= 0)
        return json_pack("{s:{s:s, s:i}}", "Sequence", "id", item->sequence ? "B" : "A", "type_id", item->type_id);
    return json_pack("{s:{s:s, s:i}}", "SpecialToken", "id", bn_tokenizer_token(tokenizer, item->id), "type_id",
                     item->type_id);
}

static json_t *template_json(const bn_tokenizer *tokenizer, const struct template *template) {
    json_t *items = json_array();
    for (size_t i = 0; i < template->n && items; i++)
        if (!append_step(items, item_json(tokenizer, &template->items[i]))) {
            json_decref(items);
            return NULL;
        }
    return items;
}

/* "special_tokens": every one that a template names, with its id. */
static bool add_special(const bn_tokenizer *tokenizer, const struct template *template, json_t *special) {
    for (size_t i = 0; i < template->n; i++) {
        const struct template_item *item = &template->items[i];
        if (item->sequence >= 0) continue;
        const char *text = bn_tokenizer_token(tokenizer, item->id);
        json_t *entry = json_pack("{s:s, s:[i], s:[s]}", "id", text, "ids", item->id, "tokens", text);
        if (json_object_set_new(special, text, entry)) return false;
    }
    return true;
}

static json_t *templates_json(const bn_tokenizer *tokenizer) {
    const struct postprocessor *post = &tokenizer->postprocessor;
    json_t *special = json_object();
    if (!special || !add_special(tokenizer, &post->single, special) || !add_special(tokenizer, &post->pair, special)) {
        json_decref(special);
        return NULL;
    }
    return json_pack("{s:s, s:o, s:o, s:o}", "type", "TemplateProcessing", "single",
                     template_json(tokenizer, &post->single), "pair", template_json(tokenizer, &post->pair),
                     "special_tokens", special);
}

bn_status tokenizer_describe_postprocessor(const bn_tokenizer *tokenizer, json_t **steps, bn_error *err) {
    const struct postprocessor *post = &tokenizer->postprocessor;
    json_t *list = json_array();
    bool ok = list != NULL;
    if (ok && post->trim_offsets)
        ok = append_step(list, json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space",
                                         post->add_prefix_space, "trim_offsets", true, "use_regex", true));
    if (ok && post->has_template) ok = append_step(list, templates_json(tokenizer));
    return finish_steps(ok, list, steps, err);
}

/* ---- decoder ---- */

static json_t *metaspace_json(const struct decoder_step *step) {
    return json_pack("{s:s, s:s%, s:s, s:b}", "type", "Metaspace", "replacement", step->pattern, step->pattern_size,
                     "prepend_scheme", step->drop_first_space ? "always" : "never", "split", true);
}

static json_t *replace_json(const struct decoder_step *step) {
    return json_pack("{s:s, s:{s:s%}, s:s%}", "type", "Replace", "pattern", step->regex ? "Regex" : "String",
                     step->pattern, step->pattern_size, "content", step->content, step->content_size);
}

static json_t *decoder_step_json(const struct decoder_step *step) {
    switch (step->kind) {
    case DECODE_BYTE_LEVEL:
        return json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", true, "trim_offsets", true,
                         "use_regex", true);
    case DECODE_BYTE_FALLBACK:
        return json_pack("{s:s}", "type", "ByteFallback");
    case DECODE_METASPACE:
        return metaspace_json(step);
    case DECODE_WORDPIECE: /* GGUF's vocabularies name the start of a word instead of its continuation */
        return json_pack("{s:s, s:s, s:b}", "type", "WordPiece", "prefix", step->content ? "##" : step->pattern,
                         "cleanup", step->cleanup);
    case DECODE_BPE_SUFFIX:
        return json_pack("{s:s, s:s%}", "type", "BPEDecoder", "suffix", step->pattern, step->pattern_size);
    case DECODE_CTC:
        return json_pack("{s:s, s:s%, s:s%, s:b}", "type", "CTC", "pad_token", step->pattern, step->pattern_size,
                         "word_delimiter_token", step->content, step->content_size, "cleanup", step->cleanup);
    case DECODE_REPLACE:
        return replace_json(step);
    case DECODE_STRIP:
        return json_pack("{s:s, s:s%, s:I, s:I}", "type", "Strip", "content", step->content, step->content_size,
                         "start", (json_int_t)step->start, "stop", (json_int_t)step->stop);
    case DECODE_FUSE:
        return json_pack("{s:s}", "type", "Fuse");
    case DECODE_JOIN_SPACES:
        return json_pack("{s:s}", "type", "JoinSpaces");
    case DECODE_SENTENCEPIECE:
        return json_pack("{s:s, s:b}", "type", "SentencePiece", "drop_first_space", step->drop_first_space);
    case DECODE_RAW_BYTES:
        return json_pack("{s:s}", "type", "Bytes");
    }
    return NULL;
}

bn_status tokenizer_describe_decoder(const bn_tokenizer *tokenizer, json_t **steps, bn_error *err) {
    const struct decoder *decoder = &tokenizer->decoder;
    json_t *list = json_array();
    bool ok = list != NULL;
    for (size_t i = 0; i < decoder->n && ok; i++) ok = append_step(list, decoder_step_json(&decoder->steps[i]));
    return finish_steps(ok, list, steps, err);
}
