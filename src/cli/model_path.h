/* From what a person calls a model to a path. */
#ifndef CLI_MODEL_PATH_H
#define CLI_MODEL_PATH_H

#include "base/json.h"
#include "cli/suggest.h"

/* "demo", a path, a name in the registry (name[@version][:variant]), one in the models folder (owner/name, or a file or
 * folder there), or what was downloaded from a hub (owner/name[@revision][:file or variant]). *path is newly allocated.
 * BN_STATUS_NOT_FOUND proposes a similar name. */
bn_status model_path_resolve(const char *name, char **path, bn_error *err);
/* The same; a version of the registry stays only until *lease (a descriptor; -1: none) is closed. */
bn_status model_path_take(const char *name, char **path, int *lease, bn_error *err);

/* What a model may be called whose files don't say it: NAME of [OWNER/]NAME[@…][:…]. NULL when `name` is its path. */
const char *model_short_name(const char *name, const char *path, char *out, size_t size);

/* For names that others send: a model of the registry, the models folder or the hub's cache, or the demo, but no path; and
 * what isn't found is told without a word on what there is. */
bn_status model_name_take(const char *name, char **path, int *lease, bn_error *err);

/* $BITNET_MODELS, else models in the data folder (base/folders.h). Newly allocated; NULL when there is no home. It need
 * not exist. */
char *models_folder(void);
/* Where the demo model lies, newly allocated, or NULL. */
char *demo_model_path(void);

/* Calls visit for each model in the registry, the models folder and the hub's cache: the name to use it by and its
 * path. */
void models_visit(void (*visit)(void *context, const char *name, const char *path), void *context);

/* What the registry knows about a name, as JSON (`bitnet model history` has the same): NULL when it isn't one of the
 * registry's. */
json_t *model_facts(const char *name);

#endif
