/* See number.h. */
#include "engine/grammar/number.h"

#include <string.h>

#define MOST_DIGITS 30 /* of a bound, scaled */

enum phase {
    PHASE_START,
    PHASE_MINUS,
    PHASE_ZERO,
    PHASE_INTEGER,
    PHASE_POINT,
    PHASE_FRACTION,
    PHASE_E,
    PHASE_E_SIGN,
    PHASE_EXPONENT
};

static wide power_of_ten(uint32_t n) {
    wide power = 1;
    while (n-- > 0) power *= 10;
    return power;
}

bool decimal_parse(const char *text, size_t n, struct decimal *out) {
    size_t i = n && text[0] == '-';
    bool point = false;
    long exponent = 0, n_fraction = 0, n_digits = 0;
    wide digits = 0;
    for (; i < n && text[i] != 'e' && text[i] != 'E'; i++) {
        if (text[i] == '.') {
            point = true;
            continue;
        }
        if (text[i] < '0' || text[i] > '9') return false;
        n_digits += n_digits || text[i] != '0';
        if (n_digits > MOST_DIGITS) return false;
        digits = digits * 10 + (text[i] - '0');
        n_fraction += point;
    }
    if (i < n) {
        bool negative = ++i < n && text[i] == '-';
        for (i += i < n && (text[i] == '-' || text[i] == '+'); i < n && exponent < 10000; i++)
            exponent = exponent * 10 + (text[i] - '0');
        if (negative) exponent = -exponent;
    }
    long scale = n_fraction - exponent;
    for (; scale > 0 && digits % 10 == 0 && digits; scale--) digits /= 10;
    if (!digits) scale = 0;
    if (scale < 0 && -scale + n_digits > MOST_DIGITS) return false;
    for (; scale < 0; scale++) digits *= 10;
    if (scale > MOST_DIGITS) return false;
    *out = (struct decimal){text[0] == '-' ? -digits : digits, (uint32_t)scale};
    return true;
}

/* To a larger scale; false when it gets too long. */
static bool rescale(struct decimal value, uint32_t scale, wide *out) {
    wide limit = power_of_ten(MOST_DIGITS), digits = value.digits;
    for (uint32_t i = value.scale; i < scale; i++) {
        digits *= 10;
        if (digits > limit || digits < -limit) return false;
    }
    *out = digits;
    return true;
}

int decimal_compare(struct decimal a, struct decimal b) {
    wide limit = power_of_ten(MOST_DIGITS);
    while (a.scale != b.scale) {
        struct decimal *coarse = a.scale < b.scale ? &a : &b;
        coarse->digits *= 10;
        coarse->scale++;
        /* whoever gets that long is further from zero than the other */
        if (coarse->digits > limit) return coarse == &a ? 1 : -1;
        if (coarse->digits < -limit) return coarse == &a ? -1 : 1;
    }
    return a.digits < b.digits ? -1 : a.digits > b.digits;
}

/* ---- sets ---- */

bool number_set_add_multiple(struct number_set *set, struct decimal of, bool negated) {
    for (uint32_t i = 0; i < set->n_multiples; i++)
        if (set->multiples[i].negated == negated && decimal_compare(set->multiples[i].of, of) == 0) return true;
    if (set->n_multiples == MOST_MULTIPLES) return false;
    set->multiples[set->n_multiples++] = (struct number_multiple){of, negated};
    return true;
}

bool number_set_and(struct number_set *a, const struct number_set *b) {
    int order = a->min.given && b->min.given ? decimal_compare(b->min.value, a->min.value) : b->min.given;
    if (b->min.given && (order > 0 || (order == 0 && b->min.open))) a->min = b->min;
    order = a->max.given && b->max.given ? decimal_compare(b->max.value, a->max.value) : b->max.given ? -1 : 1;
    if (b->max.given && (order < 0 || (order == 0 && b->max.open))) a->max = b->max;
    for (uint32_t i = 0; i < b->n_multiples; i++)
        if (!number_set_add_multiple(a, b->multiples[i].of, b->multiples[i].negated)) return false;
    a->plain |= b->plain;
    return true;
}

