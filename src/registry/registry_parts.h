/* What the files of the registry share. */
#ifndef REGISTRY_REGISTRY_PARTS_H
#define REGISTRY_REGISTRY_PARTS_H

#include "registry/database.h"
#include "registry/registry.h"

struct registry {
    struct database db;
    char *home;
    char *store;          /* home/store */
    int lock;             /* descriptor of registry.lock while it is held, else -1 */
    uint64_t freed_bytes; /* of the disk, by removing since the change began */
};

/* Path under store/, in newly allocated memory; NULL without memory. */
char *store_path(const struct registry *registry, const char *format, ...) PRINTF_LIKE(2, 3);

/* A change: begin waits for the lock (BN_STATUS_BUSY after a minute), cleans up after a process that died and starts
 * a transaction. finish commits it (rolls back if `status` says that something failed), writes what has to follow (names, folders
 * to remove) and gives the lock back; it returns `status`, or its own failure. */
bn_status change_begin(struct registry *registry, bn_error *err);
bn_status change_finish(struct registry *registry, bn_status status, bn_error *err);
/* The transaction so far becomes durable, another begins; the lock stays. */
bn_status change_checkpoint(struct registry *registry, bn_error *err);

/* Only the lock. */
bn_status registry_lock(struct registry *registry, bn_error *err);
void registry_unlock(struct registry *registry);

/* Within a change: notes that the file of a name has to be written anew / that the folder of a version goes, unless the version
 * has a row when the change ends. */
bn_status note_name(struct registry *registry, const char *name, const char *variant, bn_error *err);
bn_status note_folder(struct registry *registry, const char *id, bn_error *err);

/* Does what was noted. The lock is held. */
bn_status settle(struct registry *registry, bn_error *err);
/* In names.c: makes the file of a name be what the database says (which is none for a model without versions). */
bn_status name_file_write(struct registry *registry, const char *name, const char *variant, bn_error *err);

/* Opens and locks a version's lease, without waiting: shared by users, exclusively by who removes. *lease is -1 when
 * another holds it the other way, or the version is gone. */
enum lease_kind { LEASE_SHARED, LEASE_EXCLUSIVE };
void lease_take(const struct registry *registry, const char *id, enum lease_kind kind, int *lease);

/* The row of a model; *model is 0 when there is none. */
bn_status find_model(struct registry *registry, const char *name, const char *variant, int64_t *model, bn_error *err);
/* Within a change: rows of a version, which is then in use. Version number `number`; model rows are made as needed. */
bn_status insert_version(struct registry *registry, const struct manifest *manifest, const char *manifest_json,
                         const char *id, const char *location, const char *note, bn_error *err);
bn_status set_current(struct registry *registry, int64_t model, size_t number, bn_error *err);

/* BN_STATUS_IO when the disk has less room than that. */
bn_status registry_check_space(const struct registry *registry, uint64_t bytes, bn_error *err);

/* In add.c: the files of a staging folder become read-only and are on the disk. */
bn_status staging_harden(struct staging *staging, bn_error *err);
/* With the lock held: blobs are shared with the files (where they lie in staging), and the folder becomes that of version `id`. */
bn_status staging_place(struct registry *registry, struct staging *staging, const struct manifest *manifest,
                        const char *id, bn_error *err);

/* In remove.c: removes a version's folder, and the blobs that only this version had. */
bn_status version_folder_remove(struct registry *registry, const char *id, bn_error *err);

/* Within a change: takes versions out of the database, after nobody holds their leases. The leases are held (exclusively) until
 * removal_release, which comes after change_finish. */
struct removal {
    int *leases;
    size_t n;
};
/* *busy: a process uses the version, which stays. */
bn_status removal_add(struct registry *registry, struct removal *removal, const struct model_version *version,
                      bool *busy, bn_error *err);
void removal_release(struct removal *removal);

#endif
