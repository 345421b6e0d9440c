/* `bitnet eval logits`: the model's raw output for given tokens, for comparing with other implementations. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/input.h"
#include "cli/json_output.h"
#include "cli/model_options.h"
#include "cli/terminal.h"

struct logits_settings {
    struct model_options model;
    const char *tokens, *output;
    bool last;
};
#define FIELD(name) offsetof(struct logits_settings, name)

static const struct option options[] = {
    {"tokens", 0, OPTION_TEXT, FIELD(tokens), "IDS", 0, 0, "token ids: 1,2,3", NULL},
    {"output", 'o', OPTION_TEXT, FIELD(output), "FILE", 0, 0, "where to write", NULL},
    {"last", 0, OPTION_FLAG, FIELD(last), NULL, 0, 0, "only the row of the last token", NULL},
    {0},
};
static const struct option_group groups[] = {
    {"Logits", options, 0},
    {"Model", model_option_table, FIELD(model)},
    {0},
};

static void set_defaults(void *settings) {
    struct logits_settings *logits = settings;
    logits->model.kv_type = "f32"; /* comparing with a reference, exactness comes first */
}

static bn_status write_rows(const char *path, const float *rows, size_t n, bn_error *err) {
    struct atomic_file file;
    bn_status status = atomic_file_open(path, &file, err);
    if (status) return status;
    if (fwrite(rows, sizeof *rows, n, file.stream) == n) return atomic_file_commit(&file, err);
    status = fail(err, BN_STATUS_IO, "%s: can't write: %s", path, strerror(errno));
    atomic_file_abort(&file);
    return status;
}

static bn_status compute(const struct invocation *invocation, const struct loaded_model *loaded, const int32_t *ids,
                         size_t n_ids, bn_error *err) {
    const struct logits_settings *settings = invocation->settings;
    bn_model_info info = {.size = sizeof info};
    bn_model_get_info(loaded->model, &info);
    size_t rows = settings->last ? 1 : n_ids, n;
    if (!mul_size(rows, info.vocab_size, &n)) return fail_no_memory(err, SIZE_MAX);
    float *logits = mem_alloc_array(n, sizeof *logits);
    if (!logits) return fail_no_memory(err, n * sizeof *logits);
    bn_status status = bn_engine_logits(loaded->engine, ids, n_ids, settings->last, logits, err);
    if (!status) status = write_rows(settings->output, logits, n, err);
    mem_free(logits);
    if (!status && invocation->common.json)
        status = json_write_line(stdout,
                                 json_pack("{s:I, s:I, s:s}", "rows", (json_int_t)rows, "vocab_size",
                                           (json_int_t)info.vocab_size, "file", settings->output),
                                 err);
    if (!status) say_verbose(invocation, "%s: %zu rows of %zu float32", settings->output, rows, info.vocab_size);
    return status;
}

static enum exit_code run(struct invocation *invocation) {
    const struct logits_settings *settings = invocation->settings;
    bn_error error = {0};
    struct loaded_model loaded = {0};
    int32_t *ids = NULL;
    size_t n;
    bn_status status = BN_OK;
    if (!settings->tokens || !settings->output)
        status = fail(&error, BN_STATUS_BAD_ARGUMENT, "--tokens and --output are needed");
    if (!status) status = parse_ids(settings->tokens, &ids, &n, &error);
    if (!status && !n) status = fail(&error, BN_STATUS_BAD_ARGUMENT, "--tokens: no ids");
    if (!status) status = model_options_load(invocation, &settings->model, 1, &loaded, &error);
    if (!status) status = compute(invocation, &loaded, ids, n, &error);
    loaded_model_release(&loaded);
    mem_free(ids);
    return status ? say_failure(&error) : EXIT_DONE;
}

const struct command command_eval_logits = {
    .name = "eval logits",
    .arguments = "MODEL",
    .summary = "write a model's logits for given tokens",
    .description =
        "Runs the tokens through the model in an empty context and writes raw little-endian float32, "
        "[n_tokens, vocab_size] (--last: the last row only). The key-value cache is f32 unless --kv-type says else.",
    .examples = "bitnet eval logits demo --tokens 1688,387,728,260,535 -o logits.f32",
    .groups = groups,
    .settings_bytes = sizeof(struct logits_settings),
    .set_defaults = set_defaults,
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
