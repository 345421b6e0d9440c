/* The table of token bytes against decoding: for random ids of every family, the bytes put together are what decoding
 * the ids gives. And healing against brute force over the whole vocabulary. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "bitnet/tokenizer.h"
#include "test.h"

static uint64_t state_of_random = 1;

static size_t any_below(size_t n) {
    state_of_random = state_of_random * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(state_of_random >> 33) % n;
}

struct opened {
    bn_tokenizer *tokenizer;
    bn_token_bytes *table;
    size_t n;
    int32_t anchor; /* an ordinary token, at both ends of every sequence */
};

static bool is_anchor(const struct opened *o, int32_t id) {
    size_t n;
    const char *bytes = bn_token_bytes_get(o->table, id, &n);
    return n == 1 && *bytes >= 'a' && *bytes <= 'z' && strlen(bn_tokenizer_token(o->tokenizer, id)) == 1;
}

static bool open_family(const char *path, struct opened *o) {
    bn_error err;
    if (bn_tokenizer_open(path, &o->tokenizer, &err)) return false;
    assert_int_equal(bn_token_bytes_create(o->tokenizer, &o->table, &err), BN_OK);
    o->n = bn_tokenizer_vocab_size(o->tokenizer);
    o->anchor = -1;
    for (size_t id = 0; id < o->n && o->anchor < 0; id++)
        if (is_anchor(o, (int32_t)id)) o->anchor = (int32_t)id;
    return true;
}

static void close_family(struct opened *o) {
    bn_token_bytes_destroy(o->table);
    bn_tokenizer_close(o->tokenizer);
}

static char *decoded(const struct opened *o, const int32_t *ids, size_t n, size_t *size) {
    char *text;
    bn_error err;
    assert_int_equal(bn_tokenizer_decode(o->tokenizer, ids, n, true, &text, size, &err), BN_OK);
    return text;
}

/* False where the bytes are no text: decoders have their own ways with broken characters. */
static bool check_sequence(const char *path, const struct opened *o, const int32_t *ids, size_t n) {
    struct buffer bytes;
    buffer_init(&bytes);
    size_t size, expected_size, first_size;
    for (size_t i = 1; i < n; i++) {
        const char *piece = bn_token_bytes_get(o->table, ids[i], &size);
        buffer_append(&bytes, piece, size);
    }
    bool valid = utf8_valid(bytes.data, bytes.size);
    char *whole = decoded(o, ids, n, &expected_size), *first = decoded(o, ids, 1, &first_size);
    bool same = expected_size == first_size + bytes.size && memcmp(whole + first_size, bytes.data, bytes.size) == 0;
    if (valid && !same) print_error("%s: decoded '%s', bytes '%s' behind '%s'\n", path, whole, bytes.data, first);
    assert_true(same || !valid);
    bn_free(whole);
    bn_free(first);
    buffer_release(&bytes);
    return valid;
}

static size_t check_family(const char *path) {
    struct opened o;
    size_t n_checked = 0;
    if (!open_family(path, &o)) return 0;
    for (int round = 0; round < 400 && o.anchor >= 0; round++) {
        int32_t ids[8];
        size_t n = 2 + any_below(6);
        for (size_t i = 0; i < n; i++) ids[i] = (int32_t)any_below(o.n);
        ids[0] = ids[n - 1] = o.anchor;
        n_checked += check_sequence(path, &o, ids, n);
    }
    close_family(&o);
    return n_checked;
}

static void test_every_family(void **state) {
    static const char folder[] = TEST_DATA "/tokenizers";
    size_t n_families = 0;
    (void)state;
    DIR *families = opendir(folder);
    assert_non_null(families);
    for (struct dirent *entry; (entry = readdir(families));) {
        if (entry->d_name[0] == '.' || strcmp(entry->d_name, "options") == 0) continue;
        static const char *const files[] = {"", "vocab.gguf", "tokenizer.model"};
        for (size_t i = 0; i < 3; i++) {
            char path[512];
            snprintf(path, sizeof path, "%s/%s%s%s", folder, entry->d_name, *files[i] ? "/" : "", files[i]);
            if (file_exists(path) || file_is_directory(path)) n_families += check_family(path) > 50;
        }
    }
    closedir(families);
    assert_true(n_families >= 15);
}

