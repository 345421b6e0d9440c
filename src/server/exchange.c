/* Exchanges: the meeting place of a handler, on whatever thread, and a transport on the loop's. What one writes the other
 * fetches from a buffer under a lock; a task in the loop's queue says that there is something to fetch. */
#include "server/exchange.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/memory.h"
#include "server/exchange_core.h"
#include "server/http1_head.h"
#include "server/server_core.h"

#define CUT_GRACE_NS         UINT64_C(1000000000)
#define MAX_UNSENT_BYTES     ((size_t)64 << 20)
#define MIN_COMPRESSED_BYTES 1024

const char *http_method_name(enum http_method method) {
    static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"};
    return names[method];
}

/* ---- life ---- */

static void run_task(struct loop_task *task);

struct exchange *exchange_create(struct server *server, const struct transport *transport, void *carrier) {
    struct exchange *exchange = mem_calloc(1, sizeof *exchange);
    if (!exchange) return NULL;
    exchange->server = server;
    exchange->transport = transport;
    exchange->carrier = carrier;
    exchange->task.run = run_task;
    exchange->body_wanted = true;
    exchange->request.start_ns = exchange->last_write_ns = clock_now_ns();
    exchange->request.protocol = transport->protocol;
    pthread_mutex_init(&exchange->lock, NULL);
    exchange->next = server->exchanges;
    if (exchange->next) exchange->next->previous = exchange;
    server->exchanges = exchange;
    server->n_exchanges++;
    metric_add(server->counts.active, 1);
    return exchange;
}

static void destroy(struct exchange *exchange) {
    struct server *server = exchange->server;
    if (exchange->watch.on_release) exchange->watch.on_release(exchange->context);
    if (exchange->previous)
        exchange->previous->next = exchange->next;
    else
        server->exchanges = exchange->next;
    if (exchange->next) exchange->next->previous = exchange->previous;
    server->n_exchanges--;
    metric_add(server->counts.active, -1);
    json_decref(exchange->request.json);
    buffer_release(&exchange->body);
    buffer_release(&exchange->head);
    buffer_release(&exchange->out);
    buffer_release(&exchange->taken);
    buffer_release(&exchange->encoded);
    encoder_destroy(exchange->encoder);
    inflater_destroy(exchange->inflater);
    mem_free(exchange->parameters);
    mem_free(exchange->block);
    pthread_mutex_destroy(&exchange->lock);
    mem_free(exchange);
}

static void destroy_if_done(struct exchange *exchange) {
    pthread_mutex_lock(&exchange->lock);
    bool done = exchange->given_up && !exchange->transport && !exchange->scheduled && !exchange->in_task;
    pthread_mutex_unlock(&exchange->lock);
    if (done) destroy(exchange);
}

/* With the lock held. After unlocking, the caller posts the task if this was true. */
static bool schedule(struct exchange *exchange) {
    bool first = !exchange->scheduled;
    exchange->scheduled = true;
    return first;
}

static void tell_closed(struct exchange *exchange) {
    pthread_mutex_lock(&exchange->lock);
    void (*on_closed)(void *) = exchange->watch.on_closed;
    bool tell = exchange->closed && !exchange->given_up && !exchange->told_closed && on_closed;
    if (tell) exchange->told_closed = true;
    void *context = exchange->context;
    pthread_mutex_unlock(&exchange->lock);
    if (tell) on_closed(context);
}

static void run_task(struct loop_task *task) {
    struct exchange *exchange = (struct exchange *)task;
    pthread_mutex_lock(&exchange->lock);
    exchange->scheduled = false;
    bool read_again = exchange->read_again;
    exchange->read_again = false;
    pthread_mutex_unlock(&exchange->lock);
    exchange->in_task = true; /* what is called here may detach it */
    tell_closed(exchange);
    if (exchange->transport && read_again) exchange->transport->read_on(exchange);
    if (exchange->transport) exchange->transport->pump(exchange);
    exchange->in_task = false;
    destroy_if_done(exchange);
}

bool client_is_key(const char *client) {
    return strncmp(client, "key:", 4) == 0;
}

