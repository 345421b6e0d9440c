#include "hub/hub.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "hub/place.h"

const char *hub_problem_name(enum hub_problem problem) {
    static const char *const names[] = {
        [HUB_NO_PROBLEM] = "none",
        [HUB_OFFLINE] = "offline",
        [HUB_NO_NETWORK] = "no_network",
        [HUB_TIMEOUT] = "timeout",
        [HUB_BAD_CERTIFICATE] = "bad_certificate",
        [HUB_BAD_ANSWER] = "bad_answer",
        [HUB_UNAUTHORIZED] = "unauthorized",
        [HUB_FORBIDDEN] = "forbidden",
        [HUB_GATED] = "gated",
        [HUB_DISABLED] = "disabled",
        [HUB_REPO_NOT_FOUND] = "repository_not_found",
        [HUB_REVISION_NOT_FOUND] = "revision_not_found",
        [HUB_FILE_NOT_FOUND] = "file_not_found",
        [HUB_RATE_LIMITED] = "rate_limited",
        [HUB_SERVER_ERROR] = "server_error",
        [HUB_NO_SPACE] = "no_space",
        [HUB_BAD_HASH] = "bad_hash",
        [HUB_CHANGED] = "changed",
        [HUB_INTERRUPTED] = "interrupted",
        [HUB_OTHER] = "other",
    };
    return names[problem];
}

bn_status hub_open(const struct http_options *options, struct hub *out, bn_error *err) {
    *out = (struct hub){.endpoint = hub_endpoint()};
    if (!out->endpoint) return fail_no_memory(err, 0);
    if (hub_is_offline()) {
        out->problem = HUB_OFFLINE;
        return fail(err, BN_STATUS_UNSUPPORTED,
                    "HF_HUB_OFFLINE is set: only what is in the cache can be used (unset it to download)");
    }
    if (strncmp(out->endpoint, "https://", 8) != 0 && strncmp(out->endpoint, "http://", 7) != 0) {
        out->problem = HUB_OTHER;
        return fail(err, BN_STATUS_BAD_ARGUMENT, "HF_ENDPOINT must begin with https:// or http://, not '%s'",
                    out->endpoint);
    }
    out->authority = mem_strdup(strstr(out->endpoint, "://") + 3);
    struct http_options own = *options;
    own.user_agent = "bitnet/" BITNET_VERSION;
    bn_status status = out->authority ? BN_OK : fail_no_memory(err, 0);
    if (!status && url_is_private(out->endpoint)) status = hub_token_find(&out->token, &out->token_place, err);
    if (!status) status = http_client_create(&own, &out->client, err);
    return status;
}

void hub_close(struct hub *hub) {
    http_client_destroy(hub->client);
    hub_token_free(hub->token);
    mem_free(hub->endpoint);
    mem_free(hub->authority);
    *hub = (struct hub){0};
}

/* ---- calls ---- */

static char *call_url(const struct hub *hub, const char *path) {
    if (strncmp(path, "http", 4) == 0) return mem_strdup(path);
    struct buffer url;
    buffer_init(&url);
    buffer_printf(&url, "%s%s", hub->endpoint, path);
    char *text = url.failed ? NULL : buffer_take(&url);
    buffer_release(&url);
    return text;
}

/* Link: <URL>; rel="next" */
static char *next_page(const struct http_response *response) {
    const char *link = http_field(response, "Link"), *begin = link ? strchr(link, '<') : NULL;
    while (begin) {
        const char *end = strchr(begin, '>');
        if (!end) return NULL;
        const char *following = strchr(end, '<'), *relation = strstr(end, "rel=\"next\"");
        if (relation && (!following || relation < following)) return mem_strndup(begin + 1, (size_t)(end - begin - 1));
        begin = following;
    }
    return NULL;
}

bn_status hub_call(struct hub *hub, const struct hub_call *call, json_t **answer, char **next, bn_error *err) {
    char *url = call_url(hub, call->path), *body = call->body ? json_dumps(call->body, JSON_COMPACT) : NULL;
    const char *text = body ? body : call->text;
    char type[128];
    snprintf(type, sizeof type, "Content-Type: %s", call->content_type ? call->content_type : "application/json");
    bool lfs = call->content_type && strstr(call->content_type, "git-lfs");
    const char *const headers[] = {lfs ? "Accept: application/vnd.git-lfs+json" : "Accept: application/json",
                                   text ? type : NULL, NULL};
    struct http_response response = {0};
    bn_status status = url && (body || !call->body) ? BN_OK : fail_no_memory(err, 0);
    if (!status) {
        struct http_request request = {.method = call->method, .url = url, .headers = headers, .body = text};
        request.body_size = text ? strlen(text) : 0;
        request.token = url_same_origin(url, hub->endpoint) ? hub->token : NULL;
        status = http_fetch(hub->client, &request, &response, err);
        if (status) status = hub_explain(hub, call->what, call->revision, NULL, &response, status, err);
    }
    if (!status && answer) {
        status =
            json_parse(response.body.data ? response.body.data : "", response.body.size, hub->authority, answer, err);
        if (status) hub->problem = HUB_BAD_ANSWER;
    }
    if (!status && next) *next = next_page(&response);
    http_response_release(&response);
    mem_free(url);
    free(body); /* jansson's own memory */
    return status;
}
