/* The vocabulary inside a GGUF file: tokenizer.ggml.model says which kind it is, tokenizer.ggml.pre how byte-level
 * ones cut text into words (gguf_pre.c). */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "tokenizer/compiled.h"
#include "tokenizer/gguf_pre.h"
#include "tokenizer/sentencepiece.h"
#include "tokenizer/unicode.h"

struct gguf_vocabulary {
    const struct gguf *gguf;
    void (*notice)(void *context, const char *line);
    void *notice_context;
    const struct gguf_value *tokens, *scores, *types, *merges;
    size_t n;
    size_t bos, eos, unknown, cls, separator, pad; /* SIZE_MAX: not given */
    bool add_bos, add_eos, add_space_prefix, remove_extra_whitespaces;
};

static bn_status find_array(const struct gguf *gguf, const char *key, const struct gguf_value **out, bn_error *err) {
    *out = gguf_find(gguf, key);
    if (*out && (*out)->type != GGUF_ARRAY) return fail(err, BN_STATUS_BAD_FILE, "'%s' must be an array", key);
    return BN_OK;
}

static bool holds_numbers(const struct gguf_value *array) {
    return array->array.type != GGUF_STRING && array->array.type != GGUF_ARRAY;
}

static bn_status check_lengths(const struct gguf_vocabulary *v, bn_error *err) {
    if (!v->tokens || v->tokens->array.type != GGUF_STRING || v->n == 0)
        return fail(err, BN_STATUS_BAD_FILE, "'tokenizer.ggml.tokens' must be an array of strings, with at least one");
    if (v->n > INT32_MAX) return fail(err, BN_STATUS_BAD_FILE, "'tokenizer.ggml.tokens' has %zu entries", v->n);
    if (v->scores && (v->scores->array.type != GGUF_F32 || v->scores->array.n != v->n))
        return fail(err, BN_STATUS_BAD_FILE,
                    "'tokenizer.ggml.scores' must be %zu float32 numbers, one a token; it has %zu", v->n,
                    v->scores->array.n);
    bool integers =
        v->types && holds_numbers(v->types) && v->types->array.type != GGUF_F32 && v->types->array.type != GGUF_F64;
    if (v->types && (!integers || v->types->array.n != v->n))
        return fail(err, BN_STATUS_BAD_FILE,
                    "'tokenizer.ggml.token_type' must be %zu integers, one a token; it has %zu", v->n,
                    v->types->array.n);
    if (v->merges && v->merges->array.type != GGUF_STRING)
        return fail(err, BN_STATUS_BAD_FILE, "'tokenizer.ggml.merges' must be strings");
    return BN_OK;
}

static bn_status read_ids(struct gguf_vocabulary *v, bn_error *err) {
    const struct {
        const char *key;
        size_t *id;
    } ids[] = {
        {"tokenizer.ggml.bos_token_id", &v->bos},         {"tokenizer.ggml.eos_token_id", &v->eos},
        {"tokenizer.ggml.unknown_token_id", &v->unknown}, {"tokenizer.ggml.cls_token_id", &v->cls},
        {"tokenizer.ggml.padding_token_id", &v->pad},     {"tokenizer.ggml.seperator_token_id", &v->separator},
    };
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        *ids[i].id = SIZE_MAX;
        bn_status status = gguf_get_size(v->gguf, ids[i].key, 0, v->n - 1, ids[i].id, err);
        if (status) return status;
    }
    return BN_OK;
}

static bn_status read_arrays(struct gguf_vocabulary *v, bn_error *err) {
    bn_status status = find_array(v->gguf, "tokenizer.ggml.tokens", &v->tokens, err);
    if (!status) status = find_array(v->gguf, "tokenizer.ggml.scores", &v->scores, err);
    if (!status) status = find_array(v->gguf, "tokenizer.ggml.token_type", &v->types, err);
    if (!status) status = find_array(v->gguf, "tokenizer.ggml.merges", &v->merges, err);
    if (status) return status;
    v->n = v->tokens ? v->tokens->array.n : 0;
    status = check_lengths(v, err);
    return status ? status : read_ids(v, err);
}

