/* `bitnet generate`: a prompt in, its continuation out, streamed as it comes. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
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

struct generate_settings {
    struct model_options model;
    struct sampling_options sampling;
    const char *prompt, *file, *tokens;
    bool echo, heal, no_special;
};
#define FIELD(name) offsetof(struct generate_settings, name)

static const struct option prompt_options[] = {
    {"prompt", 'p', OPTION_TEXT, FIELD(prompt), "TEXT", 0, 0, "the prompt", NULL},
    {"file", 'f', OPTION_TEXT, FIELD(file), "FILE", 0, 0,
     "read the prompt from a file (without its last newline); -: standard input", NULL},
    {"tokens", 0, OPTION_TEXT, FIELD(tokens), "IDS", 0, 0, "the prompt as token ids: 1,2,3", NULL},
    {"echo", 0, OPTION_FLAG, FIELD(echo), NULL, 0, 0, "print the prompt first", NULL},
    {"heal", 0, OPTION_FLAG, FIELD(heal), NULL, 0, 0,
     "the prompt may end in the middle of a word: take back its last tokens where a longer one goes on from them",
     NULL},
    {"no-special", 0, OPTION_FLAG, FIELD(no_special), NULL, 0, 0, "don't put the model's BOS token before the prompt",
     "no-bos"},
    {0},
};
static const struct option_group groups[] = {
    {"Prompt", prompt_options, 0},
    {"Length", length_option_table, FIELD(sampling)},
    {"Structured output", grammar_option_table, FIELD(sampling.grammar)},
    {"Sampling", sampling_option_table, FIELD(sampling)},
    {"Model", model_option_table, FIELD(model)},
    {0},
};

static void set_defaults(void *settings) {
    struct generate_settings *generate = settings;
    sampling_options_defaults(&generate->sampling);
}

/* ---- the prompt ---- */

struct prompt {
    struct buffer text;
    int32_t *ids;     /* bn_free */
    int32_t *own_ids; /* mem_free: of --tokens */
    size_t n_ids;
};

static void prompt_release(struct prompt *prompt) {
    buffer_release(&prompt->text);
    bn_free(prompt->ids);
    mem_free(prompt->own_ids);
}

static bn_status prompt_from_ids(struct prompt *prompt, const char *list, const bn_tokenizer *tokenizer,
                                 bn_error *err) {
    bn_status status = parse_ids(list, &prompt->own_ids, &prompt->n_ids, err);
    char *text = NULL;
    size_t n;
    if (!status && tokenizer && !bn_tokenizer_decode(tokenizer, prompt->own_ids, prompt->n_ids, true, &text, &n, NULL))
        buffer_append(&prompt->text, text, n);
    bn_free(text);
    return status;
}

/* What can be said before a model is opened. */
static bn_status prompt_check(const struct generate_settings *settings, bn_error *err) {
    if (!!settings->prompt + !!settings->file + !!settings->tokens > 1)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "give only one of --prompt, --file and --tokens");
    if (!settings->prompt && !settings->file && !settings->tokens && isatty(STDIN_FILENO))
        return fail(err, BN_STATUS_BAD_ARGUMENT, "there is no prompt: use -p TEXT, -f FILE, --tokens IDS, or a pipe");
    return BN_OK;
}

static bn_status prompt_read(struct prompt *prompt, const struct generate_settings *settings,
                             const bn_tokenizer *tokenizer, bn_error *err) {
    buffer_init(&prompt->text);
    if (settings->tokens) return prompt_from_ids(prompt, settings->tokens, tokenizer, err);
    bn_status status = BN_OK;
    if (settings->prompt)
        buffer_append_text(&prompt->text, settings->prompt);
    else
        status = read_prompt_file(settings->file ? settings->file : "-", &prompt->text, err);
    if (status) return status;
    if (prompt->text.failed) return fail_no_memory(err, prompt->text.size);
    return encode_prompt(tokenizer, prompt->text.data, prompt->text.size, !settings->no_special, &prompt->ids,
                         &prompt->n_ids, err);
}

