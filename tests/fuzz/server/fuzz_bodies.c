/* Any bytes as the body of a request to the real routes, which answer with the demo model: the first byte chooses the route.
 * Each gets one whole answer; refusals say why in one line, and none of them is the server's own fault (500). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/api.h"
#include "server/connection.h"
#include "server/server_core.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Those that use models. Routes that change which there are would write files and ask hubs. */
static const char *const paths[] = {
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/tokenize",
    "/detokenize",
    "/apply-template",
    "/v1/responses",
    "/completion",
    "/infill",
    "/v1/messages",
    "/api/chat",
    "/api/generate",
    "/api/embed",
    "/api/embeddings",
    "/v1/responses/input_tokens",
    "/api/show",
    "/v1/messages/count_tokens",
};
enum { N_PATHS = sizeof paths / sizeof paths[0], MAX_ANSWER = 4 << 20 };

static char home[] = "/tmp/bitnet-fuzz-XXXXXX"; /* nothing of this machine's user */

static void remove_home(void) {
    rmdir(home);
}

static struct server *make_server(void) {
    static struct api api;
    struct models *models;
    struct router *router;
    struct metrics *metrics;
    struct server *server;
    bn_error err;
    if (!mkdtemp(home) || setenv("BITNET_HOME", home, 1) || setenv("HF_HUB_OFFLINE", "1", 1)) abort();
    atexit(remove_home);
    /* a context in which answers are short */
    const struct models_options options = {
        .model = {.size = sizeof(bn_model_options)},
        .engine = {.size = sizeof(bn_engine_options), .n_threads = 1, .context_length = 96, .max_sequences = 4},
        .grammar_bytes = 1 << 20,
        .known_only = true};
    if (models_create(&options, &models, &err) ||
        models_set(models, "demo", TEST_DATA "/../../assets/demo/demo.gguf", NULL, &err) ||
        api_open(&api, models, &(struct api_options){.cache_bytes = 1 << 20}, &err) || router_create(&router, &err) ||
        api_add_routes(&api, router, &err) || metrics_create(&metrics, &err) ||
        server_create(&(struct server_options){.no_access_log = true, .n_workers = 1, .request_timeout_ms = 2000},
                      router, metrics, &server, &err))
        abort();
    return server;
}

/* Says it all, and hears the answer out. HTTP/1.0, so that it comes without chunks. */
static size_t converse(struct server *server, const char *path, const uint8_t *body, size_t size, char *answer) {
    int fds[2];
    char head[256];
    int n =
        snprintf(head, sizeof head, "POST %s HTTP/1.0\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n", path, size);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds)) abort();
    connection_open(server, fds[1], "fuzz");
    if (write(fds[0], head, (size_t)n) != n || write(fds[0], body, size) != (ssize_t)size) abort();
    size_t heard = 0;
    while (server->connections || server->exchanges) {
        event_base_loop(server->loop.base, EVLOOP_ONCE);
        for (ssize_t got; (got = read(fds[0], answer + heard, MAX_ANSWER - heard)) > 0;) heard += (size_t)got;
    }
    close(fds[0]);
    answer[heard] = 0;
    return heard;
}

static void check_answer(const char *answer, size_t size) {
    int status = 0;
    const char *body = strstr(answer, "\r\n\r\n");
    if (sscanf(answer, "HTTP/1.1 %d ", &status) != 1 || !body) abort();
    body += 4;
    if (status == 200 || size == MAX_ANSWER) return;
    json_t *refusal = json_loads(body, 0, NULL), *error = json_object_get(refusal, "error");
    const char *message = json_string_value(json_is_object(error) ? json_object_get(error, "message") : error);
    if (status < 400 || status == 500 || !message || !*message || strchr(message, '\n')) {
        fprintf(stderr, "%s\n", answer);
        abort();
    }
    json_decref(refusal);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static struct server *server;
    static char *answer;
    if (!server) {
        server = make_server();
        answer = malloc(MAX_ANSWER + 1);
    }
    if (size < 1 || size > 50000) return 0;
    check_answer(answer, converse(server, paths[bytes[0] % N_PATHS], bytes + 1, size - 1, answer));
    return 0;
}
