/* TLS: the handshake, the choice of protocol, and a certificate that is replaced under a running server. */
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "fixture.h"
#include "temporary_folder.h"

/* A key and a certificate for it, signed by itself, under this name. */
static void write_certificate(const char *certificate_file, const char *key_file, const char *name) {
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC, (const unsigned char *)name, -1,
                               -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    FILE *file = fopen(key_file, "w");
    PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
    file = fopen(certificate_file, "w");
    PEM_write_X509(file, certificate);
    fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

struct tls_client {
    int fd;
    SSL_CTX *context;
    SSL *ssl;
};

/* protocols: ALPN's form; false if the handshake fails. */
static bool tls_dial(struct tls_client *client, const struct fixture *fixture, const char *protocols, int version) {
    client->fd = dial(fixture);
    client->context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_max_proto_version(client->context, version);
    client->ssl = SSL_new(client->context);
    if (protocols) SSL_set_alpn_protos(client->ssl, (const unsigned char *)protocols, (unsigned)strlen(protocols));
    SSL_set_fd(client->ssl, client->fd);
    return SSL_connect(client->ssl) == 1;
}

static void tls_hang_up(struct tls_client *client) {
    SSL_free(client->ssl);
    SSL_CTX_free(client->context);
    close(client->fd);
}

static void peer_name(const struct tls_client *client, char *out, int size) {
    X509 *certificate = SSL_get1_peer_certificate(client->ssl);
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, out, size);
    X509_free(certificate);
}

static struct fixture fixture;
static char certificate_file[512], key_file[512];

static void speaks_http1(void **state) {
    (void)state;
    struct tls_client client;
    assert_true(tls_dial(&client, &fixture, "\x08http/1.1", TLS1_3_VERSION));
    static const char request[] = "GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert_int_equal(SSL_write(client.ssl, request, sizeof request - 1), sizeof request - 1);
    char out[2000];
    int n = 0, got;
    while ((got = SSL_read(client.ssl, out + n, (int)sizeof out - 1 - n)) > 0) n += got;
    out[n] = 0;
    assert_non_null(strstr(out, "HTTP/1.1 200 OK"));
    assert_non_null(strstr(out, "hello\n"));
    tls_hang_up(&client);
}

static void chooses_http2(void **state) {
    (void)state;
    struct tls_client client;
    const unsigned char *chosen;
    unsigned n;
    assert_true(tls_dial(&client, &fixture, "\x02h2\x08http/1.1", TLS1_3_VERSION));
    SSL_get0_alpn_selected(client.ssl, &chosen, &n);
    assert_int_equal(n, 2);
    assert_memory_equal(chosen, "h2", 2);
    assert_int_equal(SSL_write(client.ssl, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33), 33);
    unsigned char frame[9];
    assert_int_equal(SSL_read(client.ssl, frame, 9), 9);
    assert_int_equal(frame[3], 4); /* the server's settings */
    tls_hang_up(&client);
}

static void refusals(void **state) {
    (void)state;
    struct tls_client client;
    assert_false(tls_dial(&client, &fixture, "\x04smtp", TLS1_3_VERSION)); /* nothing in common */
    tls_hang_up(&client);
    assert_false(tls_dial(&client, &fixture, NULL, TLS1_1_VERSION));
    tls_hang_up(&client);
    char out[200];
    bool closed;
    int fd = dial(&fixture); /* no TLS at all */
    say_text(fd, "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
    hear(fd, out, sizeof out, NULL, 2000, &closed);
    assert_true(closed);
    assert_null(strstr(out, "200"));
    close(fd);
}

/* New connections get the new certificate; those that are open go on; a broken file changes nothing. */
static void reload(void **state) {
    (void)state;
    struct tls_client before, after;
    char name[64];
    assert_true(tls_dial(&before, &fixture, "\x08http/1.1", TLS1_3_VERSION));
    peer_name(&before, name, sizeof name);
    assert_string_equal(name, "first");
    write_certificate(certificate_file, key_file, "second");
    server_reload(fixture.server);
    for (int i = 0; i < 100; i++) {
        assert_true(tls_dial(&after, &fixture, "\x08http/1.1", TLS1_3_VERSION));
        peer_name(&after, name, sizeof name);
        tls_hang_up(&after);
        if (strcmp(name, "second") == 0) break;
        usleep(10000);
    }
    assert_string_equal(name, "second");
    FILE *file = fopen(certificate_file, "w");
    fputs("rubbish", file);
    fclose(file);
    server_reload(fixture.server);
    usleep(50000);
    assert_true(tls_dial(&after, &fixture, "\x08http/1.1", TLS1_3_VERSION));
    peer_name(&after, name, sizeof name);
    assert_string_equal(name, "second");
    tls_hang_up(&after);
    static const char request[] = "GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    char out[16];
    assert_int_equal(SSL_write(before.ssl, request, sizeof request - 1), sizeof request - 1);
    assert_true(SSL_read(before.ssl, out, 12) == 12);
    assert_memory_equal(out, "HTTP/1.1 200", 12);
    tls_hang_up(&before);
}

int main(void) {
    struct temporary_folder folder = temporary_folder_create();
    snprintf(certificate_file, sizeof certificate_file, "%s", temporary_path(&folder, "certificate.pem"));
    snprintf(key_file, sizeof key_file, "%s", temporary_path(&folder, "key.pem"));
    write_certificate(certificate_file, key_file, "first");
    fixture_start(&fixture,
                  (struct server_options){.tls_certificate_file = certificate_file, .tls_key_file = key_file});
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(speaks_http1),
        cmocka_unit_test(chooses_http2),
        cmocka_unit_test(refusals),
        cmocka_unit_test(reload),
    };
    int failed = cmocka_run_group_tests_name("tls", tests, NULL, NULL);
    fixture_stop(&fixture);
    temporary_folder_remove(&folder);
    return failed;
}
