/* The curl handle of a request, what arrives on it, and what its end means. */
#include "net/transfer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"

enum {
    MAX_FIELD_BYTES = 256 << 10, /* of all header fields together */
    MAX_BODY_BYTES = 16 << 20,
    MAX_REDIRECTS = 10,
    LARGEST_READ_KB = 256,
    FIRST_PAUSE_MS = 200,
    LONGEST_PAUSE_MS = 30 * 1000,
    LONGEST_RETRY_AFTER_S = 60, /* a server that wants longer is told to the person instead */
};

/* ---- what arrives ---- */

static bn_status refuse(struct transfer *transfer, enum http_failure failure, const char *message) {
    transfer->response.failure = failure;
    transfer->sink_status = fail(&transfer->error, BN_STATUS_BAD_FILE, "%s", message);
    return transfer->sink_status;
}

static void answer_begins(struct transfer *transfer, const char *line, size_t n) {
    struct http_response *response = &transfer->response;
    response->last_fields = response->fields.size;
    buffer_clear(&response->body);
    const char *space = memchr(line, ' ', n);
    response->status = space ? atoi(space) : 0;
}

static size_t on_header(char *line, size_t item_bytes, size_t n_items, void *context) {
    struct transfer *transfer = context;
    struct http_response *response = &transfer->response;
    size_t n = item_bytes * n_items, size = n;
    while (n && (line[n - 1] == '\r' || line[n - 1] == '\n')) n--;
    if (n >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        answer_begins(transfer, line, n);
        return size;
    }
    const char *colon = memchr(line, ':', n);
    if (!colon || memchr(line, 0, n)) return size;
    const char *value = colon + 1;
    while (value < line + n && (*value == ' ' || *value == '\t')) value++;
    buffer_append(&response->fields, line, (size_t)(colon - line));
    buffer_append_char(&response->fields, 0);
    buffer_append(&response->fields, value, (size_t)(line + n - value));
    buffer_append_char(&response->fields, 0);
    if (response->fields.failed || response->fields.size > MAX_FIELD_BYTES) {
        refuse(transfer, HTTP_BAD_ANSWER, "the server's header fields are too large");
        return 0;
    }
    return size;
}

static bool is_success(int status) {
    return status >= 200 && status < 300;
}

/* "bytes 5-9/10" → 5 and 10. False when it isn't that. */
static bool parse_content_range(const char *text, uint64_t *first, uint64_t *end) {
    if (!text || strncasecmp(text, "bytes ", 6) != 0) return false;
    uint64_t last;
    return sscanf(text + 6, "%" SCNu64 "-%" SCNu64, first, &last) == 2 && last >= *first && last < UINT64_MAX &&
           (*end = last + 1, true);
}

/* Where the body of this answer belongs. */
static bn_status begin_body(struct transfer *transfer) {
    transfer->begun = true;
    const struct http_request *request = &transfer->request;
    uint64_t asked = transfer->position, first = 0, end = 0;
    transfer->expected_end = 0;
    if (transfer->response.status == 206) {
        if (!parse_content_range(http_field(&transfer->response, "Content-Range"), &first, &end) || first != asked ||
            (request->end && end > request->end))
            return refuse(transfer, HTTP_BAD_ANSWER, "the server sent another range than the one it was asked for");
        transfer->expected_end = end;
    }
    transfer->position = first;
    if (!request->sink) return BN_OK;
    transfer->sink_status = request->sink->begin(request->context, &transfer->response, first, &transfer->error);
    if (transfer->sink_status) transfer->response.failure = HTTP_SINK_FAILED;
    return transfer->sink_status;
}

static size_t on_body(char *bytes, size_t item_bytes, size_t n_items, void *context) {
    struct transfer *transfer = context;
    struct bandwidth *bandwidth = transfer->bandwidth;
    if (bandwidth->bytes_per_second && bandwidth->available_bytes <= 0) {
        transfer->paused = true; /* the bytes come again */
        return CURL_WRITEFUNC_PAUSE;
    }
    bandwidth->available_bytes -= (int64_t)(item_bytes * n_items);
    struct http_response *response = &transfer->response;
    const struct http_request *request = &transfer->request;
    size_t n = item_bytes * n_items;
    bool wanted = is_success(response->status);
    if (wanted && !transfer->begun && begin_body(transfer)) return 0;
    if (wanted && request->sink) {
        transfer->sink_status = request->sink->write(request->context, bytes, n, &transfer->error);
        if (transfer->sink_status) {
            response->failure = HTTP_SINK_FAILED;
            return 0;
        }
        transfer->position += n;
        return n;
    }
    size_t limit = request->max_body_bytes ? request->max_body_bytes : MAX_BODY_BYTES;
    if (n > limit - min_size(limit, response->body.size)) {
        refuse(transfer, HTTP_BAD_ANSWER, "the server's answer is larger than is accepted");
        return 0;
    }
    buffer_append(&response->body, bytes, n);
    return response->body.failed ? 0 : n;
}

