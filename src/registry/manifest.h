/* What a version consists of: the manifest.json that lies in every version's folder and at the head of every bundle. It
 * never changes; the version's id is the SHA-256 of its text, so id → manifest → files is one chain of hashes. What may
 * change (which version is in use, tags, notes, a new name) is kept beside it.
 *
 *     {"format": "bitnet-version/1", "name": "owner/small", "variant": "default", "version": 3,
 *      "created": "2026-01-31T12:00:00Z", "license": "mit", "entry": "small.gguf", "content": "<sha256>",
 *      "origin": {"kind": "convert", "source": "…", "command": "bitnet model convert …"},
 *      "files": [{"path": "small.gguf", "size": 123, "sha256": "…"}]}
 *
 * "entry" is the file that is opened, or "" when it is the folder. "content" is the hash of the list of files: two
 * versions with the same content are the same model. */
#ifndef REGISTRY_MANIFEST_H
#define REGISTRY_MANIFEST_H

#include "base/arena.h"
#include "base/json.h"
#include "net/digest.h"

enum { MANIFEST_MAX_BYTES = 16 << 20, VERSION_MAX_FILES = 4096 };

struct version_file {
    const char *path; /* relative, "/" between folders */
    const char *sha256;
    uint64_t size;
};

struct manifest {
    struct arena arena; /* all text below */
    const char *name, *variant;
    size_t version; /* these three: as it was first recorded */
    const char *created;
    const char *license; /* "" when unknown */
    const char *entry;
    const char *content;
    json_t *origin; /* object of texts: kind, source, repository, revision, commit, command, … */
    struct version_file *files;
    size_t n_files;
};

void manifest_init(struct manifest *manifest);
void manifest_release(struct manifest *manifest);

/* Appends a file; path and hash are copied. A path that leaves the folder is BN_STATUS_BAD_FILE. */
bn_status manifest_add_file(struct manifest *manifest, const char *path, const char *sha256, uint64_t size,
                            bn_error *err);
/* With all files added: sorts them, finds the entry and hashes the content. BN_STATUS_BAD_FILE when they aren't a model: a
 * config.json, or exactly one .gguf or .safetensors file. */
bn_status manifest_complete(struct manifest *manifest, bn_error *err);

/* Text that manifest_parse reads; free with mem_free. id gets its hash. */
bn_status manifest_text(const struct manifest *manifest, char **text, char id[SHA256_HEX_SIZE], bn_error *err);
/* Checks everything: names, paths (relative, no "..", no duplicates), hashes, sizes, that the entry is one of the files.
 * `what` names the text in messages. Release in any case. */
bn_status manifest_parse(const char *text, size_t size, const char *what, struct manifest *out, bn_error *err);

uint64_t manifest_bytes(const struct manifest *manifest); /* of all files */
bool sha256_valid(const char *text);
/* A path that stays in its folder, of at most 8 levels and 512 bytes of UTF-8 without control characters. */
bool version_path_valid(const char *path);

/* "2026-01-31T12:00:00Z" */
void utc_now(char out[32]);

#endif
