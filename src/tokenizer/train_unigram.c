/* Unigram training, as sentencepiece and Hugging Face do it: from many candidates, rounds of EM fit the probabilities and
 * pruning drops the pieces that the likelihood of the corpus would miss least, until few enough are left.
 *
 * The words are dealt to a fixed number of parts, whose sums are added in order: threads take parts as they are free, and
 * the result is the same to the last bit whatever their number. */
#include "tokenizer/train_unigram.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "tokenizer/train_lattice.h"
#include "tokenizer/train_pieces.h"

enum { N_PARTS = 16, PIECES_PER_CHUNK = 1024 };
static const double UNKNOWN_PENALTY = 10;
static const double EXPECTED_TOO_RARE = 0.5; /* pieces expected less often than this are dropped */
static const double MISSING_CHARACTER_STEP = 0.0001;

struct unigram_trainer {
    const struct word_list *words;
    const struct trainer_settings *settings;
    struct thread_pool *pool;
    struct piece_list pieces;
    double
        *scores; /* [n + 1] of the pieces, -INFINITY for one that was dropped; the last is that of unknown characters */
    size_t n_alive; /* pieces that weren't dropped */
    struct trie trie;
    struct lattice_model model;
    double *sums[N_PARTS];    /* [n + 1] of a part; [0] has the total once all are done */
    double *losses;           /* [n] see judge_piece */
    struct lattice *lattices; /* [pool size], by slot */
    bool *failed;             /* [pool size] memory ran out in that slot */
};

static void unigram_trainer_release(struct unigram_trainer *t) {
    for (size_t i = 0; t->lattices && i < thread_pool_size(t->pool); i++) lattice_release(&t->lattices[i]);
    for (size_t i = 0; i < N_PARTS; i++) mem_free(t->sums[i]);
    mem_free(t->lattices);
    mem_free(t->failed);
    mem_free(t->pieces.items);
    mem_free(t->scores);
    mem_free(t->losses);
    trie_release(&t->trie);
}

static bn_status allocate(struct unigram_trainer *t, bn_error *err) {
    size_t n = t->pieces.n + 1;
    bool complete = true;
    for (size_t i = 0; i < N_PARTS && complete; i++) complete = (t->sums[i] = mem_alloc_array(n, sizeof *t->sums[i]));
    t->scores = mem_alloc_array(n, sizeof *t->scores);
    t->losses = mem_alloc_array(n, sizeof *t->losses);
    t->lattices = mem_calloc(thread_pool_size(t->pool), sizeof *t->lattices);
    t->failed = mem_calloc(thread_pool_size(t->pool), sizeof *t->failed);
    complete = complete && t->scores && t->losses && t->lattices && t->failed;
    return complete ? BN_OK : fail_no_memory(err, n * N_PARTS * sizeof *t->sums[0]);
}

/* ---- the model ---- */

/* Once scores were changed: counts and the score of what is unknown follow. */
static void scores_changed(struct unigram_trainer *t) {
    double lowest = 0;
    t->n_alive = 0;
    for (size_t i = 0; i < t->pieces.n; i++) {
        if (t->scores[i] == -INFINITY) continue;
        lowest = fmin(lowest, t->scores[i]);
        t->n_alive++;
    }
    t->scores[t->pieces.n] = lowest - UNKNOWN_PENALTY;
    t->model = (struct lattice_model){.trie = &t->trie,
                                      .scores = t->scores,
                                      .unknown = (uint32_t)t->pieces.n,
                                      .unknown_score = lowest - UNKNOWN_PENALTY};
}

static bn_status pieces_changed(struct unigram_trainer *t, bn_error *err) {
    struct trie_key *keys = mem_alloc_array(t->pieces.n, sizeof *keys);
    if (!keys) return fail_no_memory(err, t->pieces.n * sizeof *keys);
    for (size_t i = 0; i < t->pieces.n; i++) {
        const struct scored_piece *piece = &t->pieces.items[i];
        keys[i] = (struct trie_key){.bytes = piece->text, .size = piece->size, .value = (int32_t)i};
        t->scores[i] = piece->score;
    }
    trie_release(&t->trie);
    bn_status status = trie_build(&t->trie, keys, t->pieces.n, err);
    mem_free(keys);
    scores_changed(t);
    return status;
}

static bn_status run_chunks(struct unigram_trainer *t, chunk_function work, size_t n_chunks, bn_error *err) {
    bool failed = false;
    thread_pool_run(t->pool, work, t, n_chunks);
    for (size_t i = 0; i < thread_pool_size(t->pool); i++) failed |= t->failed[i];
    return failed ? fail_no_memory(err, t->pieces.n) : BN_OK;
}

