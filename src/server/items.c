#include "server/items.h"

#include <stdio.h>
#include <string.h>

/* ---- to messages ---- */

static bool add_call(json_t *messages, const json_t *item, const char *place, struct failure *failure) {
    const char *name = json_text_or(item, "name", NULL);
    if (!name) return refuse(failure, place, "'%s.name' must be a string", place);
    json_t *call = json_pack("{s:s, s:s, s:{s:s, s:s}}", "id", json_text_or(item, "call_id", ""), "type", "function",
                             "function", "name", name, "arguments", json_text_or(item, "arguments", "{}"));
    json_t *last = json_array_get(messages, json_array_size(messages) - 1);
    json_t *calls = json_object_get(last, "tool_calls");
    if (calls) /* calls beside each other are one message */
        return json_array_append_new(calls, call) == 0 || succeeded(failure, BN_STATUS_NO_MEMORY, NULL);
    json_array_append_new(messages,
                          json_pack("{s:s, s:s, s:[o]}", "role", "assistant", "content", "", "tool_calls", call));
    return true;
}

bool item_to_message(json_t *messages, const json_t *item, const char *place, struct failure *failure) {
    const char *type = json_text_or(item, "type", "message");
    const char *role = json_text_or(item, "role", NULL);
    json_t *content = json_object_get(item, "content"), *output = json_object_get(item, "output");
    if (strcmp(type, "function_call") == 0) return add_call(messages, item, place, failure);
    if (strcmp(type, "reasoning") == 0) return true; /* the model thinks anew */
    if (strcmp(type, "function_call_output") == 0) {
        if (!json_is_string(output) && !json_is_array(output))
            return refuse(failure, place, "'%s.output' must be a text", place);
        json_array_append_new(messages, json_pack("{s:s, s:s, s:O}", "role", "tool", "tool_call_id",
                                                  json_text_or(item, "call_id", ""), "content", output));
        return true;
    }
    if (strcmp(type, "message") != 0)
        return refuse(failure, place, "'%s' is of type '%.40s', which isn't supported", place, type);
    bool known = role && (!strcmp(role, "user") || !strcmp(role, "assistant") || !strcmp(role, "system") ||
                          !strcmp(role, "developer"));
    if (!known || (!json_is_string(content) && !json_is_array(content)))
        return refuse(failure, place, "'%s' needs a 'role' (user, assistant, system, developer) and a 'content'",
                      place);
    json_array_append_new(messages, json_pack("{s:s, s:O}", "role", role, "content", content));
    return true;
}

/* ---- to lists ---- */

static const char *id_prefix(const char *type) {
    if (strcmp(type, "function_call") == 0) return "fc_";
    if (strcmp(type, "function_call_output") == 0) return "fco_";
    return strcmp(type, "reasoning") == 0 ? "rs_" : "msg_";
}

static json_t *listed(const json_t *item) {
    const char *type = json_text_or(item, "type", "message");
    json_t *out = json_copy((json_t *)item), *content = json_object_get(item, "content");
    char id[40];
    make_id(id, sizeof id, id_prefix(type));
    if (!json_member(item, "id")) json_object_set_new(out, "id", json_string(id));
    if (!json_member(item, "type")) json_object_set_new(out, "type", json_string(type));
    if (!json_member(item, "status")) json_object_set_new(out, "status", json_string("completed"));
    if (!json_is_string(content)) return out;
    bool said = strcmp(json_text_or(item, "role", ""), "assistant") == 0;
    json_t *part = json_pack("{s:s, s:O}", "type", said ? "output_text" : "input_text", "text", content);
    if (said) json_object_set_new(part, "annotations", json_array());
    json_object_set_new(out, "content", json_pack("[o]", part));
    return out;
}

void items_add_listed(json_t *list, const json_t *input) {
    if (json_is_string(input)) {
        json_t *item = json_pack("{s:s, s:O}", "role", "user", "content", input);
        json_array_append_new(list, listed(item));
        json_decref(item);
    }
    for (size_t i = 0; i < json_array_size(input); i++) json_array_append_new(list, listed(json_array_get(input, i)));
}

