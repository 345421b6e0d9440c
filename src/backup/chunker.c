#include "backup/chunker.h"

#include "base/memory.h"
#include "base/random.h"

void chunker_init(struct chunker *chunker, uint64_t seed) {
    for (uint32_t i = 0; i < 256; i += 2) {
        uint32_t words[4];
        philox4x32((const uint32_t[4]){i, 0, 0, 0}, seed, words);
        chunker->gear[i] = (uint64_t)words[0] << 32 | words[1];
        chunker->gear[i + 1] = (uint64_t)words[2] << 32 | words[3];
    }
}

size_t chunker_cut(const struct chunker *chunker, const uint8_t *bytes, size_t n) {
    const uint64_t mask = ~(uint64_t)0 << (64 - CHUNK_MASK_BITS); /* the high bits depend on the most bytes */
    size_t end = min_size(n, CHUNK_MAX_BYTES);
    uint64_t hash = 0;
    for (size_t i = CHUNK_MIN_BYTES; i < end; i++) {
        hash = (hash << 1) + chunker->gear[bytes[i]];
        if ((hash & mask) == 0) return i + 1;
    }
    return end;
}
