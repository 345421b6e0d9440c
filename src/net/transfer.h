/* One request on its way: from its queueing to its done call, through as many attempts as it takes. Inside net only. */
#ifndef NET_TRANSFER_H
#define NET_TRANSFER_H

#include <curl/curl.h>

#include "net/http.h"

/* What may be received now: shared by a client's transfers. (libcurl's own limit lets short transfers through.) */
struct bandwidth {
    uint64_t bytes_per_second; /* 0: no limit */
    int64_t available_bytes;   /* below 0 after a read that was larger */
    uint64_t refilled_ns;
};

struct transfer {
    struct bandwidth *bandwidth;
    bool paused; /* until bandwidth is available again */
    struct http_request request;
    struct http_response response;
    const struct http_options *options;
    struct transfer *next; /* in the client's list */
    CURL *easy;            /* of the attempt that runs, else NULL */
    struct curl_slist *headers;
    uint64_t not_before_ns; /* no attempt earlier (clock_now_ns) */

    uint64_t position;     /* file offset of the next byte of the body */
    uint64_t high_water;   /* the furthest position so far: what counts as progress */
    uint64_t expected_end; /* of the answer as its Content-Range tells; 0: unknown */
    uint64_t body_sent;
    unsigned failures;  /* attempts in a row without progress */
    bool begun;         /* the sink knows of this attempt's body */
    bool without_range; /* the server gave a wrong range: ask for the whole */

    bn_status sink_status;
    bn_error error;
    char curl_message[CURL_ERROR_SIZE];
};

/* Sets up the next attempt: transfer->easy, ready for curl_multi_add_handle. */
bn_status transfer_prepare(struct transfer *transfer, bn_error *err);

/* What an attempt came to. */
enum verdict { VERDICT_DONE, VERDICT_FAILED, VERDICT_AGAIN };
/* Judges the attempt that ended with `code`. DONE and FAILED are final: response.failure and error are set. AGAIN:
 * not_before_ns says when. `reached`: some server has answered this client before, so the network is there. */
enum verdict transfer_judge(struct transfer *transfer, CURLcode code, bool reached);

void transfer_end_attempt(struct transfer *transfer);
void transfer_destroy(struct transfer *transfer);

/* "host" or "host:port" of a URL into out, for messages (user, password and query never show). */
void url_host(const char *url, char *out, size_t size);

#endif
