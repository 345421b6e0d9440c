#include "convert/card_keys.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"

enum { MAX_LIST = 256 };

static bn_status set_text(const json_t *value, const char *key, struct gguf_writer *writer, bn_error *err) {
    const char *text = json_string_value(value);
    return text && *text ? gguf_writer_set_string(writer, key, text, strlen(text), err) : BN_OK;
}

/* A text, or a list of texts. Returns how many there are. */
static size_t texts_of(const json_t *value, struct gguf_string items[MAX_LIST]) {
    size_t n = 0, room = json_is_array(value) ? json_array_size(value) : 1;
    for (size_t i = 0; i < room && n < MAX_LIST; i++) {
        const json_t *item = json_is_array(value) ? json_array_get(value, i) : value;
        if (json_is_string(item) && json_string_length(item))
            items[n++] = (struct gguf_string){json_string_value(item), json_string_length(item)};
    }
    return n;
}

static bn_status set_list(const json_t *value, const char *key, struct gguf_writer *writer, bn_error *err) {
    struct gguf_string items[MAX_LIST];
    size_t n = texts_of(value, items);
    return n ? gguf_writer_set_strings(writer, key, items, n, err) : BN_OK;
}

/* What a model comes from: other repositories. */
struct source_keys {
    const char *card, *prefix, *url;
};

/* "owner/name" in three keys. */
static bn_status set_source(const struct source_keys *keys, size_t i, struct gguf_string source,
                            struct gguf_writer *writer, bn_error *err) {
    char key[64], url[400];
    const char *slash = memchr(source.text, '/', source.size);
    size_t owner = slash ? (size_t)(slash - source.text) : 0, name = slash ? owner + 1 : 0;
    snprintf(key, sizeof key, "%s.%zu.name", keys->prefix, i);
    bn_status status = gguf_writer_set_string(writer, key, source.text + name, source.size - name, err);
    snprintf(key, sizeof key, "%s.%zu.organization", keys->prefix, i);
    if (!status && owner) status = gguf_writer_set_string(writer, key, source.text, owner, err);
    snprintf(key, sizeof key, "%s.%zu.repo_url", keys->prefix, i);
    int n = snprintf(url, sizeof url, "%s%.*s", keys->url, (int)min_size(source.size, 300), source.text);
    return status || !owner ? status : gguf_writer_set_string(writer, key, url, (size_t)n, err);
}

static bn_status set_sources(const struct source_keys *keys, const json_t *value, struct gguf_writer *writer,
                             bn_error *err) {
    struct gguf_string sources[MAX_LIST];
    char count[64];
    size_t n = texts_of(value, sources);
    snprintf(count, sizeof count, "%s.count", keys->prefix);
    bn_status status = n ? gguf_writer_set_u32(writer, count, (uint32_t)n, err) : BN_OK;
    for (size_t i = 0; i < n && !status; i++) status = set_source(keys, i, sources[i], writer, err);
    return status;
}

bn_status card_keys_set(const json_t *metadata, struct gguf_writer *writer, bn_error *err) {
    static const char *const texts[][2] = {{"license", "general.license"},
                                           {"license_name", "general.license.name"},
                                           {"license_link", "general.license.link"}};
    static const char *const lists[][2] = {{"language", "general.languages"}, {"tags", "general.tags"}};
    static const struct source_keys sources[] = {
        {"base_model", "general.base_model", "https://huggingface.co/"},
        {"datasets", "general.dataset", "https://huggingface.co/datasets/"},
    };
    bn_status status = BN_OK;
    for (size_t i = 0; i < sizeof texts / sizeof *texts && !status; i++)
        status = set_text(json_object_get(metadata, texts[i][0]), texts[i][1], writer, err);
    for (size_t i = 0; i < sizeof lists / sizeof *lists && !status; i++)
        status = set_list(json_object_get(metadata, lists[i][0]), lists[i][1], writer, err);
    for (size_t i = 0; i < sizeof sources / sizeof *sources && !status; i++)
        status = set_sources(&sources[i], json_object_get(metadata, sources[i].card), writer, err);
    return status;
}
