/* Trained vocabularies against Hugging Face tokenizers': equal where that library's result is the same in every run (the
 * cases in tests/data/tokenizers-train, all of SHARED_DATA where that is present), the same sets of tokens and merges where
 * ids vary. And what must hold for any corpus: the same result for any number of threads, an end to every corpus. */
#include "test.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/train.h"

#define CASES          TEST_DATA "/tokenizers-train"
#define SHARED_CASES   SHARED_DATA "/tokenizers/train"
#define SHARED_AFFIXES SHARED_DATA "/tokenizers/train-affixes"

static json_t *read_json(const char *path) {
    json_t *value = NULL;
    bn_error err;
    assert_ok(json_parse_file(path, 1 << 26, &value, &err), err);
    return value;
}

/* Trains on a text in memory. */
static bn_status train_on(const json_t *untrained, const struct trainer_settings *settings, const char *text,
                          size_t size, json_t **trained, bn_error *err) {
    struct trainer *trainer;
    bn_status status = trainer_create(untrained, settings, &trainer, err);
    if (status) return status;
    FILE *stream = size ? fmemopen((char *)text, size, "rb") : fopen("/dev/null", "rb");
    assert_non_null(stream);
    status = trainer_add_stream(trainer, stream, "corpus", size, err);
    if (!status) status = trainer_train(trainer, trained, err);
    fclose(stream);
    trainer_destroy(trainer);
    return status;
}

static json_t *train_file(const json_t *untrained, const struct trainer_settings *settings, const char *path) {
    char *text;
    size_t size;
    bn_error err;
    json_t *trained = NULL;
    assert_ok(file_read_all(path, 1 << 26, &text, &size, &err), err);
    assert_ok(train_on(untrained, settings, text, size, &trained, &err), err);
    mem_free(text);
    return trained;
}

/* {"model": …, "trainer": {…}, "untrained": {…}} */
static json_t *train_case(const json_t *description, const char *corpus, size_t n_threads) {
    struct trainer_settings settings;
    enum trainer_kind kind;
    bn_error err;
    assert_true(trainer_kind_find(json_string_value(json_object_get(description, "model")), &kind));
    trainer_settings_init(&settings, kind);
    assert_ok(trainer_settings_read(&settings, json_object_get(description, "trainer"), &err), err);
    settings.n_threads = n_threads;
    json_t *trained = train_file(json_object_get(description, "untrained"), &settings, corpus);
    trainer_settings_release(&settings);
    return trained;
}

/* ---- against the reference ---- */

static void check_folder(const char *folder) {
    static const char ending[] = ".settings.json";
    char path[1024], corpus[1024];
    struct dirent *entry;
    DIR *directory = opendir(folder);
    assert_non_null(directory);
    snprintf(corpus, sizeof corpus, "%s/corpus.txt", folder);
    while ((entry = readdir(directory))) {
        size_t n = strlen(entry->d_name);
        if (n < sizeof ending || strcmp(entry->d_name + n - strlen(ending), ending) != 0) continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        json_t *description = read_json(path);
        snprintf(path, sizeof path, "%s/%.*s.tokenizer.json", folder, (int)(n - strlen(ending)), entry->d_name);
        json_t *expected = read_json(path), *trained = train_case(description, corpus, 2);
        if (!json_equal(trained, expected)) test_fail("%s: another result", path);
        json_decref(description);
        json_decref(expected);
        json_decref(trained);
    }
    closedir(directory);
}

static void test_reference(void **state) {
    (void)state;
    check_folder(CASES);
    if (file_is_directory(SHARED_CASES))
        check_folder(SHARED_CASES);
    else
        print_message("skipped: no " SHARED_CASES "\n");
}

