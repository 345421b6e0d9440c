#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>
#include <zstd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/threads.h"
#include "registry/bundle.h"
#include "registry/registry_parts.h"

enum { PIECE_BYTES = 1 << 20, LAST_BLOCK_BYTES = 1 };

/* Takes the archive's bytes and writes them compressed: libarchive's own zstd filter of this age has no threads. */
struct compressor {
    ZSTD_CCtx *zstd;
    FILE *out;
    void *piece;
    size_t piece_bytes;
};

static bool compress(struct compressor *compressor, const void *bytes, size_t n, ZSTD_EndDirective directive) {
    ZSTD_inBuffer in = {bytes, n, 0};
    size_t left;
    do {
        ZSTD_outBuffer out = {compressor->piece, compressor->piece_bytes, 0};
        left = ZSTD_compressStream2(compressor->zstd, &out, &in, directive);
        if (ZSTD_isError(left) || fwrite(out.dst, 1, out.pos, compressor->out) != out.pos) return false;
    } while (directive == ZSTD_e_end ? left > 0 : in.pos < in.size);
    return true;
}

static la_ssize_t take_bytes(struct archive *archive, void *context, const void *bytes, size_t n) {
    if (compress(context, bytes, n, ZSTD_e_continue)) return (la_ssize_t)n;
    archive_set_error(archive, ARCHIVE_FATAL, "can't be written");
    return -1;
}

static bn_status compressor_open(struct compressor *compressor, FILE *out, int level, bn_error *err) {
    *compressor = (struct compressor){.zstd = ZSTD_createCCtx(), .out = out, .piece_bytes = ZSTD_CStreamOutSize()};
    compressor->piece = mem_alloc(compressor->piece_bytes);
    if (!compressor->zstd || !compressor->piece) return fail_no_memory(err, compressor->piece_bytes);
    ZSTD_CCtx_setParameter(compressor->zstd, ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(compressor->zstd, ZSTD_c_checksumFlag, 1);
    /* refused by a zstd without threads, which then works on this one */
    ZSTD_CCtx_setParameter(compressor->zstd, ZSTD_c_nbWorkers, (int)cpu_count());
    return BN_OK;
}

static void compressor_close(struct compressor *compressor) {
    ZSTD_freeCCtx(compressor->zstd);
    mem_free(compressor->piece);
}

/* ---- members ---- */

static bn_status refused(struct archive *archive, const char *path, bn_error *err) {
    const char *why = archive_error_string(archive);
    return fail(err, BN_STATUS_IO, "%s: %s", path, why ? why : "can't be written");
}

static bn_status begin_member(struct archive *archive, const char *path, uint64_t size, bn_error *err) {
    struct archive_entry *entry = archive_entry_new();
    if (!entry) return fail_no_memory(err, 1);
    archive_entry_set_pathname_utf8(entry, path);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, (la_int64_t)size);
    archive_entry_set_mtime(entry, 0, 0);
    bn_status status = archive_write_header(archive, entry) == ARCHIVE_OK ? BN_OK : refused(archive, path, err);
    archive_entry_free(entry);
    return status;
}

static bn_status write_text(struct archive *archive, const char *path, const char *text, bn_error *err) {
    size_t n = strlen(text);
    bn_status status = begin_member(archive, path, n, err);
    if (!status && archive_write_data(archive, text, n) != (la_ssize_t)n) status = refused(archive, path, err);
    return status;
}

/* A file's bytes, which have to be those of its hash: damage on the disk isn't handed on. */
static bn_status write_bytes(struct archive *archive, int fd, const struct version_file *file, void *piece,
                             const struct byte_progress *progress, bn_error *err) {
    struct digest digest = {0};
    char hex[SHA256_HEX_SIZE];
    bn_status status = digest_start(&digest, false, 0, err);
    ssize_t n = 1;
    while (!status && (n = read(fd, piece, PIECE_BYTES)) > 0) {
        digest_update(&digest, piece, (size_t)n);
        if (archive_write_data(archive, piece, (size_t)n) != n) status = refused(archive, file->path, err);
        if (!status && progress && !progress->advance(progress->context, (uint64_t)n))
            status = fail(err, BN_STATUS_CANCELLED, "interrupted");
    }
    if (!status) digest_finish(&digest, hex);
    digest_release(&digest);
    if (!status && (n < 0 || strcmp(hex, file->sha256) != 0))
        status = fail(err, BN_STATUS_BAD_FILE, "%s: damaged: the file isn't what the manifest says", file->path);
    return status;
}

