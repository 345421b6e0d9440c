/* See values.h. A value's name is its tag and, for containers, the numbers of what is in them: equality is that of numbers. */
#include "engine/grammar/values.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"

#define LONGEST_EXPONENT 1000000000000

enum tag { TAG_NULL, TAG_FALSE, TAG_TRUE, TAG_NUMBER, TAG_STRING, TAG_ARRAY, TAG_OBJECT };
enum phase { BETWEEN, IN_LITERAL, IN_NUMBER, IN_STRING, IN_ESCAPE, IN_HEX };

struct child {
    uint32_t key, value, at; /* key: of members */
};
struct open {
    bool object, has_key;
    uint32_t key;
    size_t begin; /* in children */
};

struct values {
    struct work *work;
    struct interner names;
    struct open *open;
    size_t n_open, open_capacity;
    struct child *children; /* of all that is open */
    size_t n_children, children_capacity;
    enum phase phase;
    uint32_t *text; /* what is being read: its tag, then a byte in each word */
    size_t n_text, text_capacity;
    uint32_t left, hex, high; /* letters or digits to come; those of an escape; a high surrogate's, or 0 */
    uint32_t *canonical;
    size_t canonical_capacity;
};

struct values *values_create(struct work *work) {
    struct values *v = work_alloc(work, 1, sizeof *v);
    if (v) v->work = work;
    return v;
}

static void append(struct values *v, uint32_t word) {
    if (work_reserve(v->work, &v->text, v->n_text + 1, &v->text_capacity, sizeof *v->text)) v->text[v->n_text++] = word;
}

static void begin(struct values *v, enum phase phase, enum tag tag) {
    v->phase = phase;
    v->n_text = 0;
    v->high = 0;
    append(v, tag);
}

static uint32_t named(struct values *v, const uint32_t *words, size_t n) {
    return work_spend(v->work, n) ? intern_words(v->work, &v->names, words, n, NULL) : INTERN_FAILED;
}

static bool is_earlier_item(struct values *v, uint32_t value) {
    const struct open *in = v->n_open ? &v->open[v->n_open - 1] : NULL;
    if (!in || in->object || !work_spend(v->work, (v->n_children - in->begin) / 8 + 1)) return false;
    for (size_t i = in->begin; i < v->n_children; i++)
        if (v->children[i].value == value) return true;
    return false;
}

/* A value has ended. */
static bool add_value(struct values *v, uint32_t value) {
    struct open *in = v->n_open ? &v->open[v->n_open - 1] : NULL;
    v->phase = BETWEEN;
    if (!in || !work_ok(v->work)) return false;
    bool earlier = is_earlier_item(v, value);
    if (in->object && !in->has_key) { /* the value is a key */
        in->has_key = true;
        in->key = value;
        return false;
    }
    if (!work_reserve(v->work, &v->children, v->n_children + 1, &v->children_capacity, sizeof *v->children))
        return false;
    v->children[v->n_children] = (struct child){in->object ? in->key : 0, value, (uint32_t)(v->n_children - in->begin)};
    v->n_children++;
    in->has_key = false;
    return earlier;
}

/* ---- numbers: sign, exponent, digits without zeros on either side ---- */

static uint32_t number_named(struct values *v) {
    const uint32_t *text = v->text + 1;
    size_t n = v->n_text - 1, i = n && text[0] == '-', n_digits = 0;
    int64_t exponent = 0, written = 0;
    bool negative = i == 1, point = false, down;
    if (!work_reserve(v->work, &v->canonical, n + 4, &v->canonical_capacity, sizeof *v->canonical))
        return INTERN_FAILED;
    uint32_t *digits = v->canonical + 4;
    for (; i < n && text[i] != 'e' && text[i] != 'E'; i++) {
        if (text[i] == '.') {
            point = true;
            continue;
        }
        exponent -= point;
        if (n_digits || text[i] != '0') digits[n_digits++] = text[i];
    }
    down = i + 1 < n && text[i + 1] == '-';
    for (i += 1 + (i + 1 < n && (text[i + 1] == '-' || text[i + 1] == '+')); i < n; i++)
        if (written < LONGEST_EXPONENT) written = written * 10 + (text[i] - '0');
    exponent += down ? -written : written;
    for (; n_digits && digits[n_digits - 1] == '0'; n_digits--) exponent++;
    if (n_digits == 0) exponent = negative = 0;
    v->canonical[0] = TAG_NUMBER;
    v->canonical[1] = negative;
    v->canonical[2] = (uint32_t)(uint64_t)exponent;
    v->canonical[3] = (uint32_t)((uint64_t)exponent >> 32);
    return named(v, v->canonical, 4 + n_digits);
}

