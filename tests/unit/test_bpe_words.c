/* Merges that cross words: encoded word by word, a text has the ids that merging it as a whole gives (the path with
 * offsets, which does that). Merges are drawn: of tokens that come up and of others, in the order of their parts and in
 * any, several that make the same token. */
#include <string.h>

#include "base/random.h"
#include "test.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/pipeline.h"
#include "tokenizer/tokenizer.h"

enum { N_VOCABULARIES = 400, N_TEXTS = 40, MAX_TOKENS = 64, MAX_SIZE = 32 };

struct alphabet {
    const char *letters[5];      /* as they are written in tokens, the space first */
    const char *text_letters[5]; /* in texts; NULL ends both */
    const char *pipeline;        /* in front of the model */
    bool byte_level;
};

static const struct alphabet alphabets[] = {
    {{" ", "a", "b"}, {" ", "a", "b"}, "", false},
    {{"▁", "a", "é"},
     {" ", "a", "é"},
     "\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"▁\"},",
     false},
    {{"Ġ", "a", "Ċ", "é"},
     {" ", "a", "\n", "\xe9"},
     "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":false},",
     true},
};
enum { N_ALPHABETS = sizeof alphabets / sizeof *alphabets };

struct draws {
    uint32_t stream;
    uint64_t position;
};

static uint32_t draw(struct draws *draws, uint32_t below) {
    return (uint32_t)(random_uniform(11, draws->stream, draws->position++, 0) * below);
}

static size_t count(const char *const *letters) {
    size_t n = 0;
    while (n < 5 && letters[n]) n++;
    return n;
}

struct merges {
    char tokens[MAX_TOKENS][MAX_SIZE];
    size_t n_tokens;
    struct {
        size_t left, right;
    } items[MAX_TOKENS];
    size_t n;
};

static size_t add_token(struct merges *merges, const char *text) {
    for (size_t i = 0; i < merges->n_tokens; i++)
        if (strcmp(merges->tokens[i], text) == 0) return i;
    strcpy(merges->tokens[merges->n_tokens], text);
    return merges->n_tokens++;
}

static void draw_merges(struct draws *draws, const struct alphabet *alphabet, struct merges *merges) {
    merges->n = merges->n_tokens = 0;
    for (size_t i = 0; i < count(alphabet->letters); i++) add_token(merges, alphabet->letters[i]);
    for (uint32_t tries = 4 + draw(draws, 36); tries > 0; tries--) {
        size_t left = draw(draws, (uint32_t)merges->n_tokens), right = draw(draws, (uint32_t)merges->n_tokens);
        char joined[2 * MAX_SIZE];
        strcpy(joined, merges->tokens[left]);
        strcat(joined, merges->tokens[right]);
        if (strlen(joined) >= MAX_SIZE) continue;
        add_token(merges, joined);
        merges->items[merges->n].left = left;
        merges->items[merges->n++].right = right;
    }
    for (size_t i = merges->n; i > 1 && draws->stream % 5 == 0; i--) {
        size_t k = draw(draws, (uint32_t)i);
        __typeof__(merges->items[0]) other = merges->items[k];
        merges->items[k] = merges->items[i - 1];
        merges->items[i - 1] = other;
    }
}

/* Byte-level vocabularies have every byte. */
static size_t put_other_bytes(const struct merges *merges, char *json, size_t n, size_t room) {
    for (size_t byte = 0, id = merges->n_tokens; byte < 256; byte++) {
        char letter[5] = {0};
        bool known = false;
        byte_alphabet_put((uint8_t)byte, letter);
        for (size_t i = 0; i < merges->n_tokens; i++) known |= strcmp(merges->tokens[i], letter) == 0;
        if (known) continue;
        const char *escape = *letter == '"' || *letter == '\\' ? "\\" : "";
        n += (size_t)snprintf(json + n, room - n, ",\"%s%s\":%zu", escape, letter, ++id);
    }
    return n;
}

static bn_tokenizer *open_merges(const struct alphabet *alphabet, const struct merges *merges) {
    char json[16384];
    bn_tokenizer *tokenizer;
    bn_error err;
    size_t n = (size_t)snprintf(json, sizeof json,
                                "{%s\"model\":{\"type\":\"BPE\",\"unk_token\":\"<unk>\",\"fuse_unk\":true,"
                                "\"vocab\":{\"<unk>\":0",
                                alphabet->pipeline);
    for (size_t i = 0; i < merges->n_tokens; i++)
        n += (size_t)snprintf(json + n, sizeof json - n, ",\"%s\":%zu", merges->tokens[i], i + 1);
    if (alphabet->byte_level) n = put_other_bytes(merges, json, n, sizeof json);
    n += (size_t)snprintf(json + n, sizeof json - n, "},\"merges\":[");
    for (size_t i = 0; i < merges->n; i++)
        n += (size_t)snprintf(json + n, sizeof json - n, "%s[\"%s\",\"%s\"]", i ? "," : "",
                              merges->tokens[merges->items[i].left], merges->tokens[merges->items[i].right]);
    n += (size_t)snprintf(json + n, sizeof json - n, "]}}");
    assert_in_range(n, 1, sizeof json - 1);
    assert_ok(tokenizer_from_json(json, n, "drawn merges", &tokenizer, &err), err);
    return tokenizer;
}

static void draw_text(struct draws *draws, const struct alphabet *alphabet, char *text) {
    const size_t n_letters = count(alphabet->text_letters);
    *text = 0;
    for (uint32_t n = draw(draws, 60); n > 0; n--)
        strcat(text, draw(draws, 40) ? alphabet->text_letters[draw(draws, (uint32_t)n_letters)] : "z");
}

static void check_text(const bn_tokenizer *tokenizer, const char *text, uint32_t number) {
    const struct encode_request request = {.text = text, .text_bytes = strlen(text)};
    struct encoding expected;
    int32_t *ids;
    size_t n;
    bn_error err;
    assert_ok(tokenizer_encode(tokenizer, &request, &expected, &err), err);
    assert_ok(bn_tokenizer_encode(tokenizer, text, strlen(text), NULL, &ids, &n, &err), err);
    if (n != expected.n || memcmp(ids, expected.ids, n * sizeof *ids) != 0)
        test_fail("vocabulary %u: '%s'", number, text);
    bn_free(ids);
    encoding_release(&expected);
}

static void test_drawn(void **state) {
    size_t n_words = 0;
    (void)state;
    for (uint32_t i = 0; i < N_VOCABULARIES; i++) {
        const struct alphabet *alphabet = &alphabets[i % N_ALPHABETS];
        struct draws draws = {i, 0};
        struct merges merges;
        char text[256];
        draw_merges(&draws, alphabet, &merges);
        bn_tokenizer *tokenizer = open_merges(alphabet, &merges);
        n_words += tokenizer->bpe.origins != NULL;
        for (size_t k = 0; k < N_TEXTS; k++) {
            draw_text(&draws, alphabet, text);
            check_text(tokenizer, text, i);
        }
        bn_tokenizer_close(tokenizer);
    }
    assert_in_range(n_words, N_VOCABULARIES / 3, N_VOCABULARIES);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_drawn)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
