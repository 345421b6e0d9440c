#include "hub/token.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "hub/keyring.h"
#include "hub/place.h"
#include "hub/token_file.h"

enum { MAX_TOKEN_BYTES = 4096 };
static const char *const variables[] = {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"};

const char *token_place_name(enum token_place place) {
    static const char *const names[] = {
        [TOKEN_NOWHERE] = "nowhere",
        [TOKEN_LOCKED] = "locked",
        [TOKEN_IN_VARIABLE] = "environment",
        [TOKEN_IN_FILE] = "file",
        [TOKEN_IN_SECRET_SERVICE] = "secret-service",
    };
    return names[place];
}

void hub_token_free(char *token) {
    if (token) OPENSSL_cleanse(token, strlen(token));
    mem_free(token);
}

/* What would break the header that a token is sent in is refused. */
bn_status hub_token_clean(const char *text, const char *origin, char **token, bn_error *err) {
    *token = NULL;
    text += strspn(text, " \t\r\n");
    size_t n = strlen(text);
    while (n && strchr(" \t\r\n", text[n - 1])) n--;
    bool fits = n > 0 && n < MAX_TOKEN_BYTES;
    for (size_t i = 0; i < n; i++) fits &= text[i] > ' ' && text[i] <= '~';
    if (!fits) return fail(err, BN_STATUS_BAD_ARGUMENT, "%s doesn't hold a token", origin);
    *token = mem_strndup(text, n);
    return *token ? BN_OK : fail_no_memory(err, n);
}

const char *hub_token_variable(void) {
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) {
        const char *value = getenv(variables[i]);
        if (value && *value) return variables[i];
    }
    return NULL;
}

/* ---- all that is kept ---- */

struct kept {
    struct keyring keyring;
    struct token_file file;
    char *endpoint;
    char *in_file; /* the token file's, NULL if there is none */
};

static bn_status token_of_file(char **token, bn_error *err) {
    char *path = hub_token_path(), *text = NULL;
    size_t n = 0;
    *token = NULL;
    bn_status status = path && file_exists(path) ? file_read_all(path, MAX_TOKEN_BYTES, &text, &n, err) : BN_OK;
    if (!status && text && text[strspn(text, " \t\r\n")]) status = hub_token_clean(text, path, token, err);
    hub_token_free(text);
    mem_free(path);
    return status;
}

/* Of the secret service only. */
static bn_status kept_in_keyring(struct kept *out, bn_error *err) {
    const char *path = getenv("HF_TOKEN_PATH");
    *out = (struct kept){.endpoint = hub_endpoint()};
    if (!out->endpoint) return fail_no_memory(err, 0);
    return path && *path ? BN_OK : keyring_open(&out->keyring, err);
}

static bn_status kept_read(struct kept *out, bn_error *err) {
    bn_status status = kept_in_keyring(out, err);
    if (!status) status = token_file_read(&out->file, err);
    return status ? status : token_of_file(&out->in_file, err);
}

static void kept_release(struct kept *kept) {
    keyring_release(&kept->keyring);
    token_file_release(&kept->file);
    hub_token_free(kept->in_file);
    mem_free(kept->endpoint);
}

/* The secret service's in use for this hub; NULL: none. */
static const struct keyring_entry *in_use(const struct kept *kept) {
    return keyring_find(&kept->keyring, kept->endpoint, "");
}

static bool is_of_file(const struct kept *kept, const char *name) {
    char *token = NULL;
    bool same =
        kept->in_file && !token_file_get(&kept->file, name, &token, NULL) && token && strcmp(token, kept->in_file) == 0;
    hub_token_free(token);
    return same;
}

