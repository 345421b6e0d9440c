#include "hub/card.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "hub/yaml.h"

enum { MAX_CARD_BYTES = 4 << 20, MAX_METADATA_BYTES = 1 << 20 };

/* Length of a line "---" at text, 0 if there is none. */
static size_t fence_bytes(const char *text, const char *end) {
    if (end - text < 3 || memcmp(text, "---", 3) != 0) return 0;
    const char *at = text + 3;
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\r')) at++;
    if (at == end) return (size_t)(at - text);
    return *at == '\n' ? (size_t)(at + 1 - text) : 0;
}

/* The line "---" that ends the metadata, or NULL. */
static const char *closing_fence(const char *text, const char *end) {
    for (const char *line = text; line < end;) {
        if (fence_bytes(line, end)) return line;
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        if (!newline) return NULL;
        line = newline + 1;
    }
    return NULL;
}

bn_status card_parse(const char *text, size_t size, struct card *out, bn_error *err) {
    *out = (struct card){0};
    const char *end = text + size;
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) text += 3;
    size_t fence = fence_bytes(text, end);
    const char *yaml = text + fence, *closing = fence ? closing_fence(yaml, end) : NULL;
    if (fence && !closing) return fail(err, BN_STATUS_BAD_FILE, "the card's metadata isn't closed by a line ---");
    bn_status status = BN_OK;
    if (closing && closing - yaml > MAX_METADATA_BYTES)
        status = fail(err, BN_STATUS_BAD_FILE, "the card's metadata is too large");
    if (!status && closing) status = yaml_parse(yaml, (size_t)(closing - yaml), &out->metadata, err);
    if (!status && (!out->metadata || json_is_null(out->metadata))) {
        json_decref(out->metadata);
        out->metadata = json_object();
    }
    if (!status && !json_is_object(out->metadata))
        status = fail(err, BN_STATUS_BAD_FILE, "the card's metadata isn't a list of keys and values");
    const char *prose = closing ? closing + fence_bytes(closing, end) : text;
    if (!status && !(out->prose = mem_strndup(prose, (size_t)(end - prose)))) status = fail_no_memory(err, size);
    if (status) card_release(out);
    return status;
}

bn_status card_read(const char *path, struct card *out, bn_error *err) {
    char *text = NULL;
    size_t size = 0;
    bn_status status = file_exists(path) ? file_read_all(path, MAX_CARD_BYTES, &text, &size, err) : BN_OK;
    if (!status) {
        status = card_parse(text ? text : "", size, out, err);
        if (status) error_prefix(err, "%s", path);
    }
    mem_free(text);
    return status;
}

bn_status hub_card_fetch(struct hub *hub, const struct hub_repo *repo, char **text, bn_error *err) {
    char *url = hub_file_url(hub, repo, repo->revision, "README.md");
    if (!url) return fail_no_memory(err, 0);
    struct http_response response;
    const struct http_request request = {.url = url, .token = hub->token, .max_body_bytes = MAX_CARD_BYTES};
    bn_status status = http_fetch(hub->client, &request, &response, err);
    if (status)
        status = hub_explain(hub, repo->id, repo->revision, "README.md", &response, status, err);
    else if (!(*text = mem_strndup(response.body.data ? response.body.data : "", response.body.size)))
        status = fail_no_memory(err, response.body.size);
    http_response_release(&response);
    mem_free(url);
    return status;
}

void card_release(struct card *card) {
    json_decref(card->metadata);
    mem_free(card->prose);
    *card = (struct card){0};
}

bn_status card_text(const struct card *card, char **text, bn_error *err) {
    struct buffer out;
    buffer_init(&out);
    bn_status status = BN_OK;
    if (json_object_size(card->metadata)) {
        buffer_append_text(&out, "---\n");
        status = yaml_write(card->metadata, &out, err);
        buffer_append_text(&out, "---\n");
    }
    buffer_append_text(&out, card->prose);
    if (!status && !(*text = out.failed ? NULL : buffer_take(&out))) status = fail_no_memory(err, out.size);
    buffer_release(&out);
    return status;
}

/* ---- changing ---- */

static bool is_list_key(const char *key) {
    static const char *const keys[] = {"tags", "datasets", "base_model", "language", "metrics"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (strcmp(key, keys[i]) == 0) return true;
    return false;
}

static bool has_text(const json_t *array, const char *text) {
    json_t *entry;
    size_t i;
    json_array_foreach(array, i,
                       entry) if (json_is_string(entry) && strcmp(json_string_value(entry), text) == 0) return true;
    return false;
}

/* One entry more; a single value that was there becomes the first. */
static void add_to_list(json_t *metadata, const char *key, const char *value) {
    json_t *before = json_object_get(metadata, key);
    if (!json_is_array(before)) {
        json_t *list = json_array();
        if (before) json_array_append(list, before);
        json_object_set_new(metadata, key, list);
        before = list;
    }
    if (!has_text(before, value)) json_array_append_new(before, json_string(value));
}

bn_status card_set(json_t *metadata, const char *assignment, bn_error *err) {
    const char *equals = strchr(assignment, '=');
    if (!equals || equals == assignment)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "'%s': expected KEY=VALUE", assignment);
    char *key = mem_strndup(assignment, (size_t)(equals - assignment));
    if (!key) return fail_no_memory(err, strlen(assignment));
    json_t *text = json_string(equals + 1);
    bn_status status = text ? BN_OK : fail(err, BN_STATUS_BAD_ARGUMENT, "'%s' isn't UTF-8", key);
    if (!status && !equals[1])
        json_object_del(metadata, key);
    else if (!status && is_list_key(key))
        add_to_list(metadata, key, equals + 1);
    else if (!status)
        json_object_set(metadata, key, text);
    json_decref(text);
    mem_free(key);
    return status;
}
