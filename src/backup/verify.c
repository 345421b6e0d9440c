#include <string.h>

#include "backup/backup_parts.h"
#include "base/memory.h"

struct verification {
    struct vault *vault;
    const struct byte_progress *progress;
    void (*damage)(void *context, const char *what);
    void *context;
    struct backup_report *report;
    json_t *seen; /* pieces that were read: name → length, or null when damaged */
};

static bn_status read_piece(struct verification *verification, const char *name, json_int_t *size, bn_error *err) {
    const json_t *seen = json_object_get(verification->seen, name);
    *size = json_is_integer(seen) ? json_integer_value(seen) : -1;
    if (seen) return BN_OK;
    struct buffer bytes;
    bn_error problem = {0};
    buffer_init(&bytes);
    bn_status status = vault_get_piece(verification->vault, name, &bytes, &problem);
    if (status == BN_STATUS_BAD_FILE || status == BN_STATUS_NOT_FOUND) {
        verification->report->n_damaged++;
        verification->damage(verification->context, problem.message);
        status = BN_OK;
    } else if (status) {
        fail(err, status, "%s", problem.message);
    } else {
        *size = (json_int_t)bytes.size;
        verification->report->read_bytes += bytes.size;
    }
    json_object_set_new(verification->seen, name, *size < 0 ? json_null() : json_integer(*size));
    if (!status && verification->progress &&
        !verification->progress->advance(verification->progress->context, bytes.size))
        status = fail(err, BN_STATUS_CANCELLED, "interrupted");
    buffer_release(&bytes);
    return status;
}

static bn_status verify_file(struct verification *verification, const char *snapshot, const json_t *file,
                             bn_error *err) {
    const json_t *pieces = json_object_get(file, "pieces");
    json_int_t total = 0, size = 0;
    bn_status status = BN_OK;
    bool whole = true;
    for (size_t i = 0; !status && i < json_array_size(pieces); i++) {
        status = read_piece(verification, json_string_value(json_array_get(pieces, i)), &size, err);
        whole = whole && size >= 0;
        total += size;
    }
    verification->report->n_files++;
    verification->report->bytes += (uint64_t)(total < 0 ? 0 : total);
    if (!status && (!whole || total != json_integer_value(json_object_get(file, "size")))) {
        char what[1200];
        snprintf(what, sizeof what, "%s: '%s' can't be restored", snapshot,
                 json_string_value(json_object_get(file, "path")));
        verification->damage(verification->context, what);
        verification->report->n_damaged += whole;
    }
    return status;
}

static bn_status verify_snapshot(struct verification *verification, const char *name, bn_error *err) {
    json_t *snapshot;
    bn_status status = backup_read(verification->vault, name, verification->report->snapshot, &snapshot, err);
    const json_t *files = json_object_get(snapshot, "files");
    for (size_t i = 0; !status && i < json_array_size(files); i++)
        status = verify_file(verification, verification->report->snapshot, json_array_get(files, i), err);
    json_decref(snapshot);
    return status;
}

bn_status backup_verify(struct vault *vault, const char *name, const struct byte_progress *progress,
                        void (*damage)(void *context, const char *what), void *context, struct backup_report *report,
                        bn_error *err) {
    *report = (struct backup_report){0};
    struct verification verification = {vault, progress, damage, context, report, json_object()};
    json_t *names = NULL;
    bn_status status = name ? BN_OK : backup_list(vault, &names, err);
    if (!status && name) status = verify_snapshot(&verification, name, err);
    if (!status && !name && json_array_size(names) == 0)
        status = fail(err, BN_STATUS_NOT_FOUND, "the backup has no snapshot yet");
    for (size_t i = 0; !status && i < json_array_size(names); i++)
        status = verify_snapshot(&verification, json_string_value(json_array_get(names, i)), err);
    if (!status && report->n_damaged)
        status = fail(err, BN_STATUS_BAD_FILE, "%zu pieces are damaged or missing", report->n_damaged);
    json_decref(names);
    json_decref(verification.seen);
    return status;
}
