/* The last events that were told to somebody, numbered from 1: what can be told again to a client that lost its
 * connection. The oldest make room for the newest. */
#ifndef SERVER_EVENT_LOG_H
#define SERVER_EVENT_LOG_H

#include <stdint.h>

#include "base/buffer.h"

struct event_log {
    size_t max_bytes; /* that it keeps */
    uint64_t first;   /* number of the oldest event it has … */
    uint64_t next;    /* … and of the one to come; first == next: it is empty */
    struct buffer bytes;
    size_t begin; /* of the oldest in bytes */
};

void event_log_init(struct event_log *log, size_t max_bytes);
void event_log_release(struct event_log *log);
/* Adds the event of number log->next. Without memory, or for one larger than the log, it keeps nothing. */
void event_log_add(struct event_log *log, const char *text, size_t size);
/* Are all events behind number `after` there? */
bool event_log_has(const struct event_log *log, uint64_t after);
/* Tells them, oldest first. */
void event_log_each(const struct event_log *log, uint64_t after,
                    void (*tell)(void *context, const char *text, size_t size), void *context);

#endif
