/* safetensors: a length, a JSON header, and data. Every byte of the data must belong to exactly one tensor, so nothing
 * can hide between them, and every number must be an exact integer that agrees with all others. */
#include "formats/safetensors.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "base/reader.h"
#include "formats/shard_index.h"

#define MAX_HEADER_BYTES 100000000 /* as in the reference implementation */
#define MAX_JSON_VALUES  2000000

struct place { /* of one tensor in the data section */
    uint64_t begin, end;
    struct tensor tensor;
};

/* ---- one entry of the header: {"dtype": …, "shape": […], "data_offsets": [begin, end]} ---- */

static const struct {
    const char *name;
    enum tensor_type type;
} dtypes[] = {
    {"BOOL", TYPE_BOOL}, {"U8", TYPE_U8},     {"I8", TYPE_I8},   {"U16", TYPE_U16}, {"I16", TYPE_I16},
    {"F16", TYPE_F16},   {"BF16", TYPE_BF16}, {"U32", TYPE_U32}, {"I32", TYPE_I32}, {"F32", TYPE_F32},
    {"U64", TYPE_U64},   {"I64", TYPE_I64},   {"F64", TYPE_F64},
};
/* Of the format, but nothing here computes with them. */
static const char *const other_dtypes[] = {"F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ",
                                           "F4",      "F6_E2M3", "F6_E3M2", "C64"};

const char *safetensors_dtype_name(enum tensor_type type) {
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++)
        if (dtypes[i].type == type) return dtypes[i].name;
    return NULL;
}

static bool same_text(const json_t *string, const char *text) {
    return json_string_length(string) == strlen(text) && memcmp(json_string_value(string), text, strlen(text)) == 0;
}

static bn_status read_dtype(const json_t *entry, struct tensor *tensor, bn_error *err) {
    const json_t *dtype = json_object_get(entry, "dtype");
    if (!json_is_string(dtype)) return fail(err, BN_STATUS_BAD_FILE, "'dtype' must be a string");
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++) {
        if (same_text(dtype, dtypes[i].name)) {
            tensor->type = dtypes[i].type;
            return BN_OK;
        }
    }
    for (size_t i = 0; i < sizeof other_dtypes / sizeof other_dtypes[0]; i++) {
        if (same_text(dtype, other_dtypes[i])) {
            return fail(err, BN_STATUS_UNSUPPORTED, "dtype %s can't be read by this build: convert it to BF16 or F32",
                        other_dtypes[i]);
        }
    }
    return fail(err, BN_STATUS_BAD_FILE, "unknown dtype '%.40s'", json_string_value(dtype));
}

/* A JSON integer ≥ 0, written as one (1e3 and 1.0 are not). */
static bool exact_integer(const json_t *value, uint64_t *out) {
    if (!json_is_integer(value) || json_integer_value(value) < 0) return false;
    *out = (uint64_t)json_integer_value(value);
    return true;
}

static bn_status read_shape(const json_t *entry, struct tensor *tensor, bn_error *err) {
    const json_t *shape = json_object_get(entry, "shape");
    if (!json_is_array(shape)) return fail(err, BN_STATUS_BAD_FILE, "'shape' must be an array");
    tensor->n_dims = json_array_size(shape);
    if (tensor->n_dims > TENSOR_MAX_DIMS) {
        return fail(err, BN_STATUS_UNSUPPORTED, "'shape' has %zu dimensions, this build takes up to %d", tensor->n_dims,
                    TENSOR_MAX_DIMS);
    }
    size_t product = tensor_type_find(tensor->type)->block_bytes;
    for (size_t i = 0; i < tensor->n_dims; i++) {
        uint64_t dim;
        if (!exact_integer(json_array_get(shape, i), &dim)) {
            return fail(err, BN_STATUS_BAD_FILE, "'shape' must hold integers ≥ 0");
        }
        if (!mul_size(product, (size_t)dim, &product)) return fail(err, BN_STATUS_BAD_FILE, "'shape' overflows");
        tensor->shape[i] = (size_t)dim;
    }
    tensor->size_bytes = product;
    return BN_OK;
}

