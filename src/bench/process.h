/* One measurement as a process of its own: what it prints, when its first byte comes, and the memory it had at most. */
#ifndef BENCH_PROCESS_H
#define BENCH_PROCESS_H

#include <stddef.h>

#include "base/error.h"

struct process_result {
    char *output; /* NUL-terminated, mem_free */
    size_t output_bytes;
    double first_byte_s, total_s; /* from just before it was started */
    size_t peak_bytes;            /* resident, mapped pages included */
};

/* Runs argv (found in PATH) with an empty standard input until it ends. BN_STATUS_NOT_FOUND when it can't be started;
 * BN_STATUS_IO, with the last line of its standard error, when it exits with anything but 0, is killed, or takes longer
 * than limit_s (then it is killed). result->output is NULL after a failure. */
bn_status process_run(char *const argv[], double limit_s, struct process_result *result, bn_error *err);

/* A process that goes on: its first line of output, "" if it ends without one, is awaited at most limit_s. */
struct background_process {
    int pid;
    int out, errors; /* our ends of its output; a file of its standard error */
};
/* Starts argv, as above, and writes the first line without its newline to line. After a failure there is no process. */
bn_status process_start(char *const argv[], double limit_s, struct background_process *process, char *line, size_t size,
                        bn_error *err);
/* SIGTERM, and SIGKILL after limit_s; waits for its end. */
void process_stop(struct background_process *process, double limit_s);

#endif
