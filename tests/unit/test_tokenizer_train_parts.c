/* The parts of the trainers against brute force on small inputs: BPE against an implementation that recounts by scanning
 * words, as the reference is written; seeds against all substrings; lattices against all segmentations. */
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "tokenizer/train_bpe.h"
#include "tokenizer/train_lattice.h"
#include "tokenizer/train_pieces.h"

enum { N_WORDS = 12, LONGEST = 14, MAX_IDS = 64 };

static uint64_t state = 1;
static size_t random_below(size_t n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(state >> 33) % n;
}

struct corpus {
    char texts[N_WORDS][LONGEST + 1];
    struct word words[N_WORDS];
    struct word_list list;
};

static void make_corpus(struct corpus *corpus, size_t n_letters) {
    for (size_t i = 0; i < N_WORDS; i++) {
        size_t n = 1 + random_below(LONGEST);
        for (size_t k = 0; k < n; k++) corpus->texts[i][k] = (char)('a' + random_below(n_letters));
        corpus->texts[i][n] = 0;
        corpus->words[i] = (struct word){corpus->texts[i], (uint32_t)n, 1 + random_below(5)};
    }
    corpus->list = (struct word_list){.items = corpus->words, .n = N_WORDS};
}

/* ---- BPE ---- */

struct naive {
    int32_t ids[N_WORDS][LONGEST];
    size_t n[N_WORDS];
    char texts[MAX_IDS][LONGEST + 1];
    size_t n_ids;
    int64_t counts[MAX_IDS][MAX_IDS];
    bool formed[MAX_IDS][MAX_IDS]; /* since it was last merged */
    size_t rank[MAX_IDS][MAX_IDS]; /* of its last merge, 0 for none */
};

static int32_t naive_id(struct naive *naive, const char *text) {
    for (size_t i = 0; i < naive->n_ids; i++)
        if (strcmp(naive->texts[i], text) == 0) return (int32_t)i;
    strcpy(naive->texts[naive->n_ids], text);
    return (int32_t)naive->n_ids++;
}

static void naive_merge_word(struct naive *naive, size_t w, int32_t left, int32_t right, int32_t merged,
                             int64_t weight) {
    int32_t *ids = naive->ids[w];
    for (size_t i = 0; i + 1 < naive->n[w]; i++) {
        if (ids[i] != left || ids[i + 1] != right) continue;
        if (i > 0) {
            naive->counts[ids[i - 1]][left] -= weight;
            naive->counts[ids[i - 1]][merged] += weight;
            naive->formed[ids[i - 1]][merged] = true;
        }
        if (i + 2 < naive->n[w]) {
            naive->counts[right][ids[i + 2]] -= weight;
            naive->counts[merged][ids[i + 2]] += weight;
            naive->formed[merged][ids[i + 2]] = true;
        }
        ids[i] = merged;
        memmove(&ids[i + 1], &ids[i + 2], (naive->n[w] - i - 2) * sizeof *ids);
        naive->n[w]--;
    }
}

/* Returns how many merges were made. */
static size_t naive_train(struct naive *naive, const struct corpus *corpus, size_t n_letters, size_t vocab_size,
                          int64_t min_frequency) {
    size_t n_merges = 0;
    memset(naive, 0, sizeof *naive);
    for (char c = 'a'; c < (char)('a' + n_letters); c++) naive_id(naive, (char[]){c, 0});
    for (size_t w = 0; w < N_WORDS; w++) {
        naive->n[w] = corpus->words[w].size;
        for (size_t i = 0; i < naive->n[w]; i++) {
            naive->ids[w][i] = corpus->texts[w][i] - 'a';
            if (i == 0) continue;
            naive->counts[naive->ids[w][i - 1]][naive->ids[w][i]] += (int64_t)corpus->words[w].count;
            naive->formed[naive->ids[w][i - 1]][naive->ids[w][i]] = true;
        }
    }
    while (naive->n_ids < vocab_size) {
        int32_t left = -1, right = -1;
        int64_t best = 0;
        for (int32_t a = 0; a < (int32_t)naive->n_ids; a++)
            for (int32_t b = 0; b < (int32_t)naive->n_ids; b++)
                if (naive->formed[a][b] && naive->counts[a][b] > best) best = naive->counts[left = a][right = b];
        if (left < 0 || best < min_frequency) break;
        char text[2 * LONGEST + 1];
        snprintf(text, sizeof text, "%s%s", naive->texts[left], naive->texts[right]);
        int32_t merged = naive_id(naive, text);
        naive->formed[left][right] = false;
        naive->rank[left][right] = ++n_merges;
        for (size_t w = 0; w < N_WORDS; w++)
            naive_merge_word(naive, w, left, right, merged, (int64_t)corpus->words[w].count);
    }
    return n_merges;
}

