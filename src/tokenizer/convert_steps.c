/* Normalizers and pre-tokenizers as objects of tokenizer.json: the way back from hf_steps.c, which takes compound steps
 * apart (BertNormalizer, ByteLevel); they are put together again where they stand as they were. */
#include <string.h>

#include "base/memory.h"
#include "tokenizer/base64.h"
#include "tokenizer/convert_parts.h"
#include "tokenizer/unicode.h"

bool append_step(json_t *steps, json_t *step) {
    return json_array_append_new(steps, step) == 0;
}

bn_status finish_steps(bool ok, json_t *steps, json_t **out, bn_error *err) {
    if (!ok) {
        json_decref(steps);
        return fail_no_memory(err, 0);
    }
    *out = steps;
    return BN_OK;
}

json_t *replace_step(const char *pattern_kind, const char *pattern, const char *content) {
    return json_pack("{s:s, s:{s:s}, s:s}", "type", "Replace", "pattern", pattern_kind, pattern, "content", content);
}

static json_t *plain(const char *type) {
    return json_pack("{s:s}", "type", type);
}

/* ---- normalizers ---- */

bool precompiled_to_bytes(const struct precompiled *map, uint8_t **bytes, size_t *size) {
    uint32_t trie_bytes = (uint32_t)(map->n_units * sizeof *map->units);
    *size = sizeof trie_bytes + trie_bytes + map->replacements_size;
    *bytes = mem_alloc(*size);
    if (!*bytes) return false;
    memcpy(*bytes, &trie_bytes, sizeof trie_bytes);
    memcpy(*bytes + sizeof trie_bytes, map->units, trie_bytes);
    memcpy(*bytes + sizeof trie_bytes + trie_bytes, map->replacements, map->replacements_size);
    return true;
}

char *precompiled_to_base64(const struct precompiled *map) {
    uint8_t *bytes;
    size_t size;
    if (!precompiled_to_bytes(map, &bytes, &size)) return NULL;
    char *text = base64_encode(bytes, size);
    mem_free(bytes);
    return text;
}

static json_t *precompiled_step(const struct precompiled *map) {
    char *text = precompiled_to_base64(map);
    json_t *step = text ? json_pack("{s:s, s:s}", "type", "Precompiled", "precompiled_charsmap", text) : NULL;
    mem_free(text);
    return step;
}

static json_t *pattern_json(const struct regex *regex, const char *literal, size_t literal_size) {
    if (!regex) return json_pack("{s:s%}", "String", literal, literal_size);
    size_t size;
    const char *source = regex_source(regex, &size);
    return json_pack("{s:s%}", "Regex", source, size);
}

static json_t *bert_step(bool clean, bool chinese, bool accents, bool lowercase) {
    return json_pack("{s:s, s:b, s:b, s:b, s:b}", "type", "BertNormalizer", "clean_text", clean, "handle_chinese_chars",
                     chinese, "strip_accents", accents, "lowercase", lowercase);
}

static bool is_step(const struct normalizer *normalizer, size_t i, enum normalizer_kind kind) {
    return i < normalizer->n && normalizer->steps[i].kind == kind;
}

/* NFD and the marks that BERT drops. */
static bool is_bert_accents(const struct normalizer *normalizer, size_t i) {
    return is_step(normalizer, i, NORMALIZE_FORM) && !normalizer->steps[i].compose &&
           !normalizer->steps[i].compatibility && is_step(normalizer, i + 1, NORMALIZE_STRIP_ACCENTS) &&
           normalizer->steps[i + 1].nonspacing_only;
}

/* As many steps from *at on as one BertNormalizer does, NULL if there are none. */
static json_t *take_bert(const struct normalizer *normalizer, size_t *at) {
    size_t i = *at;
    bool clean = is_step(normalizer, i, NORMALIZE_BERT_CLEAN);
    i += clean;
    bool chinese = is_step(normalizer, i, NORMALIZE_BERT_CHINESE);
    i += chinese;
    bool accents = is_bert_accents(normalizer, i);
    i += accents ? 2 : 0;
    if (i == *at) return NULL;
    bool lowercase = is_step(normalizer, i, NORMALIZE_LOWERCASE);
    *at = i + lowercase;
    return bert_step(clean, chinese, accents, lowercase);
}

static json_t *normalizer_step_json(const struct normalizer_step *step) {
    static const char *const forms[2][2] = {{"NFD", "NFC"}, {"NFKD", "NFKC"}};
    switch (step->kind) {
    case NORMALIZE_FORM:
        return plain(forms[step->compatibility][step->compose]);
    case NORMALIZE_LOWERCASE:
        return plain("Lowercase");
    case NORMALIZE_STRIP:
        return json_pack("{s:s, s:b, s:b}", "type", "Strip", "strip_left", step->left, "strip_right", step->right);
    case NORMALIZE_STRIP_ACCENTS:
        return step->nonspacing_only ? bert_step(false, false, true, false) : plain("StripAccents");
    case NORMALIZE_NMT:
        return plain("Nmt");
    case NORMALIZE_BERT_CLEAN:
        return bert_step(true, false, false, false);
    case NORMALIZE_BERT_CHINESE:
        return bert_step(false, true, false, false);
    case NORMALIZE_PREPEND:
        return json_pack("{s:s, s:s%}", "type", "Prepend", "prepend", step->content, step->content_size);
    case NORMALIZE_REPLACE:
        return json_pack("{s:s, s:o, s:s%}", "type", "Replace", "pattern",
                         pattern_json(step->regex, step->pattern, step->pattern_size), "content", step->content,
                         step->content_size);
    case NORMALIZE_PRECOMPILED:
        return precompiled_step(&step->precompiled);
    case NORMALIZE_BYTE_LEVEL:
        return plain("ByteLevel");
    case NORMALIZE_SENTENCEPIECE:
        return json_pack("{s:s, s:b, s:b, s:b, s:b}", "type", "SentencePiece", "precompiled_charsmap",
                         step->precompiled.units != NULL, "add_dummy_prefix", step->add_dummy_prefix,
                         "remove_extra_whitespaces", step->remove_extra_whitespaces, "treat_whitespace_as_suffix",
                         step->whitespace_as_suffix);
    }
    return NULL;
}

