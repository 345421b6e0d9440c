#include "server/preset.h"

#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "server/settings.h"

enum { MAX_PRESET_BYTES = 4 << 20, MAX_PRESET_MESSAGES = 1000 };

#define INTEGER(low, high)                                                                                             \
    { .types = SCHEMA_INTEGER | SCHEMA_NULL, .min = low, .max = high }
#define NUMBER(low, high)                                                                                              \
    { .types = SCHEMA_NUMBER | SCHEMA_NULL, .min = low, .max = high }

const struct schema_field parameter_fields[] = {
    {"temperature", NUMBER(0, 100)},
    {"top_k", INTEGER(-1, INT32_MAX)},
    {"top_p", NUMBER(0, 1)},
    {"min_p", NUMBER(0, 1)},
    {"typical_p", NUMBER(0, 1)},
    {"repeat_last_n", INTEGER(-1, INT32_MAX)},
    {"repeat_penalty", NUMBER(0.01, 100)},
    {"presence_penalty", NUMBER(-100, 100)},
    {"frequency_penalty", NUMBER(-100, 100)},
    {"mirostat", INTEGER(0, 2)},
    {"mirostat_tau", NUMBER(0, 100)},
    {"mirostat_eta", NUMBER(0, 1)},
    {"seed", INTEGER(-0x1p62, 0x1p62)},
    {"stop",
     {.types = SCHEMA_STRING | SCHEMA_ARRAY | SCHEMA_NULL,
      .max_size = 256,
      .items = &(const struct schema){.types = SCHEMA_STRING, .max_size = 4096}}},
    {"num_predict",
     {.types = SCHEMA_INTEGER | SCHEMA_NULL, .min = INT32_MIN, .max = INT32_MAX, .help = "tokens; ≤ 0: no bound"}},
    {"num_ctx", INTEGER(1, INT32_MAX)},
    {"num_keep", INTEGER(-1, INT32_MAX)},
    /* how fast, not what: the server's own options decide */
    {"num_batch", INTEGER(0, INT32_MAX)},
    {"num_gpu", INTEGER(-1, INT32_MAX)},
    {"main_gpu", INTEGER(-1, INT32_MAX)},
    {"num_thread", INTEGER(0, INT32_MAX)},
    {"draft_num_predict", INTEGER(-1, INT32_MAX)},
    {"use_mmap", {.types = SCHEMA_BOOL | SCHEMA_NULL}},
    {0},
};
static const struct schema_field message_fields[] = {
    {"role", {.types = SCHEMA_STRING, .required = true, .values = "system|user|assistant"}},
    {"content", {.types = SCHEMA_STRING, .required = true}},
    {0},
};
static const struct schema_field preset_fields[] = {
    {"system", {.types = SCHEMA_STRING | SCHEMA_NULL}},
    {"template", {.types = SCHEMA_STRING | SCHEMA_NULL}},
    {"messages",
     {.types = SCHEMA_ARRAY | SCHEMA_NULL,
      .max_size = MAX_PRESET_MESSAGES,
      .items = &(const struct schema){.types = SCHEMA_OBJECT, .fields = message_fields}}},
    {"parameters", {.types = SCHEMA_OBJECT | SCHEMA_NULL, .fields = parameter_fields}},
    {"license", {.types = SCHEMA_STRING | SCHEMA_NULL}},
    {"parent", {.types = SCHEMA_STRING | SCHEMA_NULL}},
    {0},
};
const struct schema preset_schema = {.name = "Preset", .types = SCHEMA_OBJECT, .fields = preset_fields};

static char *path_of(const char *model_path) {
    const char *slash = strrchr(model_path, '/');
    if (file_is_directory(model_path)) return path_join(model_path, PRESET_FILE);
    if (!slash) return mem_strdup(PRESET_FILE);
    char *folder = mem_strndup(model_path, (size_t)(slash - model_path)), *path = NULL;
    if (folder) path = path_join(folder, PRESET_FILE);
    mem_free(folder);
    return path;
}

bn_status preset_parse(const char *text, size_t size, const char *what, json_t **out, bn_error *err) {
    char place[SCHEMA_PATH_BYTES];
    *out = NULL;
    bn_status status = json_parse(text, size, what, out, err);
    if (status || !schema_validate(&preset_schema, *out, place, err)) return status;
    error_prefix(err, "%s", what);
    if (err) err->status = BN_STATUS_BAD_FILE;
    json_decref(*out);
    *out = NULL;
    return BN_STATUS_BAD_FILE;
}

bn_status preset_read(const char *path, json_t **out, bn_error *err) {
    char *file = path_of(path), *text;
    size_t size;
    *out = NULL;
    if (!file) return fail_no_memory(err, strlen(path));
    bool there = file_exists(file);
    bn_status status = there ? file_read_all(file, MAX_PRESET_BYTES, &text, &size, err) : BN_OK;
    if (there && !status) {
        status = preset_parse(text, size, file, out, err);
        mem_free(text);
    }
    mem_free(file);
    return status;
}

json_t *preset_messages(const json_t *preset, const json_t *messages) {
    const char *system = json_text_or(preset, "system", NULL);
    bool own = strcmp(json_text_or(json_array_get(messages, 0), "role", ""), "system") == 0 ||
               strcmp(json_text_or(json_array_get(messages, 0), "role", ""), "developer") == 0;
    json_t *all = json_array(), *before = json_member(preset, "messages");
    if (system && *system && !own)
        json_array_append_new(all, json_pack("{s:s, s:s}", "role", "system", "content", system));
    if (own) json_array_append(all, json_array_get(messages, 0));
    for (size_t i = 0; i < json_array_size(before); i++)
        json_array_append_new(all, json_deep_copy(json_array_get(before, i)));
    for (size_t i = own; i < json_array_size(messages); i++) json_array_append(all, json_array_get(messages, i));
    return all;
}
