#include "server/answer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"

enum { MOST_MARKS = 10 };

struct answer {
    const struct answer_format *format;
    void *context;
    struct generation *generation;
    struct settings settings;
    const char **tool_names;
    enum tool_syntax tools;
    bool parallel_calls;
    struct answer_choice *choices;
    size_t n_choices;
    json_t *functions;
    struct mark { /* a special token that calls are made of, and otherwise has no text */
        int32_t id;
        const char *text;
    } marks[MOST_MARKS];
    size_t n_marks;
    bool failed; /* no memory */
};

/* ---- small things ---- */

static void write_id(char *out, size_t size, const char *prefix, const uint8_t random[24]) {
    static const char letters[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    size_t n = (size_t)snprintf(out, size, "%s", prefix);
    for (size_t i = 0; i < 24 && n + 1 < size; i++) out[n++] = letters[random[i] % (sizeof letters - 1)];
    out[n] = '\0';
}

bool make_secret_id(char *out, size_t size, const char *prefix) {
    uint8_t random[24];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) return false;
    write_id(out, size, prefix, random);
    return true;
}

void make_id(char *out, size_t size, const char *prefix) {
    if (make_secret_id(out, size, prefix)) return;
    uint8_t bytes[24];
    uint32_t words[4], counter[4] = {(uint32_t)(uintptr_t)out, 0, 0, 0};
    for (size_t i = 0; i < sizeof bytes; i++) {
        counter[1] = (uint32_t)i;
        philox4x32(counter, clock_now_ns(), words);
        bytes[i] = (uint8_t)words[0];
    }
    write_id(out, size, prefix, bytes);
}

const char *token_text(const struct model *model, int32_t id, size_t *n) {
    const char *bytes = bn_token_bytes_get(model->token_bytes, id, n);
    if (*n) return bytes;
    bytes = bn_tokenizer_token(model->tokenizer, id);
    if (!bytes) bytes = "";
    *n = strlen(bytes);
    return bytes;
}

json_t *token_logprob_json(const struct model *model, int32_t id, float logprob) {
    size_t n;
    const char *text = token_text(model, id, &n);
    json_t *bytes = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(bytes, json_integer((uint8_t)text[i]));
    return json_pack("{s:o, s:f, s:o}", "token", json_text(text, n), "logprob",
                     isfinite(logprob) ? (double)logprob : -9999.0, "bytes", bytes);
}

json_t *answer_call_arguments(const struct answer_call *call) {
    json_t *value = call->arguments.size ? json_loadb(call->arguments.data, call->arguments.size, 0, NULL) : NULL;
    return value ? value : json_object();
}

/* ---- from the parser ---- */

static void on_text(void *context, const char *text, size_t n) {
    struct answer_choice *choice = context;
    const struct answer *answer = choice->answer;
    if (choice->n_calls && !answer->parallel_calls) return; /* what comes behind the only call */
    buffer_append(&choice->text, text, n);
    if (answer->format->text) answer->format->text(answer->context, choice, text, n);
}

static void on_reasoning(void *context, const char *text, size_t n) {
    struct answer_choice *choice = context;
    const struct answer *answer = choice->answer;
    buffer_append(&choice->reasoning, text, n);
    if (answer->format->reasoning) answer->format->reasoning(answer->context, choice, text, n);
}

static struct answer_call *last_call(struct answer_choice *choice) {
    return choice->n_calls ? &choice->calls[choice->n_calls - 1] : NULL;
}

/* Calls after the first are dropped where the client wants one only. */
static bool is_dropped(const struct answer_choice *choice) {
    return !choice->answer->parallel_calls && choice->parser.n_calls > 1;
}

static void on_call_begin(void *context, const char *name, size_t n) {
    struct answer_choice *choice = context;
    const struct answer *answer = choice->answer;
    if (is_dropped(choice)) return;
    struct answer_call *calls = mem_realloc_array(choice->calls, choice->n_calls + 1, sizeof *calls);
    if (!calls) {
        choice->answer->failed = true;
        return;
    }
    choice->calls = calls;
    struct answer_call *call = &calls[choice->n_calls++];
    *call = (struct answer_call){0};
    make_id(call->id, sizeof call->id, "call_");
    buffer_append(&call->name, name, n);
    if (answer->format->call_begin) answer->format->call_begin(answer->context, choice, call);
}

