/* The table of pre-tokenizers, and how to recognize one when the file doesn't name it: special tokens that only one
 * family has, then how many digits its tokens join. */
#include "tokenizer/gguf_pre.h"

#include <string.h>

#define GPT2         "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define SPACE_TAIL   "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define LLAMA3       CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" SPACE_TAIL
#define QWEN2        CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" SPACE_TAIL
#define UPPER        "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER        "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define O200K                                                                                                          \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" CONTRACTIONS "?|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER               \
    "*" CONTRACTIONS "?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|" SPACE_TAIL
#define TEKKEN                                                                                                         \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER                                \
    "*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|" SPACE_TAIL
#define DEEPSEEK_WORDS                                                                                                 \
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| "              \
    "?[\\p{P}\\p{S}]+[\\r\\n]*|" SPACE_TAIL
#define BLOOM      " ?[^(\\s|.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c)]+"
#define CJK_KANA   "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"
#define CJK_HANGUL "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"

static const struct gguf_pre kinds[] = {
    {.name = "gpt-2", .patterns = {GPT2}},
    {.name = "llama-bpe", .patterns = {LLAMA3}, .ignore_merges = true, .add_bos = true},
    {.name = "qwen2", .patterns = {QWEN2}, .nfc = true},
    {.name = "gpt-4o", .patterns = {O200K}},
    {.name = "deepseek-v3", .patterns = {"\\p{N}{1,3}", CJK_KANA, DEEPSEEK_WORDS}},
    {.name = "deepseek-coder", .patterns = {"[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", CJK_HANGUL, "\\p{N}"}},
    {.name = "starcoder", .patterns = {"\\p{N}", GPT2}},
    {.name = "falcon", .patterns = {"[\\p{P}\\$\\+<=>\\^~\\|`]+", GPT2, "[0-9][0-9][0-9]"}},
    {.name = "dbrx", .patterns = {LLAMA3}},
    {.name = "tekken", .patterns = {TEKKEN}, .ignore_merges = true, .add_bos = true},
    {.name = "bloom", .patterns = {BLOOM}},
    {.name = "viking", .patterns = {BLOOM, "\\p{N}"}},
    {.name = "superbpe", .patterns = {"\\p{N}+", "(?=(\\d{3})+(?!\\d))"}},
};

/* Other names under which the same rules go. */
static const char *const aliases[][2] = {
    {"gpt2", "gpt-2"},
    {"phi-2", "gpt-2"},
    {"mpt", "gpt-2"},
    {"olmo", "gpt-2"},
    {"jina-es", "gpt-2"},
    {"jina-de", "gpt-2"},
    {"jina-v1-en", "gpt-2"},
    {"jina-v2-es", "gpt-2"},
    {"jina-v2-de", "gpt-2"},
    {"jina-v2-code", "gpt-2"},
    {"roberta-bpe", "gpt-2"},
    {"gigachat", "gpt-2"},
    {"trillion", "gpt-2"},
    {"exaone4", "gpt-2"},
    {"llama3", "llama-bpe"},
    {"llama-v3", "llama-bpe"},
    {"falcon3", "llama-bpe"},
    {"falcon-h1", "llama-bpe"},
    {"pixtral", "llama-bpe"},
    {"midm-2.0", "llama-bpe"},
    {"lfm2", "llama-bpe"},
    {"stablelm2", "qwen2"},
    {"deepseek-r1-qwen", "qwen2"},
    {"hunyuan", "qwen2"},
    {"megrez", "qwen2"},
    {"llama4", "gpt-4o"},
    {"deepseek-r1", "deepseek-v3"},
    {"deepseek3", "deepseek-v3"},
    {"hunyuan-dense", "deepseek-v3"},
    {"smaug-bpe", "dbrx"},
    {"chatglm-bpe", "dbrx"},
    {"glm4", "dbrx"},
    {"refact", "starcoder"},
    {"command-r", "starcoder"},
    {"smollm", "starcoder"},
    {"codeshell", "starcoder"},
    {"exaone", "starcoder"},
    {"minerva-7b", "starcoder"},
    {"poro-chat", "bloom"},
    {"gpt3-finnish", "bloom"},
};

const struct gguf_pre *gguf_pre_find(const char *name, size_t size) {
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (strlen(aliases[i][0]) == size && memcmp(aliases[i][0], name, size) == 0) {
            name = aliases[i][1];
            size = strlen(name);
            break;
        }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strlen(kinds[i].name) == size && memcmp(kinds[i].name, name, size) == 0) return &kinds[i];
    return NULL;
}

static bool has(const struct vocabulary *vocabulary, const char *token) {
    return vocabulary_find(vocabulary, token, strlen(token)) >= 0;
}

/* Longest run of digits that is a token, up to 4. */
static size_t most_digits(const struct vocabulary *vocabulary) {
    size_t most = 0;
    for (size_t id = 0; id < vocabulary->size && most < 4; id++) {
        const struct vocabulary_token token = vocabulary_token(vocabulary, id);
        size_t n = 0;
        while (n < token.size && token.text[n] >= '0' && token.text[n] <= '9') n++;
        if (n == token.size && n > most) most = n;
    }
    return most;
}

const struct gguf_pre *gguf_pre_detect(const struct vocabulary *vocabulary) {
    static const char *const signs[][2] = {
        {"<|begin_of_text|>", "llama-bpe"},
        {"<|eot_id|>", "llama-bpe"},
        {"<|im_start|>", "qwen2"},
        {"<|endofprompt|>", "gpt-4o"},
        {"<\uff5cbegin\u2581of\u2581sentence\uff5c>", "deepseek-v3"},
        {"[INST]", "tekken"},
        {"<fim_prefix>", "starcoder"},
    };
    size_t digits = most_digits(vocabulary);
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        if (!has(vocabulary, signs[i][0])) continue;
        if (strcmp(signs[i][1], "qwen2") == 0 && digits > 1) continue; /* others took the same markers over */
        return gguf_pre_find(signs[i][1], strlen(signs[i][1]));
    }
    const char *name = digits == 3 ? "dbrx" : digits == 1 ? "qwen2" : "gpt-2";
    return gguf_pre_find(name, strlen(name));
}

bn_status gguf_pre_apply(const struct gguf_pre *pre, bn_tokenizer *tokenizer, bn_error *err) {
    if (pre->nfc) {
        struct normalizer_step *step = normalizer_append(&tokenizer->normalizer, NORMALIZE_FORM);
        if (!step) return fail_no_memory(err, sizeof *step);
        step->compose = true;
    }
    for (size_t i = 0; i < sizeof pre->patterns / sizeof *pre->patterns && pre->patterns[i]; i++) {
        const char *pattern = pre->patterns[i];
        bn_status status =
            pretokenizer_append_regex(&tokenizer->pretokenizer, pattern, strlen(pattern), SPLIT_ISOLATED, false, err);
        if (status) return status;
    }
    return BN_OK;
}