/* ---- sums over the words ---- */

static void sum_part(struct unigram_trainer *t, size_t part, size_t slot, bool best_only) {
    struct lattice *lattice = &t->lattices[slot];
    double *sums = t->sums[part];
    memset(sums, 0, (t->pieces.n + 1) * sizeof *sums);
    for (size_t i = part; i < t->words->n && !t->failed[slot]; i += N_PARTS) {
        const struct word *word = &t->words->items[i];
        if (!lattice_build(lattice, &t->model, word->text, word->size)) {
            t->failed[slot] = true;
        } else if (!best_only) {
            lattice_expect(lattice, (double)word->count, sums);
        } else {
            size_t n = lattice_best(lattice, false);
            for (size_t k = 0; k < n; k++) sums[lattice->path[k]] += (double)word->count;
        }
    }
}

static void expect_part(void *context, size_t part, size_t slot) {
    sum_part(context, part, slot, false);
}
static void count_part(void *context, size_t part, size_t slot) {
    sum_part(context, part, slot, true);
}

static bn_status sum_words(struct unigram_trainer *t, chunk_function part, bn_error *err) {
    bn_status status = run_chunks(t, part, N_PARTS, err);
    for (size_t k = 1; k < N_PARTS && !status; k++)
        for (size_t i = 0; i <= t->pieces.n; i++) t->sums[0][i] += t->sums[k][i];
    return status;
}

/* ---- EM ---- */

/* ψ(x), x > 0: by recurrence up to where the asymptotic series is exact to double precision (Abramowitz and Stegun 6.3.5,
 * 6.3.18). */
static double digamma(double x) {
    double sum = 0;
    for (; x < 10; x++) sum -= 1 / x;
    double r = 1 / (x * x);
    return sum + log(x) - 0.5 / x - r * (1.0 / 12 - r * (1.0 / 120 - r * (1.0 / 252 - r * (1.0 / 240 - r / 132))));
}

/* One step of EM. With a sparse prior: exp(ψ(c)) in place of c takes from rare pieces what it leaves to frequent ones
 * (Liang and Klein, "Structured Bayesian Nonparametric Models with Variational Inference", ACL 2007). */
static bn_status fit(struct unigram_trainer *t, bn_error *err) {
    bn_status status = sum_words(t, expect_part, err);
    if (status) return status;
    const double *expected = t->sums[0];
    double sum = 0;
    for (size_t i = 0; i < t->pieces.n; i++)
        if (expected[i] >= EXPECTED_TOO_RARE) sum += expected[i];
    for (size_t i = 0; i < t->pieces.n; i++)
        t->scores[i] = expected[i] >= EXPECTED_TOO_RARE ? digamma(expected[i]) - digamma(sum) : -INFINITY;
    scores_changed(t);
    return trainer_report(t->settings, "fitting pieces:", t->n_alive, 0, err);
}

/* ---- pruning ---- */

static const double KEEP = INFINITY;

/* By how much the log likelihood of a word falls, on average, without the piece: its occurrences would be cut in the
 * next best way. KEEP where there is no other, -INFINITY for a piece that isn't used. counts: of pieces in the best
 * segmentations of all words. */
static double judge_piece(const struct unigram_trainer *t, struct lattice *lattice, size_t piece, const double *counts,
                          double total, double n_words) {
    size_t n = lattice_best(lattice, false);
    double count = counts[piece];
    if (n > 1) return count > 0 ? KEEP : -INFINITY;
    n = lattice_best(lattice, true);
    if (n == 0 || t->pieces.items[piece].character) return KEEP;
    if (count == 0) return -INFINITY;
    double log_total = log(total + count * ((double)n - 1)), without = 0;
    for (size_t i = 0; i < n; i++) without += log(counts[lattice->path[i]] + count) - log_total;
    return count / n_words * (log(count) - log(total) - without);
}

static void judge_pieces(void *context, size_t chunk, size_t slot) {
    struct unigram_trainer *t = context;
    struct lattice *lattice = &t->lattices[slot];
    const double *counts = t->sums[0];
    double total = t->sums[1][0], n_words = t->sums[1][1]; /* left there by prune */
    size_t end = min_size((chunk + 1) * PIECES_PER_CHUNK, t->pieces.n);
    for (size_t i = chunk * PIECES_PER_CHUNK; i < end && !t->failed[slot]; i++) {
        const struct scored_piece *piece = &t->pieces.items[i];
        if (t->scores[i] == -INFINITY)
            t->losses[i] = -INFINITY;
        else if (!lattice_build(lattice, &t->model, piece->text, piece->size))
            t->failed[slot] = true;
        else
            t->losses[i] = judge_piece(t, lattice, i, counts, total, n_words);
    }
}

