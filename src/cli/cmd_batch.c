/* `bitnet batch`: a file of requests through continuous batching into a file of answers.
 *
 * Lines are read, submitted and answered in one loop: up to a window of requests is with the engine at any time, and
 * answers are written in the order of the input as soon as the oldest is finished. OUT is a journal: a run that was
 * stopped is taken up where its last complete line ends, and gives the same file, since each answer depends on its
 * line only (line i without a seed of its own uses seed + i). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "cli/command.h"
#include "cli/completion_result.h"
#include "cli/input.h"
#include "cli/json_output.h"
#include "cli/model_options.h"
#include "cli/sampling_options.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "tokenizer/template/chat.h"
#ifdef BITNET_HUB
#include "cli/hub/remote_batch.h"
#endif

enum { DEFAULT_SEQUENCES = 16, WINDOW_PER_SEQUENCE = 4 };

struct batch_settings {
#ifdef BITNET_HUB
    struct server_options server;
#endif
    struct model_options model;
    struct sampling_options sampling;
    size_t sequences;
};
#define FIELD(name) offsetof(struct batch_settings, name)

static const struct option batch_options[] = {
    {"sequences", 0, OPTION_SIZE, FIELD(sequences), "N", 0, 1024,
     "requests computed together, or asked of the server at once; 0: 16", "np"},
    {0},
};
static const struct option_group groups[] = {
    {"Batch", batch_options, 0},
#ifdef BITNET_HUB
    {"Server", server_option_table, FIELD(server)},
#endif
    {"Length (of lines that don't say)", length_option_table, FIELD(sampling)},
    {"Structured output (of lines that don't say)", grammar_option_table, FIELD(sampling.grammar)},
    {"Sampling (of lines that don't say)", sampling_option_table, FIELD(sampling)},
    {"Model", model_option_table, FIELD(model)},
    {0},
};

static void set_defaults(void *settings) {
    struct batch_settings *batch = settings;
    sampling_options_defaults(&batch->sampling);
}

/* One line of IN on its way: with the engine or a server, or failed already (error set). */
struct job {
    json_t *id;                   /* NULL: the line has none */
    bn_request *request;          /* of the engine here */
    struct remote_answer *remote; /* of the server */
    bn_error error;
    uint64_t seed;
};

struct batch_run {
    struct invocation *invocation;
    struct loaded_model loaded;
    struct chat *chat;
    struct remote_batch *remote; /* NULL: the model is here */
    struct line_reader in;
    FILE *out;
    struct job *window; /* ring of n_window jobs from `oldest` on */
    size_t n_window, oldest, n_jobs;
    size_t n_done, n_failed, n_total; /* n_total 0: unknown */
    uint64_t seed;                    /* of the first line */
};

/* ---- a line becomes a job ---- */

static bool is_reserved(const char *name) {
    return strcmp(name, "id") == 0 || strcmp(name, "prompt") == 0 || strcmp(name, "tokens") == 0 ||
           strcmp(name, "messages") == 0;
}

static bn_status line_prompt(const struct batch_run *run, const json_t *line, int32_t **ids, int32_t **own_ids,
                             size_t *n, bn_error *err) {
    const json_t *prompt = json_object_get(line, "prompt"), *tokens = json_object_get(line, "tokens"),
                 *messages = json_object_get(line, "messages");
    if (!!prompt + !!tokens + !!messages != 1)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "needs one of 'prompt', 'tokens' and 'messages'");
    if (tokens) return ids_from_json(tokens, "tokens", own_ids, n, err);
    if (messages && !run->chat)
        return fail(err, BN_STATUS_UNSUPPORTED, "the model has no chat template for 'messages': use 'prompt'");
    if (messages) return chat_encode(run->chat, messages, ids, n, err);
    if (!json_is_string(prompt)) return fail(err, BN_STATUS_BAD_ARGUMENT, "'prompt' must be a string");
    return encode_prompt(bn_model_tokenizer(run->loaded.model), json_string_value(prompt), json_string_length(prompt),
                         true, ids, n, err);
}

