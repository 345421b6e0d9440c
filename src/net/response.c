/* Reading answers, and URLs. */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "net/transfer.h"

static const char *field_from(const struct http_response *response, size_t from, const char *name) {
    const char *at = response->fields.data + from, *end = response->fields.data + response->fields.size;
    while (at < end) {
        const char *value = at + strlen(at) + 1;
        if (strcasecmp(at, name) == 0) return value;
        at = value + strlen(value) + 1;
    }
    return NULL;
}

const char *http_field(const struct http_response *response, const char *name) {
    return response->fields.size ? field_from(response, response->last_fields, name) : NULL;
}

const char *http_first_field(const struct http_response *response, const char *name) {
    return response->fields.size ? field_from(response, 0, name) : NULL;
}

void http_response_release(struct http_response *response) {
    buffer_release(&response->body);
    buffer_release(&response->fields);
}

/* ---- URLs ---- */

static void append_encoded(struct buffer *url, const char *text, const char *kept) {
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr(kept, c);
        if (plain)
            buffer_append_char(url, (char)c);
        else
            buffer_printf(url, "%%%02X", c);
    }
}

void url_append_path(struct buffer *url, const char *text) {
    append_encoded(url, text, "-._~/");
}
void url_append_query(struct buffer *url, const char *text) {
    append_encoded(url, text, "-._~");
}

/* One part of a URL, "" when it has none. */
static void url_part(const char *url, CURLUPart part, char *out, size_t size) {
    CURLU *parsed = curl_url();
    char *text = NULL;
    out[0] = 0;
    if (parsed && !curl_url_set(parsed, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) &&
        !curl_url_get(parsed, part, &text, part == CURLUPART_PORT ? CURLU_DEFAULT_PORT : 0))
        snprintf(out, size, "%s", text);
    curl_free(text);
    curl_url_cleanup(parsed);
}

bool url_same_origin(const char *a, const char *b) {
    static const CURLUPart parts[] = {CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT};
    char of_a[256], of_b[256];
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        url_part(a, parts[i], of_a, sizeof of_a);
        url_part(b, parts[i], of_b, sizeof of_b);
        if (!of_a[0] || strcasecmp(of_a, of_b) != 0) return false;
    }
    return true;
}

bool url_is_private(const char *url) {
    char scheme[32], host[256];
    url_part(url, CURLUPART_SCHEME, scheme, sizeof scheme);
    url_part(url, CURLUPART_HOST, host, sizeof host);
    if (strcasecmp(scheme, "https") == 0) return true;
    struct in_addr address; /* a name may begin with "127." too */
    bool loopback = inet_pton(AF_INET, host, &address) == 1 && strncmp(host, "127.", 4) == 0;
    return loopback || strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0;
}

void url_host(const char *url, char *out, size_t size) {
    char host[256], port[16], scheme[32];
    url_part(url, CURLUPART_HOST, host, sizeof host);
    url_part(url, CURLUPART_PORT, port, sizeof port);
    url_part(url, CURLUPART_SCHEME, scheme, sizeof scheme);
    const char *usual = strcasecmp(scheme, "https") == 0 ? "443" : "80";
    bool shown = port[0] && strcmp(port, usual) != 0;
    snprintf(out, size, "%s%s%s", host[0] ? host : "the server", shown ? ":" : "", shown ? port : "");
}
