#include "cli/hub/registry_download.h"

#include <string.h>

#include "cli/hub/registry_commands.h"

static bn_status record(const struct invocation *invocation, struct registry *registry, const struct hub_repo *repo,
                        const char *snapshot, bn_error *err) {
    json_t *origin = origin_of_invocation(invocation, "download", repo->id);
    if (!origin) return fail_no_memory(err, sizeof *origin);
    const struct hub_snapshot facts = {repo->id, repo->file, repo->revision, snapshot};
    struct model_version version;
    bn_status status = registry_add_snapshot(registry, &facts, origin, &version, err);
    json_decref(origin);
    char name[300];
    if (!status)
        say_verbose(invocation, "%s is %s in the registry", repo->id, version_name(&version, name, sizeof name));
    model_version_release(&version);
    return status;
}

bn_status registry_record_download(const struct invocation *invocation, const struct hub_repo *repo,
                                   const char *snapshot, bn_error *err) {
    struct registry *registry;
    bn_error problem = {0};
    bn_status status = registry_open(NULL, &registry, err);
    if (status) return status;
    status = record(invocation, registry, repo, snapshot, &problem);
    registry_close(registry);
    if (status == BN_STATUS_BAD_FILE || status == BN_STATUS_BAD_ARGUMENT) {
        say_verbose(invocation, "not in the registry: %s", problem.message);
        return BN_OK;
    }
    return status ? fail(err, status, "%s", problem.message) : BN_OK;
}