bool item_tools_to_chat(json_t *chat, const json_t *body, struct failure *failure) {
    const json_t *tools = json_member(body, "tools");
    json_t *list = json_array();
    for (size_t i = 0; i < json_array_size(tools); i++) {
        const json_t *tool = json_array_get(tools, i);
        const char *type = json_text_or(tool, "type", ""), *name = json_text_or(tool, "name", NULL);
        char place[64];
        snprintf(place, sizeof place, "tools[%zu]", i);
        if (strcmp(type, "function") != 0 || !name) {
            json_decref(list);
            return refuse(failure, place,
                          name ? "'%s' is of type '%.40s': functions are supported"
                               : "'%s' is of type '%.40s', or has no 'name'",
                          place, type);
        }
        json_t *function = json_pack("{s:s}", "name", name);
        if (json_member(tool, "description"))
            json_object_set(function, "description", json_object_get(tool, "description"));
        if (json_member(tool, "parameters"))
            json_object_set(function, "parameters", json_object_get(tool, "parameters"));
        json_array_append_new(list, json_pack("{s:s, s:o}", "type", "function", "function", function));
    }
    if (json_array_size(list)) json_object_set(chat, "tools", list);
    json_decref(list);
    if (json_member(body, "tool_choice")) json_object_set(chat, "tool_choice", json_object_get(body, "tool_choice"));
    if (json_member(body, "parallel_tool_calls"))
        json_object_set(chat, "parallel_tool_calls", json_object_get(body, "parallel_tool_calls"));
    return true;
}

/* ---- from an answer ---- */

bool item_writer_init(struct item_writer *writer) {
    writer->output = json_array();
    return writer->output != NULL;
}

void item_writer_release(struct item_writer *writer) {
    json_decref(writer->output);
    buffer_release(&writer->text);
}

static void emit(struct item_writer *w, const char *type, json_t *event) {
    w->emit(w->context, type, event);
}

static json_int_t index_of(const struct item_writer *w) {
    return (json_int_t)json_array_size(w->output);
}

static json_t *buffer_json(const struct buffer *text) {
    return json_text(text->data, text->size);
}

static json_t *text_part(const struct item_writer *w, bool whole) {
    json_t *text = whole ? buffer_json(&w->text) : json_string("");
    if (w->realtime) return json_pack("{s:s, s:o}", "type", "text", "text", text);
    if (w->open == ITEM_REASONING) return json_pack("{s:s, s:o}", "type", "reasoning_text", "text", text);
    return json_pack("{s:s, s:o, s:[], s:[]}", "type", "output_text", "text", text, "annotations", "logprobs");
}

/* The part as an item's content has it. */
static json_t *content_part(const struct item_writer *w) {
    if (!w->realtime) return text_part(w, true);
    return json_pack("{s:s, s:o}", "type", "output_text", "text", buffer_json(&w->text));
}

static json_t *item_json(const struct item_writer *w, const char *status) {
    bool begun = strcmp(status, "in_progress") == 0;
    json_t *item;
    if (w->open == ITEM_CALL) {
        item = json_pack("{s:s, s:s, s:s, s:o, s:o, s:s}", "type", "function_call", "id", w->id, "call_id", w->call->id,
                         "name", buffer_json(&w->call->name), "arguments",
                         begun ? json_string("") : buffer_json(&w->text), "status", status);
    } else {
        json_t *content = json_array();
        if (!begun) json_array_append_new(content, content_part(w));
        item = w->open == ITEM_REASONING ? json_pack("{s:s, s:s, s:[], s:o, s:s}", "type", "reasoning", "id", w->id,
                                                     "summary", "content", content, "status", status)
                                         : json_pack("{s:s, s:s, s:s, s:s, s:o}", "type", "message", "id", w->id,
                                                     "status", status, "role", "assistant", "content", content);
    }
    if (w->realtime) json_object_set_new(item, "object", json_string("realtime.item"));
    return item;
}

/* An event about the open item. */
static json_t *item_event(const struct item_writer *w) {
    json_t *event = json_pack("{s:s, s:I}", "item_id", w->id, "output_index", index_of(w));
    if (w->open != ITEM_CALL) json_object_set_new(event, "content_index", json_integer(0));
    if (w->open == ITEM_CALL && w->realtime) json_object_set_new(event, "call_id", json_string(w->call->id));
    return event;
}

