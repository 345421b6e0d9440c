/* Models of the registry by name, for whoever resolves or lists names. */
#ifndef CLI_HUB_REGISTRY_NAMES_H
#define CLI_HUB_REGISTRY_NAMES_H

#include "registry/registry.h"

/* The path that name[@version][:variant] means; *path stays NULL when the registry has no model of that name. The version
 * stays until *lease (a descriptor, -1 without a path) is closed, or, with lease NULL, until the program ends, whatever
 * other processes remove. */
bn_status registry_path(const char *name, char **path, int *lease, bn_error *err);

/* Facts about a name of the registry, as JSON; *facts stays NULL when it isn't one. */
bn_status registry_facts(const char *name, json_t **facts, bn_error *err);

/* Calls visit for the versions in use. A registry that can't be read has no models here. */
void registry_names_visit(void (*visit)(void *context, const char *name, const char *path), void *context);

#endif