static int64_t type_of(const struct gguf_vocabulary *v, size_t id) {
    return v->types ? gguf_array_integer(v->types, id) : 1;
}

/* Flags of byte-level and WordPiece tokens: only control tokens are special. */
static uint32_t plain_flags(int64_t type) {
    if (type == 3) return TOKEN_MODEL | TOKEN_CONTROL | TOKEN_SPECIAL;
    return type == 2 ? TOKEN_MODEL | TOKEN_UNKNOWN | TOKEN_SPECIAL : type == 4 ? TOKEN_MODEL | TOKEN_USER : TOKEN_MODEL;
}

static bn_status fill_vocabulary(bn_tokenizer *tokenizer, const struct gguf_vocabulary *v, uint32_t (*flags)(int64_t),
                                 bn_error *err) {
    for (size_t id = 0; id < v->n; id++) {
        struct gguf_string text = gguf_array_string(v->tokens, id);
        bn_status status = vocabulary_add(&tokenizer->vocabulary, id, text.text, text.size,
                                          flags(type_of(v, id)) | TOKEN_MAY_REPEAT, err);
        if (status) return status;
    }
    return BN_OK;
}

/* Control tokens (special) and user-defined ones are found in text before anything else. */
static bn_status add_tokens(bn_tokenizer *tokenizer, bn_error *err) {
    for (size_t id = 0; id < tokenizer->vocabulary.size; id++) {
        const struct vocabulary_token token = vocabulary_token(&tokenizer->vocabulary, id);
        if (!token.text || !(token.flags & (TOKEN_CONTROL | TOKEN_UNKNOWN | TOKEN_USER))) continue;
        struct added_token added = {.content = token.text,
                                    .size = token.size,
                                    .id = (int32_t)id,
                                    .special = (token.flags & TOKEN_SPECIAL) != 0};
        bn_status status = tokenizer_add_token(tokenizer, added, err);
        if (status) return status;
    }
    return BN_OK;
}

static int32_t id_or_none(size_t id) {
    return id == SIZE_MAX ? -1 : (int32_t)id;
}

/* ---- BPE with merges ---- */

static void say(const struct gguf_vocabulary *v, const char *line) {
    if (v->notice) v->notice(v->notice_context, line);
}

static const struct gguf_pre *choose_pre(const bn_tokenizer *tokenizer, const struct gguf_vocabulary *v,
                                         struct gguf_string name) {
    const struct gguf_pre *pre = gguf_pre_find(name.text, name.size);
    if (pre) return pre;
    char line[300];
    pre = gguf_pre_detect(&tokenizer->vocabulary);
    if (name.size == 0)
        snprintf(line, sizeof line, "the file lacks tokenizer.ggml.pre; its vocabulary looks like '%s', which is used",
                 pre->name);
    else
        snprintf(line, sizeof line,
                 "tokenizer.ggml.pre '%.*s' isn't known; the vocabulary looks like '%s', which is used",
                 (int)min_size(name.size, 60), name.text, pre->name);
    say(v, line);
    return pre;
}

static bn_status read_merges(struct bpe *bpe, const struct gguf_value *merges, bn_error *err) {
    size_t n = merges ? merges->array.n : 0;
    bn_status status = bpe_reserve_merges(bpe, n, err);
    for (size_t rank = 0, count; rank < n && !status; rank += count) {
        struct bpe_merge_text batch[BPE_MERGE_BATCH];
        for (count = 0; count < BPE_MERGE_BATCH && rank + count < n; count++) {
            struct gguf_string line = gguf_array_string(merges, rank + count);
            const char *space = line.size > 1 ? memchr(line.text + 1, ' ', line.size - 1) : NULL;
            if (!space)
                return fail(err, BN_STATUS_BAD_FILE,
                            "'tokenizer.ggml.merges[%zu]' must be two tokens with a space between", rank + count);
            size_t left = (size_t)(space - line.text);
            batch[count] = (struct bpe_merge_text){line.text, space + 1, left, line.size - left - 1};
        }
        status = bpe_add_merges(bpe, batch, count, rank, err);
    }
    return status;
}

