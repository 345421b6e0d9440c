#include "registry/manifest.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "registry/reference.h"

#define FORMAT "bitnet-version/1"
enum { MAX_PATH_BYTES = 512, MAX_LEVELS = 8 };

void manifest_init(struct manifest *manifest) {
    *manifest = (struct manifest){.name = "", .variant = DEFAULT_VARIANT, .created = "", .license = "", .entry = ""};
    arena_init(&manifest->arena);
}

void manifest_release(struct manifest *manifest) {
    arena_release(&manifest->arena);
    json_decref(manifest->origin);
    mem_free(manifest->files);
    *manifest = (struct manifest){0};
}

uint64_t manifest_bytes(const struct manifest *manifest) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < manifest->n_files; i++) bytes += manifest->files[i].size;
    return bytes;
}

void utc_now(char out[32]) {
    time_t now = time(NULL);
    struct tm utc;
    strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
}

/* ---- checks ---- */

bool sha256_valid(const char *text) {
    return strlen(text) == SHA256_HEX_SIZE - 1 && strspn(text, "0123456789abcdef") == SHA256_HEX_SIZE - 1;
}

bool version_path_valid(const char *path) {
    size_t n = strlen(path), levels = 0;
    if (n == 0 || n > MAX_PATH_BYTES || !utf8_valid(path, n)) return false;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)path[i] < 0x20 || path[i] == 0x7f || path[i] == '\\') return false;
    for (const char *part = path;;) {
        size_t length = strcspn(part, "/");
        if (length == 0 || part[0] == '.' || ++levels > MAX_LEVELS) return false; /* also "." and ".." */
        if (!part[length]) return true;
        part += length + 1;
    }
}

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n > m && strcmp(text + n - m, end) == 0;
}

/* ---- building ---- */

bn_status manifest_add_file(struct manifest *manifest, const char *path, const char *sha256, uint64_t size,
                            bn_error *err) {
    if (!version_path_valid(path))
        return fail(err, BN_STATUS_BAD_FILE, "'%s' isn't a file name that is accepted", path);
    if (manifest->n_files == VERSION_MAX_FILES)
        return fail(err, BN_STATUS_BAD_FILE, "more than %d files", VERSION_MAX_FILES);
    struct version_file *files = mem_realloc_array(manifest->files, manifest->n_files + 1, sizeof *files);
    if (!files) return fail_no_memory(err, (manifest->n_files + 1) * sizeof *files);
    manifest->files = files;
    struct version_file *file = &files[manifest->n_files];
    *file = (struct version_file){.path = arena_strndup(&manifest->arena, path, strlen(path)),
                                  .sha256 = arena_strndup(&manifest->arena, sha256, strlen(sha256)),
                                  .size = size};
    if (!file->path || !file->sha256) return fail_no_memory(err, strlen(path));
    manifest->n_files++;
    return BN_OK;
}

static int by_path(const void *a, const void *b) {
    return strcmp(((const struct version_file *)a)->path, ((const struct version_file *)b)->path);
}

/* The only file at the top with this ending; NULL when there is none, or another. */
static const char *only_file(const struct manifest *manifest, const char *ending) {
    const char *found = NULL;
    for (size_t i = 0; i < manifest->n_files; i++) {
        const char *path = manifest->files[i].path;
        if (strchr(path, '/') || !ends_with(path, ending)) continue;
        if (found) return NULL;
        found = path;
    }
    return found;
}

static const struct version_file *find_file(const struct manifest *manifest, const char *path) {
    const struct version_file key = {.path = path};
    return manifest->n_files ? bsearch(&key, manifest->files, manifest->n_files, sizeof key, by_path) : NULL;
}

static bn_status hash_content(const struct manifest *manifest, char hex[SHA256_HEX_SIZE], bn_error *err) {
    struct buffer list;
    buffer_init(&list);
    for (size_t i = 0; i < manifest->n_files; i++)
        buffer_printf(&list, "%s %llu %s\n", manifest->files[i].sha256, (unsigned long long)manifest->files[i].size,
                      manifest->files[i].path);
    bn_status status = list.failed ? fail_no_memory(err, list.size) : sha256_of(list.data, list.size, hex, err);
    buffer_release(&list);
    return status;
}

bn_status manifest_complete(struct manifest *manifest, bn_error *err) {
    if (manifest->n_files) qsort(manifest->files, manifest->n_files, sizeof *manifest->files, by_path);
    const char *entry = find_file(manifest, "config.json") ? "" : only_file(manifest, ".gguf");
    if (!entry) entry = only_file(manifest, ".safetensors");
    if (!entry)
        return fail(err, BN_STATUS_BAD_FILE,
                    "not one model: a folder with config.json, or with one .gguf or one "
                    ".safetensors file, is expected");
    char content[SHA256_HEX_SIZE];
    bn_status status = hash_content(manifest, content, err);
    if (status) return status;
    manifest->entry = entry;
    manifest->content = arena_strndup(&manifest->arena, content, strlen(content));
    return manifest->content ? BN_OK : fail_no_memory(err, sizeof content);
}

