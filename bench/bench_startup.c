/* From the start of the process to the first token: runs `bitnet generate MODEL` again and again and times, from fork
 * to the first byte of text on its standard output, what a person waits; with the peak memory of the process.
 *
 *     bench_startup [MODEL [RUNS]]        (demo, 30)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

struct sample {
    double first_byte_ms, exit_ms;
    long peak_kib;
};

static int start_once(const char *program, const char *model, struct sample *out) {
    int pipe_ends[2];
    if (pipe(pipe_ends)) return -1;
    uint64_t start = clock_now_ns();
    pid_t child = fork();
    if (child < 0) return -1;
    if (child == 0) {
        dup2(pipe_ends[1], STDOUT_FILENO);
        close(pipe_ends[0]);
        close(pipe_ends[1]);
        execl(program, program, "generate", model, "-p", "Once upon a time", "-n", "8", "--temp", "0", (char *)NULL);
        _exit(127);
    }
    close(pipe_ends[1]);
    char bytes[256];
    ssize_t n = read(pipe_ends[0], bytes, sizeof bytes);
    out->first_byte_ms = (double)(clock_now_ns() - start) * 1e-6;
    while (n > 0) n = read(pipe_ends[0], bytes, sizeof bytes);
    close(pipe_ends[0]);
    int status;
    struct rusage usage;
    if (wait4(child, &status, 0, &usage) < 0 || !WIFEXITED(status) || WEXITSTATUS(status)) return -1;
    out->exit_ms = (double)(clock_now_ns() - start) * 1e-6;
    out->peak_kib = usage.ru_maxrss;
    return 0;
}

static int by_first_byte(const void *left, const void *right) {
    double a = ((const struct sample *)left)->first_byte_ms, b = ((const struct sample *)right)->first_byte_ms;
    return (a > b) - (a < b);
}

int main(int argc, char **argv) {
    const char *model = argc > 1 ? argv[1] : "demo";
    long runs = argc > 2 ? atol(argv[2]) : 30;
    if (runs < 1 || runs > 10000) {
        fprintf(stderr, "usage: bench_startup [MODEL [RUNS]]\n");
        return 2;
    }
    char program[4096];
    const char *slash = strrchr(argv[0], '/'); /* the program lies beside this one */
    snprintf(program, sizeof program, "%.*sbitnet", slash ? (int)(slash - argv[0] + 1) : 0, argv[0]);
    struct sample *samples = calloc((size_t)runs, sizeof *samples);
    if (!samples) return 1;
    long peak_kib = 0;
    for (long i = 0; i < runs; i++) {
        if (start_once(program, model, &samples[i])) {
            fprintf(stderr, "bench_startup: '%s generate %s' failed\n", program, model);
            free(samples);
            return 1;
        }
        if (samples[i].peak_kib > peak_kib) peak_kib = samples[i].peak_kib;
    }
    qsort(samples, (size_t)runs, sizeof *samples, by_first_byte);
    printf("start to first token, %ld runs: median %.1f ms, fastest %.1f ms, slowest %.1f ms; peak memory %.1f MiB\n",
           runs, samples[runs / 2].first_byte_ms, samples[0].first_byte_ms, samples[runs - 1].first_byte_ms,
           (double)peak_kib / 1024);
    free(samples);
    return 0;
}