struct judged {
    struct scored_piece piece;
    double loss;
    size_t index;
};

static int highest_loss_first(const void *a, const void *b) {
    const struct judged *x = a, *y = b;
    if (x->loss != y->loss) return x->loss < y->loss ? 1 : -1;
    return (x->index > y->index) - (x->index < y->index);
}

/* Those to keep come first, then the others by falling loss; the list ends after `limit` of them. */
static bn_status keep_best(struct unigram_trainer *t, size_t limit, bn_error *err) {
    struct judged *judged = mem_alloc_array(t->pieces.n, sizeof *judged);
    if (!judged) return fail_no_memory(err, t->pieces.n * sizeof *judged);
    size_t n = 0, n_kept = 0;
    for (size_t i = 0; i < t->pieces.n; i++) {
        if (t->losses[i] == -INFINITY) continue;
        judged[n] = (struct judged){t->pieces.items[i], t->losses[i], i};
        judged[n].piece.score = t->scores[i];
        n_kept += t->losses[i] == KEEP;
        n++;
    }
    if (n) qsort(judged, n, sizeof *judged, highest_loss_first);
    t->pieces.n = min_size(n, max_size(limit, n_kept));
    for (size_t i = 0; i < t->pieces.n; i++) t->pieces.items[i] = judged[i].piece;
    mem_free(judged);
    return pieces_changed(t, err);
}

static bn_status prune(struct unigram_trainer *t, size_t desired, bn_error *err) {
    bn_status status = sum_words(t, count_part, err);
    if (status) return status;
    double total = 0, n_words = 0;
    for (size_t i = 0; i < t->words->n; i++) n_words += (double)t->words->items[i].count;
    for (size_t i = 0; i <= t->pieces.n; i++) total += t->sums[0][i];
    t->sums[1][0] = total;
    t->sums[1][1] = n_words;
    size_t n_alive = t->n_alive;
    status = run_chunks(t, judge_pieces, (t->pieces.n + PIECES_PER_CHUNK - 1) / PIECES_PER_CHUNK, err);
    if (status) return status;
    return keep_best(t, max_size(desired, (size_t)((double)n_alive * t->settings->shrinking_factor)), err);
}

static bn_status fit_and_prune(struct unigram_trainer *t, bn_error *err) {
    /* a tenth more than is asked for, from which the best are taken in the end */
    size_t desired = t->settings->vocab_size + t->settings->vocab_size / 10, before;
    bn_status status = pieces_changed(t, err);
    while (!status) {
        for (size_t i = 0; i < t->settings->n_sub_iterations && !status; i++) status = fit(t, err);
        if (status || t->n_alive <= desired) break;
        before = t->n_alive;
        status = prune(t, desired, err);
        if (t->n_alive >= before) break; /* nothing can be spared */
    }
    return status;
}

/* ---- the vocabulary ---- */

static bool is_special(const struct trainer_settings *settings, const char *text, size_t size) {
    for (size_t i = 0; i < settings->special_tokens.n; i++) {
        const char *special = settings->special_tokens.items[i];
        if (strlen(special) == size && memcmp(special, text, size) == 0) return true;
    }
    return settings->unk_token && strlen(settings->unk_token) == size && memcmp(settings->unk_token, text, size) == 0;
}

static int highest_score_first(const void *a, const void *b) {
    const struct scored_piece *x = a, *y = b;
    if (x->score != y->score) return x->score < y->score ? 1 : -1;
    int order = memcmp(x->text, y->text, min_size(x->size, y->size));
    return order ? order : (x->size > y->size) - (x->size < y->size);
}

/* Every character of the alphabet, with its score or, where it was dropped, one just above the lowest; then pieces in the
 * order that pruning left, up to `room`. texts: [4 · n_letters] for the characters. */
