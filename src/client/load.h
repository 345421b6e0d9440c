/* A load test: many clients at once ask a server for streamed completions, and every arrival is timed.
 *
 * Closed loop: so many clients, each sends its next request when the last has ended. Open loop: requests start at their
 * times, whatever the server does, and latencies count from those times, so that a server that stands still can't hide it. */
#ifndef CLIENT_LOAD_H
#define CLIENT_LOAD_H

#include "client/completion.h"
#include "client/prompts.h"

struct load_options {
    size_t concurrency; /* clients of the closed loop; 0: open loop */
    double rate;        /* open loop: requests per second on average, Poisson's arrivals; INFINITY: all at once */
    size_t n_requests;
    double duration_s; /* start no request later; 0: only the number counts */
    size_t first;      /* number of the first prompt */
    bool chat;         /* /v1/chat/completions; else /v1/completions */
    bool ignore_eos;   /* asks the server to go on behind the model's end (not all can) */
    bool keep_texts;
    double temperature;
    uint64_t seed;                                  /* of the arrivals */
    void (*progress)(void *context, size_t n_done); /* NULL: nobody wants to know */
    void *context;
};

/* Measurements of one kind, seconds. */
struct samples {
    double *values;
    size_t n, capacity;
};

bn_status samples_add(struct samples *samples, double value, bn_error *err);

enum { LOAD_MAX_FAILURES = 16 };
struct load_failure {
    char name[COMPLETION_FAILURE_BYTES]; /* as in struct completion; "other" when there are too many kinds */
    size_t n;
    char message[200]; /* of the first */
};

/* What all runs that were added up came to. */
struct load_results {
    size_t n_answered, n_left, n_failed; /* answered to the end; clients that went away; neither */
    struct load_failure failures[LOAD_MAX_FAILURES];
    size_t n_failures;
    size_t prompt_tokens, cached_tokens, output_tokens; /* of the requests answered and left */
    double seconds;                                     /* from the first request to the end of the last */
    struct samples first_token, gaps, per_token,
        whole; /* gaps: between pieces of text; per_token: of an answer, mean */
    char **
        texts; /* of the prompts from `first` on: NULL if it wasn't answered to the end; with keep_texts, of the last run */
    size_t n_texts;
};
void load_results_release(struct load_results *results);

/* Runs it and adds what comes of it to *results. BN_STATUS_CANCELLED when the http client is; requests that fail are counted
 * and no failure of this. */
bn_status load_run(struct http_client *http, const struct endpoint *endpoint, const struct prompts *prompts,
                   const struct load_options *options, struct load_results *results, bn_error *err);

struct load_verdict {
    size_t n_compared, n_changed;
    size_t changed; /* the number of the first prompt whose answer changed */
};
/* Asks again, one at a time, for what the last run answered with keep_texts: under load and alone the texts must be equal. */
bn_status load_verify(struct http_client *http, const struct endpoint *endpoint, const struct prompts *prompts,
                      const struct load_options *options, const struct load_results *results,
                      struct load_verdict *verdict, bn_error *err);

/* How many tokens the server makes of words: asks it to count, twice. */
bn_status load_measure_words(struct http_client *http, const struct endpoint *endpoint, bool chat,
                             struct prompts_options *options, bn_error *err);

#endif
