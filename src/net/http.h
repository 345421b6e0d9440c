/* HTTP for the rest of the program: the one wrapper over libcurl.
 *
 * A client runs requests, several at once, and keeps each alive through what networks do: a cut, a timeout or an answer
 * such as 503 is tried again with growing pauses (or after the server's Retry-After), and a body continues by a range
 * request where it broke off. Whoever takes the body (the sink) is only told at which offset the next bytes belong.
 *
 * A token goes to the scheme, host and port of the request's own URL and nowhere else: not along a redirect to another
 * host. A redirect never leads from https to http. Certificates are always checked ($SSL_CERT_FILE or $CURL_CA_BUNDLE names other
 * authorities); proxies are the usual variables ($https_proxy, $http_proxy, $all_proxy, $no_proxy).
 *
 * A client belongs to one thread; several clients may be used at once. */
#ifndef NET_HTTP_H
#define NET_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"

/* Why a request failed, for callers that word their own message. */
enum http_failure {
    HTTP_NO_FAILURE,
    HTTP_NO_NETWORK,      /* no address, no route, refused, or cut off for good */
    HTTP_TIMED_OUT,       /* connecting, or no bytes for too long */
    HTTP_BAD_CERTIFICATE, /* the server couldn't prove who it is */
    HTTP_BAD_ANSWER,      /* not HTTP, a wrong range, a redirect that isn't followed, too large */
    HTTP_BAD_STATUS,      /* an answer, but not 2xx: see status */
    HTTP_SINK_FAILED,     /* the sink refused; its error is the error */
    HTTP_CANCELLED,
};

struct http_response {
    int status; /* of the last answer; 0: none came */
    enum http_failure failure;
    int retry_after_s;    /* what the last answer asked for; 0: nothing */
    struct buffer body;   /* without a sink, or of an answer that isn't 2xx */
    struct buffer fields; /* header fields of all answers on the way (redirects): "name\0value\0", in order */
    size_t last_fields;   /* where those of the last answer begin */
};

/* A field of the last answer / of the first answer that has it (metadata on a redirect), by its name in any case. NULL if
 * it is absent; valid as long as the response. */
const char *http_field(const struct http_response *response, const char *name);
const char *http_first_field(const struct http_response *response, const char *name);
void http_response_release(struct http_response *response);

/* Takes a body of a 2xx answer as it arrives. A status other than BN_OK ends the request. */
struct http_sink {
    /* The next bytes belong at `offset` of the file: where the request asked for, or 0 when the server can't continue
     * (what was there before is void then). Called again after every cut. */
    bn_status (*begin)(void *context, const struct http_response *response, uint64_t offset, bn_error *err);
    bn_status (*write)(void *context, const void *bytes, size_t n, bn_error *err);
};

struct http_request {
    const char *method; /* NULL: GET */
    const char *url;
    const char *const *headers; /* "Name: value", ended by NULL; or NULL */
    const char *token;          /* bearer token; NULL: none */
    const char *unix_socket;    /* the path of a socket to use instead of the URL's host; NULL: none */

    const void *body; /* sent with POST and PUT; NULL: body_fd */
    int body_fd;      /* with body_size > 0 and no body: body_size bytes of this file from body_offset on */
    uint64_t body_offset, body_size;

    uint64_t offset; /* the first byte wanted */
    uint64_t end;    /* behind the last byte wanted; 0: all */

    const struct http_sink *sink; /* NULL: the body goes to response->body, at most max_body_bytes (0: 16 MiB) */
    size_t max_body_bytes;
    bool
        retry; /* try again also when the method isn't idempotent (POST of something that may come twice): the sink begins
                 * anew at offset 0 then */
    bool stay; /* a redirect is an answer like another, not followed (what is signed is signed for one host) */

    /* The request is over: status and error as returned by the functions here; the response is the caller's to read
     * until it returns. May start further requests. NULL: nobody wants to know. */
    void (*done)(void *context, const struct http_response *response, bn_status status, const bn_error *error);
    void *context; /* of done and sink */
};

struct http_options {
    const char *user_agent;
    size_t max_connections;           /* requests at once; 0: 8 */
    uint64_t max_bytes_per_second;    /* received, over all requests; 0: no limit */
    unsigned connect_timeout_s;       /* 0: 10 */
    unsigned stall_timeout_s;         /* without a byte; 0: 30 */
    unsigned max_retries;             /* in a row without a byte of progress; 0: 5 */
    bool (*cancelled)(void *context); /* asked a few times a second; NULL: never */
    void *context;
};

struct http_client; /* opaque; see client.c */

/* *options is copied; user_agent must outlive the client. */
bn_status http_client_create(const struct http_options *options, struct http_client **out, bn_error *err);
void http_client_destroy(struct http_client *client);

/* Queues a request. Its strings, body and sink must stay until done was called; the struct itself is copied. */
bn_status http_start(struct http_client *client, const struct http_request *request, bn_error *err);
/* Runs until nothing is queued or running. BN_STATUS_CANCELLED if that was why; otherwise BN_OK whatever the requests came
 * to: their done functions know. */
bn_status http_run(struct http_client *client, bn_error *err);

/* The same until a time (clock_now_ns) at the latest, and that long even when there is nothing to do: for callers that start
 * requests by the clock. What runs goes on with the next call. */
bn_status http_run_until(struct http_client *client, uint64_t time_ns, bn_error *err);

/* Makes the http_run that is going on, or else the next one, end as if it were cancelled: for done functions that have seen
 * enough. */
void http_stop(struct http_client *client);

/* One request from start to end (its done and context are ignored unless a sink uses context). BN_OK for a 2xx answer.
 * Otherwise the failure is in response->failure and the message in err. The caller releases *response in any case. */
bn_status http_fetch(struct http_client *client, const struct http_request *request, struct http_response *response,
                     bn_error *err);

/* Appends text percent-encoded for use in a URL's path (slashes are kept) or query (they aren't). */
void url_append_path(struct buffer *url, const char *text);
void url_append_query(struct buffer *url, const char *text);
/* True when two URLs have the same scheme, host and port. */
bool url_same_origin(const char *a, const char *b);
/* True for https, and for http to this machine itself (localhost, 127.x, ::1): where a secret may be sent. */
bool url_is_private(const char *url);

#endif
