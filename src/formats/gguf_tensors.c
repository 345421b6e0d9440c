/* GGUF's tensor table and where its tensors lie.
 *
 * Two passes: records first (name, shape, type, offset), then, in order of offsets, sizes and places: inside the data
 * section, aligned, not overlapping. Sizes come second because one type number can't be sized by itself: 42 was written
 * with blocks of 128 values before it was settled as blocks of 64, and only the distances between tensors tell. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/memory.h"
#include "formats/gguf_parts.h"
#include "kernels/layout.h"

#define MIN_TENSOR_RECORD 33 /* name length, one byte of name, n_dims, one dimension, type, offset */

struct place { /* of one tensor in the data section */
    uint64_t offset;
    size_t index;
};

/* ---- first pass: records ---- */

static bn_status unknown_type(const char *name, uint32_t type, bn_error *err) {
    bool retired = type == 4 || type == 5 || (type >= 31 && type <= 33) || type == 37 || type == 38;
    return fail(err, BN_STATUS_UNSUPPORTED,
                "tensor '%.100s' has type %" PRIu32 ", %s: use a file quantised to another type", name, type,
                retired ? "which ggml has retired" : "which this build doesn't know");
}

static bn_status read_shape(struct reader *r, struct tensor *tensor, bn_error *err) {
    uint32_t n_dims = read_u32(r, "a tensor's number of dimensions");
    if (!reader_ok(r)) return gguf_truncated(r, err);
    if (n_dims < 1 || n_dims > TENSOR_MAX_DIMS) {
        return fail(err, BN_STATUS_BAD_FILE, "tensor '%.100s' has %" PRIu32 " dimensions, expected 1 to %d",
                    tensor->name, n_dims, TENSOR_MAX_DIMS);
    }
    tensor->n_dims = n_dims;
    size_t product = 1;
    for (size_t i = n_dims; i-- > 0;) { /* the file has the fastest dimension first */
        uint64_t dim = read_u64(r, "a tensor's dimension");
        if (!reader_ok(r)) return gguf_truncated(r, err);
        if (dim == 0) return fail(err, BN_STATUS_BAD_FILE, "tensor '%.100s' has a dimension of 0", tensor->name);
        if (dim > INT64_MAX || !mul_size(product, (size_t)dim, &product)) {
            return fail(err, BN_STATUS_BAD_FILE, "tensor '%.100s': the product of its dimensions overflows",
                        tensor->name);
        }
        tensor->shape[i] = (size_t)dim;
    }
    return BN_OK;
}

static bn_status read_record(struct reader *r, struct arena *arena, struct tensor *tensor, uint64_t *offset,
                             bn_error *err) {
    bn_status status = gguf_read_name(r, "tensor name", arena, &tensor->name, err);
    if (!status) status = read_shape(r, tensor, err);
    if (status) return status;
    uint32_t type = read_u32(r, "a tensor's type");
    *offset = read_u64(r, "a tensor's offset");
    if (!reader_ok(r)) return gguf_truncated(r, err);
    const struct tensor_type_info *info = type < TYPE_U8 ? tensor_type_find(type) : NULL;
    if (!info) return unknown_type(tensor->name, type, err);
    tensor->type = info->type;
    if (tensor_cols(tensor) % info->block != 0) {
        return fail(err, BN_STATUS_BAD_FILE,
                    "tensor '%.100s' has rows of %zu values, not a multiple of %s's block of %zu", tensor->name,
                    tensor_cols(tensor), info->name, info->block);
    }
    return BN_OK;
}

/* ---- second pass: places ---- */

