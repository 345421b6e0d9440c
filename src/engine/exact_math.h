/* exp and log that give the same bits everywhere.
 *
 * A libm may round the last bit differently from the next version of itself, and one bit is enough to move a draw to
 * another token. These use only +, −, ·, / of IEEE 754 doubles in a written order (the build forbids contraction), so
 * the same logits and seed choose the same token on every machine. Errors are within 2 units in the last place. Over
 * a vocabulary the exponentials vectorise. */
#ifndef ENGINE_EXACT_MATH_H
#define ENGINE_EXACT_MATH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define EXACT_LN2 0x1.62e42fefa39efp-1
/* ln 2 in two parts: k · LN2_HIGH is exact for |k| < 2^11. */
#define EXACT_LN2_HIGH 0x1.62e42fefa38p-1
#define EXACT_LN2_LOW  0x1.ef35793c7673p-45

static inline uint64_t double_bits(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline double double_from_bits(uint64_t bits) {
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* e^x for -709 ≤ x ≤ 0; below -708, where doubles become subnormal, 0. NaN stays NaN.
 * x = k·ln 2 + r with |r| ≤ ln 2 / 2; e^r by its Taylor polynomial, whose remainder is below 2^-57. */
static inline double exact_exp_in_range(double x) {
    const double shift = 0x1.8p52; /* adding it rounds to an integer, which then sits in the low bits */
    double shifted = x * 0x1.71547652b82fep0 + shift;
    double k = shifted - shift;
    double r = (x - k * EXACT_LN2_HIGH) - k * EXACT_LN2_LOW;
    double p = 1.0 / 6227020800.0;
    p = p * r + 1.0 / 479001600.0;
    p = p * r + 1.0 / 39916800.0;
    p = p * r + 1.0 / 3628800.0;
    p = p * r + 1.0 / 362880.0;
    p = p * r + 1.0 / 40320.0;
    p = p * r + 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    p = p * r * r + r + 1.0;
    return p * double_from_bits((double_bits(shifted) << 52) + double_bits(1.0)); /* k = -1023 makes that 0 */
}

/* e^x of each x ≤ 0, in place; -infinity gives 0. Two loops, because only the one without a choice vectorises. */
static inline void exact_exp(double *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (x[i] < -708.0) x[i] = -709.0;
    for (size_t i = 0; i < n; i++) x[i] = exact_exp_in_range(x[i]);
}

/* ln x for a finite normal x > 0.
 * x = 2^k·m with m in [√½, √2); ln m = 2·artanh(s), s = (m−1)/(m+1), |s| < 0.172, by its power series. */
static inline double exact_log(double x) {
    const uint64_t sqrt_half = 0x3FE6A09E667F3BCDu; /* bits of √½ */
    uint64_t distance = double_bits(x) - sqrt_half;
    int64_t exponent = (int64_t)distance >> 52;
    double k = (double)exponent;
    double m = double_from_bits(double_bits(x) - ((uint64_t)exponent << 52));
    double s = (m - 1.0) / (m + 1.0);
    double s2 = s * s;
    double p = 1.0 / 21.0;
    p = p * s2 + 1.0 / 19.0;
    p = p * s2 + 1.0 / 17.0;
    p = p * s2 + 1.0 / 15.0;
    p = p * s2 + 1.0 / 13.0;
    p = p * s2 + 1.0 / 11.0;
    p = p * s2 + 1.0 / 9.0;
    p = p * s2 + 1.0 / 7.0;
    p = p * s2 + 1.0 / 5.0;
    p = p * s2 + 1.0 / 3.0;
    double log_m = 2.0 * s + 2.0 * s * (s2 * p);
    return k * EXACT_LN2_HIGH + (k * EXACT_LN2_LOW + log_m);
}

#endif
