/* Every tokenizer against its reference: the cases in tests/data/tokenizers, and all of SHARED_DATA/tokenizers where
 * that is present, as opened and as compiled. Truth: Hugging Face tokenizers, sentencepiece, tiktoken, mistral-common (ids, type ids, offsets,
 * decoded text, pieces of a stream). A folder is opened in every form it has, and each form must give the same
 * answers. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "tokenizer/compiled.h"

#include <cmocka.h>

struct form {
    const char *file; /* opened; "" is the folder itself */
    bool offsets;     /* the form's reference gives offsets */
};

static size_t n_cases, n_failures;
static char where[1024];

static void complain(const char *what, const json_t *test, const json_t *got) {
    if (n_failures++ > 20) return;
    char *expected = json_dumps(test, JSON_ENCODE_ANY | JSON_ENSURE_ASCII),
         *actual = json_dumps(got, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
    print_error("%s: %s\n  case %.900s\n  got  %.700s\n", where, what, expected ? expected : "?",
                actual ? actual : "?");
    free(expected);
    free(actual);
}

static json_t *ids_to_json(const int32_t *ids, size_t n) {
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(array, json_integer(ids[i]));
    return array;
}

static void check(const char *what, const json_t *test, const char *key, json_t *got) {
    const json_t *expected = json_object_get(test, key);
    if (expected && !json_equal(expected, got)) complain(what, test, got);
    json_decref(got);
}

static size_t unhex(const char *hex, char *out) {
    size_t n = 0;
    for (unsigned byte; sscanf(hex + 2 * n, "%2x", &byte) == 1; n++) out[n] = (char)byte;
    return n;
}

static json_t *decode(const bn_tokenizer *tokenizer, const int32_t *ids, size_t n, bool skip) {
    char *text;
    size_t size;
    bn_error err;
    if (bn_tokenizer_decode(tokenizer, ids, n, skip, &text, &size, &err)) return json_string(err.message);
    json_t *value = json_stringn_nocheck(text, size);
    bn_free(text);
    return value;
}

/* Feeds the ids one by one; the pieces, joined, must be what decoding at once gives. */
static json_t *stream(const bn_tokenizer *tokenizer, const int32_t *ids, size_t n, json_t **joined) {
    bn_decoder *decoder;
    bn_error err;
    assert_int_equal(bn_decoder_create(tokenizer, false, &decoder, &err), BN_OK);
    json_t *pieces = json_array();
    char *text = mem_alloc(65536);
    size_t size = 0, piece_size;
    const char *piece;
    for (size_t i = 0; i <= n; i++) {
        bn_status status = i < n ? bn_decoder_push(decoder, ids[i], &piece, &piece_size, &err)
                                 : bn_decoder_finish(decoder, &piece, &piece_size, &err);
        assert_int_equal(status, BN_OK);
        if (i < n) json_array_append_new(pieces, piece_size ? json_stringn_nocheck(piece, piece_size) : json_null());
        if (size + piece_size <= 65536) memcpy(text + size, piece, piece_size);
        size += piece_size;
    }
    *joined = json_stringn_nocheck(text, size);
    mem_free(text);
    bn_decoder_destroy(decoder);
    return pieces;
}

static void check_decoding(const bn_tokenizer *tokenizer, const json_t *test, const int32_t *ids, size_t n) {
    check("decoded", test, "decoded", decode(tokenizer, ids, n, false));
    check("decoded_skip_special", test, "decoded_skip_special", decode(tokenizer, ids, n, true));
    check("decoded_replace", test, "decoded_replace", decode(tokenizer, ids, n, false));
}

/* Ids alone come by another way, and from the word cache the second time; alignment must make no difference. */
static void check_ids_alone(const bn_tokenizer *tokenizer, const struct encode_request *request, const json_t *test) {
    const bn_encode_options options = {
        .size = sizeof options, .add_special = request->add_special, .parse_special = request->parse_special};
    for (int time = 0; time < 2 && !request->pair; time++) {
        int32_t *ids;
        size_t n;
        bn_error err;
        if (bn_tokenizer_encode(tokenizer, request->text, request->text_bytes, &options, &ids, &n, &err)) {
            complain("encode to ids alone", test, json_string(err.message));
            return;
        }
        check("ids alone", test, "ids", ids_to_json(ids, n));
        bn_free(ids);
    }
}

static void check_case(const bn_tokenizer *tokenizer, const json_t *test, const struct form *form) {
    static char raw[1 << 16];
    const json_t *text = json_object_get(test, "text"), *pair = json_object_get(test, "pair"),
                 *hex = json_object_get(test, "hex");
    const json_t *parse = json_object_get(test, "parse_special");
    struct encode_request request = {.text = json_string_value(text),
                                     .text_bytes = json_string_length(text),
                                     .pair = json_string_value(pair),
                                     .pair_bytes = json_string_length(pair),
                                     .add_special = json_is_true(json_object_get(test, "add_special")),
                                     .parse_special =
                                         parse ? json_is_true(parse) : tokenizer_parses_special(tokenizer)};
    if (hex) request.text = raw, request.text_bytes = unhex(json_string_value(hex), raw);
    struct encoding encoding;
    bn_error err;
    n_cases++;
    if (tokenizer_encode(tokenizer, &request, &encoding, &err)) {
        complain("encode", test, json_string(err.message));
        return;
    }
    check("ids", test, "ids", ids_to_json(encoding.ids, encoding.n));
    check("type_ids", test, "type_ids", ids_to_json(encoding.type_ids, encoding.n));
    json_t *offsets = json_array();
    for (size_t i = 0; i < encoding.n; i++)
        json_array_append_new(
            offsets, json_pack("[I, I]", (json_int_t)encoding.offsets[i][0], (json_int_t)encoding.offsets[i][1]));
    if (form->offsets)
        check("offsets", test, "offsets", offsets);
    else
        json_decref(offsets);
    check_decoding(tokenizer, test, encoding.ids, encoding.n);
    if (!strstr(where, "truncate-pad")) check_ids_alone(tokenizer, &request, test); /* which never cuts or pads */
    encoding_release(&encoding);
}

static void check_ids(const bn_tokenizer *tokenizer, const json_t *test) {
    const json_t *list = json_object_get(test, "ids");
    size_t n = json_array_size(list);
    int32_t *ids = mem_alloc_array(n, sizeof *ids);
    for (size_t i = 0; i < n; i++) ids[i] = (int32_t)json_integer_value(json_array_get(list, i));
    n_cases++;
    check_decoding(tokenizer, test, ids, n);
    json_t *joined;
    check("pieces", test, "pieces", stream(tokenizer, ids, n, &joined));
    json_t *whole = decode(tokenizer, ids, n, false);
    if (!json_equal(whole, joined)) complain("stream is not the whole", whole, joined);
    json_decref(whole);
    json_decref(joined);
    mem_free(ids);
}

/* One JSON document a line; only '\n' ends a line. */
static void for_each_line(const char *folder, const char *name, const bn_tokenizer *tokenizer,
                          const struct form *form) {
    char *path = path_join(folder, name), *text;
    size_t size;
    bn_error err;
    if (file_exists(path) && file_read_all(path, 1 << 28, &text, &size, &err) == BN_OK) {
        for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
            json_t *test;
            /* What a stream shows for an unknown token is tokenizer.json's answer; sentencepiece has another. */
            bool unknown = memmem(line, (size_t)(end - line), "<unk>", 5) != NULL;
            if (end == line || (unknown && !form->offsets && strcmp(name, "stream.jsonl") == 0)) continue;
            assert_int_equal(json_parse(line, (size_t)(end - line), path, &test, &err), BN_OK);
            snprintf(where, sizeof where, "%s/%s %s", folder, form->file, name);
            if (json_object_get(test, "text") || json_object_get(test, "hex"))
                check_case(tokenizer, test, form);
            else
                check_ids(tokenizer, test);
            json_decref(test);
        }
        mem_free(text);
    }
    mem_free(path);
}