static bn_status read_merged(bn_tokenizer *tokenizer, struct gguf_vocabulary *v, const char *family, bn_error *err) {
    struct gguf_string name = {family, strlen(family)};
    bn_status status = gguf_get_string(v->gguf, "tokenizer.ggml.pre", &name, err);
    if (!status) status = fill_vocabulary(tokenizer, v, plain_flags, err);
    if (status) return status;
    const struct gguf_pre *pre = choose_pre(tokenizer, v, name);
    struct bpe *bpe = &tokenizer->bpe;
    tokenizer->model = MODEL_BPE;
    bpe->ranking = BPE_MERGES;
    bpe->ignore_merges = pre->ignore_merges;
    v->add_bos = pre->add_bos;
    status = gguf_pre_apply(pre, tokenizer, err);
    if (!status) status = read_merges(bpe, v->merges, err);
    if (!status) status = bpe_finish(bpe, err);
    return status ? status : add_tokens(tokenizer, err);
}

/* ---- SentencePiece ---- */

static bn_status read_sentencepiece(bn_tokenizer *tokenizer, struct gguf_vocabulary *v, enum model_kind model,
                                    bn_error *err) {
    bool unigram = model == MODEL_UNIGRAM;
    v->add_bos = !unigram;
    v->add_eos = unigram;
    v->add_space_prefix = true;
    v->remove_extra_whitespaces = unigram;
    bn_status status = gguf_get_bool(v->gguf, "tokenizer.ggml.add_space_prefix", &v->add_space_prefix, err);
    if (!status)
        status = gguf_get_bool(v->gguf, "tokenizer.ggml.remove_extra_whitespaces", &v->remove_extra_whitespaces, err);
    const struct gguf_value *charsmap;
    if (!status) status = find_array(v->gguf, "tokenizer.ggml.precompiled_charsmap", &charsmap, err);
    if (!status && charsmap && charsmap->array.type != GGUF_U8 && charsmap->array.type != GGUF_I8)
        status = fail(err, BN_STATUS_BAD_FILE, "'tokenizer.ggml.precompiled_charsmap' must be bytes");
    if (!status && !v->scores)
        status = fail(err, BN_STATUS_BAD_FILE, "'tokenizer.ggml.scores' is missing, this kind of vocabulary needs it");
    if (!status) status = fill_vocabulary(tokenizer, v, sentencepiece_flags, err);
    if (status) return status;
    float *scores = mem_alloc_array(v->n, sizeof *scores);
    if (!scores) return fail_no_memory(err, v->n * sizeof *scores);
    int32_t unknown = id_or_none(v->unknown);
    for (size_t id = v->n; id-- > 0;) {
        scores[id] = (float)gguf_array_number(v->scores, id);
        if (!(scores[id] == scores[id]))
            status = fail(err, BN_STATUS_BAD_FILE, "'tokenizer.ggml.scores[%zu]' is not a number", id);
        if (v->unknown == SIZE_MAX && type_of(v, id) == 2) unknown = (int32_t)id;
    }
    struct sentencepiece_spec spec = {.model = model,
                                      .add_dummy_prefix = v->add_space_prefix,
                                      .remove_extra_whitespaces = v->remove_extra_whitespaces,
                                      .unknown_id = unknown,
                                      .unknown_surface = " \xe2\x81\x87 "};
    if (charsmap) spec.charsmap = charsmap->array.bytes, spec.charsmap_size = charsmap->array.n;
    if (!status) status = sentencepiece_assemble(tokenizer, &spec, scores, err);
    mem_free(scores);
    return status;
}

/* ---- WordPiece ---- */

/* Nothing in the file says whether the vocabulary is uncased: it is if no piece has a capital letter. */
static bool is_uncased(const struct vocabulary *vocabulary) {
    for (size_t id = 0; id < vocabulary->size; id++) {
        const struct vocabulary_token token = vocabulary_token(vocabulary, id);
        for (size_t i = 0; i < token.size && !(token.flags & TOKEN_SPECIAL); i++)
            if (token.text[i] >= 'A' && token.text[i] <= 'Z') return false;
    }
    return true;
}

