/* Truncation and padding of tokenizer.json against Hugging Face tokenizers: SHARED_DATA/tokenizers/options.
 * Overflowing parts and the common length of a batch aren't asked: an encoding here is one text or pair. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "tokenizer/tokenizer.h"

#include <cmocka.h>

static size_t n_checked;

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

static void check_line(json_t *file, const json_t *line) {
    const json_t *padding = json_object_get(line, "padding"), *inputs = json_object_get(line, "inputs"), *input;
    size_t i;
    bool refused = false, common = json_is_object(padding) && !json_is_object(json_object_get(padding, "strategy"));
    if (common && json_array_size(inputs) > 1) return; /* as long as the longest of the batch */
    json_object_set(file, "truncation", json_object_get(line, "truncation"));
    json_object_set(file, "padding", (json_t *)padding);
    char *text = json_dumps(file, 0);
    bn_tokenizer *tokenizer;
    bn_error err;
    assert_int_equal(tokenizer_from_json(text, strlen(text), "options", &tokenizer, &err), BN_OK);
    free(text);
    json_array_foreach(inputs, i, input) {
        refused |= check_input(tokenizer, input, json_is_true(json_object_get(line, "add_special")),
                               json_array_get(json_object_get(line, "results"), i));
        n_checked++;
    }
    assert_int_equal(refused, json_object_get(line, "error") != NULL);
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
    n_checked = 0;
    for (char *at = text, *end; (end = strchr(at, '\n')); at = end + 1) {
        assert_int_equal(json_parse(at, (size_t)(end - at), path, &line, &err), BN_OK);
        check_line(file, line);
        json_decref(line);
    }
    assert_true(n_checked > 40);
    mem_free(text);
    json_decref(file);
    mem_free(path);
    mem_free(tokenizer_path);
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bert), cmocka_unit_test(test_roberta)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
