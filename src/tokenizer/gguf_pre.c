/* The table of pre-tokenizers, and how to recognize one when the file doesn't name it: special tokens that only one
 * family has, then how many digits its tokens join. */
#include "tokenizer/gguf_pre.h"

#include <string.h>

#define GPT2         "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define LINES        "\\s*[\\r\\n]+"
#define SPACE_TAIL   LINES "|\\s+(?!\\S)|\\s+"
#define WORD         "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
#define SIGNS        " ?[^\\s\\p{L}\\p{N}]+"
/* The pattern of GPT-4's family with its own way of taking digits. */
#define GPT4(digits) CONTRACTIONS "|" WORD "|" digits "|" SIGNS "[\\r\\n]*|" SPACE_TAIL
#define LLAMA3       GPT4("\\p{N}{1,3}")
#define QWEN2        GPT4("\\p{N}")
#define QWEN35                                                                                                         \
    CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|" SPACE_TAIL
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define CASED(upper, lower, after)                                                                                     \
    "[^\\r\\n\\p{L}\\p{N}]?" upper "*" lower "+" after "|[^\\r\\n\\p{L}\\p{N}]?" upper "+" lower "*" after
#define O200K  CASED(UPPER, LOWER, CONTRACTIONS "?") "|\\p{N}{1,3}|" SIGNS "[\\r\\n/]*|" SPACE_TAIL
#define TEKKEN CASED(UPPER, LOWER, "") "|\\p{N}|" SIGNS "[\\r\\n/]*|" SPACE_TAIL
#define KIMI                                                                                                           \
    "[\\p{Han}]+|" CASED("[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]",                                          \
                         "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]", CONTRACTIONS "?") "|\\p{N}{1,3}|" SIGNS         \
                                                                                         "[\\r\\n]*|" SPACE_TAIL
#define ASCII_WORD "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
#define DEEPSEEK   ASCII_WORD "| ?[\\p{P}\\p{S}]+[\\r\\n]*|" SPACE_TAIL
#define BLOOM      " ?[^(\\s|.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c)]+"
#define CJK_KANA   "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"
#define CJK_HANGUL "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"
/* Latin, Greek, Cyrillic and their like, as DeepSeek's first pattern lists them. */
#define CASED_LETTERS                                                                                                  \
    "A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373"          \
    "\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f"     \
    "\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77"         \
    "\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d"                 \
    "\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb"                \
    "\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128"            \
    "\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4"           \
    "\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf"          \
    "\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a\U00010400-\U0001044f\U000104b0-\U000104d3"                   \
    "\U000104d8-\U000104fb\U00010c80-\U00010cb2\U00010cc0-\U00010cf2\U000118a0-\U000118df\U0001e900-\U0001e943"
#define ASIAN                                                                                                          \
    "[\u4e00-\u9fff\u3400-\u4dbf\uf900-\ufaff\u3040-\u309f\u30a0-\u30ff\uff65-\uff9f\u2f00-\u2fdf\u0e40-\u0e7f"        \
    "\u0e80-\u0eff\u1780-\u17ff\u1000-\u109f\uaa60-\uaa7f\ua9e0-\ua9ff\uac00-\ud7af\u1100-\u11ff]+"
#define YOUTU                                                                                                          \
    "[\uac00-\ud7a3\u3131-\u318e]+|[\uff01\u2026\u201c\u201d\u2018\u2019\u2014\uff1a\uff1b\uff0c\u3001-\u303f"         \
    "\ufe30-\ufe4f]+|[\u3105-\u312f]+|" CJK_KANA
#define JAIS2                                                                                                          \
    CONTRACTIONS "|" WORD "|\\p{N}{1,3}|" SIGNS "[\\r\\n]*|" LINES "|\\s{512}(?!\\S)|\\s{256}(?!\\S)|"                 \
                 "\\s{128}(?!\\S)|\\s{64}(?!\\S)|\\s{32}(?!\\S)|\\s{16}(?!\\S)|\\s{8}(?!\\S)|\\s{4}(?!\\S)|"           \
                 "\\s{1,2}(?!\\S)|\\s"
#define BAILING                                                                                                        \
    "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|"        \
    "\\s+(?!\\S)|\\s+"
