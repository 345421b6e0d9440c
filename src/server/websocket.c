#include "server/websocket.h"

#include <openssl/evp.h>
#include <string.h>
#include <strings.h>
#include <wslay/wslay.h>

#include "base/memory.h"
#include "server/auth.h"
#include "server/dispatch.h"
#include "server/server_core.h"

#define MAX_FRAGMENTS    1024  /* of one message: each costs the codec a piece of memory */
#define PING_MS          20000 /* a silent client is asked, and gone if it stays silent as long again */
#define CLOSE_TIMEOUT_MS 2000

struct websocket {
    struct exchange *exchange; /* NULL once detached */
    wslay_event_context_ptr codec;
    bool paused;    /* the handler takes no messages for now */
    bool was_asked; /* a ping is under way */
    bool ended;     /* the handler has said its last: close when that is sent */
    bool closing;   /* our close frame is queued or sent */
    size_t fragments;
    struct buffer backlog; /* messages that the codec had read already when the handler paused: a few KiB */
};

static void pump(struct exchange *exchange);
static void read_on(struct exchange *exchange);
static void reset(struct exchange *exchange);
static const struct transport transport = {"WebSocket", pump, read_on, reset};

/* ---- the codec's side ---- */

static ssize_t codec_recv(wslay_event_context_ptr codec, uint8_t *bytes, size_t size, int flags, void *context) {
    (void)flags;
    struct connection *connection = context;
    struct websocket *socket = connection->state;
    /* each ping makes a pong: a client that doesn't read them isn't read from */
    bool full = evbuffer_get_length(connection->output) > CONNECTION_OUTPUT_BYTES;
    int n = full || socket->paused ? 0 : evbuffer_remove(connection->input, bytes, size);
    if (n > 0) return n;
    wslay_event_set_error(codec, WSLAY_ERR_WOULDBLOCK);
    return -1;
}

