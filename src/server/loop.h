/* The event loop's thread: libevent's base, and a queue through which other threads bring it work. Nothing of libevent
 * is touched from any other thread. */
#ifndef SERVER_LOOP_H
#define SERVER_LOOP_H

#include <event2/event.h>
#include <pthread.h>
#include <stdbool.h>

#include "base/error.h"

/* Work for the loop, part of what it is about. */
struct loop_task {
    struct loop_task *next;
    void (*run)(struct loop_task *task);
};

struct loop {
    struct event_base *base;
    struct event *wake; /* on wake_fd, an eventfd */
    int wake_fd;
    pthread_t thread; /* the one that runs it, set by loop_run */
    pthread_mutex_t lock;
    struct loop_task *first, **last; /* guarded by lock */
    bool signalled;                  /* guarded by lock: wake_fd holds a count */
};

bn_status loop_init(struct loop *loop, bn_error *err);
void loop_release(struct loop *loop);
/* Until loop_stop. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);       /* on the loop's thread */
void loop_run_queued(struct loop *loop); /* tasks that are still queued when the loop has stopped */
/* Queues a task that isn't queued. Any thread. Tasks run in the order they came, after the event that is being handled. */
void loop_post(struct loop *loop, struct loop_task *task);

#endif
