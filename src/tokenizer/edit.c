/* Edits keep everything they don't know: files go through as trees, with the order of members. */
#include "tokenizer/edit.h"

#include <stdio.h>
#include <string.h>

static bool is_text(const json_t *value, const char *text) {
    return json_is_string(value) && strcmp(json_string_value(value), text) == 0;
}

/* ---- finding ---- */

static json_t *vocab_of(const json_t *root) {
    return json_object_get(json_object_get(root, "model"), "vocab");
}

static json_t *find_added(const json_t *root, const char *text) {
    size_t i;
    json_t *entry;
    json_array_foreach(json_object_get(root, "added_tokens"), i,
                       entry) if (is_text(json_object_get(entry, "content"), text)) return entry;
    return NULL;
}

static bool is_token(const json_t *root, const char *text) {
    const json_t *vocab = vocab_of(root);
    size_t i;
    json_t *entry;
    if (find_added(root, text) || json_object_get(vocab, text)) return true;
    json_array_foreach(vocab, i, entry) if (is_text(json_array_get(entry, 0), text)) return true;
    return false;
}

/* The model's entries, and the id behind the highest one. */
static void count_ids(const json_t *root, size_t *n_model, size_t *next) {
    const json_t *vocab = vocab_of(root);
    const char *text;
    size_t i;
    json_t *value;
    *n_model = json_is_array(vocab) ? json_array_size(vocab) : json_object_size(vocab);
    *next = json_is_array(vocab) ? *n_model : 0;
    json_object_foreach((json_t *)vocab, text, value) if ((size_t)json_integer_value(value) + 1 > *next) *next =
        (size_t)json_integer_value(value) + 1;
    json_array_foreach(json_object_get(root, "added_tokens"), i, value) {
        size_t id = (size_t)json_integer_value(json_object_get(value, "id"));
        if (id + 1 > *next) *next = id + 1;
    }
}

/* ---- adding ---- */

static json_t *added_flags(const char *text, bool special) {
    return json_pack("{s:s, s:b, s:b, s:b, s:b, s:b}", "content", text, "single_word", false, "lstrip", false, "rstrip",
                     false, "normalized", false, "special", special);
}

/* The reference numbers an added token that isn't in the model's vocabulary by counting: from the number of the
 * model's entries, or from the highest added id if that is beyond. Where ids have gaps that isn't the next id. */
static bool counts_to(const json_t *root, size_t n_model, size_t id) {
    size_t i, highest = 0;
    json_t *entry;
    bool any = false;
    json_array_foreach(json_object_get(root, "added_tokens"), i, entry) {
        size_t other = (size_t)json_integer_value(json_object_get(entry, "id"));
        any = true;
        if (other > highest) highest = other;
    }
    return (any && highest >= n_model ? highest + 1 : n_model) == id;
}

bn_status tokenizer_json_add(json_t *root, const char *text, bool special, size_t *id, bn_error *err) {
    size_t n_model;
    json_t *list = json_object_get(root, "added_tokens"), *vocab = vocab_of(root);
    if (!*text) return fail(err, BN_STATUS_BAD_ARGUMENT, "a token needs a text");
    if (is_token(root, text)) return fail(err, BN_STATUS_BAD_ARGUMENT, "'%.100s' is a token already", text);
    if (!json_is_array(list)) return fail(err, BN_STATUS_BAD_FILE, "'added_tokens' must be an array");
    count_ids(root, &n_model, id);
    bool counts = counts_to(root, n_model, *id);
    if (!counts && !json_is_object(vocab))
        return fail(err, BN_STATUS_UNSUPPORTED, "the ids have gaps, and a Unigram vocabulary can't name ids");
    if (!counts && json_object_set_new(vocab, text, json_integer((json_int_t)*id)))
        return fail_no_memory(err, strlen(text));
    json_t *entry = json_pack("{s:I}", "id", (json_int_t)*id), *flags = added_flags(text, special);
    bool ok = entry && flags && json_object_update(entry, flags) == 0;
    json_decref(flags);
    if (!ok) {
        json_decref(entry);
        return fail_no_memory(err, 0);
    }
    return json_array_append_new(list, entry) ? fail_no_memory(err, 0) : BN_OK;
}

