/* Single rows of a mapped matrix, read from its file instead of the mapping.
 *
 * Where a few rows of a large matrix are needed, its mapping costs more than it gives: the system maps 64 KiB or a huge
 * page of the file with each row, and counts them as this process's memory. A row is a few kilobytes; reading it takes
 * about a microsecond. */
#ifndef MODEL_ROW_FILE_H
#define MODEL_ROW_FILE_H

#include "formats/tensor_file.h"
#include "model/linear.h"

struct row_file {
    bool is_open; /* false: rows are used where they lie */
    int fd;
    uint64_t offset; /* of row 0 */
};

/* Stays closed where the matrix isn't mapped, or its file can't be opened again. Close with row_file_close. */
void row_file_open(struct row_file *rows, const struct tensor_set *set, const struct linear *linear);
void row_file_close(struct row_file *rows);

/* A matrix of that one row, in `buffer` (linear->row_bytes, aligned for floats) or where it lies. Thread-safe. */
struct linear row_file_take(const struct row_file *rows, const struct linear *linear, size_t row, uint8_t *buffer);

#endif
