#include "formats/zip.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/reader.h"
#include "base/utf8.h"

enum {
    END_BYTES = 22,
    LOCATOR_BYTES = 20,
    END64_BYTES = 56,
    ENTRY_BYTES = 46,
    LOCAL_BYTES = 30,
    MAX_COMMENT = 65535,
    MAX_ENTRIES = 1 << 20,
};

/* Where the central directory is. */
struct directory {
    uint64_t n_entries, size, offset;
};

static uint64_t u16_at(const uint8_t *b) {
    return (uint64_t)(b[0] | b[1] << 8);
}
static uint64_t u32_at(const uint8_t *b) {
    return u16_at(b) | u16_at(b + 2) << 16;
}
static uint64_t u64_at(const uint8_t *b) {
    return u32_at(b) | u32_at(b + 4) << 32;
}
static bool has_magic(const uint8_t *b, char third, char fourth) {
    return b[0] == 'P' && b[1] == 'K' && b[2] == (uint8_t)third && b[3] == (uint8_t)fourth;
}

/* ---- the end of the archive ---- */

/* The last record that could be it; a comment may follow, whose length must agree. */
static const uint8_t *find_end(const uint8_t *bytes, size_t size) {
    if (size < END_BYTES) return NULL;
    size_t lowest = size - END_BYTES > MAX_COMMENT ? size - END_BYTES - MAX_COMMENT : 0;
    for (size_t at = size - END_BYTES + 1; at-- > lowest;)
        if (has_magic(bytes + at, 5, 6) && u16_at(bytes + at + 20) == size - END_BYTES - at) return bytes + at;
    return NULL;
}

static bn_status read_directory(const uint8_t *bytes, size_t size, struct directory *d, bn_error *err) {
    const uint8_t *end = find_end(bytes, size);
    if (!end) return fail(err, BN_STATUS_BAD_FILE, "a zip archive without its directory: the file is cut off");
    size_t before = (size_t)(end - bytes);
    *d = (struct directory){u16_at(end + 10), u32_at(end + 12), u32_at(end + 16)};
    bool split = u16_at(end + 4) != 0 || u16_at(end + 6) != 0 || u16_at(end + 8) != d->n_entries;
    if (before >= LOCATOR_BYTES && has_magic(end - LOCATOR_BYTES, 6, 7)) {
        uint64_t at = u64_at(end - LOCATOR_BYTES + 8);
        if (before < LOCATOR_BYTES + END64_BYTES || at > before - LOCATOR_BYTES - END64_BYTES ||
            !has_magic(bytes + at, 6, 6))
            return fail(err, BN_STATUS_BAD_FILE, "a zip archive whose zip64 record isn't where it should be");
        const uint8_t *end64 = bytes + at;
        *d = (struct directory){u64_at(end64 + 32), u64_at(end64 + 40), u64_at(end64 + 48)};
        split = u32_at(end64 + 16) != 0 || u32_at(end64 + 20) != 0 || u64_at(end64 + 24) != d->n_entries;
    }
    if (split) return fail(err, BN_STATUS_UNSUPPORTED, "a zip archive in several parts");
    if (d->offset > before || d->size > before - d->offset || d->n_entries > d->size / ENTRY_BYTES ||
        d->n_entries > MAX_ENTRIES)
        return fail(err, BN_STATUS_BAD_FILE, "a zip archive whose directory (%" PRIu64 " entries) isn't in the file",
                    d->n_entries);
    return BN_OK;
}

/* ---- entries ---- */

/* Sizes and offset that are all ones in the record stand in its extra field, those only, in this order. */
static bool read_zip64(const uint8_t *extra, size_t extra_size, uint64_t *size, uint64_t *packed, uint64_t *offset) {
    struct reader r = reader_over(extra, extra_size);
    while (reader_ok(&r) && reader_remaining(&r) >= 4) {
        uint16_t id = read_u16(&r, "id"), n = read_u16(&r, "size");
        const uint8_t *field = reader_take(&r, n, "field");
        if (!field || id != 1) continue;
        struct reader f = reader_over(field, n);
        if (*size == UINT32_MAX) *size = read_u64(&f, "size");
        if (*packed == UINT32_MAX) *packed = read_u64(&f, "packed size");
        if (*offset == UINT32_MAX) *offset = read_u64(&f, "offset");
        return reader_ok(&f);
    }
    return *size != UINT32_MAX && *packed != UINT32_MAX && *offset != UINT32_MAX;
}

/* Parts between slashes, none of them empty, "." or ".."; a folder's own entry ends in a slash. */
static bool is_safe_name(const char *name, size_t n) {
    if (n == 0 || memchr(name, 0, n) || memchr(name, '\\', n) || memchr(name, ':', n) || !utf8_valid(name, n))
        return false;
    for (size_t at = 0; at < n;) {
        const char *slash = memchr(name + at, '/', n - at);
        size_t part = slash ? (size_t)(slash - (name + at)) : n - at;
        if (part == 0 || (part == 1 && name[at] == '.') || (part == 2 && memcmp(name + at, "..", 2) == 0)) return false;
        at += part + 1;
    }
    return true;
}

static bool is_symbolic_link(const uint8_t *record) {
    bool unix_made = record[5] == 3;
    return unix_made && (u32_at(record + 38) >> 16 & 0170000) == 0120000;
}

