/* GET /api/tags, GET /api/ps, POST /api/show: which models there are, and what they are. */
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "server/llama.h"
#include "server/model_file.h"
#include "server/ollama.h"

static const struct schema_field name_fields[] = {
    {"model", {.types = SCHEMA_STRING | SCHEMA_NULL, .max_size = 255}},
    {"name", {.types = SCHEMA_STRING | SCHEMA_NULL, .max_size = 255, .help = "older spelling of model"}},
    {"verbose", {.types = SCHEMA_BOOL | SCHEMA_NULL, .help = "lists and tensors, too (show)"}},
    {0},
};
const struct schema ollama_name_schema = {.name = "OllamaName", .types = SCHEMA_OBJECT, .fields = name_fields};

/* ---- rows ---- */

static json_t *details_json(const struct model_file *file, const char *parent) {
    char size[32];
    return json_pack("{s:s, s:s, s:s, s:[s], s:s, s:s, s:I, s:I}", "parent_model", parent, "format", file->format,
                     "family", file->family, "families", file->family, "parameter_size",
                     model_file_size_label(file, size, sizeof size), "quantization_level", file->type, "context_length",
                     (json_int_t)file->context_length, "embedding_length", (json_int_t)file->embedding_length);
}

/* What stands for a model's content: of a version of the registry its id, else a hash of which file it is, and of which
 * state. */
static void digest_of(const struct model_status *status, char out[65]) {
    const char *store = strstr(status->path, "/store/versions/");
    const char *id = store ? store + strlen("/store/versions/") : "";
    if (strspn(id, "0123456789abcdef") == 64) {
        snprintf(out, 65, "%.64s", id);
        return;
    }
    char text[700];
    unsigned char hash[SHA256_DIGEST_LENGTH];
    int n = snprintf(text, sizeof text, "%s\n%llu\n%lld", status->path, (unsigned long long)status->file_bytes,
                     (long long)status->created);
    SHA256((const unsigned char *)text, (size_t)n, hash);
    for (size_t i = 0; i < sizeof hash; i++) snprintf(out + 2 * i, 3, "%02x", hash[i]);
}

/* What both lists have of a model; NULL for one that can't be read any more. */
static json_t *model_json(const struct model_status *status) {
    struct model_file file;
    char name[300], digest[65];
    json_t *preset = NULL;
    if (!*status->path || model_file_describe(status->path, &file, NULL)) return NULL;
    if (preset_read(status->path, &preset, NULL)) preset = NULL;
    digest_of(status, digest);
    ollama_show_name(status->name, name, sizeof name);
    json_t *object = json_pack("{s:s, s:s, s:s, s:o}", "name", name, "model", name, "digest", digest, "details",
                               details_json(&file, json_text_or(preset, "parent", "")));
    json_decref(preset);
    return object;
}

static void set_time(json_t *object, const char *name, int64_t seconds) {
    char text[40];
    ollama_time(seconds, text);
    json_object_set_new(object, name, json_string(text));
}

/* Answers {"models": […]} with what `describe` adds to each; it returns false for models that don't belong there. */
static void answer_list(struct exchange *exchange, const struct api *api,
                        bool (*describe)(const struct model_status *status, json_t *object)) {
    struct model_status *list;
    size_t n;
    bn_error error = {0};
    if (models_list(api->models, &list, &n, &error)) {
        exchange_fail_status(exchange, &error);
        return;
    }
    json_t *models = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *object = model_json(&list[i]);
        if (object && describe(&list[i], object))
            json_array_append_new(models, object);
        else
            json_decref(object);
    }
    mem_free(list);
    exchange_respond_json(exchange, 200, json_pack("{s:o}", "models", models));
}

static bool describe_tag(const struct model_status *status, json_t *object) {
    json_object_set_new(object, "size", json_integer((json_int_t)status->file_bytes));
    set_time(object, "modified_at", status->created);
    return true;
}

void handle_ollama_tags(struct exchange *exchange, void *service) {
    answer_list(exchange, service, describe_tag);
}

/* A model that stays for ever expires after Go's longest duration, as Ollama's clients know it. */
static bool describe_loaded(const struct model_status *status, json_t *object) {
    const uint64_t longest_s = INT64_MAX / 1000000000;
    uint64_t left_s = status->idle_expires_ms / 1000;
    if (status->state != MODEL_LOADED) return false;
    json_object_set_new(object, "size", json_integer((json_int_t)status->memory_bytes));
    json_object_set_new(object, "size_vram", json_integer(0));
    json_object_set_new(object, "context_length", json_integer((json_int_t)status->context_length));
    set_time(object, "expires_at", (int64_t)time(NULL) + (int64_t)(left_s < longest_s ? left_s : longest_s));
    return true;
}

void handle_ollama_ps(struct exchange *exchange, void *service) {
    answer_list(exchange, service, describe_loaded);
}

/* ---- one model ---- */

/* By the name, as requests find it: served, listed, or else loaded. */
static bool find_model(const struct api *api, const json_t *body, struct model_status *out, struct failure *failure) {
    char name[256];
    if (!ollama_check_name(body, failure)) return false;
    ollama_name(body, name, sizeof name);
    if (models_find_listed(api->models, name, out)) return true;
    if (models_known_only(api->models)) return ollama_not_found(failure, name);
    const struct model *model = NULL;
    uint64_t ns;
    if (!ollama_acquire(api, body, &model, &ns, failure)) return false;
    bool found = models_find(api->models, model->name, out);
    model_release(model);
    return found ? true : ollama_not_found(failure, name);
}

static void append_value(struct buffer *out, const char *prefix, const char *name, const json_t *value) {
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    buffer_printf(out, "%s%-24s %s\n", prefix, name, text ? text : "");
    free(text); /* jansson's own memory */
}

