/* Where a backup lies: named objects, each put whole or not at all. A folder, or a bucket that speaks S3. */
#ifndef BACKUP_STORE_H
#define BACKUP_STORE_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/error.h"

struct backup_store {
    void *context;
    /* Stores n bytes under a name of the form [a-z0-9./-]+; what was there is replaced. */
    bn_status (*put)(void *context, const char *name, const void *bytes, size_t n, bn_error *err);
    /* Appends the object's bytes to *out. BN_STATUS_NOT_FOUND when there is none, BN_STATUS_BAD_FILE when it is longer than
     * max_bytes. */
    bn_status (*get)(void *context, const char *name, size_t max_bytes, struct buffer *out, bn_error *err);
    /* Calls visit with the name of every object that begins with `folder` (which ends with '/'). */
    bn_status (*list)(void *context, const char *folder,
                      bn_status (*visit)(void *visitor, const char *name, bn_error *err), void *visitor, bn_error *err);
    void (*close)(void *context);
};

/* `create`: make the folder when it isn't there. */
bn_status folder_store_open(const char *path, bool create, struct backup_store *out, bn_error *err);

#endif
