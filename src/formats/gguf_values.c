/* GGUF metadata: typed values by key. Reading checks every length against the bytes that are left before anything is
 * allocated; afterwards the getters can trust what they find. */
#include <inttypes.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "formats/gguf_parts.h"

#define MIN_VALUE_RECORD 14      /* key length, one byte of key, type, one byte of value */
#define MAX_VALUES       1000000 /* a real file has dozens; this bounds what a hostile one makes us allocate */

static const struct {
    const char *name;
    size_t bytes; /* 0: not a scalar */
} value_types[] = {
    [GGUF_U8] = {"u8", 1},       [GGUF_I8] = {"i8", 1},   [GGUF_U16] = {"u16", 2}, [GGUF_I16] = {"i16", 2},
    [GGUF_U32] = {"u32", 4},     [GGUF_I32] = {"i32", 4}, [GGUF_F32] = {"f32", 4}, [GGUF_BOOL] = {"bool", 1},
    [GGUF_U64] = {"u64", 8},     [GGUF_I64] = {"i64", 8}, [GGUF_F64] = {"f64", 8}, [GGUF_STRING] = {"string", 0},
    [GGUF_ARRAY] = {"array", 0},
};
#define N_VALUE_TYPES (sizeof value_types / sizeof value_types[0])

size_t gguf_scalar_bytes(uint32_t type) {
    return type < N_VALUE_TYPES ? value_types[type].bytes : 0;
}

bn_status gguf_truncated(const struct reader *r, bn_error *err) {
    return fail(err, BN_STATUS_BAD_FILE,
                "%s at byte %zu goes beyond the end of the file (%zu bytes): truncated or corrupt", r->failed_field,
                r->at, r->size);
}

bn_status gguf_read_name(struct reader *r, const char *what, struct arena *arena, const char **out, bn_error *err) {
    size_t at = r->at;
    uint64_t n = read_u64(r, what);
    if (reader_ok(r) && (n == 0 || n > GGUF_MAX_NAME_BYTES)) {
        return fail(err, BN_STATUS_BAD_FILE, "%s at byte %zu has a length of %" PRIu64 ", expected 1 to %d", what, at,
                    n, GGUF_MAX_NAME_BYTES);
    }
    const uint8_t *text = reader_take(r, n, what);
    if (!text) return gguf_truncated(r, err);
    if (memchr(text, 0, (size_t)n) || !utf8_valid((const char *)text, (size_t)n)) {
        return fail(err, BN_STATUS_BAD_FILE, "%s at byte %zu isn't UTF-8 text without NUL", what, at);
    }
    *out = arena_strndup(arena, (const char *)text, (size_t)n);
    return *out ? BN_OK : fail_no_memory(err, (size_t)n + 1);
}

/* ---- reading ---- */

/* One scalar at p, widened. */
static void load_scalar(struct gguf_value *out, enum gguf_value_type type, const uint8_t *p) {
    union {
        uint8_t u8;
        int8_t i8;
        uint16_t u16;
        int16_t i16;
        uint32_t u32;
        int32_t i32;
        uint64_t u64;
        int64_t i64;
        float f32;
        double f64;
    } v;
    memcpy(&v, p, value_types[type].bytes);
    switch (type) {
    case GGUF_U8:
    case GGUF_BOOL:
        out->u = v.u8;
        break;
    case GGUF_U16:
        out->u = v.u16;
        break;
    case GGUF_U32:
        out->u = v.u32;
        break;
    case GGUF_U64:
        out->u = v.u64;
        break;
    case GGUF_I8:
        out->i = (int64_t)v.i8;
        break;
    case GGUF_I16:
        out->i = v.i16;
        break;
    case GGUF_I32:
        out->i = v.i32;
        break;
    case GGUF_I64:
        out->i = v.i64;
        break;
    case GGUF_F32:
        out->f = (double)v.f32;
        break;
    case GGUF_F64:
        out->f = v.f64;
        break;
    case GGUF_STRING:
    case GGUF_ARRAY:
        break;
    }
}

static bn_status check_bools(const uint8_t *bytes, size_t n, const char *key, bn_error *err) {
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] > 1)
            return fail(err, BN_STATUS_BAD_FILE, "'%.100s' has the bool %u, expected 0 or 1", key, bytes[i]);
    }
    return BN_OK;
}