static bn_status read_offsets(const json_t *entry, struct place *place, bn_error *err) {
    const json_t *offsets = json_object_get(entry, "data_offsets");
    if (json_array_size(offsets) != 2 || !exact_integer(json_array_get(offsets, 0), &place->begin) ||
        !exact_integer(json_array_get(offsets, 1), &place->end) || place->begin > place->end) {
        return fail(err, BN_STATUS_BAD_FILE, "'data_offsets' must be two integers, 0 ≤ begin ≤ end");
    }
    if (place->end - place->begin != place->tensor.size_bytes) {
        return fail(err, BN_STATUS_BAD_FILE, "'data_offsets' span %" PRIu64 " bytes, but dtype and shape need %zu",
                    place->end - place->begin, place->tensor.size_bytes);
    }
    return BN_OK;
}

static bn_status read_entry(const char *name, const json_t *entry, struct arena *arena, struct place *place,
                            bn_error *err) {
    bn_status status = BN_OK;
    if (!json_is_object(entry)) status = fail(err, BN_STATUS_BAD_FILE, "must be an object");
    if (!status) status = read_dtype(entry, &place->tensor, err);
    if (!status) status = read_shape(entry, &place->tensor, err);
    if (!status) status = read_offsets(entry, place, err);
    if (status) {
        error_prefix(err, "tensor '%.100s'", name);
        return status;
    }
    place->tensor.name = arena_strndup(arena, name, strlen(name));
    return place->tensor.name ? BN_OK : fail_no_memory(err, strlen(name) + 1);
}

/* ---- the header ---- */

static bn_status check_metadata(json_t *metadata, bn_error *err) {
    if (!json_is_object(metadata)) return fail(err, BN_STATUS_BAD_FILE, "'__metadata__' must be an object");
    const char *key;
    json_t *value;
    json_object_foreach(metadata, key, value) {
        if (!json_is_string(value)) {
            return fail(err, BN_STATUS_BAD_FILE, "'__metadata__': the value of '%.100s' must be a string", key);
        }
    }
    return BN_OK;
}

static int by_begin(const void *left, const void *right) {
    const struct place *a = left, *b = right;
    if (a->begin != b->begin) return a->begin < b->begin ? -1 : 1;
    return a->end < b->end ? -1 : a->end > b->end; /* empty tensors before the one that starts at the same byte */
}

static bn_status check_places(struct place *places, size_t n, uint64_t data_bytes, bn_error *err) {
    qsort(places, n, sizeof *places, by_begin);
    uint64_t end = 0;
    for (size_t i = 0; i < n; i++) {
        if (places[i].begin != end) {
            return fail(err, BN_STATUS_BAD_FILE,
                        "tensor '%.100s': 'data_offsets' begin at %" PRIu64 ", %s the previous tensor's end %" PRIu64,
                        places[i].tensor.name, places[i].begin,
                        places[i].begin < end ? "overlapping" : "leaving a hole after", end);
        }
        end = places[i].end;
        if (end > data_bytes) {
            return fail(err, BN_STATUS_BAD_FILE,
                        "tensor '%.100s': 'data_offsets' end at %" PRIu64 ", but the file has %" PRIu64
                        " bytes of data: truncated or corrupt",
                        places[i].tensor.name, end, data_bytes);
        }
    }
    if (end == data_bytes) return BN_OK;
    return fail(err, BN_STATUS_BAD_FILE, "%" PRIu64 " bytes behind the last tensor belong to none", data_bytes - end);
}

static bn_status read_header(json_t *header, struct arena *arena, struct place *places, size_t *n, bn_error *err) {
    const char *name;
    json_t *entry;
    *n = 0;
    json_object_foreach(header, name, entry) {
        bool is_metadata = strcmp(name, "__metadata__") == 0;
        bn_status status = is_metadata ? check_metadata(entry, err) : read_entry(name, entry, arena, &places[*n], err);
        if (status) return status;
        if (!is_metadata) ++*n;
    }
    return BN_OK;
}

