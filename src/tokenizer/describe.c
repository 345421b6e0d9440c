/* A tokenizer described; its steps are described in convert_steps.c and convert_output.c. */
#include "tokenizer/describe.h"

#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/gguf_pre.h"

/* ---- roles ---- */

static int32_t unknown_of(const bn_tokenizer *tokenizer) {
    switch (tokenizer->model) {
    case MODEL_BPE:
        return tokenizer->bpe.unknown_id;
    case MODEL_UNIGRAM:
        return tokenizer->unigram.unknown_id;
    case MODEL_WORDPIECE:
    case MODEL_WORDLEVEL:
        return tokenizer->wordpiece.unknown_id;
    case MODEL_BYTES:
        break;
    }
    return -1;
}

struct token_roles tokenizer_roles(const bn_tokenizer *tokenizer) {
    static const char *const pads[] = {"<pad>", "[PAD]", "<|pad|>", "<PAD>", "<|finetune_right_pad_id|>"};
    struct token_roles roles = {tokenizer->bos, tokenizer->eos, unknown_of(tokenizer), tokenizer->pad};
    if (roles.pad < 0 && tokenizer->padding.enabled) roles.pad = tokenizer->padding.id;
    for (size_t i = 0; i < sizeof pads / sizeof *pads && roles.pad < 0; i++) {
        int32_t id = bn_tokenizer_find(tokenizer, pads[i]);
        if (id >= 0 && bn_tokenizer_is_special(tokenizer, id)) roles.pad = id;
    }
    return roles;
}

/* ---- one token ---- */

static const struct {
    uint32_t flag;
    const char *name;
} flag_names[] = {
    {TOKEN_SPECIAL, "special"}, {TOKEN_ADDED, "added"},     {TOKEN_END, "end"},       {TOKEN_CONTROL, "control"},
    {TOKEN_USER, "user"},       {TOKEN_UNKNOWN, "unknown"}, {TOKEN_UNUSED, "unused"}, {TOKEN_BYTE, "byte"},
};

static const struct added_token *added_of(const bn_tokenizer *tokenizer, int32_t id) {
    for (size_t i = 0; i < tokenizer->added.n; i++)
        if (tokenizer->added.items[i].id == id) return &tokenizer->added.items[i];
    return NULL;
}

static json_t *flags_json(const bn_tokenizer *tokenizer, int32_t id, uint32_t flags) {
    json_t *names = json_array();
    for (size_t i = 0; i < sizeof flag_names / sizeof *flag_names; i++)
        if (flags & flag_names[i].flag) json_array_append_new(names, json_string(flag_names[i].name));
    const struct added_token *added = flags & TOKEN_ADDED ? added_of(tokenizer, id) : NULL;
    if (!added) return names;
    if (added->normalized) json_array_append_new(names, json_string("normalized"));
    if (added->single_word) json_array_append_new(names, json_string("single-word"));
    if (added->left_strip) json_array_append_new(names, json_string("lstrip"));
    if (added->right_strip) json_array_append_new(names, json_string("rstrip"));
    return names;
}

static bool is_byte_level(const bn_tokenizer *tokenizer) {
    return tokenizer->model == MODEL_BPE && tokenizer->bpe.byte_level;
}

/* The bytes that a token stands for: of the alphabet, of <0xXX>, else its spelling. */
static json_t *bytes_json(const bn_tokenizer *tokenizer, struct vocabulary_token token) {
    struct buffer hex;
    buffer_init(&hex);
    char *decoded = mem_alloc((size_t)token.size + 1);
    size_t size = token.size;
    int byte = token.flags & TOKEN_ADDED ? -1 : byte_token_value(token.text, token.size);
    bool alphabet = decoded && is_byte_level(tokenizer) && !(token.flags & TOKEN_ADDED) &&
                    byte_alphabet_decode(token.text, token.size, decoded, &size);
    const char *bytes = alphabet ? decoded : token.text;
    if (!alphabet) size = token.size;
    if (byte >= 0 && !alphabet)
        buffer_printf(&hex, "%02x", (unsigned)byte);
    else
        for (size_t i = 0; i < size; i++) buffer_printf(&hex, "%02x", (unsigned char)bytes[i]);
    json_t *text = hex.failed || !decoded ? NULL : json_string(hex.data ? hex.data : "");
    mem_free(decoded);
    buffer_release(&hex);
    return text;
}

