/* `bitnet model optimize`: a copy of a model that opens at once. */
#include <stdio.h>
#include <string.h>

#include "analysis/optimization.h"
#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "bench/tuning.h"
#include "cli/command.h"
#include "cli/json_output.h"
#include "cli/model_options.h"
#include "cli/model_path.h"
#include "cli/named_result.h"
#include "cli/signals.h"
#include "cli/source_card.h"
#include "cli/terminal.h"
#include "kernels/kernels.h"

struct optimize_settings {
    struct model_options model;
    const char *output, *name, *layout, *target, *lossy;
    bool no_compare;
};
#define FIELD(name) offsetof(struct optimize_settings, name)

static const struct option options[] = {
    {"output", 'o', OPTION_TEXT, FIELD(output), "FILE", 0, 0, "where the optimized model goes: a GGUF file", NULL},
    NAME_OPTION(FIELD(name)),
    {"head", 0, OPTION_CHOICE, FIELD(model.head), "auto|exact|screen", 0, 0,
     "whether the six-bit copy of the output head is stored: auto, where it pays; exact: no", NULL},
    {"layout", 0, OPTION_CHOICE, FIELD(layout), "l16|l12", 0, 0,
     "how ternary matrices lie: l16, two bits a weight, which every CPU reads at full speed; l12, 1.67 bits, for CPUs "
     "with AVX-512 VBMI where several threads wait for memory, and slower on others (what 'bitnet tune' found for the "
     "model, else l16)",
     NULL},
    {"target", 0, OPTION_TEXT, FIELD(target), "CPU", 0, 0,
     "the layout in which another CPU decodes fastest: an instruction set (avx2, avx512vbmi, neon, …), a CPU (zen4, "
     "skylake, graviton3, …) or native; --layout overrides it",
     NULL},
    {"lossy", 0, OPTION_TEXT, FIELD(lossy), "PART=TYPE,…", 0, 0,
     "smaller types for head, embeddings (also where they are the head) or layers: f32, f16, bf16, q8_0, q4_0, q4_k, "
     "q6_k; what it cost is said",
     NULL},
    {"no-compare", 0, OPTION_FLAG, FIELD(no_compare), NULL, 0, 0,
     "don't run source and result afterwards to compare what they predict", NULL},
    {"i2s-layout", 0, OPTION_CHOICE, FIELD(model.i2s_layout), "x86-128|arm-64|rows-4|l16", 0, 0,
     "how I2_S tensors are packed, where the file doesn't say and the probe is wrong", NULL},
    {"threads", 't', OPTION_SIZE, FIELD(model.threads), "N", 0, 256,
     "threads; 0: one per physical core this process may use", NULL},
    {0},
};
static const struct option_group groups[] = {{"Optimizing", options, 0}, {0}};

/* ---- what is asked for ---- */

/* CPUs by their names, and the layout in which they decode fastest (docs/kernels.md): L12 where VBMI unpacks it and there are no tiles (AMX)
 * that want L16. */
static const struct {
    const char *names; /* separated by spaces: an instruction set as BITNET_ISA has it, then CPUs whose best it is */
    enum ternary_layout layout;
} targets[] = {
    {"scalar", LAYOUT_L16},
    {"neon apple-m1 graviton2 cortex-a76 raspberrypi5", LAYOUT_L16},
    {"i8mm apple-m2 apple-m3 apple-m4 graviton3 graviton4 ampere1 neoverse-v1 neoverse-v2", LAYOUT_L16},
    {"avx2 haswell broadwell skylake zen1 zen2 zen3", LAYOUT_L16},
    {"avxvnni alderlake raptorlake meteorlake arrowlake", LAYOUT_L16},
    {"avx512 avx512vnni cascadelake cooperlake", LAYOUT_L16},
    {"avx512vbmi icelake tigerlake rocketlake zen4 zen5", LAYOUT_L12},
    {"amx sapphirerapids emeraldrapids graniterapids", LAYOUT_L16},
};
#define N_TARGETS (sizeof targets / sizeof *targets)

static bool has_word(const char *words, const char *word, size_t n) {
    for (const char *at = words; *at; at += strspn(at, " ")) {
        size_t length = strcspn(at, " ");
        if (length == n && strncmp(at, word, n) == 0) return true;
        at += length;
    }
    return false;
}