static void on_call_arguments(void *context, const char *text, size_t n) {
    struct answer_choice *choice = context;
    const struct answer *answer = choice->answer;
    struct answer_call *call = last_call(choice);
    if (!call || is_dropped(choice)) return;
    buffer_append(&call->arguments, text, n);
    if (answer->format->call_arguments) answer->format->call_arguments(answer->context, choice, call, text, n);
}

static void on_call_end(void *context) {
    struct answer_choice *choice = context;
    const struct answer *answer = choice->answer;
    struct answer_call *call = last_call(choice);
    if (!call || is_dropped(choice)) return;
    if (answer->format->call_end) answer->format->call_end(answer->context, choice, call);
}

static const struct output_events parser_events = {on_text, on_reasoning, on_call_begin, on_call_arguments,
                                                   on_call_end};

/* ---- from the engine ---- */

static void note_logprobs(struct answer_choice *choice, const bn_token_event *event) {
    const struct model *model = generation_model(choice->answer->generation);
    json_t *entry = token_logprob_json(model, event->id, event->logprob), *top = json_array();
    for (size_t i = 0; i < event->n_top; i++)
        json_array_append_new(top, token_logprob_json(model, event->top[i].id, event->top[i].logprob));
    if (!entry || json_object_set_new(entry, "top_logprobs", top) || json_array_append_new(choice->logprobs, entry))
        choice->answer->failed = true;
}

static const char *finish_reason_of(const struct answer_choice *choice, bn_finish finish) {
    if (finish != BN_FINISH_STOP) return "length";
    return choice->n_calls ? "tool_calls" : "stop";
}

static void finish_choice(struct answer_choice *choice, const bn_token_event *event) {
    struct answer *answer = choice->answer;
    if (event->stop) {
        snprintf(choice->stop, sizeof choice->stop, "%s", event->stop);
        if (answer->settings.include_stop && !output_parser_push(&choice->parser, event->stop, strlen(event->stop)))
            answer->failed = true;
    }
    if (!output_parser_finish(&choice->parser)) answer->failed = true;
    bool cut = event->finish == BN_FINISH_CANCELLED && generation_timed_out(answer->generation);
    if (event->finish != BN_FINISH_STOP && event->finish != BN_FINISH_LENGTH && !cut) return; /* on_end says why */
    choice->finish_reason = finish_reason_of(choice, event->finish);
    if (answer->format->finish) answer->format->finish(answer->context, choice);
}

static bool on_token(void *context, size_t prompt, const bn_token_event *event) {
    (void)prompt;
    struct answer *answer = context;
    struct answer_choice *choice = &answer->choices[event->choice];
    bool ok = true;
    choice->n_tokens += event->id >= 0;
    if (event->id >= 0 && choice->logprobs) note_logprobs(choice, event);
    if (event->id >= 0 && choice->token_ids) json_array_append_new(choice->token_ids, json_integer(event->id));
    for (size_t i = 0; i < answer->n_marks && ok; i++)
        if (event->id == answer->marks[i].id)
            ok = output_parser_push(&choice->parser, answer->marks[i].text, strlen(answer->marks[i].text));
    if (ok && event->text_bytes) ok = output_parser_push(&choice->parser, event->text, event->text_bytes);
    if (!ok || choice->text.failed) answer->failed = true;
    if (event->id >= 0 && answer->format->token) answer->format->token(answer->context, choice);
    if (event->finish != BN_FINISH_NONE) finish_choice(choice, event);
    return !answer->failed;
}

static void on_end(void *context, const bn_error *error) {
    struct answer *answer = context;
    struct failure failure = failure_of_end(error, answer->failed);
    answer->format->end(answer->context, &failure);
}

static const struct generation_sink sink = {.on_token = on_token, .on_end = on_end};

/* ---- life ---- */

