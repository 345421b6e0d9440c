#include "server/target.h"

#include <string.h>

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

bool percent_decode(const char *text, size_t n, bool plus, char *out) {
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (c == '%') {
            int high = n - i > 2 ? hex_digit(text[i + 1]) : -1, low = high >= 0 ? hex_digit(text[i + 2]) : -1;
            if (low < 0 || (high == 0 && low == 0)) return false;
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        *out++ = c;
    }
    *out = 0;
    return true;
}

bool path_is_plain(const char *path) {
    if (*path != '/') return false;
    for (const char *at = path; *at;) {
        at++;
        size_t n = strcspn(at, "/");
        if (n == 0 && *at) return false; /* "//" */
        if ((n == 1 || n == 2) && strspn(at, ".") == n) return false;
        for (size_t i = 0; i < n; i++)
            if ((unsigned char)at[i] < ' ' || at[i] == 0x7f || at[i] == '\\') return false;
        at += n;
    }
    return true;
}
