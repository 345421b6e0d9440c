/* The loop that runs requests: a list of transfers, at most max_connections of them in curl's hands. */
#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "net/transfer.h"

enum {
    LOOP_MS = 100,        /* how often cancelled() is called at least */
    LIMITED_LOOP_MS = 20, /* … and bandwidth handed out, where it is limited */
};

struct http_client {
    struct http_options options;
    CURLM *multi;
    struct bandwidth bandwidth;
    struct transfer *first; /* in the order they were started */
    size_t n_running;
    bool reached; /* a server has answered */
    bool stopped; /* http_stop was called, and no run has ended by it yet */
};

static void initialize_curl(void) {
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

bn_status http_client_create(const struct http_options *options, struct http_client **out, bn_error *err) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, initialize_curl);
    struct http_client *client = mem_calloc(1, sizeof *client);
    if (!client) return fail_no_memory(err, sizeof *client);
    client->options = *options;
    if (!options->max_connections) client->options.max_connections = 8;
    if (!options->connect_timeout_s) client->options.connect_timeout_s = 10;
    if (!options->stall_timeout_s) client->options.stall_timeout_s = 30;
    if (!options->max_retries) client->options.max_retries = 5;
    client->bandwidth =
        (struct bandwidth){.bytes_per_second = options->max_bytes_per_second, .refilled_ns = clock_now_ns()};
    client->multi = curl_multi_init();
    if (!client->multi) {
        mem_free(client);
        return fail(err, BN_STATUS_NO_MEMORY, "out of memory for connections");
    }
    /* several requests shall really be several connections: one is seldom as fast as the line */
    curl_multi_setopt(client->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    *out = client;
    return BN_OK;
}

void http_client_destroy(struct http_client *client) {
    if (!client) return;
    for (struct transfer *transfer = client->first, *next; transfer; transfer = next) {
        next = transfer->next;
        if (transfer->easy) curl_multi_remove_handle(client->multi, transfer->easy);
        transfer_destroy(transfer);
    }
    curl_multi_cleanup(client->multi);
    mem_free(client);
}

bn_status http_start(struct http_client *client, const struct http_request *request, bn_error *err) {
    struct transfer *transfer = mem_calloc(1, sizeof *transfer);
    if (!transfer) return fail_no_memory(err, sizeof *transfer);
    transfer->request = *request;
    transfer->options = &client->options;
    transfer->bandwidth = &client->bandwidth;
    transfer->position = transfer->high_water = request->offset;
    buffer_init(&transfer->response.body);
    buffer_init(&transfer->response.fields);
    struct transfer **last = &client->first;
    while (*last) last = &(*last)->next;
    *last = transfer;
    return BN_OK;
}

/* Takes the transfer off the list, tells whoever waits for it, and releases it. */
static void conclude(struct http_client *client, struct transfer *transfer, bn_status status) {
    struct transfer **at = &client->first;
    while (*at != transfer) at = &(*at)->next;
    *at = transfer->next;
    const struct http_request *request = &transfer->request;
    if (request->done) request->done(request->context, &transfer->response, status, &transfer->error);
    transfer_destroy(transfer);
}

/* Adds what the time since the last call allows, at most a tenth of a second's worth, and lets paused transfers go on. */
static void refill_bandwidth(struct http_client *client) {
    struct bandwidth *bandwidth = &client->bandwidth;
    if (!bandwidth->bytes_per_second) return;
    uint64_t now = clock_now_ns();
    double more = (double)bandwidth->bytes_per_second * (double)(now - bandwidth->refilled_ns) * 1e-9;
    if (more < 1) return;
    int64_t most = (int64_t)(bandwidth->bytes_per_second / 10) + 1;
    bandwidth->refilled_ns = now;
    bandwidth->available_bytes += more < 1e15 ? (int64_t)more : most;
    if (bandwidth->available_bytes > most) bandwidth->available_bytes = most;
    for (struct transfer *transfer = client->first; transfer && bandwidth->available_bytes > 0;
         transfer = transfer->next) {
        if (!transfer->easy || !transfer->paused) continue;
        transfer->paused = false;
        curl_easy_pause(transfer->easy, CURLPAUSE_CONT); /* hands over the bytes that were held back */
    }
}

static void start_due(struct http_client *client) {
    uint64_t now = clock_now_ns();
    for (struct transfer *transfer = client->first, *next; transfer; transfer = next) {
        next = transfer->next;
        if (client->n_running >= client->options.max_connections) break;
        if (transfer->easy || transfer->not_before_ns > now) continue;
        bn_status status = transfer_prepare(transfer, &transfer->error);
        if (!status && curl_multi_add_handle(client->multi, transfer->easy))
            status = fail(&transfer->error, BN_STATUS_NO_MEMORY, "out of memory for a connection");
        if (status) {
            transfer->response.failure = HTTP_SINK_FAILED;
            conclude(client, transfer, status);
            continue;
        }
        client->n_running++;
    }
}

static void take_off(struct http_client *client, struct transfer *transfer) {
    curl_multi_remove_handle(client->multi, transfer->easy);
    transfer_end_attempt(transfer);
    client->n_running--;
}

