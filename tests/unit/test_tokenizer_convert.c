/* Converted vocabularies against the references of their sources: every form in tests/data/tokenizers (and in
 * SHARED_DATA/tokenizers where that is present) is written as tokenizer.json and as GGUF where these can say it, opened
 * again, and must give the ids and texts that Hugging Face tokenizers, sentencepiece, tiktoken and mistral-common
 * recorded for the source. Then writing with every allocation refused in turn. */
#include "test.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "temporary_folder.h"
#include "tokenizer/convert.h"

static const char *const forms[] = {"tokenizer.json",       "vocab.gguf",          "tokenizer.model", "tekken.json",
                                    "cl100k_base.tiktoken", "o200k_base.tiktoken", "vocab.json"};

static size_t n_cases, n_failures, n_written, n_refused, n_different;

static void complain(const char *where, const char *what, const json_t *test) {
    char *text = json_dumps(test, JSON_ENSURE_ASCII);
    if (n_failures++ < 10) print_error("%s: %s differ\n  %.700s\n", where, what, text ? text : "?");
    free(text);
}

static bool same_ids(const json_t *expected, const int32_t *ids, size_t n) {
    if (json_array_size(expected) != n) return false;
    for (size_t i = 0; i < n; i++)
        if (json_integer_value(json_array_get(expected, i)) != ids[i]) return false;
    return true;
}

/* encoding a text as its reference recorded it, with truncation and padding */
static void check_case(const bn_tokenizer *tokenizer, bool parse_special, bool texts_too, const json_t *test,
                       const char *where) {
    static char raw[1 << 16];
    const json_t *text = json_object_get(test, "text"), *skipped = json_object_get(test, "decoded_skip_special");
    const char *hex = json_string_value(json_object_get(test, "hex"));
    struct encode_request request = {.text = hex ? raw : json_string_value(text),
                                     .text_bytes = json_string_length(text),
                                     .add_special = json_is_true(json_object_get(test, "add_special")),
                                     .parse_special = parse_special};
    for (size_t i = 0; hex && i < strlen(hex) / 2; i++, request.text_bytes = i)
        raw[i] = (char)strtoul((char[]){hex[2 * i], hex[2 * i + 1], 0}, NULL, 16);
    struct encoding encoding;
    char *decoded;
    size_t decoded_size;
    bn_error err;
    n_cases++;
    if (tokenizer_encode(tokenizer, &request, &encoding, &err)) {
        complain(where, err.message, test);
        return;
    }
    if (!same_ids(json_object_get(test, "ids"), encoding.ids, encoding.n)) complain(where, "ids", test);
    if (skipped && texts_too) {
        assert_ok(bn_tokenizer_decode(tokenizer, encoding.ids, encoding.n, true, &decoded, &decoded_size, &err), err);
        if (strcmp(decoded, json_string_value(skipped)) != 0) complain(where, "texts", test);
        bn_free(decoded);
    }
    encoding_release(&encoding);
}

/* skip_markup: leaves out texts with special tokens' text in them. */
static void check_cases(const bn_tokenizer *converted, bool parse_special, bool texts_too, bool skip_markup,
                        const char *folder, const char *where) {
    char *path = path_join(folder, "cases.jsonl"), *lines;
    size_t size;
    bn_error err;
    assert_int_equal(file_read_all(path, 1 << 28, &lines, &size, &err), BN_OK);
    for (char *line = lines, *end; (end = strchr(line, '\n')); line = end + 1) {
        json_t *test;
        if (end == line) continue;
        assert_int_equal(json_parse(line, (size_t)(end - line), path, &test, &err), BN_OK);
        bool one_text = !json_object_get(test, "pair") && json_object_get(test, "ids") &&
                        (json_object_get(test, "text") || json_object_get(test, "hex"));
        const char *text = json_string_value(json_object_get(test, "text"));
        if (one_text && !(skip_markup && text && strchr(text, '<')))
            check_case(converted, parse_special, texts_too, test, where);
        json_decref(test);
    }
    mem_free(lines);
    mem_free(path);
}

static bn_status as_json(const bn_tokenizer *from, bn_tokenizer **to, bn_error *err) {
    json_t *root;
    bn_status status = tokenizer_to_json(from, &root, err);
    if (status) return status;
    char *text = json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(17));
    json_decref(root);
    status = text ? tokenizer_from_json(text, strlen(text), "converted", to, err) : BN_STATUS_NO_MEMORY;
    free(text);
    return status;
}

static bn_status as_gguf(const bn_tokenizer *from, bn_tokenizer **to, bn_error *err) {
    struct temporary_folder folder = temporary_folder_create();
    const char *path = temporary_path(&folder, "vocab.gguf");
    struct gguf_writer *writer;
    bn_status status = gguf_writer_create(32, &writer, err);
    if (!status) status = tokenizer_to_gguf(from, 0, writer, err);
    if (!status) status = gguf_writer_finish(writer, path, err);
    gguf_writer_destroy(writer);
    if (!status) status = bn_tokenizer_open(path, to, err);
    temporary_folder_remove(&folder);
    return status;
}

