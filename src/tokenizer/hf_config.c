/* Companion files: what transformers reads beside the tokenizer itself. */
#include "tokenizer/hf_config.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "tokenizer/sentencepiece.h"

bn_status hf_optional_json(const char *folder, const char *name, json_t **out, bn_error *err) {
    *out = NULL;
    char *path = path_join(folder, name);
    if (!path) return fail_no_memory(err, strlen(folder));
    bn_status status = file_exists(path) ? json_parse_file(path, HF_MAX_CONFIG, out, err) : BN_OK;
    mem_free(path);
    return status;
}

const char *hf_token_text(const json_t *config, const char *key) {
    const json_t *value = json_object_get(config, key);
    return json_string_value(json_is_object(value) ? json_object_get(value, "content") : value);
}

static void take_special(bn_tokenizer *tokenizer, const json_t *config) {
    const char *bos = hf_token_text(config, "bos_token"), *eos = hf_token_text(config, "eos_token");
    const char *pad = hf_token_text(config, "pad_token");
    int32_t id;
    if (bos && (id = bn_tokenizer_find(tokenizer, bos)) >= 0) tokenizer->bos = id;
    if (eos && (id = bn_tokenizer_find(tokenizer, eos)) >= 0) tokenizer->eos = id;
    if (pad && (id = bn_tokenizer_find(tokenizer, pad)) >= 0) tokenizer->pad = id;
}

/* ---- tokens that only these files name ---- */

const char *const hf_roles[HF_N_ROLES] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                          "pad_token", "cls_token", "mask_token"};

/* Tokens on their way behind those of the tokenizer's own file. */
struct late_tokens {
    bn_tokenizer *tokenizer;
    size_t next;  /* the id that a new one gets */
    bool changed; /* what is derived from the added tokens has to be built again */
};

/* A text that is new gets the next id, whatever the files say, as the reference counts. An entry with settings replaces
 * those that a known token has. */
static bn_status add_late(struct late_tokens *late, const json_t *entry, bn_error *err) {
    const json_t *content = json_object_get(entry, "content");
    const char *text = json_string_value(content);
    if (!text) return fail(err, BN_STATUS_BAD_FILE, "an added token has no 'content'");
    if (!*text) return BN_OK;
    struct vocabulary *vocabulary = &late->tokenizer->vocabulary;
    int32_t known = vocabulary_find(vocabulary, text, json_string_length(content));
    late->changed = true;
    bn_status status = hf_add_token(late->tokenizer, entry, known >= 0 ? (size_t)known : late->next++, err);
    if (status) return status;
    vocabulary_finish(vocabulary); /* for it to be found */
    const struct added_token *token = &late->tokenizer->added.items[late->tokenizer->added.n - 1];
    if (known < 0 && token->special && late->tokenizer->text_is_plain)
        vocabulary->records[token->id].flags |= TOKEN_CONTROL; /* as SentencePiece calls what never comes out of text */
    return BN_OK;
}

/* A role's or a further special token, as text or with settings, which count only where the token is new. */
static bn_status add_special(struct late_tokens *late, const json_t *value, bn_error *err) {
    const json_t *content = json_is_object(value) ? json_object_get(value, "content") : value;
    const char *text = json_string_value(content);
    if (!text || !*text) return BN_OK;
    struct vocabulary *vocabulary = &late->tokenizer->vocabulary;
    int32_t known = vocabulary_find(vocabulary, text, json_string_length(content));
    if (known >= 0 && vocabulary->records[known].flags & TOKEN_ADDED) {
        vocabulary->records[known].flags |= TOKEN_SPECIAL;
        return BN_OK;
    }
    json_t *entry =
        json_is_object(value) ? json_copy((json_t *)(uintptr_t)value) : json_pack("{s:O}", "content", value);
    bn_status status = !entry || json_object_set_new(entry, "special", json_true()) ? fail_no_memory(err, strlen(text))
                                                                                    : add_late(late, entry, err);
    json_decref(entry);
    return status;
}

static bn_status add_specials(struct late_tokens *late, const json_t *config, bn_error *err) {
    static const char *const lists[] = {"additional_special_tokens", "extra_special_tokens"};
    bn_status status = BN_OK;
    for (size_t i = 0; i < HF_N_ROLES && !status; i++)
        status = add_special(late, json_object_get(config, hf_roles[i]), err);
    for (size_t i = 0; i < sizeof lists / sizeof *lists && !status; i++) {
        json_t *list = json_object_get(config, lists[i]), *value;
        const char *name;
        size_t at;
        json_array_foreach(list, at, value) if (!status) status = add_special(late, value, err);
        json_object_foreach(list, name, value) if (!status) status = add_special(late, value, err);
    }
    return status;
}

struct numbered_token {
    json_int_t id;
    const char *key;
    json_t *value;
};

static int by_id(const void *a, const void *b) {
    json_int_t left = ((const struct numbered_token *)a)->id, right = ((const struct numbered_token *)b)->id;
    return (left > right) - (left < right);
}

/* Adds the members of an object in the order of ids: {"7": {"content": …}}, or {TEXT: 7} where the ids are values. */
static bn_status add_by_id(struct late_tokens *late, const json_t *tokens, bool ids_are_keys, bn_error *err) {
    size_t n = 0;
    const char *key;
    json_t *value;
    struct numbered_token *sorted = mem_alloc_array(json_object_size(tokens) + 1, sizeof *sorted);
    if (!sorted) return fail_no_memory(err, json_object_size(tokens) * sizeof *sorted);
    json_object_foreach((json_t *)(uintptr_t)tokens, key, value) sorted[n++] =
        (struct numbered_token){ids_are_keys ? strtoll(key, NULL, 10) : json_integer_value(value), key, value};
    qsort(sorted, n, sizeof *sorted, by_id);
    bn_status status = BN_OK;
    for (size_t i = 0; i < n && !status; i++) {
        json_t *entry = ids_are_keys ? json_incref(sorted[i].value) : json_pack("{s:s}", "content", sorted[i].key);
        status = entry ? add_late(late, entry, err) : fail_no_memory(err, strlen(sorted[i].key));
        json_decref(entry);
    }
    mem_free(sorted);
    return status;
}

