/* jansson with messages that name the file and the key. */
#include "base/json.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"

/* Integers beyond 64 bits (Python writes them: "model_max_length": 1000000000000000019884624838656) become the largest
 * or smallest that fits. In place: the digits that aren't needed become blanks. */
static void saturate_integers(char *text, size_t size) {
    static const char largest[] = "9223372036854775807";
    const size_t n_largest = sizeof largest - 1;
    bool in_string = false;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '"')
            in_string = !in_string;
        else if (in_string && text[i] == '\\')
            i++;
        if (in_string || text[i] < '0' || text[i] > '9') continue;
        size_t begin = i, end = i;
        while (end < size && text[end] >= '0' && text[end] <= '9') end++;
        bool integer = (begin == 0 || !strchr(".eE+", text[begin - 1])) && (end == size || !strchr(".eE", text[end]));
        bool large =
            end - begin > n_largest || (end - begin == n_largest && memcmp(text + begin, largest, n_largest) > 0);
        if (integer && large) {
            memcpy(text + begin, largest, n_largest);
            memset(text + begin + n_largest, ' ', end - begin - n_largest);
        }
        i = end - 1;
    }
}

static json_t *load(const char *text, size_t size, json_error_t *problem) {
    return json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, problem);
}

static json_t *load_saturated(const char *text, size_t size, json_error_t *problem) {
    char *copy = mem_strndup(text, size);
    if (!copy) return NULL;
    saturate_integers(copy, size);
    json_t *value = load(copy, size, problem);
    mem_free(copy);
    return value;
}

bn_status json_parse(const char *text, size_t size, const char *what, json_t **out, bn_error *err) {
    json_error_t problem;
    if (!text) text = "";
    json_t *value = load(text, size, &problem);
    if (!value && json_error_code(&problem) == json_error_numeric_overflow)
        value = load_saturated(text, size, &problem);
    if (!value) {
        if (json_error_code(&problem) == json_error_out_of_memory) return fail_no_memory(err, size);
        return fail(err, BN_STATUS_BAD_FILE, "%s: not valid JSON at line %d, column %d: %s", what, problem.line,
                    problem.column, problem.text);
    }
    *out = value;
    return BN_OK;
}

bn_status json_parse_exactly(const char *text, size_t size, const char *what, json_t **out, bn_error *err) {
    json_error_t problem;
    json_t *value = text ? load(text, size, &problem) : NULL;
    if (value || !text || json_error_code(&problem) != json_error_numeric_overflow) {
        json_decref(value);
        return json_parse(text, size, what, out, err);
    }
    return fail(err, BN_STATUS_UNSUPPORTED, "%s: a number beyond 64 bits at line %d, column %d: write it as a string",
                what, problem.line, problem.column);
}

bn_status json_parse_file(const char *path, size_t max_bytes, json_t **out, bn_error *err) {
    char *text;
    size_t size;
    bn_status status = file_read_all(path, max_bytes, &text, &size, err);
    if (status) return status;
    status = json_parse(text, size, path, out, err);
    mem_free(text);
    return status;
}

static const json_t *member(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_null(value) ? NULL : value;
}

bn_status json_get_size(const json_t *object, const char *key, size_t min, size_t max, size_t *out, bn_error *err) {
    const json_t *value = member(object, key);
    if (!value) return BN_OK;
    if (!json_is_integer(value)) return fail(err, BN_STATUS_BAD_FILE, "'%s' must be an integer", key);
    json_int_t integer = json_integer_value(value);
    if (integer < 0 || (uint64_t)integer < min || (uint64_t)integer > max)
        return fail(err, BN_STATUS_BAD_FILE, "'%s' is %" JSON_INTEGER_FORMAT ", expected %zu to %zu", key, integer, min,
                    max);
    *out = (size_t)integer;
    return BN_OK;
}

bn_status json_get_number(const json_t *object, const char *key, double *out, bn_error *err) {
    const json_t *value = member(object, key);
    if (!value) return BN_OK;
    if (!json_is_number(value)) return fail(err, BN_STATUS_BAD_FILE, "'%s' must be a number", key);
    *out = json_number_value(value);
    return BN_OK;
}

bn_status json_get_bool(const json_t *object, const char *key, bool *out, bn_error *err) {
    const json_t *value = member(object, key);
    if (!value) return BN_OK;
    if (!json_is_boolean(value)) return fail(err, BN_STATUS_BAD_FILE, "'%s' must be true or false", key);
    *out = json_is_true(value);
    return BN_OK;
}

bn_status json_get_text(const json_t *object, const char *key, const char **out, bn_error *err) {
    const json_t *value = member(object, key);
    if (!value) return BN_OK;
    if (!json_is_string(value)) return fail(err, BN_STATUS_BAD_FILE, "'%s' must be a string", key);
    *out = json_string_value(value);
    return BN_OK;
}

/* ---- values ---- */

json_t *json_text(const char *text, size_t n) {
    json_t *value = json_stringn(text ? text : "", n);
    if (value) return value;
    struct buffer quoted;
    buffer_init(&quoted);
    buffer_append_json_string(&quoted, text, n);
    if (!quoted.failed) value = json_loadb(quoted.data, quoted.size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    buffer_release(&quoted);
    return value;
}

json_t *json_array_tail(const json_t *array, size_t from) {
    json_t *tail = json_array();
    for (size_t i = from; i < json_array_size(array); i++) json_array_append(tail, json_array_get(array, i));
    return tail;
}

json_t *json_ids(const int32_t *ids, size_t n) {
    json_t *array = json_array();
    for (size_t i = 0; array && i < n; i++)
        if (json_array_append_new(array, json_integer(ids[i]))) {
            json_decref(array);
            return NULL;
        }
    return array;
}

json_t *json_number(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}
