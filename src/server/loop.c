#include "server/loop.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

static void run_tasks(evutil_socket_t fd, short what, void *context) {
    (void)what;
    struct loop *loop = context;
    pthread_mutex_lock(&loop->lock);
    struct loop_task *task = loop->first;
    loop->first = NULL;
    loop->last = &loop->first;
    if (loop->signalled) {
        uint64_t count;
        ssize_t ignored = read(fd, &count, sizeof count);
        (void)ignored;
        loop->signalled = false;
    }
    pthread_mutex_unlock(&loop->lock);
    while (task) {
        struct loop_task *next = task->next; /* the task may be gone, or queued again, after it ran */
        task->run(task);
        task = next;
    }
}

bn_status loop_init(struct loop *loop, bn_error *err) {
    *loop = (struct loop){.wake_fd = -1};
    loop->last = &loop->first;
    pthread_mutex_init(&loop->lock, NULL);
    struct event_config *config = event_config_new();
    if (config) {
        event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK); /* one thread; others come through wake_fd */
        loop->base = event_base_new_with_config(config);
        event_config_free(config);
    }
    if (!loop->base) return fail(err, BN_STATUS_IO, "can't create an event loop: %s", strerror(errno));
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->wake_fd < 0) return fail(err, BN_STATUS_IO, "can't create an eventfd: %s", strerror(errno));
    loop->wake = event_new(loop->base, loop->wake_fd, EV_READ | EV_PERSIST, run_tasks, loop);
    if (!loop->wake || event_add(loop->wake, NULL)) return fail_no_memory(err, 128);
    loop->thread = pthread_self();
    return BN_OK;
}

void loop_release(struct loop *loop) {
    if (loop->wake) event_free(loop->wake);
    if (loop->wake_fd >= 0) close(loop->wake_fd);
    if (loop->base) event_base_free(loop->base);
    pthread_mutex_destroy(&loop->lock);
}

/* Asks for short turns on the processor: each comes sooner than one among threads that compute, and none gets more of it
 * in all. Kernels know that since Linux 6.12 (sched_setattr(2): sched_runtime of ordinary threads); elsewhere nothing
 * changes. Threads that this one starts have turns as usual. */
static void take_short_turns(void) {
    enum { TURN_NS = 100000, RESET_ON_FORK = 1 };
    struct { /* struct sched_attr of linux/sched/types.h, its first version */
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime_ns, deadline_ns, period_ns;
    } attributes = {.size = sizeof attributes};
    if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) || attributes.policy != 0) return;
    attributes.size = sizeof attributes;
    attributes.flags = RESET_ON_FORK;
    attributes.runtime_ns = TURN_NS;
    (void)syscall(SYS_sched_setattr, 0, &attributes, 0);
}

void loop_run(struct loop *loop) {
    take_short_turns();
    pthread_mutex_lock(&loop->lock);
    loop->thread = pthread_self();
    pthread_mutex_unlock(&loop->lock);
    event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
}

void loop_run_queued(struct loop *loop) {
    while (loop->first) run_tasks(loop->wake_fd, 0, loop);
}

void loop_stop(struct loop *loop) {
    event_base_loopbreak(loop->base);
}

void loop_post(struct loop *loop, struct loop_task *task) {
    task->next = NULL;
    pthread_mutex_lock(&loop->lock);
    bool first = !loop->first;
    *loop->last = task;
    loop->last = &task->next;
    bool here = pthread_equal(loop->thread, pthread_self());
    if (first && here) {
        event_active(loop->wake, EV_READ, 0); /* no system call on the way of short answers */
    } else if (!here && !loop->signalled) {
        const uint64_t one = 1;
        loop->signalled = write(loop->wake_fd, &one, sizeof one) == sizeof one;
    }
    pthread_mutex_unlock(&loop->lock);
}
