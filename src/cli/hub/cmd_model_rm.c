/* `bitnet model rm`: a version, or a model with all its versions, goes. */
#include <stdio.h>

#include "cli/hub/registry_commands.h"
#include "cli/json_output.h"

static enum exit_code run(struct invocation *invocation) {
    struct registry *registry;
    struct model_reference reference;
    size_t n_versions = 0;
    uint64_t freed_bytes = 0;
    bn_error error = {0};
    bn_status status = registry_open_argument(invocation, &registry, &reference, &error);
    if (!status) status = registry_remove(registry, &reference, &n_versions, &freed_bytes, &error);
    registry_close(registry);
    if (!status && invocation->common.json) {
        json_t *report = json_pack("{s:s, s:I, s:I}", "removed", invocation->arguments[0], "versions",
                                   (json_int_t)n_versions, "freed_bytes", (json_int_t)freed_bytes);
        status = json_write_line(stdout, report, &error);
    } else if (!status) {
        char freed[32];
        say(invocation, "removed %s: %zu version%s, %s freed", invocation->arguments[0], n_versions,
            n_versions == 1 ? "" : "s", size_text(freed_bytes, freed));
    }
    return command_exit(status, &error);
}

const struct command command_model_rm = {
    .name = "model rm",
    .arguments = "NAME[@VERSION][:VARIANT]",
    .summary = "remove a version, or a model with all its versions",
    .description = "Removes one version, or without VERSION all of them. Files that other versions have too stay for "
                   "them. A version "
                   "that is pinned, open in a running process, or in use while others are left, is not removed. A "
                   "model whose files lie "
                   "in a hub's cache loses its name only.",
    .examples = "bitnet model rm stories@1\nbitnet model rm stories:small",
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
