/* The whole registry, out to a backup and in again. */
#ifndef REGISTRY_TRANSFER_H
#define REGISTRY_TRANSFER_H

#include "registry/registry.h"

/* All versions and names of one moment. Nothing of it is removed while it is held. */
struct registry_hold {
    struct version_list versions;
    int *leases;
    struct held_name {
        char *file; /* "owner--small@default.json" */
        char *text;
        size_t size;
    } * names;
    size_t n_names;
};
/* Release in any case. */
bn_status registry_hold(struct registry *registry, struct registry_hold *out, bn_error *err);
void registry_hold_release(struct registry_hold *hold);

bool registry_has_version(struct registry *registry, const char *id);
/* The text of a version's manifest.json, newly allocated. */
bn_status registry_manifest_text(struct registry *registry, const char *id, char **text, size_t *size, bn_error *err);
/* Makes a version of what was laid out in staging: its files, and manifest.json beside their folder. Everything is checked against
 * the manifest first. It has no name before registry_rebuild. */
bn_status registry_adopt(struct registry *registry, struct staging *staging, const char *id, bn_error *err);
/* Where the file of a name lies. Newly allocated. */
char *registry_name_path(const struct registry *registry, const char *file);

#endif
