#include "server/output_parser.h"

#include <ctype.h>
#include <string.h>

#include "base/memory.h"
#include "server/output_parser_core.h"

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

enum { MAX_CALLS = 256 };

static const char THINK[] = "<think>", THINK_END[] = "</think>";
static const char HERMES[] = "<tool_call>", HERMES_END[] = "</tool_call>";
static const char MISTRAL[] = "[TOOL_CALLS]", MISTRAL_ARGUMENTS[] = "[ARGS]";
static const char PYTHON_TAG[] = "<|python_tag|>";

enum tool_syntax tool_syntax_of(const bn_tool_syntax *syntax) {
    if (syntax->markup && syntax->markup->key_begin) return TOOLS_MARKUP;
    if (!syntax->begin) return TOOLS_JSON;
    return strcmp(syntax->begin, HERMES) == 0 ? TOOLS_HERMES : TOOLS_MISTRAL;
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

void parser_flush_arguments(struct output_parser *parser) {
    struct call_scan *scan = &parser->call;
    if (!scan->begun || scan->held.size == 0) return;
    parser->events->call_arguments(parser->context, scan->held.data, scan->held.size);
    buffer_clear(&scan->held);
}

bool parser_begin_call(struct output_parser *parser) {
    struct call_scan *scan = &parser->call;
    if (scan->name.size == 0 || (parser->tools == TOOLS_JSON && !is_known(parser, &scan->name))) return false;
    scan->begun = true;
    parser->n_calls++;
    parser->events->call_begin(parser->context, scan->name.data, scan->name.size);
    return true;
}

void parser_give_arguments(struct output_parser *parser, const char *text, size_t n) {
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
        return kind == KIND_STRING && !scan->begun && unquote(&scan->value, &scan->name) && parser_begin_call(parser);
    if (scan->role != ROLE_ARGUMENTS) return true;
    scan->arguments_done = true;
    if (kind == KIND_STRING) { /* some models quote the object once more */
        if (!unquote(&scan->value, &scan->key)) return false;
        parser_give_arguments(parser, scan->key.data ? scan->key.data : "", scan->key.size);
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
        parser_give_arguments(parser, &c, 1);
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
            parser_give_arguments(parser, &c, 1);
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

void parser_begin_object(struct output_parser *parser, int state) {
    scan_reset(&parser->call);
    parser->state = state;
}

void parser_give_up_call(struct output_parser *parser) {
    bool begun = parser->call.begun;
    parser_flush_arguments(parser);
    if (begun) parser->events->call_end(parser->context);
    parser->call.begun = false;
    parser->state = begun ? BETWEEN : PLAIN;
    if (!begun) {
        parser->skip_blanks = false;
        give_text(parser, parser->raw.data ? parser->raw.data : "", parser->raw.size);
    }
    buffer_clear(&parser->raw);
}

void parser_end_call(struct output_parser *parser) {
    if (!parser->call.begun) {
        parser_give_up_call(parser);
        return;
    }
    if (!parser->call.arguments_done) parser_give_arguments(parser, "{}", 2);
    parser_flush_arguments(parser);
    parser->events->call_end(parser->context);
    parser->call.begun = false;
    parser->state = parser->n_calls < MAX_CALLS ? BETWEEN : PLAIN;
    parser->skip_blanks = true;
    buffer_clear(&parser->raw);
}

size_t parser_tail_of(const struct buffer *text, const char *word) {
    size_t n = min_size(strlen(word) - (*word != 0), text->size);
    while (n && memcmp(text->data + text->size - n, word, n)) n--;
    return n;
}

void parser_drop_front(struct buffer *buffer, size_t n) {
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
    size_t n = found ? (size_t)(found - pending->data) : pending->size - parser_tail_of(pending, word);
    if (n) give(parser, pending->data, n);
    if (pending->size) parser_drop_front(pending, n + (found ? n_word : 0));
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
        parser_drop_front(pending, blanks + sizeof THINK - 1);
        parser->state = REASONING;
        return true;
    }
    if (parser->calls_first && *trigger_of(parser)) {
        size_t n_trigger = strlen(trigger_of(parser));
        bool begins = memcmp(front, trigger_of(parser), min_size(n, n_trigger)) == 0;
        if (begins && n < n_trigger) return false;
        if (begins) parser_drop_front(pending, blanks);
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
        parser_drop_front(pending, 1);
    }
    if (pending->size == 0) return false;
    if (*pending->data == '{') {
        buffer_append_char(&parser->raw, '{');
        parser_drop_front(pending, 1);
        parser_begin_object(parser, CALL);
    } else if (parser->tools == TOOLS_MISTRAL) {
        parser_begin_object(parser, CALL_NAME);
    } else {
        parser_give_up_call(parser);
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
    if (at) parser_drop_front(pending, at);
    parser_flush_arguments(parser);
    if (!ok)
        parser_give_up_call(parser);
    else if (parser->call.state == SCAN_DONE)
        parser_end_call(parser);
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
        parser_drop_front(pending, 1);
    }
    if (pending->size == 0 && scan->name.size <= MAX_NAME_BYTES) return false;
    size_t n_tag = sizeof MISTRAL_ARGUMENTS - 1;
    while (scan->name.size && is_blank(scan->name.data[scan->name.size - 1])) scan->name.size--;
    if (scan->name.size > n_tag && memcmp(scan->name.data + scan->name.size - n_tag, MISTRAL_ARGUMENTS, n_tag) == 0)
        scan->name.size -= n_tag;
    parser->state = CALL_BARE;
    if (scan->name.size > MAX_NAME_BYTES || !parser_begin_call(parser)) parser_give_up_call(parser);
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
    if (at) parser_drop_front(pending, at);
    parser_flush_arguments(parser);
    if (!scan->arguments_done) return false;
    parser_end_call(parser);
    return true;
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
        parser_drop_front(pending, blanks + n_end);
    } else if (*front == '{' && !ends) {
        parser_drop_front(pending, blanks);
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
    case MARKED_NAME:
    case MARKED_KEY:
    case MARKED_KEY_NAME:
    case MARKED_VALUE_BEGIN:
    case MARKED_VALUE:
        return parser_step_markup(parser);
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
        parser_give_up_call(parser);
    }
    bool reasoning = parser->state == REASONING;
    if (pending->size && !(parser->state == BETWEEN))
        (reasoning ? give_reasoning : give_text)(parser, pending->data, pending->size);
    buffer_clear(pending);
    parser->state = PLAIN;
    return !failed(parser);
}
