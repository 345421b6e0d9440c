/* Truncation and padding of tokenizer.json against Hugging Face tokenizers: tests/data/tokenizers/options, and
 * SHARED_DATA/tokenizers/options where that is present. Each line is a batch, encoded text by text and at once with its
 * overflowing parts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "tokenizer/tokenizer.h"

#include <cmocka.h>

static size_t n_checked, n_overflowing;

static bool equals(const json_t *expected, const int32_t *got, size_t n) {
    bool equal = json_array_size(expected) == n;
    for (size_t i = 0; i < n && equal; i++) equal = json_integer_value(json_array_get(expected, i)) == got[i];
    return equal;
}

static bool offsets_equal(const json_t *expected, size_t (*got)[2], size_t n) {
    bool equal = json_array_size(expected) == n;
    for (size_t i = 0; i < n && equal; i++)
        for (size_t k = 0; k < 2; k++)
            equal &= (size_t)json_integer_value(json_array_get(json_array_get(expected, i), k)) == got[i][k];
    return equal;
}

/* True if the input was refused. */
static bool check_input(const bn_tokenizer *tokenizer, const json_t *input, bool add_special, const json_t *expected) {
    const json_t *text = json_array_get(input, 0), *pair = json_array_get(input, 1);
    struct encode_request request = {.text = json_string_value(text),
                                     .text_bytes = json_string_length(text),
                                     .pair = json_string_value(pair),
                                     .pair_bytes = json_string_length(pair),
                                     .add_special = add_special,
                                     .parse_special = true};
    struct encoding encoding;
    bn_error err;
    if (tokenizer_encode(tokenizer, &request, &encoding, &err)) return true;
    if (expected) {
        assert_true(equals(json_object_get(expected, "ids"), encoding.ids, encoding.n));
        assert_true(equals(json_object_get(expected, "type_ids"), encoding.type_ids, encoding.n));
        const json_t *offsets = json_object_get(expected, "offsets");
        if (offsets) assert_true(offsets_equal(offsets, encoding.offsets, encoding.n));
    }
    encoding_release(&encoding);
    return false;
}

/* What each part of the batch must be: a result, and behind it what overflowed. */
static void check_part(const json_t *expected, const bn_encoding *got, size_t input, size_t part) {
    static const char *const masks[] = {"attention_mask", "special_tokens_mask"};
    assert_int_equal(got->input, input);
    assert_int_equal(got->part, part);
    if (!equals(json_object_get(expected, "ids"), got->ids, got->n) ||
        !equals(json_object_get(expected, "type_ids"), got->type_ids, got->n)) {
        char *text = json_dumps(expected, 0);
        print_error("input %zu, part %zu: expected %s\n", input, part, text);
        free(text);
    }
    assert_true(equals(json_object_get(expected, "ids"), got->ids, got->n));
    assert_true(equals(json_object_get(expected, "type_ids"), got->type_ids, got->n));
    assert_true(offsets_equal(json_object_get(expected, "offsets"), got->offsets, got->n));
    for (int m = 0; m < 2; m++)
        for (size_t i = 0; i < got->n; i++)
            assert_int_equal((m ? got->special_tokens_mask : got->attention_mask)[i],
                             json_integer_value(json_array_get(json_object_get(expected, masks[m]), i)));
}

static void check_batch(const bn_tokenizer *tokenizer, const json_t *line) {
    bn_encode_input inputs[16];
    size_t n = 0, i, k, at = 0, n_encodings;
    const json_t *input, *result, *over;
    json_array_foreach(json_object_get(line, "inputs"), i, input) {
        const json_t *text = json_array_get(input, 0), *pair = json_array_get(input, 1);
        assert_true(n < 16);
        inputs[n++] = (bn_encode_input){json_string_value(text), json_string_length(text), json_string_value(pair),
                                        json_string_length(pair)};
    }
    const bn_encode_options options = {.size = sizeof options,
                                       .add_special = json_is_true(json_object_get(line, "add_special")),
                                       .parse_special = true};
    bn_encoding *encodings;
    bn_error err;
    bn_status status = bn_tokenizer_encode_aligned(tokenizer, inputs, n, &options, &encodings, &n_encodings, &err);
    assert_int_equal(status != BN_OK, json_object_get(line, "error") != NULL);
    if (status) return;
    json_array_foreach(json_object_get(line, "results"), i, result) {
        assert_true(at < n_encodings);
        check_part(result, &encodings[at++], i, 0);
        json_array_foreach(json_object_get(result, "overflowing"), k, over) {
            assert_true(at < n_encodings);
            check_part(over, &encodings[at++], i, k + 1);
            n_overflowing++;
        }
    }
    assert_int_equal(at, n_encodings);
    bn_encodings_free(encodings, n_encodings);
}

static void check_line(json_t *file, const json_t *line) {
    const json_t *padding = json_object_get(line, "padding"), *inputs = json_object_get(line, "inputs"), *input;
    size_t i;
    bool refused = false, common = json_is_object(padding) && !json_is_object(json_object_get(padding, "strategy"));
    json_object_set(file, "truncation", json_object_get(line, "truncation"));
    json_object_set(file, "padding", (json_t *)padding);
    char *text = json_dumps(file, 0);
    bn_tokenizer *tokenizer;
    bn_error err;
    assert_int_equal(tokenizer_from_json(text, strlen(text), "options", &tokenizer, &err), BN_OK);
    free(text);
    check_batch(tokenizer, line);
    json_array_foreach(inputs, i, input) {
        if (common && json_array_size(inputs) > 1) break; /* as long as the longest of the batch */
        refused |= check_input(tokenizer, input, json_is_true(json_object_get(line, "add_special")),
                               json_array_get(json_object_get(line, "results"), i));
        n_checked++;
    }
    if (!common || json_array_size(inputs) == 1) assert_int_equal(refused, json_object_get(line, "error") != NULL);
    bn_tokenizer_close(tokenizer);
}

static void check_folder(const char *folder) {
    char *path = path_join(folder, "options.jsonl"), *tokenizer_path = path_join(folder, "tokenizer.json"), *text;
    size_t size;
    json_t *file, *line;
    bn_error err;
    if (!file_exists(path)) {
        print_message("%s isn't there: skipped\n", path);
        mem_free(path);
        mem_free(tokenizer_path);
        skip();
    }
    assert_int_equal(json_parse_file(tokenizer_path, 1 << 24, &file, &err), BN_OK);
    assert_int_equal(file_read_all(path, 1 << 24, &text, &size, &err), BN_OK);
    n_checked = n_overflowing = 0;
    for (char *at = text, *end; (end = strchr(at, '\n')); at = end + 1) {
        assert_int_equal(json_parse(at, (size_t)(end - at), path, &line, &err), BN_OK);
        check_line(file, line);
        json_decref(line);
    }
    assert_true(n_checked > 10 && n_overflowing > 10);
    mem_free(text);
    json_decref(file);
    mem_free(path);
    mem_free(tokenizer_path);
}

static void test_own(void **state) {
    (void)state;
    check_folder(TEST_DATA "/tokenizers/options/wordpiece");
}

static void test_bert(void **state) {
    (void)state;
    check_folder(SHARED_DATA "/tokenizers/options/bert-uncased");
}

static void test_roberta(void **state) {
    (void)state;
    check_folder(SHARED_DATA "/tokenizers/options/roberta");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_own), cmocka_unit_test(test_bert),
                                       cmocka_unit_test(test_roberta)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
