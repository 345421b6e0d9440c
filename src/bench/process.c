#include "bench/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"

extern char **environ;

struct child {
    pid_t pid;
    int out;    /* its standard output; our end */
    int errors; /* a memory file with its standard error */
    uint64_t start_ns;
};

static double seconds_since(uint64_t start_ns) {
    return (double)(clock_now_ns() - start_ns) * 1e-9;
}

/* A program's peak, as wait4 reports it, starts with that of the process which it was started from (exec keeps the larger
 * of both), so a parent that once held a model would hide what its children need. */
static void forget_own_peak(void) {
    int file = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    if (file < 0) return;
    ssize_t ignored = write(file, "5", 1); /* proc(5): resets the peak of resident pages to what there is now */
    (void)ignored;
    close(file);
}

static bn_status start(struct child *child, char *const argv[], bn_error *err) {
    int ends[2];
    child->errors = memfd_create("errors", MFD_CLOEXEC);
    if (child->errors < 0 || pipe2(ends, O_CLOEXEC)) {
        if (child->errors >= 0) close(child->errors);
        return fail(err, BN_STATUS_IO, "can't start '%s': %s", argv[0], strerror(errno));
    }
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, child->errors, STDERR_FILENO);
    forget_own_peak();
    child->start_ns = clock_now_ns();
    int code = posix_spawnp(&child->pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    child->out = ends[0];
    if (!code) return BN_OK;
    close(child->out);
    close(child->errors);
    return fail(err, BN_STATUS_NOT_FOUND, "can't start '%s': %s", argv[0], strerror(code));
}

/* Everything it prints, until its end. False: the time is over. */
static bool collect(const struct child *child, double limit_s, struct buffer *output, double *first_byte_s) {
    char bytes[16384];
    for (;;) {
        double left = limit_s - seconds_since(child->start_ns);
        struct pollfd ready = {child->out, POLLIN, 0};
        if (left <= 0) return false;
        int n_ready = poll(&ready, 1, left > 1e6 ? 1000000000 : (int)(left * 1e3) + 1);
        if (n_ready < 0 && errno != EINTR) return true;
        if (n_ready <= 0) continue;
        ssize_t n = read(child->out, bytes, sizeof bytes);
        if (n <= 0) return true;
        if (output->size == 0) *first_byte_s = seconds_since(child->start_ns);
        buffer_append(output, bytes, (size_t)n);
    }
}

/* The last line of its standard error, which most programs end with when they fail. */
static void last_line(int file, char *out, size_t size) {
    char tail[1024];
    off_t end = lseek(file, 0, SEEK_END);
    ssize_t n = pread(file, tail, sizeof tail - 1, end > (off_t)sizeof tail ? end - (off_t)sizeof tail + 1 : 0);
    while (n > 0 && (tail[n - 1] == '\n' || tail[n - 1] == ' ')) n--;
    tail[n > 0 ? n : 0] = 0;
    const char *newline = strrchr(tail, '\n');
    snprintf(out, size, "%.250s", newline ? newline + 1 : tail);
}

bn_status process_run(char *const argv[], double limit_s, struct process_result *result, bn_error *err) {
    struct child child;
    struct buffer output;
    struct rusage usage;
    int code = 0;
    *result = (struct process_result){0};
    bn_status status = start(&child, argv, err);
    if (status) return status;
    buffer_init(&output);
    bool ended = collect(&child, limit_s, &output, &result->first_byte_s);
    close(child.out);
    if (!ended) kill(child.pid, SIGKILL);
    while (wait4(child.pid, &code, 0, &usage) < 0 && errno == EINTR) continue;
    result->total_s = seconds_since(child.start_ns);
    result->peak_bytes = (size_t)usage.ru_maxrss * 1024;
    char reason[300];
    last_line(child.errors, reason, sizeof reason);
    close(child.errors);
    if (!ended)
        status = fail(err, BN_STATUS_IO, "'%s' didn't end within %.0f s", argv[0], limit_s);
    else if (!WIFEXITED(code))
        status = fail(err, BN_STATUS_IO, "'%s' was killed by signal %d", argv[0], WTERMSIG(code));
    else if (WEXITSTATUS(code))
        status = fail(err, BN_STATUS_IO, "'%s' exited with %d: %s", argv[0], WEXITSTATUS(code), reason);
    else if (output.failed)
        status = fail_no_memory(err, output.size);
    result->output_bytes = output.size;
    if (!status) result->output = buffer_take(&output);
    buffer_release(&output);
    return status;
}

/* ---- processes that go on ---- */

/* Its output up to the first newline. False: it ended, or the time is over. */
static bool read_line(const struct child *child, double limit_s, char *line, size_t size) {
    size_t n = 0;
    for (;;) {
        double left = limit_s - seconds_since(child->start_ns);
        struct pollfd ready = {child->out, POLLIN, 0};
        char c;
        line[n] = '\0';
        if (left <= 0) return false;
        int n_ready = poll(&ready, 1, left > 1e6 ? 1000000000 : (int)(left * 1e3) + 1);
        if (n_ready < 0 && errno != EINTR) return false;
        if (n_ready <= 0) continue;
        if (read(child->out, &c, 1) <= 0) return false;
        if (c == '\n') return true;
        if (n + 1 < size) line[n++] = c;
    }
}

bn_status process_start(char *const argv[], double limit_s, struct background_process *process, char *line, size_t size,
                        bn_error *err) {
    struct child child;
    char reason[300];
    bn_status status = start(&child, argv, err);
    if (status) return status;
    *process = (struct background_process){child.pid, child.out, child.errors};
    if (read_line(&child, limit_s, line, size)) return BN_OK;
    last_line(child.errors, reason, sizeof reason);
    process_stop(process, 1);
    return fail(err, BN_STATUS_IO, "'%s' didn't start%s%s", argv[0], *reason ? ": " : "", reason);
}

void process_stop(struct background_process *process, double limit_s) {
    enum { PAUSE_MS = 10 };
    int code;
    uint64_t start_ns = clock_now_ns();
    kill(process->pid, SIGTERM);
    while (waitpid(process->pid, &code, WNOHANG) == 0) {
        if (seconds_since(start_ns) > limit_s) kill(process->pid, SIGKILL);
        poll(NULL, 0, PAUSE_MS);
    }
    close(process->out);
    close(process->errors);
}
