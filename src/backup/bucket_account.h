/* Which server a bucket is at and who asks, by the settings that other programs for such buckets use too: the variables AWS_…
 * and the files ~/.aws/credentials and ~/.aws/config. */
#ifndef BACKUP_BUCKET_ACCOUNT_H
#define BACKUP_BUCKET_ACCOUNT_H

#include "base/error.h"

/* What was said on the command line; NULL: not said. */
struct bucket_settings {
    const char *endpoint; /* "https://host[:port]" of a server that isn't Amazon's */
    const char *region;
    const char *profile;    /* section of the files */
    const char *addressing; /* "auto", "path": ENDPOINT/BUCKET/KEY; "virtual": BUCKET.ENDPOINT/KEY */
};

struct bucket_account {
    char *endpoint; /* NULL: Amazon's of the region */
    char *region;
    char *key_id, *secret, *session_token; /* session_token: NULL for permanent keys */
};

/* Settings first, then $AWS_ENDPOINT_URL_S3 or $AWS_ENDPOINT_URL, $AWS_REGION or $AWS_DEFAULT_REGION; keys from
 * $AWS_ACCESS_KEY_ID, $AWS_SECRET_ACCESS_KEY and $AWS_SESSION_TOKEN; then the profile's (setting, $AWS_PROFILE, else "default") in
 * $AWS_SHARED_CREDENTIALS_FILE (~/.aws/credentials) and $AWS_CONFIG_FILE (~/.aws/config). BN_STATUS_BAD_ARGUMENT when there are no
 * keys. Release *out in any case: it wipes the secrets. */
bn_status bucket_account_find(const struct bucket_settings *settings, struct bucket_account *out, bn_error *err);
void bucket_account_release(struct bucket_account *account);

#endif