static bn_status append_bert_steps(bn_tokenizer *tokenizer, bn_error *err) {
    struct normalizer *normalizer = &tokenizer->normalizer;
    struct normalizer_step *step;
    bool ok =
        normalizer_append(normalizer, NORMALIZE_BERT_CLEAN) && normalizer_append(normalizer, NORMALIZE_BERT_CHINESE);
    if (ok && is_uncased(&tokenizer->vocabulary)) {
        ok = normalizer_append(normalizer, NORMALIZE_FORM) != NULL; /* NFD */
        step = ok ? normalizer_append(normalizer, NORMALIZE_STRIP_ACCENTS) : NULL;
        if (step) step->nonspacing_only = true;
        ok = step && normalizer_append(normalizer, NORMALIZE_LOWERCASE);
    }
    struct pretokenizer_step *split = ok ? pretokenizer_append(&tokenizer->pretokenizer, PRETOKENIZE_CLASS) : NULL;
    if (split) {
        split->in_class = unicode_is_space;
        split->behavior = SPLIT_REMOVED;
        split = pretokenizer_append(&tokenizer->pretokenizer, PRETOKENIZE_CLASS);
    }
    if (!split) return fail_no_memory(err, sizeof *split);
    split->in_class = unicode_is_punctuation;
    split->behavior = SPLIT_ISOLATED;
    return BN_OK;
}

static bn_status read_wordpiece(bn_tokenizer *tokenizer, struct gguf_vocabulary *v, bn_error *err) {
    static const char word_start[] = "\xe2\x96\x81";
    bn_status status = fill_vocabulary(tokenizer, v, plain_flags, err);
    if (!status) status = append_bert_steps(tokenizer, err);
    tokenizer->model = MODEL_WORDPIECE;
    tokenizer->wordpiece.max_characters = 100;
    tokenizer->wordpiece.unknown_id = id_or_none(v->unknown);
    if (!status) status = wordpiece_finish(&tokenizer->wordpiece, &tokenizer->vocabulary, "", word_start, err);
    if (!status) status = add_tokens(tokenizer, err);
    struct decoder_step *step = status ? NULL : decoder_append(&tokenizer->decoder, DECODE_WORDPIECE);
    if (!status && !step) status = fail_no_memory(err, sizeof *step);
    if (status) return status;
    step->content = word_start;
    step->content_size = 3;
    step->cleanup = true;
    if (v->cls == SIZE_MAX) v->cls = v->bos;
    if (v->separator == SIZE_MAX) v->separator = v->eos;
    if (v->bos == SIZE_MAX) v->bos = v->cls;
    if (v->eos == SIZE_MAX) v->eos = v->separator;
    v->add_bos = v->add_eos = true;
    return BN_OK;
}

/* ---- all together ---- */

/* [CLS] A [SEP] B [SEP]: the pair has no [CLS] of its own. */
static bn_status bert_template(struct postprocessor *post, int32_t cls, int32_t sep, bn_error *err) {
    bn_status status = template_around(post, cls, sep, 1, err);
    for (size_t i = 1; !status && cls >= 0 && i < post->pair.n; i++) {
        if (post->pair.items[i].sequence >= 0 || post->pair.items[i].id != cls) continue;
        memmove(post->pair.items + i, post->pair.items + i + 1, (post->pair.n - i - 1) * sizeof *post->pair.items);
        post->pair.n--;
        break;
    }
    return status;
}

static bn_status mark_ends(bn_tokenizer *tokenizer, const struct gguf_vocabulary *v, bn_error *err) {
    static const char *const keys[] = {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        size_t id = SIZE_MAX;
        bn_status status = gguf_get_size(v->gguf, keys[i], 0, v->n - 1, &id, err);
        if (status) return status;
        if (id != SIZE_MAX) tokenizer->vocabulary.records[id].flags |= TOKEN_END;
    }
    return BN_OK;
}

