/* Python's integers: 64 bits where that is enough, arbitrary length (up to a bound) beyond. All functions take V_BOOL,
 * V_INT and V_BIG and give V_INT whenever the result fits. */
#ifndef TOKENIZER_TEMPLATE_INTEGER_H
#define TOKENIZER_TEMPLATE_INTEGER_H

#include "tokenizer/template/evaluator.h"

bool integer_add(struct evaluator *ev, struct value a, struct value b, struct value *out);
bool integer_subtract(struct evaluator *ev, struct value a, struct value b, struct value *out);
bool integer_multiply(struct evaluator *ev, struct value a, struct value b, struct value *out);
/* Floor division and its remainder, which has the divisor's sign; either result may be NULL. */
bool integer_divide(struct evaluator *ev, struct value a, struct value b, struct value *quotient,
                    struct value *remainder);
bool integer_power(struct evaluator *ev, struct value base, uint64_t exponent, struct value *out);
bool integer_negate(struct evaluator *ev, struct value v, struct value *out);
int integer_compare(struct value a, struct value b);
int integer_sign(struct value v);
double integer_to_double(struct value v);
bool integer_from_double(struct evaluator *ev, double f, struct value *out); /* truncates; fails for inf and nan */
/* Digits of base 2 … 36 without sign or prefix; underscores are skipped. */
bool integer_from_digits(struct evaluator *ev, const char *digits, size_t n, unsigned base, bool negative,
                         struct value *out);
/* Writes |v| in base 2, 8, 10 or 16. */
bool integer_write_magnitude(struct evaluator *ev, struct writer *w, struct value v, unsigned base);
bool integer_write(struct evaluator *ev, struct writer *w, struct value v);
uint32_t integer_hash(struct value v);

#endif