static bn_status read_string(struct reader *r, struct gguf_string *out, bn_error *err) {
    uint64_t n = read_u64(r, "a string's length");
    const uint8_t *text = reader_take(r, n, "a string");
    if (!text) return gguf_truncated(r, err);
    *out = (struct gguf_string){(const char *)text, (size_t)n};
    return BN_OK;
}

/* Strings have different lengths: where each one starts is noted, so that element i is found at once. */
static bn_status read_string_array(struct reader *r, uint64_t n, struct arena *arena, struct gguf_value *out,
                                   bn_error *err) {
    if (n > reader_remaining(r) / sizeof(uint64_t)) {
        return fail(err, BN_STATUS_BAD_FILE, "'%.100s': %" PRIu64 " strings can't fit in the %zu bytes that are left",
                    out->key, n, reader_remaining(r));
    }
    uint64_t *string_at = arena_alloc_array(arena, (size_t)n, sizeof *string_at);
    if (!string_at) return fail_no_memory(err, (size_t)n * sizeof *string_at);
    size_t start = r->at;
    for (size_t i = 0; i < n; i++) {
        string_at[i] = r->at - start;
        struct gguf_string string;
        bn_status status = read_string(r, &string, err);
        if (status) return status;
    }
    out->array.string_at = string_at;
    out->array.bytes = r->bytes + start;
    out->array.size_bytes = r->at - start;
    return BN_OK;
}

static bn_status read_array(struct reader *r, struct arena *arena, struct gguf_value *out, bn_error *err) {
    uint32_t type = read_u32(r, "an array's type");
    uint64_t n = read_u64(r, "an array's length");
    if (!reader_ok(r)) return gguf_truncated(r, err);
    if (type == GGUF_ARRAY) return fail(err, BN_STATUS_BAD_FILE, "'%.100s' is an array of arrays", out->key);
    if (type >= N_VALUE_TYPES) {
        return fail(err, BN_STATUS_BAD_FILE, "'%.100s' is an array of the unknown type %" PRIu32, out->key, type);
    }
    out->array.type = (enum gguf_value_type)type;
    if (type == GGUF_STRING) {
        bn_status status = read_string_array(r, n, arena, out, err);
        if (!status) out->array.n = (size_t)n;
        return status;
    }
    if (n > reader_remaining(r) / value_types[type].bytes) {
        return fail(err, BN_STATUS_BAD_FILE,
                    "'%.100s': %" PRIu64 " values of type %s can't fit in the %zu bytes that are left", out->key, n,
                    value_types[type].name, reader_remaining(r));
    }
    out->array.n = (size_t)n;
    out->array.size_bytes = (size_t)n * value_types[type].bytes;
    out->array.bytes = reader_take(r, out->array.size_bytes, "an array");
    return type == GGUF_BOOL ? check_bools(out->array.bytes, out->array.n, out->key, err) : BN_OK;
}

static bn_status read_value(struct reader *r, struct arena *arena, struct gguf_value *out, bn_error *err) {
    bn_status status = gguf_read_name(r, "metadata key", arena, &out->key, err);
    if (status) return status;
    uint32_t type = read_u32(r, "a value's type");
    if (!reader_ok(r)) return gguf_truncated(r, err);
    if (type >= N_VALUE_TYPES) {
        return fail(err, BN_STATUS_BAD_FILE, "'%.100s' has the unknown value type %" PRIu32, out->key, type);
    }
    out->type = (enum gguf_value_type)type;
    if (type == GGUF_STRING) return read_string(r, &out->string, err);
    if (type == GGUF_ARRAY) return read_array(r, arena, out, err);
    const uint8_t *p = reader_take(r, value_types[type].bytes, "a value");
    if (!p) return gguf_truncated(r, err);
    load_scalar(out, out->type, p);
    return type == GGUF_BOOL ? check_bools(p, 1, out->key, err) : BN_OK;
}

bn_status gguf_read_values(struct reader *r, uint64_t n, struct arena *arena, struct gguf *gguf, bn_error *err) {
    if (n > MAX_VALUES || n > reader_remaining(r) / MIN_VALUE_RECORD) {
        return fail(err, BN_STATUS_BAD_FILE,
                    "metadata count %" PRIu64 ": at most %d are taken, and as many as fit in %zu bytes", n, MAX_VALUES,
                    r->size);
    }
    gguf->values = arena_alloc_array(arena, (size_t)n, sizeof *gguf->values);
    if (!gguf->values || !string_map_init(&gguf->by_key, (size_t)n)) {
        return fail_no_memory(err, (size_t)n * sizeof *gguf->values);
    }
    for (size_t i = 0; i < n; i++) {
        struct gguf_value *value = &gguf->values[i];
        bn_status status = read_value(r, arena, value, err);
        if (status) return status;
        int inserted = string_map_insert(&gguf->by_key, value->key, strlen(value->key), (uint32_t)i);
        if (inserted < 0) return fail_no_memory(err, (size_t)n * sizeof(void *));
        if (inserted == 0) return fail(err, BN_STATUS_BAD_FILE, "the key '%.100s' occurs twice", value->key);
        gguf->n_values = i + 1;
    }
    return BN_OK;
}

