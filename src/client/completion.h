/* One completion asked of a server: a chat or a text, streamed, told piece by piece.
 *
 * What comes is a stranger's: an event is at most 1 MiB, the whole text 16 MiB, and whatever isn't a stream of completion
 * chunks is an error that says what it was. A stream is whole when a choice has finished or [DONE] came. */
#ifndef CLIENT_COMPLETION_H
#define CLIENT_COMPLETION_H

#include "client/endpoint.h"

/* Why there is no answer, in a word: "http_503", "timeout", "connection", "cut" (the stream ended early), "malformed" (not
 * a stream of chunks), "server_error" (one told in the stream), "cancelled", "certificate", "memory". */
enum { COMPLETION_FAILURE_BYTES = 16 };

struct completion {
    struct buffer text;
    char finish_reason[32]; /* "" until there is one */
    char failure[COMPLETION_FAILURE_BYTES];
    bool has_usage;
    size_t prompt_tokens, cached_tokens, output_tokens; /* as the server counts them, if has_usage */
    size_t n_pieces;                                    /* of text */
    uint64_t start_ns, first_ns, last_ns; /* clock_now_ns: when it was sent, and when pieces arrived; 0: none did */
    bool stopped;                         /* on_text wanted no more */
};

struct completion_request {
    const struct endpoint *endpoint; /* must stay until the end */
    bool chat;                       /* /v1/chat/completions; else /v1/completions */
    const json_t *body;              /* with "stream": true; read before completion_start returns */
    bool retry;                      /* try again when the server is busy, and after a cut: the text begins anew then */
    /* A piece of text at least one byte long. False: enough; the connection is cut, which is no failure. May be NULL. */
    bool (*on_text)(void *context, const char *text, size_t n);
    /* It is over. The completion is released when this returns. */
    void (*on_end)(void *context, const struct completion *completion, bn_status status, const bn_error *error);
    void *context;
};

/* Queues it with a client whose http_run makes it happen; on_end comes in any case but that of a failure here. */
bn_status completion_start(struct http_client *http, const struct completion_request *request, bn_error *err);

#endif
