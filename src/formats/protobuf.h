/* Reading protocol buffers: a message is a run of fields, each a number and a value of one of four kinds. Specification:
 * protobuf.dev, "Encoding". */
#ifndef FORMATS_PROTOBUF_H
#define FORMATS_PROTOBUF_H

#include "base/reader.h"

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

struct protobuf_field {
    uint64_t number;
    unsigned wire;
    uint64_t value;       /* of VARINT, 64 and 32 */
    const uint8_t *bytes; /* of BYTES */
    size_t size;
};

static inline uint64_t read_varint(struct reader *r, const char *field) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = read_u8(r, field);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) return value;
    }
    if (!r->failed_field) r->failed_field = field; /* longer than any number is */
    return 0;
}

/* The next field; false at the end of the message, or when it is broken (then the reader has failed). */
static inline bool protobuf_next(struct reader *r, struct protobuf_field *field) {
    if (!reader_ok(r) || reader_remaining(r) == 0) return false;
    uint64_t key = read_varint(r, "a field's number");
    *field = (struct protobuf_field){.number = key >> 3, .wire = key & 7};
    switch (field->wire) {
    case WIRE_VARINT:
        field->value = read_varint(r, "a number");
        break;
    case WIRE_64:
        field->value = read_u64(r, "a number");
        break;
    case WIRE_32:
        field->value = read_u32(r, "a number");
        break;
    case WIRE_BYTES: {
        uint64_t size = read_varint(r, "a length");
        field->bytes = reader_take(r, size, "a field");
        field->size = field->bytes ? (size_t)size : 0;
        break;
    }
    default:
        if (!r->failed_field) r->failed_field = "a field of unknown kind";
    }
    return reader_ok(r);
}

#endif
