/* `bitnet doctor`: what this machine and this installation are, and whether the whole of it works: the demo model has
 * to generate exactly the tokens that the reference implementation gives for it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/threads.h"
#include "bench/tuning.h"
#include "bitnet/bitnet.h"
#include "cli/build_info.h"
#include "cli/command.h"
#include "cli/json_output.h"
#include "cli/model_path.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "kernels/kernels.h"

/* "Once upon a time" and its greedy continuation in transformers (float32). */
static const int32_t known_prompt[] = {1688, 387, 728, 260, 535};
static const int32_t known_tokens[] = {13, 270, 409, 278, 347, 551, 1791, 279, 402, 713, 13, 278, 331, 13, 309, 42};
enum {
    N_PROMPT = sizeof known_prompt / sizeof *known_prompt,
    N_KNOWN = sizeof known_tokens / sizeof *known_tokens,
};

struct examination {
    char *demo, *config, *models;
    bool demo_works;
    char demo_result[300];
    uint64_t memory_bytes, available_bytes;
    size_t n_tuned; /* models that 'bitnet tune' has settings for */
};

/* ---- the machine ---- */

/* A line "name:   123 kB" of /proc/meminfo, in bytes. */
static uint64_t meminfo(const char *name) {
    char line[200];
    uint64_t kib = 0;
    FILE *stream = fopen("/proc/meminfo", "r");
    while (stream && fgets(line, sizeof line, stream))
        if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':') {
            kib = strtoull(line + strlen(name) + 1, NULL, 10);
            break;
        }
    if (stream) fclose(stream);
    return kib * 1024;
}

/* ---- the self-test ---- */

static bn_status generate_known(const char *path, int32_t *tokens, size_t *n, double *ms, bn_error *err) {
    bn_model *model = NULL;
    bn_engine *engine = NULL;
    bn_request *request = NULL;
    bn_request_options options;
    bn_request_options_init(&options);
    options.sampling.temperature = 0;
    options.max_tokens = N_KNOWN;
    uint64_t start = clock_now_ns();
    bn_status status = bn_model_open(path, NULL, &model, err);
    if (!status) status = bn_engine_create(model, NULL, &engine, err);
    if (!status) status = bn_engine_submit(engine, known_prompt, N_PROMPT, &options, &request, err);
    if (!status) status = bn_request_wait(request, err);
    bn_choice choice = {.size = sizeof choice};
    if (!status) status = bn_request_choice(request, 0, &choice);
    if (!status) {
        *n = min_size(choice.n_ids, N_KNOWN);
        memcpy(tokens, choice.ids, *n * sizeof *tokens);
    }
    *ms = (double)(clock_now_ns() - start) * 1e-6;
    if (request) bn_request_release(request);
    if (engine) bn_engine_destroy(engine);
    if (model) bn_model_close(model);
    return status;
}

static void test_demo(struct examination *examination) {
    int32_t tokens[N_KNOWN];
    size_t n = 0;
    double ms;
    bn_error error = {0};
    char *result = examination->demo_result;
    size_t size = sizeof examination->demo_result;
    if (!examination->demo) {
        snprintf(result, size, "not found: set BITNET_DATA_DIR to the folder with demo.gguf");
        return;
    }
    signals_name_mapped_file(examination->demo);
    if (generate_known(examination->demo, tokens, &n, &ms, &error)) {
        snprintf(result, size, "failed: %.280s", error.message);
        return;
    }
    examination->demo_works = n == N_KNOWN && memcmp(tokens, known_tokens, sizeof known_tokens) == 0;
    if (examination->demo_works)
        snprintf(result, size, "generates the %d known tokens (%.0f ms with opening)", N_KNOWN, ms);
    else
        snprintf(result, size,
                 "generates OTHER tokens than the known ones: please report this with the output of doctor");
}

/* ---- reports ---- */

