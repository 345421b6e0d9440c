/* Strict UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decodes one code point from text[0..n). Returns its length in bytes (1–4), 0 when n is 0, or -k when the first k ≥ 1
 * bytes are not part of a valid sequence (a "maximal subpart" in Unicode's sense: replace them by one U+FFFD). */
int utf8_decode(const char *text, size_t n, uint32_t *code_point);
/* Writes 1–4 bytes and returns how many. code_point must be a scalar value. */
size_t utf8_encode(uint32_t code_point, char out[4]);
bool utf8_valid(const char *text, size_t n);
/* How many bytes at the end of text are the beginning of a sequence that more bytes could complete (0–3). */
size_t utf8_incomplete_tail(const char *text, size_t n);

#endif
