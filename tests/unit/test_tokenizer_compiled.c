/* Compiled tokenizers: a vocabulary of the size that models have gives the same ids from its image as from its source,
 * and an image that was cut, damaged or made up is refused or harmless. That every tokenizer's cases hold for its image
 * too is in test_tokenizer_cases.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "temporary_folder.h"
#include "test.h"
#include "tokenizer/compiled.h"

/* ---- a large vocabulary ---- */

enum { N_TOKENS = 128000 };

/* Token i ≥ 256 is an earlier token and a letter: every token has a merge, as in a trained vocabulary. */
static size_t parent_of(size_t id) {
    return id < 256 + 26 * 26 ? 'a' + (id - 256) / 26 - 33 : 256 + (id - 256 - 26 * 26) / 26;
}

static void spell(size_t id, struct buffer *out) {
    if (id < 94)
        buffer_append_char(out, (char)(33 + id)); /* printable bytes stand for themselves in GPT-2's alphabet */
    else if (id < 256)
        buffer_printf(out, "<%zu>", id);
    else {
        spell(parent_of(id), out);
        buffer_append_char(out, (char)('a' + (id - 256) % 26));
    }
}

static void append_quoted(struct buffer *json, size_t id) {
    struct buffer text;
    buffer_init(&text);
    spell(id, &text);
    buffer_append_json_string(json, text.data, text.size);
    buffer_release(&text);
}

static void write_large(struct buffer *json) {
    buffer_append_text(json, "{\"added_tokens\": [{\"id\": 128000, \"content\": \"<|end|>\", \"special\": true}], "
                             "\"pre_tokenizer\": {\"type\": \"ByteLevel\", \"add_prefix_space\": false}, "
                             "\"decoder\": {\"type\": \"ByteLevel\"}, \"model\": {\"type\": \"BPE\", \"vocab\": {");
    for (size_t id = 0; id < N_TOKENS; id++) {
        if (id) buffer_append_text(json, ", ");
        append_quoted(json, id);
        buffer_printf(json, ": %zu", id);
    }
    buffer_append_text(json, "}, \"merges\": [");
    for (size_t id = 256; id < N_TOKENS; id++) {
        buffer_append_text(json, id > 256 ? ", [" : "[");
        append_quoted(json, parent_of(id));
        buffer_printf(json, ", \"%c\"]", (char)('a' + (id - 256) % 26));
    }
    buffer_append_text(json, "]}}");
}

static void assert_same_ids(const bn_tokenizer *a, const bn_tokenizer *b, const char *text, size_t size) {
    int32_t *ids[2];
    size_t n[2];
    bn_error err;
    assert_int_equal(bn_tokenizer_encode(a, text, size, NULL, &ids[0], &n[0], &err), BN_OK);
    assert_int_equal(bn_tokenizer_encode(b, text, size, NULL, &ids[1], &n[1], &err), BN_OK);
    assert_int_equal(n[0], n[1]);
    assert_memory_equal(ids[0], ids[1], n[0] * sizeof *ids[0]);
    bn_free(ids[0]);
    bn_free(ids[1]);
}

static void test_large_vocabulary(void **state) {
    (void)state;
    struct buffer json, image;
    buffer_init(&json);
    buffer_init(&image);
    write_large(&json);
    bn_tokenizer *source, *compiled;
    bn_error err = {0};
    assert_int_equal(tokenizer_from_json(json.data, json.size, "large", &source, &err), BN_OK);
    assert_int_equal(tokenizer_compile(source, NULL, &image, &err), BN_OK);

    struct temporary_folder folder = temporary_folder_create();
    const char *path = temporary_path(&folder, "large.bntok");
    write_file(path, image.data, image.size);
    assert_int_equal(bn_tokenizer_open(path, &compiled, &err), BN_OK);
    assert_int_equal(bn_tokenizer_vocab_size(compiled), N_TOKENS + 1);

    char text[4096];
    uint64_t random = 1;
    for (size_t round = 0; round < 200; round++) {
        for (size_t i = 0; i < sizeof text; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            text[i] = random >> 61 ? (char)('a' + (random >> 40) % 26) : (char)("  \nZ.9\xc3\xa9"[random >> 50 & 7]);
        }
        memcpy(text + 100, "<|end|>", 7);
        assert_same_ids(source, compiled, text, sizeof text);
    }
    for (int32_t id = 0; id <= N_TOKENS; id++)
        assert_int_equal(bn_tokenizer_find(compiled, bn_tokenizer_token(source, id)), id);
    bn_tokenizer_close(compiled);
    bn_tokenizer_close(source);
    buffer_release(&image);
    buffer_release(&json);
    temporary_folder_remove(&folder);
}