static bn_status line_options(const struct batch_run *run, const json_t *line, size_t number,
                              struct sampling_options *options, struct arena *strings, bn_error *err) {
    const struct batch_settings *settings = run->invocation->settings;
    const char *name;
    json_t *value;
    *options = settings->sampling;
    options->seed = (int64_t)(run->seed + number);
    options->stop.layer = options->dry_breakers.layer = options->logit_bias.layer = LAYER_DEFAULT;
    json_object_foreach((json_t *)line, name, value) {
        if (is_reserved(name)) continue;
        bn_status status = sampling_options_from_json(options, name, value, strings, err);
        if (status) return status;
    }
    return BN_OK;
}

static bn_status submit_here(const struct batch_run *run, const json_t *line, const struct sampling_options *options,
                             struct job *job, bn_error *err) {
    struct prepared_request prepared = {0};
    int32_t *ids = NULL, *own_ids = NULL;
    size_t n = 0;
    bn_status status = prepared_request_init(&prepared, options, run->loaded.model, err);
    if (!status) status = line_prompt(run, line, &ids, &own_ids, &n, err);
    if (!status)
        status = bn_engine_submit(run->loaded.engine, ids ? ids : own_ids, n, &prepared.options, &job->request, err);
    job->seed = prepared.options.sampling.seed;
    prepared_request_release(&prepared);
    bn_free(ids);
    mem_free(own_ids);
    return status;
}

static bn_status submit_line(const struct batch_run *run, const json_t *line, size_t number, struct job *job,
                             bn_error *err) {
    struct arena strings;
    arena_init(&strings);
    struct sampling_options options;
    bn_status status = line_options(run, line, number, &options, &strings, err);
#ifdef BITNET_HUB
    if (!status && run->remote) {
        status = remote_batch_submit(run->remote, line, &options, &job->remote, err);
        job->seed = (uint64_t)options.seed;
    }
#endif
    if (!status && !run->remote) status = submit_here(run, line, &options, job, err);
    arena_release(&strings);
    return status;
}

/* number: of the line among those that aren't blank, from 0. Whatever is wrong with the line is its answer. */
static struct job start_job(const struct batch_run *run, size_t number) {
    struct job job = {0};
    json_t *line = NULL;
    bn_status status = json_parse_exactly(run->in.text, run->in.size, "line", &line, &job.error);
    if (!status && !json_is_object(line))
        status = fail(&job.error, BN_STATUS_BAD_FILE, "the line must be a JSON object");
    if (!status) {
        job.id = json_incref(json_object_get(line, "id"));
        submit_line(run, line, number, &job, &job.error);
    }
    json_decref(line);
    return job;
}

/* ---- a finished job becomes a line ---- */

static bool is_finished(const struct job *job) {
#ifdef BITNET_HUB
    if (job->remote) return remote_answer_finished(job->remote);
#endif
    return !job->request || bn_request_finished(job->request);
}

static json_t *answer_here(const struct job *job, bn_error *err) {
    bn_usage usage = {.size = sizeof usage};
    bn_choice choice = {.size = sizeof choice};
    if (!job->request || bn_request_wait(job->request, err) || bn_request_choice(job->request, 0, &choice)) return NULL;
    bn_request_usage(job->request, &usage);
    json_t *answer = choice_json(&choice);
    if (!answer) return NULL;
    size_t n = bn_request_n_choices(job->request);
    json_t *choices = n > 1 ? json_array() : NULL;
    for (size_t i = 0; choices && i < n; i++)
        if (!bn_request_choice(job->request, i, &choice)) json_array_append_new(choices, choice_json(&choice));
    if (choices) json_object_set_new(answer, "choices", choices);
    json_object_set_new(answer, "prompt_tokens", json_integer((json_int_t)usage.prompt_tokens));
    json_object_set_new(answer, "output_tokens", json_integer((json_int_t)usage.output_tokens));
    return answer;
}