/* The pipelines that affix cases name: pre "whitespace" or "bert", "lower", "unk". */
static json_t *affix_description(const json_t *settings) {
    const json_t *pipeline = json_object_get(settings, "pipeline");
    bool wordpiece = strcmp(json_string_value(json_object_get(settings, "model")), "wordpiece") == 0;
    bool bert = strcmp(json_string_value(json_object_get(pipeline, "pre")), "bert") == 0;
    json_t *model = wordpiece ? json_pack("{s:s, s:O, s:s, s:i, s:{}}", "type", "WordPiece", "unk_token",
                                          json_object_get(pipeline, "unk"), "continuing_subword_prefix", "##",
                                          "max_input_chars_per_word", 100, "vocab")
                              : json_pack("{s:s, s:n, s:O?, s:n, s:n, s:b, s:b, s:b, s:{}, s:[]}", "type", "BPE",
                                          "dropout", "unk_token", json_object_get(pipeline, "unk"),
                                          "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", 0,
                                          "byte_fallback", 0, "ignore_merges", 0, "vocab", "merges");
    if (!json_object_get(model, "unk_token")) json_object_set_new(model, "unk_token", json_null());
    json_t *normalizer =
        json_is_true(json_object_get(pipeline, "lower")) ? json_pack("{s:s}", "type", "Lowercase") : json_null();
    json_t *untrained =
        json_pack("{s:s, s:n, s:n, s:[], s:o, s:{s:s}, s:n, s:n, s:o}", "version", "1.0", "truncation", "padding",
                  "added_tokens", "normalizer", normalizer, "pre_tokenizer", "type",
                  bert ? "BertPreTokenizer" : "Whitespace", "post_processor", "decoder", "model", model);
    assert_non_null(untrained);
    return json_pack("{s:O, s:O, s:o}", "model", json_object_get(settings, "model"), "trainer",
                     json_object_get(settings, "trainer"), "untrained", untrained);
}

static void check_tokens(const char *name, const json_t *trained, const json_t *expected) {
    const json_t *model = json_object_get(trained, "model"), *tokens = json_object_get(expected, "tokens");
    const json_t *merges = json_object_get(expected, "merges"), *merge;
    size_t i;
    json_t *token, *seen = json_object();
    if (json_object_size(json_object_get(model, "vocab")) != json_array_size(tokens))
        test_fail("%s: another number of tokens", name);
    json_array_foreach(tokens, i,
                       token) if (!json_object_get(json_object_get(model, "vocab"), json_string_value(token)))
        test_fail("%s: no token '%s'", name, json_string_value(token));
    for (i = 0; i < json_array_size(json_object_get(model, "merges")); i++) {
        char *text = json_dumps(json_array_get(json_object_get(model, "merges"), i), JSON_COMPACT);
        json_object_set_new(seen, text, json_true());
        free(text);
    }
    if (merges && json_object_size(seen) != json_array_size(merges)) test_fail("%s: another number of merges", name);
    for (i = 0; i < json_array_size(merges); i++) {
        merge = json_array_get(merges, i);
        char *text = json_dumps(merge, JSON_COMPACT);
        if (!json_object_get(seen, text)) test_fail("%s: no merge %s", name, text);
        free(text);
    }
    json_decref(seen);
}

static void test_affixes(void **state) {
    (void)state;
    static const char *const names[] = {"bpe-chars-limit", "bpe-max-length", "bpe-suffix", "wordpiece",
                                        "wordpiece-limit"};
    if (!file_is_directory(SHARED_AFFIXES)) {
        print_message("skipped: no " SHARED_AFFIXES "\n");
        return;
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[1024];
        snprintf(path, sizeof path, SHARED_AFFIXES "/%s/settings.json", names[i]);
        json_t *settings = read_json(path), *description = affix_description(settings);
        json_t *trained = train_case(description, SHARED_AFFIXES "/corpus.txt", 2);
        bool exact = strcmp(json_string_value(json_object_get(settings, "compare")), "exact") == 0;
        snprintf(path, sizeof path, SHARED_AFFIXES "/%s/%s", names[i], exact ? "tokenizer.json" : "tokens.json");
        json_t *expected = read_json(path);
        if (!exact)
            check_tokens(names[i], trained, expected);
        else if (!json_equal(trained, expected))
            test_fail("%s: another result", names[i]);
        json_decref(settings);
        json_decref(description);
        json_decref(trained);
        json_decref(expected);
    }
}

/* ---- any corpus ---- */

static json_t *train_ready_made(enum trainer_kind kind, size_t vocab_size, size_t n_threads, const char *text,
                                size_t size) {
    struct trainer_settings settings;
    bn_error err;
    json_t *untrained, *trained = NULL;
    trainer_settings_init(&settings, kind);
    settings.vocab_size = vocab_size;
    settings.n_threads = n_threads;
    assert_ok(trainer_ready_made(&settings, &untrained, &err), err);
    assert_ok(train_on(untrained, &settings, text, size, &trained, &err), err);
    json_decref(untrained);
    trainer_settings_release(&settings);
    return trained;
}

