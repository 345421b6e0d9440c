/* Arbitrary-precision integers for the few templates that reach beyond 64 bits: sign and magnitude in 32-bit limbs,
 * least significant first, schoolbook algorithms (Knuth, TAOCP vol. 2, 4.3.1). Bounded at MAX_LIMBS: a template that
 * wants more gets an error, which also bounds the time. */
#include "tokenizer/template/integer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_LIMBS = 512,
    MAX_DIGITS = 4300, /* Python's own bound for decimal text (sys.int_info.default_max_str_digits) */
};

struct big {
    bool negative;
    size_t n; /* no leading zero limbs */
    uint32_t limbs[];
};

/* Either kind of integer as sign and limbs. */
struct operand {
    bool negative;
    size_t n;
    const uint32_t *limbs;
    uint32_t local[2];
};

static void operand_init(struct operand *o, struct value v) {
    if (v.type == V_BIG) {
        *o = (struct operand){.negative = v.as.big->negative, .n = v.as.big->n, .limbs = v.as.big->limbs};
        return;
    }
    int64_t i = v.type == V_BOOL ? v.as.boolean : v.as.integer;
    uint64_t magnitude = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
    o->negative = i < 0;
    o->local[0] = (uint32_t)magnitude;
    o->local[1] = (uint32_t)(magnitude >> 32);
    o->n = o->local[1] ? 2 : o->local[0] ? 1 : 0;
    o->limbs = o->local;
}

static int64_t small(struct value v) {
    return v.type == V_BOOL ? v.as.boolean : v.as.integer;
}
static bool both_small(struct value a, struct value b) {
    return a.type != V_BIG && b.type != V_BIG;
}

static struct big *big_alloc(struct evaluator *ev, size_t n) {
    if (n > MAX_LIMBS) {
        ev_fail(ev, "an integer of more than %d bits", MAX_LIMBS * 32);
        return NULL;
    }
    if (!ev_spend(ev, n)) return NULL;
    struct big *big = ev_alloc(ev, sizeof *big + n * sizeof big->limbs[0]);
    if (big) big->n = n;
    return big;
}

/* Drops leading zeros; what fits in 64 bits becomes V_INT. */
static struct value normalized(struct big *big) {
    while (big->n && big->limbs[big->n - 1] == 0) big->n--;
    if (big->n <= 2) {
        uint64_t magnitude = (big->n > 1 ? (uint64_t)big->limbs[1] << 32 : 0) | (big->n ? big->limbs[0] : 0);
        if (magnitude <= INT64_MAX) return value_int(big->negative ? -(int64_t)magnitude : (int64_t)magnitude);
        if (big->negative && magnitude == (uint64_t)INT64_MAX + 1) return value_int(INT64_MIN);
    }
    return (struct value){.type = V_BIG, .as.big = big};
}

static int compare_magnitudes(const struct operand *a, const struct operand *b) {
    if (a->n != b->n) return a->n < b->n ? -1 : 1;
    for (size_t i = a->n; i-- > 0;)
        if (a->limbs[i] != b->limbs[i]) return a->limbs[i] < b->limbs[i] ? -1 : 1;
    return 0;
}

static bool add_magnitudes(struct evaluator *ev, const struct operand *a, const struct operand *b, bool negative,
                           struct value *out) {
    size_t n = (a->n > b->n ? a->n : b->n) + 1;
    struct big *sum = big_alloc(ev, n);
    if (!sum) return false;
    uint64_t carry = 0;
    for (size_t i = 0; i < n; i++) {
        carry += (uint64_t)(i < a->n ? a->limbs[i] : 0) + (i < b->n ? b->limbs[i] : 0);
        sum->limbs[i] = (uint32_t)carry;
        carry >>= 32;
    }
    sum->negative = negative;
    *out = normalized(sum);
    return true;
}

