/* `bitnet tokenizer bench`: how fast a tokenizer encodes, decodes and loads, and how fast others do.
 *
 * Figures are CPU time of one thread, for us and for the others, so that a busy machine disturbs them little; only a
 * batch over several threads is wall time.
 * Everything runs once to warm up, then all take turns, so that what slows the machine down for a while slows all. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "base/random.h"
#include "cli/command.h"
#include "cli/input.h"
#include "cli/json_output.h"
#include "cli/model_options.h"
#include "cli/model_path.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "cli/tokenizer_peers.h"
#include "tokenizer/tokenizer.h"

enum { MAX_REPEATS = 1000, GENERATED_BYTES = 1 << 20, MAX_SERIES = 32 };
#define SHORTEST_RUN 0.02 /* seconds; what is faster runs several times in a row */

struct bench_settings {
    size_t repeats, threads;
    bool compare;
    const char *python;
};
#define FIELD(name) offsetof(struct bench_settings, name)

static const struct option bench_options[] = {
    {"repeats", 0, OPTION_SIZE, FIELD(repeats), "N", 1, MAX_REPEATS, "timed runs, after one to warm up (5)", NULL},
    {"threads", 't', OPTION_SIZE, FIELD(threads), "N", 0, 256, "measure a batch of all lines over N threads, too",
     NULL},
    {"compare", 0, OPTION_FLAG, FIELD(compare), NULL, 0, 0,
     "measure tokenizers, tiktoken and sentencepiece on the same text in turns with us, where Python has them", NULL},
    {"python", 0, OPTION_TEXT, FIELD(python), "PATH", 0, 0, "the Python for --compare (python3)", NULL},
    {0},
};
static const struct option_group groups[] = {{"Measuring", bench_options, 0}, {0}};

static void set_defaults(void *settings) {
    struct bench_settings *bench = settings;
    bench->repeats = 5;
    bench->python = "python3";
}

/* ---- the text ---- */

struct lines {
    const char **texts;
    size_t *sizes;
    size_t n;
};

/* One measured thing: its runs, and what one run does. */
struct series {
    char name[80];
    const char *unit; /* of the work: "lines", "text", "ids", "file" */
    double seconds[MAX_REPEATS];
    size_t n_tokens;
    uint32_t checksum;
    const struct series *ours; /* of another library: what it is compared with */
};

struct bench {
    const struct invocation *invocation;
    const struct bench_settings *settings;
    char *path;
    bn_tokenizer *tokenizer;
    struct buffer text;
    struct lines lines;
    bn_encode_options options;
    int32_t *ids; /* of the whole text */
    size_t n_ids;
    struct peers peers;
    struct series series[MAX_SERIES];
    size_t n_series;
};

/* Words of syllables, short ones often (Zipf's law), with punctuation: what a text looks like to a tokenizer. */
static void generate_text(struct buffer *out) {
    static const char *const syllables[] = {"the", "an", "on", "er",  "ing", "re",  "st",  "al",  "to",
                                            "ne",  "mi", "ka", "lo",  "ver", "des", "qui", "é",   "ß",
                                            "я",   "中", "42", "pro", "con", "for", "men", "tion"};
    const size_t n = sizeof syllables / sizeof *syllables;
    for (uint32_t word = 0; out->size < GENERATED_BYTES && !out->failed; word++) {
        /* inverse of Zipf's distribution over 100 000 words; a word's number spells it */
        double uniform = random_uniform(1, 0, word, 0);
        size_t rank = 1;
        for (double mass = 12.09 * uniform; mass > 0 && rank < 100000; rank *= 2) mass -= 0.6931471805599453;
        rank += (size_t)(random_uniform(1, 0, word, 1) * (double)rank);
        for (; rank > 0; rank /= n) buffer_append_text(out, syllables[rank % n]);
        double end = random_uniform(1, 0, word, 2);
        buffer_append_text(out, end < 0.02 ? ".\n" : end < 0.1 ? ", " : " ");
    }
}