/* ---- in GGUF files ---- */

/* A copy of a GGUF file with the compiled form in it, and maybe another chat template. */
static void write_gguf(const struct gguf *gguf, const bn_tokenizer *tokenizer, const char *template, const char *path) {
    struct gguf_writer *writer;
    bn_error err = {0};
    assert_ok(gguf_writer_create(32, &writer, &err), err);
    assert_ok(gguf_writer_set_string(writer, "general.name", "odd", 3, &err), err);
    assert_ok(tokenizer_compile_into_gguf(tokenizer, gguf, writer, &err), err);
    for (size_t i = 0; i < gguf->n_values; i++)
        if (strcmp(gguf->values[i].key, "general.name") != 0 &&
            strcmp(gguf->values[i].key, "tokenizer.chat_template") != 0)
            assert_ok(gguf_writer_copy(writer, &gguf->values[i], &err), err);
    if (template) assert_ok(gguf_writer_set_string(writer, "tokenizer.chat_template", template, 8, &err), err);
    assert_ok(gguf_writer_finish(writer, path, &err), err);
    gguf_writer_destroy(writer);
}

static void test_in_gguf(void **state) {
    (void)state;
    static const char text[] = "Hello, it's <|eot_id|> 12345 \xc3\xa9\n\n  x";
    struct temporary_folder folder = temporary_folder_create();
    const char *path = temporary_path(&folder, "compiled.gguf");
    struct gguf gguf;
    bn_error err = {0};
    bn_tokenizer *source, *compiled;
    assert_ok(gguf_open(TEST_DATA "/tokenizers/llama3/vocab.gguf", &gguf, &err), err);
    bool has_template = gguf_find(&gguf, "tokenizer.chat_template") != NULL;
    assert_false(has_template); /* else the copy would lack it */
    assert_ok(tokenizer_from_gguf(&gguf, NULL, NULL, &source, &err), err);
    assert_false(source->has_image);

    write_gguf(&gguf, source, NULL, path);
    assert_ok(bn_tokenizer_open(path, &compiled, &err), err);
    assert_true(compiled->has_image);
    assert_same_ids(source, compiled, text, sizeof text - 1);
    bn_tokenizer_close(compiled);

    write_gguf(&gguf, source, "changed!", path); /* the image doesn't know of it: the arrays are read */
    assert_ok(bn_tokenizer_open(path, &compiled, &err), err);
    assert_false(compiled->has_image);
    assert_string_equal(bn_tokenizer_chat_template(compiled), "changed!");
    assert_same_ids(source, compiled, text, sizeof text - 1);
    bn_tokenizer_close(compiled);
    bn_tokenizer_close(source);
    gguf_close(&gguf);
    temporary_folder_remove(&folder);
}

/* ---- damaged and hostile images ---- */

static const char *const kinds[] = {"gpt2",       "bpe-suffix-fuse", "llama2",       "spm-user-symbols",
                                    "t5-unigram", "llama3",          "bert-uncased", "deepseek",
                                    "wordlevel",  "byt5-decode",     "added-tokens"};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

static void compile_kind(const char *kind, struct buffer *image) {
    char path[1024];
    bn_tokenizer *tokenizer;
    bn_error err = {0};
    snprintf(path, sizeof path, TEST_DATA "/tokenizers/%s", kind);
    buffer_init(image);
    assert_ok(bn_tokenizer_open(path, &tokenizer, &err), err);
    assert_int_equal(tokenizer_compile(tokenizer, NULL, image, &err), BN_OK);
    bn_tokenizer_close(tokenizer);
}

/* Opens the bytes in memory of exactly their size and, if that works, uses them. */
static bn_status try_image(const void *bytes, size_t size, bn_error *err) {
    static const char text[] = "Hello, world! <s>\n\n1234 <|endoftext|> \xc3\xa9\xe4\xb8\xad\xf0\x9f\x91\x8d \xff it's";
    bn_tokenizer *tokenizer;
    uint8_t *copy = mem_alloc(size);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    bn_status status = tokenizer_from_image(copy, size, &tokenizer, err);
    if (!status) {
        struct encode_request request = {text, sizeof text - 1, text, 5, true, true};
        struct encoding encoding;
        char *decoded;
        size_t n;
        if (tokenizer_encode(tokenizer, &request, &encoding, err) == BN_OK) {
            for (size_t i = 0; i < encoding.n; i++)
                assert_true((size_t)encoding.ids[i] < bn_tokenizer_vocab_size(tokenizer));
            if (bn_tokenizer_decode(tokenizer, encoding.ids, encoding.n, false, &decoded, &n, err) == BN_OK)
                bn_free(decoded);
            encoding_release(&encoding);
        }
        for (int32_t id = 0; id < 300; id++) {
            const char *token = bn_tokenizer_token(tokenizer, id);
            if (token) assert_true(strlen(token) < size);
        }
        bn_tokenizer_close(tokenizer);
    }
    mem_free(copy);
    return status;
}