bn_status tokenizer_describe_normalizer(const bn_tokenizer *tokenizer, json_t **steps, bn_error *err) {
    const struct normalizer *normalizer = &tokenizer->normalizer;
    json_t *list = json_array();
    bool ok = list != NULL;
    for (size_t i = 0; i < normalizer->n && ok;) {
        json_t *bert = take_bert(normalizer, &i);
        ok = append_step(list, bert ? bert : normalizer_step_json(&normalizer->steps[i++]));
    }
    return finish_steps(ok, list, steps, err);
}

/* ---- pre-tokenizers ---- */

static const char *behavior_name(enum split_behavior behavior) {
    static const char *const names[] = {"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"};
    return names[behavior];
}

static json_t *split_json(const struct pretokenizer_step *step, json_t *pattern) {
    return json_pack("{s:s, s:o, s:s, s:b}", "type", "Split", "pattern", pattern, "behavior",
                     behavior_name(step->behavior), "invert", step->invert);
}

static json_t *class_json(const struct pretokenizer_step *step) {
    if (step->in_class == unicode_is_space) return plain("WhitespaceSplit");
    if (step->in_class == unicode_is_punctuation)
        return json_pack("{s:s, s:s}", "type", "Punctuation", "behavior", behavior_name(step->behavior));
    return json_pack("{s:s, s:b}", "type", "Digits", "individual_digits", step->behavior == SPLIT_ISOLATED);
}

static json_t *scanner_json(const struct pretokenizer_step *step) {
    if (step->scan == split_scan_words && step->invert && step->behavior == SPLIT_REMOVED) return plain("Whitespace");
    return split_json(step, json_pack("{s:s}", "Regex", split_pattern_regex(step->scan)));
}

static json_t *metaspace_json(const struct pretokenizer_step *step) {
    static const char *const schemes[] = {"always", "first", "never"};
    return json_pack("{s:s, s:s%, s:s, s:b}", "type", "Metaspace", "replacement", step->literal, step->literal_size,
                     "prepend_scheme", schemes[step->prepend], "split", step->split);
}

static json_t *byte_level_json(bool add_prefix_space, bool use_regex) {
    return json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", add_prefix_space, "trim_offsets",
                     true, "use_regex", use_regex);
}

static json_t *pretokenizer_step_json(const struct pretokenizer_step *step) {
    switch (step->kind) {
    case PRETOKENIZE_SCANNER:
        return scanner_json(step);
    case PRETOKENIZE_REGEX:
        return split_json(step, pattern_json(step->regex, NULL, 0));
    case PRETOKENIZE_LITERAL:
        return split_json(step, pattern_json(NULL, step->literal, step->literal_size));
    case PRETOKENIZE_CLASS:
        return class_json(step);
    case PRETOKENIZE_FIXED:
        return json_pack("{s:s, s:I}", "type", "FixedLength", "length", (json_int_t)step->length);
    case PRETOKENIZE_SCRIPTS:
        return plain("UnicodeScripts");
    case PRETOKENIZE_METASPACE:
        return metaspace_json(step);
    case PRETOKENIZE_BYTE_LEVEL:
        return byte_level_json(step->add_prefix_space, false);
    }
    return NULL;
}

static bool is_gpt2_split(const struct pretokenizer_step *step) {
    return step->kind == PRETOKENIZE_SCANNER && step->scan == split_scan_gpt2 && step->behavior == SPLIT_ISOLATED &&
           !step->invert;
}

/* The pieces of one ByteLevel from *at on (prefix, split, bytes), NULL if there is none. The last one of a byte-level
 * vocabulary has no step for the bytes: the vocabulary is in bytes instead. */
static json_t *take_byte_level(const bn_tokenizer *tokenizer, size_t *at) {
    const struct pretokenizer *pre = &tokenizer->pretokenizer;
    size_t i = *at;
    bool prefix = i < pre->n && pre->steps[i].kind == PRETOKENIZE_BYTE_LEVEL && pre->steps[i].add_prefix_space;
    i += prefix;
    bool split = i < pre->n && is_gpt2_split(&pre->steps[i]);
    i += split;
    bool maps = i < pre->n && pre->steps[i].kind == PRETOKENIZE_BYTE_LEVEL && pre->steps[i].map_bytes;
    if (!maps && !(i == pre->n && tokenizer->bpe.byte_level)) return NULL;
    *at = i + (maps ? 1 : 0);
    return byte_level_json(prefix, split);
}

bn_status tokenizer_describe_pretokenizer(const bn_tokenizer *tokenizer, json_t **steps, bn_error *err) {
    const struct pretokenizer *pre = &tokenizer->pretokenizer;
    json_t *list = json_array();
    bool ok = list != NULL;
    bool bytes_follow = tokenizer->bpe.byte_level;
    for (size_t i = 0; ok && i < pre->n;) {
        json_t *byte_level = take_byte_level(tokenizer, &i);
        if (byte_level && i == pre->n) bytes_follow = false;
        ok = append_step(list, byte_level ? byte_level : pretokenizer_step_json(&pre->steps[i++]));
    }
    if (ok && bytes_follow) ok = append_step(list, byte_level_json(false, false));
    return finish_steps(ok, list, steps, err);
}
