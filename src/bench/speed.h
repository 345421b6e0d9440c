/* How fast a model runs, measured through the engine: what a user of the program or library gets.
 *
 * A test has two parts, both optional: a prompt of `prompt` random tokens at position `depth`, and `output` decode steps
 * behind it (greedy, ends ignored). Either with `streams` sequences side by side. The prefix cache is off, a short
 * warm-up comes before, and the clock runs from engine step to engine step:
 *
 *     prompt   from before the submission (or from where `depth` tokens are in the cache) until all first tokens are
 *              drawn
 *     output   from the first token of the last sequence, `output` steps of one token for each sequence
 *     both     from before the submission to the end */
#ifndef BENCH_SPEED_H
#define BENCH_SPEED_H

#include "bench/model_cost.h"
#include "bitnet/bitnet.h"
#include "model/model.h"

struct speed_sample;

/* Who looks on while the clock runs. */
struct speed_observer {
    /* The clock starts now, with `position` tokens in the cache; *sample says what the engine chose. */
    void (*start)(void *context, const struct speed_sample *sample, size_t position);
    /* A step of the engine is done (model/model.h). */
    void (*step_done)(void *context, enum forward_step step, int layer, size_t n_tokens);
    void *context;
};

struct speed_test {
    size_t prompt, output; /* tokens of each sequence; one of them may be 0 */
    size_t depth;          /* tokens in the cache before; with `prompt`, rounded up to whole engine steps */
    size_t streams;        /* ≥ 1 */
    size_t threads;        /* the engine's options; 0 its default */
    size_t batch_tokens;
    size_t context_length;
    bn_kv_type kv_type;
    const char *isa;
    const struct speed_observer *observer; /* NULL: none */
};

struct speed_sample {
    double seconds;
    size_t tokens; /* that were timed: over all sequences, prompts and outputs */
    size_t steps;  /* of the engine, that were timed */
    size_t depth;  /* as it was rounded */
    /* what the engine chose */
    size_t threads, batch_tokens;
    bn_kv_type kv_type;
    const char *isa; /* static */
};

/* "pp512", "tg128", "pp512+tg128", "tg128@d4096", "tg128x4": tokens of the prompt and the output, depth, streams. */
void speed_test_name(const struct speed_test *test, char *out, size_t size);

/* One measurement in a new engine. `cancelled` (may be NULL) is asked before each step; BN_STATUS_CANCELLED then.
 * BN_STATUS_BAD_ARGUMENT when the sequences don't fit into the context or the cache. */
bn_status speed_measure(bn_model *model, const struct speed_test *test, bool (*cancelled)(void),
                        struct speed_sample *out, bn_error *err);

/* What the timed part of a measurement has to read and to compute at least. */
struct model_work speed_work(const bn_model *model, const struct speed_test *test, const struct speed_sample *sample);

#endif
