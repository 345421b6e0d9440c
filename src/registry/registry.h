/* What is on this machine: models by name, each with versions that never change.
 *
 * In the data folder (base/folders.h):
 *
 *     registry.db                      SQLite: the truth while it is there
 *     registry.lock                    held by whoever changes something
 *     store/versions/ID/manifest.json  what the version is (manifest.h); ID is its hash
 *     store/versions/ID/files/…        its files: hard links to blobs …
 *     store/versions/ID/location       … or, instead, the absolute path of the folder where they lie (a hub's cache)
 *     store/versions/ID/lease          locked (shared) by every process that uses the version; its time is the last use
 *     store/blobs/ab/abcd…             one file per content, named by its SHA-256, read-only
 *     store/names/NAME@VARIANT.json    what can change, as in the database: so that this can be made again from files
 *     store/staging/…                  versions in the making; those of ended processes are swept
 *
 * A version is made in staging, complete and on the disk, and appears by one rename; the database tells of it in one
 * transaction. The folder that may be there without a row (or is to go) is noted in the database before, so that after
 * a crash at any point the next change cleans up. Removing goes the same way backwards, and only when nobody holds the
 * lease. Readers take no lock but the lease.
 *
 * Each (name, variant) counts its own versions and has one in use. A handle belongs to one thread; any number of
 * handles and processes may be open. */
#ifndef REGISTRY_REGISTRY_H
#define REGISTRY_REGISTRY_H

#include "registry/manifest.h"
#include "registry/reference.h"

struct registry; /* opaque; see registry_parts.h */

/* Opens the registry of the data folder `home` (NULL: the user's), creating it when there is none. */
bn_status registry_open(const char *home, struct registry **out, bn_error *err);
/* The same, but *out is NULL (and nothing is created) where no registry is. */
bn_status registry_open_existing(const char *home, struct registry **out, bn_error *err);
void registry_close(struct registry *registry); /* NULL is fine */
/* The data folder it lies in; valid as long as the handle. */
const char *registry_home(const struct registry *registry);

/* ---- versions ---- */

struct model_version {
    struct manifest manifest; /* name, variant and number in it are those of the beginning; the present ones: */
    char *name, *variant;
    size_t number;
    char id[SHA256_HEX_SIZE];
    bool in_use;
    bool pinned;
    char *note;    /* "" for none */
    char *tags;    /* separated by spaces, sorted; "" for none */
    char *folder;  /* where its files lie */
    char *path;    /* what to open: the folder or a file in it */
    bool external; /* the files lie elsewhere (a hub's cache) */
};
void model_version_release(struct model_version *version);

/* The version that a reference means. Without a variant: "default", or the only one there is; without a version: the
 * one in use. BN_STATUS_NOT_FOUND names what there is instead. */
bn_status registry_find(struct registry *registry, const struct model_reference *reference, struct model_version *out,
                        bn_error *err);
/* The same, and *lease (a descriptor) keeps the version until it is closed, at the latest by the end of the process. */
bn_status registry_take(struct registry *registry, const struct model_reference *reference, struct model_version *out,
                        int *lease, bn_error *err);

/* Versions, sorted by name, variant and number: all of a model (name; variant NULL for each of its variants), or of all models
 * (name NULL). Release in any case. */
struct version_list {
    struct model_version *items;
    size_t n;
};
bn_status registry_list(struct registry *registry, const char *name, const char *variant, struct version_list *out,
                        bn_error *err);
void version_list_release(struct version_list *list);
/* When the version was last used (seconds since 1970), or made. */
int64_t model_version_last_use(const struct registry *registry, const char *id);

/* ---- adding ---- */

struct version_facts { /* all but name may be NULL */
    const char *name;
    const char *variant; /* NULL: default */
    const char *license; /* NULL: what the files say */
    const char *note;
    json_t *origin; /* object of texts; stays the caller's */
};

/* A new version of copies of PATH (a file, or a folder's files), in use from then on. When the model has a version with
 * the same content, that is used instead and *added is false. Without facts->license, that of a GGUF file is taken. */
bn_status registry_add_copy(struct registry *registry, const char *path, const struct version_facts *facts,
                            const struct byte_progress *progress, struct model_version *out, bool *added,
                            bn_error *err);
/* The same for a folder that stays where it is (and that nothing changes): a snapshot of a hub's cache. */
bn_status registry_add_location(struct registry *registry, const char *folder, const struct version_facts *facts,
                                const struct byte_progress *progress, struct model_version *out, bool *added,
                                bn_error *err);

/* What was downloaded from a hub, where it lies in the cache: a version of the repository's name and of the variant that
 * was asked for (if it is a word), with the revision as its tag (if it can be one). origin as in the facts. *out: to be
 * released either way. */
struct hub_snapshot {
    const char *repository, *variant, *revision; /* "owner/name", "" or NULL, "main" */
    const char *folder;                          /* …/snapshots/COMMIT */
};
bn_status registry_add_snapshot(struct registry *registry, const struct hub_snapshot *snapshot, json_t *origin,
                                struct model_version *out, bn_error *err);

/* For what is made here: a folder to write the version's files into; commit makes a version of them, discard (also
 * after a failed commit) removes the folder. */
struct staging {
    char *folder; /* holds the files of the version */
    char *root;   /* holds the folder and its lease */
    int lease;
};
bn_status staging_open(struct registry *registry, struct staging *out, bn_error *err);
bn_status staging_commit(struct registry *registry, struct staging *staging, const struct version_facts *facts,
                         const struct byte_progress *progress, struct model_version *out, bool *added, bn_error *err);
void staging_discard(struct staging *staging);

/* ---- changing: each is one transaction, and whole even when the process is killed ---- */

/* `reference` with its version becomes the one in use. */
bn_status registry_use(struct registry *registry, const struct model_reference *reference, struct model_version *out,
                       bn_error *err);
/* Back to the version that was in use before. */
bn_status registry_rollback(struct registry *registry, const struct model_reference *reference,
                            struct model_version *out, bn_error *err);
/* Removes a version, or (without a version in the reference) all versions of the variant. BN_STATUS_BUSY when a process uses
 * one, BN_STATUS_BAD_ARGUMENT when one is pinned, or when it is the one in use while others are left; then nothing is
 * removed. freed_bytes: of the disk. */
bn_status registry_remove(struct registry *registry, const struct model_reference *reference, size_t *n_versions,
                          uint64_t *freed_bytes, bn_error *err);

/* A tag is a word that one version of the variant carries; given to another, it moves. `remove` takes it away
 * (BN_STATUS_NOT_FOUND when the version doesn't carry it). *out: the version afterwards. */
bn_status registry_tag(struct registry *registry, const struct model_reference *reference, const char *tag, bool remove,
                       struct model_version *out, bn_error *err);
bn_status registry_note(struct registry *registry, const struct model_reference *reference, const char *note,
                        struct model_version *out, bn_error *err);
/* A pinned version isn't removed. */
bn_status registry_pin(struct registry *registry, const struct model_reference *reference, bool pinned,
                       struct model_version *out, bn_error *err);
/* All versions of a variant get another name (and variant, where to->variant is given); BN_STATUS_BAD_ARGUMENT when it is taken. */
bn_status registry_rename(struct registry *registry, const struct model_reference *from,
                          const struct model_reference *to, bn_error *err);

/* Which version came into use when, oldest first: a list of {"at", "version"}. */
bn_status registry_switches(struct registry *registry, const char *name, const char *variant, json_t **out,
                            bn_error *err);

#endif
