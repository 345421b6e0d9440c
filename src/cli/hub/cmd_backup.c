/* `bitnet backup create|list|verify|restore`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backup/backup.h"
#include "base/file.h"
#include "base/folders.h"
#include "base/memory.h"
#include "cli/hub/backup_options.h"
#include "cli/hub/registry_commands.h"
#include "cli/json_output.h"
#include "cli/model_path.h"

struct backup_settings {
    struct backup_options place;
    bool encrypt;
    const char *to;
    bool overwrite;
};
#define FIELD(name) offsetof(struct backup_settings, name)

static const struct option create_options[] = {
    {"encrypt", 0, OPTION_FLAG, FIELD(encrypt), NULL, 0, 0,
     "encrypt a new backup with a passphrase that is asked for on the terminal", NULL},
    {0},
};
static const struct option restore_options[] = {
    {"to", 0, OPTION_TEXT, FIELD(to), "FOLDER", 0, 0,
     "put all into FOLDER (data, models, config, state) instead of where it was", NULL},
    {"overwrite", 0, OPTION_FLAG, FIELD(overwrite), NULL, 0, 0, "replace files that are here with another content",
     NULL},
    {0},
};
static const struct option_group create_groups[] = {{"Create", create_options, 0},
                                                    {"Encryption", backup_secret_options, FIELD(place)},
                                                    {"Bucket", backup_bucket_options, FIELD(place)},
                                                    {0}};
static const struct option_group groups[] = {
    {"Encryption", backup_secret_options, FIELD(place)}, {"Bucket", backup_bucket_options, FIELD(place)}, {0}};
static const struct option_group restore_groups[] = {{"Restore", restore_options, 0},
                                                     {"Encryption", backup_secret_options, FIELD(place)},
                                                     {"Bucket", backup_bucket_options, FIELD(place)},
                                                     {0}};

static bn_status open_vault(const struct invocation *invocation, enum backup_purpose purpose, struct vault *vault,
                            bn_error *err) {
    const struct backup_settings *settings = invocation->settings;
    return backup_options_open(&settings->place, invocation->arguments[0], purpose, vault, err);
}

/* ---- places ---- */

struct places {
    char *home, *models, *config, *state;
};

static char *state_folder(void) {
    const char *base = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    if (base && *base) return path_join(base, "bitnet");
    return home && *home ? path_join(home, ".local/state/bitnet") : NULL;
}

static bn_status find_places(const char *to, struct places *out, bn_error *err) {
    *out = to ? (struct places){path_join(to, "data"), path_join(to, "models"), path_join(to, "config.ini"),
                                path_join(to, "state")}
              : (struct places){data_path(""), models_folder(), config_path(), state_folder()};
    return out->home ? BN_OK : fail(err, BN_STATUS_NOT_FOUND, "HOME, XDG_DATA_HOME and BITNET_HOME are not set");
}

static struct backup_places borrow(const struct places *places) {
    return (struct backup_places){places->home, places->models, places->config, places->state};
}

static void places_release(struct places *places) {
    mem_free(places->home);
    mem_free(places->models);
    mem_free(places->config);
    mem_free(places->state);
}

/* ---- reports ---- */

static bn_status write_report(const struct backup_report *report, bn_error *err) {
    return json_write_line(stdout,
                           json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "snapshot", report->snapshot, "files",
                                     (json_int_t)report->n_files, "versions", (json_int_t)report->n_versions, "bytes",
                                     (json_int_t)report->bytes, "read_bytes", (json_int_t)report->read_bytes,
                                     "stored_bytes", (json_int_t)report->stored_bytes, "damaged",
                                     (json_int_t)report->n_damaged),
                           err);
}

/* ---- create ---- */

static enum exit_code run_create(struct invocation *invocation) {
    struct vault vault;
    struct places places = {0};
    struct backup_report report = {0};
    struct byte_bar bar;
    bn_error error = {0};
    const struct backup_settings *settings = invocation->settings;
    bn_status status =
        open_vault(invocation, settings->encrypt ? BACKUP_CREATE_ENCRYPTED : BACKUP_CREATE, &vault, &error);
    if (!status) status = find_places(NULL, &places, &error);
    if (!status) {
        const struct backup_places borrowed = borrow(&places);
        byte_bar_begin(&bar, invocation, 0);
        status = backup_create(&vault, &borrowed, &bar.callback, &report, &error);
        byte_bar_end(&bar);
    }
    vault_close(&vault);
    places_release(&places);
    char bytes[32], read[32], stored[32];
    if (!status && invocation->common.json)
        status = write_report(&report, &error);
    else if (!status)
        say(invocation, "snapshot %s: %zu files, %zu versions of models, %s; %s read, %s new", report.snapshot,
            report.n_files, report.n_versions, size_text(report.bytes, bytes), size_text(report.read_bytes, read),
            size_text(report.stored_bytes, stored));
    return command_exit(status, &error);
}