static ssize_t codec_send(wslay_event_context_ptr codec, const uint8_t *bytes, size_t size, int flags, void *context) {
    (void)flags;
    struct connection *connection = context;
    if (evbuffer_get_length(connection->output) > CONNECTION_OUTPUT_BYTES) {
        wslay_event_set_error(codec, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    if (evbuffer_add(connection->output, bytes, size)) {
        wslay_event_set_error(codec, WSLAY_ERR_CALLBACK_FAILURE);
        return -1;
    }
    return (ssize_t)size;
}

static void queue_close(struct connection *connection, int code, const char *reason) {
    struct websocket *socket = connection->state;
    if (socket->closing) return;
    socket->closing = true;
    wslay_event_queue_close(socket->codec, (uint16_t)code, (const uint8_t *)reason, min_size(strlen(reason), 123));
    connection_set_deadline(connection, CLOSE_TIMEOUT_MS);
}

static void on_frame(wslay_event_context_ptr codec, const struct wslay_event_on_frame_recv_start_arg *frame,
                     void *context) {
    (void)codec;
    struct websocket *socket = ((struct connection *)context)->state;
    if (wslay_is_ctrl_frame(frame->opcode)) return;
    socket->fragments = frame->opcode == WSLAY_CONTINUATION_FRAME ? socket->fragments + 1 : 0;
    if (socket->fragments > MAX_FRAGMENTS) queue_close(context, 1008, "too many fragments");
}

static void hand_over(struct websocket *socket, bool text, const char *bytes, size_t size) {
    struct exchange *exchange = socket->exchange;
    pthread_mutex_lock(&exchange->lock);
    bool (*on_message)(void *, bool, const char *, size_t) = exchange->given_up ? NULL : exchange->watch.on_message;
    void *context = exchange->context;
    pthread_mutex_unlock(&exchange->lock);
    exchange->body_received += size;
    if (on_message && !on_message(context, text, bytes, size)) socket->paused = true;
}

static void on_message(wslay_event_context_ptr codec, const struct wslay_event_on_msg_recv_arg *message,
                       void *context) {
    (void)codec;
    struct websocket *socket = ((struct connection *)context)->state;
    if (wslay_is_ctrl_frame(message->opcode) || socket->closing) return; /* answered by the codec */
    const struct message_head head = {.size = message->msg_length, .text = message->opcode == WSLAY_TEXT_FRAME};
    if (socket->paused) {
        buffer_append(&socket->backlog, &head, sizeof head);
        buffer_append(&socket->backlog, message->msg, message->msg_length);
    } else {
        hand_over(socket, head.text, (const char *)message->msg, message->msg_length);
    }
}

static void hand_over_backlog(struct websocket *socket) {
    size_t at = 0;
    while (at < socket->backlog.size && !socket->paused) {
        struct message_head head;
        memcpy(&head, socket->backlog.data + at, sizeof head);
        at += sizeof head;
        hand_over(socket, head.text, socket->backlog.data + at, head.size);
        at += head.size;
    }
    if (at) memmove(socket->backlog.data, socket->backlog.data + at, socket->backlog.size - at);
    socket->backlog.size -= at;
}

/* ---- sending ---- */

static void queue_messages(struct websocket *socket, const char *bytes, size_t size) {
    for (size_t at = 0; at < size;) {
        struct message_head head;
        memcpy(&head, bytes + at, sizeof head);
        at += sizeof head;
        const struct wslay_event_msg message = {.opcode = head.text ? WSLAY_TEXT_FRAME : WSLAY_BINARY_FRAME,
                                                .msg = (const uint8_t *)bytes + at,
                                                .msg_length = head.size};
        wslay_event_queue_msg(socket->codec, &message); /* fails only when closing */
        at += head.size;
    }
}

/* Sends what the codec has; ends the connection when both sides have said so. The codec lets a close frame overtake
 * messages, so it gets that one last. */
static void flush(struct connection *connection) {
    struct websocket *socket = connection->state;
    bool failed = wslay_event_send(socket->codec) != 0;
    if (!failed && socket->ended && !socket->closing && !wslay_event_get_queued_msg_count(socket->codec)) {
        queue_close(connection, socket->exchange->close_code, socket->exchange->close_reason);
        failed = wslay_event_send(socket->codec) != 0;
    }
    if (failed) {
        connection_close(connection);
        return;
    }
    size_t unsent = evbuffer_get_length(connection->output) + wslay_event_get_queued_msg_length(socket->codec);
    if (socket->exchange) exchange_set_unsent(socket->exchange, unsent);
    if (connection->closed) return;
    if (!wslay_event_want_read(socket->codec) && !wslay_event_want_write(socket->codec))
        connection_finish(connection, true);
}

static void pump(struct exchange *exchange) {
    struct connection *connection = exchange->carrier;
    struct websocket *socket = connection->state;
    bool full = evbuffer_get_length(connection->output) > CONNECTION_OUTPUT_BYTES ||
                wslay_event_get_queued_msg_length(socket->codec) > CONNECTION_OUTPUT_BYTES;
    if (full || socket->closing) return;
    struct exchange_output output;
    exchange_take(exchange, &output);
    if (output.aborted) {
        connection_close(connection);
        return;
    }
    queue_messages(socket, output.bytes, output.size);
    socket->ended = output.ended;
    flush(connection);
}

static void reset(struct exchange *exchange) {
    connection_close(exchange->carrier);
}

/* ---- receiving ---- */

/* The codec has queued a close frame without a code, where RFC 6455 (7.4.1) wants 1002: unless other frames are on the
 * way out, ours goes in its stead. */
static void broken_frame(struct connection *connection) {
    struct websocket *socket = connection->state;
    if (wslay_event_get_queued_msg_count(socket->codec) <= 1)
        evbuffer_add(connection->output, "\x88\x02\x03\xea", 4);
    else
        wslay_event_send(socket->codec);
    connection_finish(connection, true);
}

static void on_input(struct connection *connection) {
    struct websocket *socket = connection->state;
    socket->was_asked = false;
    if (!socket->closing) connection_set_deadline(connection, PING_MS);
    if (wslay_event_recv(socket->codec)) {
        broken_frame(connection);
        return;
    }
    if (socket->backlog.failed) queue_close(connection, 1011, "out of memory");
    if (wslay_event_get_close_received(socket->codec) || wslay_event_get_close_sent(socket->codec)) {
        if (!socket->closing) connection_set_deadline(connection, CLOSE_TIMEOUT_MS);
        socket->closing = true;
    }
    flush(connection);
}

static void read_on(struct exchange *exchange) {
    struct connection *connection = exchange->carrier;
    struct websocket *socket = connection->state;
    socket->paused = false;
    hand_over_backlog(socket);
    if (!socket->paused) on_input(connection);
}

/* ---- the connection's events ---- */

static void on_writable(struct connection *connection) {
    struct websocket *socket = connection->state;
    flush(connection);
    if (!connection->closed && socket->exchange) pump(socket->exchange);
    if (!connection->closed && !connection->finishing && evbuffer_get_length(connection->input)) on_input(connection);
}

static void on_deadline(struct connection *connection) {
    struct websocket *socket = connection->state;
    if (socket->paused && !socket->closing) { /* it isn't silent: we don't listen */
        connection_set_deadline(connection, PING_MS);
        return;
    }
    if (socket->closing || socket->was_asked) {
        connection_close(connection);
        return;
    }
    const struct wslay_event_msg ping = {.opcode = WSLAY_PING};
    socket->was_asked = true;
    wslay_event_queue_msg(socket->codec, &ping);
    connection_set_deadline(connection, PING_MS);
    flush(connection);
}

static void on_drain(struct connection *connection) {
    struct websocket *socket = connection->state;
    if (socket->exchange) exchange_warn(socket->exchange, CUT_SHUTDOWN);
}

static void on_release(struct connection *connection) {
    struct websocket *socket = connection->state;
    if (!socket) return;
    if (socket->exchange) exchange_detach(socket->exchange, !exchange_is_ended(socket->exchange));
    buffer_release(&socket->backlog);
    wslay_event_context_free(socket->codec);
    mem_free(socket);
}

static const struct protocol protocol = {on_input, on_writable, connection_close, on_deadline, on_drain, on_release};

/* ---- the handshake (RFC 6455, 4.2) ---- */

static const char *find(const struct http1_head *head, const char *name) {
    for (size_t i = 0; i < head->n_headers; i++)
        if (strcmp(head->headers[i].name, name) == 0) return head->headers[i].value;
    return NULL;
}

static bool is_key(const char *text) {
    unsigned char bytes[32];
    return text && strlen(text) == 24 && strcmp(text + 22, "==") == 0 &&
           EVP_DecodeBlock(bytes, (const unsigned char *)text, 24) == 18;
}

bool websocket_is_asked(const struct http1_head *head) {
    const char *upgrade = find(head, "upgrade"), *connection = find(head, "connection");
    const char *version = find(head, "sec-websocket-version");
    return head->minor == 1 && strcmp(head->method, "GET") == 0 && !head->chunked && !head->length && upgrade &&
           strcasecmp(upgrade, "websocket") == 0 && connection && http_list_has(connection, "upgrade") && version &&
           strcmp(version, "13") == 0 && is_key(find(head, "sec-websocket-key"));
}

static bool accept_key(const char *key, char out[32]) {
    char text[64];
    unsigned char digest[20];
    int n = snprintf(text, sizeof text, "%.24s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    if (EVP_Digest(text, (size_t)n, digest, NULL, EVP_sha1(), NULL) != 1) return false;
    EVP_EncodeBlock((unsigned char *)out, digest, sizeof digest);
    return true;
}

/* The first subprotocol that the client offers and that isn't a key in disguise; false: none. */
static bool choose_subprotocol(const char *offered, char *out, size_t size) {
    for (const char *at = offered; at && *at;) {
        at += strspn(at, " \t,");
        size_t n = strcspn(at, " \t,");
        if (n && n < size && http_is_token(at, n) && !api_key_in_subprotocol(at)) {
            memcpy(out, at, n);
            out[n] = 0;
            return true;
        }
        at += n;
    }
    return false;
}

static void send_101(struct connection *connection, const struct exchange *exchange, const char *accepted) {
    char subprotocol[80];
    evbuffer_add_printf(connection->output,
                        "HTTP/1.1 101 Switching Protocols\r\ndate: %s\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
                        "sec-websocket-accept: %s\r\nx-request-id: %s\r\n",
                        server_date(connection->server), accepted, exchange->request.id);
    if (choose_subprotocol(request_header(&exchange->request, "sec-websocket-protocol"), subprotocol,
                           sizeof subprotocol))
        evbuffer_add_printf(connection->output, "sec-websocket-protocol: %s\r\n", subprotocol);
    evbuffer_add(connection->output, "\r\n", 2);
}

void websocket_begin(struct connection *connection, struct exchange *exchange) {
    const struct wslay_event_callbacks callbacks = {.recv_callback = codec_recv,
                                                    .send_callback = codec_send,
                                                    .on_frame_recv_start_callback = on_frame,
                                                    .on_msg_recv_callback = on_message};
    char accepted[32];
    struct websocket *socket = mem_calloc(1, sizeof *socket);
    bool ready = socket && accept_key(request_header(&exchange->request, "sec-websocket-key"), accepted) &&
                 wslay_event_context_server_init(&socket->codec, &callbacks, connection) == 0;
    if (!ready) {
        mem_free(socket);
        exchange_detach(exchange, true);
        connection_close(connection);
        return;
    }
    wslay_event_config_set_max_recv_msg_length(socket->codec, MAX_MESSAGE_BYTES);
    send_101(connection, exchange, accepted);
    socket->exchange = exchange;
    exchange->transport = &transport;
    exchange->request.protocol = transport.protocol;
    exchange->status = 101;
    connection_speak(connection, &protocol, socket);
    connection_set_deadline(connection, PING_MS);
    dispatch_session(exchange);
    if (evbuffer_get_length(connection->input)) on_input(connection);
}