bn_status hub_token_find(char **token, enum token_place *place, bn_error *err) {
    const char *variable = hub_token_variable();
    *token = NULL;
    *place = TOKEN_IN_VARIABLE;
    if (variable) return hub_token_clean(getenv(variable), variable, token, err);
    struct kept kept;
    bn_status status = kept_in_keyring(&kept, err);
    const struct keyring_entry *entry = status ? NULL : in_use(&kept);
    *place = TOKEN_IN_SECRET_SERVICE;
    if (entry && entry->token && !(*token = mem_strdup(entry->token))) status = fail_no_memory(err, 0);
    if (!status && !*token) {
        *place = TOKEN_IN_FILE;
        status = token_of_file(token, err);
    }
    if (!status && !*token) *place = entry ? TOKEN_LOCKED : TOKEN_NOWHERE;
    kept_release(&kept);
    return status;
}

/* ---- keeping ---- */

/* From now on the token file counts, not what the secret service has in use. */
static bn_status use_in_file(struct kept *kept, const char *token, bn_error *err) {
    char *path = hub_token_path();
    bn_status status = path ? secret_file_write(path, token, strlen(token), err)
                            : fail(err, BN_STATUS_NOT_FOUND, "there is no place for tokens: set HF_HOME or HOME");
    mem_free(path);
    const struct keyring_entry *entry = in_use(kept);
    return !status && entry && entry->token ? keyring_delete(&kept->keyring, entry, err) : status;
}

static bn_status store_in_file(struct kept *kept, const char *name, const char *token, bn_error *err) {
    bn_status status = token_file_set(&kept->file, name, token, err);
    if (!status) status = token_file_write(&kept->file, err);
    const struct keyring_entry *older = keyring_find(&kept->keyring, kept->endpoint, name);
    if (!status && older && older->token) status = keyring_delete(&kept->keyring, older, err);
    return status ? status : use_in_file(kept, token, err);
}

static bn_status store_in_keyring(struct kept *kept, const char *name, const char *token, bn_error *err) {
    bn_status status = keyring_store(&kept->keyring, kept->endpoint, name, token, err);
    return status ? status : keyring_store(&kept->keyring, kept->endpoint, "", token, err);
}

/* Why the secret service can't take a token; NULL: it can, or there is none. */
static const char *keyring_note(enum keyring_state state) {
    return state == KEYRING_LOCKED   ? "the desktop's keyring is locked"
           : state == KEYRING_SILENT ? "the desktop's secret service doesn't answer"
                                     : NULL;
}

bn_status hub_token_store(const char *name, const char *token, enum token_place place, enum token_place *kept_at,
                          const char **note, bn_error *err) {
    struct kept kept;
    *note = NULL;
    bn_status status = token_name_check(name, err);
    if (status) return status;
    status = kept_read(&kept, err);
    enum keyring_state state = kept.keyring.state;
    bool open = state == KEYRING_OPEN, in_keyring = place != TOKEN_IN_FILE && open;
    if (!status && place == TOKEN_IN_SECRET_SERVICE && !open)
        status = fail(err, BN_STATUS_UNSUPPORTED, "%s: the token isn't kept",
                      keyring_note(state) ? keyring_note(state) : "there is no secret service for this session");
    if (!status && in_keyring) status = store_in_keyring(&kept, name, token, err);
    if (status && in_keyring && place == TOKEN_NOWHERE) { /* no token is lost because a service fails */
        status = BN_OK;
        state = KEYRING_SILENT;
        in_keyring = false;
    }
    if (!status && !in_keyring) status = store_in_file(&kept, name, token, err);
    if (!in_keyring && place == TOKEN_NOWHERE) *note = keyring_note(state);
    *kept_at = in_keyring ? TOKEN_IN_SECRET_SERVICE : TOKEN_IN_FILE;
    kept_release(&kept);
    return status;
}

static bn_status not_kept(const char *name, bn_error *err) {
    return fail(err, BN_STATUS_NOT_FOUND, "there is no token '%s': 'bitnet auth list' shows what there is", name);
}

