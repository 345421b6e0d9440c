/* The engine's outside: parse a template once, render it as transformers' apply_chat_template(tokenize=False) does.
 *
 * transformers prepares the conversation before the template sees it: message keys that are null are dropped, whichever
 * reasoning field a message has is copied to `reasoning_content` and `thinking`, and for continue_final_message a marker
 * is put behind the last message, at which the prompt is then cut. */
#include "tokenizer/template/chat_template.h"

#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "tokenizer/template/builtins.h"
#include "tokenizer/template/characters.h"
#include "tokenizer/template/integer.h"
#include "tokenizer/template/parser.h"

enum {
    DEFAULT_STEPS = 20 * 1000 * 1000,
    DEFAULT_OUTPUT = 4 << 20,
    DEFAULT_MEMORY = 64 << 20,
    DEFAULT_DEPTH = 100,
    MAX_SOURCE = 8 << 20,
    MAX_TREE_MEMORY = 256 << 20, /* a tree is some 50 times its source at worst */
};
static const char MARKER[] = "CONTINUE_FINAL_MESSAGE_TAG "; /* with its blank: as in transformers */

struct chat_template {
    struct arena arena;
    struct parsed_template parsed;
    char *source; /* \n line ends, without a last one; in the arena */
    size_t source_size;
};

/* \r\n and \r become \n; one newline at the end goes. */
static size_t normalize_newlines(char *out, const char *in, size_t n) {
    size_t size = 0;
    for (size_t i = 0; i < n; i++) {
        if (in[i] == '\r' && i + 1 < n && in[i + 1] == '\n') continue;
        out[size++] = in[i] == '\r' ? '\n' : in[i];
    }
    return size && out[size - 1] == '\n' ? size - 1 : size;
}

void chat_template_destroy(struct chat_template *chat_template) {
    if (!chat_template) return;
    string_map_release(&chat_template->parsed.names);
    arena_release(&chat_template->arena);
    mem_free(chat_template);
}

bn_status chat_template_parse(const char *source, size_t size, const char *name, struct chat_template **out,
                              bn_error *err) {
    if (size > MAX_SOURCE)
        return fail(err, BN_STATUS_BAD_FILE, "%s: a chat template of %zu bytes (at most %d)", name, size, MAX_SOURCE);
    if (!utf8_valid(source, size)) return fail(err, BN_STATUS_BAD_FILE, "%s: the chat template is not UTF-8", name);
    struct chat_template *template = mem_calloc(1, sizeof *template);
    if (!template) return fail_no_memory(err, sizeof *template);
    struct evaluator ev = {
        .err = err, .failure_status = BN_STATUS_BAD_FILE, .max_memory = MAX_TREE_MEMORY, .steps_left = UINT64_MAX};
    arena_init(&ev.arena);
    char *text = ev_alloc(&ev, size + 1);
    if (text) {
        ev.source = text;
        ev.source_size = normalize_newlines(text, source, size);
        parse_template(&ev, &template->parsed);
    }
    template->arena = ev.arena;
    template->source = text;
    template->source_size = ev.source_size;
    if (ev.status != BN_OK) {
        chat_template_destroy(template);
        error_prefix(err, "%s", name);
        return ev.status;
    }
    *out = template;
    return BN_OK;
}

static bool value_from_json(struct evaluator *ev, const json_t *json, struct value *out);

static bool text_from_bytes(struct evaluator *ev, const char *data, size_t n, struct value *out) {
    struct text *text = text_wrap(ev, data, n); /* the request outlives the rendering */
    if (text) *out = value_text(text);
    return text != NULL;
}

static bool dict_from_json(struct evaluator *ev, const json_t *json, bool drop_null, struct dict **out) {
    const char *key;
    json_t *member;
    struct dict *dict = dict_create(ev, json_object_size(json));
    if (!dict) return false;
    json_object_foreach((json_t *)(uintptr_t)json, key, member) {
        struct value k, v;
        if (drop_null && json_is_null(member)) continue;
        if (!text_from_bytes(ev, key, strlen(key), &k) || !value_from_json(ev, member, &v) || !dict_set(ev, dict, k, v))
            return false;
    }
    *out = dict;
    return true;
}

static bool list_from_json(struct evaluator *ev, const json_t *json, struct value *out) {
    size_t n = json_array_size(json);
    struct value *items = ev_alloc_array(ev, n, sizeof *items);
    if (!items) return false;
    for (size_t i = 0; i < n; i++)
        if (!value_from_json(ev, json_array_get(json, i), &items[i])) return false;
    return list_value(ev, V_LIST, items, n, out);
}

