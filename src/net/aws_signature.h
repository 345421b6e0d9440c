/* Signing requests as buckets that speak S3 want it: AWS Signature Version 4, with the hash of the body in it, so that neither
 * the request nor what it carries can be changed on its way. The secret key itself is never sent.
 *
 * Source: "Authenticating Requests (AWS Signature Version 4)", Amazon S3 API Reference. (libcurl's own signing leaves the
 * order and encoding of queries to its caller and, in 7.88, the body's hash too.) */
#ifndef NET_AWS_SIGNATURE_H
#define NET_AWS_SIGNATURE_H

#include <time.h>

#include "base/error.h"

struct aws_credentials {
    const char *key_id, *secret;
    const char *session_token; /* of temporary credentials, else NULL */
};

/* What is signed. The URL's path and query are percent-encoded already (url_append_path, url_append_query). */
struct aws_request {
    const char *method, *url;
    const void *body;
    size_t body_bytes;
    const char *region, *service;
    time_t now; /* a server takes the signature for a quarter of an hour */
};

/* Header fields that the request has to have, for http_request.headers; ended by NULL. */
struct aws_headers {
    char *lines[5];
};

/* BN_STATUS_BAD_ARGUMENT when the credentials have characters that headers can't have. Release *out in any case. */
bn_status aws_sign(const struct aws_credentials *credentials, const struct aws_request *request,
                   struct aws_headers *out, bn_error *err);
void aws_headers_release(struct aws_headers *headers);

#endif
