#include "client/endpoint.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"

static bool begins_with(const char *text, const char *beginning) {
    return strncasecmp(text, beginning, strlen(beginning)) == 0;
}

/* The URL without what may end it: slashes, and "/v1" once. */
static char *base_of(const char *url) {
    size_t n = strlen(url);
    while (n && url[n - 1] == '/') n--;
    if (n > 3 && memcmp(url + n - 3, "/v1", 3) == 0) n -= 3;
    while (n && url[n - 1] == '/') n--;
    struct buffer base;
    buffer_init(&base);
    if (!strstr(url, "://")) buffer_append_text(&base, "http://");
    buffer_append(&base, url, n);
    return buffer_take(&base);
}

static char *copy_or_null(const char *text, bool *failed) {
    char *copy = text ? mem_strdup(text) : NULL;
    if (text && !copy) *failed = true;
    return copy;
}

bn_status endpoint_init(struct endpoint *endpoint, const char *url, const char *key, const char *model, bn_error *err) {
    *endpoint = (struct endpoint){0};
    bool local = begins_with(url, "unix:"), failed = false;
    const char *path = local ? url + 5 : NULL;
    if (local && begins_with(path, "//")) path += 2;
    if (local && *path != '/')
        return fail(err, BN_STATUS_BAD_ARGUMENT, "'%s': the path of a socket begins with a slash: unix:/path", url);
    if (!local && strstr(url, "://") && !begins_with(url, "http://") && !begins_with(url, "https://"))
        return fail(err, BN_STATUS_BAD_ARGUMENT, "'%s' isn't a server: http://…, https://… or unix:/path", url);
    if (!*url || strpbrk(url, " \t\r\n?#"))
        return fail(err, BN_STATUS_BAD_ARGUMENT, "'%s' isn't the URL of a server", url);
    endpoint->socket = copy_or_null(path, &failed);
    endpoint->base = local ? mem_strdup("http://localhost") : base_of(url);
    endpoint->key = copy_or_null(key, &failed);
    endpoint->model = copy_or_null(model, &failed);
    return failed || !endpoint->base ? fail_no_memory(err, strlen(url)) : BN_OK;
}

void endpoint_release(struct endpoint *endpoint) {
    mem_free(endpoint->base);
    mem_free(endpoint->socket);
    mem_free(endpoint->key);
    mem_free(endpoint->model);
    *endpoint = (struct endpoint){0};
}

bool endpoint_is_private(const struct endpoint *endpoint) {
    return endpoint->socket || url_is_private(endpoint->base);
}

char *endpoint_url(const struct endpoint *endpoint, const char *path) {
    struct buffer url;
    buffer_init(&url);
    buffer_append_text(&url, endpoint->base);
    buffer_append_text(&url, path);
    return buffer_take(&url);
}

/* ---- what went wrong ---- */

static const char *message_in(const json_t *object) {
    static const char *const names[] = {"error", "message", "detail"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const json_t *found = json_object_get(object, names[i]);
        if (json_is_object(found)) found = json_object_get(found, "message");
        if (json_is_string(found) && json_string_length(found)) return json_string_value(found);
    }
    return NULL;
}

void add_server_message(const struct http_response *response, bn_error *err) {
    json_t *body = NULL;
    char after[32] = "", before[sizeof err->message];
    if (!err || response->failure != HTTP_BAD_STATUS) return;
    if (response->body.size) json_parse(response->body.data, response->body.size, "answer", &body, NULL);
    const char *message = message_in(body);
    if (response->retry_after_s) snprintf(after, sizeof after, " (try again in %d s)", response->retry_after_s);
    snprintf(before, sizeof before, "%s", err->message);
    fail(err, err->status, "%s%s%s%s", before, message ? ": " : "", message ? message : "", after);
    json_decref(body);
}

/* ---- small requests ---- */

bn_status endpoint_ask(const struct endpoint *endpoint, struct http_client *http, const char *path, const char *body,
                       json_t **out, bn_error *err) {
    static const char *const headers[] = {"Content-Type: application/json", NULL};
    struct http_response response = {0};
    char *url = endpoint_url(endpoint, path);
    *out = NULL;
    if (!url) return fail_no_memory(err, strlen(path));
    const struct http_request request = {
        .method = body ? "POST" : "GET",
        .url = url,
        .headers = headers,
        .token = endpoint->key,
        .unix_socket = endpoint->socket,
        .body = body,
        .body_size = body ? strlen(body) : 0,
    };
    bn_status status = http_fetch(http, &request, &response, err);
    if (!status) {
        status = json_parse(response.body.data ? response.body.data : "", response.body.size, path, out, err);
        if (status) error_prefix(err, "%s", endpoint->socket ? endpoint->socket : endpoint->base);
    } else {
        add_server_message(&response, err);
    }
    http_response_release(&response);
    mem_free(url);
    return status;
}

bn_status endpoint_find_model(struct endpoint *endpoint, struct http_client *http, bn_error *err) {
    json_t *list;
    if (endpoint->model) return BN_OK;
    bn_status status = endpoint_ask(endpoint, http, "/v1/models", NULL, &list, err);
    if (status) return status;
    const char *id = json_string_value(json_object_get(json_array_get(json_object_get(list, "data"), 0), "id"));
    endpoint->model = id ? mem_strdup(id) : NULL;
    if (!endpoint->model)
        status = id ? fail_no_memory(err, strlen(id))
                    : fail(err, BN_STATUS_BAD_FILE, "%s lists no models: --model names one",
                           endpoint->socket ? endpoint->socket : endpoint->base);
    json_decref(list);
    return status;
}
