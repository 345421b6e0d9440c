/* `bitnet model convert`: a model in another container, in other types. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analysis/predictions.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/json_output.h"
#include "cli/model_path.h"
#include "cli/named_result.h"
#include "cli/signals.h"
#include "cli/source_card.h"
#include "cli/terminal.h"
#include "convert/convert.h"

struct convert_settings {
    const char *to, *output, *name, *type, *head_type, *method, *scales, *i2s_layout, *text;
    size_t threads, shard_mb;
    bool no_tokenizer, verify;
};
#define FIELD(name) offsetof(struct convert_settings, name)

static const struct option options[] = {
    {"to", 0, OPTION_CHOICE, FIELD(to), "gguf|safetensors|hf", 0, 0,
     "the form of the result: gguf, one file of safetensors, or a Hugging Face folder with configuration and tokenizer",
     NULL},
    {"output", 'o', OPTION_TEXT, FIELD(output), "PATH", 0, 0, "the file or folder to write", NULL},
    NAME_OPTION(FIELD(name)),
    {"type", 0, OPTION_CHOICE, FIELD(type), "auto|f32|f16|bf16|q8_0|q4_0|q4_k|q6_k|i2_s|tq1_0|tq2_0|q2_0|pq2_0", 0, 0,
     "of the layers' matrices; auto: what loses nothing. i2_s and below round float weights to -1, 0, 1", NULL},
    {"head-type", 0, OPTION_CHOICE, FIELD(head_type), "auto|f32|f16|bf16|q8_0|q4_0|q4_k|q6_k", 0, 0,
     "of embedding and head; auto: as --type, but q6_k beside 4 bits, and the source's beside ternary types", NULL},
    {"method", 0, OPTION_CHOICE, FIELD(method), "absmean|absmedian", 0, 0,
     "what float weights are divided by when they are rounded to -1, 0, 1", NULL},
    {"scales", 0, OPTION_CHOICE, FIELD(scales), "tensor|row|group", 0, 0,
     "which of them share that number; group: a block of the type", NULL},
    {"shard-mb", 0, OPTION_SIZE, FIELD(shard_mb), "N", 1, 1e6,
     "--to hf: size of the files that weights are split into (5000)", NULL},
    {"no-tokenizer", 0, OPTION_FLAG, FIELD(no_tokenizer), NULL, 0, 0, "leave the vocabulary out", NULL},
    {"verify", 0, OPTION_FLAG, FIELD(verify), NULL, 0, 0,
     "afterwards run source and result on a text and compare what they predict", NULL},
    {"text", 0, OPTION_TEXT, FIELD(text), "TEXT", 0, 0, "the text to verify by, instead of a built-in one", NULL},
    {"i2s-layout", 0, OPTION_CHOICE, FIELD(i2s_layout), "x86-128|arm-64|rows-4|l16", 0, 0,
     "how I2_S tensors of the source are packed, where its file doesn't say (x86-128)", NULL},
    {"threads", 't', OPTION_SIZE, FIELD(threads), "N", 0, 256, "threads; 0: one per CPU this process may use", NULL},
    {0},
};
static const struct option_group groups[] = {{"Converting", options, 0}, {0}};

/* Who looks on. */
struct audience {
    const struct invocation *invocation;
    struct progress progress;
};

static bool show_progress(void *context, size_t done, size_t total) {
    struct audience *audience = context;
    progress_update(&audience->progress, "bytes", done, total);
    return !interrupted();
}

static void show_notice(void *context, const char *line) {
    const struct audience *audience = context;
    say(audience->invocation, "%s", line);
}

static struct convert_type type_option(const char *name) {
    char upper[16];
    size_t n = 0;
    if (!name || strcmp(name, "auto") == 0) return (struct convert_type){0};
    for (; name[n] && n + 1 < sizeof upper; n++)
        upper[n] = name[n] >= 'a' && name[n] <= 'z' ? (char)(name[n] - 'a' + 'A') : name[n];
    upper[n] = 0;
    return (struct convert_type){true, tensor_type_by_name(upper)->type};
}

static bool is(const char *choice, const char *name) {
    return choice && strcmp(choice, name) == 0;
}

