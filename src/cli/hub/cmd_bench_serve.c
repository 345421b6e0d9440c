/* `bitnet bench serve`: load on a server, or on two in turns. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/memory.h"
#include "bench/process.h"
#include "bench/statistics.h"
#include "cli/command.h"
#include "cli/hub/server_access.h"
#include "cli/json_output.h"
#include "cli/number_list.h"
#include "cli/rows.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "client/health_probe.h"
#include "client/load.h"

enum { MAX_SERVERS = 2, MAX_ROUNDS = 100, MAX_OPEN = 8192, START_LIMIT_S = 300, STOP_LIMIT_S = 30 };

struct serve_bench_settings {
    struct server_options server; /* but the URL */
    const char *compare, *model, *api, *concurrency, *input, *output, *dataset, *format;
    double rate, duration_s, abort_share, temperature;
    size_t requests, prefix, n_prefixes, warmup, rounds, health, threads, sequences;
    int64_t seed;
    bool ignore_eos, verify;
};
#define FIELD(name) offsetof(struct serve_bench_settings, name)

static const struct option load_options[] = {
    {"concurrency", 0, OPTION_TEXT, FIELD(concurrency), "N,…", 0, 0,
     "closed loop: so many clients, each sends its next request when the last has ended (1)",
     "max-concurrency clients"},
    {"rate", 0, OPTION_NUMBER, FIELD(rate), "R", 0, 1e6,
     "open loop instead: requests a second on average, at random times (Poisson), whatever the server does",
     "request-rate"},
    {"requests", 'n', OPTION_SIZE, FIELD(requests), "N", 1, 1e7,
     "requests in all (4 a client, 32 with --rate; with --duration no bound)", "num-prompts"},
    {"duration", 0, OPTION_NUMBER, FIELD(duration_s), "SECONDS", 0, 1e6, "start no request later", NULL},
    {"warmup", 0, OPTION_SIZE, FIELD(warmup), "N", 0, 1e6, "requests before, that don't count (a client's one each)",
     "num-warmups"},
    {"rounds", 0, OPTION_SIZE, FIELD(rounds), "N", 1, MAX_ROUNDS,
     "repeat with other prompts and add up; with --compare the servers take turns (1)", NULL},
    {"compare", 0, OPTION_TEXT, FIELD(compare), "URL", 0, 0, "a second server, asked the same", NULL},
    {"verify", 0, OPTION_FLAG, FIELD(verify), NULL, 0, 0,
     "ask for each answer again, alone: load must not change greedy answers (exit status 1 if it does)", NULL},
    {"health", 0, OPTION_SIZE, FIELD(health), "N", 0, 1024,
     "meanwhile GET /health over N connections, as often as they can", NULL},
    {"output", 'o', OPTION_CHOICE, FIELD(format), ROW_FORMATS, 0, 0, "how to print; --json: json", NULL},
    {0},
};
static const struct option request_options[] = {
    {"endpoint", 0, OPTION_CHOICE, FIELD(api), "completions|chat", 0, 0, "which route (completions)", NULL},
    {"input-len", 'p', OPTION_TEXT, FIELD(input), "N[-M]", 0, 0,
     "tokens of a prompt, evenly between N and M (64); counted by asking the server first", "random-input-len"},
    {"output-len", 0, OPTION_TEXT, FIELD(output), "N[-M]", 0, 0, "most tokens of an answer (32)", "random-output-len"},
    {"prefix-len", 0, OPTION_SIZE, FIELD(prefix), "N", 0, 1e6, "tokens more that prompts begin with and share",
     "random-prefix-len"},
    {"num-prefixes", 0, OPTION_SIZE, FIELD(n_prefixes), "N", 1, 1e6, "… of so many kinds, in turns (1)", NULL},
    {"dataset", 0, OPTION_TEXT, FIELD(dataset), "FILE.jsonl", 0, 0,
     "prompts from lines {\"prompt\": TEXT} or {\"messages\": […]}, optionally with \"max_tokens\"", "dataset-path"},
    {"abort", 0, OPTION_NUMBER, FIELD(abort_share), "SHARE", 0, 1, "share of clients that go away in the middle (0)",
     NULL},
    {"ignore-eos", 0, OPTION_FLAG, FIELD(ignore_eos), NULL, 0, 0, "ask for answers of full length (vLLM's member)",
     NULL},
    {"temp", 0, OPTION_NUMBER, FIELD(temperature), "T", 0, 100, "temperature (0)", "temperature"},
    {"seed", 's', OPTION_INTEGER, FIELD(seed), "N", 0, 0x1p62, "of prompts, lengths and arrivals (0)", NULL},
    {0},
};
static const struct option server_options_table[] = {
    {"model", 'm', OPTION_TEXT, FIELD(model), "MODEL", 0, 0,
     "its name at the server (the first); without a URL: start a server with it, for the time of the test", NULL},
    {"threads", 't', OPTION_SIZE, FIELD(threads), "N", 0, 256, "of the server that is started; 0: one per core", NULL},
    {"parallel", 0, OPTION_SIZE, FIELD(sequences), "N", 0, 4096,
     "answers that the server that is started computes together; 0: 16", "np sequences"},
    {"api-key", 0, OPTION_TEXT, FIELD(server.api_key), "KEY", 0, 0,
     "the servers' key; else $OPENAI_API_KEY, to https and this machine only", NULL},
    {"timeout", 0, OPTION_SIZE, FIELD(server.timeout_s), "SECONDS", 1, 86400, "how long a server may stay silent (600)",
     NULL},
    {0},
};
static const struct option_group groups[] = {
    {"Load", load_options, 0}, {"Requests", request_options, 0}, {"Server", server_options_table, 0}, {0}};

