/* Objects in a bucket, by the REST interface that Amazon's S3 and many other servers speak: PUT, GET, DELETE of BUCKET/KEY,
 * and lists in pages. A put is whole or not at all by what that interface promises; `put_first` is a put under the condition that
 * there is none (If-None-Match: *). Pieces of a backup are at most 8 MiB, so that none needs an upload in parts. */
#include <string.h>

#include "backup/bucket_xml.h"
#include "backup/store.h"
#include "base/memory.h"
#include "net/aws_signature.h"
#include "net/http.h"

enum { LIST_MAX_BYTES = 8 << 20, PROBLEM_MAX_BYTES = 1 << 20 };

struct bucket_store {
    struct http_client *client;
    struct bucket_account account;
    char *url;    /* of the bucket, without a slash at its end */
    char *bucket; /* its name */
    char *prefix; /* of all keys: "", or "folder/" */
};

/* ---- places ---- */

#define SCHEME "s3://"

bool is_bucket_place(const char *place) {
    return strncmp(place, SCHEME, strlen(SCHEME)) == 0;
}

static bool bucket_name_valid(const char *name) {
    size_t n = strlen(name);
    return n >= 3 && n <= 63 && name[0] != '.' && name[0] != '-' && !strstr(name, "..") &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == n;
}

/* What stays as it is on its way through a URL: no empty part, "." or "..". */
static bool prefix_valid(const char *prefix) {
    if (strlen(prefix) > 500) return false;
    for (const char *part = prefix; *part;) {
        size_t n = strcspn(part, "/");
        if (n == 0 || (n == 1 && part[0] == '.') || (n == 2 && memcmp(part, "..", 2) == 0)) return false;
        for (size_t i = 0; i < n; i++)
            if ((unsigned char)part[i] < ' ' || part[i] == 0x7f) return false;
        part += n + (part[n] == '/');
    }
    return true;
}

/* "s3://bucket/a/b/" → "bucket" and "a/b/" */
static bn_status parse_place(const char *place, struct bucket_store *store, bn_error *err) {
    const char *rest = place + strlen(SCHEME);
    size_t n = strcspn(rest, "/"), length = strlen(rest + n);
    const char *prefix = rest + n + (rest[n] == '/');
    bool slash = length > 1 && rest[n + length - 1] != '/';
    struct buffer text;
    buffer_init(&text);
    buffer_printf(&text, "%s%s", prefix, slash ? "/" : "");
    store->bucket = mem_strndup(rest, n);
    store->prefix = text.failed ? NULL : buffer_take(&text);
    buffer_release(&text);
    if (!store->bucket || !store->prefix) return fail_no_memory(err, strlen(place));
    return bucket_name_valid(store->bucket) && prefix_valid(store->prefix)
               ? BN_OK
               : fail(err, BN_STATUS_BAD_ARGUMENT, "a bucket is named as s3://BUCKET or s3://BUCKET/FOLDER");
}

static bn_status find_url(struct bucket_store *store, const char *addressing, bn_error *err) {
    const struct bucket_account *account = &store->account;
    struct buffer endpoint, url;
    buffer_init(&endpoint);
    buffer_init(&url);
    if (account->endpoint)
        buffer_append_text(&endpoint, account->endpoint);
    else
        buffer_printf(&endpoint, "https://s3.%s.amazonaws.com", account->region);
    while (endpoint.size && endpoint.data[endpoint.size - 1] == '/') endpoint.data[--endpoint.size] = 0;
    /* a certificate for *.HOST covers one label: with dots in its name a bucket is reached by its path */
    bool fits = !account->endpoint && !strchr(store->bucket, '.');
    bool virtual_host = addressing && strcmp(addressing, "auto") != 0 ? strcmp(addressing, "virtual") == 0 : fits;
    const char *host = endpoint.failed ? NULL : strstr(endpoint.data, "://");
    if (host && virtual_host)
        buffer_printf(&url, "%.*s%s.%s", (int)(host + 3 - endpoint.data), endpoint.data, store->bucket, host + 3);
    else if (host)
        buffer_printf(&url, "%s/%s", endpoint.data, store->bucket);
    store->url = host && !url.failed ? buffer_take(&url) : NULL;
    buffer_release(&endpoint);
    buffer_release(&url);
    return store->url ? BN_OK : fail_no_memory(err, strlen(store->bucket));
}

/* ---- what went wrong ---- */

static bn_status wrong_region(const struct bucket_store *store, const struct http_response *response,
                              const struct bucket_problem *problem, bn_error *err) {
    const char *region = http_field(response, "x-amz-bucket-region");
    if (!region || !*region) region = problem->region;
    return fail(err, BN_STATUS_BAD_ARGUMENT, "the bucket '%s' is in the region %.40s: give --region", store->bucket,
                *region ? region : "that the server doesn't tell");
}

