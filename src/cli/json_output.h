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

#endif