static void test_cut_off(void **state) {
    (void)state;
    for (size_t k = 0; k < N_KINDS; k++) {
        struct buffer image;
        bn_error err;
        compile_kind(kinds[k], &image);
        assert_int_equal(try_image(image.data, image.size, &err), BN_OK);
        for (size_t size = 0; size < image.size; size += 1 + size / 8)
            assert_int_equal(try_image(image.data, size, &err), BN_STATUS_BAD_FILE);
        buffer_release(&image);
    }
}

/* Shorter, with a header that agrees: tables and fields then lie outside. */
static void test_shortened(void **state) {
    (void)state;
    for (size_t k = 0; k < N_KINDS; k++) {
        struct buffer image;
        bn_error err;
        compile_kind(kinds[k], &image);
        for (size_t size = image.size - 64; size > 64; size -= 64 + size / 10 / 64 * 64) {
            uint64_t said = size, description;
            memcpy(image.data + 16, &said, sizeof said);
            memcpy(&description, image.data + 24, sizeof description);
            if (description > size - 64) break;
            image_seal(image.data, size);
            assert_int_equal(try_image(image.data, size, &err), BN_STATUS_BAD_FILE);
        }
        buffer_release(&image);
    }
}

static void test_other_headers(void **state) {
    (void)state;
    static const struct {
        size_t at;
        uint8_t flip;
        bn_status status;
        const char *message;
    } headers[] = {{0, 1, BN_STATUS_BAD_FILE, "not a compiled"},
                   {8, 5, BN_STATUS_UNSUPPORTED, "byte order"},
                   {12, 8, BN_STATUS_UNSUPPORTED, "compile it again"},
                   {16, 1, BN_STATUS_BAD_FILE, "cut off"},
                   {40, 1, BN_STATUS_BAD_FILE, "checksum"},
                   {70, 1, BN_STATUS_BAD_FILE, "checksum"}};
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        struct buffer image;
        bn_error err = {0};
        compile_kind("llama2", &image);
        image.data[headers[i].at] ^= (char)headers[i].flip;
        assert_int_equal(try_image(image.data, image.size, &err), headers[i].status);
        assert_non_null(strstr(err.message, headers[i].message));
        buffer_release(&image);
    }
}

/* Bytes changed anywhere, in half of the rounds with a checksum that agrees: opening fails or what was opened does no
 * harm, soon. */
static void test_flipped_bytes(void **state) {
    (void)state;
    uint64_t random = 7, began = clock_now_ns();
    size_t opened = 0, refused = 0;
    for (size_t k = 0; k < N_KINDS; k++) {
        struct buffer image;
        compile_kind(kinds[k], &image);
        char *pristine = mem_strndup(image.data, image.size);
        memcpy(pristine, image.data, image.size);
        uint64_t described;
        memcpy(&described, image.data + 24, sizeof described);
        for (size_t round = 0; round < 600; round++) {
            size_t from = 0, range = image.size; /* half of the changes fall on the description */
            if (round % 2) from = 64, range = described;
            for (size_t i = 0; i < 1 + round % 7; i++) {
                random = random * 6364136223846793005u + 1442695040888963407u;
                size_t at = from + (random >> 20) % range;
                image.data[at] = random >> 63 ? (char)(image.data[at] ^ 1 << (random >> 60 & 7)) : (char)(random >> 52);
            }
            image_seal(image.data, image.size);
            bn_error err;
            if (try_image(image.data, image.size, &err))
                refused++;
            else
                opened++;
            memcpy(image.data, pristine, image.size);
        }
        mem_free(pristine);
        buffer_release(&image);
    }
    assert_true(opened > 100 && refused > 100);
    assert_true(clock_now_ns() - began < 60000000000u);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_large_vocabulary), cmocka_unit_test(test_in_gguf),
        cmocka_unit_test(test_cut_off),          cmocka_unit_test(test_shortened),
        cmocka_unit_test(test_other_headers),    cmocka_unit_test(test_flipped_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
