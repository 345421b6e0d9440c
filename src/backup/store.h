/* Where a backup lies: named objects, each put whole or not at all. A folder, or a bucket that speaks S3. */
#ifndef BACKUP_STORE_H
#define BACKUP_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "backup/bucket_account.h"
#include "base/buffer.h"
#include "base/error.h"

/* Told of an object of a list. */
typedef bn_status (*store_visitor)(void *visitor, const char *name, uint64_t size_bytes, bn_error *err);

struct backup_store {
    void *context;
    /* Stores n bytes under a name of the form [A-Za-z0-9./-]+; what was there is replaced. */
    bn_status (*put)(void *context, const char *name, const void *bytes, size_t n, bn_error *err);
    /* The same where nothing has the name; what is there stays, of two that come at once the first. Who needs to know
     * which it is reads it. */
    bn_status (*put_first)(void *context, const char *name, const void *bytes, size_t n, bn_error *err);
    /* Appends the object's bytes to *out. BN_STATUS_NOT_FOUND when there is none, BN_STATUS_BAD_FILE when it is longer than
     * max_bytes. */
    bn_status (*get)(void *context, const char *name, size_t max_bytes, struct buffer *out, bn_error *err);
    /* Calls visit with the name of every object that begins with `folder` (which ends with '/'). */
    bn_status (*list)(void *context, const char *folder, store_visitor visit, void *visitor, bn_error *err);
    /* No such object is no error. */
    bn_status (*remove)(void *context, const char *name, bn_error *err);
    void (*close)(void *context);
};

/* `create`: make the folder when it isn't there. */
bn_status folder_store_open(const char *path, bool create, struct backup_store *out, bn_error *err);

/* True for "s3://BUCKET[/PREFIX]". */
bool is_bucket_place(const char *place);
/* The bucket has to exist. cancelled (NULL: never) is asked a few times a second while the network is waited for. */
bn_status bucket_store_open(const char *place, const struct bucket_settings *settings, bool (*cancelled)(void *context),
                            struct backup_store *out, bn_error *err);

#endif