/* ---- output ---- */

/* What the token callback needs; written on the driving thread only. */
struct stream {
    bool text;   /* write text as it comes */
    bool broken; /* nobody reads it any more */
    json_t *top; /* with --logprobs: per choice an array of steps */
};

static void collect_top(json_t *per_choice, const bn_token_event *event) {
    while (json_array_size(per_choice) <= event->choice)
        if (json_array_append_new(per_choice, json_array())) return;
    json_t *step = json_array();
    for (size_t i = 0; i < event->n_top; i++)
        json_array_append_new(step, json_pack("{s:i, s:o}", "id", (int)event->top[i].id, "logprob",
                                              json_number((double)event->top[i].logprob)));
    json_array_append_new(json_array_get(per_choice, event->choice), step);
}

static bool on_token(void *context, const bn_token_event *event) {
    struct stream *stream = context;
    if (stream->top && event->id >= 0) collect_top(stream->top, event);
    if (stream->text && event->text_bytes) {
        fwrite(event->text, 1, event->text_bytes, stdout);
        if (!output_flush()) stream->broken = true;
    }
    return !stream->broken && !interrupted();
}

/* The first choice's members at the top, as most callers want one; all of them in "choices" when there are several. */
static json_t *result_json(bn_request *request, const struct invocation *invocation, uint64_t seed, json_t *top) {
    bn_usage usage = {.size = sizeof usage};
    bn_request_usage(request, &usage);
    size_t n = bn_request_n_choices(request);
    json_t *choices = json_array();
    for (size_t i = 0; i < n; i++) {
        bn_choice choice = {.size = sizeof choice};
        if (bn_request_choice(request, i, &choice)) continue;
        json_t *object = choice_json(&choice);
        /* with best_of and beams, choices are ranked at the end and the steps' numbers don't belong to them */
        json_t *steps = json_array_get(top, i);
        if (steps && json_array_size(steps) == choice.n_ids) json_object_set(object, "top_logprobs", steps);
        json_array_append_new(choices, object);
    }
    json_t *result = json_deep_copy(json_array_get(choices, 0));
    if (result) {
        json_object_set_new(result, "prompt_tokens", json_integer((json_int_t)usage.prompt_tokens));
        json_object_set_new(result, "output_tokens", json_integer((json_int_t)usage.output_tokens));
        json_object_set_new(result, "seed", json_integer((json_int_t)seed));
        json_object_set_new(result, "model", json_text(invocation->arguments[0], strlen(invocation->arguments[0])));
        json_object_set_new(result, "timings", timings_json(&usage));
        if (n > 1) json_object_set(result, "choices", choices);
    }
    json_decref(choices);
    return result;
}

static void print_choices(bn_request *request, const struct prompt *prompt, bool echo) {
    size_t n = bn_request_n_choices(request);
    for (size_t i = 0; i < n; i++) {
        bn_choice choice = {.size = sizeof choice};
        if (bn_request_choice(request, i, &choice)) continue;
        if (n > 1) printf("%s--- %zu of %zu ---%s\n", style_out(STYLE_DIM), i + 1, n, style_out(STYLE_PLAIN));
        if (echo && prompt->text.size) fwrite(prompt->text.data, 1, prompt->text.size, stdout);
        fwrite(choice.text, 1, choice.text_bytes, stdout);
        putchar('\n');
    }
}

static bn_status show_result(bn_request *request, const struct invocation *invocation, const struct prompt *prompt,
                             uint64_t seed, const struct stream *stream, bn_error *err) {
    const struct generate_settings *settings = invocation->settings;
    bn_usage usage = {.size = sizeof usage};
    bn_request_usage(request, &usage);
    bn_status status = BN_OK;
    if (invocation->common.json)
        status = json_write_line(stdout, result_json(request, invocation, seed, stream->top), err);
    else if (stream->text)
        putchar('\n');
    else
        print_choices(request, prompt, settings->echo);
    output_flush();
    say_timings(invocation, &usage);
    return status;
}

