/* Changes of what the database says: which version is in use, what goes. */
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "registry/registry_parts.h"

/* ---- rows ---- */

bn_status set_current(struct registry *registry, int64_t model, size_t number, bn_error *err) {
    int64_t current = 0;
    bool found;
    char now[32];
    utc_now(now);
    bn_status status =
        database_integer(&registry->db, &current, &found, err, "SELECT current FROM models WHERE id = ?", "i", model);
    if (status || (found && current == (int64_t)number)) return status;
    status =
        database_run(&registry->db, err, "UPDATE models SET current = ? WHERE id = ?", "ii", (int64_t)number, model);
    if (!status)
        status = database_run(&registry->db, err, "INSERT INTO switches(model, at, number) VALUES(?, ?, ?)", "iti",
                              model, now, (int64_t)number);
    if (!status)
        status = database_run(&registry->db, err,
                              "INSERT OR IGNORE INTO names_to_write SELECT name, variant FROM models WHERE id = ?", "i",
                              model);
    return status;
}

bn_status insert_version(struct registry *registry, const struct manifest *manifest, const char *manifest_json,
                         const char *id, const char *location, const char *note, bn_error *err) {
    int64_t model = 0;
    bn_status status = database_run(&registry->db, err,
                                    "INSERT INTO models(name, variant, current, next) VALUES(?1, ?2, 0, ?3)"
                                    " ON CONFLICT(name, variant) DO UPDATE SET next = max(next, excluded.next)",
                                    "tti", manifest->name, manifest->variant, (int64_t)manifest->version + 1);
    if (!status) status = find_model(registry, manifest->name, manifest->variant, &model, err);
    if (!status)
        status = database_run(&registry->db, err,
                              "INSERT INTO versions(id, model, number, content, manifest, location, note, pinned)"
                              " VALUES(?, ?, ?, ?, ?, ?, ?, 0)",
                              "tiitttt", id, model, (int64_t)manifest->version, manifest->content, manifest_json,
                              location, note ? note : "");
    return status ? status : set_current(registry, model, manifest->version, err);
}

/* ---- switching ---- */

/* Finds the version and puts it in use, within a change. */
static bn_status put_in_use(struct registry *registry, const struct model_reference *reference,
                            struct model_version *out, bn_error *err) {
    int64_t model;
    bn_status status = registry_find(registry, reference, out, err);
    if (!status) status = find_model(registry, out->name, out->variant, &model, err);
    if (!status) status = set_current(registry, model, out->number, err);
    out->in_use = true;
    return status;
}

bn_status registry_use(struct registry *registry, const struct model_reference *reference, struct model_version *out,
                       bn_error *err) {
    *out = (struct model_version){0};
    if (!reference->version && !reference->tag[0])
        return fail(err, BN_STATUS_BAD_ARGUMENT, "name the version to use: %s@VERSION ('bitnet model history %s')",
                    reference->name, reference->name);
    bn_status status = change_begin(registry, err);
    if (status) return status;
    status = change_finish(registry, put_in_use(registry, reference, out, err), err);
    if (status) model_version_release(out);
    return status;
}

/* The version that was in use before the present one, and that still exists. Going back takes the last switch out of the
 * history, so that going back again goes further back. */
static bn_status roll_back(struct registry *registry, const struct model_reference *reference,
                           struct model_version *out, bn_error *err) {
    struct model_version present;
    int64_t model = 0, before = 0;
    bool found = false;
    bn_status status = registry_find(registry, reference, &present, err);
    if (status) return status;
    status = find_model(registry, present.name, present.variant, &model, err);
    if (!status)
        status =
            database_integer(&registry->db, &before, &found, err,
                             "SELECT max(s.id) FROM switches s JOIN versions v ON v.model = s.model AND"
                             " v.number = s.number WHERE s.model = ? AND s.number <> ? HAVING max(s.id) IS NOT NULL",
                             "ii", model, (int64_t)present.number);
    if (!status && !found)
        status = fail(err, BN_STATUS_NOT_FOUND, "'%s': no other version was in use before version %zu", present.name,
                      present.number);
    if (!status)
        status = database_run(&registry->db, err,
                              "UPDATE models SET current = (SELECT number FROM switches WHERE id = ?)"
                              " WHERE id = ?",
                              "ii", before, model);
    if (!status)
        status =
            database_run(&registry->db, err, "DELETE FROM switches WHERE model = ? AND id > ?", "ii", model, before);
    if (!status) status = note_name(registry, present.name, present.variant, err);
    if (!status) {
        struct model_reference current = *reference;
        snprintf(current.variant, sizeof current.variant, "%s", present.variant);
        status = registry_find(registry, &current, out, err);
    }
    model_version_release(&present);
    return status;
}

bn_status registry_rollback(struct registry *registry, const struct model_reference *reference,
                            struct model_version *out, bn_error *err) {
    *out = (struct model_version){0};
    if (reference->version || reference->tag[0])
        return fail(err, BN_STATUS_BAD_ARGUMENT,
                    "rollback goes to the version before: name only the model, or use "
                    "'bitnet model use %s@VERSION'",
                    reference->name);
    bn_status status = change_begin(registry, err);
    if (status) return status;
    status = change_finish(registry, roll_back(registry, reference, out, err), err);
    if (status) model_version_release(out);
    return status;
}