static void set_defaults(void *settings) {
    *(struct serve_bench_settings *)settings = (struct serve_bench_settings){
        .concurrency = "1",
        .api = "completions",
        .input = "64",
        .output = "32",
        .format = "table",
        .warmup = SIZE_MAX,
        .rounds = 1,
    };
}

struct contestant {
    const char *url;
    struct server_access access;
    struct load_results results;
    struct load_verdict verdict;
    struct health_results health;
};

struct bench {
    struct invocation *invocation;
    const struct serve_bench_settings *settings;
    struct contestant servers[MAX_SERVERS];
    size_t n_servers;
    struct prompts_options prompts;
    json_t *rows;
    bool bad; /* errors, or answers that changed */
    struct progress progress;
    size_t n_expected; /* requests of the run under way */
};

/* ---- settings ---- */

static bn_status parse_range(const char *text, const char *origin, struct length_range *out, bn_error *err) {
    char *end;
    unsigned long long first = strtoull(text, &end, 10), last = *end == '-' ? strtoull(end + 1, &end, 10) : first;
    if (*end || end == text || !first || last < first || last > 10000000)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "%s: '%s' isn't a number of tokens, or two as in 16-64", origin, text);
    *out = (struct length_range){(size_t)first, (size_t)last};
    return BN_OK;
}

static void on_progress(void *context, size_t n_done) {
    struct bench *bench = context;
    progress_update(&bench->progress, "requests", n_done, bench->n_expected);
}

static struct load_options load_of(struct bench *bench, size_t concurrency) {
    const struct serve_bench_settings *settings = bench->settings;
    size_t usual = settings->rate > 0 ? 32 : 4 * concurrency;
    if (settings->duration_s > 0) usual = 1000000;
    return (struct load_options){
        .concurrency = settings->rate > 0 ? 0 : concurrency,
        .rate = settings->rate,
        .n_requests = settings->requests ? settings->requests : usual,
        .duration_s = settings->duration_s,
        .chat = strcmp(settings->api, "chat") == 0,
        .ignore_eos = settings->ignore_eos,
        .keep_texts = settings->verify,
        .temperature = settings->temperature,
        .seed = (uint64_t)settings->seed,
        .progress = on_progress,
        .context = bench,
    };
}