/* As transformers does it: added_tokens_decoder, or the older added_tokens.json, then the roles' tokens and further
 * special ones. */
static bn_status add_tokens(bn_tokenizer *tokenizer, size_t n_model, const struct hf_companions *files, bn_error *err) {
    struct late_tokens late = {.tokenizer = tokenizer, .next = n_model};
    const size_t n_ids = tokenizer->vocabulary.size;
    const json_t *numbered = json_object_get(files->config, "added_tokens_decoder");
    for (size_t i = 0; i < tokenizer->added.n; i++)
        late.next = max_size(late.next, (size_t)tokenizer->added.items[i].id + 1);
    bn_status status = add_by_id(&late, numbered ? numbered : files->older, numbered != NULL, err);
    if (!status) status = add_specials(&late, files->config, err);
    if (!status && !numbered) status = add_specials(&late, files->map, err);
    for (size_t i = 0; i < tokenizer->added.n; i++) {
        struct added_token *token = &tokenizer->added.items[i];
        token->special |= (tokenizer->vocabulary.records[token->id].flags & TOKEN_SPECIAL) != 0;
    }
    if (status || !late.changed) return status;
    return tokenizer_finish_added(tokenizer, n_ids, err);
}

/* add_bos_token and add_eos_token, where one of them is there, say what goes around a text. */
static bn_status take_around(bn_tokenizer *tokenizer, const json_t *config, bn_error *err) {
    const json_t *bos = json_object_get(config, "add_bos_token"), *eos = json_object_get(config, "add_eos_token");
    if (!bos && !eos) return BN_OK;
    postprocessor_release(&tokenizer->postprocessor);
    return template_around(&tokenizer->postprocessor, json_is_true(bos) ? tokenizer->bos : -1,
                           json_is_true(eos) ? tokenizer->eos : -1, 1, err);
}

/* ---- templates, ends ---- */

/* chat_template: a string, or a list of named ones, of which "tool_use" is for conversations with tools and "default"
 * (else any) for the others. */
static bn_status take_template(bn_tokenizer *tokenizer, const json_t *config, bn_error *err) {
    const json_t *value = json_object_get(config, "chat_template");
    const char *usual = json_string_value(value), *with_tools = NULL;
    size_t i;
    json_t *entry;
    json_array_foreach(value, i, entry) {
        const char *name = json_string_value(json_object_get(entry, "name")),
                   *text = json_string_value(json_object_get(entry, "template"));
        if (name && strcmp(name, "tool_use") == 0)
            with_tools = text;
        else if (!usual || (name && strcmp(name, "default") == 0))
            usual = text;
    }
    return tokenizer_set_chat_templates(tokenizer, usual, with_tools, err);
}

static bn_status optional_text(const char *folder, const char *name, char **out, bn_error *err) {
    size_t size;
    char *path = path_join(folder, name);
    if (!path) return fail_no_memory(err, strlen(folder));
    bn_status status = file_exists(path) ? file_read_all(path, HF_MAX_CONFIG, out, &size, err) : BN_OK;
    mem_free(path);
    return status;
}

/* Templates in files go before what tokenizer_config.json says. */
static bn_status read_template_files(bn_tokenizer *tokenizer, const char *folder, bn_error *err) {
    char *usual = NULL, *with_tools = NULL;
    bn_status status = optional_text(folder, "chat_template.jinja", &usual, err);
    if (!status) status = optional_text(folder, "additional_chat_templates/tool_use.jinja", &with_tools, err);
    if (!status) status = tokenizer_set_chat_templates(tokenizer, usual, with_tools, err);
    mem_free(usual);
    mem_free(with_tools);
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

bn_status hf_take_companions(bn_tokenizer *tokenizer, size_t n_model, bool around, const struct hf_companions *files,
                             bn_error *err) {
    bn_status status = add_tokens(tokenizer, n_model, files, err);
    if (status) return status;
    take_special(tokenizer, files->map);
    take_special(tokenizer, files->config);
    if (tokenizer->eos >= 0) tokenizer->vocabulary.records[tokenizer->eos].flags |= TOKEN_END;
    if (around) status = take_around(tokenizer, files->config, err);
    if (!status) status = take_template(tokenizer, files->map, err);
    return status ? status : take_template(tokenizer, files->config, err);
}

bn_status hf_read_companions(bn_tokenizer *tokenizer, size_t n_model, bool around, const char *folder, bn_error *err) {
    struct hf_companions files = {0};
    bn_status status = read_template_files(tokenizer, folder, err);
    if (!status) status = hf_optional_json(folder, "special_tokens_map.json", &files.map, err);
    if (!status) status = hf_optional_json(folder, "tokenizer_config.json", &files.config, err);
    if (!status) status = hf_optional_json(folder, "added_tokens.json", &files.older, err);
    if (!status) status = hf_take_companions(tokenizer, n_model, around, &files, err);
    if (!status) status = read_generation_config(tokenizer, folder, err);
    json_decref(files.config);
    json_decref(files.map);
    json_decref(files.older);
    return status;
}
