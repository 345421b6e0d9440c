#include "bench/tuning.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/memory.h"
#include "bench/machine.h"
#include "engine/kv_type.h"

#define TUNED_FILE "tuned.json"
enum { TUNED_MAX_BYTES = 4 << 20 };

void model_identity(const bn_model *model, char out[17]) {
    bn_model_info info = {.size = sizeof info};
    bn_model_get_info(model, &info);
    char text[400];
    snprintf(text, sizeof text, "%s|%s|%zu|%zu|%zu|%zu|%zu|%zu|%llu|%llu", info.architecture, info.quantization,
             info.vocab_size, info.hidden_size, info.intermediate_size, info.n_layers, info.n_heads, info.n_kv_heads,
             (unsigned long long)info.n_parameters, (unsigned long long)info.weight_bytes);
    identity_hash(text, out);
}

/* ---- what is remembered ---- */

/* The whole file, an empty object where there is none that is usable. */
static json_t *read_file(void) {
    char *path = cache_path(TUNED_FILE);
    json_t *file = NULL;
    if (path && file_exists(path)) json_parse_file(path, TUNED_MAX_BYTES, &file, NULL);
    mem_free(path);
    if (json_is_object(file)) return file;
    json_decref(file);
    return json_object();
}

/* This machine's part of it, borrowed; NULL when there is none. */
static json_t *machine_part(json_t *file) {
    struct machine machine;
    if (json_object_size(file) == 0) return NULL; /* the common case needs to know no machine */
    machine_describe(&machine);
    return json_object_get(file, machine.id);
}

static enum ternary_layout layout_by_name(const char *name) {
    return strcmp(name, "l12") == 0 ? LAYOUT_L12 : LAYOUT_L16;
}

static bool tuning_from_json(const json_t *entry, struct tuning *out) {
    const char *kv_type = "auto", *isa = "", *layout = "";
    *out = (struct tuning){0};
    if (!json_is_object(entry) || json_get_size(entry, "threads", 0, 256, &out->threads, NULL) ||
        json_get_size(entry, "batch_tokens", 0, 65536, &out->batch_tokens, NULL) ||
        json_get_text(entry, "kv_type", &kv_type, NULL) || json_get_text(entry, "isa", &isa, NULL) ||
        json_get_text(entry, "layout", &layout, NULL))
        return false;
    out->kv_type = kv_type_by_name(kv_type);
    out->layout = layout_by_name(layout);
    const struct kernels *table;
    if (*isa && kernels_select(isa, &table, NULL) == BN_OK) snprintf(out->isa, sizeof out->isa, "%s", isa);
    return true;
}

bool tuning_find(const bn_model *model, struct tuning *out) {
    char id[17];
    json_t *file = read_file(), *mine = machine_part(file);
    bool found = false;
    if (mine) {
        model_identity(model, id);
        found = tuning_from_json(json_object_get(mine, id), out);
    }
    json_decref(file);
    return found;
}

void tuning_apply(const struct tuning *tuning, bn_engine_options *options) {
    if (!options->n_threads) options->n_threads = tuning->threads;
    if (!options->batch_tokens) options->batch_tokens = tuning->batch_tokens;
    if (options->kv_type == BN_KV_AUTO) options->kv_type = tuning->kv_type;
    if (!options->isa && tuning->isa[0]) options->isa = tuning->isa;
}

bn_status tuning_store(const bn_model *model, const struct tuning *tuning, json_t *about, bn_error *err) {
    struct machine machine;
    char id[17], date[32];
    time_t now = time(NULL);
    struct tm utc;
    machine_describe(&machine);
    model_identity(model, id);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    json_t *file = read_file(), *mine = json_object_get(file, machine.id);
    if (!json_is_object(mine)) {
        mine = json_object();
        json_object_set_new(file, machine.id, mine);
    }
    json_t *entry = json_pack("{s:I, s:I, s:s, s:s, s:s, s:s}", "threads", (json_int_t)tuning->threads, "batch_tokens",
                              (json_int_t)tuning->batch_tokens, "kv_type", kv_type_name(tuning->kv_type), "isa",
                              tuning->isa, "layout", ternary_layout_name(tuning->layout), "date", date);
    if (about) json_object_update(entry, about);
    bn_status status = json_object_set_new(mine, id, entry) ? fail_no_memory(err, sizeof *tuning)
                                                            : cache_file_write(TUNED_FILE, file, err);
    json_decref(file);
    return status;
}

json_t *tuning_entries(void) {
    json_t *file = read_file(), *mine = machine_part(file);
    json_t *entries = json_is_object(mine) ? json_incref(mine) : json_object();
    json_decref(file);
    return entries;
}

enum ternary_layout tuning_layout(const char *path) {
    enum ternary_layout layout = LAYOUT_L16;
    json_t *entries = tuning_entries(), *entry;
    const char *id;
    json_object_foreach(entries, id, entry) {
        struct tuning tuning;
        const char *of = json_string_value(json_object_get(entry, "path"));
        if (of && strcmp(of, path) == 0 && tuning_from_json(entry, &tuning)) layout = tuning.layout;
    }
    json_decref(entries);
    return layout;
}

bn_status tuning_forget(const bn_model *model, size_t *n_forgotten, bn_error *err) {
    char id[17];
    json_t *file = read_file(), *mine = machine_part(file);
    bn_status status = BN_OK;
    size_t before = json_object_size(mine);
    if (model) {
        model_identity(model, id);
        json_object_del(mine, id);
    } else {
        json_object_clear(mine);
    }
    *n_forgotten = before - json_object_size(mine);
    if (*n_forgotten) status = cache_file_write(TUNED_FILE, file, err);
    json_decref(file);
    return status;
}