/* ---- what is sent ---- */

static size_t on_send(char *out, size_t item_bytes, size_t n_items, void *context) {
    struct transfer *transfer = context;
    const struct http_request *request = &transfer->request;
    uint64_t left = request->body_size - transfer->body_sent;
    size_t wanted = item_bytes * n_items;
    if (wanted > left) wanted = (size_t)left;
    if (!wanted) return 0;
    ssize_t n;
    do n = pread(request->body_fd, out, wanted, (off_t)(request->body_offset + transfer->body_sent));
    while (n < 0 && errno == EINTR);
    if (n <= 0) {
        refuse(transfer, HTTP_SINK_FAILED, "a file that is being sent can't be read, or became shorter");
        return CURL_READFUNC_ABORT;
    }
    transfer->body_sent += (uint64_t)n;
    return (size_t)n;
}

static int on_rewind(void *context, curl_off_t offset, int origin) {
    struct transfer *transfer = context;
    if (origin != SEEK_SET || offset < 0) return CURL_SEEKFUNC_FAIL;
    transfer->body_sent = (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
}

static bn_status add_header(struct transfer *transfer, const char *line, bn_error *err) {
    struct curl_slist *grown = curl_slist_append(transfer->headers, line);
    if (!grown) return fail_no_memory(err, strlen(line));
    transfer->headers = grown;
    return BN_OK;
}

static bn_status set_headers(struct transfer *transfer, bn_error *err) {
    const char *const *headers = transfer->request.headers;
    bn_status status = add_header(transfer, "Accept-Encoding: identity", err);
    if (!status)
        status = add_header(transfer, "Expect:", err); /* servers answer 100 rarely enough to only cost a second */
    for (; !status && headers && *headers; headers++) status = add_header(transfer, *headers, err);
    if (!status) curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers);
    return status;
}

static void set_range(struct transfer *transfer) {
    const struct http_request *request = &transfer->request;
    if (transfer->without_range) transfer->position = 0;
    if (!transfer->position && !request->end) return;
    char range[64];
    if (request->end)
        snprintf(range, sizeof range, "%" PRIu64 "-%" PRIu64, transfer->position, request->end - 1);
    else
        snprintf(range, sizeof range, "%" PRIu64 "-", transfer->position);
    if (!transfer->without_range) curl_easy_setopt(transfer->easy, CURLOPT_RANGE, range);
}

static void set_method(struct transfer *transfer) {
    CURL *easy = transfer->easy;
    const struct http_request *request = &transfer->request;
    const char *method = request->method ? request->method : "GET";
    if (strcmp(method, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
        return;
    }
    if (request->body) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_size);
    } else if (request->body_size || strcmp(method, "PUT") == 0) {
        curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)request->body_size);
        curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_send);
        curl_easy_setopt(easy, CURLOPT_READDATA, transfer);
        curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_rewind);
        curl_easy_setopt(easy, CURLOPT_SEEKDATA, transfer);
    }
    if (strcmp(method, "GET") != 0) curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
}

static void set_security(struct transfer *transfer) {
    CURL *easy = transfer->easy;
    const struct http_request *request = &transfer->request;
    bool secure = strncasecmp(request->url, "https:", 6) == 0;
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, request->stay ? 0L : 1L);
    curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)MAX_REDIRECTS);
    curl_easy_setopt(easy, CURLOPT_POSTREDIR, (long)CURL_REDIR_POST_ALL);
    curl_easy_setopt(easy, CURLOPT_UNRESTRICTED_AUTH, 0L);
    if (request->token) {
        curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
        curl_easy_setopt(easy, CURLOPT_XOAUTH2_BEARER, request->token);
    }
    const char *authorities = getenv("SSL_CERT_FILE");
    if (!authorities || !*authorities) authorities = getenv("CURL_CA_BUNDLE");
    if (authorities && *authorities) curl_easy_setopt(easy, CURLOPT_CAINFO, authorities);
}