static void finish_attempts(struct http_client *client) {
    int left;
    for (CURLMsg *message; (message = curl_multi_info_read(client->multi, &left));) {
        if (message->msg != CURLMSG_DONE) continue;
        CURLcode code = message->data.result;
        char *private = NULL;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
        struct transfer *transfer = (struct transfer *)(void *)private;
        client->reached |= transfer->response.status != 0;
        enum verdict verdict = transfer_judge(transfer, code, client->reached);
        take_off(client, transfer);
        if (verdict == VERDICT_DONE) conclude(client, transfer, BN_OK);
        if (verdict == VERDICT_FAILED) conclude(client, transfer, transfer->error.status);
    }
}

static bn_status cancel_all(struct http_client *client, bn_error *err) {
    while (client->first) {
        struct transfer *transfer = client->first;
        if (transfer->easy) take_off(client, transfer);
        transfer->response.failure = HTTP_CANCELLED;
        fail(&transfer->error, BN_STATUS_CANCELLED, "interrupted");
        conclude(client, transfer, BN_STATUS_CANCELLED);
    }
    client->stopped = false;
    return fail(err, BN_STATUS_CANCELLED, "interrupted");
}

/* How long nothing can happen but on the sockets. */
static int idle_ms(const struct http_client *client) {
    uint64_t now = clock_now_ns(), wait_ms = client->bandwidth.bytes_per_second ? LIMITED_LOOP_MS : LOOP_MS;
    if (client->n_running >= client->options.max_connections) return (int)wait_ms;
    for (const struct transfer *transfer = client->first; transfer; transfer = transfer->next) {
        if (transfer->easy) continue;
        uint64_t left_ms = transfer->not_before_ns > now ? (transfer->not_before_ns - now) / 1000000 + 1 : 0;
        if (left_ms < wait_ms) wait_ms = left_ms;
    }
    return (int)wait_ms;
}

void http_stop(struct http_client *client) {
    client->stopped = true;
}

static bool is_cancelled(const struct http_client *client) {
    const struct http_options *options = &client->options;
    return client->stopped || (options->cancelled && options->cancelled(options->context));
}

static bool has_work(const struct http_client *client, uint64_t until_ns) {
    return until_ns ? clock_now_ns() < until_ns : client->first != NULL;
}

static int wait_ms(const struct http_client *client, uint64_t until_ns) {
    int wait = idle_ms(client);
    uint64_t now = clock_now_ns();
    if (!until_ns) return wait;
    uint64_t left_ms = until_ns > now ? (until_ns - now) / 1000000 : 0;
    return left_ms < (uint64_t)wait ? (int)left_ms : wait;
}

/* until_ns 0: until nothing is left. */
static bn_status run(struct http_client *client, uint64_t until_ns, bn_error *err) {
    if (is_cancelled(client)) return cancel_all(client, err);
    while (has_work(client, until_ns)) {
        if (is_cancelled(client)) return cancel_all(client, err);
        start_due(client);
        refill_bandwidth(client);
        int running;
        curl_multi_perform(client->multi, &running);
        finish_attempts(client);
        if (has_work(client, until_ns)) curl_multi_poll(client->multi, NULL, 0, wait_ms(client, until_ns), NULL);
    }
    client->stopped = false; /* by the last that was done: there is nothing left to stop */
    return BN_OK;
}

bn_status http_run(struct http_client *client, bn_error *err) {
    return run(client, 0, err);
}

bn_status http_run_until(struct http_client *client, uint64_t time_ns, bn_error *err) {
    return run(client, time_ns ? time_ns : 1, err);
}

/* ---- one request at a time ---- */

struct fetched {
    void *context; /* the sink's */
    const struct http_sink *sink;
    struct http_response *response;
    bn_status status;
    bn_error error;
};

static void keep_response(void *context, const struct http_response *response, bn_status status,
                          const bn_error *error) {
    struct fetched *fetched = context;
    struct http_response *from = (struct http_response *)(uintptr_t)response; /* ours: it is about to be released */
    *fetched->response = *from;
    buffer_init(&from->body);
    buffer_init(&from->fields);
    fetched->status = status;
    if (status) fetched->error = *error;
}

static bn_status forward_begin(void *context, const struct http_response *response, uint64_t offset, bn_error *err) {
    struct fetched *fetched = context;
    return fetched->sink->begin(fetched->context, response, offset, err);
}
static bn_status forward_write(void *context, const void *bytes, size_t n, bn_error *err) {
    struct fetched *fetched = context;
    return fetched->sink->write(fetched->context, bytes, n, err);
}

bn_status http_fetch(struct http_client *client, const struct http_request *request, struct http_response *response,
                     bn_error *err) {
    static const struct http_sink forward = {forward_begin, forward_write};
    struct fetched fetched = {.context = request->context, .sink = request->sink, .response = response};
    struct http_request own = *request;
    own.done = keep_response;
    own.context = &fetched;
    if (request->sink) own.sink = &forward;
    *response = (struct http_response){0};
    bn_status status = http_start(client, &own, err);
    if (status) return status;
    status = http_run(client, err);
    if (status) return status;
    if (fetched.status && err) *err = fetched.error;
    return fetched.status;
}
