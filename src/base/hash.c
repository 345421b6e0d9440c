/* The seed of hash.h. */
#include "base/hash.h"

#include <sys/random.h>

#include "base/clock.h"

uint64_t hash_random_seed(void) {
    uint64_t seed;
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) == (ssize_t)sizeof seed) return seed;
    return hash_mix(clock_now_ns(), (uint64_t)(uintptr_t)&seed); /* early in boot: the stack's place is random */
}
