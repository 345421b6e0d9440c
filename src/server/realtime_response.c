/* Answers to the items of a session: what they tell the client while they come, their beginning and their end. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "server/realtime_core.h"

enum { MAX_RESPONSES = 16 };

struct realtime_response {
    struct realtime *session;
    struct realtime_response *next;
    struct answer *answer;
    struct item_writer writer;
    char id[40];
    bool in_conversation;
    bool failed;      /* no memory for an event */
    bool cancelled;   /* guarded by the session's lock: by the client */
    json_t *metadata; /* shown as they came */
    json_t *max_output_tokens;
};

/* ---- what the client hears ---- */

static json_t *usage_of(const struct realtime_response *r) {
    const bn_usage u = answer_usage(r->answer);
    json_int_t in = (json_int_t)u.prompt_tokens, out = (json_int_t)u.output_tokens;
    return json_pack("{s:I, s:I, s:I, s:{s:I, s:I, s:i}, s:{s:I, s:i}}", "total_tokens", in + out, "input_tokens", in,
                     "output_tokens", out, "input_token_details", "cached_tokens", (json_int_t)u.cached_tokens,
                     "text_tokens", in, "audio_tokens", 0, "output_token_details", "text_tokens", out, "audio_tokens",
                     0);
}

/* status_details is stolen; NULL: none. */
static json_t *response_json(const struct realtime_response *r, const char *status, json_t *status_details) {
    bool over = strcmp(status, "in_progress") != 0;
    return json_pack("{s:s, s:s, s:s, s:o, s:O, s:s?, s:[s], s:O, s:O, s:o}", "object", "realtime.response", "id",
                     r->id, "status", status, "status_details", status_details ? status_details : json_null(), "output",
                     r->writer.output, "conversation_id", r->in_conversation ? r->session->conversation_id : NULL,
                     "output_modalities", "text", "max_output_tokens", r->max_output_tokens, "metadata", r->metadata,
                     "usage", over ? usage_of(r) : json_null());
}

static void say_limits(const struct realtime_response *r) {
    struct engine_loop *loop = answer_model(r->answer)->loop;
    size_t most = engine_loop_max_jobs(loop), taken = min_size(engine_loop_jobs(loop), most);
    realtime_say(r->session, "rate_limits.updated",
                 json_pack("{s:[{s:s, s:I, s:I, s:f}]}", "rate_limits", "name", "requests", "limit", (json_int_t)most,
                           "remaining", (json_int_t)(most - taken), "reset_seconds", 0.0));
}

void realtime_pause_responses(struct realtime *rt, bool paused) {
    for (struct realtime_response *r = rt->responses; r; r = r->next) answer_pause(r->answer, paused);
}

void realtime_cancel_responses(struct realtime *rt) {
    for (struct realtime_response *r = rt->responses; r; r = r->next) answer_cancel(r->answer);
}

static void pause_if_full(struct realtime *rt) {
    if (!channel_is_full(rt->channel.channel)) return;
    realtime_lock(rt);
    rt->paused = channel_is_full(rt->channel.channel); /* under the lock, as on_drained looks at it */
    if (rt->paused) realtime_pause_responses(rt, true);
    realtime_unlock(rt);
}

static void emit(void *context, const char *type, json_t *event) {
    struct realtime_response *r = context;
    if (!event || json_object_set_new(event, "response_id", json_string(r->id))) {
        r->failed = true;
        json_decref(event);
        answer_cancel(r->answer);
        return;
    }
    bool is_item = strncmp(type, "response.output_item.", 21) == 0;
    json_t *kept = is_item && r->in_conversation ? json_incref(event) : NULL;
    realtime_say(r->session, type, event);
    if (kept) realtime_note_item(r->session, type, kept);
    json_decref(kept);
    pause_if_full(r->session);
}

/* ---- what the engine tells ---- */

static void destroy_response(struct realtime_response *r) {
    answer_destroy(r->answer);
    item_writer_release(&r->writer);
    json_decref(r->metadata);
    json_decref(r->max_output_tokens);
    mem_free(r);
}

/* Takes it off the session's list. True: it was the last, and the session is to end. */
static bool unlink_response(struct realtime_response *r) {
    struct realtime *rt = r->session;
    realtime_lock(rt);
    struct realtime_response **at = &rt->responses;
    while (*at != r) at = &(*at)->next;
    *at = r->next;
    rt->n_responses--;
    bool last = rt->draining && !rt->responses;
    realtime_unlock(rt);
    return last;
}

