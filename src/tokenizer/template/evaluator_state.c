/* What every part of the template engine stands on: errors with a position, memory within a budget, steps, nesting,
 * and text under construction. */
#include "tokenizer/template/evaluator.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"

bool ev_fail(struct evaluator *ev, const char *format, ...) {
    if (ev->status != BN_OK) return false;
    size_t line = 1, column = 1;
    for (size_t i = 0; i < ev->at && i < ev->source_size; i++) {
        unsigned char c = (unsigned char)ev->source[i];
        if (c == '\n') {
            line++;
            column = 1;
        } else if ((c & 0xc0) != 0x80) {
            column++;
        }
    }
    char message[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    message[strlen(message) - utf8_incomplete_tail(message, strlen(message))] = 0;
    ev->status = fail(ev->err, ev->failure_status, "line %zu, column %zu: %s", line, column, message);
    return false;
}

bool ev_out_of_memory(struct evaluator *ev) {
    if (ev->status == BN_OK) ev->status = fail(ev->err, BN_STATUS_NO_MEMORY, "no memory for the chat template");
    return false;
}

void *ev_alloc(struct evaluator *ev, size_t size_bytes) {
    if (size_bytes > ev->max_memory || ev->arena.total_bytes > ev->max_memory - size_bytes) {
        ev_fail(ev, "the template needs more than %zu bytes of memory", ev->max_memory);
        return NULL;
    }
    if (!ev_spend(ev, 1 + size_bytes / 64)) return NULL;
    void *p = arena_alloc(&ev->arena, size_bytes);
    if (!p) ev_out_of_memory(ev);
    return p;
}

void *ev_alloc_array(struct evaluator *ev, size_t n, size_t item_bytes) {
    size_t size_bytes;
    if (!mul_size(n, item_bytes, &size_bytes)) size_bytes = SIZE_MAX;
    return ev_alloc(ev, size_bytes);
}

bool ev_spend_slow(struct evaluator *ev) {
    ev->steps_left = 0;
    return ev_fail(ev, "the template takes too many steps");
}

bool ev_enter(struct evaluator *ev) {
    if (ev->depth >= ev->max_depth) return ev_fail(ev, "nested too deeply");
    ev->depth++;
    return true;
}

static bool writer_reserve(struct evaluator *ev, struct writer *w, size_t more) {
    if (more <= w->capacity - w->size) return true;
    size_t needed;
    if (!add_size(w->size, more, &needed)) needed = SIZE_MAX;
    if (w->limit && needed > w->limit) return ev_fail(ev, "the output is longer than %zu bytes", w->limit);
    size_t capacity = max_size(needed, w->capacity ? 2 * w->capacity : 64);
    char *data = ev_alloc(ev, capacity);
    if (!data) return false;
    if (w->size) memcpy(data, w->data, w->size);
    w->data = data;
    w->capacity = capacity;
    return true;
}

bool write_bytes(struct evaluator *ev, struct writer *w, const char *data, size_t n) {
    if (!ev_spend_bytes(ev, n) || !writer_reserve(ev, w, n)) return false;
    if (w->limit && w->size + n > w->limit) return ev_fail(ev, "the output is longer than %zu bytes", w->limit);
    if (n) memcpy(w->data + w->size, data, n);
    w->size += n;
    return true;
}

bool write_text(struct evaluator *ev, struct writer *w, const char *literal) {
    return write_bytes(ev, w, literal, strlen(literal));
}

bool write_char(struct evaluator *ev, struct writer *w, char c) {
    return write_bytes(ev, w, &c, 1);
}

bool write_repeated(struct evaluator *ev, struct writer *w, const char *unit, size_t unit_bytes, size_t count) {
    size_t total;
    if (!mul_size(unit_bytes, count, &total)) total = SIZE_MAX;
    if (total == 0) return true;
    if (!ev_spend_bytes(ev, total) || !writer_reserve(ev, w, total)) return false;
    if (unit_bytes == 1) {
        memset(w->data + w->size, unit[0], total);
        w->size += total;
        return true;
    }
    for (size_t i = 0; i < count; i++, w->size += unit_bytes) memcpy(w->data + w->size, unit, unit_bytes);
    return true;
}

bool write_code_point(struct evaluator *ev, struct writer *w, uint32_t code_point) {
    char bytes[4];
    return write_bytes(ev, w, bytes, utf8_encode(code_point, bytes));
}

bool writer_value(struct evaluator *ev, const struct writer *w, struct value *out) {
    struct text *text = text_wrap(ev, w->data ? w->data : "", w->size);
    if (!text) return false;
    *out = value_text(text);
    return true;
}
