/* Results as drawings: a small writer of SVG, which every browser shows and text editors can read. */
#ifndef BENCH_SVG_PLOT_H
#define BENCH_SVG_PLOT_H

#include <stdio.h>

#include "base/json.h"

/* A bar for each row with a name and a number under `value_key`, and its range where it has "min" and "max". Rows' "name",
 * "engine" and "threads" make the label. False when no row has such a number. */
bool svg_bars(FILE *out, const char *title, const json_t *rows, const char *value_key);

/* A line for each test (name, threads, isa, model) through its rows' "tokens_per_second", in order; below, the commits.
 * False when there are no rows. */
bool svg_lines(FILE *out, const char *title, const json_t *rows);

/* Text as content or attribute of XML: < > & and quotes escaped, control characters replaced. */
void svg_text(FILE *out, const char *text);

#endif