/* Log and metrics of an exchange that is over for the client. */
static void account(struct exchange *exchange, bool gone) {
    struct server *server = exchange->server;
    int class = exchange->status / 100;
    if (class >= 1 && class <= 5) metric_add(server->counts.requests[class], 1);
    metric_observe(server->counts.duration, (double)(clock_now_ns() - exchange->request.start_ns) / 1e9);
    access_log_add(&server->log, exchange, gone);
}

void exchange_detach(struct exchange *exchange, bool gone) {
    exchange->transport = NULL;
    exchange->carrier = NULL;
    account(exchange, gone);
    pthread_mutex_lock(&exchange->lock);
    if (gone) exchange->closed = true;
    if (!exchange->handed_over) exchange->given_up = true; /* there is no handler that would */
    pthread_mutex_unlock(&exchange->lock);
    tell_closed(exchange);
    destroy_if_done(exchange);
}

/* ---- reading the request ---- */

const struct request *exchange_request(const struct exchange *exchange) {
    return &exchange->request;
}

const char *request_header(const struct request *request, const char *name) {
    for (size_t i = 0; i < request->n_headers; i++)
        if (strcmp(request->headers[i].name, name) == 0) return request->headers[i].value;
    return NULL;
}

/* ---- writing the answer ---- */

static void append_header(struct exchange *exchange, const char *name, const char *value) {
    if (!http_is_token(name, strlen(name)) || !http_is_field_value(value, strlen(value))) {
        metric_add(exchange->server->counts.protocol_errors, 1); /* what could split the answer in two isn't sent */
        return;
    }
    buffer_append(&exchange->head, name, strlen(name) + 1);
    buffer_append(&exchange->head, value, strlen(value) + 1);
}

void exchange_start(struct exchange *exchange, int status, const struct header *headers, size_t n_headers) {
    pthread_mutex_lock(&exchange->lock);
    bool post = false;
    if (!exchange->started && !exchange->closed) {
        exchange->started = true;
        exchange->status = status;
        for (size_t i = 0; i < n_headers; i++) append_header(exchange, headers[i].name, headers[i].value);
        exchange->incomplete |= exchange->head.failed;
        post = schedule(exchange);
    }
    pthread_mutex_unlock(&exchange->lock);
    if (post) loop_post(&exchange->server->loop, &exchange->task);
}

/* Appends to the body, or one message to a WebSocket. */
static bool append(struct exchange *exchange, const struct message_head *message, const void *bytes, size_t size) {
    pthread_mutex_lock(&exchange->lock);
    bool open = !exchange->closed && !exchange->ended, post = false;
    if (open) {
        if (exchange->out.size + exchange->unsent + size > MAX_UNSENT_BYTES) {
            exchange->incomplete = true;
        } else {
            if (message) buffer_append(&exchange->out, message, sizeof *message);
            buffer_append(&exchange->out, bytes, size);
            exchange->incomplete |= exchange->out.failed;
        }
        if (exchange->out.size + exchange->unsent > EXCHANGE_HIGH_WATER) exchange->above_high = true;
        exchange->last_write_ns = clock_now_ns();
        post = schedule(exchange);
    }
    pthread_mutex_unlock(&exchange->lock);
    if (post) loop_post(&exchange->server->loop, &exchange->task);
    return open;
}

bool exchange_write(struct exchange *exchange, const void *bytes, size_t size) {
    return append(exchange, NULL, bytes, size);
}

bool exchange_send(struct exchange *exchange, bool text, const void *bytes, size_t size) {
    const struct message_head head = {.size = size, .text = text};
    return append(exchange, &head, bytes, size);
}

static void give_up(struct exchange *exchange, bool abort, int code, const char *reason) {
    pthread_mutex_lock(&exchange->lock);
    exchange->given_up = true;
    if (!exchange->closed && !exchange->ended) {
        bool session = exchange->match.route && exchange->match.route->websocket;
        exchange->aborted = abort || (!exchange->started && !session);
        exchange->ended = true;
        exchange->close_code = code;
        snprintf(exchange->close_reason, sizeof exchange->close_reason, "%s", reason);
    }
    bool post = schedule(exchange);
    pthread_mutex_unlock(&exchange->lock);
    if (post) loop_post(&exchange->server->loop, &exchange->task);
}

