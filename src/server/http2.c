#include "server/connection.h"
void http2_begin(struct connection *connection) {
    connection_close(connection);
}