/* One line a value; lists have one for each of theirs. */
static void append_parameters(struct buffer *out, const json_t *preset, const char *prefix) {
    const char *name;
    json_t *value;
    json_object_foreach(json_member(preset, "parameters"), name, value) {
        if (!json_is_array(value)) append_value(out, prefix, name, value);
        for (size_t i = 0; i < json_array_size(value); i++) append_value(out, prefix, name, json_array_get(value, i));
    }
}

static void append_quoted(struct buffer *out, const char *word, const char *text) {
    if (*text) buffer_printf(out, "%s \"\"\"%s\"\"\"\n", word, text);
}

static void append_modelfile(struct buffer *out, const struct model_status *status, const json_t *preset,
                             const char *chat_template) {
    const json_t *messages = json_member(preset, "messages");
    buffer_printf(out, "FROM %s\n", status->path);
    append_quoted(out, "TEMPLATE", chat_template);
    append_parameters(out, preset, "PARAMETER ");
    append_quoted(out, "SYSTEM", json_text_or(preset, "system", ""));
    for (size_t i = 0; i < json_array_size(messages); i++) {
        const json_t *message = json_array_get(messages, i);
        buffer_printf(out, "MESSAGE %s ", json_text_or(message, "role", ""));
        append_quoted(out, "", json_text_or(message, "content", ""));
    }
    append_quoted(out, "LICENSE", json_text_or(preset, "license", ""));
}

static json_t *capabilities_json(const struct model_file *file, const bn_tokenizer *tokenizer,
                                 const char *chat_template) {
    if (file->pooling) return json_pack("[s]", "embedding");
    json_t *list = json_pack("[s]", "completion");
    if (strstr(chat_template, "tools")) json_array_append_new(list, json_string("tools"));
    if (tokenizer && model_can_infill(tokenizer)) json_array_append_new(list, json_string("insert"));
    if (ollama_template_thinks(chat_template)) json_array_append_new(list, json_string("thinking"));
    return list;
}

static void set_text(json_t *object, const char *name, struct buffer *text) {
    json_object_set_new(object, name, json_text(text->data ? text->data : "", text->size));
    buffer_release(text);
}

static void set_preset(json_t *object, const struct model_status *status, const struct model_file *file,
                       const json_t *preset, const bn_tokenizer *tokenizer) {
    const char *own = tokenizer ? bn_tokenizer_chat_template(tokenizer) : NULL;
    const char *chat_template = json_text_or(preset, "template", own ? own : "");
    static const char *const same[] = {"system", "license", "messages"};
    struct buffer parameters = {0}, modelfile = {0};
    append_parameters(&parameters, preset, "");
    append_modelfile(&modelfile, status, preset, chat_template);
    set_text(object, "parameters", &parameters);
    set_text(object, "modelfile", &modelfile);
    json_object_set_new(object, "template", json_text(chat_template, strlen(chat_template)));
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (json_member(preset, same[i])) json_object_set(object, same[i], json_object_get(preset, same[i]));
    json_object_set_new(object, "capabilities", capabilities_json(file, tokenizer, chat_template));
}

/* Names that clients look for, also where the file writes them otherwise. */
static void set_info(json_t *object, const struct model_file *file, json_t *info) {
    char key[128];
    json_object_set_new(info, "general.architecture", json_string(file->family));
    json_object_set_new(info, "general.parameter_count", json_integer((json_int_t)file->n_parameters));
    snprintf(key, sizeof key, "%s.context_length", file->family);
    if (file->context_length) json_object_set_new(info, key, json_integer((json_int_t)file->context_length));
    snprintf(key, sizeof key, "%s.embedding_length", file->family);
    if (file->embedding_length) json_object_set_new(info, key, json_integer((json_int_t)file->embedding_length));
    json_object_set_new(object, "model_info", info);
}

static json_t *show_json(const struct model_status *status, bool verbose, struct failure *failure) {
    struct model_file file;
    json_t *info = NULL, *tensors = NULL, *preset = NULL;
    bn_tokenizer *tokenizer = NULL;
    bn_error error = {0};
    bn_status problem = model_file_describe(status->path, &file, &error);
    if (!problem) problem = model_file_metadata(status->path, verbose, &info, &error);
    if (!problem && verbose) problem = model_file_tensors(status->path, &tensors, &error);
    if (!problem) problem = preset_read(status->path, &preset, &error);
    if (!problem && bn_tokenizer_open(status->path, &tokenizer, NULL)) tokenizer = NULL; /* it has none */
    json_t *object = problem ? NULL : json_object();
    if (object) {
        set_preset(object, status, &file, preset, tokenizer);
        json_object_set_new(object, "details", details_json(&file, json_text_or(preset, "parent", "")));
        set_info(object, &file, json_incref(info));
        if (tensors) json_object_set(object, "tensors", tensors);
        set_time(object, "modified_at", status->created);
    } else {
        succeeded(failure, problem ? problem : BN_STATUS_NO_MEMORY, problem ? &error : NULL);
    }
    bn_tokenizer_close(tokenizer);
    json_decref(preset);
    json_decref(tensors);
    json_decref(info);
    return object;
}

void handle_ollama_show(struct exchange *exchange, void *service) {
    const json_t *body = exchange_request(exchange)->json;
    struct failure failure = {0};
    struct model_status status;
    json_t *object = NULL;
    if (find_model(service, body, &status, &failure))
        object = show_json(&status, json_bool_or(body, "verbose", false), &failure);
    if (object)
        exchange_respond_json(exchange, 200, object);
    else
        failure_send(exchange, &failure);
}
