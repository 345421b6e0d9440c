/* `bitnet model optimize`: a copy of a model that opens at once. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "cli/command.h"
#include "cli/json_output.h"
#include "cli/model_options.h"
#include "cli/named_result.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "model/optimize.h"

struct optimize_settings {
    struct model_options model;
    const char *output, *name, *layout;
};
#define FIELD(name) offsetof(struct optimize_settings, name)

static const struct option options[] = {
    {"output", 'o', OPTION_TEXT, FIELD(output), "FILE", 0, 0, "where the optimized model goes: a GGUF file", NULL},
    NAME_OPTION(FIELD(name)),
    {"head", 0, OPTION_CHOICE, FIELD(model.head), "auto|exact|screen", 0, 0,
     "whether the six-bit copy of the output head is stored: auto, where it pays; exact: no", NULL},
    {"layout", 0, OPTION_CHOICE, FIELD(layout), "l16|l12", 0, 0,
     "how ternary matrices lie: l16, two bits a weight, which every CPU reads at full speed; l12, 1.67 bits, for CPUs "
     "with AVX-512 VBMI where several threads wait for memory, and slower on others (l16)",
     NULL},
    {"i2s-layout", 0, OPTION_CHOICE, FIELD(model.i2s_layout), "x86-128|arm-64|rows-4|l16", 0, 0,
     "how I2_S tensors are packed, where the file doesn't say and the probe is wrong", NULL},
    {"threads", 't', OPTION_SIZE, FIELD(model.threads), "N", 0, 256,
     "threads; 0: one per physical core this process may use", NULL},
    {0},
};
static const struct option_group groups[] = {{"Optimizing", options, 0}, {0}};

static bool show_progress(void *context, size_t done, size_t total) {
    progress_update(context, "bytes", done, total);
    return !interrupted();
}

static bn_status optimize(const struct invocation *invocation, struct optimize_report *report, bn_error *err) {
    const struct optimize_settings *settings = invocation->settings;
    if (!settings->output) return fail(err, BN_STATUS_BAD_ARGUMENT, "say with -o where the optimized model goes");
    bn_model *model;
    bn_status status = model_options_open(invocation, &settings->model, &model, err);
    if (status) return status;
    struct progress progress;
    report->layout = settings->layout && strcmp(settings->layout, "l12") == 0 ? LAYOUT_L12 : LAYOUT_L16;
    report->progress = show_progress;
    report->context = &progress;
    progress_begin(&progress, invocation);
    status = model_optimize(model, settings->output, report, err);
    progress_end(&progress);
    bn_model_close(model);
    return status;
}

static bn_status print_report(const struct invocation *invocation, const struct optimize_report *report,
                              bn_error *err) {
    const struct optimize_settings *settings = invocation->settings;
    size_t bytes = file_identify(settings->output).size;
    if (invocation->common.json)
        return json_write_line(
            stdout,
            json_pack("{s:o, s:I, s:I, s:I, s:b, s:b}", "output", json_text(settings->output, strlen(settings->output)),
                      "bytes", (json_int_t)bytes, "tensors", (json_int_t)report->n_tensors, "ternary",
                      (json_int_t)report->n_ternary, "screen", report->has_screen, "tokenizer", report->has_tokenizer),
            err);
    say(invocation, "%zu of %zu tensors ternary%s%s, %.1f MB -> %s", report->n_ternary, report->n_tensors,
        report->has_screen ? ", the head's six-bit copy" : "", report->has_tokenizer ? ", the compiled tokenizer" : "",
        (double)bytes * 1e-6, settings->output);
    return BN_OK;
}

static enum exit_code run(struct invocation *invocation) {
    bn_error error = {0};
    struct optimize_report report = {0};
    struct optimize_settings *settings = invocation->settings;
    struct named_result result;
    bn_status status = named_result_begin(invocation, settings->name, "model.gguf", &settings->output, &result, &error);
    if (!status) status = optimize(invocation, &report, &error);
    status =
        named_result_end(&result, status, invocation, "optimize", invocation->arguments[0], &settings->output, &error);
    if (!status) status = print_report(invocation, &report, &error);
    if (status == BN_STATUS_CANCELLED) return EXIT_INTERRUPTED;
    return status ? say_failure(&error) : EXIT_DONE;
}

const struct command command_model_optimize = {
    .name = "model optimize",
    .arguments = "MODEL",
    .summary = "a copy of a model that opens at once",
    .description =
        "Writes a GGUF file in which everything lies as it is used: ternary matrices in this program's own layout, the "
        "six-bit copy of the output head, the compiled tokenizer. Such a file is mapped, and nothing of it is computed "
        "or "
        "copied when it is opened. All other tensors and all metadata are kept, and the model gives the same bits. "
        "Other programs can't read the layout, so keep the source.\n\n"
        "MODEL is a GGUF file in any type that this program runs.",
    .examples = "bitnet model optimize demo -o demo-fast.gguf",
    .groups = groups,
    .settings_bytes = sizeof(struct optimize_settings),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
