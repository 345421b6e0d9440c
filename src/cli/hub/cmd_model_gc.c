/* `bitnet model gc`: room on the disk. */
#include <stdio.h>

#include "cli/hub/quantity.h"
#include "cli/hub/registry_commands.h"
#include "cli/json_output.h"
#include "registry/gc.h"

struct gc_settings {
    int64_t keep_last;
    const char *max_size, *unused_for;
    bool dry_run;
};
#define FIELD(name) offsetof(struct gc_settings, name)

static const struct option options[] = {
    {"keep-last", 0, OPTION_INTEGER, FIELD(keep_last), "N", 0, 1e9, "keep the N newest versions of each model", NULL},
    {"unused-for", 0, OPTION_TEXT, FIELD(unused_for), "TIME", 0, 0,
     "remove only what wasn't used for so long: 12h, 30d", NULL},
    {"max-size", 0, OPTION_TEXT, FIELD(max_size), "SIZE", 0, 0,
     "remove, the longest unused first, only until the rest fits: 500M, 20GB", NULL},
    {"dry-run", 'n', OPTION_FLAG, FIELD(dry_run), NULL, 0, 0, "say what would go, and keep it", NULL},
    {0},
};
static const struct option_group groups[] = {{"Rules", options, 0}, {0}};

static void set_defaults(void *settings) {
    ((struct gc_settings *)settings)->keep_last = -1;
}

static bn_status read_rules(const struct gc_settings *settings, struct gc_rules *rules, bn_error *err) {
    *rules = (struct gc_rules){.has_keep_last = settings->keep_last >= 0,
                               .keep_last = settings->keep_last < 0 ? 0 : (size_t)settings->keep_last,
                               .has_unused_for = settings->unused_for,
                               .has_max_bytes = settings->max_size,
                               .dry_run = settings->dry_run};
    bn_status status = BN_OK;
    if (settings->unused_for) status = parse_duration(settings->unused_for, "--unused-for", &rules->unused_for_s, err);
    if (!status && settings->max_size) status = parse_bytes(settings->max_size, "--max-size", &rules->max_bytes, err);
    return status;
}

static bn_status write_json(const struct registry *registry, const struct gc_rules *rules,
                            const struct gc_report *report, bn_error *err) {
    json_t *removed = json_array();
    for (size_t i = 0; i < report->removed.n; i++)
        json_array_append_new(removed, version_json(registry, &report->removed.items[i]));
    return json_write_line(stdout,
                           json_pack("{s:b, s:o, s:I, s:I, s:I, s:I}", "dry_run", rules->dry_run, "removed", removed,
                                     "open", (json_int_t)report->n_open, "leftovers", (json_int_t)report->n_leftovers,
                                     "freed_bytes", (json_int_t)report->freed_bytes, "stored_bytes",
                                     (json_int_t)report->stored_bytes),
                           err);
}

static void print_report(const struct invocation *invocation, const struct gc_rules *rules,
                         const struct gc_report *report) {
    char name[300], size[32], stored[32];
    for (size_t i = 0; i < report->removed.n; i++)
        printf("%s %s\n", rules->dry_run ? "would remove" : "removed",
               version_name(&report->removed.items[i], name, sizeof name));
    say(invocation, "%zu version%s and %zu leftover%s %s: %s; %s stay", report->removed.n,
        report->removed.n == 1 ? "" : "s", report->n_leftovers, report->n_leftovers == 1 ? "" : "s",
        rules->dry_run ? "would go" : "went", size_text(report->freed_bytes, size),
        size_text(report->stored_bytes, stored));
    if (report->n_open)
        say(invocation, "%zu more %s open in running processes", report->n_open, report->n_open == 1 ? "is" : "are");
    if (rules->has_max_bytes && report->stored_bytes > rules->max_bytes)
        say(invocation, "still more than --max-size: what is in use, pinned, tagged or kept by the other rules stays");
}

static enum exit_code run(struct invocation *invocation) {
    struct registry *registry = NULL;
    struct gc_rules rules;
    struct gc_report report = {0};
    bn_error error = {0};
    bn_status status = read_rules(invocation->settings, &rules, &error);
    if (!status) status = registry_open_existing(NULL, &registry, &error);
    if (!status && registry) status = registry_gc(registry, &rules, &report, &error);
    if (!status && invocation->common.json)
        status = write_json(registry, &rules, &report, &error);
    else if (!status)
        print_report(invocation, &rules, &report);
    version_list_release(&report.removed);
    registry_close(registry);
    return command_exit(status, &error);
}

const struct command command_model_gc = {
    .name = "model gc",
    .arguments = "",
    .summary = "make room: remove old versions by rule, and leftovers",
    .description = "Removes what ended processes left unfinished and, with rules, old versions: those that every rule "
                   "given lets go. "
                   "What is in use, pinned, tagged, or open in a running process stays. Files that several versions "
                   "have count once. "
                   "Without a rule no version goes.",
    .examples = "# what wasn't used for a month would free so much\n"
                "bitnet model gc --unused-for 30d --dry-run\n"
                "bitnet model gc --keep-last 3 --max-size 20GB",
    .groups = groups,
    .settings_bytes = sizeof(struct gc_settings),
    .set_defaults = set_defaults,
    .min_arguments = 0,
    .max_arguments = 0,
    .run = run,
};
