#include "server/delivery.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"

#define PING_MS 15000

static void cancel(struct delivery *d) {
    if (d->answer) answer_cancel(d->answer);
    if (d->generation) generation_cancel(d->generation);
}

/* Under the lock: what the client doesn't read in time stands still. */
static void set_paused(struct delivery *d, bool paused) {
    if (d->paused == paused) return;
    d->paused = paused;
    if (d->answer) answer_pause(d->answer, paused);
    if (d->generation) generation_pause(d->generation, paused);
}

/* ---- writing; the stream begins with the first thing written ---- */

static void write_bytes(struct delivery *d, const char *bytes, size_t n) {
    const struct header headers[] = {
        {"content-type", d->lines ? "application/x-ndjson" : "text/event-stream; charset=utf-8"},
        {"cache-control", "no-cache"},
        {"x-accel-buffering", "no"}};
    pthread_mutex_lock(&d->lock);
    if (!d->started) exchange_start(d->exchange, 200, headers, sizeof headers / sizeof *headers);
    d->started = true;
    exchange_write(d->exchange, bytes, n);
    if (exchange_pending(d->exchange) > EXCHANGE_HIGH_WATER) set_paused(d, true);
    pthread_mutex_unlock(&d->lock);
}

void delivery_write(struct delivery *d, const char *text) {
    write_bytes(d, text, strlen(text));
}

void delivery_event(struct delivery *d, const char *name) {
    struct buffer event;
    buffer_init(&event);
    if (name) buffer_printf(&event, "event: %s\n", name);
    if (!d->lines) buffer_append_text(&event, "data: ");
    buffer_append(&event, d->line.data, d->line.size);
    buffer_append_text(&event, d->lines ? "\n" : "\n\n");
    if (event.failed || d->line.failed)
        cancel(d);
    else
        write_bytes(d, event.data, event.size);
    buffer_release(&event);
    buffer_clear(&d->line);
}

void delivery_event_json(struct delivery *d, const char *name, json_t *value) {
    char *text = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    json_decref(value);
    buffer_clear(&d->line);
    if (text) {
        buffer_append_text(&d->line, text);
        delivery_event(d, name);
    } else {
        cancel(d);
    }
    free(text); /* jansson's own memory */
}

/* To the server itself; the delivery ends before, so that parts of the body that were its, too, are another thread's alone. */
static void hand_over(struct delivery *d, int status, json_t *body) {
    const struct asker asker = d->asker;
    delivery_destroy(d);
    asker.take(asker.context, status, body);
}

void delivery_respond(struct delivery *d, json_t *value) {
    if (value) replay_keep(&d->ticket, value);
    if (d->exchange) {
        exchange_respond_json(d->exchange, 200, value);
    } else {
        hand_over(d, 200, value);
    }
}

/* An error in place of everything. Where nobody's exchange keeps the delivery alive, this is its end. */
static void respond_failure(struct delivery *d, const struct failure *failure) {
    if (d->exchange) {
        failure_send(d->exchange, failure);
    } else {
        hand_over(d, failure->status, json_pack("{s:o}", "error", failure_object(failure)));
    }
}

/* ---- watching ---- */

static void on_closed(void *context) {
    cancel(context);
}

static void on_cut(void *context, enum cut_reason reason) {
    struct delivery *d = context;
    atomic_store(&d->cut, (int)reason + 1);
    cancel(d);
}

static void on_drained(void *context) {
    struct delivery *d = context;
    pthread_mutex_lock(&d->lock);
    set_paused(d, false);
    pthread_mutex_unlock(&d->lock);
}

static void on_idle(void *context) {
    delivery_write(context, ": ping\n\n");
}

void delivery_destroy(struct delivery *d) {
    if (d->release) d->release(d);
    answer_destroy(d->answer);
    generation_destroy(d->generation);
    replay_ticket_release(&d->ticket);
    buffer_release(&d->line);
    pthread_mutex_destroy(&d->lock);
    mem_free(d);
}

static void on_release(void *context) {
    delivery_destroy(context);
}

