/* POST /api/generate: a text by the template, as it is (raw), after an earlier answer (context), or between two others
 * (suffix). */
#include <string.h>

#include "base/memory.h"
#include "server/llama.h"
#include "server/ollama.h"
#include "server/openai.h"

static const struct schema_field generate_fields[] = {
    OLLAMA_MODEL_FIELDS,
    OLLAMA_GENERATION_FIELDS,
    {"prompt",
     {.types = SCHEMA_STRING | SCHEMA_NULL, .help = "none: the model is loaded, or with keep_alive 0 unloaded"}},
    {"suffix", {.types = SCHEMA_STRING | SCHEMA_NULL, .help = "what comes after the answer"}},
    {"system", {.types = SCHEMA_STRING | SCHEMA_NULL}},
    {"template", {.types = SCHEMA_STRING | SCHEMA_NULL, .help = "a chat template (Jinja) instead of the model's"}},
    {"context", {.types = SCHEMA_ARRAY | SCHEMA_NULL, .help = "of an earlier answer, to go on from it"}},
    {"raw", {.types = SCHEMA_BOOL | SCHEMA_NULL, .help = "the prompt is the whole prompt: no template"}},
    {"images", {.types = SCHEMA_ARRAY | SCHEMA_NULL}},
    {0},
};
const struct schema ollama_generate_schema = {
    .name = "OllamaGenerateRequest", .types = SCHEMA_OBJECT, .fields = generate_fields};

static bool has_text(const json_t *body, const char *name) {
    return json_string_length(json_member(body, name)) > 0;
}

/* What was said, as a conversation. */
static void set_messages(struct ollama_call *call) {
    json_t *messages = json_array();
    if (has_text(call->body, "system"))
        json_array_append_new(
            messages, json_pack("{s:s, s:O}", "role", "system", "content", json_object_get(call->body, "system")));
    json_array_append_new(messages,
                          json_pack("{s:s, s:s}", "role", "user", "content", json_text_or(call->body, "prompt", "")));
    json_object_set_new(call->common, "messages", messages);
}

/* By the model's template, or the request's own. */
static bool templated_prompt(struct ollama_call *call, struct chat_request *request, struct failure *failure) {
    struct chat *own = NULL;
    bn_error error = {0};
    set_messages(call);
    if (has_text(call->body, "template")) {
        bn_status status =
            chat_open_source(call->model->tokenizer, json_text_or(call->body, "template", ""), &own, &error);
        if (status) error_prefix(&error, "'template' must be a Jinja template");
        if (!succeeded(failure, status, &error)) return false;
    }
    bool ok = chat_request_prompt(request, own ? own : call->model->chat, call->common, failure);
    chat_close(own);
    return ok;
}

static bool infilled_prompt(struct ollama_call *call, struct chat_request *request, struct failure *failure) {
    const json_t *prefix = json_member(call->body, "prompt"), *suffix = json_member(call->body, "suffix");
    const struct infill infill = {.prefix = json_string_value(prefix),
                                  .n_prefix = json_string_length(prefix),
                                  .suffix = json_string_value(suffix),
                                  .n_suffix = json_string_length(suffix),
                                  .begun = ""};
    if (!model_can_infill(call->model->tokenizer))
        return refuse(failure, "suffix", "\"%s\" does not support insert", call->model->name);
    return infill_prompt(call->model, &infill, &request->prompt, failure);
}

/* Puts the tokens of an earlier exchange before the prompt, whose own BOS goes. */
static bool prepend_context(struct ollama_call *call, struct generation_prompt *prompt, struct failure *failure) {
    const json_t *context = json_member(call->body, "context");
    const bn_encode_options ids_alone = {.size = sizeof ids_alone};
    struct generation_prompt all;
    if (json_array_size(context) == 0) return true;
    bool ok = read_prompt(call->model, context, "context", &ids_alone, &all, failure);
    size_t skipped = prompt->n_ids && prompt->ids[0] == bn_tokenizer_bos(call->model->tokenizer);
    size_t n = prompt->n_ids - skipped;
    int32_t *ids = ok ? mem_realloc_array(all.ids, all.n_ids + n + 1, sizeof *ids) : NULL;
    if (!ids) {
        bn_free(all.ids);
        return ok ? succeeded(failure, BN_STATUS_NO_MEMORY, NULL) : false;
    }
    if (n) memcpy(ids + all.n_ids, prompt->ids + skipped, n * sizeof *ids);
    bn_free(prompt->ids);
    *prompt = (struct generation_prompt){ids, all.n_ids + n};
    return true;
}

static bool check_members(const struct ollama_call *call, struct failure *failure) {
    const json_t *body = call->body;
    if (!json_bool_or(body, "raw", false)) return ollama_refuse_images(body, "images", failure);
    if (has_text(body, "template") || has_text(body, "system") || json_array_size(json_member(body, "context")))
        return refuse(failure, "raw", "raw mode does not support template, system, or context");
    return ollama_refuse_images(body, "images", failure);
}

static bool make_prompt(struct ollama_call *call, struct chat_request *request, struct failure *failure) {
    const bn_encode_options options = prompt_options(call->body);
    if (has_text(call->body, "suffix")) return infilled_prompt(call, request, failure);
    if (json_bool_or(call->body, "raw", false))
        return read_prompt(call->model, json_object_get(call->body, "prompt"), "prompt", &options, &request->prompt,
                           failure);
    return templated_prompt(call, request, failure) && prepend_context(call, &request->prompt, failure);
}

static bool read_generate(struct ollama_call *call, struct chat_request *request, struct failure *failure) {
    if (!check_members(call, failure) || !ollama_read_generation(call, failure)) return false;
    call->held = NULL; /* the request's from here on */
    if (!chat_request_options(request, call->model, call->common, failure)) return false;
    bool raw = json_bool_or(call->body, "raw", false);
    if (raw || json_is_false(json_member(call->body, "think"))) request->reasoning = false;
    call->with_context = !raw;
    return make_prompt(call, request, failure) && ollama_fit_prompt(call, request, failure) &&
           chat_request_settle(request, failure);
}

void handle_ollama_generate(struct exchange *exchange, void *service) {
    struct failure failure = {0};
    struct chat_request request = {0};
    struct ollama_call *call = ollama_call_create(exchange, service);
    if (!call) return;
    if (!ollama_call_open(call, &failure)) {
        delivery_refuse(&call->delivery, &failure);
    } else if (!has_text(call->body, "prompt") && !has_text(call->body, "suffix")) {
        ollama_answer_loaded(call);
    } else if (read_generate(call, &request, &failure)) {
        ollama_start(call, &request);
    } else {
        chat_request_release(&request);
        delivery_refuse(&call->delivery, &failure);
    }
}