void exchange_end(struct exchange *exchange) {
    give_up(exchange, false, 1000, "");
}
void exchange_abort(struct exchange *exchange) {
    give_up(exchange, true, 1011, "");
}
void exchange_close(struct exchange *exchange, int code, const char *reason) {
    give_up(exchange, false, code, reason);
}

size_t exchange_pending(struct exchange *exchange) {
    pthread_mutex_lock(&exchange->lock);
    size_t n = exchange->out.size + exchange->unsent;
    pthread_mutex_unlock(&exchange->lock);
    return n;
}

void exchange_note(struct exchange *exchange, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(exchange->note, sizeof exchange->note, format, arguments);
    va_end(arguments);
}

bool exchange_closed(struct exchange *exchange) {
    pthread_mutex_lock(&exchange->lock);
    bool closed = exchange->closed;
    pthread_mutex_unlock(&exchange->lock);
    return closed;
}

void exchange_watch(struct exchange *exchange, const struct exchange_watch *watch, void *context) {
    pthread_mutex_lock(&exchange->lock);
    exchange->watch = *watch;
    exchange->context = context;
    bool post = exchange->closed && schedule(exchange);
    pthread_mutex_unlock(&exchange->lock);
    if (post) loop_post(&exchange->server->loop, &exchange->task);
}

void exchange_read_on(struct exchange *exchange) {
    pthread_mutex_lock(&exchange->lock);
    exchange->read_again = true;
    bool post = schedule(exchange);
    pthread_mutex_unlock(&exchange->lock);
    if (post) loop_post(&exchange->server->loop, &exchange->task);
}

bool exchange_work(struct exchange *exchange, void (*work)(void *context), void *context) {
    return workers_add(&exchange->server->workers, work, context);
}

void exchange_respond(struct exchange *exchange, int status, const char *content_type, const void *bytes, size_t size) {
    const struct header header = {"content-type", content_type};
    exchange_start(exchange, status, &header, content_type ? 1 : 0);
    exchange_write(exchange, bytes, size);
    exchange_end(exchange);
}

/* ---- the transport's side ---- */

/* Whether the answer may be compressed, by its type. Streams of events aren't: each event would need a flush, and
 * proxies that unpack may hold them back. */
static bool is_compressible(const char *content_type) {
    static const char *const types[] = {"application/json", "application/x-ndjson", "application/openmetrics-text",
                                        "application/javascript", "image/svg+xml"};
    if (!content_type) return false;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strncasecmp(content_type, types[i], strlen(types[i])) == 0) return true;
    return strncasecmp(content_type, "text/", 5) == 0 && strncasecmp(content_type, "text/event-stream", 17) != 0;
}

static const char *own_header(const struct exchange *exchange, const char *name) {
    const char *at = exchange->head.data, *end = at ? at + exchange->head.size : at;
    while (at < end) {
        const char *value = at + strlen(at) + 1;
        if (strcasecmp(at, name) == 0) return value;
        at = value + strlen(value) + 1;
    }
    return NULL;
}

static void choose_encoding(struct exchange *exchange) {
    if (!exchange->body_wanted || exchange->status < 200) return;
    if (exchange->length_known && exchange->taken.size < MIN_COMPRESSED_BYTES) return;
    if (!is_compressible(own_header(exchange, "content-type")) || own_header(exchange, "content-encoding")) return;
    enum coding coding = coding_negotiate(request_header(&exchange->request, "accept-encoding"));
    if (coding != CODING_IDENTITY) exchange->encoder = encoder_create(coding); /* without memory: as it is */
}

static void take_head(struct exchange *exchange) {
    exchange->head_taken = true;
    if (exchange->request.method == HTTP_HEAD || exchange->status == 204 || exchange->status == 304)
        exchange->body_wanted = false;
    choose_encoding(exchange);
}