static void check_conversion(const bn_tokenizer *from, const char *folder, const char *form, bool gguf) {
    bn_tokenizer *to = NULL;
    bn_error err;
    struct difference difference;
    char where[600];
    snprintf(where, sizeof where, "%s/%s as %s", folder, form, gguf ? "GGUF" : "tokenizer.json");
    bn_status status = gguf ? as_gguf(from, &to, &err) : as_json(from, &to, &err);
    if (status) {
        assert_int_equal(status, BN_STATUS_UNSUPPORTED);
        n_refused++;
        return;
    }
    assert_int_equal(tokenizer_compare(from, to, NULL, 0, &difference, &err), BN_OK);
    if (difference.text) {
        print_message("%s: %zu of %zu texts differ\n", where, difference.n_different, difference.n_compared);
        n_different++;
    } else {
        /* A decoder of SentencePiece shows unknown pieces, which others leave out as special. */
        bool texts_too = strcmp(form, "tokenizer.model") != 0;
        /* Special tokens' text is text in SentencePiece, and never that in tokenizer.json. */
        bool parses = tokenizer_parses_special(from);
        check_cases(to, parses, texts_too, !parses && tokenizer_parses_special(to), folder, where);
        n_written++;
    }
    difference_release(&difference);
    bn_tokenizer_close(to);
}

static void check_folder(const char *folder) {
    bool any = false;
    bn_error err;
    for (size_t i = 0; i <= sizeof forms / sizeof *forms; i++) {
        bool itself = i == sizeof forms / sizeof *forms;
        char *path = itself ? mem_strdup(folder) : path_join(folder, forms[i]);
        bn_tokenizer *tokenizer;
        bool legacy = !itself && strcmp(forms[i], "vocab.json") == 0; /* means GPT-2's where it is alone */
        if (file_exists(path) && !(itself && any) && !(legacy && !strstr(folder, "gpt2"))) {
            any = true;
            assert_int_equal(bn_tokenizer_open(path, &tokenizer, &err), BN_OK);
            check_conversion(tokenizer, folder, itself ? "" : forms[i], false);
            check_conversion(tokenizer, folder, itself ? "" : forms[i], true);
            bn_tokenizer_close(tokenizer);
        }
        mem_free(path);
    }
}

static void check_all(const char *root) {
    DIR *directory = opendir(root);
    if (!directory) {
        print_message("%s isn't there: skipped\n", root);
        skip();
    }
    n_cases = n_failures = n_written = n_refused = n_different = 0;
    for (struct dirent *entry; (entry = readdir(directory));) {
        char *folder = path_join(root, entry->d_name), *cases = path_join(folder, "cases.jsonl");
        if (*entry->d_name != '.' && file_exists(cases)) check_folder(folder);
        mem_free(cases);
        mem_free(folder);
    }
    closedir(directory);
    print_message("%zu written, %zu refused, %zu different; %zu cases\n", n_written, n_refused, n_different, n_cases);
    assert_int_equal(n_failures, 0);
}

static void test_bundled(void **state) {
    (void)state;
    check_all(TEST_DATA "/tokenizers");
    assert_true(n_written >= 36);     /* of 28 forms */
    assert_int_equal(n_different, 1); /* Unigram with a character map: T5's to GGUF */
}

static void test_shared(void **state) {
    (void)state;
    check_all(SHARED_DATA "/tokenizers");
}

/* Refuses the n-th allocation for n = 0, 1, …, in strides that grow so that the test takes a second. jansson's own
 * aren't counted. */
static void refuse_in_turn(const char *path, bool gguf) {
    bn_tokenizer *from, *to;
    bn_error err;
    assert_int_equal(bn_tokenizer_open(path, &from, &err), BN_OK);
    bn_status status = BN_STATUS_NO_MEMORY;
    for (long n = 0; status; n += 1 + n / 16) {
        struct gguf_writer *writer = NULL;
        json_t *root = NULL;
        assert_true(n < 1000000);
        mem_fail_after(n);
        if (gguf) {
            status = gguf_writer_create(32, &writer, &err);
            if (!status) status = tokenizer_to_gguf(from, 0, writer, &err);
        } else {
            status = tokenizer_to_json(from, &root, &err);
        }
        mem_fail_after(-1);
        assert_true(status == BN_OK || status == BN_STATUS_NO_MEMORY);
        gguf_writer_destroy(writer);
        if (!status && root) json_decref(root);
    }
    assert_int_equal(gguf ? as_gguf(from, &to, &err) : as_json(from, &to, &err), BN_OK);
    bn_tokenizer_close(to);
    bn_tokenizer_close(from);
}

static void test_refused_allocations(void **state) {
    (void)state;
    refuse_in_turn(TEST_DATA "/tokenizers/llama3/tokenizer.json", true);
    refuse_in_turn(TEST_DATA "/tokenizers/llama3/tokenizer.json", false);
    refuse_in_turn(TEST_DATA "/tokenizers/spm-llama/tokenizer.model", true);
    refuse_in_turn(TEST_DATA "/tokenizers/spm-llama/tokenizer.model", false);
    refuse_in_turn(TEST_DATA "/tokenizers/spm-user-symbols/tokenizer.model", false);
    refuse_in_turn(TEST_DATA "/tokenizers/bert-uncased/tokenizer.json", true);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bundled), cmocka_unit_test(test_shared),
                                       cmocka_unit_test(test_refused_allocations)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
