/* Names are tried as: "demo", an existing path, a name in the registry (where that is built), an entry of the models
 * folder (a folder owner/name with config.json or with one .gguf file in it, or a .gguf file with or without its
 * ending), a model in the cache of a hub. */
#include "cli/model_path.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/folders.h"
#include "base/memory.h"
#ifdef BITNET_HUB
#include "cli/hub/registry_names.h"
#include "hub/cache.h"
#endif

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n > m && strcmp(text + n - m, end) == 0;
}

/* ---- the demo model ---- */

/* folder/relative if it exists, else NULL. */
static char *existing(const char *folder, const char *relative) {
    char *path = folder && *folder ? path_join(folder, relative) : NULL;
    if (path && file_exists(path)) return path;
    mem_free(path);
    return NULL;
}

static char *beside_program(void) {
    char program[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    if (n <= 0) return NULL;
    program[n] = 0;
    char *slash = strrchr(program, '/');
    if (!slash) return NULL;
    *slash = 0;
    return existing(program, "../share/bitnet/demo.gguf");
}

char *demo_model_path(void) {
    char *path = existing(getenv("BITNET_DATA_DIR"), "demo.gguf");
    if (!path) path = beside_program();
    if (!path) path = existing(BITNET_INSTALL_DATADIR, "demo.gguf");
    if (!path) path = existing(BITNET_SOURCE_ASSETS, "demo/demo.gguf");
    return path;
}

/* ---- the models folder ---- */

char *models_folder(void) {
    const char *explicit_path = getenv("BITNET_MODELS");
    if (explicit_path && *explicit_path) return mem_strdup(explicit_path);
    return data_path("models");
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names in a folder without hidden ones, sorted; release with names_release. */
static char **folder_names(const char *folder, size_t *n_names) {
    char **names = NULL;
    size_t n = 0;
    DIR *stream = opendir(folder);
    for (struct dirent *entry; stream && (entry = readdir(stream));) {
        if (entry->d_name[0] == '.') continue;
        char **grown = mem_realloc_array(names, n + 1, sizeof *names);
        if (!grown) break;
        names = grown;
        if (!(names[n] = mem_strdup(entry->d_name))) break;
        n++;
    }
    if (stream) closedir(stream);
    if (n) qsort(names, n, sizeof *names, by_name);
    *n_names = n;
    return names;
}

static void names_release(char **names, size_t n) {
    for (size_t i = 0; i < n; i++) mem_free(names[i]);
    mem_free(names);
}

/* A folder is a model when it has a config.json, or a single .gguf file. Returns the path to open, or NULL; *n_gguf
 * says how many .gguf files there are. */
static char *model_in_folder(const char *folder, size_t *n_gguf) {
    *n_gguf = 0;
    char *config = existing(folder, "config.json");
    if (config) {
        mem_free(config);
        return mem_strdup(folder);
    }
    size_t n;
    char **names = folder_names(folder, &n), *path = NULL;
    for (size_t i = 0; i < n; i++)
        if (ends_with(names[i], ".gguf") && ++*n_gguf == 1) path = path_join(folder, names[i]);
    names_release(names, n);
    if (*n_gguf == 1) return path;
    mem_free(path);
    return NULL;
}

struct visitor {
    void (*visit)(void *context, const char *name, const char *path);
    void *context;
};

static void visit_folder(const struct visitor *visitor, const char *folder, const char *prefix, int depth) {
    size_t n, n_gguf;
    char **names = folder_names(folder, &n);
    for (size_t i = 0; i < n; i++) {
        char name[512], inside[520];
        snprintf(name, sizeof name, "%s%s", prefix, names[i]);
        snprintf(inside, sizeof inside, "%s/", name);
        char *path = path_join(folder, names[i]), *model = NULL;
        if (path && ends_with(path, ".gguf") && !file_is_directory(path))
            visitor->visit(visitor->context, name, path);
        else if (path && file_is_directory(path) && (model = model_in_folder(path, &n_gguf)))
            visitor->visit(visitor->context, name, model);
        else if (path && depth && file_is_directory(path))
            visit_folder(visitor, path, inside, depth - 1);
        mem_free(model);
        mem_free(path);
    }
    names_release(names, n);
}

#ifdef BITNET_HUB
/* What the registry has comes from there. */
static void visit_unregistered(void *context, const char *name, const char *path) {
    const struct visitor *visitor = context;
    json_t *facts = model_facts(name);
    if (!facts) visitor->visit(visitor->context, name, path);
    json_decref(facts);
}
#endif

void models_visit(void (*visit)(void *context, const char *name, const char *path), void *context) {
#ifdef BITNET_HUB
    registry_names_visit(visit, context);
#endif
    char *folder = models_folder();
    struct visitor visitor = {visit, context};
    if (folder) visit_folder(&visitor, folder, "", 2);
    mem_free(folder);
#ifdef BITNET_HUB
    struct visitor cached = {visit, context};
    hub_cache_visit(visit_unregistered, &cached);
#endif
}

json_t *model_facts(const char *name) {
    json_t *facts = NULL;
#ifdef BITNET_HUB
    registry_facts(name, &facts, NULL);
#else
    (void)name;
#endif
    return facts;
}

const char *model_short_name(const char *name, const char *path, char *out, size_t size) {
    if (strcmp(name, path) == 0) return NULL;
    const char *slash = strchr(name, '/'), *begin = slash ? slash + 1 : name;
    snprintf(out, size, "%.*s", (int)strcspn(begin, "@:"), begin);
    return out;
}

/* ---- resolving ---- */

struct similar {
    struct suggestion suggestion;
    char best[512]; /* names of the visit don't outlive it */
};

static void consider_name(void *context, const char *name, const char *path) {
    (void)path;
    struct similar *similar = context;
    const char *before = similar->suggestion.best;
    suggestion_consider(&similar->suggestion, name);
    if (similar->suggestion.best == before || similar->suggestion.best != name) return;
    snprintf(similar->best, sizeof similar->best, "%s", name);
    similar->suggestion.best = similar->best;
}

static void consider_neighbours(struct similar *similar, const char *path) {
    const char *slash = strrchr(path, '/');
    char *folder = slash == path ? mem_strdup("/")
                   : slash       ? mem_strndup(path, (size_t)(slash - path))
                                 : mem_strdup(".");
    size_t n;
    char **names = folder ? folder_names(folder, &n) : NULL;
    for (size_t i = 0; names && i < n; i++) {
        char name[512];
        snprintf(name, sizeof name, "%.*s%s", slash ? (int)(slash + 1 - path) : 0, path, names[i]);
        bool model = ends_with(name, ".gguf") || ends_with(name, ".safetensors") || file_is_directory(name);
        if (model) consider_name(similar, name, name);
    }
    if (names) names_release(names, n);
    mem_free(folder);
}

static bn_status not_found(const char *name, bn_error *err) {
    struct similar similar = {.suggestion = suggestion_for(name)};
    consider_name(&similar, "demo", "demo");
    models_visit(consider_name, &similar);
    consider_neighbours(&similar, name);
    if (similar.suggestion.best && !strpbrk(name, "@:"))
        return fail(err, BN_STATUS_NOT_FOUND, "there is no model '%s' (did you mean '%s'?)", name,
                    similar.suggestion.best);
    if (err && err->status) return err->status; /* the hub's cache has said more */
    char *folder = models_folder();
    fail(err, BN_STATUS_NOT_FOUND, "there is no model '%s': no such file or folder, and none of that name in %s", name,
         folder ? folder : "the models folder");
    mem_free(folder);
    return BN_STATUS_NOT_FOUND;
}

/* An entry of the models folder, or NULL. */
static char *in_models_folder(const char *name, size_t *n_gguf) {
    *n_gguf = 0;
    if (strstr(name, "..")) return NULL;
    char with_ending[PATH_MAX];
    snprintf(with_ending, sizeof with_ending, "%.500s.gguf", name);
    char *folder = models_folder(), *path = existing(folder, name);
    if (!path) path = existing(folder, with_ending);
    if (path && file_is_directory(path)) {
        char *model = model_in_folder(path, n_gguf);
        mem_free(path);
        path = model;
    }
    mem_free(folder);
    return path;
}

/* A model in the hub's cache, or NULL; then err may say what to do about a name that only a hub's model can have. */
static char *downloaded(const char *name, bn_error *err) {
    char *path = NULL;
#ifdef BITNET_HUB
    if (hub_repo_is_name(name)) (void)hub_cache_find(name, &path, err);
#else
    (void)name, (void)err;
#endif
    return path;
}

/* The registry's models come before those of the models folder. *path stays NULL for a name that neither has. */
static bn_status find_name(const char *name, char **path, int *lease, size_t *n_gguf, bn_error *err) {
    bn_status status = BN_OK;
#ifdef BITNET_HUB
    status = registry_path(name, path, lease, err);
#else
    (void)lease;
#endif
    if (!status && !*path) *path = in_models_folder(name, n_gguf);
    if (!status && !*path && !*n_gguf) *path = downloaded(name, err);
    return status;
}

/* What a name stands for that is no path. */
static bn_status find_model(const char *name, char **path, int *lease, size_t *n_gguf, bn_error *err) {
    if (strcmp(name, "demo") == 0) {
        *path = demo_model_path();
        return BN_OK;
    }
    return name[0] == '/' || name[0] == '.' ? BN_OK : find_name(name, path, lease, n_gguf, err);
}

bn_status model_path_take(const char *name, char **path, int *lease, bn_error *err) {
    size_t n_gguf = 0;
    bn_status status = BN_OK;
    *path = NULL;
    if (lease) *lease = -1;
    if (!*name) return fail(err, BN_STATUS_BAD_ARGUMENT, "the model's name is empty");
    if (file_exists(name) || strchr(name, '\n'))
        *path = mem_strdup(name);
    else
        status = find_model(name, path, lease, &n_gguf, err);
    if (*path || status) return status;
    if (strcmp(name, "demo") == 0)
        return fail(err, BN_STATUS_NOT_FOUND,
                    "the demo model isn't installed: set BITNET_DATA_DIR to the folder with demo.gguf");
    if (n_gguf > 1)
        return fail(err, BN_STATUS_NOT_FOUND, "'%s' has %zu .gguf files: name one of them, %s/FILE.gguf", name, n_gguf,
                    name);
    return not_found(name, err);
}

bn_status model_name_take(const char *name, char **path, int *lease, bn_error *err) {
    size_t n_gguf = 0;
    *path = NULL;
    *lease = -1;
    bn_status status = *name && !strstr(name, "..") ? find_model(name, path, lease, &n_gguf, err) : BN_OK;
    if (*path || status) return status;
    return fail(err, BN_STATUS_NOT_FOUND, "there is no model '%s'", name);
}

bn_status model_path_resolve(const char *name, char **path, bn_error *err) {
    return model_path_take(name, path, NULL, err);
}