static bool value_from_json(struct evaluator *ev, const json_t *json, struct value *out) {
    struct dict *dict;
    bool ok = ev_enter(ev);
    if (!ok) return false;
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        ok = dict_from_json(ev, json, false, &dict);
        if (ok) *out = (struct value){.type = V_DICT, .as.dict = dict};
        break;
    case JSON_ARRAY:
        ok = list_from_json(ev, json, out);
        break;
    case JSON_STRING:
        ok = text_from_bytes(ev, json_string_value(json), json_string_length(json), out);
        break;
    case JSON_INTEGER:
        *out = value_int(json_integer_value(json));
        break;
    case JSON_REAL:
        *out = value_float(json_real_value(json));
        break;
    case JSON_TRUE:
        *out = value_bool(true);
        break;
    case JSON_FALSE:
        *out = value_bool(false);
        break;
    case JSON_NULL:
        *out = value_none();
        break;
    }
    ev_leave(ev);
    return ok;
}

/* {"thinking": r, **message, "reasoning_content": r} for whichever field r is in. */
static bool with_reasoning(struct evaluator *ev, struct dict **message) {
    static const char *const fields[] = {"reasoning_content", "thinking", "reasoning"};
    const struct value *reasoning = NULL;
    for (size_t i = 0; i < 3 && !reasoning; i++) reasoning = dict_get_text(*message, fields[i], strlen(fields[i]));
    if (!reasoning) return true;
    struct dict *extended = dict_create(ev, (*message)->n + 2);
    struct value thinking, content;
    if (!extended || !text_from_bytes(ev, "thinking", 8, &thinking) ||
        !text_from_bytes(ev, "reasoning_content", 17, &content) || !dict_set(ev, extended, thinking, *reasoning))
        return false;
    for (size_t i = 0; i < (*message)->n; i++)
        if (!dict_set(ev, extended, (*message)->entries[i].key, (*message)->entries[i].value)) return false;
    if (!dict_get_text(extended, "reasoning_content", 17) && !dict_set(ev, extended, content, *reasoning)) return false;
    *message = extended;
    return true;
}

static bool messages_from_json(struct evaluator *ev, const json_t *json, struct value *out) {
    if (!json_is_array(json)) return ev_fail(ev, "'messages' must be a list of messages");
    size_t n = json_array_size(json);
    struct value *items = ev_alloc_array(ev, n, sizeof *items);
    if (!items) return false;
    for (size_t i = 0; i < n; i++) {
        struct dict *message;
        const json_t *member = json_array_get(json, i);
        if (!json_is_object(member)) return ev_fail(ev, "message %zu must be an object", i);
        if (!dict_from_json(ev, member, true, &message) || !with_reasoning(ev, &message)) return false;
        items[i] = (struct value){.type = V_DICT, .as.dict = message};
    }
    return list_value(ev, V_LIST, items, n, out);
}

/* A copy of the dict with another value for one key. */
static bool dict_with(struct evaluator *ev, const struct dict *dict, struct value key, struct value v,
                      struct value *out) {
    struct dict *copy = dict_create(ev, dict->n + 1);
    if (!copy) return false;
    for (size_t i = 0; i < dict->n; i++)
        if (!dict_set(ev, copy, dict->entries[i].key, dict->entries[i].value)) return false;
    *out = (struct value){.type = V_DICT, .as.dict = copy};
    return dict_set(ev, copy, key, v);
}

static bool marked_text(struct evaluator *ev, struct value text, const struct text **unmarked, struct value *out) {
    struct text *marker = text_wrap(ev, MARKER, sizeof MARKER - 1);
    if (text.type != V_TEXT) return ev_fail(ev, "continue_final_message: the final message's content is not text");
    *unmarked = text.as.text;
    return marker && text_concat(ev, text.as.text, marker, out);
}

/* The last part that has a text gets the marker. */
static bool marked_parts(struct evaluator *ev, const struct list *parts, const struct text **unmarked,
                         struct value *out) {
    struct value *items = ev_alloc_array(ev, parts->n, sizeof *items), key, marked;
    if (!items || !text_from_bytes(ev, "text", 4, &key)) return false;
    memcpy(items, parts->items ? parts->items : items, parts->n * sizeof *items);
    for (size_t i = parts->n; i-- > 0;) {
        const struct value *text = items[i].type == V_DICT ? dict_get_text(items[i].as.dict, "text", 4) : NULL;
        if (!text) continue;
        return marked_text(ev, *text, unmarked, &marked) && dict_with(ev, items[i].as.dict, key, marked, &items[i]) &&
               list_value(ev, V_LIST, items, parts->n, out);
    }
    return ev_fail(ev, "continue_final_message: the final message has no text to continue");
}

