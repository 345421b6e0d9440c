/* Companion files: what transformers reads beside the tokenizer itself. */
#include "tokenizer/hf_config.h"

#include <string.h>

#include "base/file.h"
#include "base/memory.h"

bn_status hf_optional_json(const char *folder, const char *name, json_t **out, bn_error *err) {
    *out = NULL;
    char *path = path_join(folder, name);
    if (!path) return fail_no_memory(err, strlen(folder));
    bn_status status = file_exists(path) ? json_parse_file(path, HF_MAX_CONFIG, out, err) : BN_OK;
    mem_free(path);
    return status;
}

/* "bos_token": "<s>" or {"content": "<s>", …} */
static const char *token_text(const json_t *config, const char *key) {
    const json_t *value = json_object_get(config, key);
    if (json_is_object(value)) value = json_object_get(value, "content");
    return json_string_value(value);
}

static void take_special(bn_tokenizer *tokenizer, const json_t *config) {
    const char *bos = token_text(config, "bos_token"), *eos = token_text(config, "eos_token");
    const char *pad = token_text(config, "pad_token");
    int32_t id;
    if (bos && (id = bn_tokenizer_find(tokenizer, bos)) >= 0) tokenizer->bos = id;
    if (eos && (id = bn_tokenizer_find(tokenizer, eos)) >= 0) tokenizer->eos = id;
    if (pad && (id = bn_tokenizer_find(tokenizer, pad)) >= 0) tokenizer->pad = id;
}

/* chat_template: a string, or a list of named ones of which "default" is taken. */
static bn_status take_template(bn_tokenizer *tokenizer, const json_t *config, bn_error *err) {
    const json_t *value = json_object_get(config, "chat_template");
    const char *text = json_string_value(value);
    size_t i;
    json_t *entry;
    json_array_foreach(value, i, entry) {
        const char *name = json_string_value(json_object_get(entry, "name"));
        if (!text || (name && strcmp(name, "default") == 0))
            text = json_string_value(json_object_get(entry, "template"));
    }
    if (!text || tokenizer->chat_template) return BN_OK;
    tokenizer->chat_template = mem_strdup(text);
    return tokenizer->chat_template ? BN_OK : fail_no_memory(err, strlen(text));
}

/* A chat_template.jinja goes before what tokenizer_config.json says. */
static bn_status read_template_file(bn_tokenizer *tokenizer, const char *folder, bn_error *err) {
    size_t size;
    char *path = path_join(folder, "chat_template.jinja");
    if (!path) return fail_no_memory(err, strlen(folder));
    bn_status status = BN_OK;
    if (!tokenizer->chat_template && file_exists(path))
        status = file_read_all(path, HF_MAX_CONFIG, &tokenizer->chat_template, &size, err);
    mem_free(path);
    return status;
}

static void mark_end(bn_tokenizer *tokenizer, const json_t *id) {
    if (!json_is_integer(id) || json_integer_value(id) < 0 ||
        (uint64_t)json_integer_value(id) >= tokenizer->vocabulary.size)
        return;
    tokenizer->vocabulary.records[json_integer_value(id)].flags |= TOKEN_END;
}

/* generation_config.json: one or several ids that end a generation. */
static bn_status read_generation_config(bn_tokenizer *tokenizer, const char *folder, bn_error *err) {
    json_t *config, *id;
    size_t i;
    bn_status status = hf_optional_json(folder, "generation_config.json", &config, err);
    const json_t *ends = json_object_get(config, "eos_token_id");
    mark_end(tokenizer, ends);
    json_array_foreach(ends, i, id) mark_end(tokenizer, id);
    json_decref(config);
    return status;
}

bn_status hf_read_companions(bn_tokenizer *tokenizer, const char *folder, bn_error *err) {
    static const char *const names[] = {"special_tokens_map.json", "tokenizer_config.json"};
    bn_status status = read_template_file(tokenizer, folder, err);
    for (size_t i = 0; i < sizeof names / sizeof *names && !status; i++) {
        json_t *config;
        status = hf_optional_json(folder, names[i], &config, err);
        if (status) break;
        take_special(tokenizer, config);
        status = take_template(tokenizer, config, err);
        json_decref(config);
    }
    if (!status) status = read_generation_config(tokenizer, folder, err);
    if (!status && tokenizer->eos >= 0) tokenizer->vocabulary.records[tokenizer->eos].flags |= TOKEN_END;
    return status;
}
