/* GGUF as a whole: header, then metadata (gguf_values.c), then the tensor table (gguf_tensors.c); of one file or of
 * the parts of a split one. Files are mapped and nothing but names and the positions of array elements is copied, so a model
 * of any size opens in the time its metadata takes. */
#include "formats/gguf.h"

#include <inttypes.h>
#include <string.h>

#include "base/memory.h"
#include "formats/gguf_parts.h"

#define MAX_PARTS 99999 /* five digits in the file name */

static bn_status read_header(struct reader *r, uint32_t *version, uint64_t *n_tensors, uint64_t *n_values,
                             bn_error *err) {
    if (r->size == 0) return fail(err, BN_STATUS_BAD_FILE, "the file is empty");
    const uint8_t *magic = reader_take(r, 4, "the magic");
    if (!magic) return gguf_truncated(r, err);
    if (memcmp(magic, "GGUF", 4) != 0)
        return fail(err, BN_STATUS_BAD_FILE, "doesn't begin with 'GGUF': not a GGUF file");
    *version = read_u32(r, "the version");
    if (!reader_ok(r)) return gguf_truncated(r, err);
    uint32_t swapped = __builtin_bswap32(*version);
    if (swapped >= 1 && swapped <= 3) {
        return fail(err, BN_STATUS_UNSUPPORTED, "big-endian GGUF (version %" PRIu32 "): convert it to little endian",
                    swapped);
    }
    if (*version == 1) {
        return fail(err, BN_STATUS_UNSUPPORTED,
                    "GGUF version 1 (of August 2023): convert the model again, to version 3");
    }
    if (*version != 2 && *version != 3) {
        return fail(err, BN_STATUS_UNSUPPORTED, "GGUF version %" PRIu32 ", expected 2 or 3", *version);
    }
    *n_tensors = read_u64(r, "the tensor count");
    *n_values = read_u64(r, "the metadata count");
    return reader_ok(r) ? BN_OK : gguf_truncated(r, err);
}

static bn_status read_alignment(struct gguf *gguf, bn_error *err) {
    gguf->alignment = GGUF_DEFAULT_ALIGNMENT;
    bn_status status = gguf_get_size(gguf, "general.alignment", 1, GGUF_MAX_ALIGNMENT, &gguf->alignment, err);
    if (!status && (gguf->alignment & (gguf->alignment - 1))) {
        return fail(err, BN_STATUS_BAD_FILE, "'general.alignment' is %zu, not a power of two", gguf->alignment);
    }
    return status;
}

/* One file's metadata into *part, its tensors to the end of `set`; both live in the set's arena. */
static bn_status parse_part(const uint8_t *bytes, size_t size, struct gguf *part, struct tensor_set *set,
                            bn_error *err) {
    struct reader r = reader_over(bytes, size);
    uint64_t n_tensors = 0, n_values = 0;
    bn_status status = read_header(&r, &part->version, &n_tensors, &n_values, err);
    if (!status) status = gguf_read_values(&r, n_values, &set->arena, part, err);
    if (!status) status = read_alignment(part, err);
    return status ? status : gguf_read_tensors(&r, n_tensors, part, set, err);
}

/* split.no and split.count; a file without them is part 0 of 1. */
static bn_status read_split(const struct gguf *gguf, size_t *number, size_t *count, bn_error *err) {
    *number = 0;
    *count = 1;
    bn_status status = gguf_get_size(gguf, "split.count", 0, MAX_PARTS, count, err);
    if (!status && *count == 0) *count = 1;
    return status ? status : gguf_get_size(gguf, "split.no", 0, *count - 1, number, err);
}

/* ---- the other parts of a split file ---- */

/* PREFIX-00001-of-0000N.gguf → the path of part number + 1. Newly allocated, NULL when memory is out. */
static char *part_path(const char *first, size_t number) {
    char *path = mem_strdup(first);
    if (!path) return NULL;
    char digits[24];
    snprintf(digits, sizeof digits, "%05zu", number + 1);
    memcpy(path + strlen(path) - strlen("00001-of-00001.gguf"), digits, 5);
    return path;
}

