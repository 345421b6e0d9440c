/* Removing snapshots by rule. Snapshots go first, then the pieces that no other has: cut off anywhere, what is left is
 * whole snapshots and, at worst, pieces that the next run removes. */
#include <ctype.h>
#include <string.h>
#include <time.h>

#include "backup/backup_parts.h"
#include "backup/lock.h"
#include "base/arena.h"
#include "base/memory.h"

struct pruning {
    struct vault *vault;
    const struct prune_rules *rules;
    const struct byte_progress *progress;
    struct prune_report *report;
    struct backup_lock lock;
    struct string_map needed; /* pieces of the snapshots that stay */
    struct arena names;       /* theirs */
};

const char *prune_rule_name(enum prune_rule rule) {
    static const char *const names[] = {[KEEP_LAST] = "last",     [KEEP_HOURLY] = "hourly",   [KEEP_DAILY] = "daily",
                                        [KEEP_WEEKLY] = "weekly", [KEEP_MONTHLY] = "monthly", [KEEP_YEARLY] = "yearly"};
    return names[rule];
}

void prune_report_release(struct prune_report *report) {
    mem_free(report->snapshots);
    *report = (struct prune_report){0};
}

/* ---- which stay ---- */

/* "20260131T120000.123456Z-0123…" begins with a time. */
static bool has_time(const char *name) {
    static const char form[] = "00000000T000000";
    for (size_t i = 0; form[i]; i++)
        if (form[i] == '0' ? !isdigit((unsigned char)name[i]) : name[i] != form[i]) return false;
    return true;
}

/* The hour, day, … that the snapshot's time lies in, as a text that is another for each. */
static void period_of(const char *name, enum prune_rule rule, char out[64]) {
    static const int digits[] = {[KEEP_HOURLY] = 11, [KEEP_DAILY] = 8, [KEEP_MONTHLY] = 6, [KEEP_YEARLY] = 4};
    if (rule == KEEP_LAST) {
        snprintf(out, 64, "%.63s", name);
    } else if (rule == KEEP_WEEKLY) { /* of ISO 8601 */
        struct tm day = {0};
        strptime(name, "%Y%m%d", &day);
        time_t at = timegm(&day);
        gmtime_r(&at, &day);
        strftime(out, 64, "%GW%V", &day);
    } else {
        snprintf(out, 64, "%.*s", digits[rule], name);
    }
}

static void apply_rule(struct prune_report *report, const char *host, enum prune_rule rule, size_t n) {
    char last[64] = "", period[64];
    for (size_t i = 0; i < report->n_snapshots && n; i++) {
        struct prune_decision *snapshot = &report->snapshots[i];
        if (strcmp(snapshot->host, host) != 0) continue;
        period_of(snapshot->name, rule, period);
        if (strcmp(period, last) == 0) continue;
        memcpy(last, period, sizeof last);
        snapshot->by[rule] = snapshot->stays = true;
        n--;
    }
}

/* Every machine's for itself: another's newer snapshots don't make its own superfluous. */
static void decide(struct pruning *pruning) {
    struct prune_report *report = pruning->report;
    for (size_t i = 0; i < report->n_snapshots; i++) {
        bool first = true;
        for (size_t j = 0; j < i; j++) first = first && strcmp(report->snapshots[j].host, report->snapshots[i].host);
        for (size_t rule = 0; first && rule < N_PRUNE_RULES; rule++)
            apply_rule(report, report->snapshots[i].host, (enum prune_rule)rule, pruning->rules->keep[rule]);
    }
}

static bn_status read_snapshots(struct pruning *pruning, bn_error *err) {
    json_t *names;
    struct prune_report *report = pruning->report;
    bn_status status = backup_list(pruning->vault, &names, err);
    if (status) return status;
    size_t n = json_array_size(names);
    report->snapshots = mem_calloc(n + 1, sizeof *report->snapshots);
    if (!report->snapshots) status = fail_no_memory(err, n * sizeof *report->snapshots);
    for (size_t i = n; !status && i-- > 0;) {
        struct prune_decision *snapshot = &report->snapshots[report->n_snapshots++];
        const char *name = json_string_value(json_array_get(names, i));
        json_t *content;
        status = backup_read(pruning->vault, name, snapshot->name, &content, err);
        if (!status && !has_time(snapshot->name))
            status = fail(err, BN_STATUS_BAD_FILE, "snapshots/%.60s isn't named as snapshots are", snapshot->name);
        const char *host = json_string_value(json_object_get(content, "host"));
        snprintf(snapshot->host, sizeof snapshot->host, "%.65s", host ? host : "");
        json_decref(content);
    }
    json_decref(names);
    return status;
}

