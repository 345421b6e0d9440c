#include "cli/hub/remote_chat.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "cli/json_output.h"
#include "cli/signals.h"
#include "cli/terminal.h"

struct remote_chat {
    struct invocation *invocation;
    struct server_access access;
    json_t *body; /* but the messages */
    bool to_terminal;
    size_t n_answers, prompt_tokens, output_tokens;
    /* The answer under way. */
    struct conversation *conversation;
    bn_status status;
    bn_error error;
};

bn_status remote_chat_open(struct invocation *invocation, const struct server_options *options,
                           const struct sampling_options *sampling, struct remote_chat **out, bn_error *err) {
    struct remote_chat *chat = mem_calloc(1, sizeof *chat);
    if (!chat) return fail_no_memory(err, sizeof *chat);
    chat->invocation = invocation;
    chat->to_terminal = isatty(STDOUT_FILENO);
    bn_status status = server_access_open(options, invocation->arguments[0], 1, &chat->access, err);
    if (!status) status = server_request_body(&chat->access, sampling, &chat->body, err);
    if (!status) say_verbose(invocation, "model %s at %s", chat->access.endpoint.model, options->url);
    if (status)
        remote_chat_close(chat);
    else
        *out = chat;
    return status;
}

void remote_chat_close(struct remote_chat *chat) {
    if (!chat) return;
    server_access_release(&chat->access);
    json_decref(chat->body);
    mem_free(chat);
}

/* What a server sends could be escape sequences: on a terminal control characters (C1 too, as UTF-8) become '?'. */
static void show(const struct remote_chat *chat, const char *text, size_t n) {
    if (!chat->to_terminal) {
        fwrite(text, 1, n, stdout);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i], next = i + 1 < n ? (unsigned char)text[i + 1] : 0;
        bool c1 = c == 0xC2 && next >= 0x80 && next < 0xA0;
        bool control = c1 || (c < 0x20 && c != '\n' && c != '\t') || c == 0x7f;
        putchar(control ? '?' : c);
        if (c1) i++;
    }
}

static bool on_text(void *context, const char *text, size_t n) {
    const struct remote_chat *chat = context;
    if (!chat->invocation->common.json) {
        show(chat, text, n);
        if (!output_flush()) return false;
    }
    return !interrupted();
}

static double ms_between(uint64_t from_ns, uint64_t to_ns) {
    return to_ns > from_ns ? (double)(to_ns - from_ns) * 1e-6 : 0;
}

static bn_status print_json(const struct completion *completion, const char *model, bn_error *err) {
    json_t *object = completion_json(completion);
    if (object) {
        json_object_set_new(object, "model", json_string(model));
        json_object_set_new(object, "timings",
                            json_pack("{s:f, s:f}", "first_token_ms",
                                      ms_between(completion->start_ns, completion->first_ns), "output_ms",
                                      ms_between(completion->first_ns, completion->last_ns)));
    }
    return json_write_line(stdout, object, err);
}

static void on_end(void *context, const struct completion *completion, bn_status status, const bn_error *error) {
    struct remote_chat *chat = context;
    bool json = chat->invocation->common.json;
    const char *text = completion->text.data ? completion->text.data : "";
    if (!json && (completion->n_pieces || !status)) putchar('\n');
    /* Ctrl-C while waiting is no failure either: there is just less */
    bool kept = !status || (status == BN_STATUS_CANCELLED && interrupted());
    chat->status = kept ? BN_OK : status;
    chat->error = *error;
    if (kept && json) chat->status = print_json(completion, chat->access.endpoint.model, &chat->error);
    if (kept && !chat->status)
        chat->status = conversation_add(chat->conversation, "assistant", text, completion->text.size, &chat->error);
    output_flush();
    if (!kept) return;
    chat->n_answers++;
    chat->prompt_tokens += completion->prompt_tokens;
    chat->output_tokens += completion->output_tokens;
    say_verbose(chat->invocation, "prompt: %zu tokens, first token after %.1f ms; output: %zu tokens in %.1f ms",
                completion->prompt_tokens, ms_between(completion->start_ns, completion->first_ns),
                completion->output_tokens, ms_between(completion->first_ns, completion->last_ns));
}

bn_status remote_chat_answer(struct remote_chat *chat, struct conversation *conversation, bn_error *err) {
    chat->conversation = conversation;
    json_object_set(chat->body, "messages", conversation->messages);
    const struct completion_request request = {.endpoint = &chat->access.endpoint,
                                               .chat = true,
                                               .body = chat->body,
                                               .on_text = on_text,
                                               .on_end = on_end,
                                               .context = chat};
    bn_status status = completion_start(chat->access.http, &request, err);
    if (status) return status;
    http_run(chat->access.http, NULL); /* what it came to is on_end's to say */
    if (chat->status && err) *err = chat->error;
    return chat->status;
}

void remote_chat_print_stats(const struct remote_chat *chat) {
    const struct endpoint *endpoint = &chat->access.endpoint;
    printf("%s at %s\n%zu answers; %zu prompt tokens, %zu generated\n", endpoint->model,
           endpoint->socket ? endpoint->socket : endpoint->base, chat->n_answers, chat->prompt_tokens,
           chat->output_tokens);
}
