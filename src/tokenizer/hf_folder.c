/* Opening what lies on disk: a tokenizer file by its content, or a Hugging Face folder with the files around it. */
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "tokenizer/hf_json.h"

enum { MAX_FILE = 1 << 29, MAX_CONFIG = 1 << 26 };

/* "bos_token": "<s>" or {"content": "<s>", …} */
static const char *token_text(const json_t *config, const char *key) {
    const json_t *value = json_object_get(config, key);
    if (json_is_object(value)) value = json_object_get(value, "content");
    return json_string_value(value);
}

static void take_special(bn_tokenizer *tokenizer, const json_t *config) {
    const char *bos = token_text(config, "bos_token"), *eos = token_text(config, "eos_token");
    if (bos && tokenizer->bos < 0) tokenizer->bos = bn_tokenizer_find(tokenizer, bos);
    if (eos && tokenizer->eos < 0) tokenizer->eos = bn_tokenizer_find(tokenizer, eos);
}

/* chat_template: a string, or a list of named ones of which "default" is taken. */
static bn_status take_template(bn_tokenizer *tokenizer, const json_t *config, bn_error *err) {
    const json_t *value = json_object_get(config, "chat_template");
    const char *text = json_string_value(value);
    size_t i;
    json_t *entry;
    json_array_foreach(value, i, entry) {
        const char *name = json_string_value(json_object_get(entry, "name"));
        if (!text || (name && strcmp(name, "default") == 0)) text = json_string_value(json_object_get(entry, "template"));
    }
    if (!text || tokenizer->chat_template) return BN_OK;
    tokenizer->chat_template = mem_strdup(text);
    return tokenizer->chat_template ? BN_OK : fail_no_memory(err, strlen(text));
}

/* Parses folder/name if it is there; *out NULL if not. */
static bn_status optional_json(const char *folder, const char *name, json_t **out, bn_error *err) {
    *out = NULL;
    char *path = path_join(folder, name);
    if (!path) return fail_no_memory(err, strlen(folder));
    bn_status status = file_exists(path) ? json_parse_file(path, MAX_CONFIG, out, err) : BN_OK;
    mem_free(path);
    return status;
}

/* Text of folder/name; *text NULL if it isn't there. */
static bn_status optional_text(const char *folder, const char *name, char **text, size_t *size, bn_error *err) {
    *text = NULL;
    *size = 0;
    char *path = path_join(folder, name);
    if (!path) return fail_no_memory(err, strlen(folder));
    bn_status status = file_exists(path) ? file_read_all(path, MAX_FILE, text, size, err) : BN_OK;
    mem_free(path);
    return status;
}

static void mark_end(bn_tokenizer *tokenizer, const json_t *id) {
    if (!json_is_integer(id) || json_integer_value(id) < 0 || (uint64_t)json_integer_value(id) >= tokenizer->vocabulary.size) return;
    tokenizer->vocabulary.tokens[json_integer_value(id)].flags |= TOKEN_END;
}

/* generation_config.json: one or several ids that end a generation. */
static bn_status read_generation_config(bn_tokenizer *tokenizer, const char *folder, bn_error *err) {
    json_t *config, *id;
    size_t i;
    bn_status status = optional_json(folder, "generation_config.json", &config, err);
    const json_t *ends = json_object_get(config, "eos_token_id");
    mark_end(tokenizer, ends);
    json_array_foreach(ends, i, id) mark_end(tokenizer, id);
    json_decref(config);
    return status;
}

/* What lies beside the tokenizer itself. */
static bn_status read_companions(bn_tokenizer *tokenizer, const char *folder, bn_error *err) {
    size_t size;
    bn_status status = optional_text(folder, "chat_template.jinja", &tokenizer->chat_template, &size, err);
    static const char *const names[] = {"tokenizer_config.json", "special_tokens_map.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names && !status; i++) {
        json_t *config;
        status = optional_json(folder, names[i], &config, err);
        if (status) break;
        take_special(tokenizer, config);
        status = take_template(tokenizer, config, err);
        json_decref(config);
    }
    if (!status) status = read_generation_config(tokenizer, folder, err);
    if (!status && tokenizer->eos >= 0) tokenizer->vocabulary.tokens[tokenizer->eos].flags |= TOKEN_END;
    return status;
}

bn_status tokenizer_from_folder(const char *folder, bn_tokenizer **out, bn_error *err) {
    char *json;
    size_t size;
    bn_tokenizer *tokenizer = NULL;
    bn_status status = optional_text(folder, "tokenizer.json", &json, &size, err);
    if (!status && json) status = tokenizer_from_json(json, size, "tokenizer.json", &tokenizer, err);
    else if (!status) status = fail(err, BN_STATUS_NOT_FOUND, "%s: no tokenizer.json in this folder", folder);
    mem_free(json);
    if (!status) status = read_companions(tokenizer, folder, err);
    if (status) bn_tokenizer_close(tokenizer);
    else *out = tokenizer;
    return status;
}

bn_status bn_tokenizer_open(const char *path, bn_tokenizer **out, bn_error *err) {
    if (file_is_directory(path)) return tokenizer_from_folder(path, out, err);
    char *text;
    size_t size;
    bn_status status = file_read_all(path, MAX_FILE, &text, &size, err);
    if (status) return status;
    status = tokenizer_from_json(text, size, path, out, err);
    mem_free(text);
    return status;
}