static bn_status write_file(struct archive *archive, const char *folder, const struct version_file *file,
                            const struct byte_progress *progress, bn_error *err) {
    char member[600], *path = path_join(folder, file->path);
    void *piece = mem_alloc(PIECE_BYTES);
    snprintf(member, sizeof member, "files/%s", file->path);
    bn_status status =
        path && piece ? begin_member(archive, member, file->size, err) : fail_no_memory(err, PIECE_BYTES);
    int fd = status ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (!status && fd < 0) status = fail(err, BN_STATUS_NOT_FOUND, "%s: can't be read", path);
    if (!status) status = write_bytes(archive, fd, file, piece, progress, err);
    if (fd >= 0) close(fd);
    mem_free(piece);
    mem_free(path);
    return status;
}

static char *head_text(const struct model_version *version) {
    json_t *head =
        json_pack("{s:s, s:s, s:s, s:I, s:s, s:s}", "format", "bitnet-bundle/1", "name", version->name, "variant",
                  version->variant, "version", (json_int_t)version->number, "note", version->note, "id", version->id);
    char *dump = head ? json_dumps(head, JSON_INDENT(1)) : NULL, *text = dump ? mem_strdup(dump) : NULL;
    free(dump); /* jansson's own memory */
    json_decref(head);
    return text;
}

static bn_status write_members(struct archive *archive, const struct model_version *version,
                               const struct byte_progress *progress, bn_error *err) {
    char *head = head_text(version), *manifest = NULL, id[SHA256_HEX_SIZE];
    bn_status status = head ? manifest_text(&version->manifest, &manifest, id, err) : fail_no_memory(err, 1);
    if (!status && strcmp(id, version->id) != 0)
        status = fail(err, BN_STATUS_INTERNAL, "the manifest isn't written as it was read");
    if (!status) status = write_text(archive, "bundle.json", head, err);
    if (!status) status = write_text(archive, "manifest.json", manifest, err);
    for (size_t i = 0; !status && i < version->manifest.n_files; i++)
        status = write_file(archive, version->folder, &version->manifest.files[i], progress, err);
    mem_free(head);
    mem_free(manifest);
    return status;
}

/* ---- the whole ---- */

static bn_status write_archive(const struct model_version *version, FILE *out, int level,
                               const struct byte_progress *progress, bn_error *err) {
    struct compressor compressor;
    struct archive *archive = archive_write_new();
    bn_status status = archive ? compressor_open(&compressor, out, level, err) : fail_no_memory(err, 1);
    if (!archive) return status;
    if (!status && (archive_write_set_format_pax_restricted(archive) != ARCHIVE_OK ||
                    archive_write_set_bytes_in_last_block(archive, LAST_BLOCK_BYTES) != ARCHIVE_OK ||
                    archive_write_open(archive, &compressor, NULL, take_bytes, NULL) != ARCHIVE_OK))
        status = refused(archive, "archive", err);
    if (!status) status = write_members(archive, version, progress, err);
    if (!status && archive_write_close(archive) != ARCHIVE_OK) status = refused(archive, "archive", err);
    archive_write_free(archive); /* after a failure it hands on a rest, which nobody wants */
    if (!status && !compress(&compressor, NULL, 0, ZSTD_e_end)) status = fail(err, BN_STATUS_IO, "can't be written");
    compressor_close(&compressor);
    return status;
}

bn_status bundle_export(struct registry *registry, const struct model_reference *reference, const char *path, int level,
                        const struct byte_progress *progress, bn_error *err) {
    struct model_version version;
    struct atomic_file file;
    int lease;
    bn_status status = registry_take(registry, reference, &version, &lease, err);
    if (status) return status;
    status = atomic_file_open(path, &file, err);
    if (!status) {
        status = write_archive(&version, file.stream, level, progress, err);
        if (status) {
            error_prefix(err, "%s", path);
            atomic_file_abort(&file);
        } else {
            status = atomic_file_commit(&file, err);
        }
    }
    close(lease);
    model_version_release(&version);
    return status;
}
