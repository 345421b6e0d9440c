/* POST /api/create: a new version of a model from another one, or from uploaded files, with a preset (preset.h). */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/folders.h"
#include "base/memory.h"
#include "server/hub/ollama_library.h"
#include "server/model_file.h"
#include "tokenizer/template/chat.h"

static const struct schema_field message_fields[] = {
    {"role", {.types = SCHEMA_STRING, .required = true, .values = "system|user|assistant"}},
    {"content", {.types = SCHEMA_STRING, .required = true}},
    {0},
};
static const struct schema_field create_fields[] = {
    {"model", {.types = SCHEMA_STRING | SCHEMA_NULL, .max_size = 255}},
    {"name", {.types = SCHEMA_STRING | SCHEMA_NULL, .max_size = 255, .help = "older spelling of model"}},
    {"from", {.types = SCHEMA_STRING | SCHEMA_NULL, .max_size = 255, .help = "the model that it is made of, or …"}},
    {"files",
     {.types = SCHEMA_OBJECT | SCHEMA_NULL,
      .max_size = 1024,
      .members = &(const struct schema){.types = SCHEMA_STRING},
      .help = "… its files, and the digests under which they were uploaded"}},
    {"adapters", {.types = SCHEMA_OBJECT | SCHEMA_NULL}},
    {"template", {.types = SCHEMA_STRING | SCHEMA_NULL, .help = "a chat template (Jinja)"}},
    {"system", {.types = SCHEMA_STRING | SCHEMA_NULL}},
    {"parameters", {.types = SCHEMA_OBJECT | SCHEMA_NULL, .fields = parameter_fields}},
    {"messages",
     {.types = SCHEMA_ARRAY | SCHEMA_NULL,
      .max_size = 1000,
      .items = &(const struct schema){.types = SCHEMA_OBJECT, .fields = message_fields}}},
    {"license", {.types = SCHEMA_STRING | SCHEMA_ARRAY | SCHEMA_NULL}},
    {"quantize", {.types = SCHEMA_STRING | SCHEMA_NULL}},
    {"stream", {.types = SCHEMA_BOOL | SCHEMA_NULL, .help = "lines of JSON (true)"}},
    {0},
};
const struct schema ollama_create_schema = {
    .name = "OllamaCreateRequest", .types = SCHEMA_OBJECT, .fields = create_fields};

struct creation {
    struct ollama_task *task;
    struct registry *registry;
    struct staging staging;
    char *path;     /* of the model in staging: what will be opened */
    json_t *preset; /* of the model it is made of, then its own */
};

/* ---- files ---- */

/* As another link where both are the registry's own or an upload, which nothing changes; else as a copy. */
static bn_status place(struct creation *c, const char *from, const char *name, bool share, bn_error *err) {
    char hex[SHA256_HEX_SIZE], *to = path_join(c->staging.folder, name);
    uint64_t size;
    if (!to) return fail_no_memory(err, strlen(name));
    folders_make(to);
    bn_status status = BN_OK;
    if (!share || link(from, to)) {
        int fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        status = fd < 0 ? fail(err, BN_STATUS_IO, "%s: can't write", to)
                        : sha256_file(from, fd, &c->task->progress, hex, &size, err);
        if (fd >= 0 && close(fd) && !status) status = fail(err, BN_STATUS_IO, "%s: can't write", to);
    }
    mem_free(to);
    return status;
}

struct folder {
    struct creation *creation;
    const char *path;
    bool share;
};

static bn_status place_visited(void *context, const char *relative, bn_error *err) {
    const struct folder *folder = context;
    if (strcmp(relative, PRESET_FILE) == 0) return BN_OK;
    char *path = path_join(folder->path, relative);
    bn_status status =
        path ? place(folder->creation, path, relative, folder->share, err) : fail_no_memory(err, strlen(relative));
    mem_free(path);
    return status;
}