/* ---- measuring ---- */

static bn_status warm_up(struct bench *bench, struct contestant *server, const struct prompts *prompts,
                         struct load_options options, bn_error *err) {
    struct load_results ignored = {0};
    size_t clients = options.concurrency ? options.concurrency : 1;
    options.n_requests = bench->settings->warmup == SIZE_MAX ? clients : bench->settings->warmup;
    options.concurrency = clients;
    options.first = 1 << 24; /* prompts that won't come again */
    options.duration_s = 0;
    options.keep_texts = false;
    bench->n_expected = options.n_requests;
    bn_status status = options.n_requests
                           ? load_run(server->access.http, &server->access.endpoint, prompts, &options, &ignored, err)
                           : BN_OK;
    if (!status && ignored.n_failed && !ignored.n_answered && !ignored.n_left)
        status = fail(err, BN_STATUS_IO, "%s: no request succeeds: %s", server->url, ignored.failures[0].message);
    load_results_release(&ignored);
    return status;
}

static bn_status run_once(struct bench *bench, struct contestant *server, const struct prompts *prompts,
                          const struct load_options *options, bn_error *err) {
    struct health_probe *probe = NULL;
    const struct endpoint *endpoint = &server->access.endpoint;
    bn_status status = BN_OK;
    if (bench->settings->health) status = health_probe_start(endpoint, bench->settings->health, &probe, err);
    bench->n_expected = options->duration_s > 0 ? 0 : options->n_requests;
    if (!status) status = load_run(server->access.http, endpoint, prompts, options, &server->results, err);
    if (probe) {
        bn_status probed = health_probe_stop(probe, &server->health, status ? NULL : err);
        if (!status) status = probed;
    }
    if (!status && options->keep_texts)
        status = load_verify(server->access.http, endpoint, prompts, options, &server->results, &server->verdict, err);
    return status;
}

/* All rounds with so many clients, the servers in turns. */
static bn_status run_rounds(struct bench *bench, size_t concurrency, bn_error *err) {
    bn_status status = BN_OK;
    for (size_t round = 0; round < bench->settings->rounds && !status; round++) {
        struct load_options options = load_of(bench, concurrency);
        struct prompts *prompts;
        struct prompts_options with_seed = bench->prompts;
        with_seed.seed = (uint64_t)bench->settings->seed + 1000003 * round + 7919 * concurrency;
        status = prompts_open(&with_seed, bench->settings->dataset, &prompts, err);
        if (status) return status;
        for (size_t i = 0; i < bench->n_servers && !status; i++) {
            struct contestant *server = &bench->servers[i];
            if (!round) status = warm_up(bench, server, prompts, options, err);
            if (!status) status = run_once(bench, server, prompts, &options, err);
        }
        prompts_close(prompts);
    }
    return status;
}

/* ---- rows ---- */

static void add_times(json_t *row, const char *name, struct samples *samples, bool with_spread) {
    char key[64];
    if (!samples->n) return;
    struct summary s = summarize(samples->values, samples->n); /* sorts */
    const struct {
        const char *prefix;
        double seconds;
    } figures[] = {{"mean", s.mean},
                   {"p50", s.median},
                   {"p90", quantile(samples->values, samples->n, 0.9)},
                   {"p99", quantile(samples->values, samples->n, 0.99)},
                   {"max", s.max}};
    for (size_t i = 0; i < sizeof figures / sizeof figures[0] - !with_spread; i++) {
        snprintf(key, sizeof key, "%s_%s_ms", figures[i].prefix, name);
        json_object_set_new(row, key, json_real(figures[i].seconds * 1e3));
    }
}

static json_t *failures_json(const struct load_results *results) {
    json_t *object = json_object();
    for (size_t i = 0; i < results->n_failures; i++)
        json_object_set_new(object, results->failures[i].name, json_integer((json_int_t)results->failures[i].n));
    return object;
}

