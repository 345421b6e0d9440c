/* `bitnet model tensors`: what a model file holds, as a table or as plain float32. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "analysis/tensor_listing.h"
#include "base/file.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/json_output.h"
#include "cli/model_path.h"
#include "cli/signals.h"
#include "cli/tensor_table.h"
#include "cli/terminal.h"

struct tensors_settings {
    const char *dump;
};
static const struct option options[] = {
    {"dump", 0, OPTION_TEXT, offsetof(struct tensors_settings, dump), "OUT.f32", 0, 0,
     "write the values of all tensors in file order as raw little-endian float32", NULL},
    {0},
};
static const struct option_group groups[] = {{"Tensor", options, 0}, {0}};

static bn_status write_values(void *context, const float *values, size_t n, bn_error *err) {
    struct atomic_file *file = context;
    if (fwrite(values, sizeof *values, n, file->stream) == n) return BN_OK;
    return fail(err, BN_STATUS_IO, "%s: can't write: %s", file->path, strerror(errno));
}

static bn_status dump(const struct tensor_set *set, const char *path, const struct invocation *invocation,
                      bn_error *err) {
    struct atomic_file file;
    struct progress progress;
    bn_status status = atomic_file_open(path, &file, err);
    if (status) return status;
    progress_begin(&progress, invocation);
    for (size_t i = 0; !status && i < set->n_tensors; i++) {
        status = tensor_visit_values(&set->tensors[i], write_values, &file, err);
        progress_update(&progress, "tensors", i + 1, set->n_tensors);
        if (!status && interrupted()) status = fail(err, BN_STATUS_CANCELLED, "interrupted");
    }
    progress_end(&progress);
    if (!status) return atomic_file_commit(&file, err);
    atomic_file_abort(&file);
    return status;
}

static enum exit_code run(struct invocation *invocation) {
    const struct tensors_settings *settings = invocation->settings;
    bn_error error = {0};
    char *path;
    struct tensor_listing listing = {0};
    bn_status status = model_path_resolve(invocation->arguments[0], &path, &error);
    if (status) return say_failure(&error);
    signals_name_mapped_file(path);
    status = tensor_listing_open(path, &listing, &error);
    if (!status && settings->dump) status = dump(listing.set, settings->dump, invocation, &error);
    if (!status && invocation->common.json)
        status = json_write_line(stdout, json_pack("{s:o}", "tensors", tensor_table_json(listing.set)), &error);
    else if (!status && !settings->dump)
        tensor_table_print(listing.set);
    tensor_listing_close(&listing);
    mem_free(path);
    if (status && interrupted()) return EXIT_INTERRUPTED;
    return status ? say_failure(&error) : EXIT_DONE;
}

const struct command command_model_tensors = {
    .name = "model tensors",
    .arguments = "FILE",
    .summary = "the tensors of a model file, or their values",
    .description =
        "Lists name, type, shape (slowest dimension first) and bytes of every tensor of a .gguf or .safetensors file "
        "or a Hugging Face folder. --dump decodes all of them to float32, one after the other, row after row.",
    .examples = "bitnet model tensors demo\nbitnet model tensors demo --dump values.f32",
    .groups = groups,
    .settings_bytes = sizeof(struct tensors_settings),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