/* The entry's bytes, behind its local header. */
static bn_status locate(const uint8_t *bytes, size_t before_directory, uint64_t offset, uint64_t size,
                        struct zip_entry *entry, bn_error *err) {
    if (offset > before_directory || before_directory - offset < LOCAL_BYTES || !has_magic(bytes + offset, 3, 4))
        return fail(err, BN_STATUS_BAD_FILE, "its header isn't in the file");
    const uint8_t *local = bytes + offset;
    uint64_t skip = LOCAL_BYTES + u16_at(local + 26) + u16_at(local + 28);
    if (skip > before_directory - offset || size > before_directory - offset - skip)
        return fail(err, BN_STATUS_BAD_FILE, "its %" PRIu64 " bytes aren't in the file", size);
    if (u16_at(local + 26) != strlen(entry->name) || memcmp(local + LOCAL_BYTES, entry->name, strlen(entry->name)) != 0)
        return fail(err, BN_STATUS_BAD_FILE, "its header has another name");
    entry->data = local + skip;
    entry->size = (size_t)size;
    return BN_OK;
}

static bn_status read_entry(const uint8_t *record, const uint8_t *bytes, size_t before_directory,
                            struct zip_entry *entry, bn_error *err) {
    uint64_t flags = u16_at(record + 8), method = u16_at(record + 10);
    uint64_t packed = u32_at(record + 20), size = u32_at(record + 24), offset = u32_at(record + 42);
    const uint8_t *extra = record + ENTRY_BYTES + u16_at(record + 28);
    if (is_symbolic_link(record)) return fail(err, BN_STATUS_UNSUPPORTED, "is a symbolic link");
    if (flags & 1) return fail(err, BN_STATUS_UNSUPPORTED, "is encrypted");
    if (method != 0)
        return fail(err, BN_STATUS_UNSUPPORTED,
                    "is compressed, which no checkpoint that PyTorch saves is: unpack the "
                    "archive, or save the checkpoint again");
    if (!read_zip64(extra, u16_at(record + 30), &size, &packed, &offset) || packed != size)
        return fail(err, BN_STATUS_BAD_FILE, "has sizes that contradict each other");
    return locate(bytes, before_directory, offset, size, entry, err);
}

static int by_place(const void *left, const void *right) {
    const struct zip_entry *a = *(const struct zip_entry *const *)left, *b = *(const struct zip_entry *const *)right;
    return a->data < b->data ? -1 : a->data > b->data ? 1 : a->size < b->size ? -1 : a->size > b->size;
}

static int by_name(const void *left, const void *right) {
    const struct zip_entry *a = *(const struct zip_entry *const *)left, *b = *(const struct zip_entry *const *)right;
    return strcmp(a->name, b->name);
}

/* No two entries share bytes or a name. */
static bn_status check_apart(const struct zip *zip, bn_error *err) {
    const struct zip_entry **sorted = mem_alloc_array(max_size(zip->n, 1), sizeof *sorted);
    bn_status status = sorted ? BN_OK : fail_no_memory(err, zip->n * sizeof *sorted);
    for (size_t i = 0; i < zip->n && !status; i++) sorted[i] = &zip->entries[i];
    if (!status) qsort(sorted, zip->n, sizeof *sorted, by_place);
    for (size_t i = 0, last = SIZE_MAX; i < zip->n && !status; i++) {
        if (sorted[i]->size == 0) continue;
        if (last != SIZE_MAX && sorted[last]->data + sorted[last]->size > sorted[i]->data)
            status = fail(err, BN_STATUS_BAD_FILE, "the entries '%.100s' and '%.100s' share bytes", sorted[last]->name,
                          sorted[i]->name);
        last = i;
    }
    if (!status) qsort(sorted, zip->n, sizeof *sorted, by_name);
    for (size_t i = 1; i < zip->n && !status; i++)
        if (strcmp(sorted[i - 1]->name, sorted[i]->name) == 0)
            status = fail(err, BN_STATUS_BAD_FILE, "two entries are named '%.100s'", sorted[i]->name);
    mem_free(sorted);
    return status;
}

bn_status zip_read(const uint8_t *bytes, size_t size, struct arena *arena, struct zip *out, bn_error *err) {
    struct directory d = {0};
    bn_status status = read_directory(bytes, size, &d, err);
    if (status) return status;
    *out = (struct zip){.n = (size_t)d.n_entries};
    out->entries = arena_alloc_array(arena, max_size(out->n, 1), sizeof *out->entries);
    if (!out->entries) return fail_no_memory(err, out->n * sizeof *out->entries);
    struct reader r = reader_over(bytes + d.offset, (size_t)d.size);
    for (size_t i = 0; i < out->n; i++) {
        const uint8_t *record = reader_take(&r, ENTRY_BYTES, "an entry");
        const char *name = record ? (const char *)reader_take(&r, u16_at(record + 28), "a name") : NULL;
        if (!name || !has_magic(record, 1, 2) || !reader_take(&r, u16_at(record + 30) + u16_at(record + 32), "fields"))
            return fail(err, BN_STATUS_BAD_FILE, "entry %zu of the zip archive's directory is cut off", i);
        size_t n = (size_t)u16_at(record + 28);
        if (!is_safe_name(name, n))
            return fail(err, BN_STATUS_BAD_FILE,
                        "entry %zu of the zip archive has the name '%.*s', which could lead "
                        "out of its folder: refused",
                        i, (int)min_size(n, 100), name);
        if (!(out->entries[i].name = arena_strndup(arena, name, n))) return fail_no_memory(err, n);
        status = read_entry(record, bytes, (size_t)d.offset, &out->entries[i], err);
        if (status) {
            error_prefix(err, "entry '%.100s' of the zip archive", out->entries[i].name);
            return status;
        }
    }
    return check_apart(out, err);
}