static json_t *row_of(struct contestant *server, const struct load_options *options) {
    struct load_results *r = &server->results;
    size_t n_ended = r->n_answered + r->n_left;
    double seconds = r->seconds > 0 ? r->seconds : 1e-9;
    json_t *row =
        json_pack("{s:s, s:s, s:I, s:I, s:I, s:o, s:f}", "server", server->url, "model", server->access.endpoint.model,
                  "completed", (json_int_t)r->n_answered, "aborted", (json_int_t)r->n_left, "failed",
                  (json_int_t)r->n_failed, "errors", failures_json(r), "duration", r->seconds);
    if (!row) return NULL;
    if (options->concurrency)
        json_object_set_new(row, "concurrency", json_integer((json_int_t)options->concurrency));
    else
        json_object_set_new(row, "request_rate", json_real(options->rate));
    json_object_set_new(row, "total_input_tokens", json_integer((json_int_t)r->prompt_tokens));
    json_object_set_new(row, "cached_input_tokens", json_integer((json_int_t)r->cached_tokens));
    json_object_set_new(row, "total_output_tokens", json_integer((json_int_t)r->output_tokens));
    json_object_set_new(row, "request_throughput", json_real((double)n_ended / seconds));
    json_object_set_new(row, "output_throughput", json_real((double)r->output_tokens / seconds));
    json_object_set_new(row, "total_token_throughput",
                        json_real((double)(r->output_tokens + r->prompt_tokens) / seconds));
    add_times(row, "ttft", &r->first_token, true);
    add_times(row, "tpot", &r->per_token, true);
    add_times(row, "itl", &r->gaps, true);
    add_times(row, "e2el", &r->whole, true);
    if (options->keep_texts) {
        json_object_set_new(row, "compared", json_integer((json_int_t)server->verdict.n_compared));
        json_object_set_new(row, "changed", json_integer((json_int_t)server->verdict.n_changed));
    }
    if (server->health.latencies.n) {
        json_object_set_new(row, "health_throughput", json_real((double)server->health.n_ok / server->health.seconds));
        json_object_set_new(row, "health_failed", json_integer((json_int_t)server->health.n_failed));
        add_times(row, "health", &server->health.latencies, true);
    }
    return row;
}

/* The first row's figures over the second's. */
static json_t *ratio_row(const json_t *ours, const json_t *theirs) {
    const char *key;
    json_t *value, *row = json_pack("{s:s}", "server", "first / second");
    json_object_foreach((json_t *)ours, key, value) {
        double other = json_number_value(json_object_get(theirs, key));
        bool compared = strstr(key, "throughput") || strstr(key, "_ms");
        if (compared && other > 0) json_object_set_new(row, key, json_real(json_number_value(value) / other));
    }
    return row;
}

static void report(struct bench *bench, struct contestant *server) {
    const struct load_results *results = &server->results;
    for (size_t i = 0; i < results->n_failures; i++)
        say_error("%s: %zu × %s: %s", server->url, results->failures[i].n, results->failures[i].name,
                  results->failures[i].message);
    if (server->verdict.n_changed)
        say_error("%s: %zu of %zu answers changed under load; the first is that of prompt %zu", server->url,
                  server->verdict.n_changed, server->verdict.n_compared, server->verdict.changed);
    bench->bad |= results->n_failed || server->verdict.n_changed || server->health.n_failed;
}

static bn_status add_rows(struct bench *bench, size_t concurrency, bn_error *err) {
    const struct load_options options = load_of(bench, concurrency);
    json_t *rows[MAX_SERVERS] = {NULL};
    for (size_t i = 0; i < bench->n_servers; i++) {
        struct contestant *server = &bench->servers[i];
        report(bench, server);
        rows[i] = row_of(server, &options);
        if (!rows[i] || json_array_append_new(bench->rows, rows[i])) return fail_no_memory(err, sizeof *server);
        load_results_release(&server->results);
        health_results_release(&server->health);
        server->verdict = (struct load_verdict){0};
    }
    if (bench->n_servers == 2) json_array_append_new(bench->rows, ratio_row(rows[0], rows[1]));
    return BN_OK;
}