/* All kinds give the same to the last bit, whoever does the work, and what they give opens and reads text. */
static void test_threads(void **state) {
    (void)state;
    char *text;
    size_t size;
    bn_error err;
    assert_ok(file_read_all(CASES "/corpus.txt", 1 << 26, &text, &size, &err), err);
    for (enum trainer_kind kind = TRAINER_BPE; kind <= TRAINER_WORDLEVEL; kind++) {
        json_t *one = train_ready_made(kind, 1000, 1, text, size), *four = train_ready_made(kind, 1000, 4, text, size);
        if (!json_equal(one, four)) test_fail("kind %d: threads change the result", (int)kind);
        char *dump = json_dumps(one, 0);
        bn_tokenizer *tokenizer;
        int32_t *ids;
        size_t n;
        assert_ok(tokenizer_from_json(dump, strlen(dump), "trained", &tokenizer, &err), err);
        assert_int_equal(bn_tokenizer_vocab_size(tokenizer), 1000);
        assert_ok(bn_tokenizer_encode(tokenizer, "the water", 9, NULL, &ids, &n, &err), err);
        assert_in_range(n, 2, 8);
        bn_free(ids);
        bn_tokenizer_close(tokenizer);
        free(dump);
        json_decref(one);
        json_decref(four);
    }
    mem_free(text);
}

/* No words, one character, and words without any boundary: a megabyte of one letter, and of two in no order. */
static void test_strange_corpora(void **state) {
    (void)state;
    enum { LONG = 1 << 20 };
    char *letters = mem_alloc(LONG);
    assert_non_null(letters);
    for (enum trainer_kind kind = TRAINER_BPE; kind <= TRAINER_WORDLEVEL; kind++) {
        json_decref(train_ready_made(kind, 300, 1, "", 0));
        json_decref(train_ready_made(kind, 300, 1, "a", 1));
        json_decref(train_ready_made(kind, 300, 1, "\n\n \n", 4));
        json_decref(train_ready_made(kind, 300, 1, "a\0b a\0b", 7));
        memset(letters, 'a', LONG);
        json_decref(train_ready_made(kind, 300, 1, letters, LONG));
    }
    uint32_t random = 1;
    for (size_t i = 0; i < LONG; i++) letters[i] = (random = random * 1664525 + 1013904223) >> 31 ? 'a' : 'b';
    json_decref(train_ready_made(TRAINER_BPE, 1000, 1, letters, LONG));
    json_decref(train_ready_made(TRAINER_UNIGRAM, 100, 1, letters, LONG / 16));
    mem_free(letters);
}

/* Lines longer than a chunk, and a block's end in the middle of a line, cut no word in two. */
static void test_lines_across_chunks(void **state) {
    (void)state;
    enum { SIZE = 20 << 20 };
    char *text = mem_alloc(SIZE);
    assert_non_null(text);
    for (size_t i = 0; i < SIZE; i++) text[i] = "wonder "[i % 7];
    for (size_t i = 6; i < SIZE; i += 700007) text[i] = '\n';
    json_t *trained = train_ready_made(TRAINER_WORDLEVEL, 100, 3, text, SIZE - SIZE % 7);
    const json_t *vocab = json_object_get(json_object_get(trained, "model"), "vocab");
    assert_int_equal(json_object_size(vocab), 2);
    assert_non_null(json_object_get(vocab, "wonder"));
    json_decref(trained);
    mem_free(text);
}

static bool stop(void *context, const char *what, size_t done, size_t total) {
    (void)what, (void)done, (void)total;
    size_t *left = context;
    return (*left)-- > 1;
}

static bn_status try_settings(const char *json, enum trainer_kind kind, const char *text, size_t stop_after,
                              bn_error *err) {
    struct trainer_settings settings;
    json_t *object, *untrained = NULL, *trained = NULL;
    assert_ok(json_parse(json, strlen(json), "settings", &object, err), *err);
    trainer_settings_init(&settings, kind);
    settings.n_threads = 1;
    if (stop_after) settings.progress = stop;
    settings.progress_context = &stop_after;
    bn_status status = trainer_settings_read(&settings, object, err);
    if (!status) status = trainer_ready_made(&settings, &untrained, err);
    if (!status) status = train_on(untrained, &settings, text, strlen(text), &trained, err);
    json_decref(trained);
    json_decref(untrained);
    json_decref(object);
    trainer_settings_release(&settings);
    return status;
}

