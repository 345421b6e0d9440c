/* Printable Latin-1 bytes stand for themselves; the 68 others take U+0100 onwards, in order. */
#include "tokenizer/byte_alphabet.h"

#include "base/utf8.h"
#include "tokenizer/unicode.h"

static bool stands_for_itself(unsigned byte) {
    return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
}

/* The others in order: 00–20, 7f–a0, ad. */
static uint32_t shifted(unsigned byte) {
    if (byte <= 0x20) return 0x100 + byte;
    return byte == 0xad ? 0x143 : 0x121 + (byte - 0x7f);
}

size_t byte_alphabet_put(uint8_t byte, char out[4]) {
    return utf8_encode(stands_for_itself(byte) ? byte : shifted(byte), out);
}

int byte_alphabet_get(uint32_t code_point) {
    if (code_point < 0x100) return stands_for_itself(code_point) ? (int)code_point : -1;
    if (code_point <= 0x120) return (int)(code_point - 0x100);
    if (code_point <= 0x142) return (int)(code_point - 0x121 + 0x7f);
    return code_point == 0x143 ? 0xad : -1;
}

bool byte_alphabet_decode(const char *text, size_t n, char *out, size_t *out_size) {
    size_t size = 0;
    for (size_t at = 0; at < n;) {
        uint32_t code_point;
        at += unicode_next(text + at, n - at, &code_point);
        int byte = byte_alphabet_get(code_point);
        if (byte < 0) return false;
        out[size++] = (char)byte;
    }
    *out_size = size;
    return true;
}