/* ---- which pieces those have ---- */

static bn_status need_pieces(struct pruning *pruning, const json_t *pieces, bn_error *err) {
    for (size_t i = 0; i < json_array_size(pieces); i++) {
        const char *name = json_string_value(json_array_get(pieces, i));
        uint32_t found;
        if (string_map_find(&pruning->needed, name, strlen(name), &found)) continue;
        const char *kept = arena_strndup(&pruning->names, name, strlen(name));
        if (!kept || string_map_insert(&pruning->needed, kept, strlen(kept), 0) < 0) return fail_no_memory(err, 64);
    }
    return BN_OK;
}

static bn_status need_snapshot(struct pruning *pruning, const char *name, bn_error *err) {
    json_t *content;
    char chosen[64];
    bn_status status = backup_read(pruning->vault, name, chosen, &content, err);
    const json_t *files = json_object_get(content, "files");
    for (size_t i = 0; !status && i < json_array_size(files); i++)
        status = need_pieces(pruning, json_object_get(json_array_get(files, i), "pieces"), err);
    json_decref(content);
    return status;
}

/* ---- what goes ---- */

static bn_status remove_snapshots(struct pruning *pruning, bn_error *err) {
    bn_status status = BN_OK;
    for (size_t i = 0; !status && i < pruning->report->n_snapshots; i++) {
        const struct prune_decision *snapshot = &pruning->report->snapshots[i];
        char path[100];
        snprintf(path, sizeof path, "snapshots/%s", snapshot->name);
        if (!snapshot->stays && !pruning->rules->dry_run)
            status = pruning->vault->store.remove(pruning->vault->store.context, path, err);
    }
    return status;
}

static bn_status remove_unneeded(void *context, const char *path, uint64_t size_bytes, bn_error *err) {
    struct pruning *pruning = context;
    struct prune_report *report = pruning->report;
    const char *name = strrchr(path, '/') + 1;
    uint32_t found;
    bn_status status = BN_OK;
    if (string_map_find(&pruning->needed, name, strlen(name), &found)) {
        report->stored_bytes += size_bytes;
        return BN_OK;
    }
    if (!pruning->rules->dry_run) {
        status = pruning->vault->store.remove(pruning->vault->store.context, path, err);
        if (!status) status = backup_lock_keep(&pruning->lock, err);
    }
    if (status) return status;
    report->n_objects++;
    report->freed_bytes += size_bytes;
    if (pruning->progress && !pruning->progress->advance(pruning->progress->context, size_bytes))
        return fail(err, BN_STATUS_CANCELLED, "interrupted");
    return BN_OK;
}

static bn_status prune(struct pruning *pruning, bn_error *err) {
    bn_status status = read_snapshots(pruning, err);
    if (!status) decide(pruning);
    for (size_t i = 0; !status && i < pruning->report->n_snapshots; i++)
        if (pruning->report->snapshots[i].stays)
            status = need_snapshot(pruning, pruning->report->snapshots[i].name, err);
    if (!status && !pruning->rules->dry_run) status = backup_lock_check(&pruning->lock, err);
    if (!status) status = remove_snapshots(pruning, err);
    if (status) return status;
    return pruning->vault->store.list(pruning->vault->store.context, "objects/", remove_unneeded, pruning, err);
}

bn_status backup_prune(struct vault *vault, const struct prune_rules *rules, const struct byte_progress *progress,
                       struct prune_report *report, bn_error *err) {
    *report = (struct prune_report){0};
    struct pruning pruning = {.vault = vault, .rules = rules, .progress = progress, .report = report};
    size_t n_rules = 0;
    for (size_t i = 0; i < N_PRUNE_RULES; i++) n_rules += rules->keep[i] > 0;
    if (!n_rules) return fail(err, BN_STATUS_BAD_ARGUMENT, "say what is to stay: --keep-last N, --keep-daily N, …");
    arena_init(&pruning.names);
    bn_status status = string_map_init(&pruning.needed, 1024) ? BN_OK : fail_no_memory(err, 1024);
    if (!status && !rules->dry_run) status = backup_lock_take(vault, LOCK_REMOVING, &pruning.lock, err);
    if (!status) status = prune(&pruning, err);
    backup_lock_release(&pruning.lock);
    string_map_release(&pruning.needed);
    arena_release(&pruning.names);
    return status;
}
