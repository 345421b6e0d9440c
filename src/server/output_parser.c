#include "server/output_parser.h"

#include <ctype.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "engine/grammar/tool_markup.h"

enum parser_state {
    START,     /* nothing but blanks so far */
    REASONING, /* until </think> */
    TEXT,
    CALL_OPEN,   /* behind the trigger: an object, an array or a name */
    CALL,        /* in the object */
    CALL_NAME,   /* Mistral: a name without JSON, until { */
    CALL_BARE,   /* … and its arguments */
    MARKED_CALL, /* markup: before a call, */
    MARKED_NAME, /* in its name, */
    MARKED_KEY,  /* before a parameter or the end, */
    MARKED_KEY_NAME,
    MARKED_VALUE_BEGIN,
    MARKED_VALUE,
    BETWEEN, /* behind a call: another one, or text */
    PLAIN    /* text without calls: the rest, after something that only looked like one */
};

enum scan_state {
    SCAN_KEY_OR_END,
    SCAN_KEY,
    SCAN_COLON,
    SCAN_VALUE_START,
    SCAN_VALUE,
    SCAN_COMMA,
    SCAN_DONE,
    SCAN_BAD
};
enum value_role { ROLE_OTHER, ROLE_NAME, ROLE_ARGUMENTS };
enum value_kind { KIND_STRING = 's', KIND_NESTED = '{', KIND_LITERAL = 'l' };

enum { MAX_CALLS = 256, MAX_NAME_BYTES = 256 };

static const char THINK[] = "<think>", THINK_END[] = "</think>";
static const char HERMES[] = "<tool_call>", HERMES_END[] = "</tool_call>";
static const char MISTRAL[] = "[TOOL_CALLS]", MISTRAL_ARGUMENTS[] = "[ARGS]";
static const char PYTHON_TAG[] = "<|python_tag|>";

