/* `bitnet run`: a chat on a terminal, or one answer.
 *
 * Every answer is a fresh request with the whole conversation as its prompt; the engine's prefix cache makes the part
 * that was there before cost nothing. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "cli/command.h"
#include "cli/completion_result.h"
#include "cli/conversation.h"
#include "cli/input.h"
#include "cli/json_output.h"
#include "cli/line_input.h"
#include "cli/model_options.h"
#include "cli/sampling_options.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#ifdef BITNET_HUB
#include "cli/hub/remote_chat.h"
#endif

struct run_settings {
#ifdef BITNET_HUB
    struct server_options server;
#endif
    struct model_options model;
    struct sampling_options sampling;
    const char *prompt, *system;
    bool conversation; /* accepted: it is what `run` does */
};
#define FIELD(name) offsetof(struct run_settings, name)

static const struct option chat_options[] = {
    {"prompt", 'p', OPTION_TEXT, FIELD(prompt), "TEXT", 0, 0, "one message: answer it and end; -: standard input",
     NULL},
    {"system", 0, OPTION_TEXT, FIELD(system), "TEXT", 0, 0, "system message", "sys system-prompt"},
    {"conversation", 0, OPTION_FLAG, FIELD(conversation), NULL, 0, 0, "chat (the default; for habit's sake)", "cnv"},
    {0},
};
static const struct option_group groups[] = {
    {"Chat", chat_options, 0},
#ifdef BITNET_HUB
    {"Server", server_option_table, FIELD(server)},
#endif
    {"Length", length_option_table, FIELD(sampling)},
    {"Structured output", grammar_option_table, FIELD(sampling.grammar)},
    {"Sampling", sampling_option_table, FIELD(sampling)},
    {"Model", model_option_table, FIELD(model)},
    {0},
};

static void set_defaults(void *settings) {
    struct run_settings *run = settings;
    sampling_options_defaults(&run->sampling);
}

struct session {
    struct invocation *invocation;
    struct loaded_model loaded;
    struct conversation conversation;
    struct prepared_request prepared;
    struct remote_chat *remote; /* NULL: the model is here */
    struct line_input *input;   /* NULL: not interactive */
    struct buffer line;
};

/* ---- one answer ---- */

static bool on_token(void *context, const bn_token_event *event) {
    const bool *streaming = context;
    if (*streaming && event->text_bytes) {
        fwrite(event->text, 1, event->text_bytes, stdout);
        if (!output_flush()) return false;
    }
    return !interrupted();
}

static void advise_if_full(const struct session *session, const bn_choice *choice, const bn_usage *usage) {
    bn_engine_stats stats = {.size = sizeof stats};
    bn_engine_get_stats(session->loaded.engine, &stats);
    size_t used = usage->prompt_tokens + choice->n_ids;
    if (choice->finish == BN_FINISH_LENGTH && used >= stats.context_length)
        say(session->invocation, "the context is full: %zu of %zu tokens. /reset starts over, -c sets a larger one.",
            used, stats.context_length);
}

static bn_status answer_here(struct session *session, bn_error *err) {
    bool streaming = !session->invocation->common.json;
    int32_t *ids;
    size_t n_ids;
    bn_status status = conversation_encode(&session->conversation, &ids, &n_ids, err);
    if (status) return status;
    bn_request *request = NULL;
    session->prepared.options.on_token = on_token;
    session->prepared.options.on_token_context = &streaming;
    status = bn_engine_submit(session->loaded.engine, ids, n_ids, &session->prepared.options, &request, err);
    bn_free(ids);
    if (status == BN_STATUS_CONTEXT_OVERFLOW && session->input)
        error_prefix(err, "/reset starts over, -c sets a larger context");
    if (!status) status = drive_request(session->loaded.engine, request, err);
    bn_choice choice = {.size = sizeof choice};
    bn_usage usage = {.size = sizeof usage};
    if (!status) status = bn_request_choice(request, 0, &choice);
    if (!status) {
        bn_request_usage(request, &usage);
        status = conversation_add(&session->conversation, "assistant", choice.text, choice.text_bytes, err);
        if (streaming) putchar('\n');
        if (!streaming && !status) {
            json_t *object = choice_json(&choice);
            if (object) {
                json_object_set_new(object, "prompt_tokens", json_integer((json_int_t)usage.prompt_tokens));
                json_object_set_new(object, "seed", json_integer((json_int_t)session->prepared.options.sampling.seed));
                json_object_set_new(object, "timings", timings_json(&usage));
            }
            status = json_write_line(stdout, object, err);
        }
        output_flush();
        say_timings(session->invocation, &usage);
        advise_if_full(session, &choice, &usage);
    }
    if (request) bn_request_release(request);
    return status;
}

/* Answers the conversation, and adds the answer to it. Ctrl-C ends the answer, which keeps what was said. */
static bn_status answer(struct session *session, bn_error *err) {
#ifdef BITNET_HUB
    if (session->remote) return remote_chat_answer(session->remote, &session->conversation, err);
#endif
    return answer_here(session, err);
}