static json_t *answer_of(struct job *job) {
    json_t *answer = NULL;
#ifdef BITNET_HUB
    if (job->remote) answer = remote_answer_json(job->remote, &job->error);
#endif
    if (!answer && !job->error.status) answer = answer_here(job, &job->error);
    if (answer) json_object_set_new(answer, "seed", json_integer((json_int_t)job->seed));
    return answer;
}

static void job_release(struct job *job) {
#ifdef BITNET_HUB
    remote_answer_release(job->remote);
#endif
    if (job->request) bn_request_release(job->request);
    json_decref(job->id);
    *job = (struct job){0};
}

static bn_status write_answer(struct batch_run *run, struct job *job, bn_error *err) {
    json_t *line = json_object(), *answer = answer_of(job);
    if (job->id) json_object_set(line, "id", job->id);
    if (answer) {
        json_object_update(line, answer);
    } else {
        const char *message = job->error.message[0] ? job->error.message : "out of memory";
        json_object_set_new(line, "error", json_text(message, strlen(message)));
        run->n_failed++;
    }
    json_decref(answer);
    job_release(job);
    run->n_done++;
    bn_status status = json_write_line(run->out, line, err);
    if (!status && fflush(run->out))
        status = fail(err, BN_STATUS_IO, "%s: can't write: %s", run->invocation->arguments[2], strerror(errno));
    return status;
}

/* ---- taking up an earlier run ---- */

/* The id an answered line has must be that of its line in IN. */
static bn_status check_answered(const struct batch_run *run, const json_t *answered, bn_error *err) {
    json_t *line = NULL;
    bool same = true;
    if (!json_parse(run->in.text, run->in.size, "line", &line, NULL) && json_is_object(line)) {
        json_t *id = json_object_get(line, "id"), *answered_id = json_object_get(answered, "id");
        same = id ? json_equal(id, answered_id) : !answered_id;
    }
    json_decref(line);
    if (same) return BN_OK;
    return fail(err, BN_STATUS_BAD_FILE,
                "%s: line %zu answers another request than line %zu of %s: remove it to start over",
                run->invocation->arguments[2], run->n_done + 1, run->in.number, run->invocation->arguments[1]);
}

/* The next line of IN that isn't blank, as line_reader_next. */
static int next_request(struct batch_run *run) {
    int got;
    do got = line_reader_next(&run->in);
    while (got > 0 && is_blank(run->in.text, run->in.size));
    return got;
}

/* Counts the complete lines that OUT has, each against its line of IN, and sets *end behind the last. */
static bn_status count_answered(struct batch_run *run, off_t *end, bn_error *err) {
    const char *out_path = run->invocation->arguments[2];
    struct line_reader answered = {.stream = fopen(out_path, "rb")};
    *end = 0;
    if (!answered.stream)
        return errno == ENOENT ? BN_OK : fail(err, BN_STATUS_IO, "%s: can't read: %s", out_path, strerror(errno));
    bn_status status = BN_OK;
    while (!status && line_reader_next(&answered) > 0 && answered.complete) {
        json_t *object = NULL;
        if (json_parse(answered.text, answered.size, "line", &object, NULL) || !json_is_object(object))
            status = fail(err, BN_STATUS_BAD_FILE,
                          "%s: line %zu isn't an answer of an earlier run: remove the file to start over", out_path,
                          answered.number);
        else if (next_request(run) <= 0)
            status = fail(err, BN_STATUS_BAD_FILE, "%s has more lines than %s: remove it to start over", out_path,
                          run->invocation->arguments[1]);
        else
            status = check_answered(run, object, err);
        if (!status) {
            run->n_failed += json_object_get(object, "error") != NULL;
            run->n_done++;
            *end += (off_t)answered.size + 1;
        }
        json_decref(object);
    }
    fclose(answered.stream);
    line_reader_release(&answered);
    return status;
}

