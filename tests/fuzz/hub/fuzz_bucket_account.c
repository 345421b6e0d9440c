/* Any bytes as ~/.aws/credentials and ~/.aws/config: refused with a message, or every value that is taken stands in the file. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backup/bucket_account.h"

static void stands_in(const char *value, const uint8_t *bytes, size_t size) {
    if (value && *value && !memmem(bytes, size, value, strlen(value))) abort();
    if (value && strchr(value, '\n')) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    char path[32];
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (fd < 0 || write(fd, bytes, size) != (ssize_t)size) abort();
    setenv("AWS_SHARED_CREDENTIALS_FILE", path, 1);
    setenv("AWS_CONFIG_FILE", path, 1);
    const struct bucket_settings settings = {.profile = "p", .region = "r1"};
    struct bucket_account account;
    bn_error err = {0};
    bn_status status = bucket_account_find(&settings, &account, &err);
    if (status && !err.message[0]) abort();
    if (!status && (!account.key_id || !account.secret)) abort();
    stands_in(account.key_id, bytes, size);
    stands_in(account.secret, bytes, size);
    stands_in(account.session_token, bytes, size);
    stands_in(account.endpoint, bytes, size);
    bucket_account_release(&account);
    close(fd);
    return 0;
}