bn_status tokenizer_config_add(json_t *config, const char *text, bool special, size_t id, bn_error *err) {
    static const char *const lists[] = {"additional_special_tokens", "extra_special_tokens"};
    json_t *decoder = json_object_get(config, "added_tokens_decoder");
    char key[24];
    snprintf(key, sizeof key, "%zu", id);
    if (json_is_object(decoder) && json_object_set_new(decoder, key, added_flags(text, special)))
        return fail_no_memory(err, 0);
    for (size_t i = 0; i < sizeof lists / sizeof *lists && special; i++) {
        json_t *list = json_object_get(config, lists[i]);
        if (!json_is_array(list)) continue;
        return json_array_append_new(list, json_string(text)) ? fail_no_memory(err, 0) : BN_OK;
    }
    return BN_OK;
}

/* ---- renaming ---- */

/* Renames a member and keeps its place. */
static bool rename_member(json_t *object, const char *old, const char *text) {
    if (!json_object_get(object, old)) return true;
    json_t *copy = json_object();
    const char *key;
    json_t *value;
    bool ok = copy != NULL;
    json_object_foreach(object, key, value) ok = ok && json_object_set(copy, strcmp(key, old) ? key : text, value) == 0;
    ok = ok && json_object_clear(object) == 0 && json_object_update(object, copy) == 0;
    json_decref(copy);
    return ok;
}

/* Every string `old` below a value, and every member of that name; the names of steps and sequences are none of a
 * token. Depth is bounded by the JSON reader. */
static bool rename_below(json_t *value, const char *old, const char *text) {
    const char *key;
    size_t i;
    json_t *child;
    bool ok = true;
    if (is_text(value, old)) return json_string_set(value, text) == 0;
    json_array_foreach(value, i, child) ok = ok && rename_below(child, old, text);
    json_object_foreach(value, key, child) if (strcmp(key, "Sequence") && strcmp(key, "type")) ok =
        ok && rename_below(child, old, text);
    return ok && (!json_is_object(value) || rename_member(value, old, text));
}

/* Members whose value is the text of a token. */
static bool rename_values(json_t *object, const char *const *keys, size_t n, const char *old, const char *text) {
    bool ok = true;
    for (size_t i = 0; i < n; i++) {
        json_t *value = json_object_get(object, keys[i]);
        ok = ok && (!value || rename_below(value, old, text));
    }
    return ok;
}

static bool rename_in_vocab(json_t *vocab, const char *old, const char *text) {
    size_t i;
    json_t *entry;
    json_array_foreach(vocab, i, entry) if (is_text(json_array_get(entry, 0), old)) return json_string_set(
        json_array_get(entry, 0), text) == 0;
    return !json_is_object(vocab) || rename_member(vocab, old, text);
}

static bn_status check_names(bool found, bool taken, const char *old, const char *text, bn_error *err) {
    if (!*text) return fail(err, BN_STATUS_BAD_ARGUMENT, "a token needs a text");
    if (!found)
        return fail(err, BN_STATUS_NOT_FOUND, "'%.100s' is no special or added token; only these can be renamed", old);
    return taken ? fail(err, BN_STATUS_BAD_ARGUMENT, "'%.100s' is a token already", text) : BN_OK;
}

bn_status tokenizer_json_rename(json_t *root, const char *old, const char *text, bn_error *err) {
    static const char *const unknown[] = {"unk_token"}, *const padding[] = {"pad_token"};
    json_t *added = find_added(root, old), *model = json_object_get(root, "model"),
           *post = json_object_get(root, "post_processor");
    bn_status status = check_names(added != NULL, is_token(root, text), old, text, err);
    if (status) return status;
    bool ok = json_string_set(json_object_get(added, "content"), text) == 0 &&
              rename_in_vocab(vocab_of(root), old, text) && rename_values(model, unknown, 1, old, text) &&
              rename_values(json_object_get(root, "padding"), padding, 1, old, text) &&
              (!post || rename_below(post, old, text));
    return ok ? BN_OK : fail_no_memory(err, 0);
}

bn_status tokenizer_config_rename(json_t *config, const char *old, const char *text, bn_error *err) {
    static const char *const keys[] = {"bos_token",
                                       "eos_token",
                                       "unk_token",
                                       "sep_token",
                                       "pad_token",
                                       "cls_token",
                                       "mask_token",
                                       "additional_special_tokens",
                                       "extra_special_tokens",
                                       "added_tokens_decoder"};
    return rename_values(config, keys, sizeof keys / sizeof *keys, old, text) ? BN_OK : fail_no_memory(err, 0);
}