static bn_status find_layout(const struct optimize_settings *settings, const char *source, enum ternary_layout *out,
                             bn_error *err) {
    const char *target = settings->target;
    *out = settings->layout || target ? LAYOUT_L16 : tuning_layout(source);
    if (settings->layout) {
        if (strcmp(settings->layout, "l12") == 0) *out = LAYOUT_L12;
        return BN_OK;
    }
    if (!target) return BN_OK;
    if (strcmp(target, "native") == 0) target = kernels_best()->name;
    for (size_t i = 0; i < N_TARGETS; i++)
        if (has_word(targets[i].names, target, strlen(target))) {
            *out = targets[i].layout;
            return BN_OK;
        }
    struct buffer known;
    buffer_init(&known);
    for (size_t i = 0; i < N_TARGETS; i++) buffer_printf(&known, " %s", targets[i].names);
    bn_status status = fail(err, BN_STATUS_BAD_ARGUMENT, "--target '%s' isn't known; these are: native%s", target,
                            known.data ? known.data : "");
    buffer_release(&known);
    return status;
}

static bool find_type(const char *name, size_t n, struct convert_type *out) {
    static const char types[] = "f32 f16 bf16 q8_0 q4_0 q4_k q6_k";
    char upper[8];
    if (!has_word(types, name, n)) return false;
    for (size_t i = 0; i < n; i++) upper[i] = name[i] >= 'a' && name[i] <= 'z' ? (char)(name[i] - 'a' + 'A') : name[i];
    upper[n] = 0;
    *out = (struct convert_type){true, tensor_type_by_name(upper)->type};
    return true;
}

/* "head=q6_k,embeddings=q8_0" */
static bn_status parse_types(const char *list, struct optimization_options *out, bn_error *err) {
    const struct {
        const char *name;
        struct convert_type *type;
    } parts[] = {{"head", &out->head}, {"embeddings", &out->embeddings}, {"layers", &out->layers}};
    for (const char *at = list; at && *at;) {
        size_t n = strcspn(at, ","), name = strcspn(at, "=,");
        struct convert_type *type = NULL;
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
            if (strlen(parts[i].name) == name && strncmp(at, parts[i].name, name) == 0) type = parts[i].type;
        if (!type || name == n || !find_type(at + name + 1, n - name - 1, type))
            return fail(err, BN_STATUS_BAD_ARGUMENT,
                        "--lossy '%.*s': expected head, embeddings or layers, then '=' and f32, f16, bf16, q8_0, q4_0, "
                        "q4_k or q6_k",
                        (int)n, at);
        at += n + (at[n] == ',');
    }
    return BN_OK;
}

/* ---- doing it ---- */

/* Who looks on. */
struct audience {
    const struct invocation *invocation;
    struct progress progress;
};

static bool show_progress(void *context, const char *what, size_t done, size_t total) {
    struct audience *audience = context;
    progress_update(&audience->progress, what, done, total);
    return !interrupted();
}

static void show_notice(void *context, const char *line) {
    const struct audience *audience = context;
    say_verbose(audience->invocation, "%s", line);
}

static bn_status optimize(const struct invocation *invocation, struct optimization_report *report, bn_error *err) {
    const struct optimize_settings *settings = invocation->settings;
    if (!settings->output) return fail(err, BN_STATUS_BAD_ARGUMENT, "say with -o where the optimized model goes");
    struct audience audience = {.invocation = invocation};
    struct optimization_options optimizing = {
        .output = settings->output,
        .model = {.size = sizeof optimizing.model,
                  .n_threads = settings->model.threads,
                  .i2s_layout = settings->model.i2s_layout,
                  .head = head_by_name(settings->model.head)},
        .no_compare = settings->no_compare,
        .progress = show_progress,
        .notice = show_notice,
        .context = &audience,
    };
    char *source = NULL;
    bn_status status = model_path_resolve(invocation->arguments[0], &source, err);
    if (status) return status;
    status = find_layout(settings, source, &optimizing.layout, err);
    if (!status) status = parse_types(settings->lossy, &optimizing, err);
    if (status) {
        mem_free(source);
        return status;
    }
    optimizing.source = source;
    char name[256];
    optimizing.name = model_short_name(invocation->arguments[0], source, name, sizeof name);
    json_t *card = source_card(invocation, source);
    optimizing.card = card;
    signals_name_mapped_file(source);
    progress_begin(&audience.progress, invocation);
    status = optimize_model(&optimizing, report, err);
    progress_end(&audience.progress);
    json_decref(card);
    mem_free(source);
    return status;
}