/* ---- lookup ---- */

const struct gguf_value *gguf_find(const struct gguf *gguf, const char *key) {
    uint32_t index;
    return string_map_find(&gguf->by_key, key, strlen(key), &index) ? &gguf->values[index] : NULL;
}

static bn_status wrong_type(const struct gguf_value *value, const char *expected, bn_error *err) {
    return fail(err, BN_STATUS_BAD_FILE, "'%.100s' has type %s, expected %s", value->key, value_types[value->type].name,
                expected);
}

static bool is_signed(enum gguf_value_type type) {
    return type == GGUF_I8 || type == GGUF_I16 || type == GGUF_I32 || type == GGUF_I64;
}
static bool is_unsigned(enum gguf_value_type type) {
    return type == GGUF_U8 || type == GGUF_U16 || type == GGUF_U32 || type == GGUF_U64;
}

bn_status gguf_get_size(const struct gguf *gguf, const char *key, size_t min, size_t max, size_t *out, bn_error *err) {
    const struct gguf_value *value = gguf_find(gguf, key);
    if (!value) return BN_OK;
    if (!is_signed(value->type) && !is_unsigned(value->type)) return wrong_type(value, "an integer", err);
    if (is_signed(value->type) && value->i < 0) {
        return fail(err, BN_STATUS_BAD_FILE, "'%s' is %" PRId64 ", expected %zu to %zu", key, value->i, min, max);
    }
    if (value->u < min || value->u > max) {
        return fail(err, BN_STATUS_BAD_FILE, "'%s' is %" PRIu64 ", expected %zu to %zu", key, value->u, min, max);
    }
    *out = (size_t)value->u;
    return BN_OK;
}

bn_status gguf_get_number(const struct gguf *gguf, const char *key, double *out, bn_error *err) {
    const struct gguf_value *value = gguf_find(gguf, key);
    if (!value) return BN_OK;
    if (value->type == GGUF_F32 || value->type == GGUF_F64)
        *out = value->f;
    else if (is_signed(value->type))
        *out = (double)value->i;
    else if (is_unsigned(value->type))
        *out = (double)value->u;
    else
        return wrong_type(value, "a number", err);
    return BN_OK;
}

bn_status gguf_get_bool(const struct gguf *gguf, const char *key, bool *out, bn_error *err) {
    const struct gguf_value *value = gguf_find(gguf, key);
    if (!value) return BN_OK;
    if (value->type != GGUF_BOOL) return wrong_type(value, "bool", err);
    *out = value->u != 0;
    return BN_OK;
}

bn_status gguf_get_string(const struct gguf *gguf, const char *key, struct gguf_string *out, bn_error *err) {
    const struct gguf_value *value = gguf_find(gguf, key);
    if (!value) return BN_OK;
    if (value->type != GGUF_STRING) return wrong_type(value, "a string", err);
    *out = value->string;
    return BN_OK;
}

struct gguf_string gguf_array_string(const struct gguf_value *array, size_t index) {
    const uint8_t *p = array->array.bytes + array->array.string_at[index];
    uint64_t n;
    memcpy(&n, p, sizeof n);
    return (struct gguf_string){(const char *)p + sizeof n, (size_t)n};
}

static struct gguf_value array_element(const struct gguf_value *array, size_t index) {
    struct gguf_value element = {.type = array->array.type};
    load_scalar(&element, element.type, array->array.bytes + index * value_types[element.type].bytes);
    return element;
}

int64_t gguf_array_integer(const struct gguf_value *array, size_t index) {
    return array_element(array, index).i;
}

double gguf_array_number(const struct gguf_value *array, size_t index) {
    struct gguf_value element = array_element(array, index);
    if (element.type == GGUF_F32 || element.type == GGUF_F64) return element.f;
    return is_signed(element.type) ? (double)element.i : (double)element.u;
}