static bn_status open_files(struct batch_run *run, bn_error *err) {
    const char *in = run->invocation->arguments[1], *out = run->invocation->arguments[2];
    run->in.stream = strcmp(in, "-") == 0 ? stdin : fopen(in, "rb");
    if (!run->in.stream)
        return fail(err, errno == ENOENT ? BN_STATUS_NOT_FOUND : BN_STATUS_IO, "%s: can't open: %s", in,
                    strerror(errno));
    struct stat in_stat, out_stat;
    if (!fstat(fileno(run->in.stream), &in_stat) && !stat(out, &out_stat) && in_stat.st_ino == out_stat.st_ino &&
        in_stat.st_dev == out_stat.st_dev)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "IN and OUT are the same file");
    off_t end;
    bn_status status = count_answered(run, &end, err);
    if (status) return status;
    int descriptor = open(out, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (descriptor >= 0 && !fstat(descriptor, &out_stat) && S_ISREG(out_stat.st_mode) &&
        (ftruncate(descriptor, end) || lseek(descriptor, end, SEEK_SET) < 0)) {
        close(descriptor);
        descriptor = -1;
    }
    run->out = descriptor >= 0 ? fdopen(descriptor, "wb") : NULL;
    if (!run->out) return fail(err, BN_STATUS_IO, "%s: can't write: %s", out, strerror(errno));
    if (run->n_done) say(run->invocation, "%zu lines were answered before: going on behind them", run->n_done);
    return BN_OK;
}

/* ---- the loop ---- */

/* Fills the window from IN. *more is false at the end of IN. */
static bn_status fill_window(struct batch_run *run, bool *more, bn_error *err) {
    while (*more && run->n_jobs < run->n_window) {
        int got = next_request(run);
        if (got < 0)
            return fail(err, BN_STATUS_IO, "%s: can't read: %s", run->invocation->arguments[1], strerror(errno));
        if (got == 0) {
            *more = false;
            run->n_total = run->n_done + run->n_jobs;
            break;
        }
        run->window[(run->oldest + run->n_jobs) % run->n_window] = start_job(run, run->n_done + run->n_jobs);
        run->n_jobs++;
    }
    return BN_OK;
}

static bn_status write_finished(struct batch_run *run, bn_error *err) {
    bn_status status = BN_OK;
    while (!status && run->n_jobs) {
        struct job *job = &run->window[run->oldest];
        if (!is_finished(job)) break;
        status = write_answer(run, job, err);
        run->oldest = (run->oldest + 1) % run->n_window;
        run->n_jobs--;
    }
    return status;
}

static bn_status step(struct batch_run *run, bn_error *err) {
#ifdef BITNET_HUB
    if (run->remote) return remote_batch_step(run->remote, err);
#endif
    bool busy;
    return bn_engine_step(run->loaded.engine, &busy, err);
}

static bn_status work(struct batch_run *run, bn_error *err) {
    struct progress progress;
    progress_begin(&progress, run->invocation);
    bool more = true;
    bn_status status = BN_OK;
    while (!status && (more || run->n_jobs) && !interrupted()) {
        status = fill_window(run, &more, err);
        if (!status) status = write_finished(run, err);
        if (!status && run->n_jobs) status = step(run, err);
        if (!status) status = write_finished(run, err);
        progress_update(&progress, "requests", run->n_done, run->n_total);
    }
    progress_end(&progress);
    if (!status && (fflush(run->out) || (fsync(fileno(run->out)) && errno != EINVAL)))
        status = fail(err, BN_STATUS_IO, "%s: can't write: %s", run->invocation->arguments[2], strerror(errno));
    return status;
}

static void batch_run_release(struct batch_run *run) {
#ifdef BITNET_HUB
    remote_batch_close(run->remote); /* before the answers that it writes into */
#endif
    for (; run->n_jobs; run->n_jobs--, run->oldest = (run->oldest + 1) % run->n_window)
        job_release(&run->window[run->oldest]);
    mem_free(run->window);
    if (run->out) fclose(run->out);
    if (run->in.stream && run->in.stream != stdin) fclose(run->in.stream);
    line_reader_release(&run->in);
    chat_close(run->chat);
    loaded_model_release(&run->loaded);
}

