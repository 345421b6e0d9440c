/* `bitnet model add`: a model under a name, as a new version. */
#include <stdlib.h>
#include <string.h>

#include "cli/hub/registry_commands.h"
#include "cli/model_path.h"

#include "base/memory.h"

struct add_settings {
    const char *license, *note;
};
#define FIELD(name) offsetof(struct add_settings, name)

static const struct option options[] = {
    {"license", 0, OPTION_TEXT, FIELD(license), "NAME", 0, 0, "its licence (else what a GGUF file says)", NULL},
    {"note", 0, OPTION_TEXT, FIELD(note), "TEXT", 0, 0, "a note to the version", NULL},
    {0},
};
static const struct option_group groups[] = {{"Adding", options, 0}, {0}};

static bn_status add(const struct invocation *invocation, struct registry *registry, const char *path, bn_error *err) {
    const struct add_settings *settings = invocation->settings;
    struct model_reference reference;
    bn_status status = model_reference_parse(invocation->arguments[1], &reference, err);
    if (!status && (reference.version || reference.tag[0]))
        status = fail(err, BN_STATUS_BAD_ARGUMENT, "'%s': versions are numbered by themselves, leave '@…' out",
                      invocation->arguments[1]);
    if (status) return status;
    char *absolute = realpath(path, NULL);
    json_t *origin = origin_of_invocation(invocation, "add", absolute ? absolute : path);
    free(absolute);
    if (!origin) return fail_no_memory(err, sizeof *origin);
    const struct version_facts facts = {.name = reference.name,
                                        .variant = *reference.variant ? reference.variant : NULL,
                                        .license = settings->license,
                                        .note = settings->note,
                                        .origin = origin};
    struct byte_bar bar;
    struct model_version version;
    bool added;
    byte_bar_begin(&bar, invocation, 0);
    status = registry_add_copy(registry, path, &facts, &bar.callback, &version, &added, err);
    byte_bar_end(&bar);
    json_decref(origin);
    if (status) return status;
    status =
        report_version(invocation, registry, &version, added ? "added %s" : "%s has the same content: now in use", err);
    model_version_release(&version);
    return status;
}

static enum exit_code run(struct invocation *invocation) {
    struct registry *registry = NULL;
    bn_error error = {0};
    char *path;
    bn_status status = model_path_resolve(invocation->arguments[0], &path, &error);
    if (!status) status = registry_open(NULL, &registry, &error);
    if (!status) status = add(invocation, registry, path, &error);
    registry_close(registry);
    mem_free(path);
    return command_exit(status, &error);
}

const struct command command_model_add = {
    .name = "model add",
    .arguments = "MODEL NAME[:VARIANT]",
    .summary = "keep a copy of a model under a name, as a new version",
    .description = "Copies a model (a .gguf or .safetensors file, a Hugging Face folder) into the registry. A name "
                   "that exists gets a "
                   "new version, which is the one in use from then on ('bitnet model rollback NAME' goes back); "
                   "versions never change. "
                   "Files with the same content are stored once. Afterwards NAME, NAME@VERSION, NAME@TAG and "
                   "NAME:VARIANT can be used "
                   "wherever a MODEL is asked for.",
    .examples = "bitnet model add demo stories --note 'the one that ships'\n"
                "bitnet model add demo stories:small",
    .groups = groups,
    .settings_bytes = sizeof(struct add_settings),
    .min_arguments = 2,
    .max_arguments = 2,
    .run = run,
};
