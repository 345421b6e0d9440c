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

/* Another hash, for megabytes: four sums side by side, so that it runs as fast as memory is read. */
static inline uint64_t hash_large(const void *bytes, size_t n, uint64_t seed) {
    const char *at = bytes;
    uint64_t lanes[4] = {seed, seed + 1, seed + 2, seed + 3};
    for (size_t left = n; left >= 64; left -= 64, at += 64)
        for (size_t i = 0; i < 4; i++)
            lanes[i] = hash_mix(lanes[i] ^ hash_load(at + 16 * i, 8), hash_load(at + 16 * i + 8, 8));
    uint64_t state = hash_mix(hash_mix(lanes[0], lanes[1]), hash_mix(lanes[2], lanes[3])) ^ n;
    return hash_bytes(at, n % 64, state);
}

/* A seed that nobody knows, from the system's random numbers. */
uint64_t hash_random_seed(void);

#endif
