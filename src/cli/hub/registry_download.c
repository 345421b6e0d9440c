#include "cli/hub/registry_download.h"

#include <string.h>

#include "cli/hub/registry_commands.h"

/* A revision can be a tag where it is one word. */
static bn_status tag_revision(struct registry *registry, const struct model_version *version, const char *revision,
                              bn_error *err) {
    struct model_reference reference = {.version = version->number};
    struct model_version tagged;
    if (!model_tag_valid(revision)) return BN_OK;
    snprintf(reference.name, sizeof reference.name, "%s", version->name);
    snprintf(reference.variant, sizeof reference.variant, "%s", version->variant);
    bn_status status = registry_tag(registry, &reference, revision, false, &tagged, err);
    if (!status) model_version_release(&tagged);
    return status;
}

static bn_status record(const struct invocation *invocation, struct registry *registry, const struct hub_repo *repo,
                        const char *snapshot, bn_error *err) {
    json_t *origin = origin_of_invocation(invocation, "download", repo->id);
    if (!origin) return fail_no_memory(err, sizeof *origin);
    json_object_set_new(origin, "revision", json_string(repo->revision));
    json_object_set_new(origin, "commit", json_string(strrchr(snapshot, '/') + 1));
    bool variant = *repo->file && model_word_valid(repo->file);
    const struct version_facts facts = {.name = repo->id, .variant = variant ? repo->file : NULL, .origin = origin};
    struct model_version version;
    bool added;
    bn_status status = registry_add_location(registry, snapshot, &facts, NULL, &version, &added, err);
    json_decref(origin);
    if (status) return status;
    char name[300];
    say_verbose(invocation, "%s is %s in the registry", repo->id, version_name(&version, name, sizeof name));
    status = tag_revision(registry, &version, repo->revision, err);
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
