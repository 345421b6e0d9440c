/* Four characters to three bytes. */
#include "tokenizer/base64.h"

#include "base/memory.h"

static int digit(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '+') return 62;
    return c == '/' ? 63 : -1;
}

bool base64_decode(const char *text, size_t n, uint8_t **out, size_t *size) {
    while (n > 0 && text[n - 1] == '=') n--;
    if (n % 4 == 1) return false;
    uint8_t *bytes = mem_alloc(n / 4 * 3 + 3);
    if (!bytes) return false;
    size_t count = 0;
    uint32_t bits = 0;
    for (size_t i = 0; i < n; i++) {
        int value = digit(text[i]);
        if (value < 0) {
            mem_free(bytes);
            return false;
        }
        bits = bits << 6 | (uint32_t)value;
        if (i % 4 != 0) bytes[count++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
    }
    *out = bytes;
    *size = count;
    return true;
}
