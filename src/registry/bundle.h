/* One version of a model as one file, to hand on: a tar archive (pax) compressed with zstd.
 *
 *     bundle.json      {"format": "bitnet-bundle/1", "name", "variant", "version", "note", "id"}
 *     manifest.json    of the version (manifest.h); its SHA-256 is "id"
 *     files/PATH       every file of the manifest
 *
 * The same version gives the same bytes wherever it is written. Reading trusts nothing: members other than these regular files, in
 * this order, sizes and hashes other than the manifest's, and paths that leave the folder are refused, and nothing is
 * visible before all of it was checked. */
#ifndef REGISTRY_BUNDLE_H
#define REGISTRY_BUNDLE_H

#include "registry/registry.h"

/* Writes the version to `path`, whole or not at all. level: 1 … 19, of zstd. */
bn_status bundle_export(struct registry *registry, const struct model_reference *reference, const char *path, int level,
                        const struct byte_progress *progress, bn_error *err);

/* Adds what a bundle holds, as a new version of `name` (of "variant", when given; both NULL: what it was called). */
bn_status bundle_import(struct registry *registry, const char *path, const char *name, const char *variant,
                        const struct byte_progress *progress, struct model_version *out, bool *added, bn_error *err);

/* Reads and checks a bundle in memory without keeping anything. For fuzzing and tests. */
bn_status bundle_check(const void *bytes, size_t size, bn_error *err);

#endif
