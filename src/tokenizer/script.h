/* The script of a character, for the UnicodeScripts pre-tokenizer. */
#ifndef TOKENIZER_SCRIPT_H
#define TOKENIZER_SCRIPT_H

#include <stdint.h>

enum { SCRIPT_ANY = 0 }; /* spaces and characters of no script: they go with whatever is beside them */

int script_of(uint32_t code_point);

#endif
