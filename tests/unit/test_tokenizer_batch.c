/* Batches over threads and the word cache that threads share: whatever runs beside an encoding, its ids are those that
 * the path with offsets, which has no cache, gives. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "test.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/word_cache.h"

static const char *const vocabularies[] = {"gpt2", "llama2", "t5-unigram", "bert-uncased", "spm-llama/tokenizer.model"};
enum { N_VOCABULARIES = sizeof vocabularies / sizeof *vocabularies, N_TEXTS = 600, N_THREADS = 4 };

static uint32_t draw(uint32_t stream, uint64_t position, uint32_t below) {
    return (uint32_t)(random_uniform(7, stream, position, 0) * below);
}

/* Words out of few syllables: most are met again, but not all; some are too long for the cache. */
static char *make_text(uint32_t number, size_t *size) {
    static const char *const syllables[] = {" ", " ", " ", "th", "e", "an", "ing", "er", "Q", "é", "中", "1", ".\n"};
    char *text = mem_calloc(4096, 1);
    assert_non_null(text);
    *size = 0;
    for (uint32_t i = 0, n = draw(number, 0, 300); i < n; i++) {
        const char *syllable = syllables[draw(number, i + 1, sizeof syllables / sizeof *syllables)];
        memcpy(text + *size, syllable, strlen(syllable));
        *size += strlen(syllable);
    }
    return text;
}

static bn_tokenizer *open_vocabulary(const char *name) {
    bn_error err;
    bn_tokenizer *tokenizer;
    char path[1024];
    snprintf(path, sizeof path, "%s/tokenizers/%s", TEST_DATA, name);
    assert_ok(bn_tokenizer_open(path, &tokenizer, &err), err);
    return tokenizer;
}

struct texts {
    char *items[N_TEXTS];
    size_t sizes[N_TEXTS];
};

static void make_texts(struct texts *texts) {
    for (uint32_t i = 0; i < N_TEXTS; i++) texts->items[i] = make_text(i, &texts->sizes[i]);
}

static void release_texts(struct texts *texts) {
    for (size_t i = 0; i < N_TEXTS; i++) mem_free(texts->items[i]);
}

/* Are these the ids that the path with offsets gives? */
static bool is_right(const bn_tokenizer *tokenizer, const char *text, size_t size, const int32_t *ids, size_t n) {
    const struct encode_request request = {
        .text = text, .text_bytes = size, .add_special = true, .parse_special = tokenizer_parses_special(tokenizer)};
    struct encoding expected;
    if (tokenizer_encode(tokenizer, &request, &expected, NULL)) return false;
    bool same = expected.n == n && (n == 0 || memcmp(expected.ids, ids, n * sizeof *ids) == 0);
    encoding_release(&expected);
    return same;
}

static void test_batches_are_single_encodings(void **state) {
    (void)state;
    static struct texts texts;
    make_texts(&texts);
    for (size_t v = 0; v < N_VOCABULARIES; v++)
        for (size_t n_threads = 1; n_threads <= 5; n_threads += 2) {
            bn_tokenizer *tokenizer = open_vocabulary(vocabularies[v]);
            bn_id_batch batch;
            bn_error err;
            assert_ok(bn_tokenizer_encode_batch(tokenizer, (const char *const *)texts.items, texts.sizes, N_TEXTS, NULL,
                                                n_threads, &batch, &err),
                      err);
            assert_int_equal(batch.begins[0], 0);
            for (size_t i = 0; i < N_TEXTS; i++)
                if (!is_right(tokenizer, texts.items[i], texts.sizes[i], batch.ids + batch.begins[i],
                              batch.begins[i + 1] - batch.begins[i]))
                    test_fail("%s, %zu threads: text %zu, '%s'", vocabularies[v], n_threads, i, texts.items[i]);
            bn_id_batch_release(&batch);
            bn_tokenizer_close(tokenizer);
        }
    release_texts(&texts);
}

static void test_no_texts(void **state) {
    (void)state;
    bn_tokenizer *tokenizer = open_vocabulary("gpt2");
    bn_id_batch batch;
    bn_error err;
    assert_ok(bn_tokenizer_encode_batch(tokenizer, NULL, NULL, 0, NULL, 0, &batch, &err), err);
    assert_int_equal(batch.begins[0], 0);
    bn_id_batch_release(&batch);
    bn_id_batch_release(NULL);
    const char *const none = NULL;
    const size_t size = 1;
    const bn_encode_options old = {.size = 1};
    assert_int_equal(bn_tokenizer_encode_batch(tokenizer, &none, &size, 1, NULL, 1, &batch, &err),
                     BN_STATUS_BAD_ARGUMENT);
    assert_int_equal(bn_tokenizer_encode_batch(tokenizer, &none, &size, 1, &old, 1, &batch, &err),
                     BN_STATUS_BAD_ARGUMENT);
    bn_tokenizer_close(tokenizer);
}

/* The first text that fails is named, whichever thread meets which text when. */
static void test_first_failure(void **state) {
    (void)state;
    const char *json = "{\"model\": {\"type\": \"Unigram\", \"unk_id\": null, \"vocab\": [[\"a\", -1.0], "
                       "[\"b\", -1.5]]}}";
    bn_tokenizer *tokenizer;
    bn_error err;
    assert_ok(tokenizer_from_json(json, strlen(json), "test", &tokenizer, &err), err);
    static const char *texts[5000];
    static size_t sizes[5000];
    for (size_t i = 0; i < 5000; i++) {
        texts[i] = i >= 3333 ? "abc" : "abba";
        sizes[i] = strlen(texts[i]);
    }
    for (size_t n_threads = 1; n_threads <= 4; n_threads++) {
        bn_id_batch batch = {0};
        assert_int_equal(bn_tokenizer_encode_batch(tokenizer, texts, sizes, 5000, NULL, n_threads, &batch, &err),
                         BN_STATUS_BAD_FILE);
        assert_memory_equal(err.message, "text 3333: ", 11);
        assert_null(batch.ids);
    }
    bn_tokenizer_close(tokenizer);
}