static int by_offset(const void *left, const void *right) {
    const struct place *a = left, *b = right;
    if (a->offset != b->offset) return a->offset < b->offset ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

/* Whether a tensor of that type takes exactly the room it has, padding included (the file's last one may lack it). */
static bool fills(const struct tensor *tensor, enum tensor_type type, uint64_t room, size_t alignment) {
    size_t bytes;
    if (!tensor_type_bytes(type, tensor_rows(tensor), tensor_cols(tensor), &bytes)) return false;
    return bytes <= room && room - bytes < alignment;
}

/* Type 42 of this file: blocks of 64 (Q2_0) unless some tensor's room fits blocks of 128 (PQ2_0's codec) only. */
static bn_status settle_type_42(struct tensor *tensors, const struct place *places, size_t n, uint64_t data_bytes,
                                size_t alignment, bn_error *err) {
    bool can_be_64 = true, can_be_128 = true;
    const struct tensor *last = NULL;
    for (size_t i = 0; i < n; i++) {
        const struct tensor *tensor = &tensors[places[i].index];
        if (tensor->type != TYPE_Q2_0) continue;
        uint64_t end = i + 1 < n ? places[i + 1].offset : data_bytes;
        uint64_t room = end > places[i].offset ? end - places[i].offset : 0;
        can_be_64 = can_be_64 && fills(tensor, TYPE_Q2_0, room, alignment);
        can_be_128 = can_be_128 && fills(tensor, TYPE_PQ2_0, room, alignment);
        last = tensor;
        if (!can_be_64 && !can_be_128) break;
    }
    if (can_be_64) return BN_OK;
    if (!can_be_128) {
        return fail(err, BN_STATUS_BAD_FILE,
                    "tensor '%.100s' of type 42: its room fits neither blocks of 64 values nor blocks of 128",
                    last->name);
    }
    for (size_t i = 0; i < n; i++) {
        if (tensors[i].type == TYPE_Q2_0) tensors[i].type = TYPE_PQ2_0;
    }
    return BN_OK;
}

static bn_status place_tensors(struct tensor *tensors, const struct place *places, size_t n, const uint8_t *data,
                               uint64_t data_bytes, size_t alignment, bn_error *err) {
    uint64_t previous_end = 0;
    for (size_t i = 0; i < n; i++) {
        struct tensor *tensor = &tensors[places[i].index];
        uint64_t offset = places[i].offset;
        if (offset % alignment != 0) {
            return fail(err, BN_STATUS_BAD_FILE,
                        "tensor '%.100s' has offset %" PRIu64 ", not a multiple of the alignment %zu", tensor->name,
                        offset, alignment);
        }
        if (!tensor_type_bytes(tensor->type, tensor_rows(tensor), tensor_cols(tensor), &tensor->size_bytes)) {
            return fail(err, BN_STATUS_BAD_FILE, "tensor '%.100s': its size in bytes overflows", tensor->name);
        }
        if (offset > data_bytes || tensor->size_bytes > data_bytes - offset) {
            return fail(err, BN_STATUS_BAD_FILE,
                        "tensor '%.100s' at offset %" PRIu64 " with %zu bytes goes beyond the data section (%" PRIu64
                        " bytes): truncated or corrupt",
                        tensor->name, offset, tensor->size_bytes, data_bytes);
        }
        if (offset < previous_end) {
            return fail(err, BN_STATUS_BAD_FILE, "tensors '%.100s' and '%.100s' overlap",
                        tensors[places[i - 1].index].name, tensor->name);
        }
        tensor->data = data + offset;
        previous_end = offset + tensor->size_bytes;
    }
    return BN_OK;
}

/* I2_S tensors have the layout that the file's metadata names, except that the run layouts need whole groups of rows and
 * columns: the other tensors of such a file are in the packing of published ones (docs/tensor-types.md). */
static enum i2s_layout layout_of_tensor(enum i2s_layout of_file, const struct tensor *tensor) {
    bool run_layout = of_file == I2S_L16 || of_file == I2S_L12;
    bool fits = i2s_layout_fits(of_file, tensor_rows(tensor), tensor_cols(tensor));
    return run_layout && !fits ? I2S_X86_128 : of_file;
}

static bn_status set_i2s_layout(struct tensor *tensors, size_t n, const struct gguf *gguf, bn_error *err) {
    struct gguf_string name = {0};
    bn_status status = gguf_get_string(gguf, "bitnet.i2s.layout", &name, err);
    if (status || !name.text) return status;
    enum i2s_layout layout = i2s_layout_by_name(name.text, name.size);
    if (layout == I2S_UNKNOWN) {
        return fail(err, BN_STATUS_UNSUPPORTED, "'bitnet.i2s.layout' is '%.*s', which this build doesn't know",
                    (int)min_size(name.size, 40), name.text);
    }
    for (size_t i = 0; i < n; i++) {
        if (tensors[i].type == TYPE_I2_S) tensors[i].i2s_layout = layout_of_tensor(layout, &tensors[i]);
    }
    return BN_OK;
}

static bn_status read_and_place(struct reader *r, struct tensor *tensors, struct place *places, size_t n,
                                const struct gguf *gguf, struct arena *arena, bn_error *err) {
    bool in_order = true;
    for (size_t i = 0; i < n; i++) {
        places[i].index = i;
        bn_status status = read_record(r, arena, &tensors[i], &places[i].offset, err);
        if (status) return status;
        in_order = in_order && (i == 0 || places[i - 1].offset < places[i].offset);
    }
    if (!in_order) qsort(places, n, sizeof *places, by_offset);
    size_t start = round_up(r->at, gguf->alignment);
    start = min_size(start, r->size);
    uint64_t data_bytes = r->size - start;
    bn_status status = settle_type_42(tensors, places, n, data_bytes, gguf->alignment, err);
    if (!status) status = place_tensors(tensors, places, n, r->bytes + start, data_bytes, gguf->alignment, err);
    return status ? status : set_i2s_layout(tensors, n, gguf, err);
}

bn_status gguf_read_tensors(struct reader *r, uint64_t n, const struct gguf *gguf, struct tensor_set *set,
                            bn_error *err) {
    if (n > reader_remaining(r) / MIN_TENSOR_RECORD) {
        return fail(err, BN_STATUS_BAD_FILE, "tensor count %" PRIu64 " can't fit in the file's %zu bytes", n, r->size);
    }
    struct tensor *tensors;
    bn_status status = tensor_set_extend(set, (size_t)n, &tensors, err);
    if (status) return status;
    struct place *places = mem_alloc_array((size_t)n, sizeof *places);
    if (!places) return fail_no_memory(err, (size_t)n * sizeof *places);
    status = read_and_place(r, tensors, places, (size_t)n, gguf, &set->arena, err);
    mem_free(places);
    return status;
}