static uint64_t greatest_divisor(uint64_t a, uint64_t b) {
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static bool set_multiples(struct number_automaton *a, const struct number_set *set) {
    a->modulus = 1;
    a->n_multiples = set->n_multiples;
    for (uint32_t i = 0; i < set->n_multiples; i++) {
        wide of;
        if (!rescale(set->multiples[i].of, a->scale, &of) || of > INT64_MAX) return false;
        a->multiples[i] = (uint64_t)of;
        a->negated[i] = set->multiples[i].negated;
        a->must_be_whole |= !a->negated[i];
        uint64_t factor = a->multiples[i] / greatest_divisor(a->modulus, a->multiples[i]);
        if (__builtin_mul_overflow(a->modulus, factor, &a->modulus) || a->modulus > INT64_MAX) return false;
    }
    return true;
}

bool number_automaton_init(struct number_automaton *out, const struct number_set *set) {
    *out = (struct number_automaton){.set = *set};
    for (size_t i = 0; i < 38; i++) out->power[i] = power_of_ten((uint32_t)i);
    if (set->min.given) out->scale = set->min.value.scale;
    if (set->max.given && set->max.value.scale > out->scale) out->scale = set->max.value.scale;
    for (uint32_t i = 0; i < set->n_multiples; i++)
        if (set->multiples[i].of.scale > out->scale) out->scale = set->multiples[i].of.scale;
    wide min = 0, max = 0;
    if (set->min.given && !rescale(set->min.value, out->scale, &min)) return false;
    if (set->max.given && !rescale(set->max.value, out->scale, &max)) return false;
    if (!set_multiples(out, set)) return false;

    bool above = !set->min.given || min < 0 || (min == 0 && !set->min.open);
    bool below = !set->max.given || max > 0 || (max == 0 && !set->max.open);
    out->zero_allowed = above && below;
    /* positive numbers and zero */
    out->bounded[0] = set->max.given;
    out->high[0] = max;
    out->high_open[0] = set->max.open;
    if (set->min.given && min >= 0) out->low[0] = min, out->low_open[0] = set->min.open;
    out->none[0] = set->max.given && max < 0;
    /* negative numbers and zero, by their magnitude */
    out->bounded[1] = set->min.given;
    out->high[1] = -min;
    out->high_open[1] = set->min.open;
    if (set->max.given && max <= 0) out->low[1] = -max, out->low_open[1] = set->max.open;
    out->none[1] = set->min.given && min > 0;
    return true;
}

/* ---- is there one? ---- */

static bool residue_fits(const struct number_automaton *a, uint64_t residue) {
    for (uint32_t i = 0; i < a->n_multiples; i++)
        if ((residue % a->multiples[i] == 0) == a->negated[i]) return false;
    return true;
}

/* Is a scaled magnitude with the conditions in [low, high]? Its residue is that of what stands here plus `shift`. */
static bool whole_between(const struct number_automaton *a, wide low, wide high, uint64_t shift) {
    uint64_t step = 1;
    for (uint32_t i = 0; i < a->n_multiples; i++) {
        if (a->negated[i]) continue;
        step = step / greatest_divisor(step, a->multiples[i]) * a->multiples[i];
    }
    wide first = (low + shift + step - 1) / step * step - shift;
    /* Residues repeat. Conditions that forbid leave the first or one soon after it, or none at all. */
    for (size_t tries = 0; first <= high && tries < 1000; tries++, first += step)
        if (residue_fits(a, (uint64_t)((first + shift) % a->modulus))) return true;
    return false;
}

/* Is a number of the set, of that sign, in [from, to) or, if `to_open` is false, [from, to]; magnitudes, scaled? Without
 * `from` if from_open. */
static bool any_between(const struct number_automaton *a, int sign, wide from, bool from_open, wide to, bool to_open,
                        uint64_t shift) {
    if (a->none[sign]) return false;
    if (a->low[sign] > from)
        from = a->low[sign], from_open = a->low_open[sign];
    else if (a->low[sign] == from)
        from_open |= a->low_open[sign];
    if (a->bounded[sign] && a->high[sign] < to)
        to = a->high[sign], to_open = a->high_open[sign];
    else if (a->bounded[sign] && a->high[sign] == to)
        to_open |= a->high_open[sign];
    if (from > to || (from == to && (from_open || to_open))) return false;
    bool real = !a->must_be_whole && from < to; /* one that is no multiple of anything */
    return real || whole_between(a, from + from_open, to - to_open, shift);
}

bool number_automaton_inhabited(const struct number_automaton *a) {
    for (int sign = 0; sign < 2; sign++) {
        wide beyond = (a->bounded[sign] ? a->high[sign] : a->low[sign] + (wide)a->modulus * 1000 + a->power[a->scale]);
        if (any_between(a, sign, 0, false, beyond, false, 0)) return true;
    }
    return false;
}

/* ---- prefixes ---- */

void number_start(struct number_prefix *out) {
    memset(out, 0, sizeof *out);
}

/* What the residue of a prefix's number differs by from that of the value that stands for it. */
static uint64_t shift_of(const struct number_automaton *a, const struct number_prefix *p, wide unit) {
    uint64_t modulus = a->modulus, factor = (uint64_t)(unit % modulus);
    uint64_t residue = (uint64_t)((unsigned __int128)p->residue * factor % modulus);
    uint64_t standing = (uint64_t)((unsigned __int128)(uint64_t)(p->value % modulus) * factor % modulus);
    return residue >= standing ? residue - standing : residue + modulus - standing;
}

/* Numbers that begin with these digits, and go on with so many more before the point. */
static bool lives(const struct number_automaton *a, const struct number_prefix *p) {
    int sign = p->negative;
    if (p->phase == PHASE_MINUS) {
        wide beyond = a->bounded[1] ? a->high[1] : a->low[1] + (wide)a->modulus * 1000 + a->power[a->scale];
        return any_between(a, 1, 0, false, beyond, false, 0);
    }
    if (p->phase >= PHASE_POINT || p->phase == PHASE_ZERO) {
        wide unit = a->power[a->scale - p->n_fraction], from = p->value * unit;
        uint64_t shift = shift_of(a, p, unit);
        if (p->phase == PHASE_FRACTION && p->n_fraction == a->scale && p->rest)
            return !a->must_be_whole && any_between(a, sign, from, true, from + 1, true, shift);
        if (a->no_fraction && p->phase == PHASE_ZERO) return any_between(a, sign, from, false, from, false, shift);
        return any_between(a, sign, from, false, from + unit, true, shift);
    }
    for (uint32_t more = 0; more + a->scale < 37; more++) { /* PHASE_INTEGER: value ≥ 1 */
        wide unit = a->power[more + a->scale];
        if (p->value > a->power[36] / unit) return !a->bounded[sign];
        if (a->bounded[sign] && p->value * unit > a->high[sign]) return false;
        if (any_between(a, sign, p->value * unit, false, (p->value + 1) * unit, true, shift_of(a, p, unit)))
            return true;
    }
    return !a->bounded[sign];
}

static uint32_t count_digits(const struct number_automaton *a, wide value) {
    uint32_t n = 0;
    while (n < 37 && value >= a->power[n]) n++;
    return n;
}

/* The first n digits of a bound's whole part, if it has so many. */
static bool leading(const struct number_automaton *a, wide bound, uint32_t n, wide *out) {
    wide whole = bound / a->power[a->scale];
    uint32_t n_bound = count_digits(a, whole);
    if (n_bound < n) return false;
    *out = whole / a->power[n_bound - n];
    return true;
}

/* Puts the least value that behaves alike in place of the prefix's. */
static void simplify(const struct number_automaton *a, struct number_prefix *p) {
    int sign = p->negative;
    wide bounds[2] = {a->low[sign], a->high[sign]}, least, at;
    if (p->phase == PHASE_INTEGER) {
        uint32_t n = count_digits(a, p->value), longest = count_digits(a, a->low[sign] / a->power[a->scale]);
        if (a->bounded[sign]) {
            uint32_t n_high = count_digits(a, a->high[sign] / a->power[a->scale]);
            longest = n_high > longest ? n_high : longest;
        }
        least = a->power[n - 1];
        for (int i = 0; i < (a->bounded[sign] ? 2 : 1); i++) {
            if (!leading(a, bounds[i], n, &at)) continue;
            if (p->value == at) return;
            if (p->value > at && at + 1 > least) least = at + 1;
        }
        if (n > longest + 1) least = a->power[longest + 1];
        p->value = least;
        return;
    }
    wide unit = a->power[a->scale - p->n_fraction];
    least = 0;
    for (int i = 0; i < (a->bounded[sign] ? 2 : 1); i++) {
        at = bounds[i] / unit;
        if (p->value == at) return;
        if (p->value > at && at + 1 > least) least = at + 1;
    }
    p->value = least;
}

static bool add_digit(const struct number_automaton *a, struct number_prefix *p, unsigned digit) {
    if (p->phase == PHASE_FRACTION && p->n_fraction == a->scale) {
        p->rest |= digit != 0;
        return true;
    }
    p->value = p->value * 10 + digit;
    if (p->value > a->power[36]) return false;
    p->residue = (uint64_t)(((unsigned __int128)p->residue * 10 + digit) % a->modulus);
    if (p->phase == PHASE_FRACTION) p->n_fraction++;
    return true;
}

/* ---- any form: all digits are kept, as an exponent may make anything of them ---- */

#define MOST_EXPONENT 100000000

static void add_any_digit(const struct number_automaton *a, struct number_prefix *p, unsigned digit, bool fraction) {
    bool kept = p->value < a->power[33];
    if (kept) p->value = p->value * 10 + digit;
    p->rest |= !kept && digit != 0;
    if (kept == fraction && p->shift > -MOST_EXPONENT && p->shift < MOST_EXPONENT) p->shift += fraction ? -1 : 1;
}

static bool next_any(const struct number_automaton *a, struct number_prefix *p, uint8_t byte) {
    bool digit = byte >= '0' && byte <= '9', number = p->phase == PHASE_ZERO || p->phase == PHASE_INTEGER;
    if (p->phase == PHASE_START && byte == '-') {
        p->phase = PHASE_MINUS;
        p->negative = 1;
    } else if (p->phase <= PHASE_MINUS && digit) {
        p->phase = byte == '0' ? PHASE_ZERO : PHASE_INTEGER;
        p->value = byte - '0';
    } else if (p->phase == PHASE_INTEGER && digit) {
        add_any_digit(a, p, byte - '0', false);
    } else if (number && byte == '.') {
        p->phase = PHASE_POINT;
    } else if ((p->phase == PHASE_POINT || p->phase == PHASE_FRACTION) && digit) {
        p->phase = PHASE_FRACTION;
        add_any_digit(a, p, byte - '0', true);
    } else if ((number || p->phase == PHASE_FRACTION) && (byte | 32) == 'e') {
        p->phase = PHASE_E;
    } else if (p->phase == PHASE_E && (byte == '+' || byte == '-')) {
        p->phase = PHASE_E_SIGN;
        p->n_fraction = byte == '-';
    } else if (p->phase >= PHASE_E && digit) {
        p->phase = PHASE_EXPONENT;
        if (p->exponent < MOST_EXPONENT) p->exponent = p->exponent * 10 + (byte - '0');
    } else {
        return false;
    }
    return !a->set.plain || p->phase <= PHASE_INTEGER;
}

/* Compares magnitudes: value · 10^exponent, and a bit more if `rest`, with a bound's. */
static int compare_magnitudes(const struct number_automaton *a, wide value, int64_t exponent, bool rest, wide bound,
                              uint32_t scale) {
    if (value == 0 || bound == 0) return (value != 0) - (bound != 0);
    uint32_t n = count_digits(a, value), n_bound = count_digits(a, bound);
    int64_t order = (int64_t)n + exponent, order_bound = (int64_t)n_bound - scale;
    if (order != order_bound) return order < order_bound ? -1 : 1;
    value *= a->power[37 - n];
    bound *= a->power[37 - n_bound];
    return value < bound ? -1 : value > bound || rest;
}

static int compare_any(const struct number_automaton *a, const struct number_prefix *p, int64_t exponent,
                       struct decimal bound) {
    bool zero = p->value == 0, negative = p->negative && !zero, below = bound.digits < 0;
    if (negative != below) return negative ? -1 : zero && bound.digits == 0 ? 0 : 1;
    int order = compare_magnitudes(a, p->value, exponent, p->rest, below ? -bound.digits : bound.digits, bound.scale);
    return negative ? -order : order;
}

static bool is_multiple(wide value, int64_t exponent, bool rest, struct decimal of) {
    wide result = 1, base = 10, unit = of.digits;
    exponent += of.scale;
    if (value == 0) return true;
    for (; exponent < 0 && value % 10 == 0; exponent++) value /= 10;
    if (exponent < 0 || rest || unit > INT64_MAX) return false;
    result %= unit;
    base %= unit;
    for (uint64_t e = (uint64_t)exponent; e; e >>= 1, base = base * base % unit)
        if (e & 1) result = result * base % unit;
    return value % unit * result % unit == 0;
}

static bool accepts_any(const struct number_automaton *a, const struct number_prefix *p) {
    const struct number_set *set = &a->set;
    if (p->phase != PHASE_ZERO && p->phase != PHASE_INTEGER && p->phase != PHASE_FRACTION && p->phase != PHASE_EXPONENT)
        return false;
    int64_t exponent = (int64_t)p->shift + (p->n_fraction ? -(int64_t)p->exponent : p->exponent);
    int low = set->min.given ? compare_any(a, p, exponent, set->min.value) : 1;
    int high = set->max.given ? compare_any(a, p, exponent, set->max.value) : -1;
    if (low < 0 || (low == 0 && set->min.open) || high > 0 || (high == 0 && set->max.open)) return false;
    for (uint32_t i = 0; i < set->n_multiples; i++)
        if (is_multiple(p->value, exponent, p->rest, set->multiples[i].of) == set->multiples[i].negated) return false;
    return true;
}

/* ---- reading ---- */

bool number_next(const struct number_automaton *a, const struct number_prefix *from, uint8_t byte,
                 struct number_prefix *out) {
    *out = *from;
    if (a->any_form) return next_any(a, out, byte);
    bool digit = byte >= '0' && byte <= '9';
    if (from->phase == PHASE_START && byte == '-') {
        out->phase = PHASE_MINUS;
        out->negative = 1;
    } else if (from->phase <= PHASE_MINUS && digit) {
        out->phase = byte == '0' ? PHASE_ZERO : PHASE_INTEGER;
        add_digit(a, out, byte - '0');
    } else if (from->phase == PHASE_INTEGER && digit) {
        if (!add_digit(a, out, byte - '0')) return false;
    } else if ((from->phase == PHASE_ZERO || from->phase == PHASE_INTEGER) && byte == '.') {
        out->phase = PHASE_POINT;
        if (a->no_fraction) return false;
    } else if (from->phase >= PHASE_POINT && digit) {
        out->phase = PHASE_FRACTION;
        if (!add_digit(a, out, byte - '0')) return false;
    } else {
        return false;
    }
    if (!lives(a, out)) return false;
    if (out->phase >= PHASE_INTEGER) simplify(a, out);
    return true;
}

bool number_accepts(const struct number_automaton *a, const struct number_prefix *p) {
    if (a->any_form) return accepts_any(a, p);
    if (p->phase != PHASE_ZERO && p->phase != PHASE_INTEGER && p->phase != PHASE_FRACTION) return false;
    wide unit = a->power[a->scale - p->n_fraction], value = p->value * unit;
    uint64_t residue = (uint64_t)((unsigned __int128)p->residue * (uint64_t)(unit % a->modulus) % a->modulus);
    int sign = p->negative;
    if (p->rest ? a->must_be_whole : !residue_fits(a, residue)) return false;
    if (value == 0 && !p->rest && p->phase != PHASE_INTEGER && a->zero_allowed) return true;
    if (a->none[sign]) return false;
    if (value < a->low[sign] || (value == a->low[sign] && a->low_open[sign] && !p->rest)) return false;
    if (!a->bounded[sign]) return true;
    return value < a->high[sign] || (value == a->high[sign] && !a->high_open[sign] && !p->rest);
}