#define EXAONE_MOE                                                                                                     \
    CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|\\p{N}|" SIGNS "[\\r\\n/]?|"            \
                 "\\s*[\\r\\n]|\\s+(?!\\S)|\\s+"
#define SEED_CODER CONTRACTIONS "|" WORD "|\\p{N}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|" SPACE_TAIL

#define NEWLINES "[^\\n]+|[\\n]+"

static const struct gguf_pre kinds[] = {
    {.name = "gpt-2", .patterns = {GPT2}},
    {.name = "mpt", .patterns = {GPT2}, .nfc = true},
    {.name = "llama-bpe", .patterns = {LLAMA3}, .ignore_merges = true, .add_bos = true},
    {.name = "minicpm5", .patterns = {"\\p{N}{1,3}", GPT4("\\p{N}+")}, .ignore_merges = true},
    {.name = "jais-2", .patterns = {JAIS2}},
    {.name = "qwen2", .patterns = {QWEN2}, .nfc = true},
    {.name = "qwen35", .patterns = {QWEN35}, .nfc = true},
    {.name = "ufakzeka", .patterns = {WORD "|\\p{N}|" SIGNS "[\\r\\n]*|" SPACE_TAIL}},
    {.name = "laguna", .patterns = {"[^\\n]+|[\\n]+", QWEN2}},
    {.name = "gpt-4o", .patterns = {O200K}},
    {.name = "granite-embed-multi-97m", .patterns = {O200K}, .ignore_merges = true},
    {.name = "tiny_aya", .patterns = {"\\d{1,3}(?=(?:\\d{3})*\\b)", O200K}, .nfc = true},
    {.name = "kimi-k2", .patterns = {KIMI}, .ignore_merges = true},
    {.name = "tekken", .patterns = {TEKKEN}, .ignore_merges = true, .add_bos = true},
    {.name = "youtu",
     .patterns = {YOUTU, CASED(UPPER, LOWER, CONTRACTIONS "?") "|\\p{N}|" SIGNS "[\\r\\n/]*|" SPACE_TAIL},
     .ignore_merges = true},
    {.name = "deepseek-v3", .patterns = {"\\p{N}{1,3}", CJK_KANA, DEEPSEEK}},
    {.name = "spark2_5",
     .patterns = {"\\p{N}{1,3}", CJK_KANA, ASCII_WORD "| ?[\\p{P}\\p{S}]+|[\\r\\n]|\\s+(?!\\S)|\\s+", "\\p{N}"}},
    {.name = "afmoe", .patterns = {"\\p{N}{1,3}(?=(?:\\p{N}{3})*(?!\\p{N}))", ASIAN, DEEPSEEK}},
    {.name = "deepseek-coder", .patterns = {"[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", CJK_HANGUL, "\\p{N}"}},
    {.name = "deepseek-llm",
     .patterns = {"[\\r\\n]", "\\s?[" CASED_LETTERS "]+",
                  "\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+", "\\s+$", CJK_HANGUL, "\\p{N}"}},
    {.name = "starcoder", .patterns = {"\\p{N}", GPT2}},
    {.name = "command-r", .patterns = {"\\p{N}", GPT2}, .nfc = true},
    {.name = "falcon", .patterns = {"[\\p{P}\\$\\+<=>\\^~\\|`]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]"}},
    {.name = "chameleon",
     .patterns = {"<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", "([\\t\\n]|    |  )", "\\p{N}",
                  "[\\p{P}!-/:-@\\[-`{-~]", GPT2},
     .add_bos = true},
    {.name = "dbrx", .patterns = {LLAMA3}},
    {.name = "seed-coder", .patterns = {SEED_CODER}},
    {.name = "bailingmoe", .patterns = {BAILING}, .nfc = true},
    {.name = "exaone-moe", .patterns = {EXAONE_MOE}},
    {.name = "bloom", .patterns = {BLOOM}},
    {.name = "viking", .patterns = {BLOOM, "\\p{N}"}},
    {.name = "superbpe", .patterns = {"\\p{N}+", "(?=(\\d{3})+(?!\\d))"}},
    {.name = "gemma4", .patterns = {NEWLINES}, .spelling = GGUF_PRE_ESCAPED, .add_bos = true},
    {.name = "sarvam-moe", .patterns = {NEWLINES}, .spelling = GGUF_PRE_ESCAPED},
    {.name = "whitespace", .patterns = {"\\S+"}, .spelling = GGUF_PRE_PLAIN},
};