void exchange_take(struct exchange *exchange, struct exchange_output *output) {
    pthread_mutex_lock(&exchange->lock);
    struct buffer before = exchange->taken;
    exchange->taken = exchange->out;
    exchange->unsent += exchange->taken.size; /* until the transport says how much of it is: exchange_set_unsent */
    exchange->out = before;                   /* its memory serves again */
    buffer_clear(&exchange->out);
    *output = (struct exchange_output){
        .started = exchange->started, .ended = exchange->ended, .aborted = exchange->aborted || exchange->incomplete};
    bool new_head = exchange->started && !exchange->head_taken;
    if (new_head) exchange->length_known = exchange->ended;
    pthread_mutex_unlock(&exchange->lock);

    if (new_head) take_head(exchange);
    output->new_head = new_head;
    output->bytes = exchange->taken.data;
    output->size = exchange->taken.size;
    if (exchange->encoder && (output->size || output->ended)) {
        buffer_clear(&exchange->encoded);
        if (!encoder_add(exchange->encoder, output->bytes, output->size, output->ended, &exchange->encoded))
            output->aborted = true;
        output->bytes = exchange->encoded.data;
        output->size = exchange->encoded.size;
    }
    if (!exchange->body_wanted) output->size = 0;
    exchange->bytes_sent += output->size;
}

static void emit_cors(const struct exchange *exchange, void (*emit)(void *, const char *, const char *),
                      void *context) {
    emit(context, "access-control-allow-origin", exchange->cors_origin);
    emit(context, "access-control-expose-headers", "x-request-id, retry-after, openai-processing-ms");
    if (strcmp(exchange->cors_origin, "*") != 0) emit(context, "vary", "origin");
}

static void emit_allow(const struct exchange *exchange, void (*emit)(void *, const char *, const char *),
                       void *context) {
    char text[80] = "";
    size_t n = 0;
    for (enum http_method method = 0; method < N_HTTP_METHODS; method++)
        if (exchange->allowed_methods & 1u << method)
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", n ? ", " : "", http_method_name(method));
    emit(context, "allow", text);
    if (exchange->cors_origin && exchange->request.method == HTTP_OPTIONS) {
        emit(context, "access-control-allow-methods", text);
        const char *asked = request_header(&exchange->request, "access-control-request-headers");
        emit(context, "access-control-allow-headers", asked ? asked : "authorization, content-type");
        emit(context, "access-control-max-age", "600");
        if (request_header(&exchange->request, "access-control-request-private-network"))
            emit(context, "access-control-allow-private-network", "true"); /* a page of the web asks this machine */
    }
}

/* What OpenAI's clients show of an answer besides its id. */
static void emit_openai(const struct exchange *exchange, void (*emit)(void *, const char *, const char *),
                        void *context) {
    char ms[24];
    snprintf(ms, sizeof ms, "%llu", (unsigned long long)(clock_now_ns() - exchange->request.start_ns) / 1000000);
    emit(context, "openai-processing-ms", ms);
    emit(context, "openai-version", "2020-10-01");
}

void exchange_each_header(struct exchange *exchange, void (*emit)(void *context, const char *name, const char *value),
                          void *context) {
    const struct route *route = exchange->match.route;
    char length[24];
    emit(context, "date", server_date(exchange->server));
    if (exchange->request.id) emit(context, "x-request-id", exchange->request.id);
    if (route && route->scope == SCOPE_INFERENCE && route->errors == ERRORS_OPENAI)
        emit_openai(exchange, emit, context);
    if (exchange->cors_origin) emit_cors(exchange, emit, context);
    if (exchange->allowed_methods) emit_allow(exchange, emit, context);
    if (exchange->encoder) {
        emit(context, "content-encoding", encoder_coding(exchange->encoder));
        emit(context, "vary", "accept-encoding");
    }
    bool has_length = exchange->length_known && exchange->status >= 200 && exchange->status != 204;
    if (has_length) {
        size_t n = exchange->encoder ? exchange->encoded.size : exchange->taken.size;
        snprintf(length, sizeof length, "%zu", n);
        emit(context, "content-length", length);
    }
    const char *at = exchange->head.data, *end = at ? at + exchange->head.size : at;
    while (at < end) {
        const char *value = at + strlen(at) + 1;
        emit(context, at, value);
        at = value + strlen(value) + 1;
    }
}