static bn_status answer_to(struct session *session, const char *text, size_t n, bn_error *err) {
    bn_status status = conversation_add(&session->conversation, "user", text, n, err);
    if (status) return status;
    status = answer(session, err);
    if (status) conversation_drop_last(&session->conversation);
    return status;
}

/* ---- slash commands ---- */

enum reaction { GO_ON, QUIT };

static const char slash_help[] = "/reset           forget the conversation (the system message stays)\n"
                                 "/clear           the same, and clear the screen\n"
                                 "/system TEXT     set the system message; without TEXT remove it\n"
                                 "/save FILE       write the conversation as JSON\n"
                                 "/load FILE       go on with a saved conversation\n"
                                 "/stats           what the engine did and holds\n"
                                 "/bye             quit (also /exit, Ctrl-D, or Ctrl-C twice)\n"
                                 "\"\"\"              begins and ends a message of several lines\n"
                                 "Ctrl-C stops an answer.\n";

static void print_stats(const struct session *session) {
#ifdef BITNET_HUB
    if (session->remote) {
        remote_chat_print_stats(session->remote);
        return;
    }
#endif
    bn_engine_stats stats = {.size = sizeof stats};
    bn_engine_get_stats(session->loaded.engine, &stats);
    printf("context %zu tokens, %s cache of %.1f MiB, %zu of %zu pages used, %zu cached\n"
           "%llu prompt tokens (%llu from the cache), %llu generated; %zu threads, %s kernels\n",
           stats.context_length, kv_type_name(stats.kv_type), (double)stats.kv_bytes / (1 << 20), stats.kv_pages_used,
           stats.kv_pages_total, stats.kv_pages_cached, (unsigned long long)stats.prompt_tokens,
           (unsigned long long)stats.cached_tokens, (unsigned long long)stats.output_tokens, stats.n_threads,
           stats.isa);
}

static void report(struct session *session, bn_status status, const bn_error *error, const char *done) {
    if (status)
        say_error("%s", error->message);
    else
        say(session->invocation, "%s", done);
}

static enum reaction slash_command(struct session *session, const char *line) {
    size_t n = strcspn(line, " ");
    const char *rest = line + n + strspn(line + n, " ");
    bn_error error = {0};
    struct conversation *conversation = &session->conversation;
#define IS(word) (n == strlen(word) && memcmp(line, word, n) == 0)
    if (IS("/bye") || IS("/exit") || IS("/quit")) return QUIT;
    if (IS("/reset") || IS("/clear")) {
        if (IS("/clear")) fputs("\033[H\033[2J", stdout);
        report(session, conversation_reset(conversation, &error), &error, "a fresh start");
    } else if (IS("/system")) {
        report(session, conversation_set_system(conversation, rest, &error), &error,
               *rest ? "system message set" : "no system message");
    } else if ((IS("/save") || IS("/load")) && !*rest) {
        say_error("which file? %.5s FILE", line);
    } else if (IS("/save")) {
        report(session, conversation_save(conversation, rest, &error), &error, "saved");
    } else if (IS("/load")) {
        report(session, conversation_load(conversation, rest, &error), &error, "loaded");
    } else if (IS("/stats")) {
        print_stats(session);
    } else if (IS("/help") || IS("/?")) {
        fputs(slash_help, stdout);
    } else {
        say_error("there is no %.*s (see /help)", (int)n, line);
    }
#undef IS
    return GO_ON;
}

/* ---- the chat ---- */

/* Reads on until a closing """; the message is left in session->line. LINE_TEXT when there is one. */
static enum line_result read_rest(struct session *session) {
    struct buffer message;
    buffer_init(&message);
    buffer_append(&message, session->line.data + 3, session->line.size - 3);
    enum line_result result = LINE_TEXT;
    char *end;
    while (!(end = message.data ? strstr(message.data, "\"\"\"") : NULL)) {
        result = line_input_read(session->input, "... ", &session->line);
        if (result != LINE_TEXT) break;
        buffer_append_char(&message, '\n');
        buffer_append(&message, session->line.data ? session->line.data : "", session->line.size);
        if (message.failed) result = LINE_FAILED;
        if (message.failed) break;
    }
    buffer_clear(&session->line);
    if (result == LINE_TEXT) buffer_append(&session->line, message.data, (size_t)(end - message.data));
    buffer_release(&message);
    return session->line.failed ? LINE_FAILED : result;
}

static enum line_result read_message(struct session *session) {
    enum line_result result = line_input_read(session->input, ">>> ", &session->line);
    if (result == LINE_TEXT && session->line.size >= 3 && strncmp(session->line.data, "\"\"\"", 3) == 0)
        result = read_rest(session);
    return result;
}

