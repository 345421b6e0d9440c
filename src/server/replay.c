#include "server/replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "server/settings.h"

#define MAX_IDEMPOTENT       4096
#define MAX_IDEMPOTENT_BYTES ((size_t)64 << 20)
#define MAX_IDEMPOTENT_AGE_S 86400
#define MAX_CACHED           4096
#define MAX_KEY_BYTES        255

bn_status replay_open(struct replay *replay, size_t cache_bytes, bn_error *err) {
    *replay = (struct replay){0};
    bn_status status =
        json_store_create(MAX_IDEMPOTENT, MAX_IDEMPOTENT_BYTES, MAX_IDEMPOTENT_AGE_S, &replay->idempotent, err);
    if (!status && cache_bytes) status = json_store_create(MAX_CACHED, cache_bytes, 0, &replay->cache, err);
    return status;
}

void replay_close(struct replay *replay) {
    json_store_destroy(replay->idempotent);
    json_store_destroy(replay->cache);
    *replay = (struct replay){0};
}

static void respond(struct exchange *exchange, json_t *body, const char *header) {
    const struct header headers[] = {{"content-type", "application/json"}, {header, "true"}};
    char *text = json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY);
    if (text) {
        exchange_start(exchange, 200, headers, 2);
        exchange_write(exchange, text, strlen(text));
        exchange_end(exchange);
    } else {
        exchange_abort(exchange);
    }
    free(text); /* jansson's own memory */
}

/* ---- idempotency keys ---- */

/* Answers from what is stored of the key: its answer, or why there is none. */
static void answer_again(struct exchange *exchange, const json_t *stored, const struct replay_ticket *ticket) {
    json_t *body = json_object_get(stored, "body");
    if (strcmp(json_text_or(stored, "request", ""), ticket->body_hash) != 0) {
        const struct api_error error = {.status = 422, .type = "idempotency_error", .code = "idempotency_key_reused"};
        exchange_fail(exchange, &error, "this Idempotency-Key came with another request before");
    } else if (!body) {
        const struct api_error error = {
            .status = 409, .type = "idempotency_error", .code = "request_in_progress", .retry_after_s = 1};
        exchange_fail(exchange, &error, "a request with this Idempotency-Key is being answered");
    } else {
        respond(exchange, body, "idempotent-replayed");
    }
}

static bool find_key(struct replay *replay, struct exchange *exchange, struct replay_ticket *ticket) {
    const struct request *request = exchange_request(exchange);
    const char *key = request_header(request, "idempotency-key");
    if (!key || strlen(key) > MAX_KEY_BYTES) return false;
    struct buffer name = {0};
    buffer_printf(&name, "%s\n%s\n%s", request->client, request->path, key);
    ticket->idempotent_name = buffer_take(&name);
    if (!ticket->idempotent_name) return false;
    json_t *pending = json_pack("{s:s}", "request", ticket->body_hash);
    json_t *stored = json_store_put_new(replay->idempotent, ticket->idempotent_name, pending);
    json_decref(pending);
    if (!stored) return false;
    mem_free(ticket->idempotent_name); /* it is another request's */
    ticket->idempotent_name = NULL;
    answer_again(exchange, stored, ticket);
    json_decref(stored);
    return true;
}

/* ---- the cache ---- */

static bool is_certain(const json_t *body) {
    const json_t *temperature = json_object_get(body, "temperature"), *seed = json_object_get(body, "seed");
    return (json_is_number(temperature) && json_number_value(temperature) == 0) ||
           (json_is_integer(seed) && json_integer_value(seed) >= 0);
}

static bool find_cached(struct replay *replay, struct exchange *exchange, struct replay_ticket *ticket) {
    const struct request *request = exchange_request(exchange);
    if (!replay->cache || !is_certain(request->json)) return false;
    json_t *asked = json_copy(request->json);
    json_object_del(asked, "user");
    char *text = asked ? json_dumps(asked, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    json_decref(asked);
    struct buffer name = {0};
    const char *tenant = client_is_key(request->client) ? request->client : "";
    buffer_printf(&name, "%s\n%s\n%s", tenant, request->path, text ? text : "");
    free(text); /* jansson's own memory */
    ticket->cache_name = text ? buffer_take(&name) : NULL;
    buffer_release(&name);
    json_t *body = ticket->cache_name ? json_store_get(replay->cache, ticket->cache_name) : NULL;
    if (body) respond(exchange, body, "x-cache-hit");
    json_decref(body);
    return body != NULL;
}

bool replay_find(struct replay *replay, struct exchange *exchange, struct replay_ticket *ticket) {
    const struct request *request = exchange_request(exchange);
    *ticket = (struct replay_ticket){0};
    if (json_bool_or(request->json, "stream", false)) return false;
    ticket->replay = replay;
    snprintf(ticket->body_hash, sizeof ticket->body_hash, "%016llx",
             (unsigned long long)hash_bytes(request->body, request->body_bytes, 1));
    bool found = find_key(replay, exchange, ticket) || find_cached(replay, exchange, ticket);
    if (found) replay_ticket_release(ticket);
    return found;
}

void replay_keep(struct replay_ticket *ticket, json_t *answer) {
    if (!ticket->replay) return;
    if (ticket->cache_name) json_store_put(ticket->replay->cache, ticket->cache_name, answer);
    if (!ticket->idempotent_name) return;
    json_t *stored = json_pack("{s:s, s:O}", "request", ticket->body_hash, "body", answer);
    json_store_put(ticket->replay->idempotent, ticket->idempotent_name, stored);
    json_decref(stored);
    mem_free(ticket->idempotent_name);
    ticket->idempotent_name = NULL;
}

void replay_ticket_release(struct replay_ticket *ticket) {
    if (ticket->replay && ticket->idempotent_name)
        json_store_delete(ticket->replay->idempotent, ticket->idempotent_name);
    mem_free(ticket->idempotent_name);
    mem_free(ticket->cache_name);
    *ticket = (struct replay_ticket){0};
}