void exchange_set_unsent(struct exchange *exchange, size_t n) {
    pthread_mutex_lock(&exchange->lock);
    exchange->unsent = n;
    size_t pending = exchange->out.size + n;
    /* what is sent may be more than what was taken: frames */
    if (pending > EXCHANGE_HIGH_WATER) exchange->above_high = true;
    bool drained = exchange->above_high && pending <= EXCHANGE_LOW_WATER;
    if (drained) exchange->above_high = false;
    void (*on_drained)(void *) = drained && !exchange->given_up ? exchange->watch.on_drained : NULL;
    void *context = exchange->context;
    pthread_mutex_unlock(&exchange->lock);
    if (on_drained) on_drained(context);
}

/* ---- cutting ---- */

/* Answers in the handler's stead: from here on what it writes is dropped. */
static void answer_cut(struct exchange *exchange, enum cut_reason reason) {
    const char *message = reason == CUT_SHUTDOWN ? "the server is shutting down" : "the request took too long";
    const struct api_error error = {.status = reason == CUT_SHUTDOWN ? 503 : 504};
    json_t *body = exchange_error_json(exchange, &error, message);
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    pthread_mutex_lock(&exchange->lock);
    if (exchange->match.route && exchange->match.route->websocket) {
        exchange->close_code = 1001;
        snprintf(exchange->close_reason, sizeof exchange->close_reason, "%s", message);
    } else if (!exchange->started && text) {
        exchange->started = true;
        exchange->status = error.status;
        append_header(exchange, "content-type", "application/json");
        append_header(exchange, "retry-after", "1");
        buffer_append(&exchange->out, text, strlen(text));
    } else {
        exchange->aborted = true;
    }
    exchange->ended = exchange->closed = true;
    bool post = schedule(exchange);
    pthread_mutex_unlock(&exchange->lock);
    free(text); /* jansson's */
    if (post) loop_post(&exchange->server->loop, &exchange->task);
}

void exchange_warn(struct exchange *exchange, enum cut_reason reason) {
    pthread_mutex_lock(&exchange->lock);
    bool over = exchange->ended || exchange->closed || exchange->warned;
    void (*on_cut)(void *, enum cut_reason) = exchange->given_up ? NULL : exchange->watch.on_cut;
    void *context = exchange->context;
    pthread_mutex_unlock(&exchange->lock);
    if (over) return;
    exchange->warned = true;
    if (on_cut)
        on_cut(context, reason);
    else
        answer_cut(exchange, reason);
}

void exchange_cut(struct exchange *exchange, enum cut_reason reason) {
    if (exchange->cut_ns) return;
    exchange->cut_ns = clock_now_ns();
    metric_add(exchange->server->counts.cut, 1);
    exchange_warn(exchange, reason);
}

bool exchange_is_ended(struct exchange *exchange) {
    pthread_mutex_lock(&exchange->lock);
    bool over = exchange->ended;
    pthread_mutex_unlock(&exchange->lock);
    return over;
}

bool exchange_tick(struct exchange *exchange, uint64_t now_ns) {
    pthread_mutex_lock(&exchange->lock);
    bool idle = !exchange->given_up && !exchange->closed && exchange->watch.on_idle && exchange->watch.idle_ms &&
                now_ns - exchange->last_write_ns >= exchange->watch.idle_ms * UINT64_C(1000000);
    if (idle) exchange->last_write_ns = now_ns;
    void (*on_idle)(void *) = exchange->watch.on_idle;
    void *context = exchange->context;
    pthread_mutex_unlock(&exchange->lock);
    if (idle) on_idle(context);
    uint64_t limit_ns = exchange->server->options.request_timeout_ms * UINT64_C(1000000);
    const struct route *route = exchange->match.route;
    bool endless = route && (route->websocket || route->endless); /* lives as long as it answers pings, or is read */
    if (!endless && now_ns - exchange->request.start_ns > limit_ns) exchange_cut(exchange, CUT_TIMEOUT);
    bool overdue = exchange->cut_ns && now_ns > exchange->cut_ns + CUT_GRACE_NS;
    if (!overdue || !exchange->transport || exchange_is_ended(exchange)) return false;
    exchange->cut_ns = now_ns; /* not at once again, should the transport need time */
    exchange->transport->reset(exchange);
    return true;
}
