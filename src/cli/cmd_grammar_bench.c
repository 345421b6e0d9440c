/* `bitnet grammar bench`: what a grammar costs. Texts are walked through at random, as a model that likes everything alike would
 * write them; each mask is timed when it is first asked for in its place. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/grammar_options.h"
#include "cli/json_output.h"
#include "cli/model_options.h"
#include "cli/terminal.h"
#include "engine/grammar/matcher.h"

struct bench_settings {
    struct grammar_options grammar;
    size_t texts, tokens;
};
static const struct option options[] = {
    {"texts", 0, OPTION_SIZE, offsetof(struct bench_settings, texts), "N", 1, 100000, "texts to walk through (20)",
     NULL},
    {"tokens", 0, OPTION_SIZE, offsetof(struct bench_settings, tokens), "N", 1, 100000,
     "tokens of a text at most (200)", NULL},
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
    uint64_t *times; /* [n] ns per mask */
    size_t n, n_complete;
    uint64_t compile_ns;
};

static bn_status bench_open(struct bench *bench, const struct invocation *invocation, bn_error *err) {
    const struct bench_settings *settings = invocation->settings;
    bn_status status = tokenizer_argument_open(invocation->arguments[0], &bench->tokenizer, err);
    if (!status) status = bn_token_bytes_create(bench->tokenizer, &bench->bytes, err);
    if (!status)
        status = token_trie_create(bench->tokenizer, bench->bytes, bn_tokenizer_vocab_size(bench->tokenizer),
                                   &bench->trie, err);
    if (status) return status;
    uint64_t begun_ns = clock_now_ns();
    status = grammar_options_compile(&settings->grammar, false, &bench->grammar, err);
    bench->compile_ns = clock_now_ns() - begun_ns;
    bench->times = mem_calloc(settings->texts * settings->tokens, sizeof *bench->times);
    return status || bench->times ? status
                                  : fail_no_memory(err, settings->texts * settings->tokens * sizeof *bench->times);
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

static bn_status walk(struct bench *bench, size_t most, uint64_t *random, int32_t *ids, bn_error *err) {
    struct matcher *matcher;
    bn_status status = matcher_create(bench->grammar, bench->trie, most, &matcher, err);
    if (status) return status;
    size_t n = 0;
    while (!status && n < most && !matcher_is_complete(matcher, ids, n)) {
        const uint64_t *bits;
        uint64_t begun_ns = clock_now_ns();
        status = matcher_allowed(matcher, ids, n, NULL, 0, &bits, err);
        bench->times[bench->n++] = clock_now_ns() - begun_ns;
        *random = *random * 6364136223846793005u + 1442695040888963407u;
        int32_t id = status ? -1 : pick(bits, bench->trie->mask_words, *random >> 20);
        if (id < 0) break;
        ids[n++] = id;
    }
    bench->n_complete += !status && matcher_is_complete(matcher, ids, n);
    matcher_destroy(matcher);
    return status;
}

static int compare_times(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static bn_status report(struct bench *bench, const struct invocation *invocation, bn_error *err) {
    const struct bench_settings *settings = invocation->settings;
    uint64_t sum = 0;
    qsort(bench->times, bench->n, sizeof *bench->times, compare_times);
    for (size_t i = 0; i < bench->n; i++) sum += bench->times[i];
    double mean = (double)sum / (double)bench->n / 1e3, p50 = (double)bench->times[bench->n / 2] / 1e3,
           p90 = (double)bench->times[bench->n * 9 / 10] / 1e3, p99 = (double)bench->times[bench->n * 99 / 100] / 1e3,
           most = (double)bench->times[bench->n - 1] / 1e3, compile = (double)bench->compile_ns / 1e6;
    if (invocation->common.json)
        return json_write_line(stdout,
                               json_pack("{s:I, s:f, s:I, s:f, s:f, s:f, s:f, s:f, s:I, s:I}", "vocabulary",
                                         (json_int_t)bench->trie->vocab_size, "compile_ms", compile, "masks",
                                         (json_int_t)bench->n, "mask_mean_us", mean, "mask_p50_us", p50, "mask_p90_us",
                                         p90, "mask_p99_us", p99, "mask_max_us", most, "texts",
                                         (json_int_t)settings->texts, "complete", (json_int_t)bench->n_complete),
                               err);
    printf("vocabulary  %zu tokens\ncompile     %.2f ms\nmasks       %zu in %zu texts (%zu complete)\n"
           "mask        mean %.1f µs, median %.1f µs, p90 %.1f µs, p99 %.1f µs, most %.1f µs\n",
           bench->trie->vocab_size, compile, bench->n, settings->texts, bench->n_complete, mean, p50, p90, p99, most);
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
    int32_t *ids = mem_alloc_array(settings->tokens, sizeof *ids);
    if (!status && !ids) status = fail_no_memory(&err, settings->tokens * sizeof *ids);
    uint64_t random = 1;
    for (size_t i = 0; i < settings->texts && !status; i++) status = walk(&bench, settings->tokens, &random, ids, &err);
    if (!status && bench.n > 0) status = report(&bench, invocation, &err);
    mem_free(ids);
    bench_close(&bench);
    return status ? say_failure(&err) : EXIT_DONE;
}

const struct command command_grammar_bench = {
    .name = "grammar bench",
    .arguments = "TOK",
    .summary = "measure what a grammar costs",
    .description = "Compiles a grammar and walks through texts that it accepts, token by token at random. Shows how "
                   "long compiling took, "
                   "and how long the masks: which tokens may come next.",
    .examples = "bitnet grammar bench demo --regex '[a-z]{3,20}@[a-z]{2,10}\\.com'",
    .groups = groups,
    .settings_bytes = sizeof(struct bench_settings),
    .set_defaults = set_defaults,
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
