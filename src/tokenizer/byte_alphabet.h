/* GPT-2's alphabet: every byte as a printable character, so that a vocabulary of byte strings can be written as text.
 * */
#ifndef TOKENIZER_BYTE_ALPHABET_H
#define TOKENIZER_BYTE_ALPHABET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Writes the character of a byte (1 or 2 bytes of UTF-8) and returns its length. */
size_t byte_alphabet_put(uint8_t byte, char out[4]);
/* The byte a character stands for, or -1. */
int byte_alphabet_get(uint32_t code_point);
/* Text in the alphabet back to bytes: false if a character isn't in it. out has room for n bytes. */
bool byte_alphabet_decode(const char *text, size_t n, char *out, size_t *out_size);

#endif