bn_status hub_token_switch(const char *name, bn_error *err) {
    struct kept kept;
    char *token = NULL;
    bn_status status = kept_read(&kept, err);
    const struct keyring_entry *entry = status ? NULL : keyring_find(&kept.keyring, kept.endpoint, name);
    if (!status && !entry) status = token_file_get(&kept.file, name, &token, err);
    if (!status && entry)
        status = entry->token ? keyring_store(&kept.keyring, kept.endpoint, "", entry->token, err)
                              : fail(err, BN_STATUS_BUSY, "the desktop's keyring is locked: unlock it and try again");
    else if (!status)
        status = token ? use_in_file(&kept, token, err) : not_kept(name, err);
    hub_token_free(token);
    kept_release(&kept);
    return status;
}

/* ---- forgetting ---- */

static bn_status forget_in_file(struct kept *kept, const char *name, bn_error *err) {
    bool stop = !name || is_of_file(kept, name);
    char *path = stop ? hub_token_path() : NULL;
    token_file_drop(&kept->file, name);
    bn_status status = token_file_write(&kept->file, err);
    if (!status && path) status = secret_file_remove(path, err);
    mem_free(path);
    return status;
}

/* The entry of that name for this hub, and the one in use if it is the same token; all: every entry. */
static bool is_forgotten(const struct kept *kept, const struct keyring_entry *entry, const char *name) {
    if (!name) return true;
    if (strcmp(entry->endpoint, kept->endpoint) != 0) return false;
    const struct keyring_entry *named = keyring_find(&kept->keyring, kept->endpoint, name);
    if (*entry->name || !named) return entry == named;
    return entry->token && named->token && strcmp(entry->token, named->token) == 0;
}

/* Tries all before it says what failed first. */
static bn_status forget_in_keyring(struct kept *kept, const char *name, bn_error *err) {
    if (kept->keyring.state == KEYRING_SILENT)
        return fail(err, BN_STATUS_BUSY, "the desktop's secret service doesn't answer: what it holds stays; try again");
    bn_status status = BN_OK;
    for (size_t i = 0; i < kept->keyring.n; i++) {
        const struct keyring_entry *entry = &kept->keyring.entries[i];
        if (!is_forgotten(kept, entry, name)) continue;
        bn_status deleted = keyring_delete(&kept->keyring, entry, status ? NULL : err);
        if (!status) status = deleted;
    }
    return status;
}

bn_status hub_token_forget(const char *name, bn_error *err) {
    struct kept kept;
    bn_status status = kept_read(&kept, err);
    bool in_file = !status && (!name || token_file_has(&kept.file, name));
    if (!status && !in_file && !keyring_find(&kept.keyring, kept.endpoint, name) &&
        kept.keyring.state != KEYRING_SILENT)
        status = not_kept(name, err);
    if (!status && in_file) status = forget_in_file(&kept, name, err);
    if (!status) status = forget_in_keyring(&kept, name, err);
    kept_release(&kept);
    return status;
}

/* ---- telling ---- */

static bool is_in_use(const struct kept *kept, const struct keyring_entry *entry) {
    const struct keyring_entry *used = in_use(kept);
    return used && used->token && entry->token && strcmp(entry->endpoint, kept->endpoint) == 0 &&
           strcmp(used->token, entry->token) == 0;
}

bn_status hub_token_visit(void (*visit)(void *context, const struct kept_token *token), void *context, bn_error *err) {
    struct kept kept;
    bn_status status = kept_read(&kept, err);
    for (size_t i = 0; !status && i < kept.keyring.n; i++) {
        const struct keyring_entry *entry = &kept.keyring.entries[i];
        if (!*entry->name) continue;
        visit(context, &(struct kept_token){.name = entry->name,
                                            .endpoint = entry->endpoint,
                                            .place = entry->token ? TOKEN_IN_SECRET_SERVICE : TOKEN_LOCKED,
                                            .in_use = is_in_use(&kept, entry)});
    }
    bool file_counts = !status && !(in_use(&kept) && in_use(&kept)->token);
    for (size_t i = 0; !status && i < kept.file.n; i++) {
        const char *name = kept.file.sections[i].name;
        visit(context, &(struct kept_token){
                           .name = name, .place = TOKEN_IN_FILE, .in_use = file_counts && is_of_file(&kept, name)});
    }
    kept_release(&kept);
    return status;
}
