/* What the files of the backup share. */
#ifndef BACKUP_BACKUP_PARTS_H
#define BACKUP_BACKUP_PARTS_H

#include "backup/backup.h"
#include "registry/manifest.h"

#define SNAPSHOT_FORMAT "bitnet-snapshot/1"

/* name gets what the snapshot is called. */
bn_status snapshot_write(struct vault *vault, const json_t *snapshot, char name[64], size_t *stored_bytes,
                         bn_error *err);
/* Relative, and staying where it is put. */
bool backup_path_valid(const char *path);

/* Reads a file piece by piece, as the vault's chunker cuts it. Stops at visit's first failure. */
bn_status pieces_of_file(const struct vault *vault, const char *path,
                         bn_status (*visit)(void *context, const void *bytes, size_t n, bn_error *err), void *context,
                         bn_error *err);
/* The same for bytes in memory. */
bn_status pieces_of_bytes(const struct vault *vault, const void *bytes, size_t size,
                          bn_status (*visit)(void *context, const void *bytes, size_t n, bn_error *err), void *context,
                          bn_error *err);

#endif
