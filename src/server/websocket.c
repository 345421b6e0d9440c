#include "server/websocket.h"
bool websocket_is_asked(const struct http1_head *head) {
    (void)head;
    return false;
}
void websocket_begin(struct connection *connection, struct exchange *exchange) {
    (void)connection;
    (void)exchange;
}
