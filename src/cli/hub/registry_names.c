#include "cli/hub/registry_names.h"

#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "cli/hub/registry_commands.h"

/* Whether the registry has to answer for a reference: it has a model of that name, and (unless the name is a downloaded model's,
 * which a hub's cache may have in other revisions and variants) whether the version is there or not. */
static bn_status is_ours(struct registry *registry, const struct model_reference *reference, bool *ours,
                         bn_error *err) {
    struct version_list list;
    struct model_version version;
    bool downloaded = false;
    bn_status status = registry_list(registry, reference->name, NULL, &list, err);
    for (size_t i = 0; i < list.n; i++) downloaded = downloaded || list.items[i].external;
    *ours = list.n > 0;
    version_list_release(&list);
    if (status || !downloaded) return status;
    *ours = !registry_find(registry, reference, &version, NULL);
    model_version_release(&version);
    return BN_OK;
}

/* Opens the registry if it has to answer for the name; else *registry is NULL. */
static bn_status open_for(const char *name, struct registry **registry, struct model_reference *reference,
                          bn_error *err) {
    *registry = NULL;
    bool ours = false;
    if (model_reference_parse(name, reference, NULL)) return BN_OK; /* a path, or a name elsewhere */
    bn_status status = registry_open_existing(NULL, registry, err);
    if (status || !*registry) return status;
    status = is_ours(*registry, reference, &ours, err);
    if (status || !ours) {
        registry_close(*registry);
        *registry = NULL;
    }
    return status;
}

bn_status registry_path(const char *name, char **path, int *lease, bn_error *err) {
    struct registry *registry;
    struct model_reference reference;
    struct model_version version;
    int until_the_end = -1;
    if (!lease) lease = &until_the_end;
    *path = NULL;
    *lease = -1;
    bn_status status = open_for(name, &registry, &reference, err);
    if (status || !registry) return status;
    status = registry_take(registry, &reference, &version, lease, err);
    if (!status) {
        *path = version.path;
        version.path = NULL;
        model_version_release(&version);
    }
    registry_close(registry);
    return status;
}

bn_status registry_facts(const char *name, json_t **facts, bn_error *err) {
    struct registry *registry;
    struct model_reference reference;
    struct model_version version;
    *facts = NULL;
    bn_status status = open_for(name, &registry, &reference, err);
    if (status || !registry) return status;
    status = registry_find(registry, &reference, &version, err);
    if (!status && !(*facts = version_json(registry, &version))) status = fail_no_memory(err, sizeof(json_t));
    model_version_release(&version);
    registry_close(registry);
    return status;
}

void registry_names_visit(void (*visit)(void *context, const char *name, const char *path), void *context) {
    struct registry *registry;
    struct version_list list = {0};
    if (registry_open_existing(NULL, &registry, NULL) || !registry) return;
    if (registry_list(registry, NULL, NULL, &list, NULL)) version_list_release(&list);
    for (size_t i = 0; i < list.n; i++) {
        const struct model_version *version = &list.items[i];
        bool plain = strcmp(version->variant, DEFAULT_VARIANT) == 0;
        char name[300];
        snprintf(name, sizeof name, "%s%s%s", version->name, plain ? "" : ":", plain ? "" : version->variant);
        if (version->in_use) visit(context, name, version->path);
    }
    version_list_release(&list);
    registry_close(registry);
}
