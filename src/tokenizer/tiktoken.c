/* Vocabularies of byte strings with ranks: tiktoken's files (a line is base64 and a rank) and Mistral's tekken.json. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "tokenizer/base64.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/pipeline.h"
#include "tokenizer/sentencepiece.h"

/* ---- what both have in common ---- */

/* Bytes in base64 → a token spelled in GPT-2's alphabet. */
static bn_status add_encoded(struct vocabulary *vocabulary, const char *text, size_t n, size_t id, bn_error *err) {
    uint8_t *bytes;
    size_t size, spelled = 0;
    if (!base64_decode(text, n, &bytes, &size)) return fail(err, BN_STATUS_BAD_FILE, "token %zu isn't base64", id);
    char *spelling = mem_alloc_array(size + 1, 4);
    bn_status status = spelling ? BN_OK : fail_no_memory(err, size * 4);
    for (size_t i = 0; i < size && !status; i++) spelled += byte_alphabet_put(bytes[i], spelling + spelled);
    if (!status) status = vocabulary_add(vocabulary, id, spelling, spelled, TOKEN_MODEL, err);
    mem_free(spelling);
    mem_free(bytes);
    return status;
}

static bn_status add_special(bn_tokenizer *tokenizer, const char *text, size_t id, bn_error *err) {
    return tokenizer_add_token(
        tokenizer, (struct added_token){.content = text, .size = strlen(text), .id = (int32_t)id, .special = true},
        err);
}

static bn_status finish_ranks(bn_tokenizer *tokenizer, const char *pattern, bn_error *err) {
    tokenizer->model = MODEL_BPE;
    tokenizer->keeps_invalid_bytes = true;
    tokenizer->bpe.ranking = BPE_RANKS;
    tokenizer->bpe.byte_level = true;
    tokenizer->bpe.ignore_merges = true;
    bn_status status = bpe_finish(&tokenizer->bpe, err);
    if (!status)
        status = pretokenizer_append_regex(&tokenizer->pretokenizer, pattern, strlen(pattern), REGEX_RUST,
                                           SPLIT_ISOLATED, false, err);
    if (!status && !decoder_append(&tokenizer->decoder, DECODE_BYTE_LEVEL)) status = fail_no_memory(err, 0);
    return status ? status : tokenizer_finish(tokenizer, err);
}

/* ---- tiktoken ---- */

#define CL100K                                                                                                         \
    "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}++|\\p{N}{1,3}+| "                                             \
    "?[^\\s\\p{L}\\p{N}]++[\\r\\n]*+|\\s++$|\\s*[\\r\\n]|\\s+(?!\\S)|\\s"
#define O200K                                                                                                          \
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'"  \
    "ll|'d)?|"                                                                                                         \
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'"  \
    "ll|'d)?|"                                                                                                         \
    "\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define LLAMA3                                                                                                         \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| "                                         \
    "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
enum { LLAMA3_SPECIAL = 256 };
#define R50K "'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

/* The published encodings, by their file's name: used where no encoding.json lies beside it. */
static const struct known_encoding {
    const char *name, *pattern;
    struct {
        const char *text;
        size_t id;
    } special[5];
} known[] = {
    {"cl100k_base",
     CL100K,
     {{"<|endoftext|>", 100257},
      {"<|fim_prefix|>", 100258},
      {"<|fim_middle|>", 100259},
      {"<|fim_suffix|>", 100260},
      {"<|endofprompt|>", 100276}}},
    {"o200k_base", O200K, {{"<|endoftext|>", 199999}, {"<|endofprompt|>", 200018}}},
    {"p50k_base", R50K, {{"<|endoftext|>", 50256}}},
    {"r50k_base", R50K, {{"<|endoftext|>", 50256}}},
};