static const struct column columns[] = {
    {"server", "server", 1, 0},
    {"concurrency", "clients", 1, 0},
    {"request_rate", "rate", 1, 2},
    {"completed", "ok", 1, 0},
    {"aborted", "left", 1, 0},
    {"failed", "failed", 1, 0},
    {"changed", "changed", 1, 0},
    {"request_throughput", "req/s", 1, 2},
    {"output_throughput", "tokens/s", 1, 2},
    {"mean_ttft_ms", "ttft mean", 1, 1},
    {"p50_ttft_ms", "p50", 1, 1},
    {"p90_ttft_ms", "p90", 1, 1},
    {"p99_ttft_ms", "p99 ms", 1, 1},
    {"mean_itl_ms", "itl mean", 1, 1},
    {"p50_itl_ms", "p50", 1, 1},
    {"p90_itl_ms", "p90", 1, 1},
    {"p99_itl_ms", "p99 ms", 1, 1},
    {"mean_e2el_ms", "e2e mean", 1, 1},
    {"p50_e2el_ms", "p50", 1, 1},
    {"p90_e2el_ms", "p90", 1, 1},
    {"p99_e2el_ms", "p99 ms", 1, 1},
    {"health_throughput", "health/s", 1, 0},
    {"p99_health_ms", "p99 ms", 1, 2},
    {0},
};

/* ---- the whole ---- */

static bn_status measure(struct bench *bench, bn_error *err) {
    struct number_list concurrency = {1, {1}};
    bool chat = strcmp(bench->settings->api, "chat") == 0;
    struct contestant *first = &bench->servers[0];
    bn_status status = BN_OK;
    if (bench->settings->rate <= 0)
        status = number_list_parse(bench->settings->concurrency, 1, MAX_OPEN, "--concurrency", &concurrency, err);
    if (!status && !bench->settings->dataset)
        status = load_measure_words(first->access.http, &first->access.endpoint, chat, &bench->prompts, err);
    progress_begin(&bench->progress, bench->invocation);
    for (size_t i = 0; i < concurrency.n && !status; i++) {
        status = run_rounds(bench, concurrency.values[i], err);
        if (!status) status = add_rows(bench, concurrency.values[i], err);
    }
    progress_end(&bench->progress);
    return status;
}

/* A connection is a file: as many as the system lets us have. */
static void raise_file_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit)) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static bn_status start_server(const struct serve_bench_settings *settings, struct background_process *process,
                              char *url, size_t size, bn_error *err) {
    static const char said[] = "listening on ";
    char threads[24], sequences[24], line[600];
    snprintf(threads, sizeof threads, "%zu", settings->threads);
    snprintf(sequences, sizeof sequences, "%zu", settings->sequences);
    char *argv[] = {"/proc/self/exe", "serve", (char *)settings->model,
                    "--port",         "0",     "--no-access-log",
                    "--threads",      threads, "--parallel",
                    sequences,        NULL};
    bn_status status = process_start(argv, START_LIMIT_S, process, line, sizeof line, err);
    if (status) return status;
    if (strncmp(line, said, sizeof said - 1) == 0) {
        snprintf(url, size, "%s", line + sizeof said - 1);
        return BN_OK;
    }
    process_stop(process, STOP_LIMIT_S);
    return fail(err, BN_STATUS_IO, "the server says '%s' instead of where it listens", line);
}

static bn_status add_server(struct bench *bench, const char *url, const char *model, bn_error *err) {
    struct contestant *server = &bench->servers[bench->n_servers++];
    struct server_options options = bench->settings->server;
    server->url = options.url = url;
    return server_access_open(&options, model, MAX_OPEN, &server->access, err);
}

