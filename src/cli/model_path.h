/* From what a person calls a model to a path. */
#ifndef CLI_MODEL_PATH_H
#define CLI_MODEL_PATH_H

#include "base/error.h"
#include "cli/suggest.h"

/* "demo", a path, or a name in the models folder: owner/name, or a file or folder there. *path is newly allocated.
 * BN_STATUS_NOT_FOUND proposes a similar name. */
bn_status model_path_resolve(const char *name, char **path, bn_error *err);

/* $BITNET_MODELS, else $XDG_DATA_HOME/bitnet/models, else ~/.local/share/bitnet/models. Newly allocated; NULL when
 * there is no home. It need not exist. */
char *models_folder(void);
/* Where the demo model lies, newly allocated, or NULL. */
char *demo_model_path(void);

/* Calls visit for each model in the models folder: the name to use it by and its path. */
void models_visit(void (*visit)(void *context, const char *name, const char *path), void *context);

#endif
