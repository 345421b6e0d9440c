/* `bitnet grammar bench`: what a grammar costs. Texts are walked through at random, as a model that likes everything alike would
 * write them, or as they are given; each mask is timed when it is first asked for in its place, in processor time. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/grammar_options.h"
#include "cli/input.h"
#include "cli/json_output.h"
#include "cli/model_options.h"
#include "cli/terminal.h"
#include "engine/grammar/matcher.h"

struct bench_settings {
    struct grammar_options grammar;
    size_t texts, tokens;
    bool jsonl;
};
static const struct option options[] = {
    {"texts", 0, OPTION_SIZE, offsetof(struct bench_settings, texts), "N", 1, 100000, "texts to walk through (20)",
     NULL},
    {"tokens", 0, OPTION_SIZE, offsetof(struct bench_settings, tokens), "N", 1, 100000,
     "tokens of a text at most (200)", NULL},
    {"jsonl", 0, OPTION_FLAG, offsetof(struct bench_settings, jsonl), NULL, 0, 0,
     "follow texts of standard input, {\"ids\": [...]} a line, up to where they aren't accepted; --json gives each "
     "mask's time",
     NULL},
    {0},
};
static const struct option_group groups[] = {
    {"Grammar", grammar_option_table, offsetof(struct bench_settings, grammar)}, {"Measuring", options, 0}, {0}};

static void set_defaults(void *settings) {
    struct bench_settings *bench = settings;
    bench->texts = 20;
    bench->tokens = 200;
}

struct bench {
    bn_tokenizer *tokenizer;
    bn_token_bytes *bytes;
    struct token_trie *trie;
    bn_grammar *grammar;
    double *times; /* [n] µs per mask */
    size_t n, capacity, n_texts, n_complete;
    double compile_ms;
};

static bn_status bench_open(struct bench *bench, const struct invocation *invocation, bn_error *err) {
    const struct bench_settings *settings = invocation->settings;
    bn_status status = tokenizer_argument_open(invocation->arguments[0], &bench->tokenizer, err);
    if (!status) status = bn_token_bytes_create(bench->tokenizer, &bench->bytes, err);
    if (!status)
        status = token_trie_create(bench->tokenizer, bench->bytes, bn_tokenizer_vocab_size(bench->tokenizer),
                                   &bench->trie, err);
    if (status) return status;
    double begun = clock_thread_seconds();
    status = grammar_options_compile(&settings->grammar, false, &bench->grammar, err);
    bench->compile_ms = (clock_thread_seconds() - begun) * 1e3;
    return status;
}

static void bench_close(struct bench *bench) {
    bn_grammar_release(bench->grammar);
    token_trie_destroy(bench->trie);
    bn_token_bytes_destroy(bench->bytes);
    bn_tokenizer_close(bench->tokenizer);
    mem_free(bench->times);
}

/* The n-th of the allowed ids; -1: there are fewer. */
static int32_t pick(const uint64_t *bits, size_t n_words, uint64_t random) {
    uint64_t n = 0;
    for (size_t w = 0; w < n_words; w++) n += (uint64_t)__builtin_popcountll(bits[w]);
    if (n == 0) return -1;
    uint64_t skip = random % n;
    for (size_t w = 0; w < n_words; w++) {
        uint64_t word = bits[w], here = (uint64_t)__builtin_popcountll(word);
        if (skip >= here) {
            skip -= here;
            continue;
        }
        while (skip-- > 0) word &= word - 1;
        return (int32_t)(w * 64 + (size_t)__builtin_ctzll(word));
    }
    return -1;
}

static bn_status note_time(struct bench *bench, double seconds, bn_error *err) {
    if (bench->n == bench->capacity) {
        size_t capacity = 2 * bench->capacity + 1000;
        double *grown = mem_realloc_array(bench->times, capacity, sizeof *grown);
        if (!grown) return fail_no_memory(err, capacity * sizeof *grown);
        bench->times = grown;
        bench->capacity = capacity;
    }
    bench->times[bench->n++] = seconds * 1e6;
    return BN_OK;
}

/* Goes through a text: its own n ids, or, NULL, random ones of those that are possible, up to n. */
static bn_status walk(struct bench *bench, const int32_t *given, size_t most, uint64_t *random, bn_error *err) {
    struct matcher *matcher = NULL;
    int32_t *ids = mem_alloc_array(max_size(most, 1), sizeof *ids);
    bn_status status = ids ? matcher_create(bench->grammar, bench->trie, most, &matcher, err)
                           : fail_no_memory(err, most * sizeof *ids);
    size_t n = 0;
    bench->n_texts++;
    while (!status && n < most && !matcher_is_complete(matcher, ids, n)) {
        const uint64_t *bits;
        double begun = clock_thread_seconds();
        status = matcher_allowed(matcher, ids, n, NULL, 0, &bits, err);
        double seconds = clock_thread_seconds() - begun;
        if (status || (status = note_time(bench, seconds, err))) break;
        *random = *random * 6364136223846793005u + 1442695040888963407u;
        int32_t id = given ? given[n] : pick(bits, bench->trie->mask_words, *random >> 20);
        bool known = id >= 0 && (size_t)id < bench->trie->vocab_size;
        if (!known || !(bits[id / 64] >> id % 64 & 1)) break;
        ids[n++] = id;
    }
    bench->n_complete += !status && (given ? n == most : matcher_is_complete(matcher, ids, n));
    matcher_destroy(matcher);
    mem_free(ids);
    return status;
}

