/* Several answers to one prompt: parallel choices are what separate runs with their random streams would give, best_of
 * sorts them, and beam search finds what a literal transcription of Hugging Face's algorithm finds over full lists of
 * candidates, computed from scratch with bn_engine_logits. */
#include "engine_run.h"

#include <stdlib.h>

#include "engine/sampler.h"

#define N_PROMPT 40
#define N_OUTPUT 24

static bn_model *model;
static size_t vocab_size;

static int open_model(void **state) {
    (void)state;
    bn_model_info info = {.size = sizeof info};
    model = open_demo();
    bn_model_get_info(model, &info);
    vocab_size = info.vocab_size;
    return 0;
}

static int close_model(void **state) {
    (void)state;
    bn_model_close(model);
    return 0;
}

static void wait_for(bn_request *request) {
    bn_error err = {0};
    assert_ok(bn_request_wait(request, &err), err);
}

/* ---- choices ---- */

/* Generates with nothing but logits and a sampler of the given stream. */
static void run_by_hand(bn_engine *engine, const bn_request_options *options, uint32_t stream, int32_t *ids, size_t n) {
    struct sampler *sampler;
    bn_error err = {0};
    float *logits = malloc(vocab_size * sizeof *logits);
    assert_ok(sampler_create(&options->sampling, vocab_size, NULL, stream, &sampler, &err), err);
    for (size_t i = 0; i < n; i++) {
        assert_ok(bn_engine_logits(engine, ids, N_PROMPT + i, true, logits, &err), err);
        struct sampler_input input = {
            .logits = logits, .history = ids, .n_history = N_PROMPT + i, .n_prompt = N_PROMPT, .position = i};
        assert_ok(sampler_sample(sampler, &input, &ids[N_PROMPT + i], &err), err);
    }
    sampler_destroy(sampler);
    free(logits);
}

static void test_choices_are_separate_runs(void **state) {
    (void)state;
    int32_t ids[N_PROMPT + N_OUTPUT];
    make_prompt(ids, N_PROMPT, 1);
    bn_request_options options = sampled(N_OUTPUT, 11);
    options.sampling.top_p = 0.9f;
    options.sampling.presence_penalty = 0.5f;
    options.ignore_end = true;
    options.n = 4;
    for (int few = 0; few <= 1; few++) { /* few slots: some choices wait; some start over for want of pages */
        bn_engine_options engine_options = {.n_threads = 1};
        if (few) {
            bn_engine *probe = make_engine(model, NULL);
            bn_engine_stats full = stats_of(probe);
            bn_engine_destroy(probe);
            engine_options.max_sequences = 3;
            engine_options.kv_type = full.kv_type;
            engine_options.kv_bytes = 4 * (full.kv_bytes / full.kv_pages_total);
        }
        bn_engine *engine = make_engine(model, &engine_options);
        bn_request *request = submit(engine, ids, N_PROMPT, &options);
        wait_for(request);
        assert_int_equal(bn_request_n_choices(request), 4);
        for (uint32_t choice = 0; choice < 4; choice++) {
            struct answer got;
            read_choice(request, choice, &got);
            run_by_hand(engine, &options, choice, ids, N_OUTPUT);
            assert_int_equal(got.n_ids, N_OUTPUT);
            assert_memory_equal(got.ids, ids + N_PROMPT, sizeof(int32_t) * N_OUTPUT);
        }
        bn_usage usage = {.size = sizeof usage};
        bn_request_usage(request, &usage);
        assert_int_equal(usage.output_tokens, 4 * N_OUTPUT);
        bn_request_release(request);
        assert_int_equal(stats_of(engine).kv_pages_used, 0);
        bn_engine_destroy(engine);
    }
}

static void test_choices_share_the_prompts_pages(void **state) {
    (void)state;
    int32_t ids[128];
    bool busy;
    bn_error err = {0};
    make_prompt(ids, 128, 1);
    bn_engine *engine = make_engine(model, &(bn_engine_options){.n_threads = 1, .no_prefix_cache = true});
    bn_request_options options = sampled(8, 1);
    options.n = 8;
    options.ignore_end = true;
    bn_request *request = submit(engine, ids, 127, &options);
    assert_int_equal(bn_engine_step(engine, &busy, &err), BN_OK); /* the prompt */
    assert_int_equal(stats_of(engine).kv_pages_used, 4);
    assert_int_equal(bn_engine_step(engine, &busy, &err), BN_OK); /* each its own last page */
    assert_int_equal(stats_of(engine).kv_pages_used, 3 + 8);
    wait_for(request);
    bn_request_release(request);
    bn_engine_destroy(engine);
}

static double mean_logprob(const struct answer *a) {
    return a->sum_logprob / (double)a->n_ids;
}

