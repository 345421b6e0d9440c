/* Time that grows as the text does, whatever it is made of. Eight times the text takes eight times as long, some four
 * times that where it no longer fits into caches, but never sixty-four times. Bounds are on ratios of CPU time, the
 * least of several runs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "bitnet/tokenizer.h"
#include "test.h"
#include "tokenizer/template/chat_template.h"
#include "tokenizer/tokenizer.h"

enum { RUNS = 2, TIMES = 8, SHORT = 60000, SHORT_TEMPLATE = 30000, SHORT_IDS = 10000 };
static const double MOST_RATIO = 45, LEAST_SECONDS = 0.02; /* below, the clock decides */

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* The part again and again, then the tail. */
static char *repeat(const char *part, size_t n_bytes, const char *tail, size_t *size) {
    size_t n = strlen(part), count = n_bytes / n, n_tail = strlen(tail);
    char *text = mem_alloc(count * n + n_tail + 1);
    for (size_t i = 0; i < count; i++) memcpy(text + i * n, part, n);
    memcpy(text + count * n, tail, n_tail + 1);
    *size = count * n + n_tail;
    return text;
}

static double encoding_time(const bn_tokenizer *tokenizer, const char *part, size_t n_bytes, const char *tail) {
    double best = 1e9;
    size_t size, n_ids;
    char *text = repeat(part, n_bytes, tail, &size);
    for (int run = 0; run < RUNS; run++) {
        int32_t *ids;
        bn_error err;
        double start = seconds(), took;
        assert_ok(bn_tokenizer_encode(tokenizer, text, size, NULL, &ids, &n_ids, &err), err);
        took = seconds() - start;
        bn_free(ids);
        if (took < best) best = took;
    }
    mem_free(text);
    return best;
}

static void check_ratio(const char *what, const char *part, double once, double longer) {
    if (longer < LEAST_SECONDS || longer < MOST_RATIO * once) return;
    print_error("%s, '%s' repeated: %.4f s, %d times as many %.4f s\n", what, part, once, TIMES, longer);
    assert_true(longer < MOST_RATIO * once);
}

static void check_texts(const char *family, size_t n_bytes) {
    static const char *const parts[] = {"a", "\xff", "\xcc\x81", "1", " ", "e\xcc\x81\xcc\xa7", "\xe6\xbc\xa2", "<s"};
    char path[512];
    bn_tokenizer *tokenizer;
    bn_error err;
    snprintf(path, sizeof path, TEST_DATA "/tokenizers/%s", family);
    assert_ok(bn_tokenizer_open(path, &tokenizer, &err), err);
    for (size_t p = 0; p < sizeof parts / sizeof *parts; p++)
        check_ratio(family, parts[p], encoding_time(tokenizer, parts[p], n_bytes, ""),
                    encoding_time(tokenizer, parts[p], TIMES * n_bytes, ""));
    bn_tokenizer_close(tokenizer);
}

static void test_texts(void **state) {
    static const char *const families[] = {"gpt2", "llama2", "t5-unigram", "bert-uncased"};
    (void)state;
    for (size_t f = 0; f < sizeof families / sizeof *families; f++) check_texts(families[f], SHORT);
}

/* Every other kind of model, splitting and source: what isn't linear there shows in shorter texts, too. */
static void test_other_families(void **state) {
    static const char *const families[] = {"added-tokens",
                                           "bpe-suffix-fuse",
                                           "byt5-decode",
                                           "deepseek",
                                           "llama3",
                                           "o200k",
                                           "qwen2",
                                           "roberta",
                                           "gguf-bert-uncased/vocab.gguf",
                                           "spm-llama/tokenizer.model",
                                           "spm-user-symbols/tokenizer.model",
                                           "tekken-mistral",
                                           "tiktoken-cl100k/cl100k_base.tiktoken",
                                           "wordlevel"};
    (void)state;
    for (size_t f = 0; f < sizeof families / sizeof *families; f++) check_texts(families[f], SHORT / 4);
}

