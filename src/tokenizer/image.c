/* Images; see image.h. */
#include "tokenizer/image.h"

#include <string.h>

#include "base/hash.h"
#include "base/memory.h"

enum { IMAGE_BYTE_ORDER = 0x01020304 };

static const char magic[8] = "\x89"
                             "BNTOK\r";

struct header {
    char magic[8];
    uint32_t byte_order;
    uint32_t version;
    uint64_t size; /* of the whole image */
    uint64_t description_size;
    uint64_t checksum; /* of header (this field zero) and description */
    struct image_origin origin;
};
_Static_assert(sizeof(struct header) == IMAGE_ALIGNMENT, "the description follows the header");

static uint64_t checksum_of(struct header header, const uint8_t *description) {
    header.checksum = 0;
    uint64_t head = hash_bytes((const char *)&header, sizeof header, IMAGE_VERSION);
    return hash_bytes((const char *)description, (size_t)header.description_size, head);
}

bool image_is_one(const void *bytes, size_t size) {
    return size >= sizeof magic && memcmp(bytes, magic, sizeof magic) == 0;
}

struct image_origin image_origin_of(const void *bytes, size_t size) {
    struct header header = {0};
    if (size >= sizeof header) memcpy(&header, bytes, sizeof header);
    return header.origin;
}

bool image_origin_same(const struct image_origin *a, const struct image_origin *b) {
    return a->made_ns == b->made_ns && memcmp(a->id, b->id, sizeof a->id) == 0;
}

void image_seal(void *bytes, size_t size) {
    struct header header;
    if (size < sizeof header) return;
    memcpy(&header, bytes, sizeof header);
    if (header.description_size > size - sizeof header) return;
    header.checksum = checksum_of(header, (const uint8_t *)bytes + sizeof header);
    memcpy(bytes, &header, sizeof header);
}

/* ---- reading ---- */

bn_status image_read_begin(struct image *image, const uint8_t *bytes, size_t size, bn_error *err) {
    struct header header;
    *image = (struct image){.mode = IMAGE_READ, .err = err};
    if (size < sizeof header || !image_is_one(bytes, size))
        return fail(err, BN_STATUS_BAD_FILE, "not a compiled tokenizer");
    memcpy(&header, bytes, sizeof header);
    if (header.byte_order != IMAGE_BYTE_ORDER)
        return fail(err, BN_STATUS_UNSUPPORTED, "compiled tokenizer of a machine with another byte order");
    if (header.version != IMAGE_VERSION)
        return fail(err, BN_STATUS_UNSUPPORTED, "compiled tokenizer of version %u, expected %d: compile it again",
                    header.version, IMAGE_VERSION);
    size_t after = size - sizeof header;
    if (header.size != size || header.description_size > after)
        return fail(err, BN_STATUS_BAD_FILE, "compiled tokenizer of %zu bytes, its header says %llu: cut off", size,
                    (unsigned long long)header.size);
    if (header.checksum != checksum_of(header, bytes + sizeof header))
        return fail(err, BN_STATUS_BAD_FILE, "compiled tokenizer: the checksum doesn't match, the file is damaged");
    size_t begin = round_up(sizeof header + (size_t)header.description_size, IMAGE_ALIGNMENT);
    image->fields = reader_over(bytes + sizeof header, (size_t)header.description_size);
    image->tables_at = bytes + min_size(begin, size);
    image->tables_left = size - min_size(begin, size);
    return BN_OK;
}

void image_refuse(struct image *image, const char *what) {
    if (image->status) return;
    image->status = fail(image->err, BN_STATUS_BAD_FILE, "compiled tokenizer: %s is out of range", what);
}

bn_status image_read_end(struct image *image) {
    if (!reader_ok(&image->fields)) image_refuse(image, image->fields.failed_field);
    if (reader_remaining(&image->fields)) image_refuse(image, "the description's end");
    return image->status;
}

/* ---- writing ---- */

void image_write_begin(struct image *image, bn_error *err) {
    *image = (struct image){.mode = IMAGE_WRITE, .err = err};
    buffer_init(&image->description);
}

static void append_padding(struct buffer *out, size_t size) {
    static const char zeros[IMAGE_ALIGNMENT];
    buffer_append(out, zeros, round_up(size, IMAGE_ALIGNMENT) - size);
}

