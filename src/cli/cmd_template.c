/* `bitnet template render`: a chat template with values, for looking at what a model is really given. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/input.h"
#include "cli/json_output.h"
#include "cli/model_options.h"
#include "cli/terminal.h"
#include "tokenizer/template/chat.h"
#include "tokenizer/template/chat_template.h"

enum { TEMPLATE_MAX_BYTES = 16 << 20 };

struct template_settings {
    bool jsonl;
    const char *now;
};
static const struct option options[] = {
    {"jsonl", 0, OPTION_FLAG, offsetof(struct template_settings, jsonl), NULL, 0, 0,
     "many: a JSON object per line in, {\"prompt\"} or {\"error\"} per line out", NULL},
    {"now", 0, OPTION_TEXT, offsetof(struct template_settings, now), "TIME", 0, 0,
     "the clock of strftime_now, as 2026-01-31T12:00:00", NULL},
    {0},
};
static const struct option_group groups[] = {{"Template", options, 0}, {0}};

struct renderer {
    struct chat_template *chat_template;
    bn_tokenizer *tokenizer; /* NULL when a bare .jinja file was given */
    int64_t now;
};

static bn_status parse_now(const char *text, int64_t *now, bn_error *err) {
    struct tm time = {.tm_hour = 12};
    const char *end = strptime(text, "%Y-%m-%d", &time);
    if (end && (*end == 'T' || *end == ' ')) end = strptime(end + 1, "%H:%M:%S", &time);
    if (!end || *end)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "--now: '%s' isn't a time like 2026-01-31T12:00:00", text);
    *now = (int64_t)timegm(&time);
    return BN_OK;
}

static bool is_template_file(const char *name) {
    size_t n = strlen(name);
    return (n > 6 && strcmp(name + n - 6, ".jinja") == 0) || (n > 7 && strcmp(name + n - 7, ".jinja2") == 0);
}

static bn_status renderer_open(struct renderer *renderer, const char *name, bn_error *err) {
    if (is_template_file(name)) {
        char *source;
        size_t size;
        bn_status status = file_read_all(name, TEMPLATE_MAX_BYTES, &source, &size, err);
        if (status) return status;
        status = chat_template_parse(source, size, name, &renderer->chat_template, err);
        mem_free(source);
        return status;
    }
    bn_status status = tokenizer_argument_open(name, &renderer->tokenizer, err);
    if (status) return status;
    const char *source = bn_tokenizer_chat_template(renderer->tokenizer);
    if (!source) return fail(err, BN_STATUS_NOT_FOUND, "%s: the model has no chat template", name);
    return chat_template_parse(source, strlen(source), name, &renderer->chat_template, err);
}

static void renderer_close(struct renderer *renderer) {
    if (renderer->chat_template) chat_template_destroy(renderer->chat_template);
    if (renderer->tokenizer) bn_tokenizer_close(renderer->tokenizer);
}

/* Appends the prompt of one JSON text to out. */
static bn_status render(const struct renderer *renderer, const char *text, size_t size, struct buffer *out,
                        bn_error *err) {
    json_t *input;
    bn_status status = json_parse_exactly(text, size, "input", &input, err);
    if (status) return status;
    if (!json_is_object(input))
        status = fail(err, BN_STATUS_BAD_FILE, "the input must be a JSON object with messages");
    else if (renderer->tokenizer && !add_token_names(input, renderer->tokenizer))
        status = fail(err, BN_STATUS_NO_MEMORY, "out of memory");
    const struct chat_template_request request = {.input = input, .now = renderer->now};
    if (!status) status = chat_template_render(renderer->chat_template, &request, out, NULL, NULL, err);
    if (!status && out->failed) status = fail_no_memory(err, out->size);
    json_decref(input);
    return status;
}

static bn_status render_one(const struct renderer *renderer, const struct invocation *invocation, bn_error *err) {
    struct buffer input, prompt;
    buffer_init(&input);
    buffer_init(&prompt);
    bn_status status = read_file_or_stdin("-", &input, err);
    if (!status) status = render(renderer, input.data ? input.data : "", input.size, &prompt, err);
    if (!status && invocation->common.json)
        status = json_write_line(
            stdout, json_pack("{s:o}", "prompt", json_text(prompt.data ? prompt.data : "", prompt.size)), err);
    else if (!status && prompt.size)
        fwrite(prompt.data, 1, prompt.size, stdout);
    buffer_release(&prompt);
    buffer_release(&input);
    return status;
}

/* A line that fails is answered with its error; the others go on. */
static bn_status render_lines(const struct renderer *renderer, bool *any_failed, bn_error *err) {
    struct line_reader lines = {.stream = stdin};
    struct buffer prompt;
    buffer_init(&prompt);
    bn_status status = BN_OK;
    while (!status && line_reader_next(&lines) > 0) {
        bn_error line_error = {0};
        buffer_clear(&prompt);
        json_t *answer;
        if (render(renderer, lines.text, lines.size, &prompt, &line_error)) {
            *any_failed = true;
            answer = json_pack("{s:o}", "error", json_text(line_error.message, strlen(line_error.message)));
        } else {
            answer = json_pack("{s:o}", "prompt", json_text(prompt.data ? prompt.data : "", prompt.size));
        }
        status = json_write_line(stdout, answer, err);
        if (!output_flush()) break;
    }
    buffer_release(&prompt);
    line_reader_release(&lines);
    return status;
}

static enum exit_code run(struct invocation *invocation) {
    const struct template_settings *settings = invocation->settings;
    struct renderer renderer = {.now = local_clock()};
    bn_error error = {0};
    bool any_failed = false;
    bn_status status = settings->now ? parse_now(settings->now, &renderer.now, &error) : BN_OK;
    if (status) return say_failure(&error);
    status = renderer_open(&renderer, invocation->arguments[0], &error);
    if (!status)
        status =
            settings->jsonl ? render_lines(&renderer, &any_failed, &error) : render_one(&renderer, invocation, &error);
    renderer_close(&renderer);
    if (status) say_failure(&error); /* whatever the template or its values do is a failure, not misuse */
    return status || any_failed ? EXIT_FAILED : EXIT_DONE;
}

const struct command command_template_render = {
    .name = "template render",
    .arguments = "TOK|FILE.jinja",
    .summary = "render a chat template",
    .description =
        "Reads a JSON object from standard input: messages, tools, documents, add_generation_prompt, "
        "continue_final_message, and any further names the template uses; writes the prompt as the model gets it. "
        "bos_token and eos_token are filled in from the vocabulary when a model or tokenizer is given.\n\n"
        "With --jsonl a line each: {\"prompt\": …} or {\"error\": …}; the exit status is 1 if any line failed.",
    .examples = "# what a chat model sees\n"
                "echo '{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"add_generation_prompt\":true}' | "
                "bitnet template render chat.jinja",
    .groups = groups,
    .settings_bytes = sizeof(struct template_settings),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