/* ---- list ---- */

static bn_status list_snapshot(const struct invocation *invocation, struct vault *vault, const char *name,
                               bn_error *err) {
    char chosen[64], size[32];
    json_t *snapshot;
    bn_status status = backup_read(vault, name, chosen, &snapshot, err);
    if (status) return status;
    const json_t *files = json_object_get(snapshot, "files");
    uint64_t bytes = 0;
    for (size_t i = 0; i < json_array_size(files); i++)
        bytes += (uint64_t)json_integer_value(json_object_get(json_array_get(files, i), "size"));
    if (invocation->common.json)
        status =
            json_write_line(stdout,
                            json_pack("{s:s, s:O, s:O, s:I, s:I}", "snapshot", chosen, "created",
                                      json_object_get(snapshot, "created"), "host", json_object_get(snapshot, "host"),
                                      "files", (json_int_t)json_array_size(files), "bytes", (json_int_t)bytes),
                            err);
    else
        printf("%s  %6zu files  %9s  %s\n", chosen, json_array_size(files), size_text(bytes, size),
               json_string_value(json_object_get(snapshot, "host")));
    json_decref(snapshot);
    return status;
}

static bn_status list_files(const struct invocation *invocation, struct vault *vault, bn_error *err) {
    char chosen[64];
    json_t *snapshot;
    bn_status status = backup_read(vault, invocation->arguments[1], chosen, &snapshot, err);
    if (status) return status;
    if (invocation->common.json) return json_write_line(stdout, snapshot, err);
    const json_t *files = json_object_get(snapshot, "files");
    for (size_t i = 0; i < json_array_size(files); i++) {
        const json_t *file = json_array_get(files, i);
        char shown[1100];
        printf("%14" JSON_INTEGER_FORMAT "  %s\n", json_integer_value(json_object_get(file, "size")),
               printable(json_string_value(json_object_get(file, "path")), shown, sizeof shown));
    }
    json_decref(snapshot);
    return BN_OK;
}

static enum exit_code run_list(struct invocation *invocation) {
    struct vault vault;
    json_t *names = NULL;
    bn_error error = {0};
    bn_status status = open_vault(invocation, BACKUP_OPEN, &vault, &error);
    bool one = invocation->n_arguments > 1;
    if (!status && one) status = list_files(invocation, &vault, &error);
    if (!status && !one) status = backup_list(&vault, &names, &error);
    for (size_t i = 0; !status && i < json_array_size(names); i++)
        status = list_snapshot(invocation, &vault, json_string_value(json_array_get(names, i)), &error);
    json_decref(names);
    vault_close(&vault);
    return command_exit(status, &error);
}

/* ---- verify ---- */

static void show_damage(void *context, const char *what) {
    (void)context;
    fprintf(stderr, "%s\n", what);
}

static enum exit_code run_verify(struct invocation *invocation) {
    struct vault vault;
    struct backup_report report = {0};
    struct byte_bar bar;
    bn_error error = {0};
    const char *name = invocation->n_arguments > 1 ? invocation->arguments[1] : NULL;
    bn_status status = open_vault(invocation, BACKUP_OPEN, &vault, &error);
    if (!status) {
        byte_bar_begin(&bar, invocation, 0);
        status = backup_verify(&vault, name, &bar.callback, show_damage, NULL, &report, &error);
        byte_bar_end(&bar);
    }
    vault_close(&vault);
    if (invocation->common.json && (!status || report.n_damaged)) write_report(&report, NULL);
    char bytes[32];
    if (!status && !invocation->common.json)
        say(invocation, "%zu files are whole, %s read", report.n_files, size_text(report.read_bytes, bytes));
    return command_exit(status, &error);
}

/* ---- restore ---- */

