#include "server/route.h"

#include <string.h>

#include "base/memory.h"
#include "base/string_map.h"

struct entry {
    const struct route *route;
    void *service;
    size_t next; /* of the same literal path; 0: none (entries count from 1) */
};

struct router {
    struct entry *entries; /* from index 1 */
    size_t n, capacity;
    struct string_map literals; /* path without parameters → its first entry */
    size_t *patterns;           /* entries with parameters, in order */
    size_t n_patterns;
};

bn_status router_create(struct router **out, bn_error *err) {
    struct router *router = mem_calloc(1, sizeof *router);
    if (!router) return fail_no_memory(err, sizeof *router);
    if (!string_map_init(&router->literals, 64)) {
        mem_free(router);
        return fail_no_memory(err, sizeof *router);
    }
    router->n = 1;
    *out = router;
    return BN_OK;
}

void router_destroy(struct router *router) {
    if (!router) return;
    string_map_release(&router->literals);
    mem_free(router->entries);
    mem_free(router->patterns);
    mem_free(router);
}

/* ---- patterns ---- */

static bool pattern_is_valid(const char *pattern) {
    size_t n_parameters = 0;
    if (*pattern != '/') return false;
    for (const char *at = pattern; *at;) {
        at++; /* the slash */
        size_t n = strcspn(at, "/");
        const char *open = memchr(at, '{', n), *close = memchr(at, '}', n);
        if (open || close) {
            if (open != at || close != at + n - 1 || n < 3 || ++n_parameters > MAX_ROUTE_PARAMETERS) return false;
            if (at[n - 2] == '*' && at[n]) return false; /* {name*} comes last */
        }
        at += n;
    }
    return true;
}

static bool match_pattern(const char *pattern, const char *path, struct route_match *match) {
    size_t n_parameters = 0;
    const char *at = path;
    while (*pattern == '/') {
        if (*at != '/') return false;
        pattern++, at++;
        size_t n = strcspn(pattern, "/"), length = strcspn(at, "/");
        if (*pattern == '{') {
            bool rest = pattern[n - 2] == '*';
            if (rest) length = strlen(at);
            if (!length) return false;
            match->parameters[n_parameters++] =
                (struct route_parameter){pattern + 1, n - 2 - rest, (size_t)(at - path), (size_t)(at - path) + length};
        } else if (n != length || memcmp(pattern, at, n) != 0) {
            return false;
        }
        pattern += n;
        at += length;
    }
    match->n_parameters = n_parameters;
    return *at == 0;
}

/* ---- adding ---- */

static bn_status add_entry(struct router *router, const struct route *route, void *service, bn_error *err) {
    if (router->n + 1 >= router->capacity) {
        size_t capacity = router->capacity ? router->capacity * 2 : 64;
        struct entry *entries = mem_realloc_array(router->entries, capacity, sizeof *entries);
        if (!entries) return fail_no_memory(err, capacity * sizeof *entries);
        router->entries = entries;
        size_t *patterns = mem_realloc_array(router->patterns, capacity, sizeof *patterns);
        if (!patterns) return fail_no_memory(err, capacity * sizeof *patterns);
        router->patterns = patterns;
        router->capacity = capacity;
    }
    router->entries[router->n++] = (struct entry){route, service, 0};
    return BN_OK;
}

static bn_status add_literal(struct router *router, size_t index, bn_error *err) {
    const char *path = router->entries[index].route->path;
    uint32_t first;
    if (!string_map_find(&router->literals, path, strlen(path), &first)) {
        if (string_map_insert(&router->literals, path, strlen(path), (uint32_t)index) < 0)
            return fail_no_memory(err, 64);
        return BN_OK;
    }
    size_t last = first;
    while (router->entries[last].next) last = router->entries[last].next;
    router->entries[last].next = index;
    return BN_OK;
}

static bool is_doubled(const struct router *router, const struct route *route) {
    for (size_t i = 1; i < router->n; i++)
        if (router->entries[i].route->method == route->method &&
            strcmp(router->entries[i].route->path, route->path) == 0)
            return true;
    return false;
}

static bn_status add_route(struct router *router, const struct route *route, void *service, bn_error *err) {
    if (!pattern_is_valid(route->path))
        return fail(err, BN_STATUS_BAD_ARGUMENT, "route %s: the pattern isn't valid", route->path);
    if (is_doubled(router, route))
        return fail(err, BN_STATUS_BAD_ARGUMENT, "route %s %s exists twice", http_method_name(route->method),
                    route->path);
    bn_status status = add_entry(router, route, service, err);
    if (status) return status;
    if (!strchr(route->path, '{')) return add_literal(router, router->n - 1, err);
    router->patterns[router->n_patterns++] = router->n - 1;
    return BN_OK;
}

bn_status router_add(struct router *router, const struct route_table *table, bn_error *err) {
    bn_status status = BN_OK;
    for (const struct route *route = table->routes; route->path && !status; route++)
        status = add_route(router, route, table->service, err);
    return status;
}