static bn_status take_templates(bn_tokenizer *tokenizer, const struct gguf *gguf, bn_error *err) {
    struct gguf_string usual = {0}, with_tools = {0};
    bn_status status = gguf_get_string(gguf, "tokenizer.chat_template", &usual, err);
    if (!status) status = gguf_get_string(gguf, "tokenizer.chat_template.tool_use", &with_tools, err);
    if (status || (!usual.size && !with_tools.size)) return status;
    char *first = usual.size ? mem_strndup(usual.text, usual.size) : NULL;
    char *second = with_tools.size ? mem_strndup(with_tools.text, with_tools.size) : NULL;
    status = (usual.size && !first) || (with_tools.size && !second)
                 ? fail_no_memory(err, usual.size + with_tools.size)
                 : tokenizer_set_chat_templates(tokenizer, first, second, err);
    mem_free(first);
    mem_free(second);
    return status;
}

static bn_status finish(bn_tokenizer *tokenizer, struct gguf_vocabulary *v, bn_error *err) {
    bn_status status = gguf_get_bool(v->gguf, "tokenizer.ggml.add_bos_token", &v->add_bos, err);
    if (!status) status = gguf_get_bool(v->gguf, "tokenizer.ggml.add_eos_token", &v->add_eos, err);
    if (status) return status;
    tokenizer->bos = id_or_none(v->bos);
    tokenizer->eos = id_or_none(v->eos);
    tokenizer->pad = id_or_none(v->pad);
    int32_t bos = v->add_bos ? tokenizer->bos : -1, eos = v->add_eos ? tokenizer->eos : -1;
    if (tokenizer->model == MODEL_WORDPIECE)
        status = bert_template(&tokenizer->postprocessor, bos, eos, err);
    else if (bos >= 0 || eos >= 0)
        status = template_around(&tokenizer->postprocessor, bos, eos, tokenizer->model != MODEL_UNIGRAM, err);
    if (!status) status = mark_ends(tokenizer, v, err);
    if (!status) status = take_templates(tokenizer, v->gguf, err);
    return status ? status : tokenizer_finish(tokenizer, err);
}

static bool equals(struct gguf_string string, const char *text) {
    return string.size == strlen(text) && memcmp(string.text, text, string.size) == 0;
}

static bn_status read_kind(bn_tokenizer *tokenizer, struct gguf_vocabulary *v, struct gguf_string kind, bn_error *err) {
    if (equals(kind, "gpt2")) return read_merged(tokenizer, v, "", err);
    if (equals(kind, "gemma4")) return read_merged(tokenizer, v, "gemma4", err);
    if (equals(kind, "llama")) return read_sentencepiece(tokenizer, v, MODEL_BPE, err);
    if (equals(kind, "t5")) return read_sentencepiece(tokenizer, v, MODEL_UNIGRAM, err);
    if (equals(kind, "bert")) return read_wordpiece(tokenizer, v, err);
    return fail(err, BN_STATUS_UNSUPPORTED,
                "'tokenizer.ggml.model' is '%.*s'; gpt2, llama, gemma4, t5 and bert can be read",
                (int)min_size(kind.size, 60), kind.text);
}

bn_status tokenizer_read_gguf(const struct gguf *gguf, void (*notice)(void *context, const char *line),
                              void *notice_context, bn_tokenizer **out, bn_error *err) {
    struct gguf_vocabulary v = {.gguf = gguf, .notice = notice, .notice_context = notice_context};
    struct gguf_string kind = {"", 0};
    bn_status status = gguf_get_string(gguf, "tokenizer.ggml.model", &kind, err);
    if (status) return status;
    if (kind.size == 0 || equals(kind, "none") || equals(kind, "no_vocab"))
        return fail(err, BN_STATUS_NOT_FOUND, "the file has no vocabulary (tokenizer.ggml.model)");
    status = read_arrays(&v, err);
    if (status) return status;
    bn_tokenizer *tokenizer;
    status = tokenizer_create(v.n, &tokenizer, err);
    if (status) return status;
    status = read_kind(tokenizer, &v, kind, err);
    if (!status) status = finish(tokenizer, &v, err);
    if (status)
        bn_tokenizer_close(tokenizer);
    else
        *out = tokenizer;
    return status;
}
