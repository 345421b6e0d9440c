/* An exchange: one request and its answer, on any transport (HTTP/1.1, HTTP/2, WebSocket).
 *
 * Handlers see nothing else of a connection. They read the request, then write the answer, at once or from another
 * thread while an engine produces it:
 *
 *     exchange_start(x, 200, headers, n);  exchange_write(x, bytes, n) …  exchange_end(x);
 *
 * Ownership: from the call of its handler until exchange_end or exchange_abort, exactly one of which must be called
 * once, the exchange belongs to the handler, also when the client has gone away in between (then everything written is
 * dropped). After that call the handler must not touch it again. What a handler keeps for an exchange it hangs on with
 * exchange_watch and frees in on_release, the last callback of all.
 *
 * Thread-safety: the functions that write, and exchange_pending, may be called from any thread, one at a time per
 * exchange; nothing in them blocks or waits for the client. All callbacks run on the loop thread and must not block.
 * The request doesn't change from the handler's call until on_release. */
#ifndef SERVER_EXCHANGE_H
#define SERVER_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/json.h"

struct exchange;

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_PUT, HTTP_DELETE, HTTP_PATCH, HTTP_OPTIONS, N_HTTP_METHODS };
const char *http_method_name(enum http_method method);

/* A header field or a parameter. Names of request headers are in lower case. */
struct header {
    const char *name, *value;
};

struct request {
    enum http_method method;
    const char *path;  /* percent-decoded, begins with '/', without dot segments, NULs or query */
    const char *query; /* behind '?', as it came; "" if there is none */
    const struct header *headers;
    size_t n_headers;
    const char *body; /* NUL-terminated behind its end; decompressed */
    size_t body_bytes;
    json_t *json;       /* of routes with a schema: the body, parsed and validated */
    const char *id;     /* answered as x-request-id: the client's own if it sent a sane one */
    const char *client; /* whom fairness counts: "key:N" for the N-th API key, else the address */
    const char *address;
    const char *protocol; /* "HTTP/1.1", "HTTP/2", "WebSocket" */
    uint64_t start_ns;    /* clock_now_ns() at its first byte */
};

/* Is request.client an API key's, and not an address? */
bool client_is_key(const char *client);

const struct request *exchange_request(const struct exchange *exchange);
/* NULL if there is none. Repeated headers are joined by ", ". `name` in lower case. */
const char *request_header(const struct request *request, const char *name);
/* The part of the path that `{name}` of the route's pattern matched; NULL if the pattern has no such part. */
const char *exchange_parameter(const struct exchange *exchange, const char *name);
/* The value of name=value in the query, decoded; "" for a name without value, NULL if there is none. */
const char *exchange_query(const struct exchange *exchange, const char *name);

/* ---- answering ---- */

/* Status and headers; names may have any case. Content-Length, Transfer-Encoding, Date, Connection, Content-Encoding,
 * CORS headers and x-request-id are the transport's business. A header with a control character is left out and
 * counted. Must come before exchange_write. */
void exchange_start(struct exchange *exchange, int status, const struct header *headers, size_t n_headers);
/* Appends to the body (copied). False when nobody reads it any more: a hint to stop early. A body that grows beyond the
 * server's bound of unsent bytes breaks the connection. */
bool exchange_write(struct exchange *exchange, const void *bytes, size_t size);
/* The body is complete. Gives the exchange up. */
void exchange_end(struct exchange *exchange);
/* The answer can't be completed: what was started ends so that the client notices (connection or stream reset). Gives
 * the exchange up. */
void exchange_abort(struct exchange *exchange);

/* Whole answers: start, write, end. The JSON value is stolen; NULL (no memory) becomes a 500. */
void exchange_respond(struct exchange *exchange, int status, const char *content_type, const void *bytes, size_t size);
void exchange_respond_json(struct exchange *exchange, int status, json_t *value);

/* An error, written in the style of the exchange's route (enum error_style in route.h) and ended. type NULL: by
 * status. param and code may be NULL. retry_after_s > 0 adds Retry-After. */