/* |a| - |b| for |a| ≥ |b|. */
static bool subtract_magnitudes(struct evaluator *ev, const struct operand *a, const struct operand *b, bool negative,
                                struct value *out) {
    struct big *difference = big_alloc(ev, a->n);
    if (!difference) return false;
    uint64_t borrow = 0;
    for (size_t i = 0; i < a->n; i++) {
        uint64_t take = (i < b->n ? b->limbs[i] : 0) + borrow;
        borrow = a->limbs[i] < take;
        difference->limbs[i] = (uint32_t)(a->limbs[i] - take);
    }
    difference->negative = negative;
    *out = normalized(difference);
    return true;
}

static bool add_operands(struct evaluator *ev, const struct operand *a, const struct operand *b, struct value *out) {
    if (a->negative == b->negative) return add_magnitudes(ev, a, b, a->negative, out);
    if (compare_magnitudes(a, b) >= 0) return subtract_magnitudes(ev, a, b, a->negative, out);
    return subtract_magnitudes(ev, b, a, b->negative, out);
}

bool integer_add(struct evaluator *ev, struct value a, struct value b, struct value *out) {
    int64_t sum;
    if (both_small(a, b) && !__builtin_add_overflow(small(a), small(b), &sum)) {
        *out = value_int(sum);
        return true;
    }
    struct operand x, y;
    operand_init(&x, a);
    operand_init(&y, b);
    return add_operands(ev, &x, &y, out);
}

bool integer_subtract(struct evaluator *ev, struct value a, struct value b, struct value *out) {
    int64_t difference;
    if (both_small(a, b) && !__builtin_sub_overflow(small(a), small(b), &difference)) {
        *out = value_int(difference);
        return true;
    }
    struct operand x, y;
    operand_init(&x, a);
    operand_init(&y, b);
    y.negative = !y.negative;
    return add_operands(ev, &x, &y, out);
}

bool integer_negate(struct evaluator *ev, struct value v, struct value *out) {
    return integer_subtract(ev, value_int(0), v, out);
}

bool integer_multiply(struct evaluator *ev, struct value a, struct value b, struct value *out) {
    int64_t product;
    if (both_small(a, b) && !__builtin_mul_overflow(small(a), small(b), &product)) {
        *out = value_int(product);
        return true;
    }
    struct operand x, y;
    operand_init(&x, a);
    operand_init(&y, b);
    struct big *big = big_alloc(ev, x.n + y.n);
    if (!big || !ev_spend(ev, x.n * y.n / 8)) return false;
    for (size_t i = 0; i < x.n; i++) {
        uint64_t carry = 0;
        for (size_t j = 0; j < y.n; j++) {
            carry += (uint64_t)x.limbs[i] * y.limbs[j] + big->limbs[i + j];
            big->limbs[i + j] = (uint32_t)carry;
            carry >>= 32;
        }
        big->limbs[i + y.n] = (uint32_t)carry;
    }
    big->negative = x.negative != y.negative;
    *out = normalized(big);
    return true;
}

/* limbs /= divisor in place; returns the remainder. */
static uint32_t divide_by_limb(uint32_t *limbs, size_t n, uint32_t divisor) {
    uint64_t remainder = 0;
    for (size_t i = n; i-- > 0;) {
        remainder = remainder << 32 | limbs[i];
        limbs[i] = (uint32_t)(remainder / divisor);
        remainder %= divisor;
    }
    return (uint32_t)remainder;
}

static void shift_left(uint32_t *out, const uint32_t *in, size_t n, unsigned shift) {
    uint32_t carry = 0;
    for (size_t i = 0; i < n; i++) {
        out[i] = in[i] << shift | carry;
        carry = shift ? in[i] >> (32 - shift) : 0;
    }
    out[n] = carry;
}

