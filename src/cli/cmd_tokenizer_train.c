/* `bitnet tokenizer train`: a vocabulary out of text. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "cli/command.h"
#include "cli/json_output.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "tokenizer/train.h"

enum { MAX_JSON_BYTES = 256 << 20 };
#define NOT_GIVEN SIZE_MAX

struct train_settings {
    const char *type, *from, *settings, *output;
    size_t vocab_size, min_frequency, limit_alphabet, max_token_length;
    struct text_list special;
    const char *initial_alphabet, *prefix, *suffix, *unk_token;
    double shrinking_factor; /* 0: not given */
    size_t n_sub_iterations, max_piece_length, seed_size;
    bool drop_newlines;
    size_t threads;
};
#define FIELD(name) offsetof(struct train_settings, name)
#define MAX_COUNT   2147483647.0

static const struct option train_options[] = {
    {"type", 0, OPTION_CHOICE, FIELD(type), "bpe|unigram|wordpiece|wordlevel", 0, 0,
     "the kind of vocabulary (bpe, or what --from has)", NULL},
    {"from", 0, OPTION_TEXT, FIELD(from), "FILE", 0, 0,
     "a tokenizer.json to train: its normalizer and pre-tokenizer cut the text, its vocabulary is replaced", NULL},
    {"settings", 0, OPTION_TEXT, FIELD(settings), "FILE", 0, 0,
     "trainer settings as JSON, under the names Hugging Face's trainers have; options override them", NULL},
    {"output", 'o', OPTION_TEXT, FIELD(output), "FILE", 0, 0, "where the tokenizer.json goes (standard output)", NULL},
    {"vocab-size", 0, OPTION_SIZE, FIELD(vocab_size), "N", 0, MAX_COUNT, "tokens in all (30000; unigram: 8000)", NULL},
    {"special", 0, OPTION_LIST, FIELD(special), "TOKEN", 0, 0,
     "a special token; they get the first ids, in the order given (wordpiece and wordlevel without --from: [UNK] too)",
     "special-token"},
    {"min-frequency", 0, OPTION_SIZE, FIELD(min_frequency), "N", 0, MAX_COUNT, "of a pair to be merged, or a word (0)",
     NULL},
    {"limit-alphabet", 0, OPTION_SIZE, FIELD(limit_alphabet), "N", 0, MAX_COUNT,
     "keep only the N most frequent characters", NULL},
    {"initial-alphabet", 0, OPTION_TEXT, FIELD(initial_alphabet), "TEXT", 0, 0,
     "characters to keep whether seen or not (bpe without --from: all bytes)", NULL},
    {"continuing-subword-prefix", 0, OPTION_TEXT, FIELD(prefix), "TEXT", 0, 0,
     "marks tokens that don't begin a word (wordpiece: ##)", NULL},
    {"end-of-word-suffix", 0, OPTION_TEXT, FIELD(suffix), "TEXT", 0, 0, "marks tokens that end a word", NULL},
    {"max-token-length", 0, OPTION_SIZE, FIELD(max_token_length), "N", 0, MAX_COUNT, "no longer merges, in characters",
     NULL},
    {"unk-token", 0, OPTION_TEXT, FIELD(unk_token), "TOKEN", 0, 0,
     "unigram: stands for what isn't known (<unk>; with --from: none)", NULL},
    {"shrinking-factor", 0, OPTION_NUMBER, FIELD(shrinking_factor), "X", 0, 1,
     "unigram: the part of the pieces that a pruning leaves (0.75)", NULL},
    {"n-sub-iterations", 0, OPTION_SIZE, FIELD(n_sub_iterations), "N", 1, 1000,
     "unigram: rounds of EM between prunings (2)", NULL},
    {"max-piece-length", 0, OPTION_SIZE, FIELD(max_piece_length), "N", 1, 1000, "unigram: in characters (16)", NULL},
    {"seed-size", 0, OPTION_SIZE, FIELD(seed_size), "N", 1, MAX_COUNT, "unigram: pieces to begin with (1000000)", NULL},
    {"drop-newlines", 0, OPTION_FLAG, FIELD(drop_newlines), NULL, 0, 0,
     "the newline at the end of a line isn't part of its text", NULL},
    {"threads", 't', OPTION_SIZE, FIELD(threads), "N", 0, 256, "threads (0: one per CPU)", NULL},
    {0},
};
static const struct option_group groups[] = {{"Training", train_options, 0}, {0}};

static void set_defaults(void *settings) {
    struct train_settings *train = settings;
    train->vocab_size = train->min_frequency = train->limit_alphabet = train->max_token_length = NOT_GIVEN;
    train->n_sub_iterations = train->max_piece_length = train->seed_size = NOT_GIVEN;
}

/* What a training is made of. */
struct job {
    const struct invocation *invocation;
    const struct train_settings *options;
    json_t *file; /* --settings */
    json_t *untrained;
    struct trainer_settings settings;
    struct trainer *trainer;
    struct progress progress;
};

