/* Masks allow exactly the tokens after which a text can go on, and be completed in time. */
#include "grammar_texts.h"

#include <stdio.h>

#include "engine/grammar/matcher.h"

struct vocabulary {
    bn_tokenizer *tokenizer;
    bn_token_bytes *bytes;
    struct token_trie *trie;
};

static void open_vocabulary(struct vocabulary *v) {
    bn_error err;
    assert_ok(bn_tokenizer_open(DEMO_MODEL, &v->tokenizer, &err), err);
    assert_ok(bn_token_bytes_create(v->tokenizer, &v->bytes, &err), err);
    assert_ok(token_trie_create(v->tokenizer, v->bytes, bn_tokenizer_vocab_size(v->tokenizer), &v->trie, &err), err);
}

static void close_vocabulary(struct vocabulary *v) {
    token_trie_destroy(v->trie);
    bn_token_bytes_destroy(v->bytes);
    bn_tokenizer_close(v->tokenizer);
}

/* Walks at random through what masks allow; each mask is held against reading every token's bytes alone. */
static void masks_allow_exactly_what_can_follow(void **state) {
    (void)state;
    struct vocabulary v;
    open_vocabulary(&v);
    bn_error err;
    bn_grammar *grammar =
        compile(BN_GRAMMAR_JSON_SCHEMA,
                "{\"type\":\"object\",\"properties\":{\"a\":{\"enum\":[\"x\",\"xy\",7]},\"b\":{\"type\":\"string\","
                "\"maxLength\":4},\"c\":{\"type\":\"array\",\"items\":{\"type\":\"integer\",\"maximum\":40,"
                "\"minimum\":0}}},\"required\":[\"a\"]}",
                false);
    enum { LENGTH = 40 };
    for (uint32_t seed = 1; seed <= 4; seed++) {
        struct matcher *matcher;
        int32_t ids[LENGTH];
        char text[LENGTH * 64] = "";
        size_t n_text = 0, n_ids = 0;
        uint32_t random = seed;
        assert_ok(matcher_create(grammar, v.trie, 1000, &matcher, &err), err);
        while (n_ids < LENGTH && !matcher_is_complete(matcher, ids, n_ids)) {
            const uint64_t *bits;
            int32_t allowed[4096], chosen;
            size_t n_allowed = 0, size;
            assert_ok(matcher_allowed(matcher, ids, n_ids, NULL, 0, &bits, &err), err);
            for (int32_t id = 0; (size_t)id < v.trie->vocab_size; id++) {
                const char *bytes = bn_token_bytes_get(v.bytes, id, &size);
                bool may = bits[id / 64] >> id % 64 & 1, accepted;
                size_t at = 0;
                if (may && n_allowed < 4096) allowed[n_allowed++] = id;
                if (n_ids % 4 || n_text + size > sizeof text) continue; /* every fourth: it takes long */
                memcpy(text + n_text, bytes, size);
                assert_ok(bn_grammar_accepts(grammar, text, n_text + size, &accepted, &at, &err), err);
                if (may != (size > 0 && at == n_text + size))
                    test_fail("token %d after '%.*s'", (int)id, (int)n_text, text);
            }
            assert_true(n_allowed > 0);
            random = random * 1664525 + 1013904223;
            ids[n_ids++] = chosen = allowed[(random >> 8) % n_allowed];
            const char *bytes = bn_token_bytes_get(v.bytes, chosen, &size);
            assert_true(n_text + size <= sizeof text);
            memcpy(text + n_text, bytes, size);
            n_text += size;
        }
        matcher_destroy(matcher);
    }
    bn_grammar_release(grammar);
    close_vocabulary(&v);
}

/* An output that must be short ends in time, whatever is chosen. */
static void outputs_are_completed_before_their_capacity(void **state) {
    (void)state;
    struct vocabulary v;
    open_vocabulary(&v);
    bn_error err;
    bn_grammar *grammar =
        compile(BN_GRAMMAR_JSON_SCHEMA,
                "{\"type\":\"object\",\"properties\":{\"s\":{\"type\":\"string\"},\"t\":{\"type\":\"array\",\"items\":"
                "{\"$ref\":\"#\"}}},\"required\":[\"s\",\"t\"],\"additionalProperties\":{\"$ref\":\"#\"}}",
                false);
    enum { CAPACITY = 120 };
    for (uint32_t seed = 1; seed <= 10; seed++) {
        struct matcher *matcher;
        int32_t ids[CAPACITY];
        size_t n_ids = 0;
        uint32_t random = seed;
        assert_ok(matcher_create(grammar, v.trie, CAPACITY, &matcher, &err), err);
        for (; n_ids < CAPACITY && !matcher_is_complete(matcher, ids, n_ids); n_ids++) {
            const uint64_t *bits;
            assert_ok(matcher_allowed(matcher, ids, n_ids, NULL, 0, &bits, &err), err);
            size_t skip, n_allowed = 0;
            int32_t id = 0;
            for (size_t w = 0; w < v.trie->mask_words; w++) n_allowed += (size_t)__builtin_popcountll(bits[w]);
            assert_true(n_allowed > 0);
            random = random * 1664525 + 1013904223;
            for (skip = (random >> 8) % n_allowed; !(bits[id / 64] >> id % 64 & 1) || skip-- > 0;) id++;
            ids[n_ids] = id;
        }
        assert_true(matcher_is_complete(matcher, ids, n_ids));
        matcher_destroy(matcher);
    }
    bn_grammar_release(grammar);
    close_vocabulary(&v);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masks_allow_exactly_what_can_follow),
        cmocka_unit_test(outputs_are_completed_before_their_capacity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
