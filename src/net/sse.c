#include "net/sse.h"

#include <string.h>

#include "base/memory.h"

enum { DEFAULT_MAX_EVENT_BYTES = 1 << 20 };

void sse_init(struct sse_parser *parser, size_t max_event_bytes) {
    *parser = (struct sse_parser){.max_event_bytes = max_event_bytes ? max_event_bytes : DEFAULT_MAX_EVENT_BYTES};
    buffer_init(&parser->line);
    buffer_init(&parser->data);
    buffer_init(&parser->name);
}

void sse_release(struct sse_parser *parser) {
    buffer_release(&parser->line);
    buffer_release(&parser->data);
    buffer_release(&parser->name);
}

static bn_status check(const struct sse_parser *parser, const struct buffer *buffer, size_t more, bn_error *err) {
    if (more > parser->max_event_bytes - min_size(buffer->size, parser->max_event_bytes))
        return fail(err, BN_STATUS_BAD_FILE, "an event of the stream is larger than %zu bytes",
                    parser->max_event_bytes);
    return BN_OK;
}

/* A blank line: the event is complete. One without data is none. */
static bn_status dispatch(struct sse_parser *parser, sse_handler handler, void *context, bn_error *err) {
    bn_status status = BN_OK;
    if (parser->has_data) {
        const char *name = parser->name.size ? parser->name.data : "message";
        status = handler(context, name, parser->data.size ? parser->data.data : "", parser->data.size, err);
    }
    parser->has_data = false;
    buffer_clear(&parser->data);
    buffer_clear(&parser->name);
    return status;
}

static bool is_field(const char *line, size_t n_name, const char *name) {
    return n_name == strlen(name) && memcmp(line, name, n_name) == 0;
}

static bn_status take_field(struct sse_parser *parser, const char *line, size_t n, bn_error *err) {
    const char *colon = memchr(line, ':', n);
    size_t n_name = colon ? (size_t)(colon - line) : n;
    const char *value = line + n_name + (colon ? 1 : 0);
    if (value < line + n && *value == ' ') value++;
    size_t n_value = (size_t)(line + n - value);
    if (is_field(line, n_name, "event")) {
        buffer_clear(&parser->name);
        buffer_append(&parser->name, value, n_value);
        return parser->name.failed ? fail_no_memory(err, n_value) : BN_OK;
    }
    if (!is_field(line, n_name, "data")) return BN_OK; /* id, retry, a comment, or of a later version */
    if (check(parser, &parser->data, n_value + 1, err)) return BN_STATUS_BAD_FILE;
    if (parser->has_data) buffer_append_char(&parser->data, '\n');
    buffer_append(&parser->data, value, n_value);
    parser->has_data = true;
    return parser->data.failed ? fail_no_memory(err, n_value) : BN_OK;
}

static bn_status end_line(struct sse_parser *parser, sse_handler handler, void *context, bn_error *err) {
    static const char mark[] = "\xEF\xBB\xBF";
    const char *line = parser->line.size ? parser->line.data : "";
    size_t n = parser->line.size;
    if (!parser->begun && n >= 3 && memcmp(line, mark, 3) == 0) {
        line += 3;
        n -= 3;
    }
    parser->begun = true;
    bn_status status = n ? take_field(parser, line, n, err) : dispatch(parser, handler, context, err);
    buffer_clear(&parser->line);
    return status;
}

/* Up to the end of a line or of the bytes. */
static size_t line_part(const char *bytes, size_t n) {
    const char *lf = memchr(bytes, '\n', n);
    const char *cr = memchr(bytes, '\r', lf ? (size_t)(lf - bytes) : n);
    if (cr) return (size_t)(cr - bytes);
    return lf ? (size_t)(lf - bytes) : n;
}

bn_status sse_push(struct sse_parser *parser, const char *bytes, size_t n, sse_handler handler, void *context,
                   bn_error *err) {
    if (parser->status) return fail(err, parser->status, "the stream has failed before");
    while (n && !parser->status) {
        if (parser->after_cr && *bytes == '\n') {
            bytes++;
            n--;
        }
        parser->after_cr = false;
        if (!n) break;
        size_t part = line_part(bytes, n);
        parser->status = check(parser, &parser->line, part, err);
        if (parser->status) break;
        buffer_append(&parser->line, bytes, part);
        if (parser->line.failed) parser->status = fail_no_memory(err, part);
        if (part < n && !parser->status) {
            parser->after_cr = bytes[part] == '\r';
            parser->status = end_line(parser, handler, context, err);
            part++;
        }
        bytes += part;
        n -= part;
    }
    return parser->status;
}
