/* Any bytes as what a model says: however they are cut into pieces, the same events come; calls are begun and ended in pairs;
 * where there is no call every byte comes out again, but blanks that stand around thoughts. The first byte chooses the syntax. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/output_parser.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

struct seen {
    struct buffer log;
    char last;
    size_t n_calls, n_text;
    bool in_call;
};

static void add(struct seen *seen, char kind, const char *text, size_t n) {
    if (seen->last != kind) buffer_append_char(&seen->log, kind);
    seen->last = kind;
    buffer_append(&seen->log, text, n);
}

static void on_text(void *context, const char *text, size_t n) {
    struct seen *seen = context;
    if (seen->in_call || n == 0) abort();
    seen->n_text += n;
    add(seen, 't', text, n);
}

static void on_reasoning(void *context, const char *text, size_t n) {
    struct seen *seen = context;
    if (seen->in_call || n == 0) abort();
    seen->n_text += n;
    add(seen, 'r', text, n);
}

static void on_begin(void *context, const char *name, size_t n) {
    struct seen *seen = context;
    if (seen->in_call || n == 0) abort();
    seen->in_call = true;
    seen->n_calls++;
    seen->last = 0;
    add(seen, 'c', name, n);
    seen->last = 0;
}

static void on_arguments(void *context, const char *text, size_t n) {
    struct seen *seen = context;
    if (!seen->in_call) abort();
    add(seen, 'a', text, n);
}

static void on_end(void *context) {
    struct seen *seen = context;
    if (!seen->in_call) abort();
    seen->in_call = false;
    seen->last = 0;
    buffer_append_char(&seen->log, 'e');
}

static const struct output_events events = {on_text, on_reasoning, on_begin, on_arguments, on_end};
static const char *const names[] = {"f", "get_weather", NULL};

static void parse(const char *text, size_t size, size_t step, uint8_t choice, struct seen *seen) {
    static const char *const syntaxes[] = {"qwen_xml", "glm_xml", "minimax_xml", "deepseek_xml"};
    static const char tools[] =
        "[{\"function\":{\"name\":\"f\",\"parameters\":{\"properties\":{\"s\":{\"type\":\"string\"},"
        "\"u\":{\"type\":[\"string\",\"array\"]}}}}}]";
    struct output_parser parser;
    enum tool_syntax syntax = choice & 16 ? TOOLS_MARKUP : (enum tool_syntax)(choice & 3);
    json_t *functions = json_loads(tools, 0, NULL);
    if (!functions) abort();
    output_parser_init(&parser, syntax, names, choice & 4, (choice & 12) == 12, &events, seen);
    output_parser_mark(&parser, bn_tool_syntax_find(syntaxes[choice & 3]), functions);
    for (size_t at = 0; at < size; at += step)
        if (!output_parser_push(&parser, text + at, size - at < step ? size - at : step)) abort();
    if (!output_parser_finish(&parser) || seen->in_call) abort();
    output_parser_release(&parser);
    json_decref(functions);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct seen whole = {0}, pieces = {0};
    if (size == 0) return 0;
    const char *text = (const char *)bytes + 1;
    size_t n = size - 1, step = 1 + bytes[0] / 16;
    parse(text, n, n ? n : 1, bytes[0], &whole);
    parse(text, n, step, bytes[0], &pieces);
    bool same = whole.log.size == pieces.log.size && whole.n_calls == pieces.n_calls &&
                (whole.log.size == 0 || memcmp(whole.log.data, pieces.log.data, whole.log.size) == 0);
    if (!same) abort();
    if (!(bytes[0] & 23) && whole.n_text != n) abort();
    buffer_release(&whole.log);
    buffer_release(&pieces.log);
    return 0;
}
