/* `bitnet eval perplexity`: how surprised a model is by a text (analysis/perplexity.h). */
#include <stdio.h>
#include <string.h>

#include "analysis/perplexity.h"
#include "cli/command.h"
#include "cli/input.h"
#include "cli/json_output.h"
#include "cli/model_options.h"
#include "cli/signals.h"
#include "cli/terminal.h"

enum { LLAMA_CONTEXT = 512, HARNESS_CONTEXT = 2048 };

struct perplexity_settings {
    struct model_options model;
    const char *file, *protocol;
    size_t stride, max_chunks;
    bool no_special;
};
#define FIELD(name) offsetof(struct perplexity_settings, name)

static const struct option options[] = {
    {"file", 'f', OPTION_TEXT, FIELD(file), "FILE", 0, 0, "the text; -: standard input", NULL},
    {"protocol", 0, OPTION_CHOICE, FIELD(protocol), "llama|stride|harness", 0, 0,
     "how windows are cut and what is scored (llama)", NULL},
    {"stride", 0, OPTION_SIZE, FIELD(stride), "N", 0, 0x1p31,
     "protocol stride: tokens between windows; 0: half the context", "ppl-stride"},
    {"chunks", 0, OPTION_SIZE, FIELD(max_chunks), "N", 0, 0x1p31, "score only the first N windows; 0: all", NULL},
    {"no-special", 0, OPTION_FLAG, FIELD(no_special), NULL, 0, 0, "without BOS, whatever the vocabulary says",
     "no-bos"},
    {0},
};
static const struct option_group groups[] = {
    {"Perplexity", options, 0},
    {"Model", model_option_table, FIELD(model)},
    {0},
};

static void set_defaults(void *settings) {
    struct perplexity_settings *perplexity = settings;
    perplexity->protocol = "llama";
}

struct evaluation {
    struct invocation *invocation;
    struct loaded_model loaded;
    struct perplexity result;
    size_t context;
    struct progress progress;
};

static bool show_window(void *context, const struct perplexity *so_far) {
    struct evaluation *evaluation = context;
    progress_update(&evaluation->progress, "windows", so_far->n_windows, so_far->n_windows_total);
    if (evaluation->invocation->common.verbose && so_far->n_windows) {
        progress_end(&evaluation->progress);
        fprintf(stderr, "[%zu] %.4f\n", so_far->n_windows, perplexity_value(so_far));
    }
    return !interrupted();
}

static size_t choose_context(const struct perplexity_settings *settings, const bn_model *model) {
    bn_model_info info = {.size = sizeof info};
    bn_model_get_info(model, &info);
    size_t usual = strcmp(settings->protocol, "llama") == 0 ? LLAMA_CONTEXT
                   : info.context_length                    ? info.context_length
                                                            : HARNESS_CONTEXT;
    return settings->model.context ? settings->model.context : min_size(usual, max_size(info.context_length, 1));
}

static bn_status open_engine(struct evaluation *evaluation, bn_error *err) {
    const struct perplexity_settings *settings = evaluation->invocation->settings;
    bn_status status = model_options_open(evaluation->invocation, &settings->model, &evaluation->loaded.model, err);
    if (status) return status;
    evaluation->context = choose_context(settings, evaluation->loaded.model);
    bn_engine_options engine_options = model_options_engine(&settings->model);
    engine_options.context_length = evaluation->context;
    engine_options.max_sequences = 1;
    return bn_engine_create(evaluation->loaded.model, &engine_options, &evaluation->loaded.engine, err);
}