static const char *status_of(struct realtime_response *r, const struct failure *failure, json_t **details) {
    const char *finish = answer_choice(r->answer, 0)->finish_reason;
    realtime_lock(r->session);
    bool cancelled = r->cancelled;
    realtime_unlock(r->session);
    if (failure->status == STATUS_CANCELLED && cancelled && !r->failed) {
        *details = json_pack("{s:s, s:s}", "type", "cancelled", "reason", "client_cancelled");
        return "cancelled";
    }
    if (failure->status) {
        *details = json_pack("{s:s, s:o}", "type", "failed", "error", failure_object(failure));
        return "failed";
    }
    if (!finish || strcmp(finish, "length") == 0) {
        *details = json_pack("{s:s, s:s}", "type", "incomplete", "reason", "max_output_tokens");
        return "incomplete";
    }
    *details = NULL;
    return "completed";
}

static void on_end(void *context, const struct failure *failure) {
    struct realtime_response *r = context;
    struct realtime *rt = r->session;
    json_t *details;
    const char *status = status_of(r, failure, &details);
    bool whole = strcmp(status, "completed") == 0;
    if (!failure->status) item_writer_need_one(&r->writer);
    item_writer_close(&r->writer, whole);
    bool last = unlink_response(r); /* the next may begin as soon as the client hears of the end */
    realtime_say(rt, "response.done", json_pack("{s:o}", "response", response_json(r, status, details)));
    if (last) channel_close(rt->channel.channel, 1001, "the server is shutting down");
    destroy_response(r);
    channel_drop(rt->channel.channel);
}

static bool has_default_response(const struct realtime *rt) {
    for (const struct realtime_response *r = rt->responses; r; r = r->next)
        if (r->in_conversation) return true;
    return false;
}

/* Under the lock: may another response begin? */
static bool may_respond(const struct realtime *rt, bool in_conversation, struct failure *failure) {
    if (rt->draining || rt->closed) {
        *failure = (struct failure){.status = 503, .code = "shutting_down"};
        strcpy(failure->message, "The server is shutting down");
        return false;
    }
    if (in_conversation && has_default_response(rt)) {
        refuse(failure, NULL, "The conversation has an active response: wait for it, or cancel it");
        failure->code = "conversation_already_has_active_response";
        return false;
    }
    if (rt->n_responses < MAX_RESPONSES) return !in_conversation || realtime_has_room(rt, 0, failure);
    *failure = (struct failure){.status = 429, .code = "too_many_responses"};
    snprintf(failure->message, sizeof failure->message, "%d responses are active already", MAX_RESPONSES);
    return false;
}

/* Under the lock: the items that are answered, a new reference. */
static json_t *items_to_answer(const struct realtime *rt, const json_t *input, struct failure *failure) {
    if (!input) return json_deep_copy(rt->items);
    json_t *items = json_array();
    for (size_t i = 0; i < json_array_size(input); i++) {
        const json_t *item = json_array_get(input, i);
        const char *id = json_text_or(item, "id", "");
        bool reference = strcmp(json_text_or(item, "type", ""), "item_reference") == 0;
        const json_t *meant = reference ? json_array_get(rt->items, realtime_find_item(rt, id)) : item;
        if (!meant) {
            refuse(failure, "response.input", "There is no item '%.128s'", id);
            json_decref(items);
            return NULL;
        }
        json_array_append_new(items, json_deep_copy(meant));
    }
    return items;
}

static bool add_messages(json_t *chat, const json_t *body, const json_t *items, struct failure *failure) {
    json_t *messages = json_array();
    const char *instructions = json_text_or(body, "instructions", "");
    if (*instructions)
        json_array_append_new(messages, json_pack("{s:s, s:s}", "role", "system", "content", instructions));
    for (size_t i = 0; i < json_array_size(items); i++) {
        char place[32];
        snprintf(place, sizeof place, "items[%zu]", i);
        if (item_to_message(messages, json_array_get(items, i), place, failure)) continue;
        json_decref(messages);
        return false;
    }
    json_object_set_new(chat, "messages", messages);
    return true;
}

/* The body of a chat with the same meaning. */
static json_t *chat_of(const json_t *body, const json_t *items, struct failure *failure) {
    static const char *const own[] = {"id",
                                      "object",
                                      "type",
                                      "output_modalities",
                                      "modalities",
                                      "max_output_tokens",
                                      "max_response_output_tokens",
                                      "conversation",
                                      "input",
                                      "metadata",
                                      "instructions",
                                      "tools",
                                      "tool_choice",
                                      "reasoning",
                                      "tracing",
                                      "truncation",
                                      "stream",
                                      "messages"};
    json_t *chat = json_copy((json_t *)body);
    const json_t *most = json_member(body, "max_output_tokens");
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) json_object_del(chat, own[i]);
    if (json_is_number(most)) json_object_set(chat, "max_tokens", (json_t *)most);
    json_t *effort = json_member(json_member(body, "reasoning"), "effort");
    if (effort) json_object_set(chat, "reasoning_effort", effort);
    json_object_set_new(chat, "add_generation_prompt", json_true()); /* an answer is never continued here */
    if (add_messages(chat, body, items, failure) && item_tools_to_chat(chat, body, failure)) return chat;
    json_decref(chat);
    return NULL;
}