/* A text isn't cut where a merge crosses: before spaces that join to spaces, letters or characters that are unknown. */
static void test_merges_across_spaces(void **state) {
    (void)state;
    const char *json =
        "{\"model\": {\"type\": \"BPE\", \"unk_token\": \"?\", \"fuse_unk\": true, \"vocab\": {\"?\": 0, "
        "\"▁\": 1, \"a\": 2, \"b\": 3, \"▁▁\": 4, \"a▁\": 5, \"b▁a\": 6, \"▁a\": 7, \"?▁\": 8}, "
        "\"merges\": [\"▁ ▁\", \"a ▁\", \"▁ a\", \"b ▁a\"%s]}}";
    for (int with_unknown = 0; with_unknown < 2; with_unknown++) {
        char text[2048];
        bn_tokenizer *tokenizer;
        bn_error err;
        int size = snprintf(text, sizeof text, json, with_unknown ? ", \"? ▁\"" : "");
        assert_ok(tokenizer_from_json(text, (size_t)size, "test", &tokenizer, &err), err);
        for (uint32_t i = 0; i < 2000; i++) {
            static const char *const parts[] = {"▁", "a", "b", "é", "▁"};
            char input[64] = "";
            for (uint32_t k = 0, n = draw(i, 0, 12); k < n; k++) strcat(input, parts[draw(i, k + 1, 5)]);
            int32_t *ids;
            size_t n;
            assert_ok(bn_tokenizer_encode(tokenizer, input, strlen(input), NULL, &ids, &n, &err), err);
            if (!is_right(tokenizer, input, strlen(input), ids, n)) test_fail("'%s' is encoded in another way", input);
            bn_free(ids);
        }
        bn_tokenizer_close(tokenizer);
    }
}

/* ---- the cache ---- */

struct shared {
    struct word_cache cache;
    atomic_size_t n_found, n_wrong;
};

/* What a word's ids are in this test: a function of the word, so that a mixed-up slot shows. */
static size_t ids_of(const struct word_key *key, int32_t *ids) {
    size_t n = key->hash % (WORD_CACHE_MAX_IDS + 1);
    for (size_t i = 0; i < n; i++) ids[i] = (int32_t)(key->hash >> i);
    return n;
}

/* Words that all fall into a few sets, so that threads write to the same slots all the time. */
static void *use_cache(void *context) {
    struct shared *shared = context;
    for (uint32_t number = 0, used = 0; used < 500; number++) {
        char word[WORD_CACHE_MAX_BYTES + 8] = {0};
        snprintf(word, sizeof word, "%u of these words", number % 300000);
        size_t size = 4 + number % (WORD_CACHE_MAX_BYTES - 3);
        struct word_key key = word_key_of(word, size, sizeof word);
        if (key.hash & 0x1ff8) continue; /* all but eight of the sets */
        used++;
        int32_t expected[WORD_CACHE_MAX_IDS], got[WORD_CACHE_MAX_IDS];
        size_t n = ids_of(&key, expected);
        for (int time = 0; time < 20; time++) {
            int found = word_cache_find(&shared->cache, &key, got);
            if (found < 0) {
                word_cache_keep(&shared->cache, &key, expected, n);
                continue;
            }
            atomic_fetch_add(&shared->n_found, 1);
            if ((size_t)found != n || memcmp(got, expected, n * sizeof *got) != 0)
                atomic_fetch_add(&shared->n_wrong, 1);
        }
    }
    return NULL;
}

static void test_cache_never_mixes_words(void **state) {
    (void)state;
    struct shared shared = {0};
    pthread_t threads[N_THREADS];
    assert_true(word_cache_init(&shared.cache));
    for (size_t i = 0; i < N_THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, use_cache, &shared), 0);
    for (size_t i = 0; i < N_THREADS; i++) pthread_join(threads[i], NULL);
    assert_int_equal(shared.n_wrong, 0);
    assert_true(shared.n_found > 4000);
    word_cache_release(&shared.cache);
}

/* A key is the word: same hash and bytes wherever it stands, and zeros don't make two words one. */
static void test_keys(void **state) {
    (void)state;
    char text[64];
    memset(text, 'x', sizeof text);
    for (size_t size = 1; size <= WORD_CACHE_MAX_BYTES; size++) {
        memset(text, 'x', sizeof text);
        for (size_t i = 0; i < size; i++) text[i] = (char)('a' + i);
        struct word_key amid = word_key_of(text, size, sizeof text), last = word_key_of(text, size, size);
        assert_memory_equal(amid.bytes, last.bytes, sizeof amid.bytes);
        assert_int_equal(amid.hash, last.hash);
    }
    struct word_cache cache;
    assert_true(word_cache_init(&cache));
    const struct word_key one = word_key_of("a", 1, 1), two = word_key_of("a\0", 2, 2);
    int32_t ids[WORD_CACHE_MAX_IDS];
    word_cache_keep(&cache, &one, (const int32_t[]){5}, 1);
    assert_int_equal(word_cache_find(&cache, &two, ids), -1);
    assert_int_equal(word_cache_find(&cache, &one, ids), 1);
    assert_int_equal(ids[0], 5);
    word_cache_release(&cache);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batches_are_single_encodings),
        cmocka_unit_test(test_no_texts),
        cmocka_unit_test(test_first_failure),
        cmocka_unit_test(test_cache_never_mixes_words),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_merges_across_spaces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