static bn_status measure(struct evaluation *evaluation, bn_error *err) {
    const struct perplexity_settings *settings = evaluation->invocation->settings;
    const struct perplexity_options measuring = {
        .protocol = strcmp(settings->protocol, "llama") == 0    ? PERPLEXITY_LLAMA
                    : strcmp(settings->protocol, "stride") == 0 ? PERPLEXITY_STRIDE
                                                                : PERPLEXITY_HARNESS,
        .context = evaluation->context,
        .stride = settings->stride,
        .max_windows = settings->max_chunks,
        .no_special = settings->no_special,
        .progress = show_window,
        .caller = evaluation,
    };
    struct buffer text;
    buffer_init(&text);
    bn_status status = read_file_or_stdin(settings->file, &text, err);
    progress_begin(&evaluation->progress, evaluation->invocation);
    if (!status)
        status = perplexity_measure(evaluation->loaded.model, evaluation->loaded.engine, text.data, text.size,
                                    &measuring, &evaluation->result, err);
    progress_end(&evaluation->progress);
    buffer_release(&text);
    return status;
}

static bn_status show_result(const struct evaluation *evaluation, bn_error *err) {
    const struct perplexity_settings *settings = evaluation->invocation->settings;
    const struct perplexity *p = &evaluation->result;
    double value = perplexity_value(p), error = perplexity_error(p), bits = perplexity_bits_per_byte(p);
    if (evaluation->invocation->common.json)
        return json_write_line(stdout,
                               json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o}", "protocol",
                                         settings->protocol, "context", (json_int_t)evaluation->context, "windows",
                                         (json_int_t)p->n_windows, "tokens", (json_int_t)p->n_tokens, "scored_tokens",
                                         (json_int_t)p->n_scored, "bytes", (json_int_t)p->bytes, "nll",
                                         json_number(p->nll), "perplexity", json_number(value), "perplexity_error",
                                         json_number(error), "bits_per_byte", json_number(bits)),
                               err);
    printf("protocol       %s, context %zu, %zu windows\ntokens         %zu, of which scored %zu (%zu bytes)\n"
           "nll            %.6f\nperplexity     %.4f ± %.4f\nbits per byte  %.4f\n",
           settings->protocol, evaluation->context, p->n_windows, p->n_tokens, p->n_scored, p->bytes, p->nll, value,
           error, bits);
    return BN_OK;
}

static bn_status evaluate(struct evaluation *evaluation, bn_error *err) {
    const struct perplexity_settings *settings = evaluation->invocation->settings;
    if (!settings->file) return fail(err, BN_STATUS_BAD_ARGUMENT, "--file is needed: the text to score");
    bn_status status = open_engine(evaluation, err);
    if (!status) status = measure(evaluation, err);
    return status ? status : show_result(evaluation, err);
}

static enum exit_code run(struct invocation *invocation) {
    struct evaluation evaluation = {.invocation = invocation};
    bn_error error = {0};
    bn_status status = evaluate(&evaluation, &error);
    loaded_model_release(&evaluation.loaded);
    if (status == BN_STATUS_CANCELLED) return EXIT_INTERRUPTED;
    return status ? say_failure(&error) : EXIT_DONE;
}

const struct command command_eval_perplexity = {
    .name = "eval perplexity",
    .arguments = "MODEL",
    .summary = "perplexity of a text",
    .description =
        "Scores a text and prints tokens, bytes, the sum of negative log-likelihoods, perplexity with its standard "
        "error, "
        "and bits per byte (which doesn't depend on the tokenizer). -v shows the perplexity so far after each "
        "window.\n\n"
        "Protocol llama (llama.cpp's; context 512): chunks with an empty cache, the second half of each is scored. "
        "stride "
        "(Hugging Face's sliding window): windows of -c tokens every --stride. harness (lm-evaluation-harness): BOS "
        "before "
        "the text and disjoint windows, every token scored. Figures of different protocols aren't comparable.",
    .examples = "bitnet eval perplexity demo -f text.txt\n"
                "bitnet eval perplexity demo -f text.txt --protocol stride -c 256 --stride 64 --json",
    .groups = groups,
    .settings_bytes = sizeof(struct perplexity_settings),
    .set_defaults = set_defaults,
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
