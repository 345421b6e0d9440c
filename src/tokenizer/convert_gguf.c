/* A tokenizer as the metadata of a GGUF file. Its kinds of vocabulary are few: byte-level BPE with one of the
 * pre-tokenizers of gguf_pre.c, SentencePiece's BPE and Unigram, and BERT's WordPiece. A pipeline has to be one of
 * these to be written. Keys: ggml docs/gguf.md. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "tokenizer/convert_parts.h"
#include "tokenizer/gguf_pre.h"
#include "tokenizer/unicode.h"

enum { TYPE_NORMAL = 1, TYPE_UNKNOWN = 2, TYPE_CONTROL = 3, TYPE_USER_DEFINED = 4, TYPE_UNUSED = 5, TYPE_BYTE = 6 };

struct vocabulary_writer {
    const bn_tokenizer *tokenizer;
    struct gguf_writer *writer;
    size_t n;
    struct gguf_string *tokens;
    int32_t *types;
    float *scores;      /* NULL: none */
    int32_t bos, eos;   /* put around a text, -1 for none */
    struct arena arena; /* texts that aren't in the tokenizer */
};

/* ---- tokens ---- */

static int32_t type_of(const struct vocabulary_writer *v, size_t id) {
    if (id >= v->tokenizer->vocabulary.size) return TYPE_UNUSED;
    const struct vocabulary_token token = vocabulary_token(&v->tokenizer->vocabulary, id);
    if (!token.text || token.flags & TOKEN_UNUSED) return TYPE_UNUSED;
    if ((int32_t)id == tokenizer_roles(v->tokenizer).unknown) return TYPE_UNKNOWN;
    if (token.flags & (TOKEN_SPECIAL | TOKEN_CONTROL)) return TYPE_CONTROL;
    if (token.flags & (TOKEN_ADDED | TOKEN_USER)) return TYPE_USER_DEFINED;
    bool bytes =
        v->tokenizer->model == MODEL_BPE ? v->tokenizer->bpe.byte_fallback : v->tokenizer->unigram.byte_fallback;
    return bytes && byte_token_value(token.text, token.size) >= 0 ? TYPE_BYTE : TYPE_NORMAL;
}

static bn_status fill_tokens(struct vocabulary_writer *v, bn_error *err) {
    size_t n_known = v->tokenizer->vocabulary.size;
    v->tokens = mem_alloc_array(v->n + 1, sizeof *v->tokens);
    v->types = mem_alloc_array(v->n + 1, sizeof *v->types);
    if (!v->tokens || !v->types) return fail_no_memory(err, v->n * sizeof *v->tokens);
    for (size_t id = 0; id < v->n; id++) {
        struct vocabulary_token token = {0};
        if (id < n_known) token = vocabulary_token(&v->tokenizer->vocabulary, id);
        v->types[id] = type_of(v, id);
        v->tokens[id] = (struct gguf_string){token.text, token.size};
        if (token.text) continue;
        char name[32]; /* as llama.cpp names ids that no token has */
        size_t size = (size_t)snprintf(name, sizeof name, "[PAD%zu]", id);
        v->tokens[id] = (struct gguf_string){arena_strndup(&v->arena, name, size), size};
        if (!v->tokens[id].text) return fail_no_memory(err, size);
    }
    return BN_OK;
}

/* ---- what is put around a text ---- */

static bn_status refuse(bn_error *err, const char *what) {
    return fail(err, BN_STATUS_UNSUPPORTED, "GGUF can't say it: %s", what);
}

