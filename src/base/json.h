/* Reading JSON (jansson beneath) with getters that name what was wrong: "config.json: 'rope_scaling.factor' must be a
 * number". Duplicate keys are refused, nesting is limited by the library (2048), text must be UTF-8.
 * Integers beyond 64 bits become the largest or smallest 64-bit one.
 * Use json_* of <jansson.h> directly to walk; these are for the common case of optional typed members. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/error.h"

/* Parses a whole text / file. `what` names it in messages. Release *out with json_decref. */
bn_status json_parse(const char *text, size_t size, const char *what, json_t **out, bn_error *err);
/* The same for input whose numbers are shown again: one beyond 64 bits, which json_parse makes the nearest that fits,
 * is BN_STATUS_UNSUPPORTED. */
bn_status json_parse_exactly(const char *text, size_t size, const char *what, json_t **out, bn_error *err);
bn_status json_parse_file(const char *path, size_t max_bytes, json_t **out, bn_error *err);

/* Typed optional members of an object: a missing key or null leaves *out alone and returns BN_OK; a value of another
 * type or out of range is BN_STATUS_BAD_FILE naming the key. json_get_number takes integers too. */
bn_status json_get_size(const json_t *object, const char *key, size_t min, size_t max, size_t *out, bn_error *err);
bn_status json_get_number(const json_t *object, const char *key, double *out, bn_error *err);
bn_status json_get_bool(const json_t *object, const char *key, bool *out, bn_error *err);
/* *out points into the object. */
bn_status json_get_text(const json_t *object, const char *key, const char **out, bn_error *err);

/* Values that jansson lacks. */

/* A string of any bytes: invalid UTF-8 becomes U+FFFD. text may be NULL when n is 0. */
json_t *json_text(const char *text, size_t n);
/* Items of an array from `from` on; an empty array for none. */
json_t *json_array_tail(const json_t *array, size_t from);
json_t *json_ids(const int32_t *ids, size_t n);
/* null for NaN and infinities, which JSON lacks. */
json_t *json_number(double value);

#endif
