/* Backups of what a person has here: models with all versions, the registry's names, configuration, sessions.
 *
 * In a snapshot every file has a path that says what it is, not where it was:
 *     versions/ID/manifest.json, versions/ID/files/…    a version (also when its files lie in a hub's cache)
 *     names/FILE                                        what the registry says beyond manifests
 *     models/…                                          the models folder
 *     config/config.ini                                 the configuration
 *     state/…                                           sessions: the history of chats, and what else is kept there
 *     data/…                                            the rest of the data folder
 *
 * Tokens of hubs aren't part of it: they lie elsewhere and stay there. */
#ifndef BACKUP_BACKUP_H
#define BACKUP_BACKUP_H

#include "backup/vault.h"
#include "base/json.h"
#include "net/digest.h"

/* Where things are here, or go; all but home may be NULL (then they are left out). */
struct backup_places {
    const char *home;   /* data folder */
    const char *models; /* models folder */
    const char *config; /* configuration file */
    const char *state;  /* folder of sessions */
};

struct backup_report {
    char snapshot[64];
    size_t n_files, n_versions;
    uint64_t bytes;        /* of all files */
    uint64_t read_bytes;   /* of those that had to be read: the others are as in the snapshot before */
    uint64_t stored_bytes; /* new in the store */
    size_t n_damaged;      /* verify: pieces */
};

/* Makes a snapshot. Nothing of it counts before all is stored. */
bn_status backup_create(struct vault *vault, const struct backup_places *places, const struct byte_progress *progress,
                        struct backup_report *report, bn_error *err);

/* The snapshots, oldest first: a list of names "20260131T120000.000000Z-0123456789abcdef". */
bn_status backup_list(struct vault *vault, json_t **names, bn_error *err);
/* A snapshot: {"format", "created", "host", "files": [{"path", "size", "mode", "mtime_ns", "identity", "pieces": [name…]}]}.
 * `name` NULL: the newest; else a name or the beginning of one. chosen gets the whole name. */
bn_status backup_read(struct vault *vault, const char *name, char chosen[64], json_t **snapshot, bn_error *err);

/* Reads every piece of a snapshot (NULL: of all) and checks it; damage(context, what) is called for each that is bad, and the end is
 * BN_STATUS_BAD_FILE then. */
bn_status backup_verify(struct vault *vault, const char *name, const struct byte_progress *progress,
                        void (*damage)(void *context, const char *what), void *context, struct backup_report *report,
                        bn_error *err);

/* Which snapshots stay: of each machine the newest ones, and the newest of each of the newest hours, days, … that have one. */
enum prune_rule { KEEP_LAST, KEEP_HOURLY, KEEP_DAILY, KEEP_WEEKLY, KEEP_MONTHLY, KEEP_YEARLY, N_PRUNE_RULES };
struct prune_rules {
    size_t keep[N_PRUNE_RULES]; /* how many; 0: the rule isn't given */
    bool dry_run;               /* only say */
};
const char *prune_rule_name(enum prune_rule rule); /* "daily" */

/* A snapshot that was looked at; by[rule]: a rule keeps it, with none it goes. */
struct prune_decision {
    char name[64], host[66];
    bool by[N_PRUNE_RULES];
    bool stays;
};
struct prune_report {
    struct prune_decision *snapshots; /* newest first */
    size_t n_snapshots;
    size_t n_objects; /* pieces that went, or would */
    uint64_t freed_bytes, stored_bytes;
};

/* Removes snapshots that no rule keeps, and the pieces that only they had. Nothing goes when a snapshot can't be read: which
 * pieces it has isn't known then. BN_STATUS_BAD_ARGUMENT without a rule, BN_STATUS_BUSY while others work on the backup. Release
 * the report in any case. */
bn_status backup_prune(struct vault *vault, const struct prune_rules *rules, const struct byte_progress *progress,
                       struct prune_report *report, bn_error *err);
void prune_report_release(struct prune_report *report);

/* Puts a snapshot's files back. A file that is there with another content is BN_STATUS_BAD_ARGUMENT before anything is
 * written, unless `overwrite`; versions that are there stay. Ends with the registry made again from the files. */
bn_status backup_restore(struct vault *vault, const char *name, const struct backup_places *places, bool overwrite,
                         const struct byte_progress *progress, struct backup_report *report, bn_error *err);

#endif