static bn_status take_from(struct creation *c, const char *from, bn_error *err) {
    char *path = NULL;
    int lease = -1;
    bn_status status = ollama_take_path(c->task->api, from, &path, &lease, err);
    if (status) return status;
    const char *home = registry_home(c->registry), *slash = strrchr(path, '/');
    bool share = strncmp(path, home, strlen(home)) == 0;
    const struct folder folder = {c, path, share};
    ollama_task_tell_status(c->task, "using existing layers");
    if (file_is_directory(path)) {
        status = folder_visit(path, VERSION_MAX_FILES, place_visited, (void *)(uintptr_t)&folder, err);
        c->path = mem_strdup(c->staging.folder);
    } else {
        const char *name = slash ? slash + 1 : path;
        status = place(c, path, name, share, err);
        c->path = path_join(c->staging.folder, name);
    }
    if (!status) status = preset_read(path, &c->preset, err);
    if (!status && !c->path) status = fail_no_memory(err, strlen(path));
    if (lease >= 0) close(lease);
    mem_free(path);
    return status;
}

static bn_status take_files(struct creation *c, const json_t *files, bn_error *err) {
    const char *name, *gguf = NULL;
    json_t *digest;
    bn_status status = BN_OK;
    ollama_task_tell_status(c->task, "using uploaded files");
    json_object_foreach((json_t *)(uintptr_t)files, name, digest) {
        char *blob = ollama_blob_path(json_string_value(digest));
        size_t n = strlen(name);
        if (!status && !version_path_valid(name))
            status = fail(err, BN_STATUS_BAD_ARGUMENT, "'%s' is not a file name that is accepted", name);
        if (!status && (!blob || !file_exists(blob)))
            status = fail(err, BN_STATUS_BAD_ARGUMENT, "'%s' was not uploaded: POST /api/blobs/%s", name,
                          json_string_value(digest));
        if (!status) status = place(c, blob, name, true, err);
        if (n > 5 && strcmp(name + n - 5, ".gguf") == 0) gguf = name;
        mem_free(blob);
    }
    c->path = gguf ? path_join(c->staging.folder, gguf) : mem_strdup(c->staging.folder);
    return status ? status : c->path ? BN_OK : fail_no_memory(err, 256);
}

/* Uploads that have become part of a version aren't needed any more. */
static void forget_uploads(const json_t *files) {
    const char *name;
    json_t *digest;
    json_object_foreach((json_t *)(uintptr_t)files, name, digest) {
        char *blob = ollama_blob_path(json_string_value(digest));
        if (blob) unlink(blob);
        mem_free(blob);
    }
}

/* ---- the preset ---- */

static json_t *license_of(const json_t *license) {
    struct buffer text = {0};
    if (json_is_string(license)) return json_incref((json_t *)(uintptr_t)license);
    for (size_t i = 0; i < json_array_size(license); i++) {
        const json_t *one = json_array_get(license, i);
        if (i) buffer_append_char(&text, '\n');
        buffer_append(&text, json_string_value(one), json_string_length(one));
    }
    json_t *all = json_text(text.data ? text.data : "", text.size);
    buffer_release(&text);
    return all;
}

static void set_preset(json_t *preset, const json_t *body) {
    static const char *const texts[] = {"system", "template", "messages"};
    json_t *parameters = json_member(body, "parameters"), *own = json_member(preset, "parameters");
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (json_member(body, texts[i])) json_object_set(preset, texts[i], json_object_get(body, texts[i]));
    if (parameters && own)
        json_object_update(own, parameters);
    else if (parameters)
        json_object_set_new(preset, "parameters", json_deep_copy(parameters));
    if (json_member(body, "license")) json_object_set_new(preset, "license", license_of(json_member(body, "license")));
    if (json_member(body, "from")) json_object_set(preset, "parent", json_object_get(body, "from"));
}

