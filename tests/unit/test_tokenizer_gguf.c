/* Vocabularies in GGUF files: what is refused, what is recognized without being said, which tokens end a generation.
 * The files are written here, so each breaks one thing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "formats/gguf.h"
#include "tokenizer/tokenizer.h"

#include <cmocka.h>

struct vocabulary_file {
    const char *model, *pre;
    const char *tokens[12];
    const char *merges[4];
    int32_t types[12];
    size_t n_types, n_scores; /* 0: as many as there are tokens; SIZE_MAX: leave the array out */
    int64_t bos, eos, eot;    /* 0: not given */
};

static char notice[400];

static void take_notice(void *context, const char *line) {
    (void)context;
    snprintf(notice, sizeof notice, "%s", line);
}

static size_t count(const char *const *texts, size_t most) {
    size_t n = 0;
    while (n < most && texts[n]) n++;
    return n;
}

static void set_texts(struct gguf_writer *writer, const char *key, const char *const *texts, size_t n) {
    struct gguf_string strings[12];
    for (size_t i = 0; i < n; i++) strings[i] = (struct gguf_string){texts[i], strlen(texts[i])};
    assert_int_equal(gguf_writer_set_strings(writer, key, strings, n, NULL), BN_OK);
}

static void write_file(const struct vocabulary_file *file, const char *path) {
    struct gguf_writer *writer;
    static const float scores[16] = {0};
    size_t n = count(file->tokens, 12), n_merges = count(file->merges, 4);
    size_t n_types = file->n_types ? file->n_types : n, n_scores = file->n_scores ? file->n_scores : n;
    assert_int_equal(gguf_writer_create(32, &writer, NULL), BN_OK);
    if (file->model) gguf_writer_set_string(writer, "tokenizer.ggml.model", file->model, strlen(file->model), NULL);
    if (file->pre) gguf_writer_set_string(writer, "tokenizer.ggml.pre", file->pre, strlen(file->pre), NULL);
    if (n) set_texts(writer, "tokenizer.ggml.tokens", file->tokens, n);
    if (n_merges) set_texts(writer, "tokenizer.ggml.merges", file->merges, n_merges);
    if (n_types != SIZE_MAX)
        gguf_writer_set_array(writer, "tokenizer.ggml.token_type", GGUF_I32, file->types, n_types, NULL);
    if (n_scores != SIZE_MAX) gguf_writer_set_array(writer, "tokenizer.ggml.scores", GGUF_F32, scores, n_scores, NULL);
    if (file->bos) gguf_writer_set_u32(writer, "tokenizer.ggml.bos_token_id", (uint32_t)file->bos, NULL);
    if (file->eos) gguf_writer_set_u32(writer, "tokenizer.ggml.eos_token_id", (uint32_t)file->eos, NULL);
    if (file->eot) gguf_writer_set_u32(writer, "tokenizer.ggml.eot_token_id", (uint32_t)file->eot, NULL);
    bn_error err;
    assert_int_equal(gguf_writer_finish(writer, path, &err), BN_OK);
    gguf_writer_destroy(writer);
}

static bn_tokenizer *open_file(const struct vocabulary_file *file, bn_status expected, const char *in_message) {
    char path[] = "/tmp/bitnet-vocabulary-XXXXXX";
    close(mkstemp(path));
    write_file(file, path);
    struct gguf gguf;
    bn_error err = {0};
    bn_tokenizer *tokenizer = NULL;
    notice[0] = '\0';
    assert_int_equal(gguf_open(path, &gguf, &err), BN_OK);
    bn_status status = tokenizer_from_gguf(&gguf, take_notice, NULL, &tokenizer, &err);
    if (status != expected || (in_message && !strstr(err.message, in_message)))
        print_error("status %d, message '%s'\n", status, err.message);
    assert_int_equal(status, expected);
    if (in_message) assert_non_null(strstr(err.message, in_message));
    gguf_close(&gguf);
    unlink(path);
    return tokenizer;
}

static void refuse(const struct vocabulary_file *file, bn_status expected, const char *in_message) {
    assert_null(open_file(file, expected, in_message));
}

