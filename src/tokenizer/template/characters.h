/* Unicode as Python's str methods see it: classes of characters and full case mappings. Properties come from utf8proc;
 * what it doesn't know (special casing, Other_Lowercase, numeric types) from a generated table. */
#ifndef TOKENIZER_TEMPLATE_CHARACTERS_H
#define TOKENIZER_TEMPLATE_CHARACTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool python_is_space(uint32_t c);      /* str.isspace, strip, split */
bool python_is_line_break(uint32_t c); /* str.splitlines */
bool python_is_alpha(uint32_t c);
bool python_is_decimal(uint32_t c);
bool python_is_digit(uint32_t c);
bool python_is_numeric(uint32_t c);
bool python_is_lower(uint32_t c);
bool python_is_upper(uint32_t c);
bool python_is_title(uint32_t c);
bool python_is_cased(uint32_t c);
bool python_is_case_ignorable(uint32_t c);
bool python_is_printable(uint32_t c);
bool python_is_identifier_start(uint32_t c);
bool python_is_identifier_part(uint32_t c);
/* Full mappings: up to three code points into out, returns how many. */
size_t python_upper(uint32_t c, uint32_t out[3]);
size_t python_lower(uint32_t c, uint32_t out[3]);
size_t python_title(uint32_t c, uint32_t out[3]);
size_t python_fold(uint32_t c, uint32_t out[3]);

/* character_tables.c: sorted; generated. */
struct case_exception {
    uint32_t from, to[3];
}; /* 0 ends `to` */
struct code_range {
    uint32_t first, last;
};
extern const struct case_exception python_upper_exceptions[], python_title_exceptions[];
extern const size_t n_python_upper_exceptions, n_python_title_exceptions;
extern const struct code_range python_other_lower[], python_other_upper[], python_digits[], python_numeric[];
extern const size_t n_python_other_lower, n_python_other_upper, n_python_digits, n_python_numeric;

/* The code point at *p (valid UTF-8) and p moved behind it. */
static inline uint32_t next_code_point(const char **p) {
    const unsigned char *s = (const unsigned char *)*p;
    if (s[0] < 0x80) {
        *p += 1;
        return s[0];
    }
    if (s[0] < 0xe0) {
        *p += 2;
        return (uint32_t)(s[0] & 31) << 6 | (s[1] & 63);
    }
    if (s[0] < 0xf0) {
        *p += 3;
        return (uint32_t)(s[0] & 15) << 12 | (uint32_t)(s[1] & 63) << 6 | (s[2] & 63);
    }
    *p += 4;
    return (uint32_t)(s[0] & 7) << 18 | (uint32_t)(s[1] & 63) << 12 | (uint32_t)(s[2] & 63) << 6 | (s[3] & 63);
}

#endif
