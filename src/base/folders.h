/* Folders: where the program's own data lies, making folders, walking and removing whole trees. */
#ifndef BASE_FOLDERS_H
#define BASE_FOLDERS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* Path of `name` among the data: $BITNET_HOME, else $XDG_DATA_HOME/bitnet, else ~/.local/share/bitnet; "" gives the
 * folder itself. Newly allocated; NULL when there is no home (or no memory). Nothing is created. */
char *data_path(const char *name);

/* Makes the folders above `path`, as far as they are missing. `path` is changed while it works and as before when it
 * returns. What is really wrong shows when the file is opened. */
void folders_make(char *path);
/* Makes `path` and the folders above it. BN_STATUS_IO names the one that can't be made. */
bn_status folder_make_all(const char *path, bn_error *err);

/* What a folder holds has to be on the disk as the files' bytes have to. BN_STATUS_IO if the folder can't be opened. */
bn_status folder_sync(const char *path, bn_error *err);

/* Calls visit for every regular file under `folder`, in no particular order: its path relative to `folder`. Names that
 * begin with a dot are left out. Links to regular files count as files (model hubs' caches are made of them), links to
 * folders aren't followed. More than max_files files or 16 levels is BN_STATUS_BAD_FILE. Stops at visit's first failure. */
typedef bn_status (*folder_visitor)(void *context, const char *relative_path, bn_error *err);
bn_status folder_visit(const char *folder, size_t max_files, folder_visitor visit, void *context, bn_error *err);

/* Removes a file, or a folder with all that is in it; links are removed, never followed. Nothing there is no error. */
bn_status folder_remove(const char *path, bn_error *err);

#endif
