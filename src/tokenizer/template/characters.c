/* Character classes and case mappings for Python's str methods; see unicode.h. */
#include "tokenizer/template/characters.h"

#include <utf8proc.h>

static utf8proc_category_t category(uint32_t c) {
    return utf8proc_category((utf8proc_int32_t)c);
}

static bool in_ranges(const struct code_range *ranges, size_t n, uint32_t c) {
    size_t low = 0;
    while (low < n) {
        size_t middle = low + (n - low) / 2;
        if (c > ranges[middle].last)
            low = middle + 1;
        else if (c < ranges[middle].first)
            n = middle;
        else
            return true;
    }
    return false;
}

bool python_is_space(uint32_t c) {
    if (c < 0x80) return (c >= 9 && c <= 13) || (c >= 28 && c <= 32);
    return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
           c == 0x202f || c == 0x205f || c == 0x3000;
}

bool python_is_line_break(uint32_t c) {
    return (c >= 10 && c <= 13) || (c >= 28 && c <= 30) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

bool python_is_alpha(uint32_t c) {
    utf8proc_category_t k = category(c);
    return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO;
}

bool python_is_decimal(uint32_t c) {
    return category(c) == UTF8PROC_CATEGORY_ND;
}

bool python_is_digit(uint32_t c) {
    return python_is_decimal(c) || in_ranges(python_digits, n_python_digits, c);
}

bool python_is_numeric(uint32_t c) {
    utf8proc_category_t k = category(c);
    return k == UTF8PROC_CATEGORY_ND || k == UTF8PROC_CATEGORY_NL || k == UTF8PROC_CATEGORY_NO ||
           in_ranges(python_numeric, n_python_numeric, c);
}

bool python_is_lower(uint32_t c) {
    return category(c) == UTF8PROC_CATEGORY_LL || in_ranges(python_other_lower, n_python_other_lower, c);
}

bool python_is_upper(uint32_t c) {
    return category(c) == UTF8PROC_CATEGORY_LU || in_ranges(python_other_upper, n_python_other_upper, c);
}

bool python_is_title(uint32_t c) {
    return category(c) == UTF8PROC_CATEGORY_LT;
}

bool python_is_cased(uint32_t c) {
    return python_is_lower(c) || python_is_upper(c) || python_is_title(c);
}

/* Case_Ignorable (Unicode 3.13, D136): Mn, Me, Cf, Lm, Sk and the word-break classes MidLetter, MidNumLet, Single_Quote. */
bool python_is_case_ignorable(uint32_t c) {
    utf8proc_category_t k = category(c);
    if (k == UTF8PROC_CATEGORY_MN || k == UTF8PROC_CATEGORY_ME || k == UTF8PROC_CATEGORY_CF ||
        k == UTF8PROC_CATEGORY_LM || k == UTF8PROC_CATEGORY_SK)
        return true;
    return c == '\'' || c == '.' || c == ':' || c == 0xb7 || c == 0x387 || c == 0x55f || c == 0x5f4 || c == 0x2018 ||
           c == 0x2019 || c == 0x2024 || c == 0x2027 || c == 0xfe13 || c == 0xfe52 || c == 0xfe55 || c == 0xff07 ||
           c == 0xff0e || c == 0xff1a;
}

bool python_is_printable(uint32_t c) {
    if (c < 0x80) return c >= ' ' && c < 0x7f;
    switch (category(c)) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
        return false;
    default:
        return true;
    }
}

bool python_is_identifier_start(uint32_t c) {
    if (c < 0x80) return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    return python_is_alpha(c) || category(c) == UTF8PROC_CATEGORY_NL;
}

bool python_is_identifier_part(uint32_t c) {
    if (c < 0x80) return python_is_identifier_start(c) || (c >= '0' && c <= '9');
    utf8proc_category_t k = category(c);
    return python_is_identifier_start(c) || k == UTF8PROC_CATEGORY_MN || k == UTF8PROC_CATEGORY_MC ||
           k == UTF8PROC_CATEGORY_ND || k == UTF8PROC_CATEGORY_PC;
}

static size_t find_exception(const struct case_exception *table, size_t n, uint32_t c, uint32_t out[3]) {
    size_t low = 0;
    while (low < n) {
        size_t middle = low + (n - low) / 2;
        if (table[middle].from == c) {
            size_t length = 0;
            for (; length < 3 && table[middle].to[length]; length++) out[length] = table[middle].to[length];
            return length;
        }
        if (table[middle].from < c)
            low = middle + 1;
        else
            n = middle;
    }
    return 0;
}

size_t python_upper(uint32_t c, uint32_t out[3]) {
    size_t n = c < 0x80 ? 0 : find_exception(python_upper_exceptions, n_python_upper_exceptions, c, out);
    if (n) return n;
    out[0] = (uint32_t)utf8proc_toupper((utf8proc_int32_t)c);
    return 1;
}

size_t python_lower(uint32_t c, uint32_t out[3]) {
    if (c == 0x130) { /* İ: the only unconditional lower mapping to two code points */
        out[0] = 'i';
        out[1] = 0x307;
        return 2;
    }
    out[0] = (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
    return 1;
}

size_t python_title(uint32_t c, uint32_t out[3]) {
    size_t n = c < 0x80 ? 0 : find_exception(python_title_exceptions, n_python_title_exceptions, c, out);
    return n ? n : python_upper(c, out);
}

size_t python_fold(uint32_t c, uint32_t out[3]) {
    utf8proc_int32_t folded[8];
    int boundary = 0;
    utf8proc_ssize_t n = utf8proc_decompose_char((utf8proc_int32_t)c, folded, 8, UTF8PROC_CASEFOLD, &boundary);
    if (n < 1 || n > 3) {
        out[0] = c;
        return 1;
    }
    for (utf8proc_ssize_t i = 0; i < n; i++) out[i] = (uint32_t)folded[i];
    return (size_t)n;
}
