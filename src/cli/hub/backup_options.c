#include "cli/hub/backup_options.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "base/memory.h"
#include "cli/signals.h"
#include "cli/terminal.h"

#define FIELD(name) offsetof(struct backup_options, name)
const struct option backup_secret_options[] = {
    {"passphrase-file", 0, OPTION_TEXT, FIELD(passphrase_file), "FILE", 0, 0,
     "encrypt with (or open by) the passphrase in the first line of FILE; -: of standard input. Without it a terminal "
     "is "
     "asked",
     NULL},
    {"key-file", 0, OPTION_TEXT, FIELD(key_file), "FILE", 0, 0,
     "encrypt with (or open by) a file of at least 32 random bytes", NULL},
    {0},
};
const struct option backup_bucket_options[] = {
    {"endpoint-url", 0, OPTION_TEXT, FIELD(bucket.endpoint), "URL", 0, 0,
     "the server of the bucket, when it isn't Amazon's", NULL},
    {"region", 0, OPTION_TEXT, FIELD(bucket.region), "NAME", 0, 0, "where the bucket is, such as eu-central-1", NULL},
    {"profile", 0, OPTION_TEXT, FIELD(bucket.profile), "NAME", 0, 0, "whose keys of ~/.aws/credentials are used", NULL},
    {"addressing", 0, OPTION_CHOICE, FIELD(bucket.addressing), "auto|path|virtual", 0, 0,
     "whether the bucket's name is in the path or in the host's name; auto: in the path, but at Amazon's", NULL},
    {0},
};

/* ---- passphrases ---- */

/* The first line of a file. */
static bn_status read_passphrase(const char *path, char line[PASSPHRASE_MAX_BYTES], bn_error *err) {
    bool standard = strcmp(path, "-") == 0;
    FILE *stream = standard ? stdin : fopen(path, "r");
    bool read = stream && fgets(line, PASSPHRASE_MAX_BYTES, stream);
    if (stream && !standard) fclose(stream);
    if (!read) return fail(err, BN_STATUS_NOT_FOUND, "%s: no passphrase can be read", path);
    line[strcspn(line, "\r\n")] = 0;
    return *line ? BN_OK : fail(err, BN_STATUS_BAD_ARGUMENT, "%s: the passphrase is empty", path);
}

static bn_status type_in(const char *prompt, char line[PASSPHRASE_MAX_BYTES], bn_error *err) {
    if (terminal_read_secret(prompt, line, PASSPHRASE_MAX_BYTES))
        return *line ? BN_OK : fail(err, BN_STATUS_BAD_ARGUMENT, "the passphrase is empty");
    if (interrupted()) return fail(err, BN_STATUS_CANCELLED, "interrupted");
    return fail(err, BN_STATUS_BAD_ARGUMENT, "no passphrase came");
}

static bn_status ask(bool anew, char out[PASSPHRASE_MAX_BYTES], bn_error *err) {
    bn_status status = type_in(anew ? "New passphrase for the backup: " : "Passphrase of the backup: ", out, err);
    if (status || !anew) return status;
    char *again = mem_calloc(1, PASSPHRASE_MAX_BYTES);
    if (!again) return fail_no_memory(err, PASSPHRASE_MAX_BYTES);
    status = type_in("The same again (without it nothing can be restored): ", again, err);
    if (!status && strcmp(out, again) != 0)
        status = fail(err, BN_STATUS_BAD_ARGUMENT, "the two passphrases aren't the same: nothing was made");
    sodium_memzero(again, PASSPHRASE_MAX_BYTES);
    mem_free(again);
    return status;
}

/* ---- opening ---- */

static bool is_interrupted(void *context) {
    (void)context;
    return interrupted();
}

static bn_status open_store(const struct backup_options *options, const char *place, bool create,
                            struct backup_store *store, bn_error *err) {
    return is_bucket_place(place) ? bucket_store_open(place, &options->bucket, is_interrupted, store, err)
                                  : folder_store_open(place, create, store, err);
}

bn_status backup_options_open(const struct backup_options *options, const char *place, enum backup_purpose purpose,
                              struct vault *vault, bn_error *err) {
    struct backup_store store;
    bool create = purpose != BACKUP_OPEN;
    *vault = (struct vault){0};
    if (options->passphrase_file && options->key_file)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "give a passphrase or a key file, not both");
    char *passphrase = options->passphrase_file ? mem_calloc(1, PASSPHRASE_MAX_BYTES) : NULL;
    bn_status status = options->passphrase_file && !passphrase ? fail_no_memory(err, PASSPHRASE_MAX_BYTES) : BN_OK;
    if (!status && passphrase) status = read_passphrase(options->passphrase_file, passphrase, err);
    if (!status) status = open_store(options, place, create, &store, err);
    if (!status) {
        const struct vault_secret secret = {.passphrase = passphrase,
                                            .key_file = options->key_file,
                                            .encrypt = purpose == BACKUP_CREATE_ENCRYPTED,
                                            .ask = isatty(STDIN_FILENO) ? ask : NULL};
        status = vault_open(&store, create, &secret, vault, err);
    }
    if (passphrase) sodium_memzero(passphrase, PASSPHRASE_MAX_BYTES);
    mem_free(passphrase);
    if (status && status != BN_STATUS_CANCELLED) error_prefix(err, "%s", place);
    return status;
}
