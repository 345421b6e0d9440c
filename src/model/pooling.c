#include "model/pooling.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"

#define MAX_JSON_BYTES ((size_t)1 << 20)

/* ---- GGUF: llama.cpp's enum ---- */

static const char *const names[] = {NULL, "mean", "cls", "last", "rank"};
enum { N_NAMES = sizeof names / sizeof *names, MEAN = 1, LAST = 3 };

size_t pooling_gguf_type(const char *pooling) {
    return strcmp(pooling, names[MEAN]) == 0 ? MEAN : LAST;
}

bn_status pooling_from_gguf(const struct gguf *gguf, const char **pooling, bn_error *err) {
    struct gguf_string family = {"", 0};
    char key[128];
    size_t type = 0;
    bool causal = true;
    *pooling = NULL;
    bn_status status = gguf_get_string(gguf, "general.architecture", &family, err);
    int n = (int)min_size(family.size, 64);
    snprintf(key, sizeof key, "%.*s.pooling_type", n, family.text);
    if (!status) status = gguf_get_size(gguf, key, 0, N_NAMES - 1, &type, err);
    if (status || !type) return status;
    if (type != MEAN && type != LAST)
        return fail(err, BN_STATUS_UNSUPPORTED, "'%s' is %zu (%s); 1 (mean) and 3 (last) are supported", key, type,
                    names[type]);
    snprintf(key, sizeof key, "%.*s.attention.causal", n, family.text);
    status = gguf_get_bool(gguf, key, &causal, err);
    if (!status && !causal)
        return fail(err, BN_STATUS_UNSUPPORTED, "'%s' is false: tokens that see later ones aren't supported", key);
    if (!status) *pooling = names[type];
    return status;
}

/* ---- sentence-transformers ---- */

/* "mean" or "last" of the Pooling module's config.json: a word in newer ones, flags in older. */
static bn_status read_modes(const json_t *config, const char **pooling, bn_error *err) {
    static const struct {
        const char *flag, *word, *pooling;
    } modes[] = {{"pooling_mode_mean_tokens", "mean", "mean"}, {"pooling_mode_lasttoken", "lasttoken", "last"}};
    const char *mode = json_string_value(json_object_get(config, "pooling_mode")), *key;
    const json_t *value;
    size_t n_flags = 0;
    json_object_foreach((json_t *)config, key, value) {
        n_flags += strncmp(key, "pooling_mode_", 13) == 0 && json_is_true(value);
    }
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        bool is = mode ? strcmp(mode, modes[i].word) == 0
                       : n_flags == 1 && json_is_true(json_object_get(config, modes[i].flag));
        if (is) *pooling = modes[i].pooling;
    }
    if (*pooling) return BN_OK;
    return fail(err, BN_STATUS_UNSUPPORTED, "the Pooling module's mode isn't supported: mean and lasttoken are");
}

static bn_status read_module(const char *folder, const char *name, const char **pooling, bn_error *err) {
    if (!*name || *name == '.' || strchr(name, '/'))
        return fail(err, BN_STATUS_BAD_FILE,
                    "modules.json: the Pooling module's 'path' must name a folder in this one");
    char file[300], *path;
    json_t *config = NULL;
    snprintf(file, sizeof file, "%.255s/config.json", name);
    if (!(path = path_join(folder, file))) return fail_no_memory(err, strlen(folder));
    bn_status status = json_parse_file(path, MAX_JSON_BYTES, &config, err);
    if (!status && (status = read_modes(config, pooling, err))) error_prefix(err, "%s", file);
    json_decref(config);
    mem_free(path);
    return status;
}

/* The types' last words; the rest of them are modules of Python. */
static bn_status read_modules(const char *folder, const json_t *modules, const char **pooling, bn_error *err) {
    for (size_t i = 0; i < json_array_size(modules); i++) {
        const json_t *module = json_array_get(modules, i);
        const char *type = json_string_value(json_object_get(module, "type")),
                   *path = json_string_value(json_object_get(module, "path")), *dot = type ? strrchr(type, '.') : NULL;
        const char *word = dot ? dot + 1 : type ? type : "?";
        bn_status status = BN_OK;
        if (strcmp(word, "Pooling") == 0)
            status = read_module(folder, path ? path : "", pooling, err);
        else if (strcmp(word, "Transformer") != 0 && strcmp(word, "Normalize") != 0)
            status = fail(err, BN_STATUS_UNSUPPORTED, "modules.json: a '%.60s' module isn't supported", word);
        if (status) return status;
    }
    return BN_OK;
}

bn_status pooling_from_folder(const char *folder, const char **pooling, bn_error *err) {
    char *path = path_join(folder, "modules.json");
    json_t *modules = NULL;
    bn_status status = BN_OK;
    *pooling = NULL;
    if (!path) return fail_no_memory(err, strlen(folder));
    if (file_exists(path)) status = json_parse_file(path, MAX_JSON_BYTES, &modules, err);
    if (!status) status = read_modules(folder, modules, pooling, err);
    json_decref(modules);
    mem_free(path);
    return status;
}