/* ---- what came of it ---- */

static json_t *comparison_json(const struct optimization_report *report) {
    const struct prediction_difference *d = &report->difference;
    if (!d->n_tokens) return json_null();
    json_t *out = json_pack("{s:I, s:b, s:o, s:o, s:o}", "tokens", (json_int_t)d->n_tokens, "equal",
                            d->largest_difference == 0, "mean_kl", json_number(d->mean_kl), "top1_agreement",
                            json_number(d->same_best), "largest_logit_difference", json_number(d->largest_difference));
    if (!report->before.n_scored) return out;
    json_object_set_new(out, "perplexity_before", json_number(perplexity_value(&report->before)));
    json_object_set_new(out, "perplexity_after", json_number(perplexity_value(&report->after)));
    return out;
}

static void say_comparison(const struct invocation *invocation, const struct optimization_report *report) {
    const struct prediction_difference *d = &report->difference;
    if (!d->n_tokens) return;
    if (d->largest_difference == 0)
        say(invocation, "the same logits for %zu tokens, bit for bit", d->n_tokens);
    else
        say(invocation, "logits of %zu tokens differ by up to %.3g: KL %.3g nats, same best token %.1f %%", d->n_tokens,
            d->largest_difference, d->mean_kl, 100 * d->same_best);
    if (report->before.n_scored)
        say(invocation, "perplexity of the sample text: %.4f before, %.4f after", perplexity_value(&report->before),
            perplexity_value(&report->after));
}

static bn_status print_report(const struct invocation *invocation, const struct optimization_report *report,
                              bn_error *err) {
    const struct optimize_settings *settings = invocation->settings;
    const struct optimize_report *written = &report->written;
    size_t bytes = file_identify(settings->output).size;
    const char *layout = ternary_layout_name(written->layout);
    if (invocation->common.json)
        return json_write_line(stdout,
                               json_pack("{s:o, s:I, s:I, s:I, s:s, s:b, s:b, s:b, s:o}", "output",
                                         json_text(settings->output, strlen(settings->output)), "bytes",
                                         (json_int_t)bytes, "tensors", (json_int_t)written->n_tensors, "ternary",
                                         (json_int_t)written->n_ternary, "layout", layout, "screen",
                                         written->has_screen, "tokenizer", written->has_tokenizer, "converted",
                                         report->converted, "comparison", comparison_json(report)),
                               err);
    say_comparison(invocation, report);
    say(invocation, "%zu of %zu tensors ternary%s%s, %.1f MB -> %s", written->n_ternary, written->n_tensors,
        written->has_screen ? ", the head's six-bit copy" : "",
        written->has_tokenizer ? ", the compiled tokenizer" : "", (double)bytes * 1e-6, settings->output);
    return BN_OK;
}

static enum exit_code run(struct invocation *invocation) {
    bn_error error = {0};
    struct optimization_report report = {0};
    struct optimize_settings *settings = invocation->settings;
    struct named_result result;
    bn_status status = named_result_begin(invocation, settings->name, "model.gguf", &settings->output, &result, &error);
    if (!status) status = optimize(invocation, &report, &error);
    status =
        named_result_end(&result, status, invocation, "optimize", invocation->arguments[0], &settings->output, &error);
    if (!status) status = print_report(invocation, &report, &error);
    optimization_report_release(&report);
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
        "MODEL is a GGUF file in any type that this program runs, or a Hugging Face folder, which is converted first. "
        "Afterwards both are run on a text: without --lossy the logits have to be the same (those of a folder within "
        "the rounding of sums), or nothing is written; with it, their distance and both perplexities are said.",
    .examples = "bitnet model optimize demo -o demo-fast.gguf\n"
                "# a folder, with a head of fewer bits\n"
                "bitnet model optimize ./bitnet-2b --lossy head=q6_k -o bitnet-2b-fast.gguf",
    .groups = groups,
    .settings_bytes = sizeof(struct optimize_settings),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
