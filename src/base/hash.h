/* A keyed hash of byte strings: eight bytes at a time are mixed with a seed, so whoever doesn't know the seed can't
 * choose strings that collide. Little-endian machines give the same hash for the same seed everywhere: it may be
 * stored. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t hash_mix(uint64_t a, uint64_t b) {
    __uint128_t product = (__uint128_t)(a ^ 0x9e3779b97f4a7c15u) * (b ^ 0xd1b54a32d192ed03u);
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t hash_load(const void *bytes, size_t n) {
    uint64_t word = 0;
    memcpy(&word, bytes, n);
    return word;
}

/* The last n < 8 bytes as one word, by loads of constant size. */
static inline uint64_t hash_tail(const char *bytes, size_t n) {
    if (n >= 4) return hash_load(bytes, 4) | hash_load(bytes + n - 4, 4) << 32;
    if (n == 0) return 0;
    return (uint64_t)(uint8_t)bytes[0] | (uint64_t)(uint8_t)bytes[n / 2] << 8 | (uint64_t)(uint8_t)bytes[n - 1] << 16;
}

static inline uint64_t hash_bytes(const char *bytes, size_t n, uint64_t seed) {
    uint64_t state = hash_mix(seed, n);
    for (; n >= 8; bytes += 8, n -= 8) state = hash_mix(state ^ hash_load(bytes, 8), seed);
    return hash_mix(state ^ hash_tail(bytes, n), seed + n);
}

/* A seed that nobody knows, from the system's random numbers. */
uint64_t hash_random_seed(void);

#endif
