#include "hub/token.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "hub/place.h"
#include "hub/token_file.h"

enum { MAX_TOKEN_BYTES = 4096 };
static const char *const variables[] = {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"};

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

/* The token file's, NULL if there is none. */
static bn_status token_in_use(char **token, bn_error *err) {
    char *path = hub_token_path(), *text = NULL;
    size_t n = 0;
    *token = NULL;
    bn_status status = path && file_exists(path) ? file_read_all(path, MAX_TOKEN_BYTES, &text, &n, err) : BN_OK;
    if (!status && text && text[strspn(text, " \t\r\n")]) status = hub_token_clean(text, path, token, err);
    hub_token_free(text);
    mem_free(path);
    return status;
}

bn_status hub_token_find(char **token, bn_error *err) {
    const char *variable = hub_token_variable();
    return variable ? hub_token_clean(getenv(variable), variable, token, err) : token_in_use(token, err);
}

/* ---- keeping ---- */

static bn_status use_token(const char *token, bn_error *err) {
    char *path = hub_token_path();
    bn_status status = path ? secret_file_write(path, token, strlen(token), err)
                            : fail(err, BN_STATUS_NOT_FOUND, "there is no place for tokens: set HF_HOME or HOME");
    mem_free(path);
    return status;
}

bn_status hub_token_store(const char *name, const char *token, bn_error *err) {
    struct token_file file;
    bn_status status = token_file_read(&file, err);
    if (!status) status = token_file_set(&file, name, token, err);
    if (!status) status = token_file_write(&file, err);
    token_file_release(&file);
    return status ? status : use_token(token, err);
}

bn_status hub_token_switch(const char *name, bn_error *err) {
    struct token_file file;
    char *token = NULL;
    bn_status status = token_file_read(&file, err);
    if (!status) status = token_file_get(&file, name, &token, err);
    if (!status && !token)
        status = fail(err, BN_STATUS_NOT_FOUND, "there is no token '%s': 'bitnet auth list' shows what there is", name);
    if (!status) status = use_token(token, err);
    hub_token_free(token);
    token_file_release(&file);
    return status;
}

static bool is_in_use(const struct token_file *file, const char *name, const char *in_use) {
    char *token = NULL;
    bool same = in_use && !token_file_get(file, name, &token, NULL) && token && strcmp(token, in_use) == 0;
    hub_token_free(token);
    return same;
}

static bn_status stop_using(bn_error *err) {
    char *path = hub_token_path();
    bn_status status = path ? secret_file_remove(path, err) : BN_OK;
    mem_free(path);
    return status;
}

bn_status hub_token_forget(const char *name, bn_error *err) {
    struct token_file file;
    char *in_use = NULL;
    bn_status status = token_file_read(&file, err);
    if (!status) status = token_in_use(&in_use, err);
    bool stop = !status && (!name || is_in_use(&file, name, in_use));
    if (!status && name && !token_file_has(&file, name))
        status = fail(err, BN_STATUS_NOT_FOUND, "there is no token '%s': 'bitnet auth list' shows what there is", name);
    if (!status) token_file_drop(&file, name);
    if (!status) status = token_file_write(&file, err);
    if (!status && stop) status = stop_using(err);
    hub_token_free(in_use);
    token_file_release(&file);
    return status;
}

bn_status hub_token_visit(void (*visit)(void *context, const char *name, bool in_use), void *context, bn_error *err) {
    struct token_file file;
    char *in_use = NULL;
    bn_status status = token_file_read(&file, err);
    if (!status) status = token_in_use(&in_use, err);
    for (size_t i = 0; !status && i < file.n; i++)
        visit(context, file.sections[i].name, is_in_use(&file, file.sections[i].name, in_use));
    hub_token_free(in_use);
    token_file_release(&file);
    return status;
}