static bn_status open_model(struct batch_run *run, size_t sequences, bn_error *err) {
    const struct batch_settings *settings = run->invocation->settings;
#ifdef BITNET_HUB
    if (settings->server.url)
        return remote_batch_open(&settings->server, run->invocation->arguments[0], sequences, &run->remote, err);
#endif
    bn_status status = model_options_load(run->invocation, &settings->model, sequences, &run->loaded, err);
    return status ? status : chat_open(bn_model_tokenizer(run->loaded.model), &run->chat, err);
}

static bn_status batch(struct batch_run *run, bn_error *err) {
    const struct batch_settings *settings = run->invocation->settings;
    size_t sequences = settings->sequences ? settings->sequences : DEFAULT_SEQUENCES;
    run->seed = settings->sampling.seed < 0 ? random_seed() : (uint64_t)settings->sampling.seed;
    run->n_window = sequences * WINDOW_PER_SEQUENCE;
    run->window = mem_calloc(run->n_window, sizeof *run->window);
    if (!run->window) return fail_no_memory(err, run->n_window * sizeof *run->window);
    bn_status status = open_files(run, err);
    if (!status) status = open_model(run, sequences, err);
    return status ? status : work(run, err);
}

static enum exit_code run(struct invocation *invocation) {
    struct batch_run state = {.invocation = invocation};
    bn_error error = {0};
    bn_status status = batch(&state, &error);
    size_t n_done = state.n_done, n_failed = state.n_failed;
    batch_run_release(&state);
    if (status) return say_failure(&error);
    say(invocation, "%zu lines, %zu failed", n_done, n_failed);
    if (invocation->common.json)
        json_write_line(stdout, json_pack("{s:I, s:I}", "lines", (json_int_t)n_done, "failed", (json_int_t)n_failed),
                        NULL);
    if (interrupted()) return EXIT_INTERRUPTED;
    return n_failed ? EXIT_FAILED : EXIT_DONE;
}

const struct command command_batch = {
    .name = "batch",
    .arguments = "MODEL IN.jsonl OUT.jsonl",
    .summary = "answer a file of prompts",
    .description =
        "A line of IN is {\"id\": …, \"prompt\": … | \"tokens\": […] | \"messages\": […], options…}; options are those "
        "of "
        "'bitnet generate' by name (max_tokens, temp, top_k, stop, seed, …). The line of OUT is {\"id\": …, \"text\": "
        "…, "
        "\"tokens\": […], \"finish_reason\": …, …} or {\"id\": …, \"error\": …}, in the order of IN. Many requests are "
        "computed together, which changes nothing in the answers.\n\n"
        "A run that was stopped is taken up by the same command: complete lines of OUT are kept, a torn last line is "
        "cut "
        "off. With a --seed the result is the same as in one go; line i uses seed + i. The exit status is 1 if any "
        "line "
        "failed.\n\n"
        "With --server, a server with OpenAI's routes answers, --sequences requests at a time; MODEL is a name of the "
        "server's "
        "and may be left out. What the server is too busy for, and what breaks off, is asked again.",
    .examples =
        "printf '{\"id\":1,\"prompt\":\"Once\"}\\n{\"id\":2,\"prompt\":\"The fox\",\"max_tokens\":8}\\n' > in.jsonl\n"
        "bitnet batch demo in.jsonl out.jsonl -n 16 --seed 1\n"
        "# the same by a server\n"
        "bitnet batch --server http://127.0.0.1:8080 in.jsonl out.jsonl -n 16 --seed 1",
    .groups = groups,
    .settings_bytes = sizeof(struct batch_settings),
    .set_defaults = set_defaults,
    .min_arguments = 3,
    .max_arguments = 3,
    .run = run,
};