static bn_status read_text(struct bench *bench, bn_error *err) {
    const struct invocation *invocation = bench->invocation;
    bn_status status = BN_OK;
    if (invocation->n_arguments > 1)
        status = read_file_or_stdin(invocation->arguments[1], &bench->text, err);
    else
        generate_text(&bench->text);
    if (!status && bench->text.failed) status = fail_no_memory(err, bench->text.size);
    if (!status && bench->text.size == 0) status = fail(err, BN_STATUS_BAD_ARGUMENT, "the text is empty");
    return status;
}

static bn_status cut_lines(const struct buffer *text, struct lines *lines, bn_error *err) {
    size_t most = 1;
    for (size_t i = 0; i < text->size; i++) most += text->data[i] == '\n';
    lines->texts = mem_alloc_array(most, sizeof *lines->texts);
    lines->sizes = mem_alloc_array(most, sizeof *lines->sizes);
    if (!lines->texts || !lines->sizes) return fail_no_memory(err, most * sizeof *lines->texts);
    const char *at = text->data, *end = text->data + text->size;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline ? newline : end;
        if (stop > at) {
            lines->texts[lines->n] = at;
            lines->sizes[lines->n++] = (size_t)(stop - at);
        }
        at = stop + 1;
    }
    return BN_OK;
}

/* ---- one run of each kind ---- */

static uint32_t adler32(uint32_t sum, const int32_t *ids, size_t n) {
    uint32_t a = sum & 0xffff, b = sum >> 16;
    const unsigned char *bytes = (const unsigned char *)ids;
    for (size_t i = 0; i < n * sizeof *ids; i++) {
        a = (a + bytes[i]) % 65521;
        b = (b + a) % 65521;
    }
    return b << 16 | a;
}

typedef bn_status (*run_function)(struct bench *bench, struct series *series, bool check, bn_error *err);

static bn_status encode_one(struct bench *bench, struct series *series, const char *text, size_t size, bool check,
                            bn_error *err) {
    int32_t *ids;
    size_t n;
    bn_status status = bn_tokenizer_encode(bench->tokenizer, text, size, &bench->options, &ids, &n, err);
    if (status) return status;
    series->n_tokens += n;
    if (check) series->checksum = adler32(series->checksum, ids, n);
    bn_free(ids);
    return BN_OK;
}

static bn_status run_lines(struct bench *bench, struct series *series, bool check, bn_error *err) {
    bn_status status = BN_OK;
    for (size_t i = 0; i < bench->lines.n && !status; i++)
        status = encode_one(bench, series, bench->lines.texts[i], bench->lines.sizes[i], check, err);
    return status;
}

static bn_status run_whole(struct bench *bench, struct series *series, bool check, bn_error *err) {
    return encode_one(bench, series, bench->text.data, bench->text.size, check, err);
}

static bn_status run_batch(struct bench *bench, struct series *series, bool check, bn_error *err) {
    const struct lines *lines = &bench->lines;
    bn_id_batch batch;
    bn_status status = bn_tokenizer_encode_batch(bench->tokenizer, lines->texts, lines->sizes, lines->n,
                                                 &bench->options, bench->settings->threads, &batch, err);
    if (status) return status;
    series->n_tokens += batch.begins[lines->n];
    if (check) series->checksum = adler32(series->checksum, batch.ids, batch.begins[lines->n]);
    bn_id_batch_release(&batch);
    return BN_OK;
}

static bn_status run_decode(struct bench *bench, struct series *series, bool check, bn_error *err) {
    (void)check;
    char *text;
    size_t size;
    series->n_tokens += bench->n_ids;
    bn_status status = bn_tokenizer_decode(bench->tokenizer, bench->ids, bench->n_ids, false, &text, &size, err);
    if (!status) bn_free(text);
    return status;
}

