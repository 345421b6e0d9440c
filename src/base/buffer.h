/* A growing run of bytes, also used as a string builder: `data` is always NUL-terminated after a successful append
 * (the NUL isn't counted). Failure is sticky: after an allocation failed, appends do nothing and `failed` stays set,
 * so a caller checks once at the end. */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct buffer {
    char *data; /* NULL while empty; owned */
    size_t size;
    size_t capacity;
    bool failed;
};

void buffer_init(struct buffer *buffer);
void buffer_release(struct buffer *buffer);
void buffer_clear(struct buffer *buffer); /* keeps the memory, clears `failed` */
void buffer_append(struct buffer *buffer, const void *bytes, size_t n);
void buffer_append_text(struct buffer *buffer, const char *text);
void buffer_append_char(struct buffer *buffer, char c);
void buffer_printf(struct buffer *buffer, const char *format, ...) PRINTF_LIKE(2, 3);
/* Appends `text` as a JSON string with its quotes (UTF-8 kept, invalid bytes become U+FFFD). */
void buffer_append_json_string(struct buffer *buffer, const char *text, size_t n);
/* Takes the bytes out (caller frees with mem_free) and leaves the buffer empty; never NULL unless memory failed. */
char *buffer_take(struct buffer *buffer);

#endif
