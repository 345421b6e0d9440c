/* Calls whose arguments are elements (bn_tool_markup), read as typed JSON by their functions' schemas. */
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "engine/grammar/tool_markup.h"
#include "server/output_parser_core.h"

/* 1: the word comes next; 0: it may; -1: something else does. */
static int comes_next(const struct buffer *pending, const char *word) {
    size_t n = strlen(word);
    if (memcmp(pending->data, word, min_size(n, pending->size)) != 0) return -1;
    return pending->size >= n;
}

/* The front of what is pending has been read as a part of a call. */
static void take(struct output_parser *parser, size_t n) {
    if (!parser->call.begun) buffer_append(&parser->raw, parser->pending.data, n);
    parser_drop_front(&parser->pending, n);
}

/* False: nothing else is pending. */
static bool take_blanks(struct output_parser *parser) {
    size_t n = 0;
    while (n < parser->pending.size && is_blank(parser->pending.data[n])) n++;
    if (n) take(parser, n);
    return parser->pending.size > 0;
}

static void end_marked_call(struct output_parser *parser) {
    struct call_scan *scan = &parser->call;
    const char *end = scan->n_parameters ? "}" : "{}";
    parser_give_arguments(parser, end, strlen(end));
    scan->arguments_done = true;
    parser_end_call(parser);
    if (parser->markup->list && parser->state == BETWEEN) parser_begin_object(parser, MARKED_CALL);
}

/* Something that can't stand in a call. */
static bool give_up_marked(struct output_parser *parser) {
    if (parser->call.begun)
        end_marked_call(parser);
    else
        parser_give_up_call(parser);
    if (parser->state == MARKED_CALL) parser->state = BETWEEN;
    return true;
}

static bool step_marked_call(struct output_parser *parser) {
    const bn_tool_syntax *syntax = parser->markup;
    if (!take_blanks(parser)) return false;
    int next = comes_next(&parser->pending, syntax->markup->call_begin);
    int end = parser->n_calls && syntax->list ? comes_next(&parser->pending, syntax->end) : -1;
    if (end > 0) {
        parser_drop_front(&parser->pending, strlen(syntax->end));
        buffer_clear(&parser->raw);
        parser->state = BETWEEN;
        return true;
    }
    if (next > 0) {
        take(parser, strlen(syntax->markup->call_begin));
        parser_begin_object(parser, MARKED_NAME);
        return true;
    }
    return next < 0 && end < 0 && give_up_marked(parser);
}

static bool step_marked_name(struct output_parser *parser) {
    const char *end = parser->markup->markup->name_end, *data = parser->pending.data;
    size_t n = parser->pending.size, at = 0;
    while (at < n && (*end ? strncmp(data + at, end, strlen(end)) != 0 : data[at] != '\n' && data[at] != '<')) at++;
    if (at > MAX_NAME_BYTES) return give_up_marked(parser);
    if (at == n) return false;
    buffer_append(&parser->call.name, data, at);
    take(parser, at + strlen(end));
    if (!parser_begin_call(parser)) return give_up_marked(parser);
    parser->state = MARKED_KEY;
    return true;
}

static bool step_marked_key(struct output_parser *parser) {
    const bn_tool_syntax *syntax = parser->markup;
    const char *end = *syntax->markup->call_end ? syntax->markup->call_end : syntax->end;
    if (!take_blanks(parser)) return false;
    int key = comes_next(&parser->pending, syntax->markup->key_begin), over = comes_next(&parser->pending, end);
    if (key > 0) {
        take(parser, strlen(syntax->markup->key_begin));
        buffer_clear(&parser->call.key);
        parser->state = MARKED_KEY_NAME;
    } else if (over > 0) {
        take(parser, strlen(end));
        end_marked_call(parser);
    }
    if (key > 0 || over > 0) return true;
    return key < 0 && over < 0 && give_up_marked(parser);
}

/* The schema of the arguments of the function that is called. */
static const json_t *parameters_of(const struct output_parser *parser) {
    const struct buffer *name = &parser->call.name;
    for (size_t i = 0; i < json_array_size(parser->functions); i++) {
        const json_t *function = json_object_get(json_array_get(parser->functions, i), "function");
        const json_t *own = json_object_get(function, "name");
        if (json_string_length(own) == name->size && memcmp(json_string_value(own), name->data, name->size) == 0)
            return json_object_get(function, "parameters");
    }
    return NULL;
}

static size_t find(const struct buffer *text, const char *word) {
    const char *found = word ? memmem(text->data, text->size, word, strlen(word)) : NULL;
    return found ? (size_t)(found - text->data) : SIZE_MAX;
}

static bool step_key_name(struct output_parser *parser) {
    struct call_scan *scan = &parser->call;
    const bn_tool_markup *markup = parser->markup->markup;
    size_t text = find(&parser->pending, markup->key_end), json = find(&parser->pending, markup->key_end_json);
    size_t n = min_size(text, json);
    if (min_size(n, parser->pending.size) > MAX_NAME_BYTES) return give_up_marked(parser);
    if (n == SIZE_MAX) return false;
    buffer_append(&scan->key, parser->pending.data, n);
    take(parser, n + strlen(n == text ? markup->key_end : markup->key_end_json));
    if (scan->key.failed || scan->key.size == 0) return give_up_marked(parser);
    scan->types = tool_parameter_types(parameters_of(parser), scan->key.data);
    if (markup->key_end_json)
        scan->types = n == text ? (unsigned)JSON_TYPE_STRING : JSON_TYPES_ALL & ~(unsigned)JSON_TYPE_STRING;
    parser_give_arguments(parser, scan->n_parameters ? ", " : "{", scan->n_parameters ? 2 : 1);
    scan->n_parameters++;
    buffer_append_json_string(&scan->held, scan->key.data, scan->key.size);
    parser_give_arguments(parser, ": ", 2);
    parser->state = MARKED_VALUE_BEGIN;
    return true;
}

