/* GET /v1/models and /v1/models/{id}. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "server/openai.h"

static json_t *model_json(const struct model_status *status) {
    return json_pack("{s:s, s:s, s:I, s:s, s:s, s:n, s:{s:s}, s:{s:I}}", "id", status->name, "object", "model",
                     "created", (json_int_t)status->created, "owned_by", "bitnet", "root", status->name, "parent",
                     "status", "value", model_state_name(status->state), "meta", "size",
                     (json_int_t)status->file_bytes);
}

/* What is known of a model that is in memory. */
static void add_meta(const struct api *api, json_t *object, const char *name) {
    const struct model *model = NULL;
    bn_error error;
    struct model_status status;
    if (!models_find(api->models, name, &status) || status.state != MODEL_LOADED ||
        models_acquire(api->models, name, &model, &error))
        return;
    json_object_set_new(object, "max_model_len", json_integer((json_int_t)model->context_length));
    json_object_set_new(object, "meta",
                        json_pack("{s:I, s:I, s:I, s:I, s:I, s:s}", "n_vocab", (json_int_t)model->info.vocab_size,
                                  "n_ctx_train", (json_int_t)model->info.context_length, "n_embd",
                                  (json_int_t)model->info.hidden_size, "n_params", (json_int_t)model->info.n_parameters,
                                  "size", (json_int_t)model->info.weight_bytes, "architecture",
                                  model->info.architecture));
    model_release(model);
}

void handle_models(struct exchange *exchange, void *service) {
    const struct api *api = service;
    struct model_status *list;
    size_t n;
    bn_error error;
    if (models_list(api->models, &list, &n, &error)) {
        exchange_fail_status(exchange, &error);
        return;
    }
    json_t *data = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *object = model_json(&list[i]);
        add_meta(api, object, list[i].name);
        json_array_append_new(data, object);
    }
    mem_free(list);
    exchange_respond_json(exchange, 200, json_pack("{s:s, s:o}", "object", "list", "data", data));
}

/* ---- loading and unloading ---- */

static const struct schema_field load_fields[] = {
    {"model", {.types = SCHEMA_STRING, .required = true, .min_size = 1, .max_size = 255}},
    {"reload", {.types = SCHEMA_BOOL | SCHEMA_NULL, .help = "also if it is in memory: its source may have changed"}},
    {0},
};
const struct schema model_load_schema = {.name = "ModelLoadRequest", .types = SCHEMA_OBJECT, .fields = load_fields};

static void answer_change(struct exchange *exchange, bn_status status, const bn_error *error) {
    struct failure failure = {0};
    if (succeeded(&failure, status, error)) {
        exchange_respond_json(exchange, 200, json_pack("{s:b}", "success", 1));
        return;
    }
    snprintf(failure.param, sizeof failure.param, "model");
    failure_send(exchange, &failure);
}

void handle_model_load(struct exchange *exchange, void *service) {
    const struct api *api = service;
    const json_t *body = exchange_request(exchange)->json;
    const char *name = json_text_or(body, "model", "");
    const struct model *model = NULL;
    bn_error error = {0};
    bn_status status = json_bool_or(body, "reload", false) ? models_reload(api->models, name, &error) : BN_OK;
    if (!status) status = models_acquire(api->models, name, &model, &error);
    if (!status) model_release(model);
    answer_change(exchange, status, &error);
}

void handle_model_unload(struct exchange *exchange, void *service) {
    const struct api *api = service;
    bn_error error = {0};
    const char *name = json_text_or(exchange_request(exchange)->json, "model", "");
    answer_change(exchange, models_unload(api->models, name, &error), &error);
}

void handle_model(struct exchange *exchange, void *service) {
    const struct api *api = service;
    const char *name = exchange_parameter(exchange, "id");
    struct model_status status;
    if (!models_find(api->models, name, &status)) {
        const struct api_error error = {.status = 404, .code = "model_not_found", .param = "model"};
        exchange_fail(exchange, &error, "The model '%s' does not exist", name);
        return;
    }
    json_t *object = model_json(&status);
    add_meta(api, object, name);
    exchange_respond_json(exchange, 200, object);
}
