/* Tags, notes, pins, names: what people say about versions. */
#include <string.h>

#include "base/memory.h"
#include "registry/registry_parts.h"

/* One version changed by one function, in a transaction. */
struct label {
    bn_status (*apply)(struct registry *registry, int64_t model, const struct model_version *version,
                       const struct label *label, bn_error *err);
    const char *text;
    bool flag;
};

static bn_status apply_to(struct registry *registry, const struct model_reference *reference, const struct label *label,
                          struct model_version *out, bn_error *err) {
    struct model_version before;
    int64_t model;
    bn_status status = registry_find(registry, reference, &before, err);
    if (!status) status = find_model(registry, before.name, before.variant, &model, err);
    if (!status) status = label->apply(registry, model, &before, label, err);
    if (!status) status = note_name(registry, before.name, before.variant, err);
    if (!status) {
        struct model_reference exact = {.version = before.number};
        snprintf(exact.name, sizeof exact.name, "%s", before.name);
        snprintf(exact.variant, sizeof exact.variant, "%s", before.variant);
        status = registry_find(registry, &exact, out, err);
    }
    model_version_release(&before);
    return status;
}

static bn_status change_label(struct registry *registry, const struct model_reference *reference,
                              const struct label *label, struct model_version *out, bn_error *err) {
    *out = (struct model_version){0};
    bn_status status = change_begin(registry, err);
    if (status) return status;
    status = change_finish(registry, apply_to(registry, reference, label, out, err), err);
    if (status) model_version_release(out);
    return status;
}

/* ---- tags ---- */

static bn_status apply_tag(struct registry *registry, int64_t model, const struct model_version *version,
                           const struct label *label, bn_error *err) {
    int64_t number = (int64_t)version->number, one;
    bool found;
    if (!label->flag)
        return database_run(&registry->db, err, "INSERT OR REPLACE INTO tags(model, tag, number) VALUES(?, ?, ?)",
                            "iti", model, label->text, number);
    bn_status status = database_integer(&registry->db, &one, &found, err,
                                        "SELECT 1 FROM tags WHERE model = ? AND tag = ? AND number = ?", "iti", model,
                                        label->text, number);
    if (!status && !found)
        status = fail(err, BN_STATUS_NOT_FOUND, "%s@%zu doesn't carry the tag '%s'", version->name, version->number,
                      label->text);
    return status ? status
                  : database_run(&registry->db, err, "DELETE FROM tags WHERE model = ? AND tag = ?", "it", model,
                                 label->text);
}

bn_status registry_tag(struct registry *registry, const struct model_reference *reference, const char *tag, bool remove,
                       struct model_version *out, bn_error *err) {
    const struct label label = {apply_tag, tag, remove};
    *out = (struct model_version){0};
    if (!model_tag_valid(tag))
        return fail(err, BN_STATUS_BAD_ARGUMENT,
                    "'%s' can't be a tag: one word of letters, digits and '._-' that isn't a number", tag);
    return change_label(registry, reference, &label, out, err);
}

/* ---- notes and pins ---- */

static bn_status apply_note(struct registry *registry, int64_t model, const struct model_version *version,
                            const struct label *label, bn_error *err) {
    (void)model;
    return database_run(&registry->db, err, "UPDATE versions SET note = ? WHERE id = ?", "tt", label->text,
                        version->id);
}

bn_status registry_note(struct registry *registry, const struct model_reference *reference, const char *note,
                        struct model_version *out, bn_error *err) {
    const struct label label = {apply_note, note, false};
    return change_label(registry, reference, &label, out, err);
}

static bn_status apply_pin(struct registry *registry, int64_t model, const struct model_version *version,
                           const struct label *label, bn_error *err) {
    (void)model;
    return database_run(&registry->db, err, "UPDATE versions SET pinned = ? WHERE id = ?", "it", (int64_t)label->flag,
                        version->id);
}

bn_status registry_pin(struct registry *registry, const struct model_reference *reference, bool pinned,
                       struct model_version *out, bn_error *err) {
    const struct label label = {apply_pin, NULL, pinned};
    return change_label(registry, reference, &label, out, err);
}

/* ---- names ---- */

static bn_status rename_model(struct registry *registry, const struct model_reference *from,
                              const struct model_reference *to, bn_error *err) {
    struct model_version version;
    int64_t model, taken;
    bn_status status = registry_find(registry, from, &version, err);
    if (status) return status;
    const char *variant = *to->variant ? to->variant : version.variant;
    status = find_model(registry, version.name, version.variant, &model, err);
    if (!status) status = find_model(registry, to->name, variant, &taken, err);
    if (!status && taken)
        status = fail(err, BN_STATUS_BAD_ARGUMENT, "there is a model '%s:%s' already", to->name, variant);
    if (!status) status = note_name(registry, version.name, version.variant, err);
    if (!status) status = note_name(registry, to->name, variant, err);
    if (!status)
        status = database_run(&registry->db, err, "UPDATE models SET name = ?, variant = ? WHERE id = ?", "tti",
                              to->name, variant, model);
    model_version_release(&version);
    return status;
}

bn_status registry_rename(struct registry *registry, const struct model_reference *from,
                          const struct model_reference *to, bn_error *err) {
    if (from->version || *from->tag || to->version || *to->tag)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "all versions are renamed together: leave '@…' out");
    bn_status status = change_begin(registry, err);
    return status ? status : change_finish(registry, rename_model(registry, from, to, err), err);
}

/* ---- the history of switches ---- */

bn_status registry_switches(struct registry *registry, const char *name, const char *variant, json_t **out,
                            bn_error *err) {
    sqlite3_stmt *statement;
    bool row = true;
    *out = json_array();
    bn_status status = database_query(&registry->db, &statement, err,
                                      "SELECT s.at, s.number FROM switches s JOIN models m ON m.id = s.model"
                                      " WHERE m.name = ? AND m.variant = ? ORDER BY s.id",
                                      "tt", name, variant);
    while (!status && !(status = database_step(&registry->db, statement, &row, err)) && row)
        if (json_array_append_new(*out, json_pack("{s:s, s:I}", "at", column_text(statement, 0), "version",
                                                  (json_int_t)sqlite3_column_int64(statement, 1))))
            status = fail_no_memory(err, sizeof(json_t));
    sqlite3_finalize(statement);
    if (status) {
        json_decref(*out);
        *out = NULL;
    }
    return status;
}