bn_status manifest_text(const struct manifest *manifest, char **text, char id[SHA256_HEX_SIZE], bn_error *err) {
    json_t *files = json_array();
    for (size_t i = 0; i < manifest->n_files; i++)
        json_array_append_new(files,
                              json_pack("{s:s, s:I, s:s}", "path", manifest->files[i].path, "size",
                                        (json_int_t)manifest->files[i].size, "sha256", manifest->files[i].sha256));
    json_t *origin = manifest->origin ? json_incref(manifest->origin) : json_object();
    json_t *object = json_pack("{s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:s, s:o, s:o}", "format", FORMAT, "name",
                               manifest->name, "variant", manifest->variant, "version", (json_int_t)manifest->version,
                               "created", manifest->created, "license", manifest->license, "entry", manifest->entry,
                               "content", manifest->content, "origin", origin, "files", files);
    char *dump = object ? json_dumps(object, JSON_INDENT(1)) : NULL;
    json_decref(object);
    *text = dump ? mem_strdup(dump) : NULL;
    free(dump); /* jansson's own memory */
    if (!*text) return fail(err, BN_STATUS_NO_MEMORY, "out of memory while writing a manifest");
    bn_status status = sha256_of(*text, strlen(*text), id, err);
    if (status) mem_free(*text);
    return status;
}

/* ---- parsing ---- */

static bn_status parse_text(struct manifest *manifest, const json_t *object, const char *key, const char **out,
                            bn_error *err) {
    const char *text = NULL;
    bn_status status = json_get_text(object, key, &text, err);
    if (status) return status;
    if (!text) return fail(err, BN_STATUS_BAD_FILE, "'%s' is missing", key);
    *out = arena_strndup(&manifest->arena, text, strlen(text));
    return *out ? BN_OK : fail_no_memory(err, strlen(text));
}

static bn_status parse_files(struct manifest *manifest, const json_t *list, bn_error *err) {
    if (!json_is_array(list)) return fail(err, BN_STATUS_BAD_FILE, "'files' must be a list");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        const char *path = NULL, *sha256 = NULL;
        size_t size = SIZE_MAX;
        bn_status status = json_get_text(item, "path", &path, err);
        if (!status) status = json_get_text(item, "sha256", &sha256, err);
        if (!status) status = json_get_size(item, "size", 0, SIZE_MAX / 4, &size, err);
        if (!status && (!path || !sha256 || !sha256_valid(sha256) || size == SIZE_MAX))
            status = fail(err, BN_STATUS_BAD_FILE, "'files[%zu]' needs path, size and sha256", i);
        if (!status) status = manifest_add_file(manifest, path, sha256, size, err);
        if (status) return status;
    }
    for (size_t i = 1; i < manifest->n_files; i++)
        if (by_path(&manifest->files[i - 1], &manifest->files[i]) >= 0)
            return fail(err, BN_STATUS_BAD_FILE, "'files' must be sorted by path, each once");
    return BN_OK;
}

static bn_status parse_origin(struct manifest *manifest, json_t *origin, bn_error *err) {
    const char *key;
    json_t *value;
    if (!json_is_object(origin)) return fail(err, BN_STATUS_BAD_FILE, "'origin' must be an object");
    json_object_foreach(origin, key, value) if (!json_is_string(value)) return fail(err, BN_STATUS_BAD_FILE,
                                                                                    "'origin.%s' must be a text", key);
    manifest->origin = json_incref(origin);
    return BN_OK;
}

static bn_status check(const struct manifest *manifest, const char *format, bn_error *err) {
    char content[SHA256_HEX_SIZE];
    if (strcmp(format, FORMAT) != 0)
        return fail(err, BN_STATUS_UNSUPPORTED, "format '%s', this program reads %s", format, FORMAT);
    if (!model_name_valid(manifest->name) || !model_word_valid(manifest->variant))
        return fail(err, BN_STATUS_BAD_FILE, "'%s:%s' isn't a model's name", manifest->name, manifest->variant);
    if (*manifest->entry && !find_file(manifest, manifest->entry))
        return fail(err, BN_STATUS_BAD_FILE, "entry '%s' isn't one of the files", manifest->entry);
    bn_status status = hash_content(manifest, content, err);
    if (!status && strcmp(content, manifest->content) != 0)
        return fail(err, BN_STATUS_BAD_FILE, "'content' isn't the hash of the files");
    return status;
}

bn_status manifest_parse(const char *text, size_t size, const char *what, struct manifest *out, bn_error *err) {
    manifest_init(out);
    json_t *object;
    const char *format = "";
    bn_status status = json_parse(text, size, what, &object, err);
    if (status) return status;
    if (!json_is_object(object)) status = fail(err, BN_STATUS_BAD_FILE, "must be an object");
    const struct {
        const char *key, **text;
    } texts[] = {{"format", &format},        {"name", &out->name},       {"variant", &out->variant},
                 {"created", &out->created}, {"license", &out->license}, {"entry", &out->entry},
                 {"content", &out->content}};
    for (size_t i = 0; !status && i < sizeof texts / sizeof *texts; i++)
        status = parse_text(out, object, texts[i].key, texts[i].text, err);
    if (!status) status = json_get_size(object, "version", 1, 999999999, &out->version, err);
    if (!status) status = parse_origin(out, json_object_get(object, "origin"), err);
    if (!status) status = parse_files(out, json_object_get(object, "files"), err);
    if (!status) status = check(out, format, err);
    json_decref(object);
    if (status) error_prefix(err, "%s", what);
    return status;
}