static bn_status explain(const struct bucket_store *store, const struct http_response *response, bn_status status,
                         bn_error *err) {
    if (response->failure != HTTP_BAD_STATUS) return status;
    struct bucket_problem problem;
    bucket_xml_problem(response->body.data ? response->body.data : "", response->body.size, &problem);
    const char *code = problem.code;
    if (strcmp(code, "NoSuchBucket") == 0)
        return fail(err, BN_STATUS_IO, "there is no bucket '%s': make it first", store->bucket);
    if (strcmp(code, "NoSuchKey") == 0) return fail(err, BN_STATUS_NOT_FOUND, "there is no such object");
    if (strcmp(code, "InvalidAccessKeyId") == 0)
        return fail(err, BN_STATUS_IO, "the server doesn't know the access key: check AWS_ACCESS_KEY_ID");
    if (strcmp(code, "SignatureDoesNotMatch") == 0)
        return fail(err, BN_STATUS_IO, "the server refuses the signature: check AWS_SECRET_ACCESS_KEY");
    if (strcmp(code, "RequestTimeTooSkewed") == 0)
        return fail(err, BN_STATUS_IO, "the server's clock and this machine's differ too much: set this one right");
    if (strcmp(code, "ExpiredToken") == 0)
        return fail(err, BN_STATUS_IO, "the temporary keys have expired: get new ones");
    if (strcmp(code, "AuthorizationHeaderMalformed") == 0 || response->status == 301 || response->status == 307)
        return wrong_region(store, response, &problem, err);
    if (strcmp(code, "AccessDenied") == 0 || response->status == 403)
        return fail(err, BN_STATUS_IO, "the keys don't allow this in the bucket '%s'%s%s", store->bucket,
                    *problem.message ? ": " : "", problem.message);
    if (*code) error_prefix(err, "%s: %s", code, problem.message);
    return status;
}

/* ---- requests ---- */

struct call {
    const char *method;
    const char *name;  /* of the object; NULL: of the bucket itself */
    const char *query; /* or NULL */
    const void *body;
    size_t body_bytes;
    const char *condition; /* a header field, or NULL */
    size_t max_bytes;
};

static char *url_of(const struct bucket_store *store, const struct call *call) {
    struct buffer url;
    buffer_init(&url);
    buffer_printf(&url, "%s/", store->url);
    if (call->name) {
        url_append_path(&url, store->prefix);
        url_append_path(&url, call->name);
    }
    if (call->query) buffer_printf(&url, "?%s", call->query);
    char *text = url.failed ? NULL : buffer_take(&url);
    buffer_release(&url);
    return text;
}

/* Signs and sends. The caller releases *response in any case. */
static bn_status ask(struct bucket_store *store, const struct call *call, struct http_response *response,
                     bn_error *err) {
    *response = (struct http_response){0};
    char *url = url_of(store, call);
    if (!url) return fail_no_memory(err, 1);
    const struct bucket_account *account = &store->account;
    const struct aws_credentials credentials = {account->key_id, account->secret, account->session_token};
    const struct aws_request to_sign = {.method = call->method,
                                        .url = url,
                                        .body = call->body,
                                        .body_bytes = call->body_bytes,
                                        .region = account->region,
                                        .service = "s3",
                                        .now = time(NULL)};
    struct aws_headers signature;
    bn_status status = aws_sign(&credentials, &to_sign, &signature, err);
    const char *headers[8];
    size_t n = 0;
    for (size_t i = 0; signature.lines[i]; i++) headers[n++] = signature.lines[i];
    if (call->body) headers[n++] = "Content-Type: application/octet-stream";
    if (call->condition) headers[n++] = call->condition;
    headers[n] = NULL;
    const struct http_request request = {.method = call->method,
                                         .url = url,
                                         .headers = headers,
                                         .body = call->body,
                                         .body_size = call->body_bytes,
                                         .max_body_bytes = call->max_bytes ? call->max_bytes : PROBLEM_MAX_BYTES,
                                         .retry = true,
                                         .stay = true};
    if (!status) {
        status = http_fetch(store->client, &request, response, err);
        if (status) status = explain(store, response, status, err);
    }
    aws_headers_release(&signature);
    mem_free(url);
    return status;
}

static bn_status put_object(struct bucket_store *store, const char *name, const void *bytes, size_t n,
                            const char *condition, int *answer, bn_error *err) {
    struct http_response response;
    const struct call call = {.method = "PUT", .name = name, .body = bytes, .body_bytes = n, .condition = condition};
    bn_status status = ask(store, &call, &response, err);
    *answer = response.status;
    http_response_release(&response);
    return status;
}