/* Algorithm D: u (m + n + 1 limbs, normalized like v) is left with the remainder, q gets m + 1 limbs; n ≥ 2. */
static void long_division(uint32_t *u, const uint32_t *v, size_t n, size_t m, uint32_t *q) {
    for (size_t j = m + 1; j-- > 0;) {
        uint64_t head = (uint64_t)u[j + n] << 32 | u[j + n - 1];
        uint64_t digit = head / v[n - 1], rest = head % v[n - 1];
        while (digit > UINT32_MAX || digit * v[n - 2] > (rest << 32 | u[j + n - 2])) {
            digit--;
            rest += v[n - 1];
            if (rest > UINT32_MAX) break;
        }
        int64_t borrow = 0;
        uint64_t carry = 0;
        for (size_t i = 0; i < n; i++) {
            carry += digit * v[i];
            int64_t t = (int64_t)u[i + j] - (int64_t)(uint32_t)carry + borrow;
            u[i + j] = (uint32_t)t;
            borrow = t >> 32;
            carry >>= 32;
        }
        int64_t t = (int64_t)u[j + n] - (int64_t)carry + borrow;
        u[j + n] = (uint32_t)t;
        if (t < 0) { /* one too many: add the divisor back */
            digit--;
            uint64_t sum = 0;
            for (size_t i = 0; i < n; i++) {
                sum += (uint64_t)u[i + j] + v[i];
                u[i + j] = (uint32_t)sum;
                sum >>= 32;
            }
            u[j + n] += (uint32_t)sum;
        }
        q[j] = (uint32_t)digit;
    }
}

/* Truncating division of magnitudes. */
static bool divide_magnitudes(struct evaluator *ev, const struct operand *a, const struct operand *b,
                              struct big **quotient, struct big **remainder) {
    size_t m = a->n >= b->n ? a->n - b->n : 0;
    struct big *q = big_alloc(ev, m + 1), *r = big_alloc(ev, a->n + 1);
    *quotient = q;
    *remainder = r;
    if (!q || !r || !ev_spend(ev, a->n * b->n / 8)) return false;
    if (compare_magnitudes(a, b) < 0) {
        memcpy(r->limbs, a->limbs, a->n * sizeof r->limbs[0]);
        return true;
    }
    if (b->n == 1) {
        memcpy(q->limbs, a->limbs, a->n * sizeof q->limbs[0]);
        r->limbs[0] = divide_by_limb(q->limbs, a->n, b->limbs[0]);
        return true;
    }
    unsigned shift = (unsigned)__builtin_clz(b->limbs[b->n - 1]);
    uint32_t divisor[MAX_LIMBS + 1];
    shift_left(divisor, b->limbs, b->n, shift);
    shift_left(r->limbs, a->limbs, a->n, shift);
    long_division(r->limbs, divisor, b->n, m, q->limbs);
    for (size_t i = 0; shift && i < r->n; i++)
        r->limbs[i] = r->limbs[i] >> shift | (i + 1 < r->n ? r->limbs[i + 1] << (32 - shift) : 0);
    return true;
}

bool integer_divide(struct evaluator *ev, struct value a, struct value b, struct value *quotient,
                    struct value *remainder) {
    if (integer_sign(b) == 0) return ev_fail(ev, "integer division or modulo by zero");
    struct value q, r;
    if (both_small(a, b) && !(small(a) == INT64_MIN && small(b) == -1)) {
        q = value_int(small(a) / small(b));
        r = value_int(small(a) % small(b));
    } else {
        struct operand x, y;
        struct big *big_q, *big_r;
        operand_init(&x, a);
        operand_init(&y, b);
        if (!divide_magnitudes(ev, &x, &y, &big_q, &big_r)) return false;
        big_q->negative = x.negative != y.negative;
        big_r->negative = x.negative;
        q = normalized(big_q);
        r = normalized(big_r);
    }
    if (integer_sign(r) != 0 && integer_sign(r) != integer_sign(b)) { /* floor, not truncate */
        if (!integer_subtract(ev, q, value_int(1), &q) || !integer_add(ev, r, b, &r)) return false;
    }
    if (quotient) *quotient = q;
    if (remainder) *remainder = r;
    return true;
}