/* Other names under which the same rules go. */
static const char *const aliases[][2] = {
    {"gpt2", "gpt-2"},
    {"phi-2", "gpt-2"},
    {"jina-es", "gpt-2"},
    {"jina-de", "gpt-2"},
    {"jina-v1-en", "gpt-2"},
    {"jina-v2-es", "gpt-2"},
    {"jina-v2-de", "gpt-2"},
    {"jina-v2-code", "gpt-2"},
    {"roberta-bpe", "gpt-2"},
    {"gigachat", "gpt-2"},
    {"a.x-4.0", "gpt-2"},
    {"mellum", "gpt-2"},
    {"jais", "gpt-2"},
    {"trillion", "gpt-2"},
    {"granite-docling", "gpt-2"},
    {"exaone4", "gpt-2"},
    {"olmo", "mpt"},
    {"modern-bert", "mpt"},
    {"llama3", "llama-bpe"},
    {"llama-v3", "llama-bpe"},
    {"falcon3", "llama-bpe"},
    {"falcon-h1", "llama-bpe"},
    {"pixtral", "llama-bpe"},
    {"midm-2.0", "llama-bpe"},
    {"lfm2", "llama-bpe"},
    {"jina-v5-nano", "llama-bpe"},
    {"stablelm2", "qwen2"},
    {"deepseek-r1-qwen", "qwen2"},
    {"hunyuan", "qwen2"},
    {"megrez", "qwen2"},
    {"kormo", "qwen2"},
    {"f2llmv2", "qwen2"},
    {"grok-2", "qwen2"},
    {"solar-open", "qwen2"},
    {"llama4", "gpt-4o"},
    {"kanana2", "gpt-4o"},
    {"talkie", "gpt-4o"},
    {"minimax-m2", "gpt-4o"},
    {"cohere2moe", "tiny_aya"},
    {"deepseek-r1", "deepseek-v3"},
    {"deepseek3", "deepseek-v3"},
    {"hunyuan-dense", "deepseek-v3"},
    {"hy_v4", "deepseek-v3"},
    {"joyai-llm", "deepseek-v3"},
    {"smaug-bpe", "dbrx"},
    {"chatglm-bpe", "dbrx"},
    {"glm4", "dbrx"},
    {"refact", "starcoder"},
    {"smollm", "starcoder"},
    {"codeshell", "starcoder"},
    {"exaone", "starcoder"},
    {"minerva-7b", "starcoder"},
    {"mellum2", "starcoder"},
    {"bailingmoe2", "bailingmoe"},
    {"llada-moe", "bailingmoe"},
    {"poro-chat", "bloom"},
    {"gpt3-finnish", "bloom"},
    {"granite-embed-multi-311m", "gemma4"},
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

/* Spaces are spelled U+2581, and bytes without a token of their own <0xXX>. */
static bn_status append_escapes(bn_tokenizer *tokenizer, bn_error *err) {
    struct normalizer_step *escape = normalizer_append(&tokenizer->normalizer, NORMALIZE_REPLACE);
    struct decoder_step *unescape = decoder_append(&tokenizer->decoder, DECODE_REPLACE);
    if (!escape || !unescape) return fail_no_memory(err, sizeof *escape);
    escape->pattern = unescape->content = " ";
    escape->pattern_size = unescape->content_size = 1;
    escape->content = unescape->pattern = "\xe2\x96\x81";
    escape->content_size = unescape->pattern_size = 3;
    return BN_OK;
}

static bn_status apply_spelling(const struct gguf_pre *pre, bn_tokenizer *tokenizer, bn_error *err) {
    struct bpe *bpe = &tokenizer->bpe;
    bn_status status = BN_OK;
    bpe->byte_level = pre->spelling == GGUF_PRE_ALPHABET;
    bpe->byte_fallback = !bpe->byte_level;
    tokenizer->keeps_invalid_bytes = bpe->byte_level;
    if (pre->spelling == GGUF_PRE_ESCAPED) status = append_escapes(tokenizer, err);
    if (!status && !decoder_append(&tokenizer->decoder, bpe->byte_level ? DECODE_BYTE_LEVEL : DECODE_BYTE_FALLBACK))
        status = fail_no_memory(err, 0);
    return status;
}

bn_status gguf_pre_apply(const struct gguf_pre *pre, bn_tokenizer *tokenizer, bn_error *err) {
    bn_status spelled = apply_spelling(pre, tokenizer, err);
    if (spelled) return spelled;
    if (pre->nfc) {
        struct normalizer_step *step = normalizer_append(&tokenizer->normalizer, NORMALIZE_FORM);
        if (!step) return fail_no_memory(err, sizeof *step);
        step->compose = true;
    }
    for (size_t i = 0; i < sizeof pre->patterns / sizeof *pre->patterns && pre->patterns[i]; i++) {
        const char *pattern = pre->patterns[i];
        bn_status status = pretokenizer_append_regex(&tokenizer->pretokenizer, pattern, strlen(pattern), REGEX_RUBY,
                                                     SPLIT_ISOLATED, false, err);
        if (status) return status;
    }
    return BN_OK;
}

/* ---- the way back ---- */

static bool same_text(const char *a, size_t a_size, const char *b, size_t b_size) {
    return a_size == b_size && memcmp(a, b, a_size) == 0;
}

static bool same_split(const struct pretokenizer_step *a, const struct pretokenizer_step *b) {
    size_t a_size, b_size;
    if (a->kind != b->kind || a->behavior != b->behavior || a->invert != b->invert || a->scan != b->scan) return false;
    if (a->kind == PRETOKENIZE_SCANNER) return true;
    if (a->kind != PRETOKENIZE_REGEX) return false;
    const char *a_source = regex_source(a->regex, &a_size), *b_source = regex_source(b->regex, &b_size);
    return same_text(a_source, a_size, b_source, b_size);
}

/* The families' own normalizers are a Unicode form and a literal replacement. */
static bool same_rewriting(const struct normalizer_step *a, const struct normalizer_step *b) {
    if (a->kind != b->kind) return false;
    if (a->kind == NORMALIZE_FORM) return a->compose == b->compose && a->compatibility == b->compatibility;
    return a->kind == NORMALIZE_REPLACE && !a->regex && !b->regex &&
           same_text(a->pattern, a->pattern_size, b->pattern, b->pattern_size) &&
           same_text(a->content, a->content_size, b->content, b->content_size);
}

/* Spaces are split where none are left: Gemma's tokenizer.json has such a step. */
static bool does_nothing(const struct pretokenizer_step *step, const struct gguf_pre *pre) {
    return pre->spelling == GGUF_PRE_ESCAPED && step->kind == PRETOKENIZE_LITERAL && step->literal_size == 1 &&
           *step->literal == ' ';
}

static bool same_steps(const bn_tokenizer *a, const bn_tokenizer *b, const struct gguf_pre *pre) {
    if (a->normalizer.n != b->normalizer.n || a->bpe.byte_level != b->bpe.byte_level) return false;
    for (size_t i = 0; i < a->normalizer.n; i++)
        if (!same_rewriting(&a->normalizer.steps[i], &b->normalizer.steps[i])) return false;
    size_t n = 0;
    for (size_t i = 0; i < a->pretokenizer.n; i++) {
        const struct pretokenizer_step *step = &a->pretokenizer.steps[i];
        if (does_nothing(step, pre)) continue;
        if (n == b->pretokenizer.n || !same_split(step, &b->pretokenizer.steps[n++])) return false;
    }
    /* Families that escape spaces cut at line ends, which no token of theirs spans. */
    return n == b->pretokenizer.n || (n == 0 && pre->spelling == GGUF_PRE_ESCAPED);
}

bn_status gguf_pre_of(const bn_tokenizer *tokenizer, const struct gguf_pre **out, bn_error *err) {
    *out = NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        bn_tokenizer *kind;
        bn_status status = tokenizer_create(0, &kind, err);
        if (status) return status;
        status = gguf_pre_apply(&kinds[i], kind, err);
        bool same = !status && same_steps(tokenizer, kind, &kinds[i]);
        bn_tokenizer_close(kind);
        if (status) return status;
        bool better = !*out || kinds[i].ignore_merges == tokenizer->bpe.ignore_merges;
        if (same && better) *out = &kinds[i];
        if (same && kinds[i].ignore_merges == tokenizer->bpe.ignore_merges) return BN_OK;
    }
    return BN_OK;
}