static bool step_value_begin(struct output_parser *parser) {
    const bn_tool_markup *markup = parser->markup->markup;
    if (*markup->value_begin && !take_blanks(parser)) return false;
    if (parser->pending.size == 0) return false;
    int next = comes_next(&parser->pending, markup->value_begin);
    if (next == 0 && *markup->value_begin) return false;
    if (next < 0) {
        parser_give_arguments(parser, "null", 4);
        return give_up_marked(parser);
    }
    take(parser, strlen(markup->value_begin));
    parser->call.value_begun = false;
    parser->state = MARKED_VALUE;
    if (markup->padded && parser->pending.size && *parser->pending.data == '\n') take(parser, 1);
    return true;
}

/* Characters of a string that is cut into pieces. */
static void give_string_piece(struct output_parser *parser, const char *text, size_t n) {
    struct call_scan *scan = &parser->call;
    buffer_clear(&scan->value);
    buffer_append_json_string(&scan->value, text, n);
    if (!scan->value.failed && scan->value.size >= 2)
        parser_give_arguments(parser, scan->value.data + 1, scan->value.size - 2);
}

/* A whole value: JSON of one of its types, or a string. */
static void give_value(struct output_parser *parser, const char *text, size_t n) {
    struct call_scan *scan = &parser->call;
    json_t *value = n ? json_loadb(text, n, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL) : NULL;
    if (value && json_type_of(value) & scan->types & ~(unsigned)JSON_TYPE_STRING) {
        while (n && is_blank(*text)) text++, n--;
        while (n && is_blank(text[n - 1])) n--;
        parser_give_arguments(parser, text, n);
    } else {
        buffer_append_json_string(&scan->held, text, n);
    }
    json_decref(value);
}

/* The mark that ends a value: in JSON, strings may hold one, so it's the first behind which the value is whole. SIZE_MAX: it hasn't
 * come. */
static size_t find_value_end(const struct output_parser *parser) {
    enum { MOST_TRIES = 8 };
    const struct buffer *pending = &parser->pending;
    const char *end = parser->markup->markup->value_end;
    size_t first = find(pending, end), at = first, n_end = strlen(end), blanks = 0;
    while (blanks < pending->size && is_blank(pending->data[blanks])) blanks++;
    char c = blanks < pending->size ? pending->data[blanks] : '\0';
    if (!(c == '[' && parser->call.types & JSON_TYPE_ARRAY) && !(c == '{' && parser->call.types & JSON_TYPE_OBJECT))
        return first;
    for (int i = 0; i < MOST_TRIES && at != SIZE_MAX; i++) {
        json_error_t error;
        json_t *value = json_loadb(pending->data, at, JSON_DECODE_INT_AS_REAL, &error);
        json_decref(value);
        if (value) return at;
        if (json_error_code(&error) != json_error_premature_end_of_input) break; /* it's no JSON */
        const char *next = memmem(pending->data + at + n_end, pending->size - at - n_end, end, n_end);
        if (!next) return SIZE_MAX;
        at = (size_t)(next - pending->data);
    }
    return first;
}

static bool step_value(struct output_parser *parser) {
    struct call_scan *scan = &parser->call;
    struct buffer *pending = &parser->pending;
    const bn_tool_markup *markup = parser->markup->markup;
    bool string = scan->types == JSON_TYPE_STRING;
    size_t at = string ? find(pending, markup->value_end) : find_value_end(parser);
    bool over = at != SIZE_MAX;
    if (!over && !string) return false;
    size_t n = over ? at : pending->size - parser_tail_of(pending, markup->value_end);
    if (!over && n == pending->size) n -= utf8_incomplete_tail(pending->data, n);
    if (markup->padded && n && pending->data[n - 1] == '\n') n--;
    if (string) {
        if (!scan->value_begun) parser_give_arguments(parser, "\"", 1);
        scan->value_begun = true;
        give_string_piece(parser, pending->data, n);
        if (over) parser_give_arguments(parser, "\"", 1);
    } else {
        give_value(parser, pending->data, n);
    }
    parser_flush_arguments(parser);
    parser_drop_front(pending, over ? at + strlen(markup->value_end) : n);
    if (over) parser->state = MARKED_KEY;
    return over;
}

bool parser_step_markup(struct output_parser *parser) {
    switch (parser->state) {
    case MARKED_CALL:
        return step_marked_call(parser);
    case MARKED_NAME:
        return step_marked_name(parser);
    case MARKED_KEY:
        return step_marked_key(parser);
    case MARKED_KEY_NAME:
        return step_key_name(parser);
    case MARKED_VALUE_BEGIN:
        return step_value_begin(parser);
    default:
        return step_value(parser);
    }
}
