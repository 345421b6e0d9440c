#include "server/tls.h"

#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"

struct tls {
    SSL_CTX *context;
    char *certificate_file, *key_file;
    struct file_identity certificate, key; /* as they were read */
};

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_size, const unsigned char *in,
                           unsigned in_size, void *unused) {
    (void)ssl, (void)unused;
    static const unsigned char ours[] = "\x02h2\x08http/1.1";
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, out_size, ours, sizeof ours - 1, in, in_size) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static bn_status fail_tls(bn_error *err, const char *file, const char *what) {
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    return fail(err, BN_STATUS_BAD_FILE, "%s: %s: %s", file, what, reason ? reason : "unknown reason");
}

static bn_status make_context(const struct tls *tls, SSL_CTX **out, bn_error *err) {
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (!context) return fail(err, BN_STATUS_INTERNAL, "OpenSSL can't be used");
    *out = context;
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                     SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20");
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    if (SSL_CTX_use_certificate_chain_file(context, tls->certificate_file) != 1)
        return fail_tls(err, tls->certificate_file, "not a PEM certificate chain");
    if (SSL_CTX_use_PrivateKey_file(context, tls->key_file, SSL_FILETYPE_PEM) != 1)
        return fail_tls(err, tls->key_file, "not a PEM key");
    if (SSL_CTX_check_private_key(context) != 1)
        return fail_tls(err, tls->key_file, "the key doesn't belong to the certificate");
    return BN_OK;
}

bn_status tls_reload(struct tls *tls, bn_error *err) {
    SSL_CTX *context = NULL;
    tls->certificate = file_identify(tls->certificate_file);
    tls->key = file_identify(tls->key_file);
    bn_status status = make_context(tls, &context, err);
    if (status) {
        SSL_CTX_free(context);
        return status;
    }
    SSL_CTX_free(tls->context); /* connections hold references to theirs */
    tls->context = context;
    return BN_OK;
}

bn_status tls_create(const char *certificate_file, const char *key_file, struct tls **out, bn_error *err) {
    struct tls *tls = mem_calloc(1, sizeof *tls);
    if (!tls) return fail_no_memory(err, sizeof *tls);
    tls->certificate_file = mem_strdup(certificate_file);
    tls->key_file = mem_strdup(key_file);
    bn_status status = BN_OK;
    if (!tls->certificate_file || !tls->key_file) status = fail_no_memory(err, strlen(certificate_file));
    if (!status) status = tls_reload(tls, err);
    if (status)
        tls_destroy(tls);
    else
        *out = tls;
    return status;
}

void tls_destroy(struct tls *tls) {
    if (!tls) return;
    SSL_CTX_free(tls->context);
    mem_free(tls->certificate_file);
    mem_free(tls->key_file);
    mem_free(tls);
}

bool tls_changed(const struct tls *tls) {
    struct file_identity certificate = file_identify(tls->certificate_file), key = file_identify(tls->key_file);
    return memcmp(&certificate, &tls->certificate, sizeof certificate) != 0 || memcmp(&key, &tls->key, sizeof key) != 0;
}

struct bufferevent *tls_bufferevent(struct tls *tls, struct event_base *base, int fd) {
    SSL *ssl = SSL_new(tls->context);
    if (!ssl) return NULL;
    struct bufferevent *events =
        bufferevent_openssl_socket_new(base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
    if (!events)
        SSL_free(ssl);
    else
        bufferevent_openssl_set_allow_dirty_shutdown(events, 1);
    return events;
}

bool tls_speaks_http2(struct bufferevent *events) {
    const unsigned char *name;
    unsigned size;
    SSL_get0_alpn_selected(bufferevent_openssl_get_ssl(events), &name, &size);
    return size == 2 && memcmp(name, "h2", 2) == 0;
}
