/* JSON on standard output: one value per line. Values are built with jansson; these are the pieces it lacks. */
#ifndef CLI_JSON_OUTPUT_H
#define CLI_JSON_OUTPUT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/json.h"

/* Writes `value` compactly with a newline and releases it. BN_STATUS_NO_MEMORY if the value is NULL (what building it
 * left when memory was out). */
bn_status json_write_line(FILE *stream, json_t *value, bn_error *err);

/* A string of any bytes: invalid UTF-8 becomes U+FFFD. */
json_t *json_text(const char *text, size_t n);
json_t *json_ids(const int32_t *ids, size_t n);
/* null for NaN and infinities, which JSON lacks. */
json_t *json_number(double value);

#endif