static struct convert_options options_of(const struct convert_settings *s, const char *source) {
    return (struct convert_options){
        .source = source,
        .output = s->output,
        .target = is(s->to, "hf")            ? CONVERT_TO_HF
                  : is(s->to, "safetensors") ? CONVERT_TO_SAFETENSORS
                                             : CONVERT_TO_GGUF,
        .type = type_option(s->type),
        .head_type = type_option(s->head_type),
        .method = is(s->method, "absmedian") ? TERNARY_ABSMEDIAN : TERNARY_ABSMEAN,
        .granularity = is(s->scales, "row")     ? TERNARY_PER_ROW
                       : is(s->scales, "group") ? TERNARY_PER_GROUP
                                                : TERNARY_PER_TENSOR,
        .n_threads = s->threads,
        .max_shard_bytes = s->shard_mb * 1000000,
        .i2s_layout = s->i2s_layout,
        .no_tokenizer = s->no_tokenizer,
        .progress = show_progress,
        .notice = show_notice,
    };
}

static const char *type_name(enum tensor_type type) {
    return type == TYPE_U8 ? "packed" : tensor_type_find(type)->name;
}

static json_t *quality_json(const struct tensor_quality *q) {
    return json_pack("{s:o, s:s, s:b, s:o, s:o, s:o}", "name", json_text(q->name, strlen(q->name)), "type",
                     type_name(q->type), "ternarized", q->ternarized, "sqnr_db", json_number(quality_sqnr(q)),
                     "relative_error", json_number(q->signal > 0 ? sqrt(q->error / q->signal) : 0), "zeros",
                     json_number(q->zeros));
}

/* What came of --verify; n_tokens = 0: it wasn't asked for. */
static json_t *verification_json(const struct prediction_difference *v) {
    if (!v->n_tokens) return json_null();
    return json_pack("{s:I, s:o, s:o, s:o, s:o}", "tokens", (json_int_t)v->n_tokens, "mean_kl", json_number(v->mean_kl),
                     "largest_kl", json_number(v->largest_kl), "top1_agreement", json_number(v->same_best),
                     "largest_logit_difference", json_number(v->largest_difference));
}

static json_t *report_json(const struct convert_settings *settings, const struct convert_report *report,
                           const struct prediction_difference *verification) {
    json_t *losses = json_array();
    for (size_t i = 0; i < report->n_qualities; i++) json_array_append_new(losses, quality_json(&report->qualities[i]));
    return json_pack("{s:o, s:s, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "output",
                     json_text(settings->output, strlen(settings->output)), "architecture", report->architecture,
                     "parameters", (json_int_t)report->n_parameters, "tensors", (json_int_t)report->n_tensors,
                     "ternary", (json_int_t)report->n_ternary, "bytes", (json_int_t)report->bytes, "files",
                     (json_int_t)report->n_files, "losses", losses, "verification", verification_json(verification));
}

/* All losses as one, and the worst; each with --verbose. */
static void say_losses(const struct invocation *invocation, const struct convert_report *report) {
    struct tensor_quality all = {0};
    const struct tensor_quality *worst = NULL;
    size_t n_ternarized = 0;
    for (size_t i = 0; i < report->n_qualities; i++) {
        const struct tensor_quality *q = &report->qualities[i];
        all.signal += q->signal;
        all.error += q->error;
        n_ternarized += q->ternarized;
        if (!worst || quality_sqnr(q) < quality_sqnr(worst)) worst = q;
        say_verbose(invocation, "%-40s %-7s SQNR %6.2f dB, relative error %.4f%s", q->name, type_name(q->type),
                    quality_sqnr(q), q->signal > 0 ? sqrt(q->error / q->signal) : 0, "");
    }
    if (!worst) return;
    say(invocation, "%zu tensors lost something: SQNR %.2f dB together, worst %.2f dB (%s)", report->n_qualities,
        quality_sqnr(&all), quality_sqnr(worst), worst->name);
    if (n_ternarized)
        say_error("%zu float matrices were rounded to -1, 0, 1. A model that wasn't trained for it talks nonsense "
                  "afterwards: "
                  "use this to test, or train the result on",
                  n_ternarized);
}