/* Replaces the last message by one with the marker behind its `field`; *unmarked is the text before it. */
static bool mark_final_message(struct evaluator *ev, const char *field, struct value *messages,
                               const struct text **unmarked) {
    const struct list *list = messages->as.list;
    struct value key, marked;
    size_t n = strlen(field);
    if (!list->n) return ev_fail(ev, "continue_final_message: there are no messages");
    const struct dict *last = list->items[list->n - 1].as.dict;
    const struct value *content = dict_get_text(last, field, n);
    if (!content) return ev_fail(ev, "continue_final_message: the final message has no %s", field);
    if (!memmem(ev->source, ev->source_size, field, n))
        return ev_fail(ev, "continue_final_message: the template doesn't mention '%s'", field);
    bool ok = content->type == V_LIST ? marked_parts(ev, content->as.list, unmarked, &marked)
                                      : marked_text(ev, *content, unmarked, &marked);
    struct value *items = ok ? ev_alloc_array(ev, list->n, sizeof *items) : NULL;
    if (!items || !text_from_bytes(ev, field, n, &key)) return false;
    memcpy(items, list->items, list->n * sizeof *items);
    return dict_with(ev, last, key, marked, &items[list->n - 1]) && list_value(ev, V_LIST, items, list->n, messages);
}

/* Cuts the prompt where the marker stands; if the template took the marker's blank, what it would have taken from the
 * text's own end goes too. */
static bool cut_at_marker(struct evaluator *ev, struct writer *prompt, const struct text *unmarked) {
    struct value stripped;
    const size_t n = sizeof MARKER - 2;
    if (!strip_text(ev, value_text(unmarked), value_missing(), true, true, &stripped)) return false;
    const struct text *text = stripped.as.text;
    struct text marker = {.data = MARKER, .n_bytes = n, .n_chars = n};
    const char *at = NULL;
    if (prompt->size && !find_text(ev, prompt->data, prompt->size, &marker, true, &at)) return false;
    if (!at || (text->n_bytes && !memmem(prompt->data, prompt->size, text->data, text->n_bytes)))
        return ev_fail(ev, "continue_final_message: the final message does not appear in the prompt");
    size_t cut = (size_t)(at - prompt->data);
    if (cut + n >= prompt->size || at[n] != ' ') {
        struct text *kept = text_wrap(ev, prompt->data, cut);
        if (!kept || !strip_text(ev, value_text(kept), value_missing(), false, true, &stripped)) return false;
        cut = stripped.as.text->n_bytes;
    }
    prompt->size = cut;
    return true;
}

static void set_global(struct evaluator *ev, const struct chat_template *template, const char *name, struct value v) {
    uint32_t id;
    if (string_map_find(&template->parsed.names, name, strlen(name), &id)) ev->globals[id] = v;
}

/* `self`: the template's blocks by their names. They see the outermost variables. */
static bool self_value(struct evaluator *ev, const struct node_list *blocks, struct value *out) {
    struct namespace_object *space = ev_alloc(ev, sizeof *space);
    struct dict *dict = dict_create(ev, blocks->n);
    if (!space || !dict) return false;
    for (size_t i = 0; i < blocks->n; i++) {
        struct value block;
        const struct text *name = &blocks->items[i]->as.macro->name->text;
        if (!macro_value(ev, NULL, blocks->items[i], &block) || !dict_set(ev, dict, value_text(name), block))
            return false;
    }
    *space = (struct namespace_object){.attributes = *dict, .fixed = true};
    *out = (struct value){.type = V_NAMESPACE, .as.space = space};
    return true;
}

