#include "server/dispatch.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "server/server_core.h"
#include "server/target.h"

static void refuse(struct exchange *exchange, int status, const char *message) {
    exchange->refused = true;
    const struct api_error error = {.status = status};
    exchange_fail(exchange, &error, "%s", message);
}

/* ---- the head's text, copied ---- */

static char *append(char **at, const char *bytes, size_t n) {
    char *begin = *at;
    memcpy(begin, bytes, n);
    begin[n] = 0;
    *at += n + 1;
    return begin;
}

static bool seen_before(const struct request_head *head, size_t i) {
    for (size_t j = 0; j < i; j++)
        if (strcmp(head->headers[j].name, head->headers[i].name) == 0) return true;
    return false;
}

/* The i-th header's value with those of the same name behind it, joined. */
static const char *append_value(char **at, const struct request_head *head, size_t i) {
    char *value = append(at, head->headers[i].value, strlen(head->headers[i].value));
    for (size_t j = i + 1; j < head->n_headers; j++) {
        if (strcmp(head->headers[j].name, head->headers[i].name) != 0) continue;
        (*at)--; /* over the NUL */
        append(at, ", ", 2);
        (*at)--;
        append(at, head->headers[j].value, strlen(head->headers[j].value));
    }
    return value;
}

/* One block: the headers, then all strings. *target is the copy of the target. */
static bool copy_head(struct exchange *exchange, const struct request_head *head, char **target) {
    size_t n_target = strlen(head->target), bytes = head->n_headers * sizeof(struct header);
    bytes += 2 * n_target + 4 + strlen(head->address) + 1;
    for (size_t i = 0; i < head->n_headers; i++)
        bytes += strlen(head->headers[i].name) + strlen(head->headers[i].value) + 4;
    exchange->block = mem_alloc(bytes);
    if (!exchange->block) return false;
    struct header *headers = (struct header *)exchange->block;
    struct request *request = &exchange->request;
    char *at = exchange->block + head->n_headers * sizeof *headers;
    request->address = append(&at, head->address, strlen(head->address));
    *target = append(&at, head->target, n_target);
    request->path = append(&at, head->target, n_target); /* to be decoded in place */
    for (size_t i = 0; i < head->n_headers; i++) {
        if (seen_before(head, i)) continue;
        const char *name = append(&at, head->headers[i].name, strlen(head->headers[i].name));
        headers[request->n_headers++] = (struct header){name, append_value(&at, head, i)};
    }
    request->headers = headers;
    return true;
}

static bool is_sane_id(const char *text) {
    size_t n = strlen(text);
    return n && n < 40 && strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == n;
}

static void set_id(struct exchange *exchange) {
    struct server *server = exchange->server;
    const char *given = request_header(&exchange->request, "x-request-id");
    if (given && is_sane_id(given)) {
        snprintf(exchange->id, sizeof exchange->id, "%s", given);
    } else {
        uint64_t number = hash_mix(server->id_seed, ++server->n_ids);
        snprintf(exchange->id, sizeof exchange->id, "req_%016llx", (unsigned long long)number);
    }
    exchange->request.id = exchange->id;
}

/* ---- what the head means ---- */

static bool set_method(struct exchange *exchange, const char *name) {
    for (enum http_method method = 0; method < N_HTTP_METHODS; method++)
        if (strcmp(name, http_method_name(method)) == 0) {
            exchange->request.method = method;
            return true;
        }
    return false;
}

/* Cuts "http://authority" off an absolute target. False if it isn't the host that was asked. */
static bool strip_authority(char **target, const char *authority) {
    if (**target == '/') return true;
    size_t scheme = strncasecmp(*target, "http://", 7) == 0 ? 7 : strncasecmp(*target, "https://", 8) == 0 ? 8 : 0;
    if (!scheme) return strcmp(*target, "*") == 0;
    char *host = *target + scheme;
    size_t n = strcspn(host, "/?");
    if (!authority || strlen(authority) != n || strncasecmp(host, authority, n) != 0) return false;
    *target = host + n;
    return true;
}

static bool strip_prefix(const char **path, const char *prefix) {
    size_t n = prefix ? strlen(prefix) : 0;
    while (n && prefix[n - 1] == '/') n--;
    if (!n) return true;
    if (strncmp(*path, prefix, n) != 0 || (*path)[n] != '/') return false;
    *path += n;
    return true;
}