static const struct form forms[] = {
    {"tokenizer.json", true},        {"vocab.gguf", false},          {"tokenizer.model", false}, {"tekken.json", false},
    {"cl100k_base.tiktoken", false}, {"o200k_base.tiktoken", false}, {"vocab.json", false},      {"vocab.txt", true},
};

static void check_tokenizer(const bn_tokenizer *tokenizer, const char *folder, const struct form *form) {
    for_each_line(folder, "cases.jsonl", tokenizer, form);
    for_each_line(folder, "special_cases.jsonl", tokenizer, form);
    for_each_line(folder, "decode_cases.jsonl", tokenizer, form);
    if (form->offsets) for_each_line(folder, "json_cases.jsonl", tokenizer, form);
    if (strcmp(form->file, "vocab.json") != 0) for_each_line(folder, "stream.jsonl", tokenizer, form);
}

/* The same questions to the tokenizer that its image gives. */
static void check_compiled(const bn_tokenizer *tokenizer, const char *folder, const struct form *form) {
    struct buffer image;
    bn_tokenizer *compiled;
    bn_error err;
    buffer_init(&image);
    if (tokenizer_compile(tokenizer, NULL, &image, &err) ||
        tokenizer_from_image((const uint8_t *)image.data, image.size, &compiled, &err)) {
        print_error("%s/%s compiled: %s\n", folder, form->file, err.message);
        n_failures++;
    } else {
        check_tokenizer(compiled, folder, form);
        for (int32_t id = 0; id < (int32_t)bn_tokenizer_vocab_size(tokenizer); id++) {
            assert_string_equal(bn_tokenizer_token(compiled, id), bn_tokenizer_token(tokenizer, id));
            assert_int_equal(bn_tokenizer_is_special(compiled, id), bn_tokenizer_is_special(tokenizer, id));
            assert_int_equal(bn_tokenizer_is_end(compiled, id), bn_tokenizer_is_end(tokenizer, id));
        }
        bn_tokenizer_close(compiled);
    }
    buffer_release(&image);
}

