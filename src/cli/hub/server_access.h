/* How commands ask a server with OpenAI's routes instead of a model of their own. */
#ifndef CLI_HUB_SERVER_ACCESS_H
#define CLI_HUB_SERVER_ACCESS_H

#include "cli/command.h"
#include "cli/sampling_options.h"
#include "client/completion.h"

struct server_options {
    const char *url; /* NULL: no server */
    const char *api_key;
    size_t timeout_s; /* without a byte; 0: 600 */
    size_t retries;   /* in a row; 0: 10 */
};
extern const struct option server_option_table[];

/* A way to a server; one thread's. Ctrl-C cancels what runs on it. */
struct server_access {
    struct http_client *http;
    struct endpoint endpoint;
};

/* model NULL: the first that the server lists. The key is --api-key's ($BITNET_API_KEY), else $OPENAI_API_KEY where nobody on
 * the way can read it. Release, also after a failure. */
bn_status server_access_open(const struct server_options *options, const char *model, size_t max_connections,
                             struct server_access *out, bn_error *err);
void server_access_release(struct server_access *access);

/* The members of a request that say how to generate: the model's name and those options that differ from their defaults, so
 * that a server only hears of what was asked for; streamed, with usage. BN_STATUS_UNSUPPORTED names an option that
 * requests have no member for. *out is a new reference. */
bn_status server_request_body(const struct server_access *access, const struct sampling_options *options, json_t **out,
                              bn_error *err);

/* An answer as `run` and `batch` print it: text, finish_reason, the server's counts of tokens. */
json_t *completion_json(const struct completion *completion);

#endif