static void test_best_of_ranks_by_mean_logprob(void **state) {
    (void)state;
    enum { ALL = 6, KEPT = 3 };
    int32_t ids[N_PROMPT], stop;
    struct answer all[ALL], got;
    make_prompt(ids, N_PROMPT, 2);
    bn_engine *engine = make_engine(model, NULL);
    bn_request_options options = greedy(20);
    options.ignore_end = true;
    ask(engine, ids, N_PROMPT, &options, &got);
    stop = got.ids[10];
    options = sampled(20, 4);
    options.ignore_end = true;
    options.stop_ids = &stop; /* so that lengths differ */
    options.n_stop_ids = 1;
    options.n = ALL;
    options.n_logprobs = 0;
    bn_request *request = submit(engine, ids, N_PROMPT, &options);
    wait_for(request);
    for (size_t i = 0; i < ALL; i++) read_choice(request, i, &all[i]);
    bn_request_release(request);

    options.n = KEPT;
    options.best_of = ALL;
    request = submit(engine, ids, N_PROMPT, &options);
    wait_for(request);
    assert_int_equal(bn_request_n_choices(request), KEPT);
    bool taken[ALL] = {0};
    for (size_t rank = 0; rank < KEPT; rank++) {
        size_t best = ALL;
        for (size_t i = 0; i < ALL; i++) {
            if (taken[i]) continue;
            if (best == ALL || mean_logprob(&all[i]) > mean_logprob(&all[best])) best = i;
        }
        taken[best] = true;
        read_choice(request, rank, &got);
        assert_same(&got, &all[best]);
    }
    bn_request_release(request);
    bn_engine_destroy(engine);
}

/* ---- beam search, by the book ---- */

#define MAX_WIDTH  5
#define MAX_LENGTH 16

struct path {
    int32_t ids[MAX_LENGTH];
    size_t n;
    double score;
    bool ended;
};

struct entry {
    double score;
    size_t index; /* beam · vocab_size + id */
};

