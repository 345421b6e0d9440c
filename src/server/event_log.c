#include "server/event_log.h"

#include <string.h>

#include "base/memory.h"

/* In front of each event in the bytes. */
struct event_head {
    size_t size;
};

void event_log_init(struct event_log *log, size_t max_bytes) {
    *log = (struct event_log){.max_bytes = max_bytes, .first = 1, .next = 1};
    buffer_init(&log->bytes);
}

void event_log_release(struct event_log *log) {
    buffer_release(&log->bytes);
}

static size_t size_at(const struct event_log *log, size_t at) {
    struct event_head head;
    memcpy(&head, log->bytes.data + at, sizeof head);
    return head.size;
}

static void forget_all(struct event_log *log) {
    buffer_release(&log->bytes);
    log->begin = 0;
    log->first = log->next;
}

/* Forgets the oldest until so many bytes are free; what lies in front of them is given back in large pieces. */
static void make_room(struct event_log *log, size_t needed) {
    while (log->first < log->next && log->bytes.size - log->begin + needed > log->max_bytes) {
        log->begin += sizeof(struct event_head) + size_at(log, log->begin);
        log->first++;
    }
    if (log->begin < log->max_bytes / 2) return;
    memmove(log->bytes.data, log->bytes.data + log->begin, log->bytes.size - log->begin);
    log->bytes.size -= log->begin;
    log->begin = 0;
}

void event_log_add(struct event_log *log, const char *text, size_t size) {
    const struct event_head head = {size};
    bool fits = size <= log->max_bytes - min_size(sizeof head, log->max_bytes);
    if (fits) {
        make_room(log, sizeof head + size);
        buffer_append(&log->bytes, &head, sizeof head);
        buffer_append(&log->bytes, text, size);
    }
    log->next++;
    if (!fits || log->bytes.failed) forget_all(log);
}

bool event_log_has(const struct event_log *log, uint64_t after) {
    return after + 1 >= log->first && after < log->next;
}

void event_log_each(const struct event_log *log, uint64_t after,
                    void (*tell)(void *context, const char *text, size_t size), void *context) {
    size_t at = log->begin;
    for (uint64_t number = log->first; number < log->next; number++) {
        size_t size = size_at(log, at);
        at += sizeof(struct event_head);
        if (number > after) tell(context, log->bytes.data + at, size);
        at += size;
    }
}