/* ---- the command ---- */

static bn_status generate(struct invocation *invocation, const struct loaded_model *loaded, const struct prompt *prompt,
                          bn_error *err) {
    const struct generate_settings *settings = invocation->settings;
    const struct sampling_options *sampling = &settings->sampling;
    struct prepared_request prepared;
    bn_status status = prepared_request_init(&prepared, sampling, loaded->model, err);
    if (status) return status;
    char description[200];
    describe_sampling(&prepared.options.sampling, description, sizeof description);
    say_verbose(invocation, "%s", description);

    bool ranked_at_the_end = sampling->n > 1 || sampling->best_of > sampling->n || sampling->beams > 1;
    struct stream stream = {.text = !invocation->common.json && !ranked_at_the_end,
                            .top = sampling->logprobs >= 0 ? json_array() : NULL};
    prepared.options.on_token = on_token;
    prepared.options.on_token_context = &stream;
    prepared.options.heal = settings->heal;
    if (stream.text && settings->echo && prompt->text.size) {
        fwrite(prompt->text.data, 1, prompt->text.size, stdout);
        output_flush();
    }
    bn_request *request = NULL;
    const int32_t *ids = prompt->ids ? prompt->ids : prompt->own_ids;
    status = bn_engine_submit(loaded->engine, ids, prompt->n_ids, &prepared.options, &request, err);
    if (!status) status = drive_request(loaded->engine, request, err);
    if (!status) status = show_result(request, invocation, prompt, prepared.options.sampling.seed, &stream, err);
    if (request) bn_request_release(request);
    json_decref(stream.top);
    prepared_request_release(&prepared);
    return status;
}

static enum exit_code run(struct invocation *invocation) {
    const struct generate_settings *settings = invocation->settings;
    bn_error error = {0};
    struct loaded_model loaded = {0};
    struct prompt prompt = {0};
    size_t sequences = max_size(max_size(settings->sampling.n, settings->sampling.best_of), settings->sampling.beams);
    bn_status status = prompt_check(settings, &error);
    if (!status) status = model_options_load(invocation, &settings->model, sequences, &loaded, &error);
    if (!status) status = prompt_read(&prompt, settings, bn_model_tokenizer(loaded.model), &error);
    if (!status) status = generate(invocation, &loaded, &prompt, &error);
    prompt_release(&prompt);
    loaded_model_release(&loaded);
    if (status) return say_failure(&error);
    return interrupted() ? EXIT_INTERRUPTED : EXIT_DONE;
}

const struct command command_generate = {
    .name = "generate",
    .arguments = "MODEL",
    .summary = "continue a text",
    .description =
        "Reads a prompt (-p, -f, --tokens, or standard input) and writes its continuation to standard output as it is "
        "generated. The same model, prompt, options and seed give the same text on every machine and with any number "
        "of "
        "threads.\n\n"
        "Sampling options that aren't given come from the model's generation_config.json; where its author says "
        "nothing, "
        "temperature 0.8, top-k 40, top-p 0.95 and min-p 0.05. -v shows what is used.\n\n"
        "With --json, one document: text, tokens, prompt_tokens, finish_reason (stop, length or cancelled), seed, "
        "timings; "
        "with --logprobs also logprobs and top_logprobs; with --n also choices. Ctrl-C ends the generation: what there "
        "is "
        "is printed, and the exit status is 130.",
    .examples = "# a story from the model that ships with the project\n"
                "bitnet generate demo -p 'Once upon a time' -n 64\n"
                "# always the most likely token, as JSON\n"
                "bitnet generate demo -p 'The King' -n 16 --temp 0 --json\n"
                "# a prompt that ends in the middle of a word\n"
                "bitnet generate demo -p 'Once upon a ti' -n 16 --temp 0 --heal\n"
                "# three samples of one prompt\n"
                "echo 'The mouse said' | bitnet generate demo -n 24 --n 3 --seed 7",
    .groups = groups,
    .settings_bytes = sizeof(struct generate_settings),
    .set_defaults = set_defaults,
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
