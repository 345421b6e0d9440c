/* POST /api/copy, DELETE /api/delete; and what names mean to the registry. */
#include "server/hub/ollama_library.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/folders.h"
#include "base/memory.h"

static const struct schema_field copy_fields[] = {
    {"source", {.types = SCHEMA_STRING, .required = true, .min_size = 1, .max_size = 255}},
    {"destination", {.types = SCHEMA_STRING, .required = true, .min_size = 1, .max_size = 255}},
    {0},
};
const struct schema ollama_copy_schema = {.name = "OllamaCopyRequest", .types = SCHEMA_OBJECT, .fields = copy_fields};

/* ---- names ---- */

static void strip_latest(const char *text, char out[256]) {
    size_t n = strlen(text);
    snprintf(out, 256, "%s", text);
    if (n > 7 && n < 256 && strcmp(text + n - 7, ":latest") == 0) out[n - 7] = 0;
}

bn_status ollama_target_parse(const char *text, struct model_reference *out, bn_error *err) {
    char name[256];
    strip_latest(text, name);
    bn_status status = model_reference_parse(name, out, err);
    if (!status && (out->version || *out->tag))
        return fail(err, BN_STATUS_BAD_ARGUMENT, "'%s': versions are numbered by themselves, leave '@…' out", text);
    return status;
}

bn_status ollama_find_version(struct registry *registry, const char *text, struct model_reference *reference,
                              struct model_version *out, bn_error *err) {
    char name[256];
    strip_latest(text, name);
    *out = (struct model_version){0};
    bn_status status = model_reference_parse(name, reference, err);
    if (status) return status;
    status = registry_find(registry, reference, out, err);
    char *colon = strchr(name, ':');
    if (status != BN_STATUS_NOT_FOUND || !colon || strchr(name, '@')) return status;
    *colon = '@';
    if (model_reference_parse(name, reference, NULL)) return status;
    return registry_find(registry, reference, out, NULL) ? status : BN_OK;
}

static bn_status take_version(const char *text, char **path, int *lease, bn_error *err) {
    struct registry *registry = NULL;
    struct model_reference reference;
    struct model_version version = {0};
    bn_status status = registry_open(NULL, &registry, err);
    if (!status) status = ollama_find_version(registry, text, &reference, &version, err);
    model_version_release(&version);
    if (!status) status = registry_take(registry, &reference, &version, lease, err);
    if (!status) *path = version.path;
    if (!status) version.path = NULL;
    model_version_release(&version);
    registry_close(registry);
    return status;
}

bn_status ollama_take_path(struct api *api, const char *text, char **path, int *lease, bn_error *err) {
    struct model_status served;
    char name[256];
    *path = NULL;
    *lease = -1;
    strip_latest(text, name);
    bool listed = models_find_listed(api->models, name, &served);
    bool first = listed && models_known_only(api->models); /* the server's arguments come before the registry */
    bn_status status = first ? BN_STATUS_NOT_FOUND : take_version(text, path, lease, err);
    if (!status || !listed) return status;
    *path = mem_strdup(served.path); /* also of the models folder, or of a hub's cache */
    return *path ? BN_OK : fail_no_memory(err, strlen(served.path));
}

/* "owner/small:q8"; the default variant isn't named. */
static void name_of(const struct model_version *version, char out[300]) {
    bool plain = strcmp(version->variant, DEFAULT_VARIANT) == 0;
    snprintf(out, 300, "%s%s%s", version->name, plain ? "" : ":", plain ? "" : version->variant);
}

bn_status ollama_serve_version(struct api *api, const struct model_version *version, bn_error *err) {
    struct model_status known;
    char name[300];
    name_of(version, name);
    if (!models_find(api->models, name, &known))
        return models_known_only(api->models) ? models_set(api->models, name, name, NULL, err) : BN_OK;
    return models_set(api->models, name, name, NULL, err);
}

/* ---- copying ---- */

static bn_status copy(struct api *api, const json_t *body, bn_error *err) {
    const char *source = json_text_or(body, "source", "");
    struct model_reference target;
    struct registry *registry = NULL;
    struct model_version version = {0};
    char *path = NULL;
    int lease = -1;
    bool added;
    bn_status status = ollama_target_parse(json_text_or(body, "destination", ""), &target, err);
    if (!status) status = ollama_take_path(api, source, &path, &lease, err);
    if (!status) status = registry_open(NULL, &registry, err);
    if (!status) {
        json_t *origin = json_pack("{s:s, s:s}", "kind", "copy", "source", source);
        const struct version_facts facts = {
            .name = target.name, .variant = *target.variant ? target.variant : NULL, .origin = origin};
        status = registry_add_copy(registry, path, &facts, NULL, &version, &added, err);
        json_decref(origin);
    }
    if (!status) status = ollama_serve_version(api, &version, err);
    model_version_release(&version);
    registry_close(registry);
    if (lease >= 0) close(lease);
    mem_free(path);
    return status;
}

static void answer(struct exchange *exchange, bn_status status, const bn_error *error, const char *name) {
    struct failure failure = {0};
    if (status == BN_STATUS_NOT_FOUND)
        ollama_not_found(&failure, name);
    else if (status == BN_STATUS_BUSY)
        failure = (struct failure){.status = 409, .code = "in_use"};
    else
        succeeded(&failure, status, error);
    if (status == BN_STATUS_BUSY) snprintf(failure.message, sizeof failure.message, "%s", error->message);
    if (status)
        failure_send(exchange, &failure);
    else
        exchange_respond(exchange, 200, "application/json", "", 0);
}

void handle_ollama_copy(struct exchange *exchange, void *service) {
    const json_t *body = exchange_request(exchange)->json;
    bn_error error = {0};
    bn_status status = copy(service, body, &error);
    answer(exchange, status, &error, json_text_or(body, "source", ""));
}

/* ---- deleting ---- */

/* The server lets go of it first: what it has in memory it keeps from being removed. */
static bn_status delete (struct api *api, const json_t *body, bn_error *err) {
    struct registry *registry = NULL;
    struct model_reference reference;
    struct model_version version = {0};
    size_t n;
    uint64_t freed;
    const char *asked = ollama_asked_name(body);
    char name[256];
    ollama_name(body, name, sizeof name);
    bn_status status = registry_open(NULL, &registry, err);
    if (!status) status = ollama_find_version(registry, asked, &reference, &version, err);
    if (!status) {
        (void)models_unload(api->models, name, NULL); /* where it is known */
        status = registry_remove(registry, &reference, &n, &freed, err);
    }
    struct model_status served;
    if (!status)
        (void)models_remove(api->models, name, NULL);
    else if (!version.name && models_find(api->models, name, &served))
        status =
            fail(err, BN_STATUS_BAD_ARGUMENT, "'%s' is not in the registry: the server was started with it", asked);
    model_version_release(&version);
    registry_close(registry);
    return status;
}

void handle_ollama_delete(struct exchange *exchange, void *service) {
    const json_t *body = exchange_request(exchange)->json;
    struct failure failure = {0};
    bn_error error = {0};
    if (!ollama_check_name(body, &failure)) {
        failure_send(exchange, &failure);
        return;
    }
    bn_status status = delete (service, body, &error);
    answer(exchange, status, &error, ollama_asked_name(body));
}