static bn_status run_bench(struct bench *bench, bn_error *err) {
    const struct serve_bench_settings *settings = bench->settings;
    const char *url = bench->invocation->n_arguments ? bench->invocation->arguments[0] : NULL;
    struct background_process own;
    char own_url[600];
    bool started = false;
    if (!url && !settings->model)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "which server? bitnet bench serve URL, or --model MODEL to start one");
    if (settings->verify && settings->temperature > 0)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "--verify is about greedy answers: it needs --temp 0");
    bn_status status = parse_range(settings->input, "--input-len", &bench->prompts.input, err);
    if (!status) status = parse_range(settings->output, "--output-len", &bench->prompts.output, err);
    if (!status && !url) {
        status = start_server(settings, &own, own_url, sizeof own_url, err);
        started = !status;
    }
    if (!status) status = add_server(bench, url ? url : own_url, url ? settings->model : NULL, err);
    if (!status && settings->compare) status = add_server(bench, settings->compare, NULL, err);
    if (!status) status = measure(bench, err);
    if (!status)
        status =
            rows_write(stdout, bench->invocation->common.json ? "json" : settings->format, bench->rows, columns, err);
    for (size_t i = 0; i < bench->n_servers; i++) {
        server_access_release(&bench->servers[i].access);
        load_results_release(&bench->servers[i].results);
        health_results_release(&bench->servers[i].health);
    }
    if (started) process_stop(&own, STOP_LIMIT_S);
    return status;
}

static enum exit_code run(struct invocation *invocation) {
    const struct serve_bench_settings *settings = invocation->settings;
    struct bench bench = {.invocation = invocation,
                          .settings = settings,
                          .rows = json_array(),
                          .prompts = {.prefix = settings->prefix,
                                      .n_prefixes = settings->n_prefixes,
                                      .abort_share = settings->abort_share}};
    bn_error error = {0};
    raise_file_limit();
    bn_status status = run_bench(&bench, &error);
    json_decref(bench.rows);
    if (status == BN_STATUS_CANCELLED) return EXIT_INTERRUPTED;
    if (status) return say_failure(&error);
    return bench.bad ? EXIT_FAILED : EXIT_DONE;
}

const struct command command_bench_serve = {
    .name = "bench serve",
    .arguments = "[URL]",
    .summary = "load on a server with OpenAI's routes",
    .description = "Streams completions from a server, many at once, and times what arrives: ttft (time to the first "
                   "token), itl (between two "
                   "pieces of text), tpot (per token behind the first, mean of an answer), e2el (the whole answer); "
                   "mean, p50, p90 and p99 of each, in "
                   "JSON all of them, in the table the most asked for. Throughput counts from the first request to the "
                   "end of the last. Tokens are what the server counts, or else pieces of text.\n\n"
                   "In the closed loop (--concurrency) clients wait for their answers; in the open loop (--rate) "
                   "requests come when they come, "
                   "and times count from when they should have been sent. Prompts are English words by a seed, each "
                   "its own but for a shared "
                   "prefix: a prefix cache sees what it would see in real life.\n\n"
                   "The exit status is 1 if a request failed or, with --verify, an answer changed.",
    .examples = "# a server that is started for the test\n"
                "bitnet bench serve --model demo --concurrency 1,4 -n 8 --output-len 8 --verify\n"
                "# two servers, in turns\n"
                "bitnet bench serve http://127.0.0.1:8080 --compare http://127.0.0.1:8081 --concurrency 16 --rounds 3\n"
                "# as requests come in real life\n"
                "bitnet bench serve http://127.0.0.1:8080 --rate 4 --duration 60 --prefix-len 500 --abort 0.1",
    .groups = groups,
    .settings_bytes = sizeof(struct serve_bench_settings),
    .set_defaults = set_defaults,
    .min_arguments = 0,
    .max_arguments = 1,
    .run = run,
};