static void test_refused(void **state) {
    (void)state;
    refuse(&(struct vocabulary_file){.tokens = {"a"}}, BN_STATUS_NOT_FOUND, "no vocabulary");
    refuse(&(struct vocabulary_file){.model = "none", .tokens = {"a"}}, BN_STATUS_NOT_FOUND, "no vocabulary");
    refuse(&(struct vocabulary_file){.model = "magic", .tokens = {"a"}}, BN_STATUS_UNSUPPORTED, "magic");
    refuse(&(struct vocabulary_file){.model = "gpt2", .n_types = SIZE_MAX, .n_scores = SIZE_MAX}, BN_STATUS_BAD_FILE,
           "tokens");
    refuse(&(struct vocabulary_file){.model = "gpt2", .tokens = {"a", "b"}, .n_types = 3}, BN_STATUS_BAD_FILE,
           "token_type");
    refuse(&(struct vocabulary_file){.model = "llama", .tokens = {"a", "b"}, .n_scores = 1}, BN_STATUS_BAD_FILE,
           "scores");
    refuse(&(struct vocabulary_file){.model = "llama", .tokens = {"a", "b"}, .n_scores = SIZE_MAX}, BN_STATUS_BAD_FILE,
           "scores");
    refuse(&(struct vocabulary_file){.model = "gpt2", .tokens = {"a", "b"}, .bos = 2}, BN_STATUS_BAD_FILE,
           "bos_token_id");
    refuse(&(struct vocabulary_file){.model = "gpt2", .tokens = {"a", "b"}, .eos = 4000000000}, BN_STATUS_BAD_FILE,
           "eos_token_id");
    refuse(&(struct vocabulary_file){.model = "gpt2", .tokens = {"a", "b"}, .eot = 7}, BN_STATUS_BAD_FILE,
           "eot_token_id");
    refuse(&(struct vocabulary_file){.model = "gpt2", .tokens = {"a", "b"}, .merges = {"a c"}}, BN_STATUS_BAD_FILE,
           "merge 0");
    refuse(&(struct vocabulary_file){.model = "gpt2", .tokens = {"a", "b"}, .merges = {"a b"}}, BN_STATUS_BAD_FILE,
           "merge 0");
    refuse(&(struct vocabulary_file){.model = "gpt2", .tokens = {"a", "b"}, .merges = {"ab"}}, BN_STATUS_BAD_FILE,
           "merges[0]");
}

/* The published BitNet files lack tokenizer.ggml.pre: what the vocabulary looks like is used, and said. */
static void test_missing_pre(void **state) {
    (void)state;
    bn_tokenizer *tokenizer = open_file(
        &(struct vocabulary_file){
            .model = "gpt2", .tokens = {"a", "1", "<|begin_of_text|>", "<|eot_id|>"}, .types = {1, 1, 3, 3}},
        BN_OK, NULL);
    assert_non_null(strstr(notice, "lacks tokenizer.ggml.pre"));
    assert_non_null(strstr(notice, "llama-bpe"));
    bn_tokenizer_close(tokenizer);
    tokenizer = open_file(
        &(struct vocabulary_file){.model = "gpt2", .pre = "from-the-future", .tokens = {"a", "1", "2"}}, BN_OK, NULL);
    assert_non_null(strstr(notice, "from-the-future"));
    bn_tokenizer_close(tokenizer);
    tokenizer =
        open_file(&(struct vocabulary_file){.model = "gpt2", .pre = "qwen2", .tokens = {"a", "1", "2"}}, BN_OK, NULL);
    assert_string_equal(notice, "");
    bn_tokenizer_close(tokenizer);
}

/* Every name that files carry is known as it is, and its patterns compile. */
static void test_every_pre(void **state) {
    (void)state;
    static const char *const names[] = {
        "a.x-4.0",
        "afmoe",
        "bailingmoe",
        "bailingmoe2",
        "bloom",
        "chameleon",
        "chatglm-bpe",
        "codeshell",
        "cohere2moe",
        "command-r",
        "dbrx",
        "deepseek-coder",
        "deepseek-llm",
        "deepseek-r1-qwen",
        "deepseek-v3",
        "exaone",
        "exaone-moe",
        "exaone4",
        "f2llmv2",
        "falcon",
        "falcon-h1",
        "falcon3",
        "gemma4",
        "gigachat",
        "glm4",
        "gpt-2",
        "gpt-4o",
        "gpt3-finnish",
        "granite-docling",
        "granite-embed-multi-311m",
        "granite-embed-multi-97m",
        "grok-2",
        "hunyuan",
        "hunyuan-dense",
        "hy_v4",
        "jais",
        "jais-2",
        "jina-de",
        "jina-es",
        "jina-v1-en",
        "jina-v2-code",
        "jina-v2-de",
        "jina-v2-es",
        "jina-v5-nano",
        "joyai-llm",
        "kanana2",
        "kimi-k2",
        "kormo",
        "laguna",
        "lfm2",
        "llada-moe",
        "llama-bpe",
        "llama-v3",
        "llama3",
        "llama4",
        "megrez",
        "mellum",
        "mellum2",
        "midm-2.0",
        "minerva-7b",
        "minicpm5",
        "minimax-m2",
        "modern-bert",
        "mpt",
        "olmo",
        "phi-2",
        "pixtral",
        "poro-chat",
        "qwen2",
        "qwen35",
        "refact",
        "roberta-bpe",
        "sarvam-moe",
        "seed-coder",
        "smaug-bpe",
        "smollm",
        "solar-open",
        "spark2_5",
        "stablelm2",
        "starcoder",
        "superbpe",
        "talkie",
        "tekken",
        "tiny_aya",
        "trillion",
        "ufakzeka",
        "viking",
        "whitespace",
        "youtu",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        bn_tokenizer *tokenizer = open_file(
            &(struct vocabulary_file){.model = "gpt2", .pre = names[i], .tokens = {"a", "1", "b"}}, BN_OK, NULL);
        if (*notice) print_error("%s: %s\n", names[i], notice);
        assert_string_equal(notice, "");
        bn_tokenizer_close(tokenizer);
    }
}