struct api_error {
    int status;
    const char *type, *code, *param;
    unsigned retry_after_s;
    json_t *extra; /* further members of the error object; stolen; may be NULL */
};
void exchange_fail(struct exchange *exchange, const struct api_error *error, const char *format, ...) PRINTF_LIKE(3, 4);
/* … of a library error: BAD_ARGUMENT, BAD_FILE, CONTEXT_OVERFLOW, UNSUPPORTED → 400, NOT_FOUND → 404, BUSY and
 * NO_MEMORY → 503, else 500. */
void exchange_fail_status(struct exchange *exchange, const bn_error *error);
/* What OpenAI calls an error of this status: "invalid_request_error". */
const char *openai_error_type(int status);
/* The error object alone, as a stream sends it after its status has gone: {"error": …} in the route's style. New
 * reference; NULL without memory. */
json_t *exchange_error_json(const struct exchange *exchange, const struct api_error *error, const char *message);

/* A remark for the access log's line, such as what of the request was ignored. Before the exchange is given up. */
void exchange_note(struct exchange *exchange, const char *format, ...) PRINTF_LIKE(2, 3);

/* ---- watching ---- */

/* Why an exchange has to end before it is done. The handler should write what tells the client (an error event) and end
 * soon; what hasn't ended a second later is cut off. A WebSocket session hears of CUT_SHUTDOWN when draining begins, and
 * has until its end. */
enum cut_reason { CUT_SHUTDOWN, CUT_TIMEOUT };

/* Every member may be NULL. Without on_cut an unstarted answer becomes a 503 (or 504), a started one is aborted, a session
 * closed with 1001; then on_closed follows. */
struct exchange_watch {
    void (*on_drained)(void *context); /* unsent bytes have fallen to EXCHANGE_LOW_WATER after being above HIGH_WATER */
    void (*on_closed)(void *context);  /* the client has gone away (at most once, not after the answer was ended) */
    void (*on_cut)(void *context, enum cut_reason reason);
    void (*on_idle)(void *context); /* nothing was written for idle_ms: time for a ": ping" */
    unsigned idle_ms;               /* 0: never */
    /* Streamed request bodies (BODY_STREAM): the next bytes, the last call with last = true. False: bring no more until
     * exchange_read_on. */
    bool (*on_body)(void *context, const char *bytes, size_t size, bool last);
    /* WebSocket messages, whole, at most MAX_MESSAGE_BYTES. False as above. */
    bool (*on_message)(void *context, bool text, const char *bytes, size_t size);
    void (*on_release)(void *context); /* the exchange is gone: free the context */
};
#define EXCHANGE_HIGH_WATER ((size_t)256 << 10)
#define EXCHANGE_LOW_WATER  ((size_t)64 << 10)

/* Sets callbacks (copied) and their context. To be called once, by the handler, before it returns and before it hands
 * the exchange to another thread. If the client has gone already, on_closed comes soon after. */
void exchange_watch(struct exchange *exchange, const struct exchange_watch *watch, void *context);
/* Bytes written and not yet taken by the operating system. */
size_t exchange_pending(struct exchange *exchange);
/* True when the client has gone away. */
bool exchange_closed(struct exchange *exchange);
/* After on_body or on_message returned false. Any thread. */
void exchange_read_on(struct exchange *exchange);
/* Runs work(context) on a worker thread, where it may block. False: too much is waiting. Any thread. */
bool exchange_work(struct exchange *exchange, void (*work)(void *context), void *context);

/* ---- WebSocket (routes with `websocket` set; no exchange_start or exchange_write there) ---- */

#define MAX_MESSAGE_BYTES ((size_t)1 << 20)
/* Sends one message; as exchange_write. */
bool exchange_send(struct exchange *exchange, bool text, const void *bytes, size_t size);
/* Closes with a status code (1000 normal, 1008 policy, 1011 internal, 4000–4999 own) and a reason of at most 123 bytes.
 * Gives the exchange up; exchange_end is exchange_close(1000, ""). */
void exchange_close(struct exchange *exchange, int code, const char *reason);

#endif