/* Path and query out of the target. A line on what is wrong, or NULL. */
static const char *set_target(struct exchange *exchange, char *target, const char *authority) {
    struct request *request = &exchange->request;
    if (!strip_authority(&target, authority)) return "the request target isn't a path, nor a URL of the Host";
    char *query = strchr(target, '?');
    if (query) *query++ = 0;
    request->query = query ? query : target + strlen(target);
    char *path = (char *)request->path; /* as long as the whole target was */
    if (!*target || strcmp(target, "*") == 0) {
        if (*target && request->method != HTTP_OPTIONS) return "the target * is for OPTIONS";
        strcpy(path, "/");
        return NULL;
    }
    if (!percent_decode(target, strlen(target), false, path)) return "the path has a broken percent-encoding";
    if (!path_is_plain(path)) return "the path has empty or dot segments, or control characters";
    return NULL;
}

/* No page reaches a Unix socket, whatever name it is asked by. */
static bool host_may_ask(const struct exchange *exchange, const char *authority) {
    const struct server *server = exchange->server;
    bool open_loopback = server->loopback && !server->keys.n && strcmp(exchange->request.address, "unix") != 0;
    return !open_loopback || !authority || host_is_local(authority);
}

/* Who may ask at all, from where. */
static bool check_origin(struct exchange *exchange, const struct request_head *head) {
    const struct server *server = exchange->server;
    if (head->authority && !host_is_valid(head->authority)) {
        refuse(exchange, 400, "the Host header isn't a host");
        return false;
    }
    if (!host_may_ask(exchange, head->authority)) {
        refuse(exchange, 403,
               "an open server answers to names of this machine only; start it with --api-key for others");
        return false;
    }
    const char *origin = request_header(&exchange->request, "origin");
    if (origins_allow(&server->origins, origin, head->authority, &exchange->cors_origin)) return true;
    refuse(exchange, 403, "pages of this origin may not call this server (see --cors-origins)");
    return false;
}

static bool check_key(struct exchange *exchange) {
    size_t index;
    enum auth_result result =
        api_keys_check(&exchange->server->keys, &exchange->request, exchange->match.route->scope, &index);
    if (result == AUTH_OK) {
        if (index == SIZE_MAX) return true;
        snprintf(exchange->client, sizeof exchange->client, "key:%zu", index + 1);
        exchange->request.client = exchange->client;
        return true;
    }
    const struct api_error error = {.status = 401, .code = "invalid_api_key"};
    exchange->refused = true;
    exchange_fail(exchange, &error, "%s",
                  result == AUTH_MISSING ? "an API key is needed: Authorization: Bearer KEY"
                                         : "the API key isn't valid");
    return false;
}

/* ---- the route ---- */

static void answer_options(struct exchange *exchange) {
    exchange->refused = true;
    exchange_start(exchange, 204, NULL, 0);
    exchange_end(exchange);
}

/* The query's names and values, decoded in place in a copy; the path's parameters, cut out of another. False: it's refused. */
static bool set_parameters(struct exchange *exchange) {
    const struct request *request = &exchange->request;
    const struct route_match *match = &exchange->match;
    if (!*request->query && !match->n_parameters) return true;
    size_t n_path = strlen(request->path), n_query = strlen(request->query);
    exchange->parameters = mem_alloc(n_path + n_query + 2);
    if (!exchange->parameters) {
        refuse(exchange, 503, "out of memory");
        return false;
    }
    memcpy(exchange->parameters, request->path, n_path + 1);
    for (size_t i = 0; i < match->n_parameters; i++) exchange->parameters[match->parameters[i].end] = 0;
    char *at = memcpy(exchange->parameters + n_path + 1, request->query, n_query + 1);
    while (*at) {
        size_t n = strcspn(at, "&"), n_name = strcspn(at, "&=");
        char *next = at[n] ? at + n + 1 : at + n, *value = at + n_name + (at[n_name] == '=');
        size_t n_value = (size_t)(at + n - value);
        if (exchange->n_query == MAX_QUERY_PARAMETERS || !percent_decode(value, n_value, true, value) ||
            !percent_decode(at, n_name, true, at)) {
            refuse(exchange, 400, "the query has a broken percent-encoding or too many parameters");
            return false;
        }
        exchange->query[exchange->n_query++] = (struct header){at, value};
        at = next;
    }
    return true;
}