/* Gemma 4's way: BPE over text with U+2581 for spaces and <0xXX> for what the vocabulary lacks. */
static void test_escaped(void **state) {
    (void)state;
    bn_tokenizer *tokenizer = open_file(&(struct vocabulary_file){.model = "gemma4",
                                                                  .tokens = {"<unk>", "<bos>", "a", "\xe2\x96\x81",
                                                                             "\xe2\x96\x81"
                                                                             "a",
                                                                             "<0xC3>", "<0xA9>"},
                                                                  .merges = {"\xe2\x96\x81 a"},
                                                                  .types = {2, 3, 1, 1, 1, 6, 6},
                                                                  .bos = 1},
                                        BN_OK, NULL);
    struct encode_request request = {.text = "a a\xc3\xa9", .text_bytes = 5, .add_special = true};
    struct encoding encoding;
    static const int32_t expected[] = {1, 2, 4, 5, 6};
    assert_int_equal(tokenizer_encode(tokenizer, &request, &encoding, NULL), BN_OK);
    assert_int_equal(encoding.n, 5);
    assert_memory_equal(encoding.ids, expected, sizeof expected);
    char *text;
    size_t size;
    assert_int_equal(bn_tokenizer_decode(tokenizer, encoding.ids, encoding.n, true, &text, &size, NULL), BN_OK);
    assert_string_equal(text, request.text);
    bn_free(text);
    encoding_release(&encoding);
    bn_tokenizer_close(tokenizer);
}

static void test_ends(void **state) {
    (void)state;
    bn_tokenizer *tokenizer = open_file(&(struct vocabulary_file){.model = "gpt2",
                                                                  .pre = "qwen2",
                                                                  .tokens = {"</s>", "a", "<|im_end|>", "<|endoftext|>",
                                                                             "<stop>", "<end_of_turn>", "b"},
                                                                  .types = {1, 1, 3, 3, 3, 4, 1},
                                                                  .eos = 3,
                                                                  .eot = 4},
                                        BN_OK, NULL);
    static const bool ends[] = {false, false, true, true, true, true, false};
    for (int32_t id = 0; id < 7; id++) assert_int_equal(bn_tokenizer_is_end(tokenizer, id), ends[id]);
    assert_false(bn_tokenizer_is_end(tokenizer, 7) || bn_tokenizer_is_end(tokenizer, -1));
    assert_int_equal(bn_tokenizer_eos(tokenizer), 3);
    assert_int_equal(bn_tokenizer_bos(tokenizer), -1);
    assert_int_equal(bn_tokenizer_vocab_size(tokenizer), 7);
    assert_string_equal(bn_tokenizer_token(tokenizer, 5), "<end_of_turn>");
    assert_int_equal(bn_tokenizer_find(tokenizer, "<stop>"), 4);
    bn_tokenizer_close(tokenizer);
}

/* sentencepiece: control tokens are found in text only where that is asked for. */
static void test_control_tokens(void **state) {
    (void)state;
    bn_tokenizer *tokenizer =
        open_file(&(struct vocabulary_file){.model = "llama",
                                            .tokens = {"<unk>", "<s>", "</s>", "\xe2\x96\x81", "<", "s", ">"},
                                            .types = {2, 3, 3, 1, 1, 1, 1},
                                            .bos = 1,
                                            .eos = 2},
                  BN_OK, NULL);
    assert_false(tokenizer_parses_special(tokenizer));
    for (int parse = 0; parse < 2; parse++) {
        struct encode_request request = {.text = "<s>", .text_bytes = 3, .parse_special = parse != 0};
        struct encoding encoding;
        assert_int_equal(tokenizer_encode(tokenizer, &request, &encoding, NULL), BN_OK);
        assert_int_equal(encoding.n, parse ? 1 : 4);
        assert_int_equal(encoding.ids[0], parse ? 1 : 3);
        encoding_release(&encoding);
    }
    bn_tokenizer_close(tokenizer);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_refused),   cmocka_unit_test(test_missing_pre),
                                       cmocka_unit_test(test_every_pre), cmocka_unit_test(test_escaped),
                                       cmocka_unit_test(test_ends),      cmocka_unit_test(test_control_tokens)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