static int by_score(const void *a, const void *b) {
    const struct entry *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static void log_softmax(const float *logits, double *out) {
    double max = -INFINITY, sum = 0;
    for (size_t i = 0; i < vocab_size; i++) max = fmax(max, (double)logits[i]);
    for (size_t i = 0; i < vocab_size; i++) sum += exp((double)logits[i] - max);
    for (size_t i = 0; i < vocab_size; i++) out[i] = (double)logits[i] - max - log(sum);
}

static bool is_end(const bn_request_options *options, int32_t id) {
    for (size_t i = 0; i < options->n_stop_ids; i++) {
        if (options->stop_ids[i] == id) return true;
    }
    return false;
}

/* All continuations of all beams, best first. Returns how many. */
static size_t expand(bn_engine *engine, const int32_t *prompt, const struct path *beams, size_t n_beams,
                     struct entry *entries) {
    int32_t ids[N_PROMPT + MAX_LENGTH];
    float *logits = malloc(vocab_size * sizeof *logits);
    double *logprobs = malloc(vocab_size * sizeof *logprobs);
    bn_error err = {0};
    memcpy(ids, prompt, N_PROMPT * sizeof *ids);
    for (size_t b = 0; b < n_beams; b++) {
        memcpy(ids + N_PROMPT, beams[b].ids, beams[b].n * sizeof *ids);
        assert_ok(bn_engine_logits(engine, ids, N_PROMPT + beams[b].n, true, logits, &err), err);
        log_softmax(logits, logprobs);
        for (size_t id = 0; id < vocab_size; id++)
            entries[b * vocab_size + id] = (struct entry){beams[b].score + logprobs[id], b * vocab_size + id};
    }
    qsort(entries, n_beams * vocab_size, sizeof *entries, by_score);
    free(logits);
    free(logprobs);
    return n_beams * vocab_size;
}

/* Keeps `width` finished paths, best first, the older of equals first. */
static void keep(struct path *finished, size_t *n, size_t width, const struct path *path) {
    size_t at = *n;
    while (at > 0 && path->score > finished[at - 1].score) at--;
    if (at == width) return;
    if (*n < width) ++*n;
    for (size_t i = *n - 1; i > at; i--) finished[i] = finished[i - 1];
    finished[at] = *path;
}

static size_t beam_search_by_hand(bn_engine *engine, const int32_t *prompt, const bn_request_options *options,
                                  struct path *finished) {
    size_t width = options->beams, n_finished = 0, n_beams = 1;
    size_t n_kept = (options->n_stop_ids + 1 > 2 ? options->n_stop_ids + 1 : 2) * width;
    struct path beams[MAX_WIDTH] = {0}, next[MAX_WIDTH];
    struct entry *entries = malloc(MAX_WIDTH * vocab_size * sizeof *entries);
    for (size_t length = 1;; length++) {
        size_t n_entries = expand(engine, prompt, beams, n_beams, entries), n_next = 0;
        for (size_t rank = 0; rank < n_kept && rank < n_entries; rank++) {
            struct path path = beams[entries[rank].index / vocab_size];
            path.ids[path.n++] = (int32_t)(entries[rank].index % vocab_size);
            path.score = entries[rank].score;
            path.ended = is_end(options, path.ids[path.n - 1]);
            if (path.ended || length == options->max_tokens) {
                path.score /= pow((double)length, options->length_penalty);
                if (rank < width) keep(finished, &n_finished, width, &path);
            } else if (n_next < width) {
                next[n_next++] = path;
            }
        }
        if (n_next == 0) break;
        double best = next[0].score / pow((double)length, options->length_penalty);
        if (n_finished == width && (options->early_stopping || best <= finished[width - 1].score)) break;
        memcpy(beams, next, sizeof beams);
        n_beams = n_next;
    }
    free(entries);
    return n_finished;
}

static void check_beams(bn_engine *engine, const int32_t *prompt, bn_request_options options) {
    struct path expected[MAX_WIDTH];
    size_t n = beam_search_by_hand(engine, prompt, &options, expected);
    bn_request *request = submit(engine, prompt, N_PROMPT, &options);
    wait_for(request);
    assert_int_equal(bn_request_n_choices(request), n < options.n ? n : options.n);
    for (size_t i = 0; i < bn_request_n_choices(request); i++) {
        struct answer got;
        read_choice(request, i, &got);
        assert_int_equal(got.n_ids, expected[i].n);
        assert_memory_equal(got.ids, expected[i].ids, got.n_ids * sizeof *got.ids);
        assert_int_equal(got.finish, expected[i].ended ? BN_FINISH_STOP : BN_FINISH_LENGTH);
        double score = got.sum_logprob / pow((double)got.n_ids, options.length_penalty);
        assert_true(fabs(score - expected[i].score) < 1e-9);
    }
    bn_request_release(request);
    assert_int_equal(stats_of(engine).kv_pages_used, 0);
}

static void test_beams_are_those_of_the_book(void **state) {
    (void)state;
    int32_t prompt[N_PROMPT], ends[2];
    struct answer plain;
    bn_engine *engine = make_engine(model, NULL);
    for (uint32_t which = 1; which <= 2; which++) {
        make_prompt(prompt, N_PROMPT, which);
        bn_request_options options = greedy(10);
        options.ignore_end = true;
        ask(engine, prompt, N_PROMPT, &options, &plain);
        ends[0] = plain.ids[2], ends[1] = plain.ids[5];
        options.stop_ids = ends;
        for (options.beams = 2; options.beams <= MAX_WIDTH; options.beams++) {
            static const float penalties[] = {0, 1, 2, -1};
            options.n = options.beams;
            options.n_stop_ids = options.beams % 3;
            options.length_penalty = penalties[options.beams % 4];
            options.early_stopping = options.beams % 2;
            check_beams(engine, prompt, options);
        }
    }
    bn_engine_destroy(engine);
}

/* The same with strangers around, tiny steps, and pages for just these beams, so that they start over. */
static void test_beams_in_a_crowd(void **state) {
    (void)state;
    int32_t prompt[N_PROMPT];
    bn_engine *probe = make_engine(model, NULL);
    bn_engine_stats full = stats_of(probe);
    bn_engine_destroy(probe);
    uint64_t page_bytes = full.kv_bytes / full.kv_pages_total;
    bn_engine *engine = make_engine(
        model,
        &(bn_engine_options){.n_threads = 2, .batch_tokens = 3, .kv_type = full.kv_type, .kv_bytes = 8 * page_bytes});
    make_prompt(prompt, N_PROMPT, 3);
    bn_request_options options = greedy(12), stranger = sampled(60, 5);
    options.ignore_end = stranger.ignore_end = true;
    options.beams = options.n = 4;
    stranger.priority = 1;
    bn_request *before = submit(engine, prompt, 20, &stranger);
    bn_request *request = submit(engine, prompt, N_PROMPT, &options);
    wait_for(request);
    struct path expected[MAX_WIDTH];
    assert_int_equal(beam_search_by_hand(engine, prompt, &options, expected), 4);
    for (size_t i = 0; i < 4; i++) {
        struct answer got;
        read_choice(request, i, &got);
        assert_int_equal(got.n_ids, 12);
        assert_memory_equal(got.ids, expected[i].ids, sizeof(int32_t) * 12);
    }
    bn_request_release(request);
    wait_for(before);
    bn_request_release(before);

    options.beams = 5; /* 5 · 2 pages don't fit 8 */
    bn_error err = {0};
    assert_int_equal(bn_engine_submit(engine, prompt, N_PROMPT, &options, &request, &err), BN_STATUS_BAD_ARGUMENT);
    assert_non_null(strstr(err.message, "10 KV pages"));
    bn_engine_destroy(engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choices_are_separate_runs),
        cmocka_unit_test(test_choices_share_the_prompts_pages),
        cmocka_unit_test(test_best_of_ranks_by_mean_logprob),
        cmocka_unit_test(test_beams_are_those_of_the_book),
        cmocka_unit_test(test_beams_in_a_crowd),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