void delivery_refuse(struct delivery *d, const struct failure *failure) {
    bool kept = d->exchange != NULL;
    respond_failure(d, failure);
    if (kept) delivery_destroy(d);
}

struct asker asker_of(struct exchange *exchange) {
    return (struct asker){.exchange = exchange, .client = exchange_request(exchange)->client};
}

void *delivery_create(struct exchange *exchange, size_t size, const char *id_prefix, bool stream,
                      void (*release)(void *context)) {
    const struct asker asker = asker_of(exchange);
    return delivery_create_for(&asker, size, id_prefix, stream, release);
}

void *delivery_create_for(const struct asker *asker, size_t size, const char *id_prefix, bool stream,
                          void (*release)(void *context)) {
    struct delivery *d = mem_calloc(1, size);
    if (!d) {
        struct failure failure;
        succeeded(&failure, BN_STATUS_NO_MEMORY, NULL);
        if (asker->exchange)
            failure_send(asker->exchange, &failure);
        else
            asker->take(asker->context, failure.status, NULL);
        return NULL;
    }
    d->exchange = asker->exchange;
    d->asker = *asker;
    d->created = (int64_t)time(NULL);
    d->stream = stream;
    d->release = release;
    make_id(d->id, sizeof d->id, id_prefix);
    pthread_mutex_init(&d->lock, NULL);
    return d;
}

static void watch(struct delivery *d) {
    if (!d->exchange) return;
    const struct exchange_watch callbacks = {.on_drained = on_drained,
                                             .on_closed = on_closed,
                                             .on_cut = on_cut,
                                             .on_idle = on_idle,
                                             .idle_ms = d->stream && !d->lines ? PING_MS : 0,
                                             .on_release = on_release};
    exchange_watch(d->exchange, &callbacks, d);
}

static void fail_to_start(struct delivery *d) {
    struct failure failure;
    succeeded(&failure, BN_STATUS_NO_MEMORY, NULL);
    delivery_refuse(d, &failure);
}

void delivery_start_answer(struct delivery *d, struct chat_request *request, const struct answer_format *format,
                           void *context) {
    d->model = request->model;
    d->answer = answer_create(request, format, context);
    if (!d->answer) {
        fail_to_start(d);
        return;
    }
    watch(d);
    answer_start(d->answer);
}

void delivery_start_generation(struct delivery *d, const struct model *model, const struct generation_prompt *prompts,
                               size_t n_prompts, const struct generation_sink *sink, const struct settings *settings) {
    d->model = model;
    d->generation = generation_create(model, prompts, n_prompts, sink, d);
    if (!d->generation) {
        fail_to_start(d);
        return;
    }
    watch(d);
    generation_start(d->generation, &settings->options, settings->timeout_ms);
}

/* ---- the end ---- */

static struct failure failure_of_cut(int cut) {
    struct failure failure = {.status = 503, .code = "shutting_down", .retry_after_s = 5};
    if (cut == CUT_TIMEOUT + 1) {
        failure = (struct failure){.status = 504, .type = "timeout_error", .code = "timeout"};
        strcpy(failure.message, "The request took longer than this server allows");
    } else {
        strcpy(failure.message, "The server is shutting down");
    }
    return failure;
}

bool delivery_succeeded(struct delivery *d, const struct failure *failure, const char *event_name, const char *tail) {
    if (!failure->status) return true;
    int cut = atomic_load(&d->cut);
    struct failure cut_failure = failure_of_cut(cut);
    if (d->exchange && failure->status == STATUS_CANCELLED && !cut) { /* the client has gone away */
        exchange_abort(d->exchange);
        return false;
    }
    if (d->exchange && failure->status == STATUS_CANCELLED) failure = &cut_failure;
    pthread_mutex_lock(&d->lock);
    bool started = d->started;
    pthread_mutex_unlock(&d->lock);
    if (!started) {
        respond_failure(d, failure);
        return false;
    }
    delivery_event_json(d, event_name, failure_json(d->exchange, failure));
    if (tail) delivery_write(d, tail);
    exchange_end(d->exchange);
    return false;
}
