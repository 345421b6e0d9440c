#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* Monotonic time in nanoseconds since an arbitrary start. */
uint64_t clock_now_ns(void);
/* Seconds of processor time of this thread: stands still while others have the core. */
double clock_thread_seconds(void);

#endif
