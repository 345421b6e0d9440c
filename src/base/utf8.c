/* Strict UTF-8: Unicode 15, table 3-7 (well-formed byte sequences). */
#include "base/utf8.h"

#include <string.h>

/* Length of the sequence a lead byte begins and the range its second byte must lie in. 0 = not a lead byte. */
static int lead_byte(uint8_t lead, uint8_t *low, uint8_t *high) {
    *low = 0x80;
    *high = 0xbf;
    if (lead < 0x80) return 1;
    if (lead < 0xc2) return 0;
    if (lead < 0xe0) return 2;
    if (lead < 0xf0) {
        if (lead == 0xe0) *low = 0xa0;
        if (lead == 0xed) *high = 0x9f;
        return 3;
    }
    if (lead < 0xf5) {
        if (lead == 0xf0) *low = 0x90;
        if (lead == 0xf4) *high = 0x8f;
        return 4;
    }
    return 0;
}

int utf8_decode(const char *text, size_t n, uint32_t *code_point) {
    if (n == 0) return 0;
    const uint8_t *bytes = (const uint8_t *)text;
    uint8_t low, high;
    int length = lead_byte(bytes[0], &low, &high);
    if (length == 1) {
        *code_point = bytes[0];
        return 1;
    }
    if (length == 0) return -1;
    uint32_t value = bytes[0] & (0x7fu >> length);
    for (int i = 1; i < length; i++) {
        if ((size_t)i >= n || bytes[i] < low || bytes[i] > high) return -i;
        value = value << 6 | (bytes[i] & 0x3f);
        low = 0x80;
        high = 0xbf;
    }
    *code_point = value;
    return length;
}

size_t utf8_encode(uint32_t c, char out[4]) {
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

bool utf8_valid(const char *text, size_t n) {
    for (size_t i = 0; i < n;) {
        uint64_t word; /* most text is ASCII: eight bytes at once */
        if (n - i >= sizeof word && (memcpy(&word, text + i, sizeof word), !(word & UINT64_C(0x8080808080808080)))) {
            i += sizeof word;
            continue;
        }
        uint32_t code_point;
        int length = utf8_decode(text + i, n - i, &code_point);
        if (length < 0) return false;
        i += (size_t)length;
    }
    return true;
}

size_t utf8_incomplete_tail(const char *text, size_t n) {
    const uint8_t *bytes = (const uint8_t *)text;
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        uint8_t byte = bytes[n - back], low, high;
        if ((byte & 0xc0) == 0x80) continue;
        int length = lead_byte(byte, &low, &high);
        if (length <= (int)back) return 0;
        uint32_t ignored;
        /* a prefix is incomplete only if everything so far is right: the decoder must have run out, not stumbled */
        return utf8_decode(text + n - back, back, &ignored) == -(int)back ? back : 0;
    }
    return 0;
}
