/* What pre-tokenizers ask of a character: its general category as a set of bits, white space, word characters.
 *
 * Categories come from utf8proc; ASCII is answered without it. Bytes that aren't UTF-8 travel through the pipeline as
 * pseudo code points (INVALID_BYTE + byte) of no class at all, so that byte-level vocabularies get them back
 * unchanged. */
#ifndef TOKENIZER_UNICODE_H
#define TOKENIZER_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define INVALID_BYTE 0x110000u

enum {
    CLASS_UPPER = 1,        /* Lu, Lt */
    CLASS_LOWER = 2,        /* Ll */
    CLASS_OTHER_LETTER = 4, /* Lm, Lo */
    CLASS_MARK = 8,         /* Mn, Mc, Me */
    CLASS_NUMBER = 16,      /* Nd, Nl, No */
    CLASS_PUNCTUATION = 32, /* Pc … Po */
    CLASS_SYMBOL = 64,      /* Sm … So */
    CLASS_SPACE = 128,      /* White_Space */
    CLASS_NEWLINE = 256,    /* \r \n, white space too */
    CLASS_LETTER = CLASS_UPPER | CLASS_LOWER | CLASS_OTHER_LETTER,
};

unsigned unicode_class_beyond_ascii(uint32_t code_point);

extern const uint16_t unicode_ascii_class[128];

static inline unsigned unicode_class(uint32_t code_point) {
    return code_point < 128 ? unicode_ascii_class[code_point] : unicode_class_beyond_ascii(code_point);
}

/* Decodes the character at text[0], n > 0; returns its length. An invalid byte is INVALID_BYTE + byte, length 1. */
size_t unicode_next_slow(const char *text, size_t n, uint32_t *code_point);
static inline size_t unicode_next(const char *text, size_t n, uint32_t *code_point) {
    unsigned char first = (unsigned char)text[0];
    if (first < 128) {
        *code_point = first;
        return 1;
    }
    return unicode_next_slow(text, n, code_point);
}
/* How many bytes of ASCII a text begins with. */
static inline size_t unicode_ascii_run(const char *text, size_t n) {
    size_t at = 0;
    for (uint64_t word; at + 8 <= n; at += 8) {
        memcpy(&word, text + at, 8);
        if (word & UINT64_C(0x8080808080808080)) break;
    }
    while (at < n && (unsigned char)text[at] < 128) at++;
    return at;
}
/* Writes a code point or pseudo code point; returns its length, at most 4. */
size_t unicode_put(uint32_t code_point, char out[4]);
/* Start of the character that ends at text[end], end > 0. */
size_t unicode_previous(const char *text, size_t end, uint32_t *code_point);

bool unicode_is_space(uint32_t code_point);            /* White_Space */
bool unicode_is_word(uint32_t code_point);             /* \w of UTS #18: Alphabetic, M, Nd, Pc, Join_Control */
bool unicode_is_decimal(uint32_t code_point);          /* Nd */
bool unicode_is_mark(uint32_t code_point);             /* M, as StripAccents knows it */
bool unicode_is_nonspacing_mark(uint32_t code_point);  /* Mn, as BERT knows it */
bool unicode_is_control(uint32_t code_point);          /* Cc, Cf, Co: what BERT calls control, \t \n \r apart */
bool unicode_is_punctuation(uint32_t code_point);      /* P and the ASCII symbols, BERT's rule */
bool unicode_is_numeric(uint32_t code_point);          /* N, as the Digits pre-tokenizer knows it */
unsigned unicode_combining_class(uint32_t code_point); /* as the normalization forms know it */
bool unicode_decomposes(uint32_t code_point);          /* false: the normalization forms don't know its decomposition */
uint32_t unicode_lowercase(uint32_t code_point);       /* one character for one; U+0130 is the caller's */

/* The characters that the reference's regular expressions know and PCRE2 may not: ranges with their general category
 * (two letters), or those of one script or property (its name in lower case, without blanks and underscores). */
void unicode_newer_categories(void (*range)(void *context, uint32_t first, uint32_t last, const char *category),
                              void *context);
void unicode_newer_property(const char *name, void (*range)(void *context, uint32_t first, uint32_t last),
                            void *context);

#endif
