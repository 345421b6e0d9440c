#include "server/encoder.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>
#include <zstd.h>

#include "base/memory.h"

/* ---- negotiation (RFC 9110, 12.5.3) ---- */

/* The weight behind a coding's name in thousandths: ";q=0.5". */
static int weight_of(const char *parameters, size_t n) {
    const char *end = parameters + n;
    for (const char *at = parameters; at < end; at++)
        if ((*at == 'q' || *at == 'Q') && at + 1 < end && at[1] == '=') {
            double weight = strtod(at + 2, NULL); /* the header is NUL-terminated, so this can't run over */
            return weight >= 0 && weight <= 1 ? (int)(weight * 1000) : 0;
        }
    return 1000;
}

enum coding coding_negotiate(const char *accept_encoding) {
    int weights[] = {[CODING_IDENTITY] = 1, [CODING_GZIP] = 0, [CODING_ZSTD] = 0};
    for (const char *at = accept_encoding ? accept_encoding : ""; *at;) {
        at += strspn(at, " \t,");
        size_t item = strcspn(at, ","), name = strcspn(at, " \t,;");
        int weight = weight_of(at + name, item - name);
        if (name == 4 && strncasecmp(at, "gzip", 4) == 0) weights[CODING_GZIP] = weight;
        if (name == 4 && strncasecmp(at, "zstd", 4) == 0) weights[CODING_ZSTD] = weight;
        at += item;
    }
    enum coding best = CODING_IDENTITY;
    for (enum coding coding = CODING_GZIP; coding <= CODING_ZSTD; coding++)
        if (weights[coding] >= weights[best] && weights[coding] > 0) best = coding;
    return best;
}

/* ---- compressing ---- */

struct encoder {
    enum coding coding;
    z_stream gzip;
    ZSTD_CCtx *zstd;
};

struct encoder *encoder_create(enum coding coding) {
    struct encoder *encoder = mem_calloc(1, sizeof *encoder);
    if (!encoder) return NULL;
    encoder->coding = coding;
    bool ok;
    if (coding == CODING_GZIP) { /* 15 + 16: a window of 32 KiB, in gzip's wrapping */
        ok = deflateInit2(&encoder->gzip, 4, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK;
    } else {
        encoder->zstd = ZSTD_createCCtx();
        ok = encoder->zstd != NULL;
        if (ok) {
            ZSTD_CCtx_setParameter(encoder->zstd, ZSTD_c_compressionLevel, 2);
            ZSTD_CCtx_setParameter(encoder->zstd, ZSTD_c_windowLog, 18); /* bounds the memory of both sides */
        }
    }
    if (ok) return encoder;
    mem_free(encoder);
    return NULL;
}

void encoder_destroy(struct encoder *encoder) {
    if (!encoder) return;
    if (encoder->coding == CODING_GZIP) deflateEnd(&encoder->gzip);
    ZSTD_freeCCtx(encoder->zstd);
    mem_free(encoder);
}

const char *encoder_coding(const struct encoder *encoder) {
    return encoder->coding == CODING_GZIP ? "gzip" : "zstd";
}

static bool add_gzip(z_stream *gzip, const char *bytes, size_t size, bool last, struct buffer *out) {
    char piece[16384];
    gzip->next_in = (Bytef *)bytes;
    gzip->avail_in = (uInt)size;
    int flush = last ? Z_FINISH : Z_SYNC_FLUSH;
    do {
        gzip->next_out = (Bytef *)piece;
        gzip->avail_out = sizeof piece;
        if (deflate(gzip, flush) == Z_STREAM_ERROR) return false;
        buffer_append(out, piece, sizeof piece - gzip->avail_out);
    } while (gzip->avail_out == 0);
    return !out->failed;
}

static bool add_zstd(ZSTD_CCtx *zstd, const char *bytes, size_t size, bool last, struct buffer *out) {
    char piece[16384];
    ZSTD_inBuffer in = {bytes, size, 0};
    size_t left;
    do {
        ZSTD_outBuffer to = {piece, sizeof piece, 0};
        left = ZSTD_compressStream2(zstd, &to, &in, last ? ZSTD_e_end : ZSTD_e_flush);
        if (ZSTD_isError(left)) return false;
        buffer_append(out, piece, to.pos);
    } while (left || in.pos < in.size);
    return !out->failed;
}

bool encoder_add(struct encoder *encoder, const char *bytes, size_t size, bool last, struct buffer *out) {
    while (size > UINT32_MAX / 2) { /* zlib counts in 32 bits */
        size_t part = UINT32_MAX / 2;
        if (!encoder_add(encoder, bytes, part, false, out)) return false;
        bytes += part;
        size -= part;
    }
    if (encoder->coding == CODING_GZIP) return add_gzip(&encoder->gzip, bytes, size, last, out);
    return add_zstd(encoder->zstd, bytes, size, last, out);
}

/* ---- unpacking ---- */

struct inflater {
    z_stream stream;
    bool complete;
};

struct inflater *inflater_create(void) {
    struct inflater *inflater = mem_calloc(1, sizeof *inflater);
    if (inflater && inflateInit2(&inflater->stream, 15 + 16) == Z_OK) return inflater;
    mem_free(inflater);
    return NULL;
}

void inflater_destroy(struct inflater *inflater) {
    if (!inflater) return;
    inflateEnd(&inflater->stream);
    mem_free(inflater);
}

enum inflate_result inflater_add(struct inflater *inflater, const char *bytes, size_t size, size_t limit,
                                 struct buffer *out) {
    z_stream *stream = &inflater->stream;
    char piece[16384];
    stream->next_in = (Bytef *)bytes;
    stream->avail_in = (uInt)size;
    do {
        if (inflater->complete) return stream->avail_in ? INFLATE_BAD : INFLATE_OK; /* nothing may follow */
        stream->next_out = (Bytef *)piece;
        stream->avail_out = sizeof piece;
        int result = inflate(stream, Z_NO_FLUSH);
        if (result == Z_MEM_ERROR) return INFLATE_NO_MEMORY;
        if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) return INFLATE_BAD;
        size_t n = sizeof piece - stream->avail_out;
        if (n > limit || out->size > limit - n) return INFLATE_TOO_LARGE;
        buffer_append(out, piece, n);
        if (out->failed) return INFLATE_NO_MEMORY;
        inflater->complete = result == Z_STREAM_END;
    } while (stream->avail_in || stream->avail_out == 0);
    return INFLATE_OK;
}

bool inflater_complete(const struct inflater *inflater) {
    return inflater->complete;
}
