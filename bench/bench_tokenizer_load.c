/* How long a tokenizer takes to open: read from its files, compiled in memory, and from the compiled form. CPU time and
 * time that passes, the smallest of some runs each, in turns.
 *
 *     bench_tokenizer_load TOKENIZER [RUNS]        (7)
 *
 * TOKENIZER is a file or folder as bn_tokenizer_open takes it; what is in the user's cache isn't looked at. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "tokenizer/compiled.h"

struct best {
    double cpu_ms, wall_ms;
};

static uint64_t cpu_now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* Opens path and keeps the tokenizer. */
static bn_tokenizer *timed_open(const char *path, struct best *best) {
    bn_tokenizer *tokenizer;
    bn_error error;
    uint64_t cpu = cpu_now_ns(), wall = clock_now_ns();
    if (bn_tokenizer_open(path, &tokenizer, &error)) {
        fprintf(stderr, "%s\n", error.message);
        exit(1);
    }
    double cpu_ms = (double)(cpu_now_ns() - cpu) * 1e-6, wall_ms = (double)(clock_now_ns() - wall) * 1e-6;
    if (best->cpu_ms == 0 || cpu_ms < best->cpu_ms) best->cpu_ms = cpu_ms;
    if (best->wall_ms == 0 || wall_ms < best->wall_ms) best->wall_ms = wall_ms;
    return tokenizer;
}

/* The image in a file of its own, which the caller removes. */
static size_t compile_to(const char *path, const bn_tokenizer *tokenizer) {
    struct buffer image;
    bn_error error;
    buffer_init(&image);
    if (tokenizer_compile(tokenizer, NULL, &image, &error) || file_write_all(path, image.data, image.size, &error)) {
        fprintf(stderr, "%s\n", error.message);
        exit(1);
    }
    size_t size = image.size;
    buffer_release(&image);
    return size;
}

int main(int argc, char **argv) {
    long runs = argc > 2 ? atol(argv[2]) : 7;
    if (argc < 2 || runs < 1 || runs > 1000) {
        fprintf(stderr, "usage: bench_tokenizer_load TOKENIZER [RUNS]\n");
        return 2;
    }
    char compiled[] = "/tmp/bench-tokenizer-XXXXXX";
    int fd = mkstemp(compiled);
    if (fd < 0) return 1;
    close(fd);
    setenv("BITNET_NO_CACHE", "1", 1);
    struct best source = {0}, image = {0};
    bn_tokenizer *tokenizer = timed_open(argv[1], &source);
    size_t image_bytes = compile_to(compiled, tokenizer), n = bn_tokenizer_vocab_size(tokenizer);
    bn_tokenizer_close(tokenizer);
    for (long i = 0; i < runs; i++) {
        bn_tokenizer_close(timed_open(argv[1], &source));
        bn_tokenizer_close(timed_open(compiled, &image));
    }
    unlink(compiled);
    printf("%zu tokens, compiled %.1f MB\n", n, (double)image_bytes * 1e-6);
    printf("from its files  %9.3f ms CPU  %9.3f ms\n", source.cpu_ms, source.wall_ms);
    printf("compiled        %9.3f ms CPU  %9.3f ms  (%.0f times faster)\n", image.cpu_ms, image.wall_ms,
           source.wall_ms / image.wall_ms);
    return 0;
}
