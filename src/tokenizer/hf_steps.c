/* Normalizers and pre-tokenizers of tokenizer.json. */
#include <string.h>

#include "base/memory.h"
#include "tokenizer/base64.h"
#include "tokenizer/hf_json.h"
#include "tokenizer/unicode.h"

static bn_status check_size(unsigned depth, size_t n, bn_error *err) {
    if (depth > HF_MAX_DEPTH || n >= HF_MAX_STEPS)
        return fail(err, BN_STATUS_BAD_FILE, "more than %d nested or %d successive steps", HF_MAX_DEPTH, HF_MAX_STEPS);
    return BN_OK;
}

static bool is(const json_t *step, const char *type) {
    return strcmp(hf_type(step), type) == 0;
}

/* ---- normalizers ---- */

static bn_status append_plain(struct normalizer *normalizer, enum normalizer_kind kind, bn_error *err) {
    return normalizer_append(normalizer, kind) ? BN_OK : fail_no_memory(err, sizeof(struct normalizer_step));
}

static bn_status append_form(struct normalizer *normalizer, bool compatibility, bool compose, bn_error *err) {
    struct normalizer_step *step = normalizer_append(normalizer, NORMALIZE_FORM);
    if (!step) return fail_no_memory(err, sizeof *step);
    step->compatibility = compatibility;
    step->compose = compose;
    return BN_OK;
}

static bn_status append_strip_accents(struct normalizer *normalizer, bool nonspacing_only, bn_error *err) {
    struct normalizer_step *step = normalizer_append(normalizer, NORMALIZE_STRIP_ACCENTS);
    if (!step) return fail_no_memory(err, sizeof *step);
    step->nonspacing_only = nonspacing_only;
    return BN_OK;
}

static bn_status read_bert(struct normalizer *normalizer, const json_t *object, bn_error *err) {
    bool clean_text = true, chinese = true, lowercase = true;
    bn_status status = json_get_bool(object, "clean_text", &clean_text, err);
    if (!status) status = json_get_bool(object, "handle_chinese_chars", &chinese, err);
    if (!status) status = json_get_bool(object, "lowercase", &lowercase, err);
    bool strip_accents = lowercase; /* unless said otherwise */
    if (!status) status = json_get_bool(object, "strip_accents", &strip_accents, err);
    if (!status && clean_text) status = append_plain(normalizer, NORMALIZE_BERT_CLEAN, err);
    if (!status && chinese) status = append_plain(normalizer, NORMALIZE_BERT_CHINESE, err);
    if (!status && strip_accents) status = append_form(normalizer, false, false, err);
    if (!status && strip_accents) status = append_strip_accents(normalizer, true, err);
    if (!status && lowercase) status = append_plain(normalizer, NORMALIZE_LOWERCASE, err);
    return status;
}

static bn_status read_precompiled(struct normalizer *normalizer, const json_t *object, bn_error *err) {
    const char *encoded = NULL;
    bn_status status = json_get_text(object, "precompiled_charsmap", &encoded, err);
    if (status || !encoded || !*encoded) return status;
    uint8_t *blob;
    size_t size;
    if (!base64_decode(encoded, strlen(encoded), &blob, &size))
        return fail(err, BN_STATUS_BAD_FILE, "'precompiled_charsmap' isn't base64");
    struct normalizer_step *step = normalizer_append(normalizer, NORMALIZE_PRECOMPILED);
    status = step ? precompiled_read(blob, size, &step->precompiled, err) : fail_no_memory(err, sizeof *step);
    mem_free(blob);
    return status;
}

static bn_status read_replace(bn_tokenizer *tokenizer, const json_t *object, bn_error *err) {
    const char *pattern, *content;
    size_t pattern_size, content_size;
    bool is_regex;
    bn_status status = hf_copy_pattern(tokenizer, object, &pattern, &pattern_size, &is_regex, err);
    if (!status) status = hf_copy_text(tokenizer, object, "content", "", &content, &content_size, err);
    if (status) return status;
    struct normalizer_step *step = normalizer_append(&tokenizer->normalizer, NORMALIZE_REPLACE);
    if (!step) return fail_no_memory(err, sizeof *step);
    step->content = content;
    step->content_size = content_size;
    if (is_regex) return regex_compile(pattern, pattern_size, REGEX_RUBY, &step->regex, err);
    step->pattern = pattern;
    step->pattern_size = pattern_size;
    return BN_OK;
}

static bn_status read_prepend(bn_tokenizer *tokenizer, const json_t *object, bn_error *err) {
    struct normalizer_step *step = normalizer_append(&tokenizer->normalizer, NORMALIZE_PREPEND);
    if (!step) return fail_no_memory(err, sizeof *step);
    return hf_copy_text(tokenizer, object, "prepend", "", &step->content, &step->content_size, err);
}

static bn_status read_strip(struct normalizer *normalizer, const json_t *object, bn_error *err) {
    struct normalizer_step *step = normalizer_append(normalizer, NORMALIZE_STRIP);
    if (!step) return fail_no_memory(err, sizeof *step);
    step->left = step->right = true;
    bn_status status = json_get_bool(object, "strip_left", &step->left, err);
    return status ? status : json_get_bool(object, "strip_right", &step->right, err);
}

