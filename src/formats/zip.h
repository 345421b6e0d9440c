/* Zip archives, read by their central directory: stored entries where they are mapped, nothing unpacked.
 *
 * Everything that archives are misused for is refused: names that lead out of a folder, symbolic links, entries that
 * share bytes, encryption; compressed entries too, because no checkpoint has them. Specification: PKWARE's APPNOTE. */
#ifndef FORMATS_ZIP_H
#define FORMATS_ZIP_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

struct zip_entry {
    const char *name; /* NUL-terminated, in the arena */
    const uint8_t *data;
    size_t size;
};

struct zip {
    struct zip_entry *entries; /* in the arena, in the order of the directory */
    size_t n;
};

/* Checks the archive that the bytes are. BN_STATUS_BAD_FILE names the entry and what is wrong with it. */
bn_status zip_read(const uint8_t *bytes, size_t size, struct arena *arena, struct zip *out, bn_error *err);

#endif