static bn_status add_ranks(bn_tokenizer *tokenizer, const char *text, size_t size, bn_error *err) {
    const char *end = text + size;
    for (size_t line = 1; text < end; line++) {
        const char *newline = memchr(text, '\n', (size_t)(end - text)), *stop = newline ? newline : end;
        const char *space = memchr(text, ' ', (size_t)(stop - text));
        size_t rank = 0;
        if (stop > text && *text != '\r') {
            if (!space || space + 1 == stop)
                return fail(err, BN_STATUS_BAD_FILE, "line %zu isn't a token in base64 and its rank", line);
            for (const char *p = space + 1; p < stop && *p != '\r'; p++) {
                if (*p < '0' || *p > '9' || rank > INT32_MAX / 10)
                    return fail(err, BN_STATUS_BAD_FILE, "line %zu has no valid rank", line);
                rank = rank * 10 + (size_t)(*p - '0');
            }
            bn_status status = add_encoded(&tokenizer->vocabulary, text, (size_t)(space - text), rank, err);
            if (status) return status;
        }
        text = newline ? newline + 1 : end;
    }
    return BN_OK;
}

static bn_status read_encoding(bn_tokenizer *tokenizer, const json_t *encoding, bn_error *err) {
    const char *text, *pattern = json_string_value(json_object_get(encoding, "pat_str"));
    json_t *id;
    if (!pattern) return fail(err, BN_STATUS_BAD_FILE, "encoding.json has no 'pat_str'");
    json_object_foreach(json_object_get(encoding, "special_tokens"), text, id) {
        if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) > INT32_MAX)
            return fail(err, BN_STATUS_BAD_FILE, "encoding.json: the id of '%.60s' must be an integer from 0 to %d",
                        text, INT32_MAX);
        bn_status status = add_special(tokenizer, text, (size_t)json_integer_value(id), err);
        if (status) return status;
    }
    return finish_ranks(tokenizer, pattern, err);
}

/* The tokenizer.model of Llama 3 is such a file too, with 256 special tokens behind the ranks. */
static bn_status use_llama3(bn_tokenizer *tokenizer, bn_error *err) {
    static const char *const named[] = {[0] = "<|begin_of_text|>",
                                        [1] = "<|end_of_text|>",
                                        [6] = "<|start_header_id|>",
                                        [7] = "<|end_header_id|>",
                                        [9] = "<|eot_id|>"};
    size_t first = tokenizer->vocabulary.size, reserved = 0;
    for (size_t i = 0; i < LLAMA3_SPECIAL; i++) {
        char text[40];
        if (i < sizeof named / sizeof *named && named[i])
            snprintf(text, sizeof text, "%s", named[i]);
        else
            snprintf(text, sizeof text, "<|reserved_special_token_%zu|>", reserved++);
        bn_status status = add_special(tokenizer, text, first + i, err);
        if (status) return status;
    }
    tokenizer->bos = (int32_t)first;
    tokenizer->eos = (int32_t)first + 1;
    bn_status status = template_around(&tokenizer->postprocessor, tokenizer->bos, -1, 1, err);
    return status ? status : finish_ranks(tokenizer, LLAMA3, err);
}

static bn_status use_known(bn_tokenizer *tokenizer, const char *name, bn_error *err) {
    const char *slash = strrchr(name, '/'), *file = slash ? slash + 1 : name;
    if (strcmp(file, "tokenizer.model") == 0) return use_llama3(tokenizer, err);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strncmp(file, known[i].name, strlen(known[i].name)) != 0) continue;
        for (size_t k = 0; k < 5 && known[i].special[k].text; k++) {
            bn_status status = add_special(tokenizer, known[i].special[k].text, known[i].special[k].id, err);
            if (status) return status;
        }
        return finish_ranks(tokenizer, known[i].pattern, err);
    }
    return fail(
        err, BN_STATUS_UNSUPPORTED,
        "the file doesn't say how text is split: put an encoding.json with 'pat_str' and 'special_tokens' beside it");
}

bn_status tokenizer_from_tiktoken(const char *text, size_t size, const json_t *encoding, const char *name,
                                  bn_tokenizer **out, bn_error *err) {
    bn_tokenizer *tokenizer;
    bn_status status = tokenizer_create(size / 12, &tokenizer, err);
    if (status) return status;
    status = add_ranks(tokenizer, text, size, err);
    if (!status) status = encoding ? read_encoding(tokenizer, encoding, err) : use_known(tokenizer, name, err);
    if (status) {
        error_prefix(err, "%s", name);
        bn_tokenizer_close(tokenizer);
    } else {
        *out = tokenizer;
    }
    return status;
}