static void print_text(const struct examination *examination) {
    printf("version    bitnet %s, %s, %s\n", bn_version(), build_compiler(), build_target());
    printf("libraries ");
    for (size_t i = 0; build_library_at(i).name; i++)
        printf(" %s %s", build_library_at(i).name, build_library_at(i).version);
    printf("\nCPU        %zu CPUs for this process, %zu cores; %s\n", cpu_count(), cpu_count_physical(),
           kernels_cpu_features());
    printf("memory     %.1f GiB, %.1f GiB available\n", (double)examination->memory_bytes / (1 << 30),
           (double)examination->available_bytes / (1 << 30));
    printf("kernels    %s, of", kernels_best()->name);
    for (size_t i = 0; kernels_name(i); i++) printf(" %s", kernels_name(i));
    const char *isa = getenv("BITNET_ISA");
    printf("%s%s\n", isa ? "; BITNET_ISA is " : "", isa ? isa : "");
    printf("config     %s%s\n", examination->config ? examination->config : "no home folder",
           examination->config && !file_exists(examination->config) ? " (not there, which is fine)" : "");
    printf("models     %s%s\n", examination->models ? examination->models : "no home folder",
           examination->models && !file_exists(examination->models) ? " (not there, which is fine)" : "");
    printf("tuned      %zu models (bitnet tune --show)\n", examination->n_tuned);
    printf("demo       %s\n", examination->demo ? examination->demo : "not found");
    printf("self-test  %s%s%s %s\n", style_out(examination->demo_works ? STYLE_GREEN : STYLE_RED),
           examination->demo_works ? "ok" : "FAILED", style_out(STYLE_PLAIN), examination->demo_result);
}

static json_t *text_or_null(const char *text) {
    return text ? json_text(text, strlen(text)) : json_null();
}

static json_t *report_json(const struct examination *examination) {
    json_t *libraries = json_object(), *kernels = json_array();
    for (size_t i = 0; build_library_at(i).name; i++)
        json_object_set_new(libraries, build_library_at(i).name, json_string(build_library_at(i).version));
    for (size_t i = 0; kernels_name(i); i++) json_array_append_new(kernels, json_string(kernels_name(i)));
    return json_pack(
        "{s:b, s:s, s:s, s:s, s:o, s:{s:I, s:I, s:s}, s:{s:I, s:I}, s:{s:s, s:o}, s:o, s:o, s:I, s:{s:o, s:b, s:s}}",
        "ok", examination->demo_works, "version", bn_version(), "compiler", build_compiler(), "target", build_target(),
        "libraries", libraries, "cpu", "cpus", (json_int_t)cpu_count(), "cores", (json_int_t)cpu_count_physical(),
        "features", kernels_cpu_features(), "memory", "total_bytes", (json_int_t)examination->memory_bytes,
        "available_bytes", (json_int_t)examination->available_bytes, "kernels", "chosen", kernels_best()->name,
        "available", kernels, "config", text_or_null(examination->config), "models", text_or_null(examination->models),
        "tuned_models", (json_int_t)examination->n_tuned, "demo", "path", text_or_null(examination->demo), "ok",
        examination->demo_works, "detail", examination->demo_result);
}

static enum exit_code run(struct invocation *invocation) {
    struct examination examination = {
        .demo = demo_model_path(),
        .config = config_path(),
        .models = models_folder(),
        .memory_bytes = meminfo("MemTotal"),
        .available_bytes = meminfo("MemAvailable"),
    };
    bn_error error = {0};
    json_t *tuned = tuning_entries();
    examination.n_tuned = json_object_size(tuned);
    json_decref(tuned);
    test_demo(&examination);
    bn_status status = BN_OK;
    if (invocation->common.json)
        status = json_write_line(stdout, report_json(&examination), &error);
    else
        print_text(&examination);
    mem_free(examination.demo);
    mem_free(examination.config);
    mem_free(examination.models);
    if (status) return say_failure(&error);
    return examination.demo_works ? EXIT_DONE : EXIT_FAILED;
}

const struct command command_doctor = {
    .name = "doctor",
    .arguments = "",
    .summary = "examine this machine and installation",
    .description =
        "Shows CPU, memory, kernels, libraries and paths, and tests the whole: the demo model has to generate exactly "
        "the tokens that the reference implementation gives. Exit status 1 if it doesn't.",
    .examples = "bitnet doctor\nbitnet doctor --json",
    .run = run,
};
