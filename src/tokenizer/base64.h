/* Base64 (RFC 4648), as vocabularies use it for bytes. */
#ifndef TOKENIZER_BASE64_H
#define TOKENIZER_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Standard alphabet, padding optional. *out is allocated (mem_free it); false: not base64, or no memory. */
bool base64_decode(const char *text, size_t n, uint8_t **out, size_t *size);
/* With padding, NUL-terminated, allocated (mem_free it); NULL: no memory. */
char *base64_encode(const uint8_t *bytes, size_t size);

#endif