static void check_bpe(const struct corpus *corpus, size_t n_letters) {
    static struct naive naive;
    struct trainer_settings settings;
    struct token_table tokens;
    struct trained_merges merges;
    static const char *letters[] = {"a", "b", "c", "d"};
    bn_error err;
    trainer_settings_init(&settings, TRAINER_BPE);
    settings.vocab_size = n_letters + 1 + random_below(30);
    settings.min_frequency = random_below(6);
    settings.initial_alphabet = (struct string_list){letters, n_letters};
    size_t n_merges = naive_train(&naive, corpus, n_letters, settings.vocab_size, (int64_t)settings.min_frequency),
           k = 0;
    assert_ok(token_table_init(&tokens, &err), err);
    assert_ok(train_bpe(&corpus->list, &settings, &tokens, &merges, &err), err);
    assert_int_equal(tokens.n, naive.n_ids);
    for (size_t i = 0; i < tokens.n; i++) assert_string_equal(tokens.items[i].text, naive.texts[i]);
    for (size_t rank = 1; rank <= n_merges; rank++)
        for (int32_t a = 0; a < (int32_t)naive.n_ids; a++)
            for (int32_t b = 0; b < (int32_t)naive.n_ids; b++) {
                if (naive.rank[a][b] != rank) continue;
                assert_true(k < merges.n && merges.items[k].left == a && merges.items[k].right == b);
                k++;
            }
    assert_int_equal(merges.n, k);
    mem_free(merges.items);
    token_table_release(&tokens);
}

static void test_bpe(void **context) {
    (void)context;
    for (size_t i = 0; i < 300; i++) {
        struct corpus corpus;
        size_t n_letters = 1 + random_below(4);
        make_corpus(&corpus, n_letters);
        check_bpe(&corpus, n_letters);
    }
}

/* ---- seeds ---- */

static uint64_t occurrences(const struct corpus *corpus, const char *text, size_t size) {
    uint64_t count = 0;
    for (size_t w = 0; w < N_WORDS; w++)
        for (size_t at = 0; at + size <= corpus->words[w].size; at++)
            if (memcmp(corpus->texts[w] + at, text, size) == 0) count += corpus->words[w].count;
    return count;
}

/* Some letter always follows, and the piece could be longer. */
static bool can_be_lengthened(const struct corpus *corpus, const char *text, size_t size, size_t max_length) {
    char longer[LONGEST + 2];
    memcpy(longer, text, size);
    for (char c = 'a'; c <= 'd' && size < max_length; c++) {
        longer[size] = c;
        if (occurrences(corpus, longer, size + 1) == occurrences(corpus, text, size)) return true;
    }
    return false;
}

static const struct scored_piece *find_piece(const struct piece_list *pieces, const char *text, size_t size) {
    for (size_t i = 0; i < pieces->n; i++)
        if (pieces->items[i].size == size && memcmp(pieces->items[i].text, text, size) == 0) return &pieces->items[i];
    return NULL;
}

static void check_seeds(const struct corpus *corpus, size_t max_length) {
    struct trainer_settings settings;
    struct piece_list pieces;
    bn_error err;
    trainer_settings_init(&settings, TRAINER_UNIGRAM);
    settings.max_piece_length = max_length;
    assert_ok(seed_pieces(&corpus->list, &settings, &pieces, &err), err);
    double sum = 0;
    for (size_t i = 0; i < pieces.n; i++)
        sum += (double)occurrences(corpus, pieces.items[i].text, pieces.items[i].size) * pieces.items[i].size;
    for (size_t i = 0; i < pieces.n; i++) {
        const struct scored_piece *piece = &pieces.items[i];
        double share = (double)occurrences(corpus, piece->text, piece->size) * piece->size / sum;
        assert_true(fabs(exp(piece->score) - share) < 1e-12);
        assert_ptr_equal(find_piece(&pieces, piece->text, piece->size), piece); /* none twice */
    }
    for (size_t w = 0; w < N_WORDS; w++)
        for (size_t at = 0; at < corpus->words[w].size; at++)
            for (size_t size = 1; at + size <= corpus->words[w].size && size <= max_length; size++) {
                const char *text = corpus->texts[w] + at;
                bool expected = size == 1 || (occurrences(corpus, text, size) > 1 &&
                                              !can_be_lengthened(corpus, text, size, max_length));
                assert_int_equal(find_piece(&pieces, text, size) != NULL, expected);
            }
    mem_free(pieces.items);
}