static bool find_route(struct exchange *exchange) {
    struct request *request = &exchange->request;
    /* where no route says how errors look, its path does */
    if (strncmp(request->path, "/api/", 5) == 0) exchange->errors = ERRORS_OLLAMA;
    if (!strip_prefix(&request->path, exchange->server->options.api_prefix)) {
        refuse(exchange, 404, "there is nothing outside of the API's prefix");
        return false;
    }
    router_find(exchange->server->router, request->method, request->path, &exchange->match);
    if (exchange->match.route) {
        exchange->errors = exchange->match.route->errors;
        return set_parameters(exchange);
    }
    if (!exchange->match.allowed) {
        const struct api_error error = {.status = 404, .code = "unknown_path"};
        exchange->refused = true;
        exchange_fail(exchange, &error, "there is no %s %.200s", http_method_name(request->method), request->path);
        return false;
    }
    exchange->allowed_methods = exchange->match.allowed;
    if (request->method == HTTP_OPTIONS)
        answer_options(exchange);
    else
        refuse(exchange, 405, "this path doesn't take this method");
    return false;
}

static bool check_upgrade(struct exchange *exchange, const struct request_head *head) {
    if (!exchange->match.route->websocket || head->upgrades) return true;
    exchange->refused = true;
    const struct header headers[] = {{"content-type", "application/json"}, {"upgrade", "websocket"}};
    static const char body[] =
        "{\"error\":{\"message\":\"this path speaks WebSocket\",\"type\":\"invalid_request_error\","
        "\"param\":null,\"code\":null}}";
    exchange_start(exchange, 426, headers, 2);
    exchange_write(exchange, body, sizeof body - 1);
    exchange_end(exchange);
    return false;
}

static bool check_body(struct exchange *exchange, const struct request_head *head) {
    const struct route *route = exchange->match.route;
    exchange->body_limit = route->max_body_bytes ? route->max_body_bytes : exchange->server->options.max_body_bytes;
    if (head->has_length && head->length > exchange->body_limit) {
        const struct api_error error = {.status = 413, .code = "body_too_large"};
        exchange->refused = true;
        exchange_fail(exchange, &error, "the body has %llu bytes, and at most %zu are taken",
                      (unsigned long long)head->length, exchange->body_limit);
        return false;
    }
    const char *coding = request_header(&exchange->request, "content-encoding");
    if (!coding || strcasecmp(coding, "identity") == 0) return true;
    if (strcasecmp(coding, "gzip") != 0) {
        refuse(exchange, 415, "bodies may be plain or gzip");
        return false;
    }
    exchange->inflater = inflater_create();
    if (!exchange->inflater) refuse(exchange, 503, "out of memory");
    return exchange->inflater != NULL;
}

static bool check_draining(struct exchange *exchange) {
    if (!exchange->server->drain_deadline_ns || exchange->match.route->scope == SCOPE_PUBLIC) return true;
    const struct api_error error = {.status = 503, .retry_after_s = 1};
    exchange->refused = true;
    exchange_fail(exchange, &error, "the server is shutting down");
    return false;
}

void dispatch_head(struct exchange *exchange, const struct request_head *head) {
    char *target;
    if (!copy_head(exchange, head, &target)) {
        exchange->request.address = exchange->request.client = exchange->request.query = "";
        refuse(exchange, 503, "out of memory");
        return;
    }
    exchange->request.client = exchange->request.address;
    exchange->request.query = "";
    set_id(exchange);
    if (!set_method(exchange, head->method)) {
        exchange->request.path = "";
        refuse(exchange, 501, "this method isn't known here");
        return;
    }
    const char *problem = set_target(exchange, target, head->authority);
    if (problem) {
        refuse(exchange, 400, problem);
        return;
    }
    if (!check_origin(exchange, head) || !find_route(exchange) || !check_key(exchange) || !check_draining(exchange))
        return;
    if (!check_upgrade(exchange, head) || !check_body(exchange, head)) return;
    const struct route *route = exchange->match.route;
    if (route->body == BODY_STREAM) {
        exchange->handed_over = true;
        route->handler(exchange, exchange->match.service);
    }
}

/* ---- the body ---- */

static void refuse_unpacked(struct exchange *exchange, enum inflate_result result) {
    if (result == INFLATE_TOO_LARGE)
        refuse(exchange, 413, "the unpacked body is larger than what is taken");
    else if (result == INFLATE_NO_MEMORY)
        refuse(exchange, 503, "out of memory");
    else
        refuse(exchange, 400, "the body isn't valid gzip");
}

