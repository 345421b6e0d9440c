/* Where a backup lies and what opens it: what all commands of backups share. */
#ifndef CLI_HUB_BACKUP_OPTIONS_H
#define CLI_HUB_BACKUP_OPTIONS_H

#include "backup/vault.h"
#include "cli/options.h"

struct backup_options {
    const char *passphrase_file, *key_file;
    struct bucket_settings bucket;
};
extern const struct option backup_secret_options[], backup_bucket_options[];

enum backup_purpose { BACKUP_OPEN, BACKUP_CREATE, BACKUP_CREATE_ENCRYPTED };

/* Opens the backup at `place`, a folder or s3://BUCKET/FOLDER; a passphrase that is needed and not given is asked for on the
 * terminal. Close the vault in any case. */
bn_status backup_options_open(const struct backup_options *options, const char *place, enum backup_purpose purpose,
                              struct vault *vault, bn_error *err);

#endif
