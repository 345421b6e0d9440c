#include "server/failure.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"

bool refuse(struct failure *failure, const char *param, const char *format, ...) {
    va_list arguments;
    *failure = (struct failure){.status = 400, .code = "invalid_value"};
    snprintf(failure->param, sizeof failure->param, "%s", param ? param : "");
    va_start(arguments, format);
    vsnprintf(failure->message, sizeof failure->message, format, arguments);
    va_end(arguments);
    return false;
}

bool refuse_overflow(struct failure *failure, size_t n_prompt_tokens, size_t context_length) {
    refuse(failure, NULL,
           "This model's maximum context length is %zu tokens: the request (%zu tokens) exceeds the available context "
           "size (%zu tokens), one of which must be left for the answer",
           context_length, n_prompt_tokens, context_length);
    failure->type = "exceed_context_size_error";
    failure->code = "context_length_exceeded";
    failure->n_prompt_tokens = n_prompt_tokens;
    failure->context_length = context_length;
    return false;
}

static void replace(char *text, size_t size, char *at, size_t n_from, const char *to) {
    struct buffer rest;
    buffer_init(&rest);
    buffer_printf(&rest, "%s%s", to, at + n_from);
    if (!rest.failed) snprintf(at, size - (size_t)(at - text), "%s", rest.data);
    buffer_release(&rest);
}

void failure_rename(struct failure *failure, const char *from, const char *to) {
    size_t n = strlen(from);
    char quoted[64];
    if (strncmp(failure->param, from, n) != 0) return;
    replace(failure->param, sizeof failure->param, failure->param, n, to);
    snprintf(quoted, sizeof quoted, "'%s", from);
    for (char *at = failure->message; (at = strstr(at, quoted)) != NULL; at++)
        replace(failure->message, sizeof failure->message, at + 1, n, to);
}

static void set(struct failure *failure, int status, const char *type, const char *code, unsigned retry_after_s) {
    failure->status = status;
    failure->type = type;
    failure->code = code;
    failure->retry_after_s = retry_after_s;
}

bool succeeded(struct failure *failure, bn_status status, const bn_error *error) {
    if (!status) return true;
    *failure = (struct failure){0};
    switch (status) {
    case BN_STATUS_CONTEXT_OVERFLOW:
        set(failure, 400, "exceed_context_size_error", "context_length_exceeded", 0);
        break;
    case BN_STATUS_BAD_ARGUMENT:
    case BN_STATUS_BAD_FILE:
    case BN_STATUS_UNSUPPORTED:
        set(failure, 400, NULL, "invalid_value", 0);
        break;
    case BN_STATUS_NOT_FOUND:
        set(failure, 404, NULL, "model_not_found", 0);
        break;
    case BN_STATUS_BUSY:
        set(failure, 429, NULL, "queue_full", 1);
        break;
    case BN_STATUS_NO_MEMORY:
        set(failure, 503, NULL, "out_of_memory", 1);
        break;
    case BN_STATUS_CANCELLED:
        set(failure, 504, "timeout_error", "timeout", 0);
        break;
    default:
        set(failure, 500, NULL, "internal_error", 0);
    }
    snprintf(failure->message, sizeof failure->message, "%s", error ? error->message : "out of memory");
    return false;
}

struct failure failure_of_end(const bn_error *error, bool no_memory) {
    struct failure failure = {0};
    if (no_memory)
        succeeded(&failure, BN_STATUS_NO_MEMORY, NULL);
    else if (error->status == BN_STATUS_CANCELLED)
        failure.status = STATUS_CANCELLED;
    else
        succeeded(&failure, error->status, error);
    return failure;
}

static struct api_error api_error_of(const struct failure *failure) {
    struct api_error error = {.status = failure->status,
                              .type = failure->type,
                              .code = failure->code,
                              .param = *failure->param ? failure->param : NULL,
                              .retry_after_s = failure->retry_after_s};
    if (failure->context_length)
        error.extra = json_pack("{s:I, s:I}", "n_prompt_tokens", (json_int_t)failure->n_prompt_tokens, "n_ctx",
                                (json_int_t)failure->context_length);
    return error;
}

json_t *failure_object(const struct failure *failure) {
    const char *type = failure->type ? failure->type : openai_error_type(failure->status);
    json_t *param = *failure->param ? json_text(failure->param, strlen(failure->param)) : json_null();
    json_t *object =
        json_pack("{s:o, s:s, s:o, s:s?}", "message", json_text(failure->message, strlen(failure->message)), "type",
                  type, "param", param, "code", failure->code);
    if (failure->context_length) {
        json_object_set_new(object, "n_prompt_tokens", json_integer((json_int_t)failure->n_prompt_tokens));
        json_object_set_new(object, "n_ctx", json_integer((json_int_t)failure->context_length));
    }
    return object;
}

json_t *failure_json(const struct exchange *exchange, const struct failure *failure) {
    struct api_error error = api_error_of(failure);
    return exchange_error_json(exchange, &error, failure->message);
}

void failure_send(struct exchange *exchange, const struct failure *failure) {
    struct api_error error = api_error_of(failure);
    exchange_fail(exchange, &error, "%s", failure->message);
}