/* ---- settings, from the least to the most specific ---- */

/* --settings is an object of settings, or one with "trainer" (these), and maybe "model" (the type) and "untrained" (a
 * tokenizer.json). */
static bn_status read_files(struct job *job, bn_error *err) {
    const struct train_settings *options = job->options;
    bn_status status = BN_OK;
    if (options->settings) status = json_parse_file(options->settings, MAX_JSON_BYTES, &job->file, err);
    if (!status && options->from) return json_parse_file(options->from, MAX_JSON_BYTES, &job->untrained, err);
    if (!status && json_object_get(job->file, "trainer"))
        job->untrained = json_incref(json_object_get(job->file, "untrained"));
    return status;
}

static bn_status choose_kind(const struct job *job, enum trainer_kind *kind, bn_error *err) {
    const char *name = job->options->type;
    if (!name && json_object_get(job->file, "trainer")) name = json_string_value(json_object_get(job->file, "model"));
    if (!name && job->untrained)
        name = json_string_value(json_object_get(json_object_get(job->untrained, "model"), "type"));
    if (!name) name = "bpe";
    if (trainer_kind_find(name, kind)) return BN_OK;
    return fail(err, BN_STATUS_UNSUPPORTED, "models of type '%s' can't be trained", name);
}

static bn_status split_characters(struct arena *arena, const char *text, struct string_list *out, bn_error *err) {
    out->n = 0;
    out->items = arena_alloc_array(arena, strlen(text), sizeof *out->items);
    for (size_t at = 0, left = strlen(text); left > 0 && out->items;) {
        uint32_t c;
        int length = utf8_decode(text + at, left, &c);
        if (length <= 0) return fail(err, BN_STATUS_BAD_ARGUMENT, "--initial-alphabet isn't UTF-8");
        out->items[out->n] = arena_strndup(arena, text + at, (size_t)length);
        if (!out->items[out->n++]) return fail_no_memory(err, (size_t)length);
        at += (size_t)length;
        left -= (size_t)length;
    }
    return out->items ? BN_OK : fail_no_memory(err, strlen(text) * sizeof *out->items);
}

static void set_if_given(size_t *setting, size_t value) {
    if (value != NOT_GIVEN) *setting = value;
}

static bn_status apply_options(struct job *job, bn_error *err) {
    const struct train_settings *o = job->options;
    struct trainer_settings *s = &job->settings;
    set_if_given(&s->vocab_size, o->vocab_size);
    set_if_given(&s->min_frequency, o->min_frequency);
    set_if_given(&s->limit_alphabet, o->limit_alphabet);
    set_if_given(&s->max_token_length, o->max_token_length);
    set_if_given(&s->n_sub_iterations, o->n_sub_iterations);
    set_if_given(&s->max_piece_length, o->max_piece_length);
    set_if_given(&s->seed_size, o->seed_size);
    if (o->shrinking_factor > 0) s->shrinking_factor = o->shrinking_factor;
    if (o->prefix) s->continuing_subword_prefix = *o->prefix ? o->prefix : NULL;
    if (o->suffix) s->end_of_word_suffix = *o->suffix ? o->suffix : NULL;
    if (o->unk_token) s->unk_token = *o->unk_token ? o->unk_token : NULL;
    if (o->special.n) s->special_tokens = (struct string_list){o->special.items, o->special.n};
    s->drop_newlines = o->drop_newlines;
    s->n_threads = o->threads;
    return o->initial_alphabet ? split_characters(&s->strings, o->initial_alphabet, &s->initial_alphabet, err) : BN_OK;
}

static bool show_progress(void *context, const char *what, size_t done, size_t total) {
    struct job *job = context;
    if (job->settings.show_progress) progress_update(&job->progress, what, done, total);
    return !interrupted();
}

static bn_status prepare(struct job *job, bn_error *err) {
    enum trainer_kind kind;
    bn_status status = read_files(job, err);
    if (!status) status = choose_kind(job, &kind, err);
    if (status) return status;
    trainer_settings_init(&job->settings, kind);
    job->settings.progress = show_progress;
    job->settings.progress_context = job;
    const json_t *settings = json_object_get(job->file, "trainer");
    if (job->file) status = trainer_settings_read(&job->settings, settings ? settings : job->file, err);
    if (status) {
        error_prefix(err, "%s", job->options->settings);
        return status;
    }
    status = apply_options(job, err);
    if (!status && !job->untrained) status = trainer_ready_made(&job->settings, &job->untrained, err);
    if (!status) status = trainer_create(job->untrained, &job->settings, &job->trainer, err);
    return status;
}

/* ---- in and out ---- */

