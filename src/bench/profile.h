/* Where a model's time goes: every step of every pass, timed inside one run of the engine, with the bytes and
 * operations that the step needs at least. */
#ifndef BENCH_PROFILE_H
#define BENCH_PROFILE_H

#include <stdio.h>

#include "bench/speed.h"
#include "model/model.h"

enum { PROFILE_MAX_EVENTS = 1 << 20 };

/* One step of one pass. */
struct profile_event {
    uint64_t start_ns, end_ns;
    enum forward_step step;
    int layer; /* −1 outside the layers */
    uint32_t n_tokens;
};

struct step_total {
    size_t calls;
    double seconds;
    struct model_work work;
};

struct profile {
    struct speed_sample sample;
    struct step_total steps[N_STEPS];
    struct step_total *layers; /* [n_layers][N_STEPS] */
    size_t n_layers;
    double seconds; /* of all steps */
    size_t n_tokens;
    struct profile_event *events; /* in order; the first PROFILE_MAX_EVENTS of them */
    size_t n_events, n_lost;
};

const char *step_name(enum forward_step step);

/* Runs the test once (streams 1) and takes its measured part apart. Release *out with profile_release, also after failure. */
bn_status profile_run(bn_model *model, const struct speed_test *test, bool (*cancelled)(void), struct profile *out,
                      bn_error *err);
void profile_release(struct profile *profile);

/* Profiles as a file: "complete" events of the Trace Event Format, which Perfetto and chrome://tracing open … */
void profile_write_trace(FILE *out, const struct profile *const *profiles, const char *const *names, size_t n);
/* … and folded stacks, "decode;layer 3;qkv 1234" in nanoseconds, which flame graph programs read. */
void profile_write_folded(FILE *out, const struct profile *const *profiles, const char *const *names, size_t n);

#endif