static bool init_choices(struct answer *answer, const struct chat_request *request) {
    answer->n_choices = answer->settings.options.n;
    answer->choices = mem_calloc(answer->n_choices, sizeof *answer->choices);
    for (size_t i = 0; answer->choices && i < answer->n_choices; i++) {
        struct answer_choice *choice = &answer->choices[i];
        choice->answer = answer;
        choice->index = i;
        output_parser_init(&choice->parser, request->tools, request->tool_names, request->reasoning,
                           request->in_reasoning, &parser_events, choice);
        choice->parser.calls_first = request->calls_first;
        output_parser_mark(&choice->parser, request->tool_syntax, request->functions);
        if (answer->settings.options.n_logprobs >= 0) choice->logprobs = json_array();
        if (request->tokens_wanted) choice->token_ids = json_array();
    }
    return answer->choices != NULL;
}

static void find_marks(struct answer *answer, const bn_tokenizer *tokenizer, const bn_tool_syntax *syntax) {
    static const bn_tool_markup none;
    const bn_tool_markup *m = syntax->markup ? syntax->markup : &none;
    const char *const texts[MOST_MARKS] = {syntax->begin ? syntax->begin : syntax->tag,
                                           syntax->end,
                                           m->call_begin,
                                           m->name_end,
                                           m->call_end,
                                           m->key_begin,
                                           m->key_end,
                                           m->key_end_json,
                                           m->value_begin,
                                           m->value_end};
    for (size_t i = 0; i < MOST_MARKS; i++) {
        int32_t id = texts[i] && *texts[i] ? bn_tokenizer_find(tokenizer, texts[i]) : -1;
        if (id >= 0 && bn_tokenizer_is_special(tokenizer, id))
            answer->marks[answer->n_marks++] = (struct mark){id, texts[i]};
    }
}

struct answer *answer_create(struct chat_request *request, const struct answer_format *format, void *context) {
    struct answer *answer = mem_calloc(1, sizeof *answer);
    if (!answer) {
        chat_request_release(request);
        return NULL;
    }
    answer->format = format;
    answer->context = context;
    answer->settings = request->settings;
    answer->tools = request->tools;
    answer->tool_names = request->tool_names;
    answer->parallel_calls = request->parallel_calls;
    answer->functions = request->functions;
    if (request->tool_syntax && !answer->settings.options.keep_special)
        find_marks(answer, request->model->tokenizer, request->tool_syntax);
    bool ok = init_choices(answer, request);
    answer->generation = generation_create(request->model, &request->prompt, 1, &sink, answer);
    *request = (struct chat_request){0};
    if (ok && answer->generation) return answer;
    answer_destroy(answer);
    return NULL;
}

void answer_start(struct answer *answer) {
    generation_start(answer->generation, &answer->settings.options, answer->settings.timeout_ms);
}

void answer_cancel(struct answer *answer) {
    generation_cancel(answer->generation);
}

void answer_pause(struct answer *answer, bool paused) {
    generation_pause(answer->generation, paused);
}

void answer_destroy(struct answer *answer) {
    if (!answer) return;
    generation_destroy(answer->generation);
    for (size_t i = 0; answer->choices && i < answer->n_choices; i++) {
        struct answer_choice *choice = &answer->choices[i];
        output_parser_release(&choice->parser);
        buffer_release(&choice->text);
        buffer_release(&choice->reasoning);
        for (size_t j = 0; j < choice->n_calls; j++) {
            buffer_release(&choice->calls[j].name);
            buffer_release(&choice->calls[j].arguments);
        }
        mem_free(choice->calls);
        json_decref(choice->logprobs);
        json_decref(choice->token_ids);
    }
    mem_free(answer->choices);
    json_decref(answer->functions);
    settings_release(&answer->settings);
    mem_free(answer);
}

const struct model *answer_model(const struct answer *answer) {
    return generation_model(answer->generation);
}

size_t answer_n_choices(const struct answer *answer) {
    return answer->n_choices;
}

struct answer_choice *answer_choice(struct answer *answer, size_t choice) {
    return &answer->choices[choice];
}

bn_usage answer_usage(const struct answer *answer) {
    return generation_usage(answer->generation);
}

uint64_t answer_seed(const struct answer *answer) {
    return answer->settings.seed;
}

const struct generation_prompt *answer_prompt(const struct answer *answer) {
    return generation_prompt(answer->generation, 0);
}