bn_status hf_read_normalizer(bn_tokenizer *tokenizer, const json_t *object, unsigned depth, bn_error *err) {
    struct normalizer *normalizer = &tokenizer->normalizer;
    if (!object || json_is_null(object)) return BN_OK;
    bn_status status = check_size(depth, normalizer->n, err);
    if (status) return status;
    if (is(object, "Sequence")) {
        size_t i;
        json_t *child;
        json_array_foreach(json_object_get(object, "normalizers"), i, child) if (!status) status =
            hf_read_normalizer(tokenizer, child, depth + 1, err);
        return status;
    }
    if (is(object, "NFC")) return append_form(normalizer, false, true, err);
    if (is(object, "NFD")) return append_form(normalizer, false, false, err);
    if (is(object, "NFKC")) return append_form(normalizer, true, true, err);
    if (is(object, "NFKD")) return append_form(normalizer, true, false, err);
    if (is(object, "Lowercase")) return append_plain(normalizer, NORMALIZE_LOWERCASE, err);
    if (is(object, "Nmt")) return append_plain(normalizer, NORMALIZE_NMT, err);
    if (is(object, "ByteLevel")) return append_plain(normalizer, NORMALIZE_BYTE_LEVEL, err);
    if (is(object, "StripAccents")) return append_strip_accents(normalizer, false, err);
    if (is(object, "BertNormalizer")) return read_bert(normalizer, object, err);
    if (is(object, "Precompiled")) return read_precompiled(normalizer, object, err);
    if (is(object, "Replace")) return read_replace(tokenizer, object, err);
    if (is(object, "Prepend")) return read_prepend(tokenizer, object, err);
    if (is(object, "Strip")) return read_strip(normalizer, object, err);
    return fail(err, BN_STATUS_UNSUPPORTED, "normalizer '%s' isn't known", hf_type(object));
}

/* ---- pre-tokenizers ---- */

static bn_status read_behavior(const json_t *object, enum split_behavior *behavior, bn_error *err) {
    static const char *const names[] = {"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"};
    const char *name = NULL;
    bn_status status = json_get_text(object, "behavior", &name, err);
    if (status || !name) return status;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) {
            *behavior = (enum split_behavior)i;
            return BN_OK;
        }
    return fail(err, BN_STATUS_BAD_FILE, "unknown split behavior '%s'", name);
}

static bn_status append_class(struct pretokenizer *pretokenizer, bool (*in_class)(uint32_t),
                              enum split_behavior behavior, bn_error *err) {
    struct pretokenizer_step *step = pretokenizer_append(pretokenizer, PRETOKENIZE_CLASS);
    if (!step) return fail_no_memory(err, sizeof *step);
    step->in_class = in_class;
    step->behavior = behavior;
    return BN_OK;
}

static bn_status read_split(bn_tokenizer *tokenizer, const json_t *object, bn_error *err) {
    const char *pattern;
    size_t size;
    bool is_regex, invert = false;
    enum split_behavior behavior = SPLIT_REMOVED;
    bn_status status = hf_copy_pattern(tokenizer, object, &pattern, &size, &is_regex, err);
    if (!status) status = read_behavior(object, &behavior, err);
    if (!status) status = json_get_bool(object, "invert", &invert, err);
    if (status) return status;
    if (is_regex)
        return pretokenizer_append_regex(&tokenizer->pretokenizer, pattern, size, REGEX_RUBY, behavior, invert, err);
    struct pretokenizer_step *step = pretokenizer_append(&tokenizer->pretokenizer, PRETOKENIZE_LITERAL);
    if (!step) return fail_no_memory(err, sizeof *step);
    step->literal = pattern;
    step->literal_size = size;
    step->behavior = behavior;
    step->invert = invert;
    return BN_OK;
}

static bn_status read_delimiter(bn_tokenizer *tokenizer, const json_t *object, bn_error *err) {
    struct pretokenizer_step *step = pretokenizer_append(&tokenizer->pretokenizer, PRETOKENIZE_LITERAL);
    if (!step) return fail_no_memory(err, sizeof *step);
    step->behavior = SPLIT_REMOVED;
    return hf_copy_text(tokenizer, object, "delimiter", "", &step->literal, &step->literal_size, err);
}

static bn_status read_metaspace(bn_tokenizer *tokenizer, const json_t *object, bn_error *err) {
    struct pretokenizer_step *step = pretokenizer_append(&tokenizer->pretokenizer, PRETOKENIZE_METASPACE);
    if (!step) return fail_no_memory(err, sizeof *step);
    step->behavior = SPLIT_MERGED_WITH_NEXT;
    const char *scheme = "always";
    bool add_prefix_space = true; /* older files */
    step->split = true;
    bn_status status =
        hf_copy_text(tokenizer, object, "replacement", "\xe2\x96\x81", &step->literal, &step->literal_size, err);
    if (!status) status = json_get_bool(object, "add_prefix_space", &add_prefix_space, err);
    if (!add_prefix_space) scheme = "never";
    if (!status) status = json_get_text(object, "prepend_scheme", &scheme, err);
    if (!status) status = json_get_bool(object, "split", &step->split, err);
    if (status) return status;
    if (strcmp(scheme, "first") == 0)
        step->prepend = METASPACE_FIRST;
    else
        step->prepend = strcmp(scheme, "never") == 0 ? METASPACE_NEVER : METASPACE_ALWAYS;
    return BN_OK;
}

