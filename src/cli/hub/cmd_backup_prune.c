/* `bitnet backup prune`: which snapshots stay. */
#include <stdio.h>

#include "backup/backup.h"
#include "cli/hub/backup_options.h"
#include "cli/hub/registry_commands.h"
#include "cli/json_output.h"

struct prune_settings {
    struct backup_options place;
    size_t keep[N_PRUNE_RULES];
    bool dry_run;
};
#define FIELD(name) offsetof(struct prune_settings, name)
#define KEEP(rule)  offsetof(struct prune_settings, keep) + (rule) * sizeof(size_t)

static const struct option options[] = {
    {"keep-last", 0, OPTION_SIZE, KEEP(KEEP_LAST), "N", 0, 1e9, "keep the N newest", NULL},
    {"keep-hourly", 0, OPTION_SIZE, KEEP(KEEP_HOURLY), "N", 0, 1e9, "keep the newest of each of the last N hours",
     NULL},
    {"keep-daily", 0, OPTION_SIZE, KEEP(KEEP_DAILY), "N", 0, 1e9, "… of the last N days", NULL},
    {"keep-weekly", 0, OPTION_SIZE, KEEP(KEEP_WEEKLY), "N", 0, 1e9, "… of the last N weeks", NULL},
    {"keep-monthly", 0, OPTION_SIZE, KEEP(KEEP_MONTHLY), "N", 0, 1e9, "… of the last N months", NULL},
    {"keep-yearly", 0, OPTION_SIZE, KEEP(KEEP_YEARLY), "N", 0, 1e9, "… of the last N years", NULL},
    {"dry-run", 'n', OPTION_FLAG, FIELD(dry_run), NULL, 0, 0, "say what would go, and keep it", NULL},
    {0},
};
static const struct option_group groups[] = {{"Rules", options, 0},
                                             {"Encryption", backup_secret_options, FIELD(place)},
                                             {"Bucket", backup_bucket_options, FIELD(place)},
                                             {0}};

static bn_status write_json(const struct prune_rules *rules, const struct prune_report *report, bn_error *err) {
    json_t *snapshots = json_array();
    for (size_t i = 0; i < report->n_snapshots; i++) {
        const struct prune_decision *snapshot = &report->snapshots[i];
        json_t *by = json_array();
        for (size_t rule = 0; rule < N_PRUNE_RULES; rule++)
            if (snapshot->by[rule]) json_array_append_new(by, json_string(prune_rule_name((enum prune_rule)rule)));
        json_array_append_new(snapshots, json_pack("{s:s, s:s, s:b, s:o}", "snapshot", snapshot->name, "host",
                                                   snapshot->host, "stays", snapshot->stays, "kept_by", by));
    }
    return json_write_line(stdout,
                           json_pack("{s:b, s:o, s:I, s:I, s:I}", "dry_run", rules->dry_run, "snapshots", snapshots,
                                     "objects", (json_int_t)report->n_objects, "freed_bytes",
                                     (json_int_t)report->freed_bytes, "stored_bytes", (json_int_t)report->stored_bytes),
                           err);
}

static void print_report(const struct invocation *invocation, const struct prune_rules *rules,
                         const struct prune_report *report) {
    char freed[32], stored[32], host[80];
    size_t n_gone = 0;
    for (size_t i = 0; i < report->n_snapshots; i++) {
        const struct prune_decision *snapshot = &report->snapshots[i];
        printf("%-8s %s  %s", snapshot->stays ? "keep" : "remove", snapshot->name,
               printable(snapshot->host, host, sizeof host));
        for (size_t rule = 0; rule < N_PRUNE_RULES; rule++)
            if (snapshot->by[rule]) printf("  %s", prune_rule_name((enum prune_rule)rule));
        putchar('\n');
        n_gone += !snapshot->stays;
    }
    say(invocation, "%zu of %zu snapshots %s, and %zu pieces: %s; %s stay", n_gone, report->n_snapshots,
        rules->dry_run ? "would go" : "went", report->n_objects, size_text(report->freed_bytes, freed),
        size_text(report->stored_bytes, stored));
}

static enum exit_code run(struct invocation *invocation) {
    const struct prune_settings *settings = invocation->settings;
    struct prune_rules rules = {.dry_run = settings->dry_run};
    struct prune_report report = {0};
    struct vault vault;
    struct byte_bar bar;
    bn_error error = {0};
    for (size_t i = 0; i < N_PRUNE_RULES; i++) rules.keep[i] = settings->keep[i];
    bn_status status = backup_options_open(&settings->place, invocation->arguments[0], BACKUP_OPEN, &vault, &error);
    if (!status) {
        byte_bar_begin(&bar, invocation, 0);
        status = backup_prune(&vault, &rules, &bar.callback, &report, &error);
        byte_bar_end(&bar);
    }
    vault_close(&vault);
    if (!status && invocation->common.json)
        status = write_json(&rules, &report, &error);
    else if (!status)
        print_report(invocation, &rules, &report);
    prune_report_release(&report);
    return command_exit(status, &error);
}

const struct command command_backup_prune = {
    .name = "backup prune",
    .arguments = "PLACE",
    .summary = "remove old snapshots of a backup by rule",
    .description =
        "Removes the snapshots that no rule keeps, and the pieces that only they had. Every rule counts for each "
        "machine's "
        "snapshots by themselves: --keep-daily 7 keeps the newest snapshot of each of the last seven days (in UTC) "
        "that have "
        "one. At least one rule has to be given, and so the newest snapshot of each machine always stays.\n\n"
        "While others make snapshots there, nothing is removed. When a snapshot can't be read, nothing is removed "
        "either: "
        "which pieces it needs isn't known.",
    .examples = "# what would go\n"
                "bitnet backup prune /media/disk/bitnet --keep-last 3 --keep-daily 7 --keep-weekly 5 --dry-run\n"
                "bitnet backup prune s3://backups/laptop --keep-daily 7 --keep-monthly 12",
    .groups = groups,
    .settings_bytes = sizeof(struct prune_settings),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
