/* `bitnet model use` and `bitnet model rollback`: which version a name means. */
#include "cli/hub/registry_commands.h"

typedef bn_status (*switch_function)(struct registry *registry, const struct model_reference *reference,
                                     struct model_version *out, bn_error *err);

static enum exit_code run_switch(const struct invocation *invocation, switch_function change) {
    struct registry *registry;
    struct model_reference reference;
    struct model_version version;
    bn_error error = {0};
    bn_status status = registry_open_argument(invocation, &registry, &reference, &error);
    if (!status) {
        status = change(registry, &reference, &version, &error);
        if (!status) status = report_version(invocation, registry, &version, "%s is in use", &error);
        model_version_release(&version);
    }
    registry_close(registry);
    return command_exit(status, &error);
}

static enum exit_code run_use(struct invocation *invocation) {
    return run_switch(invocation, registry_use);
}

static enum exit_code run_rollback(struct invocation *invocation) {
    return run_switch(invocation, registry_rollback);
}

const struct command command_model_use = {
    .name = "model use",
    .arguments = "NAME@VERSION[:VARIANT]",
    .summary = "choose the version that a name means",
    .description =
        "From then on NAME means this version. VERSION is a number or a tag. Programs that have another version "
        "open keep it; who opens the model sees the old version or the new one, never a mixture.",
    .examples = "bitnet model use stories@1\nbitnet model use stories@stable",
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run_use,
};

const struct command command_model_rollback = {
    .name = "model rollback",
    .arguments = "NAME[:VARIANT]",
    .summary = "go back to the version that was in use before",
    .description =
        "NAME means again what it meant before the last switch ('bitnet model history NAME' shows them); once "
        "more goes further back.",
    .examples = "bitnet model rollback stories",
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run_rollback,
};