static bn_status add_file(struct job *job, const char *path, bn_error *err) {
    bool from_stdin = strcmp(path, "-") == 0;
    const char *name = from_stdin ? "standard input" : path;
    FILE *stream = from_stdin ? stdin : fopen(path, "rb");
    struct stat status_of_file;
    if (!stream)
        return fail(err, errno == ENOENT ? BN_STATUS_NOT_FOUND : BN_STATUS_IO, "%s: can't open: %s", path,
                    strerror(errno));
    bool regular = fstat(fileno(stream), &status_of_file) == 0 && S_ISREG(status_of_file.st_mode);
    size_t size = regular ? (size_t)status_of_file.st_size : 0;
    bn_status status = trainer_add_stream(job->trainer, stream, name, size, err);
    if (!from_stdin) fclose(stream);
    return status;
}

static bn_status add_files(struct job *job, bn_error *err) {
    const struct invocation *invocation = job->invocation;
    if (invocation->n_arguments == 0) return add_file(job, "-", err);
    bn_status status = BN_OK;
    for (size_t i = 0; i < invocation->n_arguments && !status; i++)
        status = add_file(job, invocation->arguments[i], err);
    return status;
}

static bn_status write_trained(const char *path, const json_t *trained, bn_error *err) {
    struct atomic_file file;
    if (!path) {
        if (json_dumpf(trained, stdout, JSON_INDENT(2)) || putchar('\n') == EOF)
            return fail(err, BN_STATUS_IO, "can't write to standard output");
        return BN_OK;
    }
    bn_status status = atomic_file_open(path, &file, err);
    if (status) return status;
    errno = 0;
    if (json_dumpf(trained, file.stream, JSON_INDENT(2)) == 0 && fputc('\n', file.stream) != EOF)
        return atomic_file_commit(&file, err);
    status = fail(err, BN_STATUS_IO, "%s: can't write: %s", path, strerror(errno));
    atomic_file_abort(&file);
    return status;
}

static bn_status tell(const struct job *job, const char *path, const json_t *trained, uint64_t start_ns,
                      bn_error *err) {
    const json_t *model = json_object_get(trained, "model"), *vocab = json_object_get(model, "vocab");
    size_t n = json_is_array(vocab) ? json_array_size(vocab) : json_object_size(vocab);
    double seconds = (double)(clock_now_ns() - start_ns) * 1e-9;
    if (job->invocation->common.json)
        return json_write_line(stdout,
                               json_pack("{s:s, s:O, s:I, s:f}", "output", path, "type", json_object_get(model, "type"),
                                         "vocab_size", (json_int_t)n, "seconds", seconds),
                               err);
    say(job->invocation, "%zu tokens in %.1f s%s%s", n, seconds, path ? " -> " : "", path ? path : "");
    return BN_OK;
}

static bn_status train(struct job *job, bn_error *err) {
    const char *path = job->options->output && strcmp(job->options->output, "-") != 0 ? job->options->output : NULL;
    if (!path && job->invocation->common.json)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "--json prints a report: say with -o where the tokenizer goes");
    uint64_t start_ns = clock_now_ns();
    json_t *trained = NULL;
    bn_status status = prepare(job, err);
    progress_begin(&job->progress, job->invocation);
    if (!status) status = add_files(job, err);
    if (!status) status = trainer_train(job->trainer, &trained, err);
    progress_end(&job->progress);
    if (!status) status = write_trained(path, trained, err);
    if (!status) status = tell(job, path, trained, start_ns, err);
    json_decref(trained);
    return status;
}

static enum exit_code run_train(struct invocation *invocation) {
    struct job job = {.invocation = invocation, .options = invocation->settings};
    bn_error error = {0};
    bn_status status = train(&job, &error);
    trainer_destroy(job.trainer);
    trainer_settings_release(&job.settings);
    json_decref(job.untrained);
    json_decref(job.file);
    if (status == BN_STATUS_CANCELLED) return EXIT_INTERRUPTED;
    return status ? say_failure(&error) : EXIT_DONE;
}

const struct command command_tokenizer_train = {
    .name = "tokenizer train",
    .arguments = "[FILE…]",
    .summary = "train a tokenizer on text",
    .description =
        "Makes a vocabulary of text files (or standard input), each line a text, and writes a tokenizer.json that "
        "Hugging Face tokenizers and this program open.\n\n"
        "Without --from the tokenizer is a usual one of its --type: bpe is byte-level with GPT-2's pattern, unigram "
        "cuts at spaces (Metaspace), wordpiece is BERT's, wordlevel takes words and punctuation.\n\n"
        "The result depends on text and settings alone, not on the number of threads. Byte-level BPE and word level "
        "are equal to what Hugging Face's trainers give.",
    .examples = "bitnet tokenizer train --vocab-size 8000 --special '<|end|>' -o tokenizer.json corpus.txt\n"
                "bitnet tokenizer train --from untrained.json --settings trainer.json -o tokenizer.json *.txt\n"
                "zcat corpus.gz | bitnet tokenizer train --type unigram -o tokenizer.json",
    .groups = groups,
    .settings_bytes = sizeof(struct train_settings),
    .set_defaults = set_defaults,
    .max_arguments = 4096,
    .run = run_train,
};
