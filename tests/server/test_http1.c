/* HTTP/1.1 over sockets: what clients do, and what attackers do. Truth: RFC 9110, RFC 9112. */
#include "fixture.h"

static struct fixture fixture;

static size_t count(const char *text, const char *word) {
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, word)); at++) n++;
    return n;
}

/* ---- attacks: each gets exactly one answer, of this status, and the connection ends ---- */

struct attack {
    const char *what, *bytes;
    int status;
};

#define HOST "Host: localhost\r\n"
#define END  "\r\n\r\n"

static const struct attack attacks[] = {
    {"length and chunked",
     "POST /bytes HTTP/1.1\r\n" HOST
     "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /hello HTTP/1.1\r\n" HOST "\r\n",
     400},
    {"chunked and length",
     "POST /bytes HTTP/1.1\r\n" HOST
     "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\nGET /hello HTTP/1.1\r\n" HOST "\r\n",
     400},
    {"two lengths",
     "POST /bytes HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 30\r\n\r\nxGET /hello HTTP/1.1\r\n" HOST
     "\r\n",
     400},
    {"two equal lengths", "POST /bytes HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400},
    {"length list", "POST /bytes HTTP/1.1\r\n" HOST "Content-Length: 1, 1\r\n\r\nx", 400},
    {"length +5", "POST /bytes HTTP/1.1\r\n" HOST "Content-Length: +5\r\n\r\nhello", 400},
    {"length -1", "POST /bytes HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n", 400},
    {"length 0x5", "POST /bytes HTTP/1.1\r\n" HOST "Content-Length: 0x5\r\n\r\nhello", 400},
    {"length 5 5", "POST /bytes HTTP/1.1\r\n" HOST "Content-Length: 5 5\r\n\r\nhello", 400},
    {"length 2^64", "POST /bytes HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551616\r\n\r\n", 400},
    {"empty length", "POST /bytes HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n", 400},
    {"chunked twice",
     "POST /bytes HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
    {"chunked, identity", "POST /bytes HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 501},
    {"xchunked", "POST /bytes HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501},
    {"chunked with a vertical tab", "POST /bytes HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\x0b\r\n\r\n0\r\n\r\n",
     400},
    {"chunked in HTTP/1.0", "POST /bytes HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
    {"space before the colon", "POST /bytes HTTP/1.1\r\n" HOST "Content-Length : 5\r\n\r\nhello", 400},
    {"folded line", "GET /hello HTTP/1.1\r\n" HOST "X-A: b\r\n c\r\n\r\n", 400},
    {"folded first header", "GET /hello HTTP/1.1\r\n X-A: b\r\n" HOST "\r\n", 400},
    {"bare LF after the request line", "GET /hello HTTP/1.1\nHost: localhost\r\n\r\n", 400},
    {"bare LF everywhere", "GET /hello HTTP/1.1\nHost: localhost\n\n", 400},
    {"bare LF at the end", "GET /hello HTTP/1.1\r\nHost: localhost\r\n\n", 400},
    {"bare CR in a value", "GET /hello HTTP/1.1\r\n" HOST "X-A: b\rc\r\n\r\n", 400},
    {"CR CR LF", "GET /hello HTTP/1.1\r\n" HOST "X-A: b\r\r\n\r\n", 400},
    {"DEL in a value", "GET /hello HTTP/1.1\r\n" HOST "X-A: b\x7f\r\n\r\n", 400},
    {"no colon", "GET /hello HTTP/1.1\r\n" HOST "X-A\r\n\r\n", 400},
    {"empty name", "GET /hello HTTP/1.1\r\n" HOST ": b\r\n\r\n", 400},
    {"name with a blank", "GET /hello HTTP/1.1\r\n" HOST "X A: b\r\n\r\n", 400},
    {"no Host", "GET /hello HTTP/1.1\r\n\r\n", 400},
    {"two Hosts", "GET /hello HTTP/1.1\r\n" HOST "Host: localhost\r\n\r\n", 400},
    {"Host with a path", "GET /hello HTTP/1.1\r\nHost: localhost/x\r\nConnection: close\r\n\r\n", 400},
    {"Host with a user", "GET /hello HTTP/1.1\r\nHost: a@localhost\r\nConnection: close\r\n\r\n", 400},
    {"two blanks in the request line", "GET  /hello HTTP/1.1\r\n" HOST "\r\n", 400},
    {"tab in the request line", "GET\t/hello HTTP/1.1\r\n" HOST "\r\n", 400},
    {"blank at its end", "GET /hello HTTP/1.1 \r\n" HOST "\r\n", 400},
    {"HTTP/0.9", "GET /hello\r\n\r\n", 400},
    {"HTTP/2.0 without a preface", "GET /hello HTTP/2.0\r\n" HOST "\r\n", 505},
    {"HTTP/1.2", "GET /hello HTTP/1.2\r\n" HOST "\r\n", 505},
    {"http/1.1", "GET /hello http/1.1\r\n" HOST "\r\n", 400},
    {"unknown method", "BREW /hello HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", 501},
    {"lower-case method", "get /hello HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", 501},
    {"method that is no token", "G{T /hello HTTP/1.1\r\n" HOST "\r\n", 400},
    {"another host's URL", "GET http://evil.example/hello HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", 400},
    {"CONNECT", "CONNECT localhost:80 HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", 501},
    {"UTF-8 in the target", "GET /h\xc3\xa9llo HTTP/1.1\r\n" HOST "\r\n", 400},
    {"fragment in the target", "GET /hello#x HTTP/1.1\r\n" HOST "\r\n", 400},
    {"dot segments", "GET /../../etc/passwd HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", 400},
    {"encoded dot segments", "GET /%2e%2e%2fetc/passwd HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", 400},
    {"dot segments in a parameter", "GET /rest/a/../../b HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", 400},
    {"backslashes", "GET /rest/..%5c..%5cx HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", 400},
    {"NUL in the path", "GET /hello%00.txt HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", 400},
    {"line feed in the path", "GET /things/a%0ab HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", 400},
    {"doubly encoded", "GET /%252e%252e/hello HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", 404},
    {"broken escape", "GET /hello%2 HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", 400},
    {"empty segments", "GET //hello HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", 400},
    {"broken query", "GET /things/a?q=%zz HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", 400},
    {"chunk size 0x5", "POST /bytes HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
     400},
    {"chunk size of 17 digits",
     "POST /bytes HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n00000000000000005\r\nhello\r\n0\r\n\r\n", 400},
    {"negative chunk size",
     "POST /bytes HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n", 400},
    {"chunk size with a blank",
     "POST /bytes HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n", 400},
    {"chunk without CRLF", "POST /bytes HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloX0\r\n\r\n",
     400},
    {"chunk size with bare LF",
     "POST /bytes HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", 400},
    {"extension with bare LF",
     "POST /bytes HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5;a=b\nhello\r\n0\r\n\r\n", 400},
    {"trailer with bare LF", "POST /bytes HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\n\r\n", 400},
    {"unknown expectation", "POST /bytes HTTP/1.1\r\n" HOST "Expect: miracles\r\nContent-Length: 0\r\n\r\n", 417},
    {"body coding",
     "POST /bytes HTTP/1.1\r\n" HOST "Content-Encoding: br\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", 415},
};

static void attacks_get_one_answer(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof attacks / sizeof attacks[0]; i++) {
        char out[4096];
        bool closed;
        int fd = dial(&fixture), status = 0, before = handled;
        say_text(fd, attacks[i].bytes);
        hear(fd, out, sizeof out, NULL, 2000, &closed);
        close(fd);
        sscanf(out, "HTTP/1.1 %d", &status);
        if (status != attacks[i].status || count(out, "HTTP/1.1 ") != 1 || !closed || handled != before)
            test_fail("%s: expected one answer %d and the end, got (closed: %d)\n%s", attacks[i].what,
                      attacks[i].status, closed, out);
        if (!strstr(out, "application/json") || !strstr(out, "{\"error\":"))
            test_fail("%s: not JSON: %s", attacks[i].what, out);
    }
}

static void nul_in_a_header(void **state) {
    (void)state;
    static const char bytes[] = "GET /hello HTTP/1.1\r\nHost: localhost\r\nX-A: b\0c\r\n\r\n";
    char out[2048];
    int fd = dial(&fixture);
    say_bytes(fd, bytes, sizeof bytes - 1);
    hear(fd, out, sizeof out, NULL, 2000, NULL);
    close(fd);
    assert_non_null(strstr(out, "HTTP/1.1 400"));
}

/* A head that grows by `piece` until the server answers. */
static int grow(const char *begin, const char *piece, size_t most, char *out, size_t size) {
    int fd = dial(&fixture), status = 0;
    say_text(fd, begin);
    for (size_t sent = 0; sent < most; sent += strlen(piece)) say_text(fd, piece);
    hear(fd, out, size, NULL, 2000, NULL);
    close(fd);
    sscanf(out, "HTTP/1.1 %d", &status);
    return status;
}

static void sizes_are_bounded(void **state) {
    (void)state;
    char out[4096], kilobyte[1025];
    memset(kilobyte, 'a', 1024);
    kilobyte[1024] = 0;
    assert_int_equal(grow("GET /", kilobyte, 9 << 10, out, sizeof out), 414);
    assert_int_equal(grow("GET / HTTP/1.1\r\n" HOST "X-A: ", kilobyte, 9 << 10, out, sizeof out), 431);
    assert_int_equal(grow("GET / HTTP/1.1\r\n" HOST, "X-Header: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n",
                          70 << 10, out, sizeof out),
                     431);
    char many[1000] = "GET /hello HTTP/1.1\r\n" HOST;
    for (int i = 0; i < 101; i++) strcat(many, "A: b\r\n");
    strcat(many, "\r\n");
    assert_int_equal(ask(&fixture, many, out, sizeof out), 431);
    /* a method that never ends is a request line, too */
    assert_int_equal(grow("", kilobyte, 9 << 10, out, sizeof out), 414);
}

static void extension_floods_end(void **state) {
    (void)state;
    char out[4096];
    assert_int_equal(grow("POST /bytes HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n",
                          "1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n", 8 << 10, out, sizeof out),
                     400);
    assert_non_null(strstr(out, "extensions"));
    assert_int_equal(grow("POST /bytes HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n",
                          "X-Trailer: aaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n", 10 << 10, out, sizeof out),
                     400);
    assert_non_null(strstr(out, "trailers"));
}

/* ---- what clients do ---- */

struct dialogue {
    const char *what, *request, *expected[6];
};

static const struct dialogue dialogues[] = {
    {"plain",
     "GET /hello HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",
     {"HTTP/1.1 200 OK\r\n", "content-length: 6\r\n", "connection: close\r\n", "x-request-id: req_",
      "\r\n\r\nhello\n"}},
    {"HTTP/1.0", "GET /hello HTTP/1.0\r\n\r\n", {"HTTP/1.1 200 OK\r\n", "hello\n"}},
    {"URL of this host",
     "GET http://localhost/hello HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",
     {" 200 ", "hello"}},
    {"empty line first", "\r\nGET /hello HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", {" 200 ", "hello"}},
    {"own request id",
     "GET /hello HTTP/1.1\r\n" HOST "X-Request-Id: abc-1\r\nConnection: close\r\n\r\n",
     {"x-request-id: abc-1\r\n"}},
    {"request id with quotes",
     "GET /hello HTTP/1.1\r\n" HOST "X-Request-Id: \"a\r\nConnection: close\r\n\r\n",
     {"x-request-id: req_"}},
    {"parameters",
     "GET /things/a%20b?q=1+2%26&x HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",
     {"\"id\":\"a b\"", "\"q\":\"1 2&\"", "\"path\":\"/things/a b\""}},
    {"rest of the path",
     "GET /rest/owner/name%2Fx HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",
     {"\"id\":\"owner/name/x\""}},
    {"JSON",
     "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 23\r\nConnection: close\r\n\r\n{\"text\":\"hi\",\"other\":1}",
     {" 200 ", "\"json\":{\"text\":\"hi\",\"other\":1}"}},
    {"JSON on a worker",
     "POST /work HTTP/1.1\r\n" HOST "Content-Length: 9\r\nConnection: close\r\n\r\n[1,2,3.5]",
     {" 200 ", "[1,2,3.5]"}},
    {"chunked, with extension and trailer",
     "POST /bytes HTTP/1.1\r\n" HOST
     "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n5;a=\"b\"\r\nhello\r\n6\r\n world\r\n0\r\nX: y\r\n\r\n",
     {" 200 ", "content-length: 11", "hello world"}},
    {"unknown path",
     "GET /nothing HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",
     {" 404 ", "application/json", "not_found_error"}},
    {"unknown path of Ollama",
     "GET /api/nothing HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",
     {" 404 ", "{\"error\":\"there is no"}},
    {"wrong method",
     "DELETE /echo HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",
     {" 405 ", "allow: POST, OPTIONS\r\n"}},
    {"OPTIONS",
     "OPTIONS /hello HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",
     {" 204 ", "allow: GET, HEAD, OPTIONS\r\n"}},
    {"broken JSON",
     "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 8\r\nConnection: close\r\n\r\n{\"text\":",
     {" 400 ", "line 1, column 8"}},
    {"missing member",
     "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 2\r\nConnection: close\r\n\r\n{}",
     {" 400 ", "'text' is required", "\"param\":\"text\""}},
    {"member of a list",
     "POST /echo HTTP/1.1\r\n" HOST
     "Content-Length: 33\r\nConnection: close\r\n\r\n{\"text\":\"a\",\"list\":[1,\"2\",false]}",
     {" 400 ", "\"param\":\"list[1]\""}},
    {"doubled member",
     "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 23\r\nConnection: close\r\n\r\n{\"text\":\"a\",\"text\":\"b\"}",
     {" 400 ", "duplicate"}},
    {"a foreign page",
     "GET /hello HTTP/1.1\r\n" HOST "Origin: https://evil.example\r\nConnection: close\r\n\r\n",
     {" 403 "}},
    {"the null origin", "GET /hello HTTP/1.1\r\n" HOST "Origin: null\r\nConnection: close\r\n\r\n", {" 403 "}},
    {"a local page",
     "GET /hello HTTP/1.1\r\n" HOST "Origin: http://localhost:3000\r\nConnection: close\r\n\r\n",
     {" 200 ", "access-control-allow-origin: http://localhost:3000\r\n", "vary: origin"}},
    {"a rebound name", "GET /hello HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", {" 403 "}},
    {"preflight",
     "OPTIONS /echo HTTP/1.1\r\n" HOST "Origin: http://127.0.0.1:1\r\nAccess-Control-Request-Method: "
     "POST\r\nAccess-Control-Request-Headers: x-a\r\nAccess-Control-Request-Private-Network: true\r\nConnection: "
     "close\r\n\r\n",
     {" 204 ", "access-control-allow-methods: POST, OPTIONS", "access-control-allow-headers: x-a",
      "access-control-allow-private-network: true"}},
    {"headers that would split the answer",
     "GET /headers HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",
     {"x-good: fine\r\n"}},
    {"no upgrade", "GET /socket HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", {" 426 ", "upgrade: websocket"}},
};

static void dialogues_go_as_expected(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof dialogues / sizeof dialogues[0]; i++) {
        char out[8192];
        ask(&fixture, dialogues[i].request, out, sizeof out);
        for (size_t j = 0; j < 6 && dialogues[i].expected[j]; j++)
            if (!strstr(out, dialogues[i].expected[j]))
                test_fail("%s: no '%s' in\n%s", dialogues[i].what, dialogues[i].expected[j], out);
        if (strstr(out, "evil")) test_fail("%s: a header slipped through:\n%s", dialogues[i].what, out);
    }
}

static void head_has_no_body(void **state) {
    (void)state;
    char out[2048];
    ask(&fixture, "HEAD /hello HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", out, sizeof out);
    assert_non_null(strstr(out, "content-length: 6\r\n"));
    assert_string_equal(strstr(out, "\r\n\r\n"), "\r\n\r\n");
}

static void json_nests_64_levels(void **state) {
    (void)state;
    for (int depth = 64; depth <= 65; depth++) {
        char request[400], out[2048], body[140] = "";
        for (int i = 0; i < depth; i++) strcat(body, "[");
        for (int i = 0; i < depth; i++) strcat(body, "]");
        snprintf(request, sizeof request,
                 "POST /work HTTP/1.1\r\n" HOST "Connection: close\r\nContent-Length: %zu\r\n\r\n%s", strlen(body),
                 body);
        assert_int_equal(ask(&fixture, request, out, sizeof out), depth == 64 ? 200 : 400);
    }
}

/* A thousand requests in one go come back in order, one by one. */
static void pipelining(void **state) {
    (void)state;
    enum { N = 1000 };
    char *out = malloc(1 << 20);
    struct {
        char text[80];
    } *requests = malloc(N * sizeof *requests);
    int fd = dial(&fixture);
    for (int i = 0; i < N; i++)
        snprintf(requests[i].text, sizeof requests[i].text, "GET /things/n%d HTTP/1.1\r\n" HOST "%s\r\n", i,
                 i == N - 1 ? "Connection: close\r\n" : "");
    for (int i = 0; i < N; i += 100) {
        char batch[8000] = "";
        for (int j = 0; j < 100; j++) strcat(batch, requests[i + j].text);
        say_text(fd, batch);
    }
    hear(fd, out, 1 << 20, NULL, 5000, NULL);
    close(fd);
    const char *at = out;
    for (int i = 0; i < N; i++) {
        char expected[40];
        snprintf(expected, sizeof expected, "\"id\":\"n%d\"", i);
        at = strstr(at, expected);
        if (!at) test_fail("answer %d is missing or out of order", i);
    }
    free(requests);
    free(out);
}

/* Byte by byte is the same as at once. */
static void split_anywhere(void **state) {
    (void)state;
    static const char request[] = "POST /bytes HTTP/1.1\r\n" HOST
                                  "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    char out[2048];
    int fd = dial(&fixture);
    for (size_t i = 0; i < sizeof request - 1; i++) {
        say_bytes(fd, request + i, 1);
        usleep(200);
    }
    hear(fd, out, sizeof out, NULL, 2000, NULL);
    close(fd);
    assert_non_null(strstr(out, "hello"));
}

static void expectation(void **state) {
    (void)state;
    char out[2048];
    int fd = dial(&fixture);
    say_text(fd,
             "POST /bytes HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 5\r\nConnection: close\r\n\r\n");
    hear(fd, out, sizeof out, "\r\n\r\n", 2000, NULL);
    assert_string_equal(out, "HTTP/1.1 100 Continue\r\n\r\n");
    say_text(fd, "hello");
    hear(fd, out, sizeof out, NULL, 2000, NULL);
    close(fd);
    assert_non_null(strstr(out, " 200 "));
    /* what is refused isn't asked for */
    assert_int_equal(ask(&fixture,
                         "POST /bytes HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n",
                         out, sizeof out),
                     413);
    assert_null(strstr(out, "100 Continue"));
}

/* A refused body that has come already doesn't cost the client its answer. */
static void refused_bodies(void **state) {
    (void)state;
    char out[4096], *body = calloc(1, 3 << 20);
    bool closed;
    int fd = dial(&fixture), status = 0;
    say_text(fd, "POST /bytes HTTP/1.1\r\n" HOST "Content-Length: 3145728\r\n\r\n");
    say_bytes(fd, body, 3 << 20);
    hear(fd, out, sizeof out, NULL, 2000, &closed);
    sscanf(out, "HTTP/1.1 %d", &status);
    assert_int_equal(status, 413);
    assert_true(closed);
    close(fd);
    /* chunked: noticed on the way */
    fd = dial(&fixture);
    say_text(fd, "POST /bytes HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n300000\r\n");
    say_bytes(fd, body, 3 << 20);
    hear(fd, out, sizeof out, NULL, 2000, &closed);
    assert_non_null(strstr(out, " 413 "));
    close(fd);
    /* a small one is read, and the connection goes on */
    fd = dial(&fixture);
    say_text(fd, "POST /nothing HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhelloGET /hello HTTP/1.1\r\n" HOST
                 "Connection: close\r\n\r\n");
    hear(fd, out, sizeof out, NULL, 2000, NULL);
    assert_non_null(strstr(out, " 404 "));
    assert_non_null(strstr(out, " 200 "));
    close(fd);
    free(body);
}

static void streamed_body(void **state) {
    (void)state;
    char out[2048], *body = calloc(1, 5 << 20);
    int fd = dial(&fixture);
    say_text(fd, "POST /upload HTTP/1.1\r\n" HOST "Content-Length: 5242880\r\nConnection: close\r\n\r\n");
    say_bytes(fd, body, 5 << 20);
    hear(fd, out, sizeof out, NULL, 60000, NULL); /* a thread for each piece: long, where the processors are busy */
    assert_non_null(strstr(out, "\r\n\r\n5242880"));
    close(fd);
    free(body);
}

/* The whole of a long stream, with chunked framing undone. */
static void long_stream(void **state) {
    (void)state;
    enum { BYTES = 20 << 20 };
    char *out = malloc(BYTES + (1 << 20));
    int fd = dial(&fixture);
    say_text(fd, "GET /stream?bytes=20971520 HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    size_t n = hear(fd, out, BYTES + (1 << 20), NULL, 5000, NULL);
    close(fd);
    const char *at = strstr(out, "\r\n\r\n") + 4;
    size_t total = 0;
    for (;;) {
        char *after;
        size_t chunk = strtoul(at, &after, 16);
        assert_true(after[0] == '\r' && after[1] == '\n');
        if (!chunk) break;
        total += chunk;
        at = after + 2 + chunk + 2;
        assert_true((size_t)(at - out) < n);
    }
    assert_int_equal(total, BYTES);
    free(out);
}

int main(void) {
    fixture_start(&fixture, (struct server_options){0});
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attacks_get_one_answer),
        cmocka_unit_test(nul_in_a_header),
        cmocka_unit_test(sizes_are_bounded),
        cmocka_unit_test(extension_floods_end),
        cmocka_unit_test(dialogues_go_as_expected),
        cmocka_unit_test(head_has_no_body),
        cmocka_unit_test(json_nests_64_levels),
        cmocka_unit_test(pipelining),
        cmocka_unit_test(split_anywhere),
        cmocka_unit_test(expectation),
        cmocka_unit_test(refused_bodies),
        cmocka_unit_test(streamed_body),
        cmocka_unit_test(long_stream),
    };
    int failed = cmocka_run_group_tests_name("http1", tests, NULL, NULL);
    fixture_stop(&fixture);
    return failed;
}
