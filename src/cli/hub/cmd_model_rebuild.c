/* `bitnet model rebuild`: the registry's database made again from the files. */
#include "cli/hub/registry_commands.h"
#include "cli/json_output.h"
#include "registry/rebuild.h"

static enum exit_code run(struct invocation *invocation) {
    struct rebuild_report report;
    bn_error error = {0};
    bn_status status = registry_rebuild(NULL, &report, &error);
    if (!status && invocation->common.json)
        status = json_write_line(stdout,
                                 json_pack("{s:I, s:I, s:I, s:I}", "models", (json_int_t)report.n_models, "versions",
                                           (json_int_t)report.n_versions, "damaged", (json_int_t)report.n_damaged,
                                           "missing", (json_int_t)report.n_missing),
                                 &error);
    else if (!status)
        say(invocation, "%zu models with %zu versions; %zu damaged, %zu missing", report.n_models, report.n_versions,
            report.n_damaged, report.n_missing);
    return command_exit(status, &error);
}

const struct command command_model_rebuild = {
    .name = "model rebuild",
    .arguments = "",
    .summary = "make the registry's database again from the files",
    .description =
        "For when registry.db is damaged (it is kept under another name) or files were put back by hand: all that it "
        "says "
        "is read again from the manifests and the names' files. A manifest that doesn't match the name of its "
        "folder isn't taken.",
    .examples = "bitnet model rebuild",
    .min_arguments = 0,
    .max_arguments = 0,
    .run = run,
};