/* ---- finding ---- */

static void consider(const struct entry *entry, enum http_method method, struct route_match *match) {
    const struct route *route = entry->route;
    match->allowed |= 1u << route->method | 1u << HTTP_OPTIONS;
    if (route->method == HTTP_GET && !route->websocket) match->allowed |= 1u << HTTP_HEAD;
    bool fits = route->method == method || (method == HTTP_HEAD && route->method == HTTP_GET && !route->websocket);
    if (!fits || match->route) return;
    match->route = route;
    match->service = entry->service;
}

void router_find(const struct router *router, enum http_method method, const char *path, struct route_match *match) {
    *match = (struct route_match){0};
    uint32_t first;
    if (string_map_find(&router->literals, path, strlen(path), &first))
        for (size_t i = first; i; i = router->entries[i].next) consider(&router->entries[i], method, match);
    for (size_t i = 0; i < router->n_patterns && !match->route; i++) {
        const struct entry *entry = &router->entries[router->patterns[i]];
        if (match_pattern(entry->route->path, path, match)) consider(entry, method, match);
    }
    if (!match->route) match->n_parameters = 0;
}

/* ---- describing: OpenAPI 3.1 ---- */

/* "/v1/models/{id*}" is "/v1/models/{id}" there. */
static json_t *openapi_path(const char *pattern) {
    size_t n = strlen(pattern);
    if (n > 2 && pattern[n - 1] == '}' && pattern[n - 2] == '*') return json_sprintf("%.*s}", (int)(n - 2), pattern);
    return json_string(pattern);
}

static json_t *openapi_parameters(const char *pattern) {
    json_t *parameters = json_array();
    for (const char *at = strchr(pattern, '{'); at; at = strchr(at + 1, '{')) {
        int n = (int)strcspn(at + 1, "*}");
        json_array_append_new(parameters, json_pack("{s:o, s:s, s:b, s:{s:s}}", "name", json_sprintf("%.*s", n, at + 1),
                                                    "in", "path", "required", 1, "schema", "type", "string"));
    }
    return parameters;
}

static json_t *openapi_content(const char *type, const struct schema *schema, json_t *components) {
    json_t *content = schema ? schema_to_json(schema, components) : json_object();
    return json_pack("{s:{s:o}}", type, "schema", content);
}

static const char *scope_name(enum scope scope) {
    static const char *const names[] = {"public", "inference", "metrics", "manage"};
    return names[scope];
}

static json_t *openapi_operation(const struct route *route, json_t *components) {
    json_t *operation =
        json_pack("{s:s, s:[s]}", "summary", route->summary, "tags", route->tag ? route->tag : "server");
    json_t *parameters = openapi_parameters(route->path);
    if (json_array_size(parameters)) json_object_set(operation, "parameters", parameters);
    json_decref(parameters);
    if (route->body == BODY_JSON)
        json_object_set_new(operation, "requestBody",
                            json_pack("{s:b, s:o}", "required", route->request != NULL, "content",
                                      openapi_content("application/json", route->request, components)));
    else if (route->body != BODY_NONE)
        json_object_set_new(
            operation, "requestBody",
            json_pack("{s:o}", "content", openapi_content("application/octet-stream", NULL, components)));
    const char *type = route->response_content_type ? route->response_content_type : "application/json";
    json_object_set_new(operation, "responses",
                        json_pack("{s:{s:s, s:o}, s:{s:s}}", route->websocket ? "101" : "200", "description", "done",
                                  "content", openapi_content(type, route->response, components), "default",
                                  "description", "an error"));
    json_object_set_new(operation, "x-scope", json_string(scope_name(route->scope)));
    json_t *security = route->scope == SCOPE_PUBLIC ? json_array() : json_pack("[{s:[]}]", "key");
    json_object_set_new(operation, "security", security);
    return operation;
}

static void openapi_add(const struct route *route, json_t *paths, json_t *components) {
    static const char *const methods[] = {"get", "head", "post", "put", "delete", "patch", "options"};
    json_t *key = openapi_path(route->path);
    json_t *path = json_object_get(paths, json_string_value(key));
    if (!path) {
        json_object_set_new(paths, json_string_value(key), json_object());
        path = json_object_get(paths, json_string_value(key));
    }
    json_object_set_new(path, methods[route->method], openapi_operation(route, components));
    json_decref(key);
}

json_t *router_openapi(const struct router *router) {
    json_t *paths = json_object(), *components = json_object();
    for (size_t i = 1; i < router->n; i++)
        if (router->entries[i].route->summary) openapi_add(router->entries[i].route, paths, components);
    return json_pack("{s:s, s:{s:s, s:s}, s:o, s:{s:o, s:{s:{s:s, s:s}}}}", "openapi", "3.1.0", "info", "title",
                     "bitnet", "version", BITNET_VERSION, "paths", paths, "components", "schemas", components,
                     "securitySchemes", "key", "type", "http", "scheme", "bearer");
}