/* Of one read. The limit of the bandwidth acts between reads: they have to be small beside it. */
static long buffer_bytes(const struct http_options *options) {
    uint64_t limit = options->max_bytes_per_second, largest = (uint64_t)LARGEST_READ_KB << 10;
    if (!limit || limit / 16 > largest) return (long)largest;
    return limit / 16 > 1024 ? (long)(limit / 16) : 1024;
}

static void set_limits(struct transfer *transfer) {
    const struct http_options *options = transfer->options;
    CURL *easy = transfer->easy;
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)options->connect_timeout_s);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)options->stall_timeout_s);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, buffer_bytes(options));
    if (options->user_agent) curl_easy_setopt(easy, CURLOPT_USERAGENT, options->user_agent);
}

static void forget_answers(struct transfer *transfer) {
    struct http_response *response = &transfer->response;
    buffer_clear(&response->body);
    buffer_clear(&response->fields);
    response->last_fields = 0;
    response->status = response->retry_after_s = 0;
    response->failure = HTTP_NO_FAILURE;
    transfer->sink_status = BN_OK;
    transfer->begun = transfer->paused = false;
    transfer->body_sent = 0;
    transfer->curl_message[0] = 0;
    /* what is asked for with a body is an answer, not a part of a file: it can't be continued */
    if (!transfer->request.sink || transfer->request.body) transfer->position = transfer->request.offset;
}

bn_status transfer_prepare(struct transfer *transfer, bn_error *err) {
    forget_answers(transfer);
    transfer->easy = curl_easy_init();
    if (!transfer->easy) return fail(err, BN_STATUS_NO_MEMORY, "out of memory for a connection");
    CURL *easy = transfer->easy;
    if (curl_easy_setopt(easy, CURLOPT_URL, transfer->request.url))
        return fail_no_memory(err, strlen(transfer->request.url));
    if (transfer->request.unix_socket &&
        curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, transfer->request.unix_socket))
        return fail_no_memory(err, strlen(transfer->request.unix_socket));
    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->curl_message);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    set_limits(transfer);
    set_security(transfer);
    set_method(transfer);
    set_range(transfer);
    return set_headers(transfer, err);
}

void transfer_end_attempt(struct transfer *transfer) {
    if (transfer->easy) curl_easy_cleanup(transfer->easy);
    transfer->easy = NULL;
    curl_slist_free_all(transfer->headers);
    transfer->headers = NULL;
}

void transfer_destroy(struct transfer *transfer) {
    transfer_end_attempt(transfer);
    http_response_release(&transfer->response);
    mem_free(transfer);
}

/* ---- what the end of an attempt means ---- */

static void server_name(const struct http_request *request, char *out, size_t size) {
    if (request->unix_socket)
        snprintf(out, size, "%s", request->unix_socket);
    else
        url_host(request->url, out, size);
}

static enum verdict failed(struct transfer *transfer, enum http_failure failure, bn_status status, const char *doing) {
    char host[256];
    server_name(&transfer->request, host, sizeof host);
    transfer->response.failure = failure;
    const char *detail = transfer->curl_message;
    fail(&transfer->error, status, "%s %s%s%s", doing, host, *detail ? ": " : "", detail);
    return VERDICT_FAILED;
}

static bool may_repeat(const struct http_request *request) {
    const char *method = request->method;
    return request->retry || !method || strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0 ||
           strcmp(method, "PUT") == 0;
}

/* Counts the attempt; AGAIN and the pause before the next, or FAILED when it was one too many (what the caller words). */
static enum verdict again(struct transfer *transfer) {
    if (transfer->position > transfer->high_water) {
        transfer->high_water = transfer->position;
        transfer->failures = 0;
    }
    int wanted_s = transfer->response.retry_after_s;
    if (!may_repeat(&transfer->request) || transfer->failures >= transfer->options->max_retries ||
        wanted_s > LONGEST_RETRY_AFTER_S)
        return VERDICT_FAILED;
    uint64_t now = clock_now_ns(),
             pause_ms = (uint64_t)FIRST_PAUSE_MS << (transfer->failures < 10 ? transfer->failures : 10);
    if (pause_ms > LONGEST_PAUSE_MS) pause_ms = LONGEST_PAUSE_MS;
    pause_ms -= pause_ms / 4 * (now / 1000 % 256) / 256; /* so that many clients don't come back together */
    if (wanted_s > 0) pause_ms = (uint64_t)wanted_s * 1000;
    transfer->failures++;
    transfer->not_before_ns = now + pause_ms * 1000000;
    return VERDICT_AGAIN;
}

