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

char *base64_encode(const uint8_t *bytes, size_t size) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = size < SIZE_MAX / 2 ? mem_alloc((size + 2) / 3 * 4 + 1) : NULL;
    if (!text) return NULL;
    char *out = text;
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t bits = (uint32_t)bytes[i] << 16;
        if (left > 1) bits |= (uint32_t)bytes[i + 1] << 8;
        if (left > 2) bits |= bytes[i + 2];
        *out++ = digits[bits >> 18];
        *out++ = digits[bits >> 12 & 63];
        *out++ = left > 1 ? digits[bits >> 6 & 63] : '=';
        *out++ = left > 2 ? digits[bits & 63] : '=';
    }
    *out = '\0';
    return text;
}