bn_status image_write_end(struct image *image, const struct image_origin *origin, struct buffer *out) {
    const struct buffer *description = &image->description;
    struct header header = {.byte_order = IMAGE_BYTE_ORDER, .version = IMAGE_VERSION};
    memcpy(header.magic, magic, sizeof magic);
    if (origin) header.origin = *origin;
    header.description_size = description->size;
    header.size = round_up(sizeof header + description->size, IMAGE_ALIGNMENT) + image->tables_size;
    header.checksum = checksum_of(header, (const uint8_t *)description->data);
    buffer_append(out, &header, sizeof header);
    buffer_append(out, description->data, description->size);
    append_padding(out, description->size);
    for (size_t i = 0; i < image->n_tables; i++) {
        buffer_append(out, image->tables[i].bytes, image->tables[i].size);
        append_padding(out, image->tables[i].size);
    }
    if (!image->status && (description->failed || out->failed))
        image->status = fail_no_memory(image->err, (size_t)header.size);
    buffer_release(&image->description);
    mem_free(image->tables);
    return image->status;
}

static void remember_table(struct image *image, const void *bytes, size_t size) {
    struct image_table *tables = mem_realloc_array(image->tables, image->n_tables + 1, sizeof *tables);
    if (!tables) {
        image->description.failed = true;
        return;
    }
    image->tables = tables;
    tables[image->n_tables++] = (struct image_table){bytes, size, image->tables_size};
    image->tables_size += round_up(size, IMAGE_ALIGNMENT);
}

/* ---- both ---- */

void image_bytes(struct image *image, void *bytes, size_t size, const char *what) {
    if (image->mode == IMAGE_WRITE) buffer_append(&image->description, bytes, size);
    if (image->mode != IMAGE_READ) return;
    const uint8_t *from = reader_take(&image->fields, size, what);
    if (from)
        memcpy(bytes, from, size);
    else
        memset(bytes, 0, size);
}

void image_byte(struct image *image, uint8_t *value, const char *what) {
    image_bytes(image, value, sizeof *value, what);
}

void image_bool(struct image *image, bool *value, const char *what) {
    uint8_t byte = *value;
    image_byte(image, &byte, what);
    if (byte > 1) image_refuse(image, what);
    if (image->mode == IMAGE_READ) *value = byte == 1;
}

void image_double(struct image *image, double *value, const char *what) {
    image_bytes(image, value, sizeof *value, what);
}

void image_u64(struct image *image, uint64_t *value, const char *what) {
    image_bytes(image, value, sizeof *value, what);
}

void image_size(struct image *image, size_t *value, size_t max, const char *what) {
    uint64_t size = *value;
    image_u64(image, &size, what);
    if (size > max) image_refuse(image, what);
    if (image->mode == IMAGE_READ) *value = size > max ? 0 : (size_t)size;
}

void image_id(struct image *image, int32_t *value, size_t n, const char *what) {
    image_bytes(image, value, sizeof *value, what);
    if (*value >= -1 && (*value < 0 || (size_t)*value < n)) return;
    image_refuse(image, what);
    if (image->mode == IMAGE_READ) *value = -1;
}

void image_text(struct image *image, const char **text, size_t *size, const char *what) {
    size_t n = *text ? *size : 0;
    image_size(image, &n, UINT32_MAX, what);
    if (image->mode == IMAGE_WRITE) {
        buffer_append(&image->description, *text ? *text : "", n);
        buffer_append_char(&image->description, '\0');
    }
    if (image->mode != IMAGE_READ) return;
    const char *from = (const char *)reader_take(&image->fields, (uint64_t)n + 1, what);
    if (from && from[n]) image_refuse(image, what);
    bool good = from && !from[n];
    *text = good ? from : "";
    *size = good ? n : 0;
}

void image_table(struct image *image, void *items, size_t *n, size_t item_bytes, const char *what) {
    void *none = NULL;
    size_t bytes;
    if (image->mode == IMAGE_FORGET) {
        memcpy(items, &none, sizeof none);
        *n = 0;
        return;
    }
    uint64_t offset = image->tables_size;
    image_u64(image, &offset, what);
    image_size(image, n, UINT32_MAX, what);
    if (!mul_size(*n, item_bytes, &bytes)) bytes = SIZE_MAX;
    if (image->mode == IMAGE_WRITE) {
        void *from;
        memcpy(&from, items, sizeof from);
        if (bytes) remember_table(image, from, bytes);
        return;
    }
    bool fits = offset % IMAGE_ALIGNMENT == 0 && offset <= image->tables_left && bytes <= image->tables_left - offset;
    if (!fits) image_refuse(image, what);
    const void *at = fits && bytes ? image->tables_at + offset : NULL;
    memcpy(items, &at, sizeof at);
    if (!at) *n = 0;
}
