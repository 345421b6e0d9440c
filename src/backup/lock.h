/* Who works on a backup. Snapshots may be made by several processes at once, since each only adds; but who removes pieces must
 * be alone, or it would take away what another's snapshot is about to count on.
 *
 * An object "locks/KIND-RANDOM" says who is there. Each writes its own first and looks for others then, so that of two
 * that don't get along at least one sees the other. A lock whose process has ended on this machine, or that wasn't renewed
 * for half an hour, is void, and is removed by whoever it is in the way of. */
#ifndef BACKUP_LOCK_H
#define BACKUP_LOCK_H

#include "backup/vault.h"

enum lock_kind { LOCK_ADDING, LOCK_REMOVING };

struct backup_lock {
    struct vault *vault;
    enum lock_kind kind;
    char path[64];
    uint64_t renew_at_ns;
};

/* BN_STATUS_BUSY, with who it is, when another process is in the way. */
bn_status backup_lock_take(struct vault *vault, enum lock_kind kind, struct backup_lock *out, bn_error *err);
/* To be called again and again: renews the lock every few minutes. */
bn_status backup_lock_keep(struct backup_lock *lock, bn_error *err);
/* BN_STATUS_BUSY when others have declared it void meanwhile (the machine slept): nothing that was seen so far counts. */
bn_status backup_lock_check(struct backup_lock *lock, bn_error *err);
void backup_lock_release(struct backup_lock *lock);

#endif