/* Prefix, splitting and mapping are three steps of one kind each. */
static bn_status read_byte_level(struct pretokenizer *pretokenizer, const json_t *object, bn_error *err) {
    bool add_prefix_space = true, use_regex = true;
    bn_status status = json_get_bool(object, "add_prefix_space", &add_prefix_space, err);
    if (!status) status = json_get_bool(object, "use_regex", &use_regex, err);
    if (status) return status;
    struct pretokenizer_step *step;
    if (add_prefix_space) {
        if (!(step = pretokenizer_append(pretokenizer, PRETOKENIZE_BYTE_LEVEL)))
            return fail_no_memory(err, sizeof *step);
        step->add_prefix_space = true;
    }
    if (use_regex) {
        if (!(step = pretokenizer_append(pretokenizer, PRETOKENIZE_SCANNER))) return fail_no_memory(err, sizeof *step);
        step->scan = split_scan_gpt2;
        step->behavior = SPLIT_ISOLATED;
    }
    if (!(step = pretokenizer_append(pretokenizer, PRETOKENIZE_BYTE_LEVEL))) return fail_no_memory(err, sizeof *step);
    step->map_bytes = true;
    return BN_OK;
}

static bn_status read_digits(struct pretokenizer *pretokenizer, const json_t *object, bn_error *err) {
    bool individual = false;
    bn_status status = json_get_bool(object, "individual_digits", &individual, err);
    return status ? status
                  : append_class(pretokenizer, unicode_is_numeric, individual ? SPLIT_ISOLATED : SPLIT_CONTIGUOUS, err);
}

static bn_status read_punctuation(struct pretokenizer *pretokenizer, const json_t *object, bn_error *err) {
    enum split_behavior behavior = SPLIT_ISOLATED;
    bn_status status = read_behavior(object, &behavior, err);
    return status ? status : append_class(pretokenizer, unicode_is_punctuation, behavior, err);
}

static bn_status read_fixed_length(struct pretokenizer *pretokenizer, const json_t *object, bn_error *err) {
    struct pretokenizer_step *step = pretokenizer_append(pretokenizer, PRETOKENIZE_FIXED);
    if (!step) return fail_no_memory(err, sizeof *step);
    step->length = 5;
    return json_get_size(object, "length", 1, INT32_MAX, &step->length, err);
}

static bn_status append_words(struct pretokenizer *pretokenizer, bn_error *err) {
    struct pretokenizer_step *step = pretokenizer_append(pretokenizer, PRETOKENIZE_SCANNER);
    if (!step) return fail_no_memory(err, sizeof *step);
    step->scan = split_scan_words;
    step->behavior = SPLIT_REMOVED;
    step->invert = true;
    return BN_OK;
}

bn_status hf_read_pretokenizer(bn_tokenizer *tokenizer, const json_t *object, unsigned depth, bn_error *err) {
    struct pretokenizer *pretokenizer = &tokenizer->pretokenizer;
    if (!object || json_is_null(object)) return BN_OK;
    bn_status status = check_size(depth, pretokenizer->n, err);
    if (status) return status;
    if (is(object, "Sequence")) {
        size_t i;
        json_t *child;
        json_array_foreach(json_object_get(object, "pretokenizers"), i, child) if (!status) status =
            hf_read_pretokenizer(tokenizer, child, depth + 1, err);
        return status;
    }
    if (is(object, "ByteLevel")) return read_byte_level(pretokenizer, object, err);
    if (is(object, "Split")) return read_split(tokenizer, object, err);
    if (is(object, "Metaspace")) return read_metaspace(tokenizer, object, err);
    if (is(object, "Whitespace")) return append_words(pretokenizer, err);
    if (is(object, "WhitespaceSplit")) return append_class(pretokenizer, unicode_is_space, SPLIT_REMOVED, err);
    if (is(object, "Punctuation")) return read_punctuation(pretokenizer, object, err);
    if (is(object, "Digits")) return read_digits(pretokenizer, object, err);
    if (is(object, "CharDelimiterSplit")) return read_delimiter(tokenizer, object, err);
    if (is(object, "FixedLength")) return read_fixed_length(pretokenizer, object, err);
    if (is(object, "UnicodeScripts"))
        return pretokenizer_append(pretokenizer, PRETOKENIZE_SCRIPTS) ? BN_OK : fail_no_memory(err, 0);
    if (is(object, "BertPreTokenizer")) {
        status = append_class(pretokenizer, unicode_is_space, SPLIT_REMOVED, err);
        return status ? status : append_class(pretokenizer, unicode_is_punctuation, SPLIT_ISOLATED, err);
    }
    return fail(err, BN_STATUS_UNSUPPORTED, "pre-tokenizer '%s' isn't known", hf_type(object));
}