bool integer_power(struct evaluator *ev, struct value base, uint64_t exponent, struct value *out) {
    struct value result = value_int(1);
    if (both_small(base, base) && small(base) >= -1 && small(base) <= 1) {
        int64_t b = small(base);
        *out = value_int(exponent == 0 ? 1 : b == -1 ? (exponent & 1 ? -1 : 1) : b);
        return true;
    }
    if (exponent > MAX_LIMBS * 32) return ev_fail(ev, "an integer of more than %d bits", MAX_LIMBS * 32);
    for (; exponent; exponent >>= 1) {
        if ((exponent & 1) && !integer_multiply(ev, result, base, &result)) return false;
        if (exponent > 1 && !integer_multiply(ev, base, base, &base)) return false;
    }
    *out = result;
    return true;
}

int integer_sign(struct value v) {
    if (v.type == V_BIG) return v.as.big->negative ? -1 : 1;
    return small(v) < 0 ? -1 : small(v) > 0;
}

int integer_compare(struct value a, struct value b) {
    if (both_small(a, b)) return small(a) < small(b) ? -1 : small(a) > small(b);
    struct operand x, y;
    operand_init(&x, a);
    operand_init(&y, b);
    if (x.negative != y.negative) return x.negative ? -1 : 1;
    return x.negative ? compare_magnitudes(&y, &x) : compare_magnitudes(&x, &y);
}

/* The top 64 bits with a sticky bit for the rest round once, to nearest even, as Python does. */
double integer_to_double(struct value v) {
    if (v.type != V_BIG) return (double)small(v);
    const struct big *big = v.as.big;
    unsigned shift = (unsigned)__builtin_clz(big->limbs[big->n - 1]);
    uint64_t top = 0;
    bool sticky = false;
    for (size_t i = 0; i < big->n; i++) {
        size_t from_top = big->n - 1 - i;
        if (from_top < 2) top |= (uint64_t)big->limbs[i] << (from_top == 0 ? 32 : 0);
    }
    if (shift) top <<= shift;
    if (big->n > 2) {
        uint32_t third = big->limbs[big->n - 3];
        if (shift) top |= third >> (32 - shift);
        sticky = shift ? (third << shift) != 0 : third != 0;
        for (size_t i = 0; i + 3 < big->n; i++) sticky |= big->limbs[i] != 0;
    }
    double f = ldexp((double)(top | sticky), (int)(32 * big->n - 64) - (int)shift);
    return big->negative ? -f : f;
}

bool integer_from_double(struct evaluator *ev, double f, struct value *out) {
    if (!isfinite(f)) return ev_fail(ev, "cannot convert float %s to integer", isnan(f) ? "NaN" : "infinity");
    f = trunc(f);
    if (f >= -9223372036854775808.0 && f < 9223372036854775808.0) {
        *out = value_int((int64_t)f);
        return true;
    }
    int exponent;
    double fraction = frexp(fabs(f), &exponent); /* |f| = fraction · 2^exponent, exponent ≥ 64 */
    struct value power;
    if (!integer_power(ev, value_int(2), (uint64_t)(exponent - 53), &power)) return false;
    int64_t mantissa = (int64_t)ldexp(fraction, 53);
    return integer_multiply(ev, value_int(f < 0 ? -mantissa : mantissa), power, out);
}

static unsigned digit_value(char c) {
    if (c >= '0' && c <= '9') return (unsigned)(c - '0');
    if (c >= 'a' && c <= 'z') return (unsigned)(c - 'a' + 10);
    if (c >= 'A' && c <= 'Z') return (unsigned)(c - 'A' + 10);
    return 99;
}