/* The server doesn't serve the range: once, take the whole instead. */
static enum verdict from_the_start(struct transfer *transfer) {
    if (transfer->without_range || transfer->request.end) return VERDICT_FAILED;
    transfer->without_range = true;
    transfer->not_before_ns = 0;
    return VERDICT_AGAIN;
}

static enum verdict judge_answer(struct transfer *transfer) {
    struct http_response *response = &transfer->response;
    const struct http_request *request = &transfer->request;
    int status = response->status;
    if (is_success(status) && !transfer->begun && begin_body(transfer)) return VERDICT_FAILED;
    if (is_success(status)) {
        bool cut = request->sink && transfer->expected_end && transfer->position < transfer->expected_end;
        if (!cut) return VERDICT_DONE;
        if (again(transfer) == VERDICT_AGAIN) return VERDICT_AGAIN;
        return failed(transfer, HTTP_NO_NETWORK, BN_STATUS_IO, "too few bytes keep coming from");
    }
    if (status == 416 && transfer->position && from_the_start(transfer) == VERDICT_AGAIN) return VERDICT_AGAIN;
    bool passing = status == 408 || status == 429 || status == 500 || status == 502 || status == 503 || status == 504;
    if (passing && again(transfer) == VERDICT_AGAIN) return VERDICT_AGAIN;
    char host[256];
    server_name(request, host, sizeof host);
    response->failure = HTTP_BAD_STATUS;
    fail(&transfer->error,
         status == 404 ? BN_STATUS_NOT_FOUND
         : passing     ? BN_STATUS_BUSY
                       : BN_STATUS_IO,
         "%s answered %d to %s", host, status, request->method ? request->method : "GET");
    return VERDICT_FAILED;
}

static enum verdict judge_cut(struct transfer *transfer, CURLcode code, bool reached) {
    bool unreachable =
        code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_RESOLVE_PROXY || code == CURLE_COULDNT_CONNECT;
    bool hopeless = unreachable && !reached;
    if (!hopeless && again(transfer) == VERDICT_AGAIN) return VERDICT_AGAIN;
    if (code == CURLE_OPERATION_TIMEDOUT)
        return failed(transfer, HTTP_TIMED_OUT, BN_STATUS_IO, "no answer in time from");
    return failed(transfer, HTTP_NO_NETWORK, BN_STATUS_IO,
                  unreachable ? "can't reach" : "the connection keeps breaking off to");
}

enum verdict transfer_judge(struct transfer *transfer, CURLcode code, bool reached) {
    curl_off_t retry_after = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &retry_after);
    transfer->response.retry_after_s = retry_after > 0 && retry_after < INT32_MAX ? (int)retry_after : 0;
    if (transfer->sink_status) { /* refused by begin_body, the sink, or a limit */
        bool range = transfer->response.failure == HTTP_BAD_ANSWER && transfer->response.status == 206;
        return range && from_the_start(transfer) == VERDICT_AGAIN ? VERDICT_AGAIN : VERDICT_FAILED;
    }
    switch (code) {
    case CURLE_OK:
        return judge_answer(transfer);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
        return failed(transfer, HTTP_BAD_CERTIFICATE, BN_STATUS_IO, "can't trust the certificate of");
    case CURLE_URL_MALFORMAT:
        return failed(transfer, HTTP_BAD_ANSWER, BN_STATUS_BAD_ARGUMENT, "not a URL:");
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_TOO_MANY_REDIRECTS:
        return failed(transfer, HTTP_BAD_ANSWER, BN_STATUS_BAD_FILE, "a redirect that isn't followed came from");
    case CURLE_WEIRD_SERVER_REPLY:
        return failed(transfer, HTTP_BAD_ANSWER, BN_STATUS_BAD_FILE, "no HTTP from");
    case CURLE_WRITE_ERROR:
    case CURLE_OUT_OF_MEMORY:
        transfer->response.failure = HTTP_SINK_FAILED;
        fail(&transfer->error, BN_STATUS_NO_MEMORY, "out of memory while receiving");
        return VERDICT_FAILED;
    default:
        return judge_cut(transfer, code, reached);
    }
}