/* A template that can't be used is noticed here, not when the first request comes. */
static bn_status check_template(const struct creation *c, bn_error *err) {
    const char *text = json_text_or(c->preset, "template", "");
    bn_tokenizer *tokenizer = NULL;
    struct chat *chat = NULL;
    if (!*text) return BN_OK;
    bn_status status = bn_tokenizer_open(c->path, &tokenizer, err);
    if (!status) status = chat_open_source(tokenizer, text, &chat, err);
    if (status) error_prefix(err, "'template' must be a Jinja template");
    chat_close(chat);
    bn_tokenizer_close(tokenizer);
    return status;
}

static bn_status write_preset(struct creation *c, bn_error *err) {
    char place_[SCHEMA_PATH_BYTES];
    if (!c->preset) c->preset = json_object();
    set_preset(c->preset, c->task->body);
    bn_status status = schema_validate(&preset_schema, c->preset, place_, err);
    if (!status) status = check_template(c, err);
    if (status || json_object_size(c->preset) == 0) return status;
    char *path = path_join(c->staging.folder, PRESET_FILE);
    char *text = json_dumps(c->preset, JSON_INDENT(2) | JSON_SORT_KEYS);
    status = path && text ? file_write_all(path, text, strlen(text), err) : fail_no_memory(err, 256);
    free(text); /* jansson's own memory */
    mem_free(path);
    return status;
}

/* ---- the route ---- */

static bn_status check_body(const json_t *body, bn_error *err) {
    if (!*ollama_asked_name(body)) return fail(err, BN_STATUS_BAD_ARGUMENT, "'model' is required");
    if (json_object_size(json_member(body, "adapters")))
        return fail(err, BN_STATUS_UNSUPPORTED, "'adapters' is not supported by this server");
    if (*json_text_or(body, "quantize", ""))
        return fail(err, BN_STATUS_UNSUPPORTED, "'quantize' is not supported here: use 'bitnet model convert --type'");
    if (!*json_text_or(body, "from", "") && !json_object_size(json_member(body, "files")))
        return fail(err, BN_STATUS_BAD_ARGUMENT, "'from' (a model) or 'files' is required");
    return BN_OK;
}

/* Staging keeps what it holds to itself: it goes before the server opens the version. */
static bn_status commit(struct creation *c, const struct model_reference *target, bn_error *err) {
    const char *from = json_text_or(c->task->body, "from", "");
    struct model_version version = {0};
    bool added;
    json_t *origin = json_pack("{s:s, s:s}", "kind", "create", "source", from);
    const struct version_facts facts = {
        .name = target->name, .variant = *target->variant ? target->variant : NULL, .origin = origin};
    ollama_task_tell_status(c->task, "writing manifest");
    bn_status status = staging_commit(c->registry, &c->staging, &facts, &c->task->progress, &version, &added, err);
    staging_discard(&c->staging);
    if (!status) status = ollama_serve_version(c->task->api, &version, err);
    model_version_release(&version);
    json_decref(origin);
    return status;
}

static bn_status run_create(struct ollama_task *task, bn_error *err) {
    const json_t *body = task->body, *files = json_member(body, "files");
    const char *from = json_text_or(body, "from", "");
    struct creation c = {.task = task, .staging = {.lease = -1}};
    struct model_reference target;
    struct model_file file;
    bn_status status = check_body(body, err);
    if (!status) status = ollama_target_parse(ollama_asked_name(body), &target, err);
    if (!status) status = registry_open(NULL, &c.registry, err);
    if (!status) status = staging_open(c.registry, &c.staging, err);
    if (!status) status = json_object_size(files) ? take_files(&c, files, err) : take_from(&c, from, err);
    if (!status) status = model_file_describe(c.path, &file, err);
    if (!status) ollama_task_tell_status(task, "creating new layer");
    if (!status) status = write_preset(&c, err);
    if (!status) status = commit(&c, &target, err);
    if (!status) forget_uploads(files);
    staging_discard(&c.staging);
    registry_close(c.registry);
    json_decref(c.preset);
    mem_free(c.path);
    return status;
}

void handle_ollama_create(struct exchange *exchange, void *service) {
    ollama_task_start(exchange, service, run_create);
}
