/* Cutting a stream of bytes where its content says so, not every n bytes: after an insertion near the beginning (a longer header, one
 * more key of metadata) the rest is cut as before, so that a backup stores only the pieces that changed.
 *
 * A rolling hash over the last 64 bytes ("gear": one shift, one addition from a table) decides; pieces are 512 KiB to 8 MiB,
 * about 2 MiB on average. Source: Xia et al., "FastCDC: a Fast and Efficient Content-Defined Chunking Approach for Data
 * Deduplication", USENIX ATC 2016. The table comes from a seed, so that of an encrypted backup the lengths of pieces don't tell which
 * files are in it. */
#ifndef BACKUP_CHUNKER_H
#define BACKUP_CHUNKER_H

#include <stddef.h>
#include <stdint.h>

enum { CHUNK_MIN_BYTES = 512 << 10, CHUNK_MAX_BYTES = 8 << 20, CHUNK_MASK_BITS = 21 };

struct chunker {
    uint64_t gear[256];
};
void chunker_init(struct chunker *chunker, uint64_t seed);

/* Length of the first piece of `bytes`, which are the rest of the stream or at least CHUNK_MAX_BYTES of it. */
size_t chunker_cut(const struct chunker *chunker, const uint8_t *bytes, size_t n);

#endif