/* Appends to exchange->body, unpacked, within the limit. What streams counts what it has passed on. */
static bool collect(struct exchange *exchange, const char *bytes, size_t size) {
    size_t before = exchange->body.size;
    if (exchange->inflater) {
        size_t left = exchange->body_limit - exchange->body_received + before;
        enum inflate_result result = inflater_add(exchange->inflater, bytes, size, left, &exchange->body);
        if (result != INFLATE_OK) {
            refuse_unpacked(exchange, result);
            return false;
        }
    } else {
        if (size > exchange->body_limit - exchange->body_received) {
            refuse(exchange, 413, "the body is larger than what is taken");
            return false;
        }
        buffer_append(&exchange->body, bytes, size);
    }
    exchange->body_received += exchange->body.size - before;
    if (exchange->body.failed) refuse(exchange, 503, "out of memory");
    return !exchange->body.failed;
}

static bool pass_on(struct exchange *exchange, bool last) {
    pthread_mutex_lock(&exchange->lock);
    bool (*on_body)(void *, const char *, size_t, bool) = exchange->given_up ? NULL : exchange->watch.on_body;
    void *context = exchange->context;
    pthread_mutex_unlock(&exchange->lock);
    bool more = !on_body || on_body(context, exchange->body.data ? exchange->body.data : "", exchange->body.size, last);
    buffer_clear(&exchange->body);
    return more;
}

bool dispatch_body(struct exchange *exchange, const char *bytes, size_t size) {
    if (exchange->refused) return true;
    const struct route *route = exchange->match.route;
    bool streams = route->body == BODY_STREAM;
    if (!collect(exchange, bytes, size)) return true;
    if (route->body == BODY_NONE) buffer_clear(&exchange->body);
    return !streams || pass_on(exchange, false);
}

/* ---- the handler ---- */

static bool parse_json(struct exchange *exchange) {
    const struct route *route = exchange->match.route;
    const struct buffer *body = &exchange->body;
    struct api_error problem = {.status = 400};
    bn_error err = {0};
    if (!body->size && !route->request) return true;
    char path[SCHEMA_PATH_BYTES];
    bn_status status =
        schema_parse(route->request, body->data, body->size, "the body", &exchange->request.json, path, &err);
    if (status == BN_STATUS_NO_MEMORY) problem.status = 503;
    if (*path) problem.param = path;
    if (status) exchange_fail(exchange, &problem, "%s", err.message);
    return !status;
}

static void run_handler(void *context) {
    struct exchange *exchange = context;
    const struct route *route = exchange->match.route;
    if (route->body == BODY_JSON && !parse_json(exchange)) return;
    route->handler(exchange, exchange->match.service);
}

void dispatch_body_end(struct exchange *exchange) {
    if (exchange->inflater && !exchange->refused && !inflater_complete(exchange->inflater))
        refuse(exchange, 400, "the gzip body ends too early");
    if (exchange->refused) return;
    const struct route *route = exchange->match.route;
    if (route->body == BODY_STREAM) {
        pass_on(exchange, true);
        return;
    }
    if (exchange->body.data) {
        exchange->request.body = exchange->body.data;
        exchange->request.body_bytes = exchange->body.size;
    } else {
        exchange->request.body = "";
    }
    exchange->handed_over = true;
    if (!route->blocking) {
        run_handler(exchange);
    } else if (!workers_add(&exchange->server->workers, run_handler, exchange)) {
        const struct api_error error = {.status = 503, .retry_after_s = 1};
        exchange_fail(exchange, &error, "too many requests are waiting");
    }
}

void dispatch_session(struct exchange *exchange) {
    exchange->handed_over = true;
    exchange->match.route->handler(exchange, exchange->match.service);
}

/* ---- parameters ---- */

const char *exchange_parameter(const struct exchange *exchange, const char *name) {
    size_t n = strlen(name);
    const struct route_match *match = &exchange->match;
    for (size_t i = 0; i < match->n_parameters; i++)
        if (match->parameters[i].name_bytes == n && memcmp(match->parameters[i].name, name, n) == 0)
            return exchange->parameters + match->parameters[i].begin;
    return NULL;
}

const char *exchange_query(const struct exchange *exchange, const char *name) {
    size_t n = strlen(name);
    for (size_t i = 0; i < exchange->n_query; i++)
        if (strlen(exchange->query[i].name) == n && memcmp(exchange->query[i].name, name, n) == 0)
            return exchange->query[i].value;
    return NULL;
}