static void check_form(const char *folder, const struct form *form) {
    char *path = path_join(folder, form->file);
    bn_tokenizer *tokenizer = NULL;
    bn_error err;
    bn_status status = bn_tokenizer_open(*form->file ? path : folder, &tokenizer, &err);
    if (status) {
        print_error("%s: %s\n", path, err.message);
        n_failures++;
    } else {
        check_tokenizer(tokenizer, folder, form);
        check_compiled(tokenizer, folder, form);
        bn_tokenizer_close(tokenizer);
    }
    mem_free(path);
}

static void check_folder(const char *folder) {
    bool any = false;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        char *path = path_join(folder, forms[i].file);
        /* A vocab.json alone means GPT-2: elsewhere it lacks what tokenizer.json says. */
        if (file_exists(path) && (strcmp(forms[i].file, "vocab.json") != 0 || strstr(folder, "gpt2"))) {
            check_form(folder, &forms[i]);
            any = true;
        }
        mem_free(path);
    }
    const struct form itself = {"", true};
    if (!any) check_form(folder, &itself);
}

static void check_all(const char *root) {
    DIR *directory = opendir(root);
    if (!directory) {
        print_message("%s isn't there: skipped\n", root);
        skip();
    }
    n_cases = n_failures = 0;
    for (struct dirent *entry; (entry = readdir(directory));) {
        char *folder = path_join(root, entry->d_name), *cases = path_join(folder, "cases.jsonl");
        const char *only = getenv("ONLY_TOKENIZER");
        if (*entry->d_name != '.' && file_exists(cases) && (!only || strcmp(only, entry->d_name) == 0)) {
            size_t cases_before = n_cases, failures_before = n_failures;
            check_folder(folder);
            print_message("%-24s %5zu cases, %zu failures\n", entry->d_name, n_cases - cases_before,
                          n_failures - failures_before);
        }
        mem_free(cases);
        mem_free(folder);
    }
    closedir(directory);
    print_message("%zu cases under %s\n", n_cases, root);
    assert_int_equal(n_failures, 0);
    assert_true(n_cases > 0);
}

static void test_bundled(void **state) {
    (void)state;
    check_all(TEST_DATA "/tokenizers");
}

static void test_shared(void **state) {
    (void)state;
    check_all(SHARED_DATA "/tokenizers");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bundled), cmocka_unit_test(test_shared)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
