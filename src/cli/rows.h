/* Results as rows: an array of flat JSON objects, written as a table, Markdown, CSV or JSON. */
#ifndef CLI_ROWS_H
#define CLI_ROWS_H

#include <stdio.h>

#include "base/json.h"

/* What tables show: the other members are in JSON and CSV only. */
struct column {
    const char *key;
    const char *title;
    double factor; /* numbers are shown times this … */
    int decimals;  /* … with so many decimals; < 0: four significant digits */
};

#define ROW_FORMATS "table|md|json|jsonl|csv"

/* `format`: one of ROW_FORMATS. `columns` ends with a NULL key. Text is left-aligned, numbers right-aligned, a missing or null
 * member is empty. CSV has all members that are neither lists nor objects, by the first row's order, quoted as RFC 4180
 * says. BN_STATUS_NO_MEMORY when JSON can't be built. */
bn_status rows_write(FILE *out, const char *format, const json_t *rows, const struct column *columns, bn_error *err);

#endif