bool integer_from_digits(struct evaluator *ev, const char *digits, size_t n, unsigned base, bool negative,
                         struct value *out) {
    if (n > MAX_DIGITS && (base & (base - 1)) != 0) return ev_fail(ev, "an integer of more than %d digits", MAX_DIGITS);
    size_t n_limbs = n * 6 / 32 + 2; /* 36 < 2^6 */
    if (n_limbs > 4 * MAX_LIMBS) return ev_fail(ev, "an integer of more than %d bits", MAX_LIMBS * 32);
    uint32_t limbs[4 * MAX_LIMBS] = {0};
    size_t used = 0;
    if (!ev_spend(ev, n * n_limbs / 16)) return false;
    for (size_t i = 0; i < n; i++) {
        if (digits[i] == '_') continue;
        uint64_t carry = digit_value(digits[i]);
        for (size_t j = 0; j < used; j++) {
            carry += (uint64_t)limbs[j] * base;
            limbs[j] = (uint32_t)carry;
            carry >>= 32;
        }
        if (carry) limbs[used++] = (uint32_t)carry;
    }
    struct big *big = big_alloc(ev, used);
    if (!big) return false;
    memcpy(big->limbs, limbs, used * sizeof limbs[0]);
    big->negative = negative;
    *out = normalized(big);
    return true;
}

static bool write_power_of_two_base(struct evaluator *ev, struct writer *w, const struct operand *o, unsigned bits) {
    size_t n_digits = (o->n * 32 + bits - 1) / bits;
    bool started = false;
    for (size_t d = n_digits; d-- > 0;) {
        size_t bit = d * bits;
        uint64_t pair = o->limbs[bit / 32];
        if (bit / 32 + 1 < o->n) pair |= (uint64_t)o->limbs[bit / 32 + 1] << 32;
        unsigned digit = (unsigned)(pair >> bit % 32) & ((1u << bits) - 1);
        started |= digit != 0;
        if (started && !write_char(ev, w, "0123456789abcdef"[digit])) return false;
    }
    return started || write_char(ev, w, '0');
}

bool integer_write_magnitude(struct evaluator *ev, struct writer *w, struct value v, unsigned base) {
    struct operand o;
    operand_init(&o, v);
    if (base != 10) return write_power_of_two_base(ev, w, &o, base == 2 ? 1 : base == 8 ? 3 : 4);
    if (v.type != V_BIG) {
        char digits[32];
        snprintf(digits, sizeof digits, "%llu",
                 (unsigned long long)((uint64_t)(o.n > 1 ? o.limbs[1] : 0) << 32 | (o.n ? o.limbs[0] : 0)));
        return write_text(ev, w, digits);
    }
    uint32_t limbs[MAX_LIMBS];
    char digits[MAX_LIMBS * 10 + 1];
    size_t at = sizeof digits, n = o.n;
    if (!ev_spend(ev, n * n / 8)) return false;
    memcpy(limbs, o.limbs, n * sizeof limbs[0]);
    while (n) {
        uint32_t group = divide_by_limb(limbs, n, 1000000000);
        while (n && limbs[n - 1] == 0) n--;
        for (int i = 0; i < 9 && (n || group); i++, group /= 10) digits[--at] = (char)('0' + group % 10);
    }
    if (sizeof digits - at > MAX_DIGITS) return ev_fail(ev, "an integer of more than %d digits", MAX_DIGITS);
    return write_bytes(ev, w, digits + at, sizeof digits - at);
}

bool integer_write(struct evaluator *ev, struct writer *w, struct value v) {
    if (integer_sign(v) < 0 && !write_char(ev, w, '-')) return false;
    return integer_write_magnitude(ev, w, v, 10);
}

uint32_t integer_hash(struct value v) {
    struct operand o;
    operand_init(&o, v);
    uint32_t hash = o.negative;
    for (size_t i = 0; i < o.n; i++) hash = (hash ^ o.limbs[i]) * 2654435761u;
    return hash;
}