static bn_status run_load(struct bench *bench, struct series *series, bool check, bn_error *err) {
    (void)check;
    (void)series;
    bn_tokenizer *tokenizer;
    bn_status status = bn_tokenizer_open(bench->path, &tokenizer, err);
    if (!status) bn_tokenizer_close(tokenizer);
    return status;
}

/* ---- timing ---- */

/* Of this thread on its CPU, or by the clock on the wall. */
static double seconds_now(bool wall) {
    struct timespec time;
    clock_gettime(wall ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

struct work {
    run_function run; /* NULL: a peer's */
    size_t peer;
    enum peer_shape shape;
};

static bn_status time_once(struct bench *bench, const struct work *work, struct series *series, size_t repeat,
                           bn_error *err) {
    if (!work->run) {
        struct peer_run run = {0};
        bn_status status = peers_run(&bench->peers, work->peer, work->shape, &run, err);
        series->seconds[repeat] = run.seconds;
        series->n_tokens = run.n_tokens;
        series->checksum = run.checksum;
        return status;
    }
    const bool wall = work->run == run_batch;
    double begin = seconds_now(wall), seconds;
    size_t runs = 0;
    do {
        series->n_tokens = 0;
        bn_status status = work->run(bench, series, false, err);
        if (status) return status;
        runs++;
        seconds = seconds_now(wall) - begin;
    } while (seconds < SHORTEST_RUN);
    series->seconds[repeat] = seconds / (double)runs;
    return BN_OK;
}

static struct series *add_series(struct bench *bench, struct work *works, const char *name, const char *unit,
                                 struct work work) {
    if (bench->n_series == MAX_SERIES) return NULL;
    works[bench->n_series] = work;
    struct series *series = &bench->series[bench->n_series++];
    snprintf(series->name, sizeof series->name, "%s", name);
    series->unit = unit;
    return series;
}

static void list_peer(struct bench *bench, struct work *works, size_t peer, enum peer_shape shape,
                      const struct series *ours) {
    const json_t *description = peers_at(&bench->peers, peer);
    if (shape == PEER_LOADS && !json_is_true(json_object_get(description, "loads"))) return;
    struct series *series = add_series(bench, works, json_string_value(json_object_get(description, "name")),
                                       ours->unit, (struct work){NULL, peer, shape});
    if (series) series->ours = ours;
}

static void list_work(struct bench *bench, struct work *works) {
    const struct series *ours[3] = {
        [PEER_LINES] = add_series(bench, works, "encode", "lines", (struct work){.run = run_lines}),
        [PEER_WHOLE] = add_series(bench, works, "encode", "whole", (struct work){.run = run_whole}),
    };
    if (bench->settings->threads > 0) {
        char name[64];
        snprintf(name, sizeof name, "batch, %zu threads", bench->settings->threads);
        add_series(bench, works, name, "lines", (struct work){.run = run_batch});
    }
    add_series(bench, works, "decode", "whole", (struct work){.run = run_decode});
    ours[PEER_LOADS] = add_series(bench, works, "load", "file", (struct work){.run = run_load});
    for (int shape = PEER_LINES; shape <= PEER_LOADS; shape++)
        for (size_t i = 0; i < peers_count(&bench->peers); i++)
            list_peer(bench, works, i, (enum peer_shape)shape, ours[shape]);
}

static bn_status measure(struct bench *bench, bn_error *err) {
    struct work works[MAX_SERIES];
    list_work(bench, works);
    bn_status status = bn_tokenizer_encode(bench->tokenizer, bench->text.data, bench->text.size, &bench->options,
                                           &bench->ids, &bench->n_ids, err);
    for (size_t i = 0; i < bench->n_series && !status; i++) {
        bench->series[i].checksum = 1;
        if (works[i].run) status = works[i].run(bench, &bench->series[i], true, err); /* the warm-up */
    }
    struct progress progress;
    progress_begin(&progress, bench->invocation);
    for (size_t k = 0; k < bench->settings->repeats && !status && !interrupted(); k++)
        for (size_t i = 0; i < bench->n_series && !status; i++) {
            if (k == 0 && !works[i].run) status = time_once(bench, &works[i], &bench->series[i], 0, err); /* warm-up */
            if (!status) status = time_once(bench, &works[i], &bench->series[i], k, err);
            progress_update(&progress, "measuring", k * bench->n_series + i + 1,
                            bench->settings->repeats * bench->n_series);
        }
    progress_end(&progress);
    if (!status && interrupted()) status = fail(err, BN_STATUS_CANCELLED, "interrupted");
    return status;
}

/* ---- the report ---- */

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median, and half the distance of the quartiles as a part of it. Sorts the runs. */
static double summary(struct series *series, size_t n, double *spread) {
    qsort(series->seconds, n, sizeof *series->seconds, ascending);
    double median = (series->seconds[(n - 1) / 2] + series->seconds[n / 2]) / 2;
    *spread = (series->seconds[3 * (n - 1) / 4] - series->seconds[(n - 1) / 4]) / 2 / median;
    return median;
}

static bool is_load(const struct series *series) {
    return strcmp(series->unit, "file") == 0;
}

static json_t *series_json(const struct series *series, double median, double spread, double ours, double bytes) {
    json_t *object = json_pack("{s:s, s:s, s:f, s:f}", "name", series->name, "shape", series->unit, "seconds", median,
                               "spread", spread);
    if (object && series->ours) json_object_set_new(object, "times_slower", json_real(median / ours));
    if (!object || is_load(series)) return object;
    json_object_set_new(object, "tokens", json_integer((json_int_t)series->n_tokens));
    json_object_set_new(object, "mb_per_second", json_real(bytes / median * 1e-6));
    json_object_set_new(object, "tokens_per_second", json_real((double)series->n_tokens / median));
    if (series->ours) json_object_set_new(object, "same_ids", json_boolean(series->checksum == series->ours->checksum));
    return object;
}

static void print_series(const struct series *series, double median, double spread, double ours, double bytes) {
    if (is_load(series)) {
        printf("%-28s %-6s %9.2f ms   ±%4.1f %%", series->name, series->unit, median * 1e3, spread * 100);
        if (series->ours) printf("  %25.1f× slower", median / ours);
        putchar('\n');
        return;
    }
    printf("%-28s %-6s %9.1f MB/s ±%4.1f %%  %8.2f Mtokens/s", series->name, series->unit, bytes / median * 1e-6,
           spread * 100, (double)series->n_tokens / median * 1e-6);
    if (series->ours)
        printf("  %6.1f× slower%s", median / ours, series->checksum == series->ours->checksum ? "" : ", other ids");
    putchar('\n');
}

static bn_status report(struct bench *bench, bn_error *err) {
    const size_t n = bench->settings->repeats;
    const bool as_json = bench->invocation->common.json;
    double medians[MAX_SERIES], bytes = (double)bench->text.size;
    json_t *rows = json_array();
    if (!as_json)
        printf("%s: %zu tokens; text of %.2f MB, %zu lines, %zu tokens\n", bench->invocation->arguments[0],
               bn_tokenizer_vocab_size(bench->tokenizer), bytes * 1e-6, bench->lines.n, bench->n_ids);
    for (size_t i = 0; i < bench->n_series; i++) {
        struct series *series = &bench->series[i];
        double spread, ours = 0;
        medians[i] = summary(series, n, &spread);
        if (series->ours) ours = medians[series->ours - bench->series];
        if (as_json)
            json_array_append_new(rows, series_json(series, medians[i], spread, ours, bytes));
        else
            print_series(series, medians[i], spread, ours, bytes);
    }
    if (!as_json) {
        json_decref(rows);
        return BN_OK;
    }
    json_t *absent = json_object_get(bench->peers.found, "absent");
    return json_write_line(
        stdout,
        json_pack("{s:s, s:I, s:I, s:I, s:I, s:o, s:o}", "tokenizer", bench->invocation->arguments[0], "vocab_size",
                  (json_int_t)bn_tokenizer_vocab_size(bench->tokenizer), "bytes", (json_int_t)bench->text.size, "lines",
                  (json_int_t)bench->lines.n, "repeats", (json_int_t)n, "results", rows, "absent",
                  absent ? json_incref(absent) : json_array()),
        err);
}

/* ---- the command ---- */

/* No Python, or one without these packages, is worth a notice only. */
static bn_status start_peers(struct bench *bench, bn_error *err) {
    bn_status status =
        peers_start(&bench->peers, bench->settings->python, bench->path, bench->text.data, bench->text.size, err);
    if (status == BN_STATUS_NOT_FOUND) {
        say(bench->invocation, "no comparison: %s", err->message);
        return BN_OK;
    }
    const json_t *absent = json_object_get(bench->peers.found, "absent"), *peer;
    size_t i;
    json_array_foreach(absent, i, peer)
        say(bench->invocation, "no comparison with %s: %s", json_string_value(json_object_get(peer, "name")),
            json_string_value(json_object_get(peer, "reason")));
    return status;
}

static bn_status prepare(struct bench *bench, bn_error *err) {
    bn_status status = model_path_resolve(bench->invocation->arguments[0], &bench->path, err);
    if (!status) status = bn_tokenizer_open(bench->path, &bench->tokenizer, err);
    if (status) return status;
    bench->options =
        (bn_encode_options){.size = sizeof bench->options, .parse_special = tokenizer_parses_special(bench->tokenizer)};
    status = read_text(bench, err);
    if (!status) status = cut_lines(&bench->text, &bench->lines, err);
    if (!status && bench->settings->compare) status = start_peers(bench, err);
    return status;
}

static enum exit_code run(struct invocation *invocation) {
    bn_error error = {0};
    struct bench *bench = mem_calloc(1, sizeof *bench);
    if (!bench) {
        fail_no_memory(&error, sizeof *bench);
        return say_failure(&error);
    }
    bench->invocation = invocation;
    bench->settings = invocation->settings;
    buffer_init(&bench->text);
    bn_status status = prepare(bench, &error);
    if (!status) status = measure(bench, &error);
    if (!status) status = report(bench, &error);
    peers_stop(&bench->peers);
    bn_free(bench->ids);
    mem_free(bench->lines.texts);
    mem_free(bench->lines.sizes);
    buffer_release(&bench->text);
    bn_tokenizer_close(bench->tokenizer);
    mem_free(bench->path);
    mem_free(bench);
    return status ? say_failure(&error) : EXIT_DONE;
}

const struct command command_tokenizer_bench = {
    .name = "tokenizer bench",
    .arguments = "TOK [TEXT-FILE]",
    .summary = "measure a tokenizer's speed",
    .description =
        "Encodes a text (-: standard input; without one, a megabyte of made-up words) line by line and as a whole, "
        "decodes it, and loads the tokenizer, each several times after a warm-up; reports the median and half the "
        "distance of the quartiles. Figures are of one thread, in CPU time; with -t N, also a batch of all lines over "
        "N threads, in wall time.\n\n"
        "With --compare, Hugging Face tokenizers, tiktoken and sentencepiece run in turns with it, on the same text, "
        "one "
        "thread each, as far as they are installed and can read the tokenizer, and it is checked that the ids are the "
        "same. Loading is compared, too: large tokenizers come from the cache here.",
    .examples = "bitnet tokenizer bench demo text.txt\n"
                "bitnet tokenizer bench tokenizer.json corpus.txt --compare --python venv/bin/python",
    .groups = groups,
    .settings_bytes = sizeof(struct bench_settings),
    .set_defaults = set_defaults,
    .min_arguments = 1,
    .max_arguments = 2,
    .run = run,
};