enum tool_syntax tool_syntax_of(const bn_tool_syntax *syntax) {
    if (syntax->markup && syntax->markup->key_begin) return TOOLS_MARKUP;
    if (!syntax->begin) return TOOLS_JSON;
    return strcmp(syntax->begin, HERMES) == 0 ? TOOLS_HERMES : TOOLS_MISTRAL;
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static const char *trigger_of(const struct output_parser *parser) {
    static const char *const triggers[] = {"", PYTHON_TAG, HERMES, MISTRAL};
    return parser->tools == TOOLS_MARKUP ? parser->markup->begin : triggers[parser->tools];
}

/* ---- the object of a call, a character at a time ---- */

static void scan_reset(struct call_scan *scan) {
    buffer_clear(&scan->key);
    buffer_clear(&scan->value);
    buffer_clear(&scan->name);
    buffer_clear(&scan->held);
    scan->state = SCAN_KEY_OR_END;
    scan->role = ROLE_OTHER;
    scan->depth = 0;
    scan->in_string = scan->escaped = scan->begun = scan->arguments_done = false;
    scan->n_parameters = 0;
}

/* Unescapes the string literal in `quoted` into out. */
static bool unquote(const struct buffer *quoted, struct buffer *out) {
    json_t *value = json_loadb(quoted->data, quoted->size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    buffer_clear(out);
    if (json_is_string(value)) buffer_append(out, json_string_value(value), json_string_length(value));
    bool ok = json_is_string(value);
    json_decref(value);
    return ok;
}

static bool copy(struct buffer *to, const struct buffer *from) {
    buffer_clear(to);
    buffer_append(to, from->data ? from->data : "", from->size);
    return !to->failed;
}

static bool is_known(const struct output_parser *parser, const struct buffer *name) {
    for (const char *const *known = parser->names; known && *known; known++) {
        if (strlen(*known) == name->size && memcmp(*known, name->data, name->size) == 0) return true;
    }
    return false;
}

/* What has come of the arguments goes out, once the call has a name. */
static void flush_arguments(struct output_parser *parser) {
    struct call_scan *scan = &parser->call;
    if (!scan->begun || scan->held.size == 0) return;
    parser->events->call_arguments(parser->context, scan->held.data, scan->held.size);
    buffer_clear(&scan->held);
}

static bool begin_call(struct output_parser *parser) {
    struct call_scan *scan = &parser->call;
    if (scan->name.size == 0 || (parser->tools == TOOLS_JSON && !is_known(parser, &scan->name))) return false;
    scan->begun = true;
    parser->n_calls++;
    parser->events->call_begin(parser->context, scan->name.data, scan->name.size);
    return true;
}

static void give_arguments(struct output_parser *parser, const char *text, size_t n) {
    buffer_append(&parser->call.held, text, n);
}

static int role_of(const struct buffer *key) {
    if (key->size == 4 && memcmp(key->data, "name", 4) == 0) return ROLE_NAME;
    bool arguments = (key->size == 9 && memcmp(key->data, "arguments", 9) == 0) ||
                     (key->size == 10 && memcmp(key->data, "parameters", 10) == 0);
    return arguments ? ROLE_ARGUMENTS : ROLE_OTHER;
}

/* A value is complete. False: this is no call. */
static bool end_value(struct output_parser *parser, int kind) {
    struct call_scan *scan = &parser->call;
    scan->state = SCAN_COMMA;
    if (scan->role == ROLE_NAME)
        return kind == KIND_STRING && !scan->begun && unquote(&scan->value, &scan->name) && begin_call(parser);
    if (scan->role != ROLE_ARGUMENTS) return true;
    scan->arguments_done = true;
    if (kind == KIND_STRING) { /* some models quote the object once more */
        if (!unquote(&scan->value, &scan->key)) return false;
        give_arguments(parser, scan->key.data ? scan->key.data : "", scan->key.size);
    }
    return kind != KIND_LITERAL;
}

static bool value_char(struct output_parser *parser, char c) {
    struct call_scan *scan = &parser->call;
    bool nested = scan->depth > 0, quoted = !nested && scan->in_string;
    if (!nested && !quoted && (c == ',' || c == '}' || is_blank(c))) { /* behind a literal */
        if (!end_value(parser, KIND_LITERAL)) return false;
        if (c == ',') scan->state = SCAN_KEY_OR_END;
        if (c == '}') scan->state = SCAN_DONE;
        return true;
    }
    if (nested && scan->role == ROLE_ARGUMENTS)
        give_arguments(parser, &c, 1);
    else
        buffer_append_char(&scan->value, c);
    if (scan->in_string) {
        if (scan->escaped)
            scan->escaped = false;
        else if (c == '\\')
            scan->escaped = true;
        else if (c == '"')
            scan->in_string = false;
        return scan->in_string || nested || end_value(parser, KIND_STRING);
    }
    if (c == '"') scan->in_string = true;
    if (c == '{' || c == '[') scan->depth++;
    if (c == '}' || c == ']') scan->depth--;
    return !nested || scan->depth > 0 || end_value(parser, KIND_NESTED);
}

static bool start_value(struct output_parser *parser, char c) {
    struct call_scan *scan = &parser->call;
    buffer_clear(&scan->value);
    scan->state = SCAN_VALUE;
    scan->role = role_of(&scan->key);
    if (scan->role == ROLE_ARGUMENTS && scan->arguments_done) return false;
    if (c == '{' || c == '[') {
        scan->depth = 1;
        if (scan->role == ROLE_ARGUMENTS)
            give_arguments(parser, &c, 1);
        else
            buffer_append_char(&scan->value, c);
        return true;
    }
    scan->in_string = c == '"';
    buffer_append_char(&scan->value, c);
    return scan->in_string || isalnum((unsigned char)c) || c == '-';
}

/* Keys may be written with escapes, so the whole literal is kept and taken apart at its end. */
static bool key_char(struct call_scan *scan, char c) {
    buffer_append_char(&scan->key, c);
    if (scan->escaped)
        scan->escaped = false;
    else if (c == '\\')
        scan->escaped = true;
    else if (c == '"') {
        scan->state = SCAN_COLON;
        return unquote(&scan->key, &scan->value) && copy(&scan->key, &scan->value);
    }
    return scan->key.size <= MAX_NAME_BYTES;
}

/* False: this isn't the object of a call. */
static bool scan_char(struct output_parser *parser, char c) {
    struct call_scan *scan = &parser->call;
    if (scan->state == SCAN_VALUE) return value_char(parser, c);
    if (scan->state == SCAN_KEY) return key_char(scan, c);
    if (is_blank(c)) return true;
    switch (scan->state) {
    case SCAN_KEY_OR_END:
        buffer_clear(&scan->key);
        buffer_append_char(&scan->key, '"');
        scan->state = c == '"' ? SCAN_KEY : SCAN_DONE;
        return c == '"' || c == '}';
    case SCAN_COLON:
        scan->state = SCAN_VALUE_START;
        return c == ':';
    case SCAN_VALUE_START:
        return start_value(parser, c);
    case SCAN_COMMA:
        scan->state = c == ',' ? SCAN_KEY_OR_END : SCAN_DONE;
        return c == ',' || c == '}';
    default:
        return false;
    }
}

/* ---- text ---- */

static void give_text(struct output_parser *parser, const char *text, size_t n) {
    if (parser->skip_blanks) {
        while (n && is_blank(*text)) text++, n--;
    }
    if (n == 0) return;
    parser->skip_blanks = false;
    parser->at_start = false;
    parser->events->text(parser->context, text, n);
}

static void give_reasoning(struct output_parser *parser, const char *text, size_t n) {
    if (n) parser->events->reasoning(parser->context, text, n);
}

static void begin_object(struct output_parser *parser, int state) {
    scan_reset(&parser->call);
    parser->state = state;
}

/* What looked like a call is none: it is text, and so is all that follows. A call that the client has heard of can only
 * be ended. */
static void give_up_call(struct output_parser *parser) {
    bool begun = parser->call.begun;
    flush_arguments(parser);
    if (begun) parser->events->call_end(parser->context);
    parser->call.begun = false;
    parser->state = begun ? BETWEEN : PLAIN;
    if (!begun) {
        parser->skip_blanks = false;
        give_text(parser, parser->raw.data ? parser->raw.data : "", parser->raw.size);
    }
    buffer_clear(&parser->raw);
}

static void end_call(struct output_parser *parser) {
    if (!parser->call.begun) {
        give_up_call(parser);
        return;
    }
    if (!parser->call.arguments_done) give_arguments(parser, "{}", 2);
    flush_arguments(parser);
    parser->events->call_end(parser->context);
    parser->call.begun = false;
    parser->state = parser->n_calls < MAX_CALLS ? BETWEEN : PLAIN;
    parser->skip_blanks = true;
    buffer_clear(&parser->raw);
}

/* How many bytes at the end of text begin `word`. */
static size_t tail_of(const struct buffer *text, const char *word) {
    size_t n = min_size(strlen(word) - (*word != 0), text->size);
    while (n && memcmp(text->data + text->size - n, word, n)) n--;
    return n;
}

static void drop_front(struct buffer *buffer, size_t n) {
    memmove(buffer->data, buffer->data + n, buffer->size - n);
    buffer->size -= n;
    buffer->data[buffer->size] = '\0';
}

/* Gives what is pending up to where `word` begins. True when it was found; it is consumed. */
static bool give_until(struct output_parser *parser, const char *word,
                       void (*give)(struct output_parser *, const char *, size_t)) {
    struct buffer *pending = &parser->pending;
    size_t n_word = strlen(word);
    const char *found = n_word && pending->size ? memmem(pending->data, pending->size, word, n_word) : NULL;
    size_t n = found ? (size_t)(found - pending->data) : pending->size - tail_of(pending, word);
    if (n) give(parser, pending->data, n);
    if (pending->size) drop_front(pending, n + (found ? n_word : 0));
    return found != NULL;
}

/* Each step decides about the front of what is pending. False: it takes more text. */

static bool step_start(struct output_parser *parser) {
    struct buffer *pending = &parser->pending;
    size_t blanks = 0;
    while (blanks < pending->size && is_blank(pending->data[blanks])) blanks++;
    size_t n = pending->size - blanks;
    if (n == 0) return false;
    const char *front = pending->data + blanks;
    if (parser->reasoning && memcmp(front, THINK, min_size(n, sizeof THINK - 1)) == 0) {
        if (n < sizeof THINK - 1) return false;
        drop_front(pending, blanks + sizeof THINK - 1);
        parser->state = REASONING;
        return true;
    }
    if (parser->calls_first && *trigger_of(parser)) {
        size_t n_trigger = strlen(trigger_of(parser));
        bool begins = memcmp(front, trigger_of(parser), min_size(n, n_trigger)) == 0;
        if (begins && n < n_trigger) return false;
        if (begins) drop_front(pending, blanks);
        parser->state = begins ? TEXT : PLAIN;
        return true;
    }
    parser->state = TEXT;
    if (parser->tools == TOOLS_JSON && *front == '{') parser->state = CALL_OPEN;
    return true;
}

static bool step_call_open(struct output_parser *parser) {
    struct buffer *pending = &parser->pending;
    while (pending->size && (is_blank(*pending->data) || (parser->tools == TOOLS_MISTRAL && *pending->data == '['))) {
        buffer_append_char(&parser->raw, *pending->data);
        drop_front(pending, 1);
    }
    if (pending->size == 0) return false;
    if (*pending->data == '{') {
        buffer_append_char(&parser->raw, '{');
        drop_front(pending, 1);
        begin_object(parser, CALL);
    } else if (parser->tools == TOOLS_MISTRAL) {
        begin_object(parser, CALL_NAME);
    } else {
        give_up_call(parser);
    }
    return true;
}

static bool step_call(struct output_parser *parser) {
    struct buffer *pending = &parser->pending;
    size_t at = 0;
    bool ok = true;
    while (ok && at < pending->size && parser->call.state != SCAN_DONE) {
        if (!parser->call.begun) buffer_append_char(&parser->raw, pending->data[at]);
        ok = scan_char(parser, pending->data[at++]);
    }
    if (at) drop_front(pending, at);
    flush_arguments(parser);
    if (!ok)
        give_up_call(parser);
    else if (parser->call.state == SCAN_DONE)
        end_call(parser);
    else
        return false;
    return true;
}

static bool step_call_name(struct output_parser *parser) {
    struct buffer *pending = &parser->pending;
    struct call_scan *scan = &parser->call;
    while (pending->size && *pending->data != '{') {
        buffer_append_char(&parser->raw, *pending->data);
        buffer_append_char(&scan->name, *pending->data);
        drop_front(pending, 1);
    }
    if (pending->size == 0 && scan->name.size <= MAX_NAME_BYTES) return false;
    size_t n_tag = sizeof MISTRAL_ARGUMENTS - 1;
    while (scan->name.size && is_blank(scan->name.data[scan->name.size - 1])) scan->name.size--;
    if (scan->name.size > n_tag && memcmp(scan->name.data + scan->name.size - n_tag, MISTRAL_ARGUMENTS, n_tag) == 0)
        scan->name.size -= n_tag;
    parser->state = CALL_BARE;
    if (scan->name.size > MAX_NAME_BYTES || !begin_call(parser)) give_up_call(parser);
    return true;
}

/* The arguments alone: an object, as the value of an object's member would be. */
static bool step_call_bare(struct output_parser *parser) {
    struct buffer *pending = &parser->pending;
    struct call_scan *scan = &parser->call;
    size_t at = 0;
    while (at < pending->size && !scan->arguments_done) {
        char c = pending->data[at++];
        if (scan->depth == 0) {
            buffer_clear(&scan->key);
            buffer_append_text(&scan->key, "arguments");
            start_value(parser, c);
        } else {
            value_char(parser, c);
        }
    }
    if (at) drop_front(pending, at);
    flush_arguments(parser);
    if (!scan->arguments_done) return false;
    end_call(parser);
    return true;
}

/* ---- arguments as elements ---- */

/* 1: the word comes next; 0: it may; -1: something else does. */
static int comes_next(const struct buffer *pending, const char *word) {
    size_t n = strlen(word);
    if (memcmp(pending->data, word, min_size(n, pending->size)) != 0) return -1;
    return pending->size >= n;
}

/* The front of what is pending has been read as a part of a call. */
static void take(struct output_parser *parser, size_t n) {
    if (!parser->call.begun) buffer_append(&parser->raw, parser->pending.data, n);
    drop_front(&parser->pending, n);
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
    give_arguments(parser, end, strlen(end));
    scan->arguments_done = true;
    end_call(parser);
    if (parser->markup->list && parser->state == BETWEEN) {
        parser->state = MARKED_CALL;
        scan_reset(scan);
    }
}

/* Something that can't stand in a call. */
static bool give_up_marked(struct output_parser *parser) {
    if (parser->call.begun)
        end_marked_call(parser);
    else
        give_up_call(parser);
    if (parser->state == MARKED_CALL) parser->state = BETWEEN;
    return true;
}

static bool step_marked_call(struct output_parser *parser) {
    const bn_tool_syntax *syntax = parser->markup;
    if (!take_blanks(parser)) return false;
    int next = comes_next(&parser->pending, syntax->markup->call_begin);
    int end = parser->n_calls && syntax->list ? comes_next(&parser->pending, syntax->end) : -1;
    if (end > 0) {
        drop_front(&parser->pending, strlen(syntax->end));
        buffer_clear(&parser->raw);
        parser->state = BETWEEN;
        return true;
    }
    if (next > 0) {
        take(parser, strlen(syntax->markup->call_begin));
        begin_object(parser, MARKED_NAME);
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
    if (!begin_call(parser)) return give_up_marked(parser);
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
    give_arguments(parser, scan->n_parameters ? ", " : "{", scan->n_parameters ? 2 : 1);
    scan->n_parameters++;
    buffer_append_json_string(&scan->held, scan->key.data, scan->key.size);
    give_arguments(parser, ": ", 2);
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
        give_arguments(parser, "null", 4);
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
        give_arguments(parser, scan->value.data + 1, scan->value.size - 2);
}

/* A whole value: JSON of one of its types, or a string. */
static void give_value(struct output_parser *parser, const char *text, size_t n) {
    struct call_scan *scan = &parser->call;
    json_t *value = n ? json_loadb(text, n, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL) : NULL;
    if (value && json_type_of(value) & scan->types & ~(unsigned)JSON_TYPE_STRING) {
        while (n && is_blank(*text)) text++, n--;
        while (n && is_blank(text[n - 1])) n--;
        give_arguments(parser, text, n);
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
    size_t n = over ? at : pending->size - tail_of(pending, markup->value_end);
    if (!over && n == pending->size) n -= utf8_incomplete_tail(pending->data, n);
    if (markup->padded && n && pending->data[n - 1] == '\n') n--;
    if (string) {
        if (!scan->value_begun) give_arguments(parser, "\"", 1);
        scan->value_begun = true;
        give_string_piece(parser, pending->data, n);
        if (over) give_arguments(parser, "\"", 1);
    } else {
        give_value(parser, pending->data, n);
    }
    flush_arguments(parser);
    drop_front(pending, over ? at + strlen(markup->value_end) : n);
    if (over) parser->state = MARKED_KEY;
    return over;
}

/* Behind a call: closing tags and separators go, another call may begin, everything else is text. */
static bool step_between(struct output_parser *parser) {
    struct buffer *pending = &parser->pending;
    const char *end = parser->tools == TOOLS_MARKUP ? parser->markup->end : HERMES_END;
    bool ends = parser->tools == TOOLS_MARKUP || parser->tools == TOOLS_HERMES;
    size_t blanks = 0, n_end = ends ? strlen(end) : 1;
    while (blanks < pending->size && is_blank(pending->data[blanks])) blanks++;
    size_t n = pending->size - blanks;
    if (n == 0) return false;
    const char *front = pending->data + blanks;
    bool closes = ends                             ? memcmp(front, end, min_size(n, n_end)) == 0
                  : parser->tools == TOOLS_MISTRAL ? *front == ',' || *front == ']'
                                                   : *front == ';' || *front == ',';
    if (closes) {
        if (n < n_end) return false;
        drop_front(pending, blanks + n_end);
    } else if (*front == '{' && !ends) {
        drop_front(pending, blanks);
        parser->state = CALL_OPEN;
    } else {
        parser->state = TEXT;
    }
    return true;
}

static bool step(struct output_parser *parser) {
    struct buffer *pending = &parser->pending;
    switch (parser->state) {
    case START:
        return step_start(parser);
    case REASONING:
        if (!give_until(parser, THINK_END, give_reasoning)) return false;
        parser->state = parser->tools == TOOLS_JSON || parser->calls_first ? START : TEXT;
        parser->reasoning = false;
        parser->skip_blanks = true;
        return true;
    case TEXT:
        if (!give_until(parser, trigger_of(parser), give_text)) return false;
        buffer_append_text(&parser->raw, trigger_of(parser));
        parser->state = parser->tools == TOOLS_MARKUP ? MARKED_CALL : CALL_OPEN;
        return true;
    case CALL_OPEN:
        return step_call_open(parser);
    case CALL:
        return step_call(parser);
    case CALL_NAME:
        return step_call_name(parser);
    case CALL_BARE:
        return step_call_bare(parser);
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
    case MARKED_VALUE:
        return step_value(parser);
    case BETWEEN:
        return step_between(parser);
    default:
        if (pending->size) give_text(parser, pending->data, pending->size);
        buffer_clear(pending);
        return false;
    }
}

void output_parser_init(struct output_parser *parser, enum tool_syntax tools, const char *const *names, bool reasoning,
                        bool in_reasoning, const struct output_events *events, void *context) {
    *parser = (struct output_parser){.events = events,
                                     .context = context,
                                     .tools = tools,
                                     .names = names,
                                     .reasoning = reasoning,
                                     .at_start = true,
                                     .state = in_reasoning ? REASONING : START};
    if (!tools && !reasoning) parser->state = PLAIN;
}

void output_parser_mark(struct output_parser *parser, const bn_tool_syntax *syntax, const json_t *functions) {
    parser->markup = syntax;
    parser->functions = functions;
}

void output_parser_release(struct output_parser *parser) {
    buffer_release(&parser->pending);
    buffer_release(&parser->raw);
    buffer_release(&parser->call.key);
    buffer_release(&parser->call.value);
    buffer_release(&parser->call.name);
    buffer_release(&parser->call.held);
}

static bool failed(const struct output_parser *parser) {
    const struct call_scan *scan = &parser->call;
    return parser->pending.failed || parser->raw.failed || scan->key.failed || scan->value.failed ||
           scan->name.failed || scan->held.failed;
}

bool output_parser_push(struct output_parser *parser, const char *text, size_t n) {
    if (parser->state == PLAIN && parser->pending.size == 0) { /* the usual answer */
        give_text(parser, text, n);
        return true;
    }
    buffer_append(&parser->pending, text, n);
    while (!failed(parser) && parser->pending.size && step(parser)) {}
    return !failed(parser);
}

bool output_parser_finish(struct output_parser *parser) {
    struct buffer *pending = &parser->pending;
    bool marked = parser->state >= MARKED_CALL && parser->state <= MARKED_VALUE;
    if (parser->state == CALL_BARE || ((parser->state == CALL || marked) && parser->call.begun)) {
        parser->events->call_end(parser->context); /* cut off in the middle */
        if (marked) buffer_clear(pending);
    } else if (parser->state == MARKED_CALL && parser->n_calls) {
        buffer_clear(pending); /* between calls of a list */
    } else if (parser->state == CALL || parser->state == CALL_OPEN || parser->state == CALL_NAME || marked) {
        give_up_call(parser);
    }
    bool reasoning = parser->state == REASONING;
    if (pending->size && !(parser->state == BETWEEN))
        (reasoning ? give_reasoning : give_text)(parser, pending->data, pending->size);
    buffer_clear(pending);
    parser->state = PLAIN;
    return !failed(parser);
}
