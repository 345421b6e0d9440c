/* Philox4x32-10 against the known-answer vectors of its authors (Random123, kat_vectors), and what is built on it
 * against the distribution it promises. */
#include "test.h"

#include <string.h>

#include "base/random.h"

static void philox_known_answers(void **state) {
    (void)state;
    static const struct {
        uint32_t counter[4];
        uint64_t seed;
        uint32_t expected[4];
    } vectors[] = {
        {{0, 0, 0, 0}, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         0xffffffffffffffff,
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         0x299f31d0a4093822, /* key words a4093822 299f31d0, the low one first */
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        uint32_t out[4];
        philox4x32(vectors[i].counter, vectors[i].seed, out);
        assert_memory_equal(out, vectors[i].expected, sizeof out);
    }
}

static void every_coordinate_matters(void **state) {
    (void)state;
    double base = random_uniform(1, 2, 3, 4);
    assert_true(base == random_uniform(1, 2, 3, 4));
    assert_true(base != random_uniform(2, 2, 3, 4));
    assert_true(base != random_uniform(1 | 1ull << 63, 2, 3, 4));
    assert_true(base != random_uniform(1, 3, 3, 4));
    assert_true(base != random_uniform(1, 2, 4, 4));
    assert_true(base != random_uniform(1, 2, 3 | 1ull << 32, 4));
    assert_true(base != random_uniform(1, 2, 3, 5));
}

/* χ² over 64 cells, 63 degrees of freedom: 103.4 is exceeded with probability 0.001; the seed is fixed. */
static double chi_square(uint64_t seed, uint32_t stream, int varying) {
    enum { CELLS = 64, DRAWS = 64000 };
    int count[CELLS] = {0};
    for (uint32_t i = 0; i < DRAWS; i++) {
        double u = varying == 0   ? random_uniform(seed, stream, i, 0)
                   : varying == 1 ? random_uniform(seed, i, 0, 0)
                                  : random_uniform(seed + i, stream, 0, 0);
        assert_true(u >= 0 && u < 1);
        count[(int)(u * CELLS)]++;
    }
    double sum = 0, expected = (double)DRAWS / CELLS;
    for (int c = 0; c < CELLS; c++) sum += (count[c] - expected) * (count[c] - expected) / expected;
    return sum;
}

static void uniform_along_positions_streams_and_seeds(void **state) {
    (void)state;
    for (int varying = 0; varying < 3; varying++)
        for (uint64_t seed = 0; seed < 3; seed++) {
            double x = chi_square(seed, 7, varying);
            if (x > 103.4 || x < 30) test_fail("chi-square %g, varying %d, seed %d", x, varying, (int)seed);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_known_answers),
        cmocka_unit_test(every_coordinate_matters),
        cmocka_unit_test(uniform_along_positions_streams_and_seeds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
