/* `bitnet model tensors`: what a model file holds, as a table or as plain float32. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/json_output.h"
#include "cli/model_path.h"
#include "cli/signals.h"
#include "cli/tensor_listing.h"
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

static const char *layout_name(const struct tensor *tensor) {
    bool named = tensor->type == TYPE_I2_S && tensor->i2s_layout != I2S_UNKNOWN;
    return named ? i2s_layout_name(tensor->i2s_layout) : "";
}

static const char *type_name(const struct tensor *tensor) {
    const struct tensor_type_info *info = tensor_type_find((uint32_t)tensor->type);
    return info ? info->name : "unknown";
}

static json_t *tensor_json(const struct tensor *tensor) {
    json_t *shape = json_array();
    for (size_t i = 0; i < tensor->n_dims; i++)
        json_array_append_new(shape, json_integer((json_int_t)tensor->shape[i]));
    json_t *object = json_pack("{s:o, s:s, s:o, s:I}", "name", json_text(tensor->name, strlen(tensor->name)), "type",
                               type_name(tensor), "shape", shape, "bytes", (json_int_t)tensor->size_bytes);
    if (*layout_name(tensor)) json_object_set_new(object, "i2s_layout", json_string(layout_name(tensor)));
    return object;
}

static bn_status print_json(const struct tensor_set *set, bn_error *err) {
    json_t *array = json_array();
    for (size_t i = 0; i < set->n_tensors; i++) json_array_append_new(array, tensor_json(&set->tensors[i]));
    return json_write_line(stdout, json_pack("{s:o}", "tensors", array), err);
}

/* "[2048, 256]" */
static void shape_text(const struct tensor *tensor, char *out, size_t size) {
    size_t at = 0;
    for (size_t k = 0; k < tensor->n_dims && at < size; k++)
        at += (size_t)snprintf(out + at, size - at, "%s%zu", k ? ", " : "[", tensor->shape[k]);
    if (at < size) snprintf(out + at, size - at, "%s", tensor->n_dims ? "]" : "[]");
}

static void print_table(const struct tensor_set *set) {
    size_t total = 0;
    printf("%-44s %-8s %-24s %14s\n", "name", "type", "shape", "bytes");
    for (size_t i = 0; i < set->n_tensors; i++) {
        const struct tensor *tensor = &set->tensors[i];
        char name[200], shape[100];
        shape_text(tensor, shape, sizeof shape);
        printf("%-44s %-8s %-24s %14zu%s%s\n", printable(tensor->name, name, sizeof name), type_name(tensor), shape,
               tensor->size_bytes, *layout_name(tensor) ? "  " : "", layout_name(tensor));
        total += tensor->size_bytes;
    }
    printf("%zu tensors, %zu bytes\n", set->n_tensors, total);
}

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
        status = print_json(listing.set, &error);
    else if (!status && !settings->dump)
        print_table(listing.set);
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