static enum reaction react(struct session *session) {
    const char *text = session->line.data ? session->line.data : "";
    bn_error error = {0};
    if (is_blank(text, session->line.size)) return GO_ON;
    line_input_remember(session->input, text);
    if (text[0] == '/') return slash_command(session, text);
    if (answer_to(session, text, session->line.size, &error)) say_error("%s", error.message);
    interrupt_clear();
    return GO_ON;
}

static bn_status chat(struct session *session, bn_error *err) {
    bool interrupted_before = false;
    session->input = line_input_open();
    if (!session->input) return fail(err, BN_STATUS_NO_MEMORY, "can't set up the terminal");
    say(session->invocation, "%sType a message; /help lists commands, /bye ends.%s", style_err(STYLE_DIM),
        style_err(STYLE_PLAIN));
    for (;;) {
        enum line_result result = read_message(session);
        if (result == LINE_FAILED) return fail_no_memory(err, session->line.size);
        if (result == LINE_END) putchar('\n');
        if (result == LINE_END || (result == LINE_INTERRUPTED && interrupted_before)) return BN_OK;
        if (result == LINE_INTERRUPTED) say(session->invocation, "\nCtrl-C again, or /bye, ends the chat.");
        interrupted_before = result == LINE_INTERRUPTED;
        if (result == LINE_TEXT && react(session) == QUIT) return BN_OK;
    }
}

static bn_status one_answer(struct session *session, bn_error *err) {
    const struct run_settings *settings = session->invocation->settings;
    bn_status status = BN_OK;
    if (settings->prompt && strcmp(settings->prompt, "-") != 0)
        buffer_append_text(&session->line, settings->prompt);
    else
        status = read_prompt_file("-", &session->line, err);
    if (!status && session->line.failed) status = fail_no_memory(err, session->line.size);
    if (status) return status;
    return answer_to(session, session->line.data ? session->line.data : "", session->line.size, err);
}

static bn_status session_open(struct session *session, bn_error *err) {
    const struct run_settings *settings = session->invocation->settings;
#ifdef BITNET_HUB
    if (settings->server.url) {
        bn_status opened =
            remote_chat_open(session->invocation, &settings->server, &settings->sampling, &session->remote, err);
        return opened ? opened : conversation_init(&session->conversation, NULL, settings->system, err);
    }
#endif
    if (settings->sampling.n > 1 || settings->sampling.beams > 1 || settings->sampling.best_of > 1)
        return fail(err, BN_STATUS_BAD_ARGUMENT,
                    "a chat has one answer at a time: --n, --best-of and --beams belong to 'bitnet generate'");
    bn_status status = model_options_load(session->invocation, &settings->model, 1, &session->loaded, err);
    if (!status) status = conversation_init(&session->conversation, session->loaded.model, settings->system, err);
    if (!status) status = prepared_request_init(&session->prepared, &settings->sampling, session->loaded.model, err);
    if (status) return status;
    char description[200];
    describe_sampling(&session->prepared.options.sampling, description, sizeof description);
    say_verbose(session->invocation, "%s", description);
    if (!session->conversation.chat)
        say(session->invocation, "this model has no chat template: it continues what you write");
    return BN_OK;
}

static enum exit_code run(struct invocation *invocation) {
    const struct run_settings *settings = invocation->settings;
    struct session session = {.invocation = invocation};
    bn_error error = {0};
    buffer_init(&session.line);
    bool interactive = !settings->prompt && terminal_is_interactive() && !invocation->common.json;
    bn_status status = session_open(&session, &error);
    if (!status) status = interactive ? chat(&session, &error) : one_answer(&session, &error);
    line_input_close(session.input);
#ifdef BITNET_HUB
    remote_chat_close(session.remote);
#endif
    prepared_request_release(&session.prepared);
    conversation_release(&session.conversation);
    loaded_model_release(&session.loaded);
    buffer_release(&session.line);
    if (status) return say_failure(&error);
    return !interactive && interrupted() ? EXIT_INTERRUPTED : EXIT_DONE;
}

const struct command command_run = {
    .name = "run",
    .arguments = "MODEL",
    .summary = "chat with a model",
    .description =
        "A chat on a terminal: answers appear as they are made, Ctrl-C stops one, the arrow keys bring back earlier "
        "lines, \"\"\" begins and ends a message of several lines, /help lists commands (/reset, /clear, /system, "
        "/save, "
        "/load, /stats, /bye). The model's own chat template is used; a model without one continues what you write.\n\n"
        "With -p or piped input: one answer on standard output, then the end.\n\n"
        "With --server the answers come from a server with OpenAI's routes, MODEL is a name of the server's and may be "
        "left "
        "out, and what says how a model runs here has no meaning.",
    .examples = "# chat\n"
                "bitnet run demo\n"
                "# one answer\n"
                "bitnet run demo -p 'The fox and the crow' -n 48\n"
                "echo 'Once upon a time' | bitnet run demo -n 32 --json\n"
                "# chat with the model of a server\n"
                "bitnet run --server http://127.0.0.1:8080",
    .groups = groups,
    .settings_bytes = sizeof(struct run_settings),
    .set_defaults = set_defaults,
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
