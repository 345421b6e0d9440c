/* Character classes over utf8proc's tables, and where the reference knows another version of Unicode
 * (unicode_table.h). */
#include "tokenizer/unicode.h"

#include <string.h>
#include <utf8proc.h>

#include "base/utf8.h"
#include "tokenizer/unicode_table.h"

#define S CLASS_SPACE
#define L (CLASS_SPACE | CLASS_NEWLINE)
#define P CLASS_PUNCTUATION
#define Y CLASS_SYMBOL
#define N CLASS_NUMBER
#define U CLASS_UPPER
#define W CLASS_LOWER
const uint16_t unicode_ascii_class[128] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, S, L, S, S, L, 0, 0, /* controls */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    S, P, P, P, Y, P, P, P, P, P, P, Y, P, P, P, P, /*  !"#$%&'()*+,-./ */
    N, N, N, N, N, N, N, N, N, N, P, P, Y, Y, Y, P, /* 0 … 9 : ; < = > ? */
    P, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, /* @ A … */
    U, U, U, U, U, U, U, U, U, U, U, P, P, P, Y, P, /* … Z [ \ ] ^ _ */
    Y, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, /* ` a … */
    W, W, W, W, W, W, W, W, W, W, W, P, Y, P, Y, 0, /* … z { | } ~ */
};
#undef S
#undef L
#undef P
#undef Y
#undef N
#undef U
#undef W

static utf8proc_category_t category(uint32_t code_point) {
    return code_point < INVALID_BYTE ? utf8proc_category((utf8proc_int32_t)code_point) : UTF8PROC_CATEGORY_CN;
}

static bool in_ranges(const uint32_t (*ranges)[2], size_t n, uint32_t code_point) {
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (ranges[middle][1] < code_point)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n && ranges[low][0] <= code_point;
}
#define IN(ranges, code_point) in_ranges(ranges, sizeof ranges / sizeof *ranges, code_point)

enum { N_NEWER = sizeof newer_categories / sizeof *newer_categories };

static unsigned class_of_category(const char *category) {
    switch (category[0]) {
    case 'L':
        return strchr("ut", category[1]) ? CLASS_UPPER : category[1] == 'l' ? CLASS_LOWER : CLASS_OTHER_LETTER;
    case 'M':
        return CLASS_MARK;
    case 'N':
        return CLASS_NUMBER;
    case 'P':
        return CLASS_PUNCTUATION;
    case 'S':
        return CLASS_SYMBOL;
    default:
        return 0;
    }
}

static const char *newer_category(uint32_t code_point) {
    size_t low = 0, high = N_NEWER;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (newer_categories[middle].last < code_point)
            low = middle + 1;
        else
            high = middle;
    }
    return low < N_NEWER && newer_categories[low].first <= code_point ? newer_categories[low].category : "Cn";
}

void unicode_newer_categories(void (*range)(void *context, uint32_t first, uint32_t last, const char *category),
                              void *context) {
    for (size_t i = 0; i < N_NEWER; i++)
        range(context, newer_categories[i].first, newer_categories[i].last, newer_categories[i].category);
}

void unicode_newer_property(const char *name, void (*range)(void *context, uint32_t first, uint32_t last),
                            void *context) {
    for (size_t i = 0; i < sizeof newer_properties / sizeof *newer_properties; i++)
        if (strcmp(newer_properties[i].name, name) == 0)
            range(context, newer_properties[i].first, newer_properties[i].last);
}

unsigned unicode_class_beyond_ascii(uint32_t code_point) {
    switch (category(code_point)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LT:
        return CLASS_UPPER;
    case UTF8PROC_CATEGORY_LL:
        return CLASS_LOWER;
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
        return CLASS_OTHER_LETTER;
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
        return CLASS_MARK;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
        return CLASS_NUMBER;
    case UTF8PROC_CATEGORY_PC:
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO:
        return CLASS_PUNCTUATION;
    case UTF8PROC_CATEGORY_SM:
    case UTF8PROC_CATEGORY_SC:
    case UTF8PROC_CATEGORY_SK:
    case UTF8PROC_CATEGORY_SO:
        return CLASS_SYMBOL;
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
        return CLASS_SPACE;
    case UTF8PROC_CATEGORY_CN:
        return class_of_category(newer_category(code_point));
    default:
        return code_point == 0x85 ? CLASS_SPACE : 0;
    }
}

size_t unicode_next_slow(const char *text, size_t n, uint32_t *code_point) {
    int length = utf8_decode(text, n, code_point);
    if (length > 0) return (size_t)length;
    *code_point = INVALID_BYTE + (unsigned char)text[0];
    return 1;
}

