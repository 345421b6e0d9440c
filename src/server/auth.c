#include "server/auth.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"

static bool digest(const char *text, size_t n, unsigned char out[32]) {
    return EVP_Digest(text, n, out, NULL, EVP_sha256(), NULL) == 1;
}

bn_status api_keys_init(struct api_keys *keys, const char *const *texts, size_t n, bn_error *err) {
    *keys = (struct api_keys){0};
    if (!n) return BN_OK;
    keys->digests = mem_alloc_array(n, sizeof *keys->digests);
    if (!keys->digests) return fail_no_memory(err, n * sizeof *keys->digests);
    for (size_t i = 0; i < n; i++) {
        if (!*texts[i]) return fail(err, BN_STATUS_BAD_ARGUMENT, "an API key is empty");
        if (!digest(texts[i], strlen(texts[i]), keys->digests[i]))
            return fail(err, BN_STATUS_INTERNAL, "SHA-256 isn't available");
    }
    keys->n = n;
    return BN_OK;
}

void api_keys_release(struct api_keys *keys) {
    mem_free(keys->digests);
    *keys = (struct api_keys){0};
}

const char *api_key_in_subprotocol(const char *subprotocol) {
    static const char *const prefixes[] = {"bitnet-key.", "openai-insecure-api-key."};
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (strncmp(subprotocol, prefixes[i], strlen(prefixes[i])) == 0) return subprotocol + strlen(prefixes[i]);
    return NULL;
}

/* The key that the request shows; *n its length. */
static const char *shown_key(const struct request *request, size_t *n) {
    const char *value = request_header(request, "authorization");
    if (value && strncasecmp(value, "Bearer ", 7) == 0) {
        value += 7 + strspn(value + 7, " ");
        *n = strlen(value);
        return value;
    }
    value = request_header(request, "x-api-key");
    if (value) {
        *n = strlen(value);
        return value;
    }
    for (const char *at = request_header(request, "sec-websocket-protocol"); at && *at;) {
        at += strspn(at, " \t,");
        value = api_key_in_subprotocol(at);
        size_t length = strcspn(at, " \t,");
        if (value) {
            *n = (size_t)(at + length - value);
            return value;
        }
        at += length;
    }
    return NULL;
}

enum auth_result api_keys_check(const struct api_keys *keys, const struct request *request, enum scope scope,
                                size_t *index) {
    *index = SIZE_MAX;
    if (scope == SCOPE_PUBLIC || !keys->n) return AUTH_OK;
    size_t n;
    const char *shown = shown_key(request, &n);
    if (!shown) return AUTH_MISSING;
    unsigned char given[32];
    if (!digest(shown, n, given)) return AUTH_WRONG;
    for (size_t i = 0; i < keys->n; i++) /* all of them: how long it takes tells nothing */
        if (CRYPTO_memcmp(given, keys->digests[i], sizeof given) == 0) *index = i;
    return *index == SIZE_MAX ? AUTH_WRONG : AUTH_OK;
}