static bn_status parse_json_header(json_t *header, const uint8_t *data, uint64_t data_bytes, struct tensor_set *set,
                                   bn_error *err) {
    size_t n = json_object_size(header);
    struct place *places = mem_calloc(max_size(n, 1), sizeof *places);
    if (!places) return fail_no_memory(err, n * sizeof *places);
    bn_status status = read_header(header, &set->arena, places, &n, err);
    if (!status) status = check_places(places, n, data_bytes, err);
    struct tensor *tensors;
    if (!status) status = tensor_set_extend(set, n, &tensors, err);
    for (size_t i = 0; i < n && !status; i++) {
        tensors[i] = places[i].tensor;
        tensors[i].data = data + places[i].begin;
    }
    mem_free(places);
    return status;
}

/* Each value but the first follows a comma or an opening bracket, and takes up to 130 bytes in jansson's tree: 100 MB of
 * "[],[],…" would become gigabytes. The limit is worth 250,000 tensors and under 300 MB. */
bn_status safetensors_parse_json(const char *text, size_t size, const char *what, json_t **out, bn_error *err) {
    size_t n_values = 0;
    for (size_t i = 0; i < size; i++) n_values += text[i] == ',' || text[i] == '[' || text[i] == '{';
    if (n_values > MAX_JSON_VALUES) {
        return fail(err, BN_STATUS_BAD_FILE, "%s: more than %d JSON values", what, MAX_JSON_VALUES);
    }
    return json_parse(text, size, what, out, err);
}

bn_status safetensors_read_file(const uint8_t *bytes, size_t size, struct tensor_set *set, bn_error *err) {
    struct reader r = reader_over(bytes, size);
    uint64_t n = read_u64(&r, "the header's length");
    if (!reader_ok(&r)) return fail(err, BN_STATUS_BAD_FILE, "%zu bytes, too short for safetensors", size);
    if (n == 0 || n > MAX_HEADER_BYTES || n > reader_remaining(&r)) {
        return fail(err, BN_STATUS_BAD_FILE,
                    "the header's length is %" PRIu64 ", expected 1 to %d and at most the %zu bytes that follow", n,
                    MAX_HEADER_BYTES, reader_remaining(&r));
    }
    const char *text = (const char *)reader_take(&r, n, "the header");
    if (text[0] != '{') return fail(err, BN_STATUS_BAD_FILE, "the header must begin with '{'");
    json_t *header;
    bn_status status = safetensors_parse_json(text, (size_t)n, "header", &header, err);
    if (status) return status;
    status = parse_json_header(header, bytes + r.at, reader_remaining(&r), set, err);
    json_decref(header);
    return status;
}

/* ---- opening ---- */

bn_status safetensors_parse(const uint8_t *bytes, size_t size, const char *name, struct tensor_set *out,
                            bn_error *err) {
    *out = (struct tensor_set){0};
    bn_status status = safetensors_read_file(bytes, size, out, err);
    if (!status) status = tensor_set_index(out, err);
    if (status) {
        error_prefix(err, "%s", name);
        tensor_set_release(out);
    }
    return status;
}

/* An index is JSON text; a tensor file begins with a length, whose upper bytes are zero. */
static bool is_index(const struct mapped_file *file) {
    return file->size > 0 && file->data[0] == '{' && !memchr(file->data, 0, min_size(file->size, 8));
}

bn_status safetensors_open(const char *path, struct tensor_set *out, bn_error *err) {
    *out = (struct tensor_set){0};
    bn_status status = tensor_set_map_file(out, path, err);
    if (status) {
        tensor_set_release(out);
        return status;
    }
    if (is_index(&out->files[0])) {
        tensor_set_release(out);
        return shard_index_open(path, out, err);
    }
    status = safetensors_read_file(out->files[0].data, out->files[0].size, out, err);
    if (!status) status = tensor_set_index(out, err);
    if (status) {
        error_prefix(err, "%s", path);
        tensor_set_release(out);
    }
    return status;
}