static void test_refusals(void **state) {
    (void)state;
    bn_error err = {0};
    assert_int_equal(try_settings("[]", TRAINER_BPE, "a b", 0, &err), BN_STATUS_BAD_FILE);
    assert_int_equal(try_settings("{\"vocab\": 3}", TRAINER_BPE, "a b", 0, &err), BN_STATUS_BAD_FILE);
    assert_non_null(strstr(err.message, "'vocab'"));
    assert_int_equal(try_settings("{\"vocab_size\": \"big\"}", TRAINER_BPE, "a b", 0, &err), BN_STATUS_BAD_FILE);
    assert_int_equal(try_settings("{\"special_tokens\": [3]}", TRAINER_BPE, "a b", 0, &err), BN_STATUS_BAD_FILE);
    assert_int_equal(try_settings("{\"special_tokens\": \"x\"}", TRAINER_BPE, "a b", 0, &err), BN_STATUS_BAD_FILE);
    assert_int_equal(try_settings("{\"shrinking_factor\": 1.5}", TRAINER_UNIGRAM, "a b", 0, &err),
                     BN_STATUS_BAD_ARGUMENT);
    assert_int_equal(try_settings("{\"vocab_size\": 3}", TRAINER_UNIGRAM, "a b c", 0, &err), BN_STATUS_BAD_ARGUMENT);
    assert_non_null(strstr(err.message, "no room"));
    assert_int_equal(try_settings("{}", TRAINER_WORDLEVEL, "ok\nbad \xff\n", 0, &err), BN_STATUS_BAD_FILE);
    assert_non_null(strstr(err.message, "corpus: the line at byte 3 isn't UTF-8"));
    assert_int_equal(try_settings("{}", TRAINER_BPE, "ok\nbad \xff\n", 0, &err), BN_OK);
    assert_int_equal(try_settings("{\"vocab_size\": 100}", TRAINER_UNIGRAM, "some words to train on", 2, &err),
                     BN_STATUS_CANCELLED);
    assert_int_equal(try_settings("{\"special_tokens\": [{\"content\": \"<s>\"}], \"limit_alphabet\": null}",
                                  TRAINER_BPE, "a", 0, &err),
                     BN_OK);
}

static void test_wrong_model(void **state) {
    (void)state;
    struct trainer_settings settings;
    struct trainer *trainer;
    bn_error err;
    json_t *untrained;
    trainer_settings_init(&settings, TRAINER_BPE);
    assert_ok(trainer_ready_made(&settings, &untrained, &err), err);
    settings.kind = TRAINER_UNIGRAM;
    assert_int_equal(trainer_create(untrained, &settings, &trainer, &err), BN_STATUS_BAD_ARGUMENT);
    json_t *empty = json_object();
    assert_int_equal(trainer_create(empty, &settings, &trainer, &err), BN_STATUS_BAD_FILE);
    json_decref(empty);
    json_decref(untrained);
    trainer_settings_release(&settings);
}

/* Added tokens that were there before keep their properties and get ids of the new vocabulary or behind it. */
static void test_added_tokens(void **state) {
    (void)state;
    struct trainer_settings settings;
    bn_error err;
    json_t *untrained, *trained = NULL;
    const char *special[] = {"<s>", "[X]"}; /* and [UNK], which a word-level tokenizer can't be without */
    trainer_settings_init(&settings, TRAINER_WORDLEVEL);
    settings.special_tokens = (struct string_list){special, 2};
    assert_ok(trainer_ready_made(&settings, &untrained, &err), err);
    json_object_set_new(untrained, "added_tokens",
                        json_pack("[{s:i, s:s, s:b, s:b}, {s:i, s:s, s:b, s:b}]", "id", 77, "content", "extra",
                                  "special", 0, "lstrip", 1, "id", 78, "content", "[X]", "special", 1, "rstrip", 1));
    assert_ok(train_on(untrained, &settings, "a b a", 5, &trained, &err), err);
    const char entry[] = "{s:i, s:s, s:b, s:b, s:b, s:b, s:b}";
    json_t *expected = json_pack("[{s:i, s:s, s:b, s:b}, {s:i, s:s, s:b, s:b}]", "id", 1, "content", "[X]", "special",
                                 1, "rstrip", 1, "id", 5, "content", "extra", "special", 0, "lstrip", 1);
    json_array_insert_new(expected, 0,
                          json_pack(entry, "id", 0, "content", "<s>", "single_word", 0, "lstrip", 0, "rstrip", 0,
                                    "normalized", 0, "special", 1));
    json_array_insert_new(expected, 2,
                          json_pack(entry, "id", 2, "content", "[UNK]", "single_word", 0, "lstrip", 0, "rstrip", 0,
                                    "normalized", 0, "special", 1));
    assert_true(json_equal(json_object_get(trained, "added_tokens"), expected));
    json_decref(expected);
    json_decref(trained);
    json_decref(untrained);
    trainer_settings_release(&settings);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference),
        cmocka_unit_test(test_affixes),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_strange_corpora),
        cmocka_unit_test(test_lines_across_chunks),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_wrong_model),
        cmocka_unit_test(test_added_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
