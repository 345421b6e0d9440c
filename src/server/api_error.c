/* Errors as each API's clients expect them. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "server/exchange_core.h"

const char *openai_error_type(int status) {
    switch (status) {
    case 401:
        return "authentication_error";
    case 403:
        return "permission_error";
    case 404:
        return "not_found_error";
    case 429:
        return "rate_limit_error";
    case 503:
        return "unavailable_error";
    default:
        return status < 500 ? "invalid_request_error" : "server_error";
    }
}

static const char *anthropic_type(int status) {
    switch (status) {
    case 401:
        return "authentication_error";
    case 403:
        return "permission_error";
    case 404:
        return "not_found_error";
    case 413:
        return "request_too_large";
    case 429:
        return "rate_limit_error";
    case 503:
        return "overloaded_error";
    default:
        return status < 500 ? "invalid_request_error" : "api_error";
    }
}

/* jansson takes valid UTF-8 only, and what clients send comes back in messages. */
static json_t *text_json(const char *text) {
    if (!text) return json_null();
    json_t *value = json_string(text);
    return value ? value : json_string("(not valid UTF-8)");
}

json_t *exchange_error_json(const struct exchange *exchange, const struct api_error *error, const char *message) {
    json_t *object = json_object(), *result = NULL;
    json_object_set_new(object, "message", text_json(message));
    switch (exchange->errors) {
    case ERRORS_OLLAMA:
        result = json_pack("{s:O}", "error", json_object_get(object, "message"));
        break;
    case ERRORS_ANTHROPIC:
        json_object_set_new(object, "type", text_json(error->type ? error->type : anthropic_type(error->status)));
        result = json_pack("{s:s, s:O, s:s}", "type", "error", "error", object, "request_id", exchange->request.id);
        break;
    case ERRORS_OPENAI:
    case ERRORS_LLAMA:
        json_object_set_new(object, "type", text_json(error->type ? error->type : openai_error_type(error->status)));
        json_object_set_new(object, "param", text_json(error->param));
        json_object_set_new(object, "code",
                            exchange->errors == ERRORS_LLAMA ? json_integer(error->status) : text_json(error->code));
        result = json_pack("{s:O}", "error", object);
        break;
    }
    if (error->extra && exchange->errors != ERRORS_OLLAMA) json_object_update(object, error->extra);
    json_decref(error->extra);
    json_decref(object);
    return result;
}

static void respond_json(struct exchange *exchange, int status, const struct header *headers, size_t n, json_t *value) {
    static const char no_memory[] =
        "{\"error\":{\"message\":\"out of memory\",\"type\":\"server_error\",\"param\":null,\"code\":null}}";
    char *text = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    json_decref(value);
    exchange_start(exchange, text ? status : 500, headers, n);
    exchange_write(exchange, text ? text : no_memory, text ? strlen(text) : sizeof no_memory - 1);
    free(text);
    exchange_end(exchange);
}

void exchange_respond_json(struct exchange *exchange, int status, json_t *value) {
    const struct header header = {"content-type", "application/json"};
    respond_json(exchange, status, &header, 1, value);
}

void exchange_fail(struct exchange *exchange, const struct api_error *error, const char *format, ...) {
    char message[600], seconds[16];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    struct header headers[3] = {{"content-type", "application/json"}};
    size_t n = 1;
    if (error->retry_after_s) {
        snprintf(seconds, sizeof seconds, "%u", error->retry_after_s);
        headers[n++] = (struct header){"retry-after", seconds};
    }
    if (error->status == 401) headers[n++] = (struct header){"www-authenticate", "Bearer"};
    respond_json(exchange, error->status, headers, n, exchange_error_json(exchange, error, message));
}

void exchange_fail_status(struct exchange *exchange, const bn_error *error) {
    struct api_error answer = {.status = 500};
    switch (error->status) {
    case BN_STATUS_CONTEXT_OVERFLOW:
        answer.code = "context_length_exceeded"; /* fall through */
    case BN_STATUS_BAD_ARGUMENT:
    case BN_STATUS_BAD_FILE:
    case BN_STATUS_UNSUPPORTED:
        answer.status = 400;
        break;
    case BN_STATUS_NOT_FOUND:
        answer.status = 404;
        break;
    case BN_STATUS_BUSY:
    case BN_STATUS_NO_MEMORY:
        answer.status = 503;
        answer.retry_after_s = 1;
        break;
    default:
        break;
    }
    exchange_fail(exchange, &answer, "%s", error->message);
}
