/* `bitnet bench synthetic`: models to measure where no real one is at hand. */
#include <stdio.h>
#include <string.h>

#include "bench/synthetic.h"
#include "cli/command.h"
#include "cli/json_output.h"
#include "cli/terminal.h"

struct synthetic_settings {
    const char *head;
    size_t seed;
    bool vocabulary;
};

static const struct option options[] = {
    {"head", 0, OPTION_CHOICE, offsetof(struct synthetic_settings, head), "f16|q6_k", 0, 0,
     "type of embedding and head, which are one (f16)", NULL},
    {"seed", 0, OPTION_SIZE, offsetof(struct synthetic_settings, seed), "N", 0, 1e15, "of the random weights (1)",
     NULL},
    {"vocabulary", 0, OPTION_FLAG, offsetof(struct synthetic_settings, vocabulary), NULL, 0, 0,
     "with tokens for bytes and made-up words, so that it can be served", NULL},
    {0},
};
static const struct option_group groups[] = {{"Model", options, 0}, {0}};

static void set_defaults(void *settings) {
    struct synthetic_settings *synthetic = settings;
    synthetic->head = "f16";
    synthetic->seed = 1;
}

static enum exit_code run(struct invocation *invocation) {
    const struct synthetic_settings *settings = invocation->settings;
    const struct synthetic_shape *shape = synthetic_shape_find(invocation->arguments[0]);
    const char *path = invocation->arguments[1];
    bn_error error = {0};
    bn_status status = BN_OK;
    if (!shape)
        status = fail(&error, BN_STATUS_BAD_ARGUMENT, "there is no shape '%s'; there are 2b, 700m and 8m",
                      invocation->arguments[0]);
    enum tensor_type head = strcmp(settings->head, "q6_k") == 0 ? TYPE_Q6_K : TYPE_F16;
    if (!status) status = synthetic_write(shape, head, settings->vocabulary, settings->seed, path, &error);
    if (!status && invocation->common.json)
        status = json_write_line(
            stdout, json_pack("{s:s, s:o}", "shape", shape->name, "path", json_text(path, strlen(path))), &error);
    return status ? say_failure(&error) : EXIT_DONE;
}

const struct command command_bench_synthetic = {
    .name = "bench synthetic",
    .arguments = "SHAPE OUT.gguf",
    .summary = "write a model of random weights",
    .description = "Writes a model of random ternary weights (TQ2_0) in the shape of a real one, for measuring speed: "
                   "2b (BitNet b1.58 "
                   "2B-4T), 700m (bitnet_b1_58-large) or 8m (small, with a context of 40,960). What it generates is "
                   "noise, and without "
                   "--vocabulary it has no vocabulary. The same seed gives the same file.",
    .examples = "bitnet bench synthetic 8m 8m.gguf\nbitnet bench 8m.gguf -p 64 -n 16 -r 2",
    .groups = groups,
    .settings_bytes = sizeof(struct synthetic_settings),
    .set_defaults = set_defaults,
    .min_arguments = 2,
    .max_arguments = 2,
    .run = run,
};