static bool read_request(struct realtime *rt, const json_t *body, const json_t *items, struct chat_request *request,
                         struct failure *failure) {
    json_t *chat = chat_of(body, items, failure);
    char path[SCHEMA_PATH_BYTES];
    bn_error error = {0};
    if (!chat) return failure->status ? false : succeeded(failure, BN_STATUS_NO_MEMORY, NULL);
    bool ok = json_array_size(json_object_get(chat, "messages")) > 0;
    if (!ok) refuse(failure, "response.input", "There is nothing to answer: no items and no instructions");
    if (ok && !(ok = succeeded(failure, schema_validate(&chat_request_schema, chat, path, &error), &error)))
        snprintf(failure->param, sizeof failure->param, "response.%.140s", path);
    if (ok && !(ok = chat_request_read(request, rt->api->models, chat, failure))) chat_request_release(request);
    if (ok) client_heed(rt->channel.client, chat, &request->settings.options);
    json_decref(chat);
    return ok;
}

static struct realtime_response *create(struct realtime *rt, const json_t *body, bool in_conversation,
                                        struct chat_request *request) {
    struct realtime_response *r = mem_calloc(1, sizeof *r);
    bool ok = r && item_writer_init(&r->writer);
    if (!ok) {
        mem_free(r);
        chat_request_release(request);
        return NULL;
    }
    r->session = rt;
    r->in_conversation = in_conversation;
    r->writer.emit = emit;
    r->writer.end = on_end;
    r->writer.context = r;
    r->writer.realtime = true;
    json_t *metadata = json_member(body, "metadata"), *most = json_member(body, "max_output_tokens");
    r->metadata = metadata ? json_deep_copy(metadata) : json_null();
    r->max_output_tokens = most ? json_deep_copy(most) : json_string("inf");
    make_id(r->id, sizeof r->id, "resp_");
    r->answer = answer_create(request, &item_answer_format, &r->writer);
    if (r->answer) return r;
    destroy_response(r);
    return NULL;
}

/* Puts it on the session's list, unless that has changed its mind meanwhile. */
static bool link_response(struct realtime_response *r, struct failure *failure) {
    struct realtime *rt = r->session;
    realtime_lock(rt);
    bool ok = may_respond(rt, r->in_conversation, failure);
    if (ok) {
        r->next = rt->responses;
        rt->responses = r;
        rt->n_responses++;
        if (rt->paused) answer_pause(r->answer, true);
    }
    realtime_unlock(rt);
    return ok;
}

bool realtime_create_response(struct realtime *rt, const json_t *event, struct failure *failure) {
    const json_t *asked = json_member(event, "response"), *input = json_member(asked, "input");
    bool in_conversation = strcmp(json_text_or(asked, "conversation", "auto"), "auto") == 0;
    struct chat_request request;
    json_t *body = NULL, *items = NULL;
    realtime_lock(rt);
    if (may_respond(rt, in_conversation, failure)) {
        body = json_deep_copy(rt->config);
        items = items_to_answer(rt, input, failure);
    }
    realtime_unlock(rt);
    if (asked) realtime_configure(body, asked);
    bool ok = body && items && read_request(rt, body, items, &request, failure);
    struct realtime_response *r = ok ? create(rt, body, in_conversation, &request) : NULL;
    json_decref(body);
    json_decref(items);
    if (!r) return failure->status ? false : succeeded(failure, BN_STATUS_NO_MEMORY, NULL);
    if (!link_response(r, failure)) {
        destroy_response(r);
        return false;
    }
    channel_hold(rt->channel.channel);
    realtime_say(rt, "response.created", json_pack("{s:o}", "response", response_json(r, "in_progress", NULL)));
    say_limits(r);
    answer_start(r->answer); /* its end may have come when this returns */
    return true;
}

bool realtime_cancel_response(struct realtime *rt, const json_t *event, struct failure *failure) {
    const char *id = json_text_or(event, "response_id", NULL);
    bool found = false;
    realtime_lock(rt);
    for (struct realtime_response *r = rt->responses; r; r = r->next) {
        if (id ? strcmp(id, r->id) != 0 : !r->in_conversation) continue;
        r->cancelled = found = true;
        answer_cancel(r->answer);
    }
    realtime_unlock(rt);
    if (found) return true;
    refuse(failure, id ? "response_id" : NULL, "There is no such active response");
    failure->code = "response_cancel_not_active";
    return false;
}