/* ---- tekken.json: special tokens come first, then the ranks ---- */

struct tekken {
    const char *pattern;
    size_t n_special, vocab_size;
};

static bn_status add_tekken_special(bn_tokenizer *tokenizer, const json_t *root, const struct tekken *tekken,
                                    bn_error *err) {
    const json_t *list = json_object_get(root, "special_tokens");
    size_t i;
    json_t *entry;
    json_array_foreach(list, i, entry) {
        size_t rank = i;
        const char *text = json_string_value(json_object_get(entry, "token_str"));
        bn_status status = json_get_size(entry, "rank", 0, tekken->n_special - 1, &rank, err);
        if (!status && !text) status = fail(err, BN_STATUS_BAD_FILE, "special token %zu has no 'token_str'", i);
        if (!status) status = add_special(tokenizer, text, rank, err);
        if (status) return status;
    }
    for (size_t id = 0; id < tekken->n_special; id++) { /* places that are kept free have names too */
        char name[32];
        if (vocabulary_token(&tokenizer->vocabulary, id).text) continue;
        snprintf(name, sizeof name, "<SPECIAL_%zu>", id);
        bn_status status = add_special(tokenizer, name, id, err);
        if (status) return status;
    }
    return BN_OK;
}

static bn_status add_tekken_ranks(bn_tokenizer *tokenizer, const json_t *vocab, const struct tekken *tekken,
                                  bn_error *err) {
    size_t i, n = tekken->vocab_size - tekken->n_special;
    json_t *entry;
    json_array_foreach(vocab, i, entry) {
        size_t rank = i;
        const json_t *bytes = json_object_get(entry, "token_bytes");
        bn_status status = json_get_size(entry, "rank", 0, INT32_MAX / 2, &rank, err);
        if (!status && !json_is_string(bytes))
            status = fail(err, BN_STATUS_BAD_FILE, "'vocab[%zu]' has no 'token_bytes'", i);
        if (!status && rank < n)
            status = add_encoded(&tokenizer->vocabulary, json_string_value(bytes), json_string_length(bytes),
                                 rank + tekken->n_special, err);
        if (status) return status;
    }
    return BN_OK;
}

static bn_status read_tekken(bn_tokenizer *tokenizer, const json_t *root, bn_error *err) {
    const json_t *config = json_object_get(root, "config"), *vocab = json_object_get(root, "vocab");
    struct tekken tekken = {.n_special = 1000, .vocab_size = json_array_size(vocab) + 1000};
    bn_status status = json_get_text(config, "pattern", &tekken.pattern, err);
    if (!status) status = json_get_size(config, "default_num_special_tokens", 0, 1 << 20, &tekken.n_special, err);
    if (!status)
        status = json_get_size(config, "default_vocab_size", tekken.n_special, INT32_MAX, &tekken.vocab_size, err);
    if (!status && !tekken.pattern)
        status = fail(err, BN_STATUS_BAD_FILE, "'config.pattern' is missing: this isn't a tekken.json");
    if (!status) status = add_tekken_special(tokenizer, root, &tekken, err);
    if (!status) status = add_tekken_ranks(tokenizer, vocab, &tekken, err);
    if (status) return status;
    tokenizer->text_is_plain = true;
    tokenizer->bos = bn_tokenizer_find(tokenizer, "<s>");
    tokenizer->eos = bn_tokenizer_find(tokenizer, "</s>");
    status = template_around(&tokenizer->postprocessor, tokenizer->bos, -1, 1, err);
    return status ? status : finish_ranks(tokenizer, tekken.pattern, err);
}

bn_status tokenizer_from_tekken(const json_t *root, const char *name, bn_tokenizer **out, bn_error *err) {
    bn_tokenizer *tokenizer;
    bn_status status = tokenizer_create(json_array_size(json_object_get(root, "vocab")), &tokenizer, err);
    if (status) return status;
    status = read_tekken(tokenizer, root, err);
    if (status) {
        error_prefix(err, "%s", name);
        bn_tokenizer_close(tokenizer);
    } else {
        *out = tokenizer;
    }
    return status;
}