static bool add_to_number(struct values *v, uint8_t byte) {
    append(v, byte);
    bool digit = byte >= '0' && byte <= '9';
    return digit && v->n_open && !v->open[v->n_open - 1].object && work_ok(v->work) &&
           is_earlier_item(v, number_named(v));
}

/* ---- strings ---- */

static void append_code_point(struct values *v, uint32_t code_point) {
    char bytes[4];
    size_t n = utf8_encode(code_point, bytes);
    for (size_t i = 0; i < n; i++) append(v, (uint8_t)bytes[i]);
}

static void end_escape(struct values *v) {
    v->phase = IN_STRING;
    if (v->hex >= 0xd800 && v->hex < 0xdc00) {
        v->high = v->hex;
        return;
    }
    bool low = v->hex >= 0xdc00 && v->hex < 0xe000;
    append_code_point(v, low ? 0x10000 + ((v->high & 0x3ff) << 10) + (v->hex & 0x3ff) : v->hex);
}

static bool add_to_string(struct values *v, uint8_t byte) {
    static const char letters[] = "bfnrt", meanings[] = "\b\f\n\r\t";
    const char *letter;
    switch (v->phase) {
    case IN_ESCAPE:
        v->phase = byte == 'u' ? IN_HEX : IN_STRING;
        v->left = 4;
        v->hex = 0;
        letter = byte ? strchr(letters, byte) : NULL;
        if (byte != 'u') append(v, letter ? (uint8_t)meanings[letter - letters] : byte);
        return false;
    case IN_HEX:
        v->hex = v->hex << 4 | (byte <= '9' ? (uint32_t)(byte - '0') & 15 : ((byte | 32u) - 'a' + 10) & 15);
        if (--v->left == 0) end_escape(v);
        return false;
    default:
        if (byte == '"') return add_value(v, named(v, v->text, v->n_text));
        if (byte == '\\')
            v->phase = IN_ESCAPE;
        else
            append(v, byte);
        return false;
    }
}

/* ---- arrays and objects ---- */

static void open_container(struct values *v, bool object) {
    if (!work_reserve(v->work, &v->open, v->n_open + 1, &v->open_capacity, sizeof *v->open)) return;
    v->open[v->n_open++] = (struct open){.object = object, .begin = v->n_children};
}

static int compare_members(const void *a, const void *b) {
    const struct child *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static bool close_container(struct values *v) {
    if (v->n_open == 0) return false;
    const struct open in = v->open[--v->n_open];
    size_t n = v->n_children - in.begin, n_words = 1;
    struct child *children = n ? v->children + in.begin : NULL;
    if (!work_spend(v->work, 8 * n) ||
        !work_reserve(v->work, &v->canonical, 2 * n + 1, &v->canonical_capacity, sizeof *v->canonical))
        return false;
    if (in.object && n) qsort(children, n, sizeof *children, compare_members);
    v->canonical[0] = in.object ? TAG_OBJECT : TAG_ARRAY;
    for (size_t i = 0; i < n; i++) {
        if (in.object && i + 1 < n && children[i + 1].key == children[i].key) continue; /* the last one counts */
        if (in.object) v->canonical[n_words++] = children[i].key;
        v->canonical[n_words++] = children[i].value;
    }
    v->n_children = in.begin;
    return add_value(v, named(v, v->canonical, n_words));
}

static bool add_between(struct values *v, uint8_t byte) {
    switch (byte) {
    case '"':
        begin(v, IN_STRING, TAG_STRING);
        return false;
    case '[':
    case '{':
        open_container(v, byte == '{');
        return false;
    case ']':
    case '}':
        return close_container(v);
    case 'n':
    case 't':
    case 'f':
        begin(v, IN_LITERAL, byte == 'n' ? TAG_NULL : byte == 't' ? TAG_TRUE : TAG_FALSE);
        v->left = byte == 'f' ? 4 : 3;
        return false;
    default:
        if (byte != '-' && (byte < '0' || byte > '9')) return false;
        begin(v, IN_NUMBER, TAG_NUMBER);
        return add_to_number(v, byte);
    }
}

bool values_add(struct values *v, uint8_t byte) {
    if (!work_ok(v->work)) return false;
    switch (v->phase) {
    case BETWEEN:
        return add_between(v, byte);
    case IN_LITERAL:
        return --v->left == 0 && add_value(v, named(v, v->text, v->n_text));
    case IN_NUMBER:
        if (byte && strchr("0123456789+-.eE", byte)) return add_to_number(v, byte);
        add_value(v, number_named(v));
        return add_between(v, byte);
    default:
        return add_to_string(v, byte);
    }
}