static json_t *text_event(const struct item_writer *w, const char *member, json_t *text) {
    json_t *event = item_event(w);
    json_object_set_new(event, member, text);
    if (w->open != ITEM_CALL && !w->realtime) json_object_set_new(event, "logprobs", json_array());
    return event;
}

static json_t *part_event(const struct item_writer *w, bool whole) {
    json_t *event = item_event(w);
    json_object_set_new(event, "part", text_part(w, whole));
    return event;
}

void item_writer_close(struct item_writer *w, bool whole) {
    if (w->open == ITEM_NONE) return;
    if (w->open == ITEM_CALL) {
        json_t *event = text_event(w, "arguments", buffer_json(&w->text));
        json_object_set_new(event, "name", buffer_json(&w->call->name));
        emit(w, "response.function_call_arguments.done", event);
    } else {
        emit(w, w->open == ITEM_MESSAGE ? "response.output_text.done" : "response.reasoning_text.done",
             text_event(w, "text", buffer_json(&w->text)));
        emit(w, "response.content_part.done", part_event(w, true));
    }
    json_t *item = item_json(w, whole ? "completed" : "incomplete");
    emit(w, "response.output_item.done", json_pack("{s:I, s:O}", "output_index", index_of(w), "item", item));
    json_array_append_new(w->output, item);
    buffer_clear(&w->text);
    w->open = ITEM_NONE;
}

static void open_item(struct item_writer *w, enum item_kind kind, const struct answer_call *call) {
    static const char *const prefixes[] = {"", "msg_", "rs_", "fc_"};
    item_writer_close(w, true);
    w->open = kind;
    w->call = call;
    make_id(w->id, sizeof w->id, prefixes[kind]);
    emit(w, "response.output_item.added",
         json_pack("{s:I, s:o}", "output_index", index_of(w), "item", item_json(w, "in_progress")));
    if (kind != ITEM_CALL) emit(w, "response.content_part.added", part_event(w, false));
}

void item_writer_need_one(struct item_writer *w) {
    if (w->open == ITEM_NONE && json_array_size(w->output) == 0) open_item(w, ITEM_MESSAGE, NULL);
}

/* ---- what the answer tells ---- */

static void add_text(struct item_writer *w, enum item_kind kind, const char *text, size_t n) {
    if (w->open != kind) open_item(w, kind, NULL);
    buffer_append(&w->text, text, n);
    emit(w, kind == ITEM_MESSAGE ? "response.output_text.delta" : "response.reasoning_text.delta",
         text_event(w, "delta", json_text(text, n)));
}

static void on_text(void *context, struct answer_choice *choice, const char *text, size_t n) {
    (void)choice;
    add_text(context, ITEM_MESSAGE, text, n);
}

static void on_reasoning(void *context, struct answer_choice *choice, const char *text, size_t n) {
    struct item_writer *w = context;
    (void)choice;
    if (!w->realtime) add_text(w, ITEM_REASONING, text, n);
}

static void on_call_begin(void *context, struct answer_choice *choice, const struct answer_call *call) {
    (void)choice;
    open_item(context, ITEM_CALL, call);
}

static void on_call_arguments(void *context, struct answer_choice *choice, const struct answer_call *call,
                              const char *text, size_t n) {
    struct item_writer *w = context;
    (void)choice;
    w->call = call; /* calls may move as more come */
    buffer_append(&w->text, text, n);
    emit(w, "response.function_call_arguments.delta", text_event(w, "delta", json_text(text, n)));
}

static void on_call_end(void *context, struct answer_choice *choice, const struct answer_call *call) {
    (void)choice, (void)call;
    item_writer_close(context, true);
}

static void on_end(void *context, const struct failure *failure) {
    struct item_writer *w = context;
    w->end(w->context, failure);
}

const struct answer_format item_answer_format = {
    .text = on_text,
    .reasoning = on_reasoning,
    .call_begin = on_call_begin,
    .call_arguments = on_call_arguments,
    .call_end = on_call_end,
    .end = on_end,
};