static bn_status choose(struct unigram_trainer *t, const uint32_t *letters, size_t n_letters, char *texts, size_t room,
                        struct piece_list *out, bn_error *err) {
    struct string_map characters;
    double missing = t->model.unknown_score + UNKNOWN_PENALTY;
    bool complete = string_map_init(&characters, n_letters);
    for (size_t i = 0; i < t->pieces.n && complete; i++) {
        const struct scored_piece *piece = &t->pieces.items[i];
        if (piece->character && t->scores[i] != -INFINITY)
            complete = string_map_insert(&characters, piece->text, piece->size, (uint32_t)i) >= 0;
    }
    for (size_t i = 0; i < n_letters && complete; i++) {
        char *text = texts + 4 * i;
        uint32_t index, size = (uint32_t)utf8_encode(letters[i], text);
        struct scored_piece *piece = &out->items[out->n];
        *piece = (struct scored_piece){.text = text, .size = size, .character = true};
        if (is_special(t->settings, text, size)) continue;
        if (string_map_find(&characters, text, size, &index)) {
            piece->score = t->scores[index];
        } else {
            piece->score = missing;
            missing += MISSING_CHARACTER_STEP;
        }
        out->n++;
    }
    string_map_release(&characters);
    if (!complete) return fail_no_memory(err, n_letters);
    for (size_t i = 0; i < t->pieces.n && out->n < room; i++) {
        const struct scored_piece *piece = &t->pieces.items[i];
        if (piece->character || t->scores[i] == -INFINITY || is_special(t->settings, piece->text, piece->size))
            continue;
        out->items[out->n] = *piece;
        out->items[out->n++].score = t->scores[i];
    }
    if (out->n) qsort(out->items, out->n, sizeof *out->items, highest_score_first);
    return BN_OK;
}

/* The unknown token is the special token of that text, or else put before them all. */
static bn_status add_specials(const struct trainer_settings *settings, struct token_table *tokens, size_t *unk_id,
                              bn_error *err) {
    const char *unknown = settings->unk_token;
    bool listed = false;
    int32_t id = -1;
    for (size_t i = 0; i < settings->special_tokens.n && unknown; i++)
        listed |= strcmp(settings->special_tokens.items[i], unknown) == 0;
    bn_status status = unknown && !listed ? token_table_add(tokens, unknown, strlen(unknown), &id, err) : BN_OK;
    if (!status) status = token_table_add_list(tokens, &settings->special_tokens, err);
    *unk_id = SIZE_MAX;
    if (!status && unknown) *unk_id = (size_t)token_table_find(tokens, unknown, strlen(unknown));
    return status;
}

static bn_status add_pieces(struct unigram_trainer *t, const uint32_t *letters, size_t n_letters,
                            struct token_table *tokens, double **scores, bn_error *err) {
    size_t n_special = tokens->n, n = max_size(t->settings->vocab_size - n_special, n_letters);
    struct piece_list chosen = {.items = mem_alloc_array(n + 1, sizeof *chosen.items)};
    char *texts = mem_alloc_array(n_letters, 4);
    *scores = mem_calloc(n_special + n, sizeof **scores);
    bn_status status = BN_OK;
    if (!chosen.items || !texts || !*scores) status = fail_no_memory(err, n * sizeof *chosen.items);
    if (!status) status = choose(t, letters, n_letters, texts, n, &chosen, err);
    for (size_t i = 0; i < chosen.n && !status; i++) {
        int32_t id;
        status = token_table_add(tokens, chosen.items[i].text, chosen.items[i].size, &id, err);
        if (!status) (*scores)[id] = chosen.items[i].score;
    }
    mem_free(chosen.items);
    mem_free(texts);
    return status;
}

bn_status train_unigram(const struct word_list *words, const struct trainer_settings *settings,
                        struct thread_pool *pool, struct token_table *tokens, double **scores, size_t *unk_id,
                        bn_error *err) {
    struct unigram_trainer t = {.words = words, .settings = settings, .pool = pool};
    uint32_t *letters = NULL;
    size_t n_letters = 0;
    bn_status status = add_specials(settings, tokens, unk_id, err);
    if (!status) status = alphabet_of(words, settings, &letters, &n_letters, err);
    if (!status && n_letters + tokens->n > settings->vocab_size)
        status = fail(err, BN_STATUS_BAD_ARGUMENT,
                      "a vocabulary of %zu has no room for the %zu characters of the corpus and %zu special tokens",
                      settings->vocab_size, n_letters, tokens->n);
    if (!status) status = seed_pieces(words, settings, &t.pieces, err);
    if (!status) status = allocate(&t, err);
    if (!status) status = fit_and_prune(&t, err);
    if (!status) status = add_pieces(&t, letters, n_letters, tokens, scores, err);
    unigram_trainer_release(&t);
    mem_free(letters);
    return status;
}
