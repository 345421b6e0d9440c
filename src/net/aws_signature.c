#include "net/aws_signature.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "net/digest.h"
#include "net/transfer.h"

#define ALGORITHM "AWS4-HMAC-SHA256"
enum { MAX_PARAMETERS = 16, MAX_SECRET_BYTES = 256 };

void aws_headers_release(struct aws_headers *headers) {
    for (size_t i = 0; i < sizeof headers->lines / sizeof *headers->lines; i++) mem_free(headers->lines[i]);
    *headers = (struct aws_headers){0};
}

static bool is_header_text(const char *text) {
    if (!*text) return false;
    for (; *text; text++)
        if (*text <= ' ' || *text > '~') return false;
    return true;
}

/* ---- the canonical request ---- */

struct parameter {
    const char *text;
    size_t size;
};

static int by_text(const void *a, const void *b) {
    const struct parameter *first = a, *second = b;
    int order = memcmp(first->text, second->text, min_size(first->size, second->size));
    return order ? order : (first->size > second->size) - (first->size < second->size);
}

/* The parameters in order; one without a value gets an empty one. */
static bn_status append_query(struct buffer *out, const char *query, bn_error *err) {
    struct parameter parameters[MAX_PARAMETERS];
    size_t n = 0;
    for (const char *at = query; *at; at += parameters[n].size, n++) {
        at += *at == '&';
        if (n == MAX_PARAMETERS) return fail(err, BN_STATUS_INTERNAL, "a query of more than %d parts", MAX_PARAMETERS);
        parameters[n] = (struct parameter){at, strcspn(at, "&")};
        if (!parameters[n].size) break;
    }
    if (n) qsort(parameters, n, sizeof *parameters, by_text);
    for (size_t i = 0; i < n; i++) {
        if (i) buffer_append_char(out, '&');
        buffer_append(out, parameters[i].text, parameters[i].size);
        if (!memchr(parameters[i].text, '=', parameters[i].size)) buffer_append_char(out, '=');
    }
    return BN_OK;
}

static const char *signed_names(const struct aws_credentials *credentials) {
    return credentials->session_token ? "host;x-amz-content-sha256;x-amz-date;x-amz-security-token"
                                      : "host;x-amz-content-sha256;x-amz-date";
}

static bn_status canonical_hash(const struct aws_credentials *credentials, const struct aws_request *request,
                                const char *body_hash, const char *moment, char hex[SHA256_HEX_SIZE], bn_error *err) {
    char host[300];
    struct buffer text;
    const char *authority = strstr(request->url, "://");
    authority = authority ? authority + 3 : request->url;
    const char *path = authority + strcspn(authority, "/?"), *query = path + strcspn(path, "?");
    url_host(request->url, host, sizeof host);
    buffer_init(&text);
    buffer_printf(&text, "%s\n", request->method);
    if (query == path) buffer_append_char(&text, '/');
    buffer_append(&text, path, (size_t)(query - path));
    buffer_append_char(&text, '\n');
    bn_status status = append_query(&text, query + (*query == '?'), err);
    buffer_printf(&text, "\nhost:%s\nx-amz-content-sha256:%s\nx-amz-date:%s\n", host, body_hash, moment);
    if (credentials->session_token) buffer_printf(&text, "x-amz-security-token:%s\n", credentials->session_token);
    buffer_printf(&text, "\n%s\n%s", signed_names(credentials), body_hash);
    if (!status && text.failed) status = fail_no_memory(err, text.size);
    if (!status) status = sha256_of(text.data, text.size, hex, err);
    buffer_release(&text);
    return status;
}

/* ---- the signature ---- */

/* The key of one day, region and service: each hashes the next into it. */
static bn_status signing_key(const struct aws_credentials *credentials, const char *day,
                             const struct aws_request *request, uint8_t key[SHA256_BYTES], bn_error *err) {
    char first[MAX_SECRET_BYTES + 4];
    int n = snprintf(first, sizeof first, "AWS4%s", credentials->secret);
    if ((size_t)n >= sizeof first) return fail(err, BN_STATUS_BAD_ARGUMENT, "the secret access key is too long");
    const char *const steps[] = {request->region, request->service, "aws4_request"};
    bn_status status = hmac_sha256(first, (size_t)n, day, strlen(day), key, err);
    for (size_t i = 0; !status && i < sizeof steps / sizeof *steps; i++) {
        uint8_t next[SHA256_BYTES];
        status = hmac_sha256(key, SHA256_BYTES, steps[i], strlen(steps[i]), next, err);
        memcpy(key, next, sizeof next);
        OPENSSL_cleanse(next, sizeof next);
    }
    OPENSSL_cleanse(first, sizeof first);
    return status;
}

static char *header(const char *name, const char *value) {
    struct buffer line;
    buffer_init(&line);
    buffer_printf(&line, "%s: %s", name, value);
    char *text = line.failed ? NULL : buffer_take(&line);
    buffer_release(&line);
    return text;
}

static char *authorization(const struct aws_credentials *credentials, const char *scope, const uint8_t *signature) {
    char hex[SHA256_HEX_SIZE];
    struct buffer line;
    hex_text(signature, SHA256_BYTES, hex);
    buffer_init(&line);
    buffer_printf(&line, "Authorization: " ALGORITHM " Credential=%s/%s, SignedHeaders=%s, Signature=%s",
                  credentials->key_id, scope, signed_names(credentials), hex);
    char *text = line.failed ? NULL : buffer_take(&line);
    buffer_release(&line);
    return text;
}

bn_status aws_sign(const struct aws_credentials *credentials, const struct aws_request *request,
                   struct aws_headers *out, bn_error *err) {
    char moment[20], day[12], body_hash[SHA256_HEX_SIZE], hash[SHA256_HEX_SIZE], scope[200], text[400];
    uint8_t key[SHA256_BYTES], signature[SHA256_BYTES];
    struct tm utc;
    *out = (struct aws_headers){0};
    if (!is_header_text(credentials->key_id) || !is_header_text(credentials->secret) ||
        (credentials->session_token && !is_header_text(credentials->session_token)))
        return fail(err, BN_STATUS_BAD_ARGUMENT, "the access key has characters that no access key has");
    gmtime_r(&request->now, &utc);
    strftime(moment, sizeof moment, "%Y%m%dT%H%M%SZ", &utc);
    strftime(day, sizeof day, "%Y%m%d", &utc);
    snprintf(scope, sizeof scope, "%s/%.80s/%.40s/aws4_request", day, request->region, request->service);
    bn_status status = sha256_of(request->body, request->body_bytes, body_hash, err);
    if (!status) status = canonical_hash(credentials, request, body_hash, moment, hash, err);
    if (!status) status = signing_key(credentials, day, request, key, err);
    if (status) return status;
    int n = snprintf(text, sizeof text, ALGORITHM "\n%s\n%s\n%s", moment, scope, hash);
    status = hmac_sha256(key, sizeof key, text, (size_t)n, signature, err);
    OPENSSL_cleanse(key, sizeof key);
    if (status) return status;
    size_t n_lines = 0;
    out->lines[n_lines++] = header("x-amz-date", moment);
    out->lines[n_lines++] = header("x-amz-content-sha256", body_hash);
    out->lines[n_lines++] = authorization(credentials, scope, signature);
    if (credentials->session_token) out->lines[n_lines++] = header("x-amz-security-token", credentials->session_token);
    for (size_t i = 0; i < n_lines; i++)
        if (!out->lines[i]) return fail_no_memory(err, sizeof text);
    return BN_OK;
}