/* Only BOS before and EOS after are known. */
static bn_status read_template(struct vocabulary_writer *v, bn_error *err) {
    const struct template *single = &v->tokenizer->postprocessor.single;
    bool has = v->tokenizer->postprocessor.has_template, text = false;
    v->bos = v->eos = -1;
    for (size_t i = 0; has && i < single->n; i++) {
        const struct template_item *item = &single->items[i];
        int32_t *place = text ? &v->eos : &v->bos;
        if (item->sequence >= 0 ? text : *place >= 0)
            return refuse(err, "the post-processor puts more than one token before or after a text");
        if (item->sequence >= 0)
            text = true;
        else
            *place = item->id;
    }
    if (v->bos >= 0 && v->tokenizer->bos >= 0 && v->bos != v->tokenizer->bos)
        return refuse(err, "the post-processor begins texts with another token than BOS");
    if (v->eos >= 0 && v->tokenizer->eos >= 0 && v->eos != v->tokenizer->eos)
        return refuse(err, "the post-processor ends texts with another token than EOS");
    return BN_OK;
}

static bn_status set_id(struct vocabulary_writer *v, const char *key, int32_t id, bn_error *err) {
    return id < 0 ? BN_OK : gguf_writer_set_u32(v->writer, key, (uint32_t)id, err);
}

static bn_status set_roles(struct vocabulary_writer *v, bn_error *err) {
    const struct token_roles roles = tokenizer_roles(v->tokenizer);
    int32_t bos = v->bos >= 0 ? v->bos : roles.bos, eos = v->eos >= 0 ? v->eos : roles.eos;
    bool bert = v->tokenizer->model == MODEL_WORDPIECE;
    bn_status status = set_id(v, "tokenizer.ggml.bos_token_id", bos, err);
    if (!status) status = set_id(v, "tokenizer.ggml.eos_token_id", eos, err);
    if (!status) status = set_id(v, "tokenizer.ggml.unknown_token_id", roles.unknown, err);
    if (!status) status = set_id(v, "tokenizer.ggml.padding_token_id", roles.pad, err);
    if (!status && bert) status = set_id(v, "tokenizer.ggml.cls_token_id", bos, err);
    if (!status && bert) status = set_id(v, "tokenizer.ggml.seperator_token_id", eos, err); /* sic */
    if (!status) status = gguf_writer_set_bool(v->writer, "tokenizer.ggml.add_bos_token", v->bos >= 0, err);
    if (!status) status = gguf_writer_set_bool(v->writer, "tokenizer.ggml.add_eos_token", v->eos >= 0, err);
    return status;
}

static bn_status set_text(struct vocabulary_writer *v, const char *key, const char *text, bn_error *err) {
    return text ? gguf_writer_set_string(v->writer, key, text, strlen(text), err) : BN_OK;
}

static bn_status set_vocabulary(struct vocabulary_writer *v, const char *kind, const char *pre, bn_error *err) {
    bn_status status = set_text(v, "tokenizer.ggml.model", kind, err);
    if (!status) status = set_text(v, "tokenizer.ggml.pre", pre, err);
    if (!status) status = gguf_writer_set_strings(v->writer, "tokenizer.ggml.tokens", v->tokens, v->n, err);
    if (!status && v->scores)
        status = gguf_writer_set_array(v->writer, "tokenizer.ggml.scores", GGUF_F32, v->scores, v->n, err);
    if (!status) status = gguf_writer_set_array(v->writer, "tokenizer.ggml.token_type", GGUF_I32, v->types, v->n, err);
    return status;
}

/* ---- SentencePiece ---- */

static bn_status set_sentencepiece(struct vocabulary_writer *v, const struct sentencepiece_settings *settings,
                                   bn_error *err) {
    bool unigram = v->tokenizer->model == MODEL_UNIGRAM;
    v->scores = mem_calloc(v->n + 1, sizeof *v->scores);
    if (!v->scores) return fail_no_memory(err, v->n * sizeof *v->scores);
    sentencepiece_scores(v->tokenizer, v->scores);
    bn_status status = set_vocabulary(v, unigram ? "t5" : "llama", "default", err);
    if (!status)
        status = gguf_writer_set_bool(v->writer, "tokenizer.ggml.add_space_prefix", settings->add_dummy_prefix, err);
    if (!status)
        status = gguf_writer_set_bool(v->writer, "tokenizer.ggml.remove_extra_whitespaces",
                                      settings->remove_extra_whitespaces, err);
    if (status || !settings->map) return status;
    uint8_t *map;
    size_t size;
    if (!precompiled_to_bytes(settings->map, &map, &size)) return fail_no_memory(err, settings->map->n_units);
    status = gguf_writer_set_array(v->writer, "tokenizer.ggml.precompiled_charsmap", GGUF_U8, map, size, err);
    mem_free(map);
    return status;
}