static bool set_globals(struct evaluator *ev, const struct chat_template *template, const json_t *input,
                        struct value messages) {
    static const char *const functions[] = {"range",           "dict",        "namespace", "cycler", "joiner",
                                            "raise_exception", "strftime_now"};
    const char *key;
    json_t *member;
    ev->globals = ev_alloc_array(ev, template->parsed.n_names, sizeof *ev->globals);
    if (!ev->globals) return false;
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        const struct builtin *function = find_global(functions[i], strlen(functions[i]));
        set_global(ev, template, functions[i], (struct value){.type = V_FUNCTION, .as.function = function});
    }
    set_global(ev, template, "tools", value_none());
    set_global(ev, template, "documents", value_none());
    set_global(ev, template, "add_generation_prompt", value_bool(false));
    json_object_foreach((json_t *)(uintptr_t)input, key, member) {
        uint32_t id;
        if (strcmp(key, "continue_final_message") == 0 || strcmp(key, "messages") == 0) continue;
        if (string_map_find(&template->parsed.names, key, strlen(key), &id) &&
            !value_from_json(ev, member, &ev->globals[id]))
            return false;
    }
    set_global(ev, template, "messages", messages);
    struct value self;
    uint32_t id;
    if (!string_map_find(&template->parsed.names, "self", 4, &id)) return true;
    if (!self_value(ev, &template->parsed.blocks, &self)) return false;
    ev->globals[id] = self;
    return true;
}

static bool render(struct evaluator *ev, const struct chat_template *template, const json_t *input,
                   struct writer *prompt) {
    struct value messages;
    const struct text *unmarked = NULL;
    const json_t *continued = json_object_get(input, "continue_final_message"); /* true or the name of a field */
    const char *field = json_is_string(continued) ? json_string_value(continued) : "content";
    bool continues = json_is_true(continued) || (json_is_string(continued) && field[0]);
    if (!json_is_object(input)) return ev_fail(ev, "the input must be an object with 'messages'");
    if (continues && json_is_true(json_object_get(input, "add_generation_prompt")))
        return ev_fail(ev, "continue_final_message and add_generation_prompt exclude each other");
    if (!messages_from_json(ev, json_object_get(input, "messages"), &messages)) return false;
    if (continues && !mark_final_message(ev, field, &messages, &unmarked)) return false;
    if (!set_globals(ev, template, input, messages)) return false;
    ev->out = ev->prompt = prompt;
    if (execute(ev, NULL, &template->parsed.body) == FLOW_FAIL) return false;
    return !continues || cut_at_marker(ev, prompt, unmarked);
}

/* {% generation %} ranges in bytes of the prompt. */
static bool give_spans(struct evaluator *ev, const struct writer *prompt, struct chat_template_span **spans,
                       size_t *n_spans) {
    struct chat_template_span *found = mem_alloc_array(ev->n_spans + 1, sizeof *found);
    if (!found) return ev_out_of_memory(ev);
    for (size_t i = 0; i < ev->n_spans; i++) {
        size_t begin = min_size(ev->spans[i].begin_byte, prompt->size), end = begin;
        for (size_t n = ev->spans[i].n_chars; n && end < prompt->size; n--) {
            const char *p = prompt->data + end;
            next_code_point(&p);
            end = (size_t)(p - prompt->data);
        }
        found[i] = (struct chat_template_span){begin, end};
    }
    *spans = found;
    *n_spans = ev->n_spans;
    return true;
}

bn_status chat_template_render(const struct chat_template *chat_template, const struct chat_template_request *request,
                               struct buffer *out, struct chat_template_span **spans, size_t *n_spans, bn_error *err) {
    const struct chat_template_limits *limits = &request->limits;
    struct evaluator ev = {
        .max_memory = limits->max_memory_bytes ? limits->max_memory_bytes : DEFAULT_MEMORY,
        .steps_left = limits->max_steps ? limits->max_steps : DEFAULT_STEPS,
        .max_depth = MAX_EVALUATOR_NESTING,
        .max_calls = limits->max_depth ? limits->max_depth : DEFAULT_DEPTH,
        .source = chat_template->source,
        .source_size = chat_template->source_size,
        .err = err,
        .failure_status = BN_STATUS_BAD_ARGUMENT,
        .names = &chat_template->parsed.special,
        .now = request->now,
    };
    struct writer prompt = {.limit = limits->max_output_bytes ? limits->max_output_bytes : DEFAULT_OUTPUT};
    arena_init(&ev.arena);
    if (render(&ev, chat_template, request->input, &prompt) && (!spans || give_spans(&ev, &prompt, spans, n_spans))) {
        buffer_append(out, prompt.data ? prompt.data : "", prompt.size);
        if (out->failed) {
            ev_out_of_memory(&ev);
            if (spans) mem_free(*spans);
        }
    }
    arena_release(&ev.arena);
    return ev.status;
}
