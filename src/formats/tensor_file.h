/* What every container of tensors comes down to: a list of named tensors over mapped bytes. */
#ifndef FORMATS_TENSOR_FILE_H
#define FORMATS_TENSOR_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/string_map.h"
#include "kernels/tensor_type.h"

#define TENSOR_MAX_DIMS 4

struct tensor;

/* How to get at values that don't lie row after row: `read` copies n elements of the tensor's type from column `col` of
 * row `row` on. Thread-safe. */
struct tensor_view {
    void (*read)(const struct tensor *tensor, size_t row, size_t col, size_t n, void *out);
    size_t strides[TENSOR_MAX_DIMS]; /* of tensor_strided: elements between neighbours along each dimension */
    const void *context;
};

/* One tensor. Shape is slowest dimension first ("[out, in]") whatever the container writes; a scalar has n_dims 0.
 * data points into a mapped file and may be unaligned; size_bytes is already checked against shape and file. */
struct tensor {
    const char *name; /* NUL-terminated, in the set's arena */
    enum tensor_type type;
    enum i2s_layout i2s_layout; /* of TYPE_I2_S: what the file's metadata says, I2S_UNKNOWN when nothing */
    size_t n_dims;
    size_t shape[TENSOR_MAX_DIMS];
    const uint8_t *data;
    size_t size_bytes;              /* of all values, row after row */
    const struct tensor_view *view; /* NULL: they lie so at `data` */
};

/* Rows × columns as matrices see it: columns = last dimension (1 for a scalar), rows = product of the others. */
size_t tensor_rows(const struct tensor *tensor);
size_t tensor_cols(const struct tensor *tensor);

struct tensor_set {
    struct tensor *tensors; /* in file order */
    size_t n_tensors;
    struct string_map by_name;
    struct mapped_file *files; /* one or several shards */
    size_t n_files;
    struct arena arena; /* names, and what else the container keeps */
};

const struct tensor *tensor_set_find(const struct tensor_set *set, const char *name);
void tensor_set_release(struct tensor_set *set);

/* For the readers of containers, on a set that began as zeros: map one more file; make room for n more tensors (zeroed;
 * *added is valid until the next call); index all names, where one that occurs twice is BN_STATUS_BAD_FILE. After a
 * failure the set is still to be released. */
bn_status tensor_set_map_file(struct tensor_set *set, const char *path, bn_error *err);
bn_status tensor_set_extend(struct tensor_set *set, size_t n, struct tensor **added, bn_error *err);
bn_status tensor_set_index(struct tensor_set *set, bn_error *err);

/* `read` of a view by strides: the first element is at `data`. */
void tensor_read_strided(const struct tensor *tensor, size_t row, size_t col, size_t n, void *out);
/* A matrix (2 dimensions, decodable) seen with rows and columns exchanged; blocks are seen as float32. `view` and
 * `tensor` must live as long as *out. */
void tensor_transpose(const struct tensor *tensor, struct tensor_view *view, struct tensor *out);
/* Copies what views show into the set's arena, for readers that want rows where they lie. */
bn_status tensor_set_materialize(struct tensor_set *set, bn_error *err);
/* Gives mapped pages back to the system: they are clean, and come again when they are touched. */
void tensor_set_drop_pages(const struct tensor_set *set);

/* One row as float32, views included; the type must be decodable. Thread-safe. */
void tensor_decode_row(const struct tensor *tensor, size_t row, float *out);
/* All values of a tensor as float32, row after row, into out[rows·cols]. An I2_S tensor of unknown layout is read as
 * x86-128, the layout of the published files. */
bn_status tensor_decode_all(const struct tensor *tensor, float *out, bn_error *err);

#endif