static bool score_of(const bn_tokenizer *tokenizer, int32_t id, double *score) {
    bool in_model = (vocabulary_token(&tokenizer->vocabulary, (size_t)id).flags & TOKEN_MODEL) != 0;
    if (in_model && tokenizer->model == MODEL_UNIGRAM)
        *score = tokenizer->unigram.scores[id];
    else if (in_model && tokenizer->model == MODEL_BPE && tokenizer->bpe.ranking == BPE_SCORES)
        *score = tokenizer->bpe.scores[id];
    else
        return false;
    return true;
}

static json_t *text_json(const char *text, size_t size) {
    struct buffer quoted; /* bytes that aren't UTF-8 come out as U+FFFD */
    buffer_init(&quoted);
    buffer_append_json_string(&quoted, text, size);
    json_t *value = quoted.failed ? NULL : json_loadb(quoted.data, quoted.size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    buffer_release(&quoted);
    return value;
}

json_t *tokenizer_describe_token(const bn_tokenizer *tokenizer, int32_t id) {
    const struct vocabulary_token token = vocabulary_token(&tokenizer->vocabulary, (size_t)id);
    double score;
    if (!token.text) return json_pack("{s:i, s:n, s:s, s:[]}", "id", id, "token", "bytes", "", "flags");
    json_t *object = json_pack("{s:i, s:o, s:o, s:o}", "id", id, "token", text_json(token.text, token.size), "bytes",
                               bytes_json(tokenizer, token), "flags", flags_json(tokenizer, id, token.flags));
    if (object && score_of(tokenizer, id, &score)) json_object_set_new(object, "score", json_real(score));
    return object;
}

/* ---- all of it ---- */

static const char *kind_name(const bn_tokenizer *tokenizer) {
    static const char *const rankings[] = {"BPE", "BPE by rank", "BPE by score"};
    static const char *const names[] = {[MODEL_UNIGRAM] = "Unigram",
                                        [MODEL_WORDPIECE] = "WordPiece",
                                        [MODEL_WORDLEVEL] = "WordLevel",
                                        [MODEL_BYTES] = "bytes"};
    return tokenizer->model == MODEL_BPE ? rankings[tokenizer->bpe.ranking] : names[tokenizer->model];
}

static bool falls_back(const bn_tokenizer *tokenizer) {
    if (tokenizer->model == MODEL_BPE) return tokenizer->bpe.byte_fallback;
    return tokenizer->model == MODEL_UNIGRAM && tokenizer->unigram.byte_fallback;
}

/* How many of the 256 bytes a token of their own stands for. */
static size_t bytes_covered(const bn_tokenizer *tokenizer) {
    const int32_t *ids = is_byte_level(tokenizer)            ? tokenizer->bpe.byte_ids
                         : !falls_back(tokenizer)            ? NULL
                         : tokenizer->model == MODEL_UNIGRAM ? tokenizer->unigram.byte_ids
                                                             : tokenizer->bpe.byte_fallback_ids;
    size_t n = 0;
    if (tokenizer->model == MODEL_BYTES) return 256;
    for (size_t byte = 0; ids && byte < 256; byte++) n += ids[byte] >= 0;
    return n;
}

static int32_t longest_token(const bn_tokenizer *tokenizer) {
    const struct vocabulary *vocabulary = &tokenizer->vocabulary;
    int32_t longest = 0;
    uint32_t most = 0;
    for (size_t id = 0; id < vocabulary->size; id++) {
        const struct vocabulary_token token = vocabulary_token(vocabulary, id);
        if (!token.text || token.size <= most || token.flags & TOKEN_ADDED) continue;
        most = token.size;
        longest = (int32_t)id;
    }
    return longest;
}

static json_t *tokens_with(const bn_tokenizer *tokenizer, uint32_t flags) {
    json_t *list = json_array();
    bool ok = list != NULL;
    for (size_t id = 0; id < tokenizer->vocabulary.size && ok; id++)
        if (vocabulary_token(&tokenizer->vocabulary, id).flags & flags)
            ok = json_array_append_new(list, tokenizer_describe_token(tokenizer, (int32_t)id)) == 0;
    if (ok) return list;
    json_decref(list);
    return NULL;
}

static bn_status put(json_t *object, const char *key, json_t *value, bn_error *err) {
    return json_object_set_new(object, key, value) ? fail_no_memory(err, 0) : BN_OK;
}

static bn_status put_steps(const bn_tokenizer *tokenizer, json_t *object, bn_error *err) {
    static const struct {
        const char *key;
        bn_status (*describe)(const bn_tokenizer *tokenizer, json_t **steps, bn_error *err);
    } parts[] = {{"normalizer", tokenizer_describe_normalizer},
                 {"pre_tokenizer", tokenizer_describe_pretokenizer},
                 {"post_processor", tokenizer_describe_postprocessor},
                 {"decoder", tokenizer_describe_decoder}};
    bn_status status = BN_OK;
    for (size_t i = 0; i < sizeof parts / sizeof *parts && !status; i++) {
        json_t *steps;
        status = parts[i].describe(tokenizer, &steps, err);
        if (!status) status = put(object, parts[i].key, steps, err);
    }
    return status;
}

static bn_status put_pre_name(const bn_tokenizer *tokenizer, json_t *object, bn_error *err) {
    const struct gguf_pre *pre = NULL;
    bn_status status = is_byte_level(tokenizer) ? gguf_pre_of(tokenizer, &pre, err) : BN_OK;
    return status ? status : put(object, "pre_tokenizer_name", pre ? json_string(pre->name) : json_null(), err);
}

static bn_status put_roles(const bn_tokenizer *tokenizer, json_t *object, bn_error *err) {
    const struct token_roles roles = tokenizer_roles(tokenizer);
    const struct {
        const char *key;
        int32_t id;
    } members[] = {{"bos", roles.bos}, {"eos", roles.eos}, {"unknown", roles.unknown}, {"pad", roles.pad}};
    bn_status status = BN_OK;
    for (size_t i = 0; i < sizeof members / sizeof *members && !status; i++) {
        int32_t id = members[i].id;
        status = put(object, members[i].key, id < 0 ? json_null() : tokenizer_describe_token(tokenizer, id), err);
    }
    return status;
}

bn_status tokenizer_describe(const bn_tokenizer *tokenizer, json_t **out, bn_error *err) {
    size_t n_merges =
        tokenizer->model == MODEL_BPE && tokenizer->bpe.ranking == BPE_MERGES ? tokenizer->bpe.merges.count : 0;
    json_t *object = json_pack("{s:s, s:b, s:b, s:I, s:I, s:I, s:o}", "kind", kind_name(tokenizer), "byte_level",
                               is_byte_level(tokenizer), "byte_fallback", falls_back(tokenizer), "bytes_covered",
                               (json_int_t)bytes_covered(tokenizer), "vocab_size",
                               (json_int_t)tokenizer->vocabulary.size, "n_merges", (json_int_t)n_merges,
                               "longest_token", tokenizer_describe_token(tokenizer, longest_token(tokenizer)));
    bn_status status = object ? put_steps(tokenizer, object, err) : fail_no_memory(err, 0);
    if (!status) status = put_pre_name(tokenizer, object, err);
    if (!status) status = put_roles(tokenizer, object, err);
    if (!status) status = put(object, "special_tokens", tokens_with(tokenizer, TOKEN_SPECIAL | TOKEN_CONTROL), err);
    if (!status) status = put(object, "added_tokens", tokens_with(tokenizer, TOKEN_ADDED | TOKEN_USER), err);
    if (!status) status = put(object, "parses_special", json_boolean(!tokenizer->text_is_plain), err);
    if (!status) status = put(object, "chat_template", json_boolean(tokenizer->chat_template != NULL), err);
    if (status)
        json_decref(object);
    else
        *out = object;
    return status;
}
