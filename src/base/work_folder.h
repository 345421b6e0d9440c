/* A folder beside a result for files in the making, TARGET.01234567.part: what comes out is renamed from there. Its owner holds a lock, so
 * that the folder of one that was killed is known, and removed when the next for the same TARGET is made. */
#ifndef BASE_WORK_FOLDER_H
#define BASE_WORK_FOLDER_H

#include "base/error.h"

struct work_folder {
    char *path; /* may be renamed by the owner; release then leaves it */
    int lock;
};

/* target: a path without slash at its end. BN_STATUS_IO if its folder isn't there or can't be written. */
bn_status work_folder_create(const char *target, struct work_folder *out, bn_error *err);
/* Removes it with all that is in it. Also for one that is all zero. */
void work_folder_release(struct work_folder *folder);

#endif
