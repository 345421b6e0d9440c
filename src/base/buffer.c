/* Growing byte buffer with sticky failure. */
#include "base/buffer.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"

void buffer_init(struct buffer *buffer) {
    *buffer = (struct buffer){0};
}

void buffer_release(struct buffer *buffer) {
    mem_free(buffer->data);
    buffer_init(buffer);
}

void buffer_clear(struct buffer *buffer) {
    buffer->size = 0;
    buffer->failed = false;
    if (buffer->data) buffer->data[0] = 0;
}

/* Room for n more bytes and the NUL. */
static bool reserve(struct buffer *buffer, size_t n) {
    size_t needed;
    if (buffer->failed || !add_size(buffer->size, n, &needed) || !add_size(needed, 1, &needed)) {
        buffer->failed = true;
        return false;
    }
    if (needed <= buffer->capacity) return true;
    size_t capacity = max_size(needed, buffer->capacity < SIZE_MAX / 2 ? buffer->capacity * 2 : needed);
    capacity = max_size(capacity, 64);
    char *data = mem_realloc_array(buffer->data, capacity, 1);
    if (!data) {
        buffer->failed = true;
        return false;
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

void buffer_append(struct buffer *buffer, const void *bytes, size_t n) {
    if (!reserve(buffer, n)) return;
    if (n) memcpy(buffer->data + buffer->size, bytes, n);
    buffer->size += n;
    buffer->data[buffer->size] = 0;
}

void buffer_append_text(struct buffer *buffer, const char *text) {
    buffer_append(buffer, text, strlen(text));
}

void buffer_append_char(struct buffer *buffer, char c) {
    buffer_append(buffer, &c, 1);
}

void buffer_printf(struct buffer *buffer, const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int n = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (n < 0) {
        buffer->failed = true;
    } else if (reserve(buffer, (size_t)n)) {
        vsnprintf(buffer->data + buffer->size, (size_t)n + 1, format, again);
        buffer->size += (size_t)n;
    }
    va_end(again);
}

void buffer_append_json_string(struct buffer *buffer, const char *text, size_t n) {
    buffer_append_char(buffer, '"');
    for (size_t i = 0; i < n;) {
        uint32_t c;
        int length = utf8_decode(text + i, n - i, &c);
        if (length < 0) {
            buffer_append_text(buffer, "\xef\xbf\xbd");
            i += (size_t)-length;
            continue;
        }
        if (c == '"' || c == '\\')
            buffer_printf(buffer, "\\%c", (char)c);
        else if (c == '\n')
            buffer_append_text(buffer, "\\n");
        else if (c == '\t')
            buffer_append_text(buffer, "\\t");
        else if (c == '\r')
            buffer_append_text(buffer, "\\r");
        else if (c < 0x20 || c == 0x7f)
            buffer_printf(buffer, "\\u%04x", (unsigned)c);
        else
            buffer_append(buffer, text + i, (size_t)length);
        i += (size_t)length;
    }
    buffer_append_char(buffer, '"');
}

char *buffer_take(struct buffer *buffer) {
    if (!buffer->data) buffer_append(buffer, "", 0);
    char *data = buffer->failed ? NULL : buffer->data;
    if (!data) mem_free(buffer->data);
    buffer_init(buffer);
    return data;
}