static void test_seeds(void **context) {
    (void)context;
    for (size_t i = 0; i < 100; i++) {
        struct corpus corpus;
        make_corpus(&corpus, 1 + random_below(4));
        check_seeds(&corpus, 1 + random_below(16));
    }
}

/* ---- lattices ---- */

enum { N_PIECES = 12 };
struct enumeration {
    const char *texts[N_PIECES];
    double scores[N_PIECES + 1];
    double total, best, best_avoiding;
    double expected[N_PIECES + 1]; /* times the total */
};

/* Every way to go on from text, having come with this score over these pieces. */
static void enumerate(struct enumeration *e, const char *text, double score, size_t *counts, size_t n) {
    bool has_letter = false;
    if (!*text) {
        e->total += exp(score);
        e->best = fmax(e->best, score);
        if (n > 1) e->best_avoiding = fmax(e->best_avoiding, score);
        for (size_t i = 0; i <= N_PIECES; i++) e->expected[i] += (double)counts[i] * exp(score);
        return;
    }
    for (size_t i = 0; i <= N_PIECES; i++) {
        size_t size = i < N_PIECES ? strlen(e->texts[i]) : 1;
        if (i < N_PIECES ? strncmp(text, e->texts[i], size) != 0 || e->scores[i] == -INFINITY : has_letter) continue;
        has_letter |= size == 1;
        counts[i]++;
        enumerate(e, text + size, score + e->scores[i], counts, n + 1);
        counts[i]--;
    }
}

static void check_lattice(struct lattice *lattice, const struct lattice_model *model, struct enumeration *e,
                          const char *text) {
    size_t counts[N_PIECES + 1] = {0}, n;
    double expected[N_PIECES + 1] = {0}, score = 0;
    e->total = 0;
    e->best = e->best_avoiding = -INFINITY;
    memset(e->expected, 0, sizeof e->expected);
    enumerate(e, text, 0, counts, 0);
    assert_true(lattice_build(lattice, model, text, strlen(text)));
    n = lattice_best(lattice, false);
    for (size_t i = 0; i < n; i++) score += e->scores[lattice->path[i]];
    assert_true(fabs(score - e->best) < 1e-9);
    n = lattice_best(lattice, true);
    score = n ? 0 : -INFINITY;
    for (size_t i = 0; i < n; i++) score += e->scores[lattice->path[i]];
    assert_true(score == e->best_avoiding || fabs(score - e->best_avoiding) < 1e-9);
    lattice_expect(lattice, 3, expected);
    for (size_t i = 0; i <= N_PIECES; i++) assert_true(fabs(expected[i] - 3 * e->expected[i] / e->total) < 1e-9);
}

static void test_lattices(void **context) {
    (void)context;
    struct enumeration e = {.texts = {"a", "b", "c", "ab", "ba", "aa", "abc", "cab", "bb", "abab", "cc", "aabb"}};
    struct lattice lattice = {0};
    struct trie trie = {0};
    struct trie_key keys[N_PIECES];
    bn_error err;
    for (size_t i = 0; i < N_PIECES; i++)
        keys[i] = (struct trie_key){.bytes = e.texts[i], .size = strlen(e.texts[i]), .value = (int32_t)i};
    assert_ok(trie_build(&trie, keys, N_PIECES, &err), err);
    for (size_t i = 0; i < 200; i++) {
        char text[10];
        size_t n = 1 + random_below(9);
        for (size_t k = 0; k < n; k++) text[k] = (char)('a' + random_below(4)); /* d is never known */
        text[n] = 0;
        for (size_t k = 0; k < N_PIECES; k++)
            e.scores[k] = random_below(5) ? -1 - (double)random_below(1000) / 100 : -INFINITY;
        e.scores[N_PIECES] = -25;
        const struct lattice_model model = {&trie, e.scores, N_PIECES, -25};
        check_lattice(&lattice, &model, &e, text);
    }
    lattice_release(&lattice);
    trie_release(&trie);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bpe),
        cmocka_unit_test(test_seeds),
        cmocka_unit_test(test_lattices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