static bn_status put(void *context, const char *name, const void *bytes, size_t n, bn_error *err) {
    int answer;
    return put_object(context, name, bytes, n, NULL, &answer, err);
}

static bn_status get(void *context, const char *name, size_t max_bytes, struct buffer *out, bn_error *err) {
    struct http_response response;
    const struct call call = {.method = "GET", .name = name, .max_bytes = max_bytes};
    bn_status status = ask(context, &call, &response, err);
    if (!status && response.body.size) buffer_append(out, response.body.data, response.body.size);
    http_response_release(&response);
    return !status && out->failed ? fail_no_memory(err, max_bytes) : status;
}

static bn_status put_first(void *context, const char *name, const void *bytes, size_t n, bn_error *err) {
    int answer;
    bn_status status = put_object(context, name, bytes, n, "If-None-Match: *", &answer, err);
    if (answer == 412 || answer == 409) return BN_OK; /* somebody was, or is being, faster */
    if (answer != 501) return status;
    /* a server without conditions: looking first leaves a moment between */
    struct buffer there;
    buffer_init(&there);
    status = get(context, name, n + PROBLEM_MAX_BYTES, &there, err);
    buffer_release(&there);
    return status == BN_STATUS_NOT_FOUND ? put(context, name, bytes, n, err) : status;
}

static bn_status remove_object(void *context, const char *name, bn_error *err) {
    struct http_response response;
    const struct call call = {.method = "DELETE", .name = name};
    bn_status status = ask(context, &call, &response, err);
    http_response_release(&response);
    return status == BN_STATUS_NOT_FOUND ? BN_OK : status;
}

/* ---- lists ---- */

struct listing {
    const struct bucket_store *store;
    store_visitor visit;
    void *visitor;
};

static bn_status visit_key(void *context, const char *key, uint64_t size_bytes, bn_error *err) {
    const struct listing *listing = context;
    size_t n = strlen(listing->store->prefix);
    if (strncmp(key, listing->store->prefix, n) != 0)
        return fail(err, BN_STATUS_BAD_FILE, "the list has an object that wasn't asked for");
    return listing->visit(listing->visitor, key + n, size_bytes, err);
}

static bn_status list_page(struct bucket_store *store, const char *folder, const char *token, char **next,
                           struct listing *listing, bn_error *err) {
    struct buffer query;
    struct http_response response = {0};
    buffer_init(&query);
    buffer_append_text(&query, "list-type=2&prefix=");
    url_append_query(&query, store->prefix);
    url_append_query(&query, folder);
    if (token) {
        buffer_append_text(&query, "&continuation-token=");
        url_append_query(&query, token);
    }
    const struct call call = {.method = "GET", .query = query.data, .max_bytes = LIST_MAX_BYTES};
    bn_status status = query.failed ? fail_no_memory(err, query.size) : ask(store, &call, &response, err);
    if (!status)
        status = bucket_xml_list(response.body.data ? response.body.data : "", response.body.size, visit_key, listing,
                                 next, err);
    http_response_release(&response);
    buffer_release(&query);
    return status;
}

static bn_status list(void *context, const char *folder, store_visitor visit, void *visitor, bn_error *err) {
    struct bucket_store *store = context;
    struct listing listing = {store, visit, visitor};
    char *token = NULL;
    bn_status status;
    do {
        char *next = NULL;
        status = list_page(store, folder, token, &next, &listing, err);
        if (!status && token && next && strcmp(token, next) == 0)
            status = fail(err, BN_STATUS_BAD_FILE, "the server's list of objects goes in circles");
        mem_free(token);
        token = next;
    } while (!status && token);
    mem_free(token);
    return status;
}

/* ---- opening ---- */

static void close_store(void *context) {
    struct bucket_store *store = context;
    http_client_destroy(store->client);
    bucket_account_release(&store->account);
    mem_free(store->url);
    mem_free(store->bucket);
    mem_free(store->prefix);
    mem_free(store);
}

bn_status bucket_store_open(const char *place, const struct bucket_settings *settings, bool (*cancelled)(void *context),
                            struct backup_store *out, bn_error *err) {
    struct bucket_store *store = mem_calloc(1, sizeof *store);
    if (!store) return fail_no_memory(err, sizeof *store);
    const struct http_options options = {
        .user_agent = "bitnet/" BITNET_VERSION, .max_connections = 1, .cancelled = cancelled};
    bn_status status = parse_place(place, store, err);
    if (!status) status = bucket_account_find(settings, &store->account, err);
    if (!status) status = find_url(store, settings->addressing, err);
    if (!status) status = http_client_create(&options, &store->client, err);
    if (status)
        close_store(store);
    else
        *out = (struct backup_store){store, put, put_first, get, list, remove_object, close_store};
    return status;
}