size_t unicode_put(uint32_t code_point, char out[4]) {
    if (code_point < INVALID_BYTE) return utf8_encode(code_point, out);
    out[0] = (char)(unsigned char)(code_point - INVALID_BYTE);
    return 1;
}

size_t unicode_previous(const char *text, size_t end, uint32_t *code_point) {
    for (size_t length = 1; length <= 4 && length <= end; length++) {
        if (((unsigned char)text[end - length] & 0xc0) == 0x80) continue;
        if (unicode_next(text + end - length, length, code_point) == length) return end - length;
        break;
    }
    *code_point = INVALID_BYTE + (unsigned char)text[end - 1];
    return end - 1;
}

bool unicode_is_space(uint32_t code_point) {
    return (unicode_class(code_point) & CLASS_SPACE) != 0;
}
bool unicode_is_decimal(uint32_t code_point) {
    if (code_point < 128) return code_point >= '0' && code_point <= '9';
    utf8proc_category_t kind = category(code_point);
    return kind == UTF8PROC_CATEGORY_ND ||
           (kind == UTF8PROC_CATEGORY_CN && strcmp(newer_category(code_point), "Nd") == 0);
}
bool unicode_is_mark(uint32_t code_point) {
    utf8proc_category_t kind = category(code_point);
    bool mark = kind == UTF8PROC_CATEGORY_MN || kind == UTF8PROC_CATEGORY_MC || kind == UTF8PROC_CATEGORY_ME;
    return mark ? !IN(not_yet_mark, code_point) : IN(still_mark, code_point);
}

bool unicode_is_nonspacing_mark(uint32_t code_point) {
    if (category(code_point) == UTF8PROC_CATEGORY_MN) return !IN(not_yet_nonspacing, code_point);
    return IN(still_nonspacing, code_point);
}

bool unicode_decomposes(uint32_t code_point) {
    return !IN(not_yet_decomposed, code_point);
}

bool unicode_is_numeric(uint32_t code_point) {
    return (unicode_class(code_point) & CLASS_NUMBER) != 0 || IN(newer_numbers, code_point);
}

unsigned unicode_combining_class(uint32_t code_point) {
    if (code_point < 0x300 || code_point >= INVALID_BYTE) return 0;
    unsigned class = (unsigned)utf8proc_get_property((utf8proc_int32_t)code_point)->combining_class;
    return class && IN(not_yet_combining, code_point) ? 0 : class;
}

uint32_t unicode_lowercase(uint32_t code_point) {
    if (code_point >= INVALID_BYTE) return code_point;
    uint32_t lower = (uint32_t)utf8proc_tolower((utf8proc_int32_t)code_point);
    if (lower != code_point || code_point < newer_lowercase[0][0]) return lower;
    for (size_t i = 0; i < sizeof newer_lowercase / sizeof *newer_lowercase; i++)
        if (newer_lowercase[i][0] == code_point) return newer_lowercase[i][1];
    return code_point;
}

/* Alphabetic beyond letters, marks and letter numbers: the circled and squared Latin letters. */
static bool other_alphabetic(uint32_t c) {
    return (c >= 0x24b6 && c <= 0x24e9) || (c >= 0x1f130 && c <= 0x1f149) || (c >= 0x1f150 && c <= 0x1f169) ||
           (c >= 0x1f170 && c <= 0x1f189);
}

bool unicode_is_word(uint32_t code_point) {
    if (unicode_class(code_point) & (CLASS_LETTER | CLASS_MARK)) return true;
    utf8proc_category_t kind = category(code_point);
    return unicode_is_decimal(code_point) || kind == UTF8PROC_CATEGORY_NL || kind == UTF8PROC_CATEGORY_PC ||
           code_point == 0x200c || code_point == 0x200d || other_alphabetic(code_point);
}

bool unicode_is_control(uint32_t code_point) {
    utf8proc_category_t kind = category(code_point);
    bool control = kind == UTF8PROC_CATEGORY_CC || kind == UTF8PROC_CATEGORY_CF || kind == UTF8PROC_CATEGORY_CO;
    return control && !IN(not_yet_control, code_point);
}

bool unicode_is_punctuation(uint32_t code_point) {
    if (code_point < 128) return (unicode_ascii_class[code_point] & (CLASS_PUNCTUATION | CLASS_SYMBOL)) != 0;
    if (unicode_class(code_point) & CLASS_PUNCTUATION)
        return category(code_point) != UTF8PROC_CATEGORY_CN && !IN(not_yet_punctuation, code_point);
    return IN(still_punctuation, code_point);
}
