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

/* ---- adding ---- */

static json_t *added_flags(const char *text, bool special) {
    return json_pack("{s:s, s:b, s:b, s:b, s:b, s:b}", "content", text, "single_word", false, "lstrip", false, "rstrip",
                     false, "normalized", false, "special", special);
}

/* The texts of a Unigram vocabulary as members of an object, which the others are anyway. */
static json_t *texts_of(json_t *vocab) {
    if (!json_is_array(vocab)) return json_incref(vocab);
    json_t *texts = json_object(), *entry;
    size_t i;
    json_array_foreach(vocab, i, entry) {
        const char *text = json_string_value(json_array_get(entry, 0));
        if (text && json_object_set_new(texts, text, json_integer((json_int_t)i))) {
            json_decref(texts);
            return NULL;
        }
    }
    return texts;
}

/* How many texts of added tokens the vocabulary hasn't, or SIZE_MAX if memory fails. */
static size_t count_counted(const json_t *root, const json_t *texts) {
    json_t *seen = json_object(), *entry;
    bool ok = seen != NULL;
    size_t i;
    json_array_foreach(json_object_get(root, "added_tokens"), i, entry) {
        const char *text = json_string_value(json_object_get(entry, "content"));
        if (text && *text && !json_object_get(texts, text))
            ok = ok && json_object_set_new(seen, text, json_null()) == 0;
    }
    size_t n = ok ? json_object_size(seen) : SIZE_MAX;
    json_decref(seen);
    return n;
}

/* The token that has an id, NULL for none; and the id behind the highest. */
static const char *text_of_id(const json_t *texts, size_t id, size_t *behind) {
    const char *text, *found = NULL;
    json_t *value;
    *behind = 0;
    json_object_foreach((json_t *)texts, text, value) {
        size_t other = (size_t)json_integer_value(value);
        if (other == id) found = text;
        if (other >= *behind) *behind = other + 1;
    }
    return found;
}

/* The id of a new token. The reference counts: added tokens that aren't in the model's vocabulary get the ids from the
 * number of its entries on, whatever the file says. Where a vocabulary has gaps, that may be another token's id, and the
 * new one has to be in the vocabulary, which renumbers those that are counted. */
static bn_status number_token(const json_t *root, size_t *id, bool *in_vocab, bn_error *err) {
    json_t *vocab = vocab_of(root), *texts = texts_of(vocab);
    size_t n_counted = texts ? count_counted(root, texts) : SIZE_MAX, behind;
    bn_status status = n_counted == SIZE_MAX ? fail_no_memory(err, 0) : BN_OK;
    if (!status) {
        *id = (json_is_array(vocab) ? json_array_size(vocab) : json_object_size(vocab)) + n_counted;
        const char *other = text_of_id(texts, *id, &behind);
        *in_vocab = other != NULL;
        if (other && (n_counted || json_is_array(vocab)))
            status = fail(err, BN_STATUS_UNSUPPORTED,
                          "the ids have gaps: the new token's would be %zu, which '%.60s' has already", *id, other);
        else if (other)
            *id = behind;
    }
    json_decref(texts);
    return status;
}

bn_status tokenizer_json_add(json_t *root, const char *text, bool special, size_t *id, bn_error *err) {
    json_t *list = json_object_get(root, "added_tokens");
    bool in_vocab;
    if (!*text) return fail(err, BN_STATUS_BAD_ARGUMENT, "a token needs a text");
    if (is_token(root, text)) return fail(err, BN_STATUS_BAD_ARGUMENT, "'%.100s' is a token already", text);
    if (!json_is_array(list)) return fail(err, BN_STATUS_BAD_FILE, "'added_tokens' must be an array");
    bn_status status = number_token(root, id, &in_vocab, err);
    if (status) return status;
    if (in_vocab && json_object_set_new(vocab_of(root), text, json_integer((json_int_t)*id)))
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
