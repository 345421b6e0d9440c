/* The ternary products against the machine's limits, as the model calls them: rows in chunks that threads take. */
#ifndef BENCH_ROOFLINE_H
#define BENCH_ROOFLINE_H

#include <stdbool.h>

/* Prints a row for each table, number of threads (1, 2), matrix and number of tokens whose name contains one of the n
 * words (all, when n is 0). False when memory ran out. */
bool roofline_run(char *const *words, int n, bool json);

#endif