static bn_status write_sentencepiece(struct vocabulary_writer *v, bn_error *err) {
    struct sentencepiece_settings settings;
    const char *reason = sentencepiece_recognize(v->tokenizer, &settings);
    if (!reason && v->tokenizer->model == MODEL_UNIGRAM && v->tokenizer->unigram.byte_fallback)
        reason = "byte fallback of a Unigram vocabulary (llama.cpp makes such characters unknown)";
    return reason ? refuse(err, reason) : set_sentencepiece(v, &settings, err);
}

/* ---- BPE with merges ---- */

static bn_status set_merges(struct vocabulary_writer *v, bn_error *err) {
    const struct vocabulary *vocabulary = &v->tokenizer->vocabulary;
    struct merge_list merges = {0};
    bn_status status = convert_merges(v->tokenizer, &merges, err);
    struct gguf_string *lines = mem_alloc_array(merges.n + 1, sizeof *lines);
    if (!status && !lines) status = fail_no_memory(err, merges.n * sizeof *lines);
    for (size_t i = 0; i < merges.n && !status; i++) {
        const struct vocabulary_token left = vocabulary_token(vocabulary, (size_t)merges.items[i].left);
        const struct vocabulary_token right = vocabulary_token(vocabulary, (size_t)merges.items[i].right);
        size_t size = (size_t)left.size + 1 + right.size;
        char *line = arena_alloc(&v->arena, size);
        if (!line) {
            status = fail_no_memory(err, size);
            break;
        }
        memcpy(line, left.text, left.size);
        line[left.size] = ' ';
        memcpy(line + left.size + 1, right.text, right.size);
        lines[i] = (struct gguf_string){line, size};
    }
    if (!status) status = gguf_writer_set_strings(v->writer, "tokenizer.ggml.merges", lines, merges.n, err);
    mem_free(lines);
    mem_free(merges.items);
    return status;
}

/* Vocabularies of text can be written so too, where a family does it: merges say more than scores. */
static bn_status write_bpe(struct vocabulary_writer *v, bn_error *err) {
    const struct gguf_pre *pre = NULL;
    bool byte_level = v->tokenizer->bpe.byte_level, scores = v->tokenizer->bpe.ranking == BPE_SCORES;
    bn_status status = scores ? BN_OK : gguf_pre_of(v->tokenizer, &pre, err);
    if (!status && !pre && !byte_level) return write_sentencepiece(v, err);
    if (!status && !pre)
        status = refuse(err, "none of the pre-tokenizers that tokenizer.ggml.pre can name cuts text this way (`bitnet "
                             "tokenizer inspect` shows how it is cut)");
    if (!status) status = set_vocabulary(v, "gpt2", pre->name, err);
    return status ? status : set_merges(v, err);
}

/* ---- WordPiece ---- */

/* BertNormalizer, lower-casing exactly where the vocabulary has no capitals, and BertPreTokenizer. */
static bool is_bert(const bn_tokenizer *tokenizer) {
    static const enum normalizer_kind kinds[] = {NORMALIZE_BERT_CLEAN, NORMALIZE_BERT_CHINESE, NORMALIZE_FORM,
                                                 NORMALIZE_STRIP_ACCENTS, NORMALIZE_LOWERCASE};
    const struct normalizer *normalizer = &tokenizer->normalizer;
    const struct pretokenizer_step *steps = tokenizer->pretokenizer.steps;
    if (normalizer->n != 2 && normalizer->n != sizeof kinds / sizeof *kinds) return false;
    for (size_t i = 0; i < normalizer->n; i++)
        if (normalizer->steps[i].kind != kinds[i]) return false;
    return tokenizer->pretokenizer.n == 2 && steps[0].kind == PRETOKENIZE_CLASS &&
           steps[0].in_class == unicode_is_space && steps[1].kind == PRETOKENIZE_CLASS &&
           steps[1].in_class == unicode_is_punctuation;
}