static void test_bytes(void **state) {
    (void)state;
    struct opened o;
    size_t n;
    assert_true(open_family(TEST_DATA "/tokenizers/llama2", &o));
    assert_memory_equal(bn_token_bytes_get(o.table, bn_tokenizer_find(o.tokenizer, "<0xC3>"), &n), "\xc3", 1);
    assert_int_equal(n, 1);
    assert_memory_equal(bn_token_bytes_get(o.table, bn_tokenizer_find(o.tokenizer, "\xe2\x96\x81"), &n), " ", 1);
    bn_token_bytes_get(o.table, bn_tokenizer_bos(o.tokenizer), &n);
    assert_int_equal(n, 0);
    bn_token_bytes_get(o.table, (int32_t)o.n, &n);
    assert_int_equal(n, 0);
    bn_token_bytes_get(o.table, -1, &n);
    assert_int_equal(n, 0);
    close_family(&o);
}

static bool begins(const char *text, size_t n, const char *prefix, size_t n_prefix) {
    return n >= n_prefix && memcmp(text, prefix, n_prefix) == 0;
}

static void check_mask(const struct opened *o, const char *prefix, size_t n_prefix) {
    uint8_t *mask = mem_alloc(o->n);
    size_t count = bn_token_bytes_allow(o->table, prefix, n_prefix, mask), seen = 0;
    for (size_t id = 0; id < o->n; id++) {
        size_t n;
        const char *bytes = bn_token_bytes_get(o->table, (int32_t)id, &n);
        bool may = n > 0 && n_prefix > 0 && (begins(bytes, n, prefix, n_prefix) || begins(prefix, n_prefix, bytes, n));
        assert_int_equal(mask[id], may);
        seen += may;
    }
    assert_int_equal(count, seen);
    mem_free(mask);
}

/* How many ids to take back by trying every token of the vocabulary. */
static size_t healed_by_force(const struct opened *o, const int32_t *ids, size_t n_ids, size_t max_back) {
    size_t kept = n_ids;
    struct buffer tail;
    buffer_init(&tail);
    for (size_t back = 1; back <= max_back && back <= n_ids; back++) {
        buffer_clear(&tail);
        bool ended = false;
        for (size_t i = n_ids - back; i < n_ids; i++) {
            size_t n;
            const char *bytes = bn_token_bytes_get(o->table, ids[i], &n);
            buffer_append(&tail, bytes, n);
            ended |= n == 0;
        }
        if (ended) break;
        for (size_t id = 0; id < o->n; id++) {
            size_t n;
            const char *bytes = bn_token_bytes_get(o->table, (int32_t)id, &n);
            if (n > tail.size && begins(bytes, n, tail.data, tail.size)) kept = n_ids - back;
        }
    }
    buffer_release(&tail);
    return kept;
}

static void test_heal(void **state) {
    (void)state;
    static const char *const families[] = {"gpt2", "llama3", "llama2", "bert-uncased", "t5-unigram"};
    static const char *const prompts[] = {"The King sai", "once upon a t",   "xx", "", "the ",
                                          "hello, wor",   "caf\xc3\xa9 au l"};
    for (size_t f = 0; f < sizeof families / sizeof *families; f++) {
        char path[512];
        struct opened o;
        snprintf(path, sizeof path, TEST_DATA "/tokenizers/%s", families[f]);
        assert_true(open_family(path, &o));
        for (size_t p = 0; p < sizeof prompts / sizeof *prompts; p++) {
            int32_t *ids;
            size_t n_ids, n_kept, n_prefix;
            char *prefix;
            bn_error err;
            assert_int_equal(bn_tokenizer_encode(o.tokenizer, prompts[p], strlen(prompts[p]), NULL, &ids, &n_ids, &err),
                             BN_OK);
            for (size_t back = 0; back < 4; back++) {
                assert_int_equal(bn_token_bytes_heal(o.table, ids, n_ids, back, &n_kept, &prefix, &n_prefix, &err),
                                 BN_OK);
                assert_int_equal(n_kept, healed_by_force(&o, ids, n_ids, back));
                assert_int_equal(n_prefix > 0, n_kept < n_ids);
                check_mask(&o, prefix, n_prefix);
                bn_free(prefix);
            }
            bn_free(ids);
        }
        close_family(&o);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_family), cmocka_unit_test(test_bytes),
                                       cmocka_unit_test(test_heal)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