/* Merges that cross words, each of which the next may take apart again. */
static void test_words(void **state) {
    static const char json[] = "{\"model\":{\"type\":\"BPE\",\"unk_token\":\"u\",\"vocab\":{\"u\":0,\" "
                               "\":1,\"a\":2,\"b\":3,\"a \":4,\" a\":5,\"a a \":6,\"b a\":7,"
                               "\"a a a a \":8,\" b a\":9},\"merges\":[[\"a\",\" \"],[\" \",\"a\"],[\"a \",\"a "
                               "\"],[\"b\",\" a\"],[\"a a \",\"a a \"],[\" \",\"b a\"]]}}";
    static const char *const parts[] = {"a ", " a", "a b ", "b a", "a", " ", "ab  a"};
    bn_tokenizer *tokenizer;
    bn_error err;
    (void)state;
    assert_ok(tokenizer_from_json(json, sizeof json - 1, "linear", &tokenizer, &err), err);
    for (size_t p = 0; p < sizeof parts / sizeof *parts; p++)
        check_ratio("words", parts[p], encoding_time(tokenizer, parts[p], SHORT, "b"),
                    encoding_time(tokenizer, parts[p], TIMES * SHORT, "b"));
    bn_tokenizer_close(tokenizer);
}

/* Patterns that group digits from the right: \p{N} of afmoe, \d of tiny_aya and superbpe. */
static void test_digits(void **state) {
    static const char *const patterns[] = {"\\\\p{N}{1,3}(?=(?:\\\\p{N}{3})*(?!\\\\p{N}))",
                                           "\\\\d{1,3}(?=(?:\\\\d{3})*\\\\b)", "(?=(\\\\d{3})+(?!\\\\d))"};
    static const char *const tails[] = {"", "a"};
    (void)state;
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        char json[512];
        bn_tokenizer *tokenizer;
        bn_error err;
        int n = snprintf(json, sizeof json,
                         "{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"%s\"},\"behavior\":"
                         "\"Isolated\"},\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":0},\"unk_token\":\"a\"}}",
                         patterns[i]);
        assert_ok(tokenizer_from_json(json, (size_t)n, "linear", &tokenizer, &err), err);
        for (size_t t = 0; t < sizeof tails / sizeof *tails; t++)
            check_ratio(patterns[i], tails[t], encoding_time(tokenizer, "1", SHORT, tails[t]),
                        encoding_time(tokenizer, "1", TIMES * SHORT, tails[t]));
        bn_tokenizer_close(tokenizer);
    }
}

static double decoding_time(const bn_tokenizer *tokenizer, const int32_t *part, size_t n_part, size_t n, bool at_once) {
    const char *piece;
    char *text;
    size_t size;
    bn_error err;
    int32_t *ids = mem_alloc_array(n, sizeof *ids);
    for (size_t i = 0; i < n; i++) ids[i] = part[i % n_part];
    double start = seconds();
    if (at_once) {
        assert_ok(bn_tokenizer_decode(tokenizer, ids, n, false, &text, &size, &err), err);
        bn_free(text);
    } else {
        bn_decoder *decoder;
        assert_ok(bn_decoder_create(tokenizer, false, &decoder, &err), err);
        for (size_t i = 0; i < n; i++) assert_ok(bn_decoder_push(decoder, ids[i], &piece, &size, &err), err);
        assert_ok(bn_decoder_finish(decoder, &piece, &size, &err), err);
        bn_decoder_destroy(decoder);
    }
    double took = seconds() - start;
    mem_free(ids);
    return took;
}

static void check_decoding(const char *what, const bn_tokenizer *tokenizer, const int32_t *part, size_t n_part) {
    char name[128];
    for (int at_once = 0; at_once < 2; at_once++) {
        size_t n = 0;
        for (size_t i = 0; i < n_part; i++)
            n += (size_t)snprintf(name + n, sizeof name - n, "%s%d", i ? " " : "", (int)part[i]);
        check_ratio(at_once ? what : "streamed", name, decoding_time(tokenizer, part, n_part, SHORT_IDS, at_once),
                    decoding_time(tokenizer, part, n_part, TIMES * SHORT_IDS, at_once));
    }
}

/* Tokens that some decoder does something with; the fifth and sixth are the bytes CC and 81 in GPT-2's alphabet. */
#define WORDS                                                                                                          \
    "{\"<0xCC>\":0,\"<0x81>\":1,\"<0xFF>\":2,\"a\":3,\"\u2581b\":4,\"\u00cc\":5,\"\u0123\":6,\"c</w>\":7,\"##d\":8,"   \
    "\"|\":9,\" \":10,\"<pad>\":11}"

