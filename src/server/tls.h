/* TLS by OpenSSL: the certificate, read again when its file changes, and the choice of HTTP/2 or HTTP/1.1 (ALPN). */
#ifndef SERVER_TLS_H
#define SERVER_TLS_H

#include <event2/bufferevent.h>
#include <stdbool.h>

#include "base/error.h"

struct tls;

/* PEM files: the certificate chain, leaf first, and its key. */
bn_status tls_create(const char *certificate_file, const char *key_file, struct tls **out, bn_error *err);
void tls_destroy(struct tls *tls);
/* Reads the files again. On failure the old certificate stays. Connections that are open keep theirs. */
bn_status tls_reload(struct tls *tls, bn_error *err);
/* True if one of the files is another than when it was read. */
bool tls_changed(const struct tls *tls);
/* A bufferevent over an accepted socket, which it owns; NULL without memory. */
struct bufferevent *tls_bufferevent(struct tls *tls, struct event_base *base, int fd);
/* After the handshake: the client chose HTTP/2. */
bool tls_speaks_http2(struct bufferevent *events);

#endif
