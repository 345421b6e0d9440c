#include "cli/advice.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/threads.h"
#include "cli/model_options.h"
#include "model/weights.h"

enum { LARGE_SHARE = 20, NEAR_LIMIT = 80, FAR_FROM_LIMIT = 50 }; /* percent */

/* Once: what holds for both phases is found in each. */
static void say_advice(json_t *advice, const char *format, ...) PRINTF_LIKE(2, 3);
static void say_advice(json_t *advice, const char *format, ...) {
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    size_t index;
    json_t *said;
    json_array_foreach(advice, index, said) if (strcmp(json_string_value(said), text) == 0) return;
    json_array_append_new(advice, json_string(text));
}

/* How much faster all of it gets when a share of it (in percent) takes `factor` of its time. */
static double speed_up(double share, double factor) {
    return 100 / (100 - share * (1 - factor));
}

static void advise_threads(json_t *advice, const struct speed_sample *sample) {
    double load[1];
    if (sample->threads > cpu_count_physical())
        say_advice(advice, "%zu threads run on %zu cores; more threads than cores slow each other down: -t %zu",
                   sample->threads, cpu_count_physical(), cpu_count_physical());
    else if (getloadavg(load, 1) == 1 && load[0] > 1.3 * (double)cpu_count())
        say_advice(advice,
                   "other programs use the %zu CPUs too (load %.1f): measure again on an idle machine, or tune for "
                   "this one with 'bitnet tune'",
                   cpu_count(), load[0]);
}

static void advise_decode(json_t *advice, const bn_model *model, const struct profile *profile, double percent_of_limit,
                          bool from_memory) {
    const struct step_total *head = &profile->steps[STEP_HEAD], *attention = &profile->steps[STEP_ATTENTION];
    double head_share = 100 * head->seconds / profile->seconds,
           attention_share = 100 * attention->seconds / profile->seconds;
    const struct linear *linear = &model->weights.head;
    double row_bytes = (double)linear->row_bytes / (double)linear->n_cols;
    if (head_share > LARGE_SHARE && !linear->ternary && !model_is_screened(model) && row_bytes > 1)
        say_advice(advice,
                   "the head takes %.0f %% of decode at %.1f bytes a weight; at one byte (a head in Q8_0, or screened) "
                   "decode would be up to %.2f times as fast",
                   head_share, row_bytes, speed_up(head_share, 1 / row_bytes));
    if (attention_share > LARGE_SHARE && profile->sample.kv_type == BN_KV_F32)
        say_advice(advice,
                   "attention takes %.0f %% of decode and keeps keys and values in f32; --kv-type f16 halves its "
                   "bytes: up to %.2f times as fast",
                   attention_share, speed_up(attention_share, 0.5));
    if (from_memory && percent_of_limit > NEAR_LIMIT)
        say_advice(advice,
                   "decode runs at %.0f %% of the memory's speed: only fewer bytes (a denser tensor type, a smaller "
                   "head) or several sequences at once (bench --streams) give more tokens per second",
                   percent_of_limit);
}

void advise(json_t *advice, const bn_model *model, const struct profile *profile, const struct machine_limits *limits) {
    struct model_work all = {0};
    for (size_t i = 0; i < N_STEPS; i++) {
        all.bytes += profile->steps[i].work.bytes;
        all.int8_operations += profile->steps[i].work.int8_operations;
        all.float_operations += profile->steps[i].work.float_operations;
    }
    /* A model that fits into caches isn't held back by memory. */
    bool memory_bound, decode = profile->n_tokens == profile->sample.steps,
                       small = all.bytes / (double)profile->sample.steps < 64e6;
    double percent = 100 * roofline_seconds(&all, limits, &memory_bound) / profile->seconds;
    advise_threads(advice, &profile->sample);
    if (decode) advise_decode(advice, model, profile, percent, memory_bound && !small);
    if (percent < FAR_FROM_LIMIT && !small)
        say_advice(advice, "%s reaches %.0f %% of what this machine allows; 'bitnet tune' looks for better settings",
                   decode ? "decode" : "prefill", percent);
    if (!decode && profile->sample.batch_tokens < 128)
        say_advice(advice, "prompts run in steps of %zu tokens; 256 (-b 256) reads the weights less often",
                   profile->sample.batch_tokens);
}
