#include "hub/token.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "hub/place.h"

enum { MAX_TOKEN_BYTES = 4096 };

void hub_token_free(char *token) {
    if (token) OPENSSL_cleanse(token, strlen(token));
    mem_free(token);
}

/* A copy without white space around it; a token with anything but printable ASCII in it would break the header it is
 * sent in. */
static bn_status cleaned(const char *text, const char *origin, char **token, bn_error *err) {
    text += strspn(text, " \t\r\n");
    size_t n = strlen(text);
    while (n && strchr(" \t\r\n", text[n - 1])) n--;
    if (n == 0) return BN_OK;
    for (size_t i = 0; i < n; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return fail(err, BN_STATUS_BAD_FILE, "%s doesn't hold a token: 'bitnet auth login' stores another", origin);
    *token = mem_strndup(text, n);
    return *token ? BN_OK : fail_no_memory(err, n);
}

bn_status hub_token_find(char **token, bn_error *err) {
    *token = NULL;
    static const char *const variables[] = {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"};
    for (size_t i = 0; i < 2; i++) {
        const char *value = getenv(variables[i]);
        if (value && *value) return cleaned(value, variables[i], token, err);
    }
    char *path = hub_token_path(), *text = NULL;
    size_t n = 0;
    bn_status status = BN_OK;
    if (path && file_exists(path)) status = file_read_all(path, MAX_TOKEN_BYTES, &text, &n, err);
    if (!status && text) status = cleaned(text, path, token, err);
    if (text) OPENSSL_cleanse(text, n);
    mem_free(text);
    mem_free(path);
    return status;
}