static bn_status follow_line(struct bench *bench, const struct line_reader *line, size_t most, bn_error *err) {
    uint64_t random = 0;
    json_t *json = NULL;
    bn_status status = json_parse(line->text, line->size, "a line", &json, err);
    const json_t *list = json_object_get(json, "ids");
    size_t n = min_size(json_array_size(list), most);
    if (!status && !json_is_array(list))
        status =
            fail(err, BN_STATUS_BAD_ARGUMENT, "a line must be an object with \"ids\", an array of tokens' numbers");
    int32_t *ids = status ? NULL : mem_alloc_array(max_size(n, 1), sizeof *ids);
    if (!status && !ids) status = fail_no_memory(err, n * sizeof *ids);
    for (size_t i = 0; i < n && ids; i++) ids[i] = (int32_t)json_integer_value(json_array_get(list, i));
    if (!status) status = walk(bench, ids, n, &random, err);
    mem_free(ids);
    json_decref(json);
    return status;
}

static bn_status follow_lines(struct bench *bench, size_t most, bn_error *err) {
    struct line_reader lines = {.stream = stdin};
    bn_status status = BN_OK;
    while (!status && line_reader_next(&lines) > 0) status = follow_line(bench, &lines, most, err);
    line_reader_release(&lines);
    return status;
}

static bn_status walk_texts(struct bench *bench, const struct bench_settings *settings, bn_error *err) {
    uint64_t random = 1;
    bn_status status = BN_OK;
    if (settings->jsonl) return follow_lines(bench, settings->tokens, err);
    for (size_t i = 0; i < settings->texts && !status; i++) status = walk(bench, NULL, settings->tokens, &random, err);
    return status;
}

static int compare_times(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static json_t *all_times(const struct bench *bench) {
    json_t *list = json_array();
    for (size_t i = 0; i < bench->n; i++) json_array_append_new(list, json_real(bench->times[i]));
    return list;
}

static bn_status report(struct bench *bench, const struct invocation *invocation, bn_error *err) {
    const struct bench_settings *settings = invocation->settings;
    double sum = 0;
    json_t *each = invocation->common.json && settings->jsonl ? all_times(bench) : NULL;
    qsort(bench->times, bench->n, sizeof *bench->times, compare_times);
    for (size_t i = 0; i < bench->n; i++) sum += bench->times[i];
    double mean = sum / (double)bench->n, p50 = bench->times[bench->n / 2], p90 = bench->times[bench->n * 9 / 10],
           p99 = bench->times[bench->n * 99 / 100], most = bench->times[bench->n - 1];
    if (invocation->common.json)
        return json_write_line(stdout,
                               json_pack("{s:I, s:f, s:I, s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:o*}", "vocabulary",
                                         (json_int_t)bench->trie->vocab_size, "compile_ms", bench->compile_ms, "masks",
                                         (json_int_t)bench->n, "mask_mean_us", mean, "mask_p50_us", p50, "mask_p90_us",
                                         p90, "mask_p99_us", p99, "mask_max_us", most, "texts",
                                         (json_int_t)bench->n_texts, "complete", (json_int_t)bench->n_complete,
                                         "mask_us", each),
                               err);
    printf("vocabulary  %zu tokens\ncompile     %.2f ms\nmasks       %zu in %zu texts (%zu complete)\n"
           "mask        mean %.1f µs, median %.1f µs, p90 %.1f µs, p99 %.1f µs, most %.1f µs\n",
           bench->trie->vocab_size, bench->compile_ms, bench->n, bench->n_texts, bench->n_complete, mean, p50, p90, p99,
           most);
    return BN_OK;
}

static enum exit_code run(struct invocation *invocation) {
    const struct bench_settings *settings = invocation->settings;
    struct bench bench = {0};
    bn_error err = {0};
    bn_status status = bench_open(&bench, invocation, &err);
    if (!status && !bench.grammar)
        status =
            fail(&err, BN_STATUS_BAD_ARGUMENT, "there is no grammar: use --schema, --regex, --grammar or --choice");
    if (!status) status = walk_texts(&bench, settings, &err);
    if (!status && bench.n > 0) status = report(&bench, invocation, &err);
    bench_close(&bench);
    return status ? say_failure(&err) : EXIT_DONE;
}

const struct command command_grammar_bench = {
    .name = "grammar bench",
    .arguments = "TOK",
    .summary = "measure what a grammar costs",
    .description = "Compiles a grammar and walks through texts that it accepts, token by token at random. Shows how "
                   "long compiling took, "
                   "and how long the masks: which tokens may come next. Times are the processor's.",
    .examples = "bitnet grammar bench demo --regex '[a-z]{3,20}@[a-z]{2,10}\\.com'",
    .groups = groups,
    .settings_bytes = sizeof(struct bench_settings),
    .set_defaults = set_defaults,
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