/* "##x" is stored as "x" and "x" as "▁x"; special tokens as they are. */
static bn_status spell_for_bert(struct vocabulary_writer *v, bn_error *err) {
    const char *prefix = v->tokenizer->wordpiece.prefix;
    size_t n = prefix ? strlen(prefix) : 0;
    for (size_t id = 0; id < v->n && prefix; id++) {
        struct gguf_string *token = &v->tokens[id];
        if (v->types[id] != TYPE_NORMAL) continue;
        if (n > 0 && token->size > n && memcmp(token->text, prefix, n) == 0) {
            token->text += n;
            token->size -= n;
            continue;
        }
        char *spelled = arena_alloc(&v->arena, token->size + 3);
        if (!spelled) return fail_no_memory(err, token->size);
        memcpy(spelled, "\xe2\x96\x81", 3);
        memcpy(spelled + 3, token->text, token->size);
        *token = (struct gguf_string){spelled, token->size + 3};
    }
    return BN_OK;
}

static bn_status write_wordpiece(struct vocabulary_writer *v, bn_error *err) {
    if (!is_bert(v->tokenizer)) return refuse(err, "WordPiece with another normalizer or pre-tokenizer than BERT's");
    if (v->tokenizer->wordpiece.max_characters != 100) return refuse(err, "max_input_chars_per_word other than 100");
    bn_status status = spell_for_bert(v, err);
    return status ? status : set_vocabulary(v, "bert", "default", err);
}

/* ---- all together ---- */

static bn_status check_added(const bn_tokenizer *tokenizer, bn_error *err) {
    for (size_t i = 0; i < tokenizer->added.n; i++) {
        const struct added_token *token = &tokenizer->added.items[i];
        const char *what = token->single_word                        ? "found as a whole word only"
                           : token->left_strip || token->right_strip ? "takes the white space beside it"
                                                                     : NULL;
        if (what)
            return fail(err, BN_STATUS_UNSUPPORTED, "GGUF can't say it: the added token '%.60s' %s%s", token->content,
                        token->single_word ? "is " : "", what);
    }
    return BN_OK;
}

static bn_status write_model(struct vocabulary_writer *v, bn_error *err) {
    switch (v->tokenizer->model) {
    case MODEL_BPE:
        return write_bpe(v, err);
    case MODEL_UNIGRAM:
        return write_sentencepiece(v, err);
    case MODEL_WORDPIECE:
        return write_wordpiece(v, err);
    case MODEL_WORDLEVEL:
        return refuse(err, "a vocabulary of whole words (WordLevel)");
    case MODEL_BYTES:
        break;
    }
    return refuse(err, "a vocabulary of bytes (ByT5)");
}

bn_status tokenizer_to_gguf(const bn_tokenizer *tokenizer, size_t n_rows, struct gguf_writer *writer, bn_error *err) {
    struct vocabulary_writer v = {
        .tokenizer = tokenizer, .writer = writer, .n = max_size(tokenizer->vocabulary.size, n_rows)};
    arena_init(&v.arena);
    bn_status status = convert_check_ids(tokenizer, err);
    if (!status) status = check_added(tokenizer, err);
    if (!status) status = read_template(&v, err);
    if (!status) status = fill_tokens(&v, err);
    if (!status) status = write_model(&v, err);
    if (!status) status = set_roles(&v, err);
    if (!status) status = set_text(&v, "tokenizer.chat_template", tokenizer->chat_template, err);
    mem_free(v.tokens);
    mem_free(v.types);
    mem_free(v.scores);
    arena_release(&v.arena);
    return status;
}

const char *tokenizer_gguf_architecture(const bn_tokenizer *tokenizer) {
    return tokenizer->model == MODEL_WORDPIECE ? "bert" : tokenizer->model == MODEL_UNIGRAM ? "t5" : "llama";
}
