#include "model/row_file.h"

#include <unistd.h>

void row_file_open(struct row_file *rows, const struct tensor_set *set, const struct linear *linear) {
    *rows = (struct row_file){0};
    for (size_t i = 0; i < set->n_files && !rows->is_open; i++) {
        const struct mapped_file *file = &set->files[i];
        if (linear->data < file->data || linear->data >= file->data + file->size) continue;
        rows->offset = (uint64_t)(linear->data - file->data);
        rows->is_open = mapped_file_reopen(file, &rows->fd);
    }
}

void row_file_close(struct row_file *rows) {
    if (rows->is_open) close(rows->fd);
    *rows = (struct row_file){0};
}

struct linear row_file_take(const struct row_file *rows, const struct linear *linear, size_t row, uint8_t *buffer) {
    struct linear one = *linear;
    size_t at = row * linear->row_bytes;
    one.n_rows = 1;
    one.data = linear->data + at;
    if (rows->is_open &&
        pread(rows->fd, buffer, linear->row_bytes, (off_t)(rows->offset + at)) == (ssize_t)linear->row_bytes)
        one.data = buffer; /* else the mapping has it, or says what is wrong */
    return one;
}