static void test_decoders(void **state) {
    static const char *const decoders[] = {
        "null",
        "{\"type\":\"ByteLevel\"}",
        "{\"type\":\"ByteFallback\"}",
        "{\"type\":\"Metaspace\"}",
        "{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true}",
        "{\"type\":\"BPEDecoder\",\"suffix\":\"</w>\"}",
        "{\"type\":\"CTC\",\"pad_token\":\"<pad>\",\"word_delimiter_token\":\"|\",\"cleanup\":true}",
        "{\"type\":\"Replace\",\"pattern\":{\"String\":\"a\"},\"content\":\"\"}",
        "{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Fuse\"},{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"a\"},"
        "\"content\":\"b\"}]}",
        "{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"},"
        "{\"type\":\"Strip\",\"content\":\" \",\"start\":1000000,\"stop\":1000000}]}",
    };
    static const int32_t parts[][2] = {{0, 1}, {0, 0}, {2, 2}, {2, 0}, {3, 3},  {4, 3},
                                       {5, 6}, {5, 5}, {7, 7}, {8, 3}, {9, 11}, {10, 10}};
    (void)state;
    for (size_t i = 0; i < sizeof decoders / sizeof *decoders; i++) {
        char json[1024];
        bn_tokenizer *tokenizer;
        bn_error err;
        int n = snprintf(json, sizeof json,
                         "{\"decoder\":%s,\"model\":{\"type\":\"WordLevel\",\"vocab\":" WORDS ",\"unk_token\":\"a\"}}",
                         decoders[i]);
        assert_ok(tokenizer_from_json(json, (size_t)n, "linear", &tokenizer, &err), err);
        for (size_t p = 0; p < sizeof parts / sizeof *parts; p++) check_decoding(decoders[i], tokenizer, parts[p], 2);
        bn_tokenizer_close(tokenizer);
    }
}

/* SentencePiece's own decoder and ByT5's have no name in a tokenizer.json. */
static void test_other_decoders(void **state) {
    static const char *const families[] = {"spm-llama", "byt5-decode"};
    static const char *const texts[] = {"\xcc\x81", "\xff", " ", "a"};
    (void)state;
    for (size_t f = 0; f < sizeof families / sizeof *families; f++) {
        char path[512];
        bn_tokenizer *tokenizer;
        bn_error err;
        snprintf(path, sizeof path, TEST_DATA "/tokenizers/%s", families[f]);
        assert_ok(bn_tokenizer_open(path, &tokenizer, &err), err);
        for (size_t t = 0; t < sizeof texts / sizeof *texts; t++) {
            const bn_encode_options plain = {.size = sizeof plain};
            int32_t *ids;
            size_t n;
            assert_ok(bn_tokenizer_encode(tokenizer, texts[t], strlen(texts[t]), &plain, &ids, &n, &err), err);
            check_decoding(families[f], tokenizer, ids, n);
            bn_free(ids);
        }
        bn_tokenizer_close(tokenizer);
    }
}

static double parsing_time(const char *part, size_t n_bytes) {
    double best = 1e9;
    size_t size;
    char *source = repeat(part, n_bytes, "", &size);
    for (int run = 0; run < RUNS; run++) {
        struct chat_template *template;
        bn_error err;
        double start = seconds(), took;
        bn_status status = chat_template_parse(source, size, "linear", &template, &err);
        took = seconds() - start;
        if (!status) chat_template_destroy(template);
        if (took < best) best = took;
    }
    mem_free(source);
    return best;
}

static void test_templates(void **state) {
    static const char *const parts[] = {"{",    "{{", "{{ a }}",   "{% if a %}", "{#",
                                        "{{ {", "(",  "{{ a.b|c(", "{%- raw %}", "{{ 'a' 'b' }}\n"};
    (void)state;
    for (size_t p = 0; p < sizeof parts / sizeof *parts; p++)
        check_ratio("template", parts[p], parsing_time(parts[p], SHORT_TEMPLATE),
                    parsing_time(parts[p], TIMES * SHORT_TEMPLATE));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_texts),    cmocka_unit_test(test_other_families),
                                       cmocka_unit_test(test_words),    cmocka_unit_test(test_digits),
                                       cmocka_unit_test(test_decoders), cmocka_unit_test(test_other_decoders),
                                       cmocka_unit_test(test_templates)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
