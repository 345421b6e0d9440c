/* `bitnet model export` and `bitnet model import`: a version as one file. */
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/hub/registry_commands.h"
#include "cli/json_output.h"
#include "registry/bundle.h"

enum { DEFAULT_LEVEL = 3 };

struct export_settings {
    int64_t level;
};
static const struct option export_options[] = {
    {"level", 0, OPTION_INTEGER, offsetof(struct export_settings, level), "N", 1, 19,
     "how hard zstd tries, 1 to 19 (3; weights of few bits hardly shrink)", NULL},
    {0},
};
static const struct option_group export_groups[] = {{"Export", export_options, 0}, {0}};

static void set_defaults(void *settings) {
    ((struct export_settings *)settings)->level = DEFAULT_LEVEL;
}

static bn_status export(const struct invocation *invocation, struct registry *registry,
                        const struct model_reference *reference, bn_error *err) {
    const struct export_settings *settings = invocation->settings;
    const char *path = invocation->arguments[1];
    struct model_version version;
    struct byte_bar bar;
    char name[300], size[32];
    bn_status status = registry_find(registry, reference, &version, err);
    if (status) return status;
    byte_bar_begin(&bar, invocation, manifest_bytes(&version.manifest));
    status = bundle_export(registry, reference, path, (int)settings->level, &bar.callback, err);
    byte_bar_end(&bar);
    uint64_t bytes = file_identify(path).size;
    version_name(&version, name, sizeof name);
    if (!status && invocation->common.json)
        status = json_write_line(stdout,
                                 json_pack("{s:s, s:o, s:I, s:s}", "exported", name, "file",
                                           json_text(path, strlen(path)), "bytes", (json_int_t)bytes, "id", version.id),
                                 err);
    else if (!status)
        say(invocation, "%s -> %s, %s", name, path, size_text(bytes, size));
    model_version_release(&version);
    return status;
}

static enum exit_code run_export(struct invocation *invocation) {
    struct registry *registry;
    struct model_reference reference;
    bn_error error = {0};
    bn_status status = registry_open_argument(invocation, &registry, &reference, &error);
    if (!status) status = export(invocation, registry, &reference, &error);
    registry_close(registry);
    return command_exit(status, &error);
}

static bn_status import(const struct invocation *invocation, struct registry *registry, bn_error *err) {
    struct model_reference reference = {0};
    struct model_version version;
    bool added, named = invocation->n_arguments > 1;
    bn_status status = named ? model_reference_parse(invocation->arguments[1], &reference, err) : BN_OK;
    if (!status && (reference.version || *reference.tag))
        status = fail(err, BN_STATUS_BAD_ARGUMENT, "'%s': versions are numbered by themselves, leave '@…' out",
                      invocation->arguments[1]);
    if (status) return status;
    struct byte_bar bar;
    byte_bar_begin(&bar, invocation, 0);
    status = bundle_import(registry, invocation->arguments[0], named ? reference.name : NULL,
                           *reference.variant ? reference.variant : NULL, &bar.callback, &version, &added, err);
    byte_bar_end(&bar);
    if (status) return status;
    status = report_version(invocation, registry, &version,
                            added ? "imported %s" : "%s has the same content: now in use", err);
    model_version_release(&version);
    return status;
}

static enum exit_code run_import(struct invocation *invocation) {
    struct registry *registry;
    bn_error error = {0};
    bn_status status = registry_open(NULL, &registry, &error);
    if (!status) status = import(invocation, registry, &error);
    registry_close(registry);
    return command_exit(status, &error);
}

const struct command command_model_export = {
    .name = "model export",
    .arguments = "NAME[@VERSION][:VARIANT] FILE.tar.zst",
    .summary = "write a version to one file, to hand on",
    .description = "Writes a tar archive, compressed with zstd, that holds the version's files and its manifest with "
                   "all hashes. The same "
                   "version gives the same bytes everywhere. 'bitnet model import' reads it; tar does too.",
    .examples = "bitnet model export stories stories.tar.zst",
    .groups = export_groups,
    .settings_bytes = sizeof(struct export_settings),
    .set_defaults = set_defaults,
    .min_arguments = 2,
    .max_arguments = 2,
    .run = run_export,
};

const struct command command_model_import = {
    .name = "model import",
    .arguments = "FILE.tar.zst [NAME[:VARIANT]]",
    .summary = "add a version from a file that 'model export' wrote",
    .description =
        "Adds what the bundle holds as a new version of NAME (else of the name it was exported under), in use from "
        "then on. "
        "All of it is checked first: hashes, sizes, names; links, devices and paths that lead out are refused.",
    .examples = "bitnet model import stories.tar.zst\nbitnet model import stories.tar.zst ours/stories",
    .min_arguments = 1,
    .max_arguments = 2,
    .run = run_import,
};