static bn_status check_first_name(const char *path, size_t count, bn_error *err) {
    char ending[40];
    snprintf(ending, sizeof ending, "-00001-of-%05zu.gguf", count);
    size_t n = strlen(path), m = strlen(ending);
    if (n >= m && strcmp(path + n - m, ending) == 0) return BN_OK;
    return fail(err, BN_STATUS_BAD_FILE, "first part of a file split in %zu, whose name must end in '%s'", count,
                ending);
}

static bn_status open_part(struct gguf *gguf, const char *path, size_t number, size_t count, bn_error *err) {
    bn_status status = tensor_set_map_file(&gguf->set, path, err);
    if (status) {
        error_prefix(err, "part %zu of %zu", number + 1, count);
        return status;
    }
    const struct mapped_file *file = &gguf->set.files[gguf->set.n_files - 1];
    struct gguf part = {0};
    size_t its_number = 0, its_count = 0;
    status = parse_part(file->data, file->size, &part, &gguf->set, err);
    if (!status) status = read_split(&part, &its_number, &its_count, err);
    if (!status && (its_number != number || its_count != count)) {
        status = fail(err, BN_STATUS_BAD_FILE, "its metadata says part %zu of %zu, expected part %zu of %zu",
                      its_number + 1, its_count, number + 1, count);
    }
    if (status) error_prefix(err, "%s", path);
    string_map_release(&part.by_key);
    return status;
}

static bn_status open_other_parts(struct gguf *gguf, const char *first, size_t count, bn_error *err) {
    bn_status status = check_first_name(first, count, err);
    for (size_t number = 1; number < count && !status; number++) {
        char *path = part_path(first, number);
        if (!path) return fail_no_memory(err, strlen(first) + 1);
        status = open_part(gguf, path, number, count, err);
        mem_free(path);
    }
    size_t n_tensors = gguf->set.n_tensors, expected = n_tensors;
    if (!status) status = gguf_get_size(gguf, "split.tensors.count", 0, SIZE_MAX, &expected, err);
    if (!status && expected != n_tensors) {
        return fail(err, BN_STATUS_BAD_FILE, "'split.tensors.count' is %zu, but the %zu parts have %zu tensors",
                    expected, count, n_tensors);
    }
    return status;
}

/* ---- opening ---- */

/* path is NULL for bytes in memory. */
static bn_status parse_all(const uint8_t *bytes, size_t size, const char *path, struct gguf *gguf, bn_error *err) {
    size_t number, count;
    bn_status status = parse_part(bytes, size, gguf, &gguf->set, err);
    if (!status) status = read_split(gguf, &number, &count, err);
    if (status) return status;
    if (number > 0 || (count > 1 && !path)) {
        return fail(err, BN_STATUS_UNSUPPORTED, "part %zu of a file split in %zu: open the first part's file",
                    number + 1, count);
    }
    if (count > 1) status = open_other_parts(gguf, path, count, err);
    return status ? status : tensor_set_index(&gguf->set, err);
}

bn_status gguf_open(const char *path, struct gguf *out, bn_error *err) {
    *out = (struct gguf){0};
    bn_status status = tensor_set_map_file(&out->set, path, err);
    if (status) {
        gguf_close(out);
        return status;
    }
    status = parse_all(out->set.files[0].data, out->set.files[0].size, path, out, err);
    if (status) {
        error_prefix(err, "%s", path);
        gguf_close(out);
    }
    return status;
}

bn_status gguf_parse(const uint8_t *bytes, size_t size, const char *name, struct gguf *out, bn_error *err) {
    *out = (struct gguf){0};
    bn_status status = parse_all(bytes, size, NULL, out, err);
    if (status) {
        error_prefix(err, "%s", name);
        gguf_close(out);
    }
    return status;
}

void gguf_close(struct gguf *gguf) {
    string_map_release(&gguf->by_key);
    tensor_set_release(&gguf->set);
    *gguf = (struct gguf){0};
}
