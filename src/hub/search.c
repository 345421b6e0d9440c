#include "hub/search.h"

#include <string.h>

#include "base/memory.h"

enum { PAGE_MODELS = 100 };

static void append_parameter(struct buffer *url, const char *name, const char *prefix, const char *value) {
    if (!value) return;
    buffer_printf(url, "&%s=%s", name, prefix);
    url_append_query(url, value);
}

/* What the API calls an order. */
static const char *sort_key(const char *sort) {
    static const char *const keys[][2] = {
        {"trending", "trendingScore"}, {"modified", "lastModified"}, {"created", "createdAt"}};
    for (size_t i = 0; sort && i < sizeof keys / sizeof keys[0]; i++)
        if (strcmp(sort, keys[i][0]) == 0) return keys[i][1];
    return sort;
}

static char *first_page(const struct hub_query *query) {
    struct buffer url;
    buffer_init(&url);
    buffer_printf(&url, "/api/models?limit=%zu&full=true",
                  query->limit < PAGE_MODELS ? query->limit : (size_t)PAGE_MODELS);
    append_parameter(&url, "search", "", query->text);
    append_parameter(&url, "author", "", query->author);
    append_parameter(&url, "pipeline_tag", "", query->task);
    append_parameter(&url, "filter", "", query->library);
    append_parameter(&url, "filter", "license%3A", query->license);
    for (size_t i = 0; i < query->n_tags; i++) append_parameter(&url, "filter", "", query->tags[i]);
    append_parameter(&url, "sort", "", sort_key(query->sort));
    if (query->sort) buffer_append_text(&url, "&direction=-1");
    char *text = url.failed ? NULL : buffer_take(&url);
    buffer_release(&url);
    return text;
}

/* "license:mit" among the tags → "mit" */
static json_t *license_of(const json_t *tags) {
    json_t *tag;
    size_t i;
    json_array_foreach(tags, i, tag) {
        const char *text = json_string_value(tag);
        if (text && strncmp(text, "license:", 8) == 0) return json_string(text + 8);
    }
    return json_null();
}

/* A copy of a member if it has this type, else null. */
static json_t *member(const json_t *model, const char *key, json_type type) {
    json_t *value = json_object_get(model, key);
    return value && json_typeof(value) == type ? json_incref(value) : json_null();
}

static json_t *row_of(const json_t *model) {
    json_t *id = json_object_get(model, "id"), *gated = json_object_get(model, "gated");
    if (!json_is_string(id)) id = json_object_get(model, "modelId");
    if (!json_is_string(id)) return NULL;
    json_t *license = member(json_object_get(model, "cardData"), "license", JSON_STRING);
    if (json_is_null(license)) license = license_of(json_object_get(model, "tags"));
    return json_pack("{s:O, s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:o}", "id", id, "downloads",
                     member(model, "downloads", JSON_INTEGER), "likes", member(model, "likes", JSON_INTEGER), "task",
                     member(model, "pipeline_tag", JSON_STRING), "library", member(model, "library_name", JSON_STRING),
                     "license", license, "gated", gated && !json_is_false(gated), "modified",
                     member(model, "lastModified", JSON_STRING), "tags", member(model, "tags", JSON_ARRAY));
}

bn_status hub_search(struct hub *hub, const struct hub_query *query, const char *page, json_t **rows, char **next,
                     bn_error *err) {
    char *url = page ? mem_strdup(page) : first_page(query);
    json_t *answer = NULL, *model, *found = json_array();
    size_t i;
    *next = NULL;
    if (!url || !found) {
        mem_free(url);
        json_decref(found);
        return fail_no_memory(err, 0);
    }
    const struct hub_call call = {.path = url, .what = "the list of models"};
    bn_status status = hub_call(hub, &call, &answer, next, err);
    if (!status && !json_is_array(answer)) {
        hub->problem = HUB_BAD_ANSWER;
        status = fail(err, BN_STATUS_BAD_FILE, "%s: the answer isn't a list of models. Is it a hub (HF_ENDPOINT)?",
                      hub->authority);
    }
    json_array_foreach(answer, i, model) {
        json_t *row = row_of(model);
        if (row) json_array_append_new(found, row);
    }
    json_decref(answer);
    mem_free(url);
    if (status) {
        json_decref(found);
        mem_free(*next);
        *next = NULL;
        return status;
    }
    *rows = found;
    return BN_OK;
}