static bn_status print_report(const struct invocation *invocation, const struct convert_report *report,
                              const struct prediction_difference *v, bn_error *err) {
    const struct convert_settings *settings = invocation->settings;
    say_losses(invocation, report);
    if (v->n_tokens)
        say(invocation,
            "verified on %zu tokens: KL %.3g (largest %.3g), same best token %.1f %%, logits differ by up to %.3g",
            v->n_tokens, v->mean_kl, v->largest_kl, 100 * v->same_best, v->largest_difference);
    if (invocation->common.json) return json_write_line(stdout, report_json(settings, report, v), err);
    say(invocation, "%s: %s, %zu tensors (%zu ternary), %.1f MB -> %s", invocation->arguments[0], report->architecture,
        report->n_tensors, report->n_ternary, (double)report->bytes * 1e-6, settings->output);
    return BN_OK;
}

static bn_status convert(const struct invocation *invocation, struct convert_report *report,
                         struct prediction_difference *verification, bn_error *err) {
    const struct convert_settings *settings = invocation->settings;
    if (!settings->output) return fail(err, BN_STATUS_BAD_ARGUMENT, "say with -o where the result goes");
    if (settings->verify && is(settings->to, "safetensors"))
        return fail(err, BN_STATUS_BAD_ARGUMENT, "--verify: a file of weights alone can't run; use --to hf");
    char *source;
    bn_status status = model_path_resolve(invocation->arguments[0], &source, err);
    if (status) return status;
    signals_name_mapped_file(source);
    struct convert_options converting = options_of(settings, source);
    struct audience audience = {.invocation = invocation};
    converting.context = &audience;
    char name[256];
    converting.name = model_short_name(invocation->arguments[0], source, name, sizeof name);
    json_t *card = source_card(invocation, source);
    converting.card = card;
    progress_begin(&audience.progress, invocation);
    status = convert_model(&converting, report, err);
    progress_end(&audience.progress);
    json_decref(card);
    if (!status && settings->verify)
        status = model_files_compare(source, settings->output, settings->text, settings->threads, verification, err);
    mem_free(source);
    return status;
}

static enum exit_code run(struct invocation *invocation) {
    bn_error error = {0};
    struct convert_report report = {0};
    struct convert_settings *settings = invocation->settings;
    struct named_result result;
    const char *to = settings->to ? settings->to : "", *file = strcmp(to, "hf") == 0            ? NULL
                                                               : strcmp(to, "safetensors") == 0 ? "model.safetensors"
                                                                                                : "model.gguf";
    struct prediction_difference verification = {0};
    bn_status status = named_result_begin(invocation, settings->name, file, &settings->output, &result, &error);
    if (!status) status = convert(invocation, &report, &verification, &error);
    status =
        named_result_end(&result, status, invocation, "convert", invocation->arguments[0], &settings->output, &error);
    if (!status) status = print_report(invocation, &report, &verification, &error);
    convert_report_release(&report);
    if (status == BN_STATUS_CANCELLED) return EXIT_INTERRUPTED;
    return status ? say_failure(&error) : EXIT_DONE;
}

const struct command command_model_convert = {
    .name = "model convert",
    .arguments = "MODEL",
    .summary = "a model in another form or type",
    .description =
        "Writes MODEL, a Hugging Face folder (safetensors, PyTorch pickles, ONNX) or a GGUF file, in another form: "
        "with the names, "
        "metadata "
        "and order of rows that the form's other readers expect. Tensors are streamed, so memory doesn't grow "
        "with the model. Pickles are read, never run: what isn't a tensor or plain data is an error.\n\n"
        "Nothing is lost unless a --type asks for it: float weights keep their type, a BitNet's matrices stay exactly "
        "the codes and scale that they are. What a lossy type cost is said, tensor by tensor with --verbose or --json.",
    .examples = "bitnet model convert ./bitnet-2b --to gguf -o bitnet-2b.gguf\n"
                "# a smaller copy\n"
                "bitnet model convert ./llama-1b --to gguf --type q8_0 --verify -o llama-1b-q8_0.gguf",
    .groups = groups,
    .settings_bytes = sizeof(struct convert_settings),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