static enum exit_code run_restore(struct invocation *invocation) {
    const struct backup_settings *settings = invocation->settings;
    struct vault vault;
    struct places places = {0};
    struct backup_report report = {0};
    struct byte_bar bar;
    bn_error error = {0};
    const char *name = invocation->n_arguments > 1 ? invocation->arguments[1] : NULL;
    bn_status status = open_vault(invocation, BACKUP_OPEN, &vault, &error);
    if (!status) status = find_places(settings->to, &places, &error);
    if (!status) {
        const struct backup_places borrowed = borrow(&places);
        byte_bar_begin(&bar, invocation, 0);
        status = backup_restore(&vault, name, &borrowed, settings->overwrite, &bar.callback, &report, &error);
        byte_bar_end(&bar);
    }
    vault_close(&vault);
    places_release(&places);
    char bytes[32];
    if (!status && invocation->common.json)
        status = write_report(&report, &error);
    else if (!status)
        say(invocation, "restored %s: %zu files, %zu versions of models, %s", report.snapshot, report.n_files,
            report.n_versions, size_text(report.bytes, bytes));
    return command_exit(status, &error);
}

#define PLACE_TEXT                                                                                                     \
    "PLACE is a folder (on another disk, it survives this one) or s3://BUCKET/FOLDER in a bucket that speaks S3."

const struct command command_backup_create = {
    .name = "backup create",
    .arguments = "PLACE",
    .summary = "save models, registry, configuration and sessions",
    .description =
        "Makes a snapshot of all that this program keeps for you: models with all their versions, the registry, the "
        "models folder, the configuration, histories of chats. Files are cut where their content says so and each "
        "piece is stored "
        "once, compressed, under its hash: the next snapshot stores what is new. With a passphrase or a key file, "
        "given when the "
        "first snapshot is made, everything is encrypted; without it there is no way back. " PLACE_TEXT
        "\n\nFor a bucket, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION, AWS_ENDPOINT_URL, "
        "AWS_PROFILE and the files ~/.aws/credentials and ~/.aws/config are obeyed."
        "\n\nA snapshot counts only when all of it is stored: one that was cut off isn't seen, and what it stored is "
        "used by the next. Tokens "
        "of hubs aren't saved.",
    .examples = "bitnet backup create /media/disk/bitnet\n"
                "# encrypted; the passphrase is asked for\n"
                "bitnet backup create /media/disk/bitnet-locked --encrypt\n"
                "bitnet backup create s3://backups/laptop --key-file key --endpoint-url https://minio.example:9000",
    .groups = create_groups,
    .settings_bytes = sizeof(struct backup_settings),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run_create,
};

const struct command command_backup_list = {
    .name = "backup list",
    .arguments = "PLACE [SNAPSHOT]",
    .summary = "the snapshots of a backup, or the files of one",
    .description = "Lists snapshots, oldest first, or the files of one. SNAPSHOT is its name or the beginning of it.",
    .examples = "bitnet backup list /media/disk/bitnet\nbitnet backup list /media/disk/bitnet 20260131",
    .groups = groups,
    .settings_bytes = sizeof(struct backup_settings),
    .min_arguments = 1,
    .max_arguments = 2,
    .run = run_list,
};

const struct command command_backup_verify = {
    .name = "backup verify",
    .arguments = "PLACE [SNAPSHOT]",
    .summary = "read a backup and check every piece of it",
    .description =
        "Reads all pieces of all snapshots (or of one), decrypts, and compares their hashes. Says which files "
        "couldn't be restored, and ends with 1 if there are any.",
    .examples = "bitnet backup verify /media/disk/bitnet",
    .groups = groups,
    .settings_bytes = sizeof(struct backup_settings),
    .min_arguments = 1,
    .max_arguments = 2,
    .run = run_verify,
};

const struct command command_backup_restore = {
    .name = "backup restore",
    .arguments = "PLACE [SNAPSHOT]",
    .summary = "put back what a backup saved",
    .description = "Puts the files of a snapshot (the newest, when none is named) back to where they belong, and makes "
                   "the registry anew "
                   "from them. Versions of models that are here stay. If other files are here with another content, "
                   "nothing is written "
                   "and the message says so. Every piece is checked against its hash before it is written.",
    .examples =
        "bitnet backup restore /media/disk/bitnet\nbitnet backup restore /media/disk/bitnet 20260131 --to restored",
    .groups = restore_groups,
    .settings_bytes = sizeof(struct backup_settings),
    .min_arguments = 1,
    .max_arguments = 2,
    .run = run_restore,
};
