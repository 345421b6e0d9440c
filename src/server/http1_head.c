#include "server/http1_head.h"

#include <string.h>
#include <strings.h>

static const struct http1_problem NO_PROBLEM = {0, NULL};

static struct http1_problem problem_of(int status, const char *what) {
    return (struct http1_problem){status, what};
}

/* ---- characters ---- */

static bool is_token_char(unsigned char c) {
    if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')) return true;
    return c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

bool http_is_token(const char *text, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!is_token_char((unsigned char)text[i])) return false;
    return n > 0;
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

bool http_is_field_value(const char *text, size_t n) {
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if ((c < ' ' && c != '\t') || c == 0x7f) return false;
    }
    return n == 0 || (!is_blank(text[0]) && !is_blank(text[n - 1]));
}

/* ---- finding the end ---- */

size_t http1_head_length(const char *bytes, size_t size, size_t *scanned, struct http1_problem *problem) {
    *problem = NO_PROBLEM;
    size_t at = *scanned;
    const char *lf;
    while (at < size && (lf = memchr(bytes + at, '\n', size - at))) {
        size_t end = (size_t)(lf - bytes) + 1;
        if (end < 2 || bytes[end - 2] != '\r') {
            *problem = problem_of(400, "a line ends with a bare LF");
            return 0;
        }
        if (end >= 4 && bytes[end - 4] == '\r' && bytes[end - 3] == '\n') {
            if (end > HTTP1_MAX_HEAD_BYTES) *problem = problem_of(431, "the request's headers exceed 64 KiB");
            return end;
        }
        at = end;
    }
    *scanned = at;
    if (size > HTTP1_MAX_HEAD_BYTES) {
        *problem = problem_of(431, "the request's headers exceed 64 KiB");
    } else if (size - at > HTTP1_MAX_LINE_BYTES) {
        *problem =
            at == 0 ? problem_of(414, "the request line exceeds 8 KiB") : problem_of(431, "a header exceeds 8 KiB");
    }
    return 0;
}

/* ---- the request line ---- */

/* Cuts the next line off: NUL-terminated without its CRLF, which http1_head_length has seen to be there. */
static char *next_line(char **at, size_t *n) {
    char *line = *at,
         *end = strchr(line, '\n'); /* a NUL before the LF is caught by the callers' checks of characters */
    if (!end) return NULL;
    *n = (size_t)(end - line) - 1;
    line[*n] = 0;
    *at = end + 1;
    return line;
}

static bool is_target(const char *text) {
    for (const char *c = text; *c; c++)
        if (*c <= ' ' || *c >= 0x7f || *c == '#' || *c == '\\') return false; /* char may be signed: non-ASCII too */
    return *text != 0;
}

static struct http1_problem parse_request_line(char *line, size_t n, struct http1_head *head) {
    if (n > HTTP1_MAX_LINE_BYTES) return problem_of(414, "the request line exceeds 8 KiB");
    if (strlen(line) != n) return problem_of(400, "the request line has a NUL");
    char *target = memchr(line, ' ', n);
    if (!target) return problem_of(400, "the request line isn't METHOD TARGET HTTP/1.1");
    *target++ = 0;
    char *version = strchr(target, ' ');
    if (!version) return problem_of(400, "the request line has no HTTP version");
    *version++ = 0;
    if (!http_is_token(line, strlen(line))) return problem_of(400, "the method isn't a token");
    if (!is_target(target)) return problem_of(400, "the request target has characters that must be percent-encoded");
    if (strncmp(version, "HTTP/", 5) != 0 || strlen(version) != 8 || version[6] != '.')
        return problem_of(400, "the request line doesn't end with an HTTP version");
    if (version[5] != '1' || (version[7] != '0' && version[7] != '1'))
        return problem_of(505, "this connection speaks HTTP/1.0 and HTTP/1.1");
    head->method = line;
    head->target = target;
    head->minor = version[7] - '0';
    return NO_PROBLEM;
}

/* ---- headers ---- */

static struct http1_problem parse_header(char *line, size_t n, struct http1_head *head) {
    if (n > HTTP1_MAX_LINE_BYTES) return problem_of(431, "a header exceeds 8 KiB");
    if (is_blank(line[0])) return problem_of(400, "a header is folded over two lines");
    char *colon = memchr(line, ':', n);
    if (!colon) return problem_of(400, "a header has no colon");
    if (!http_is_token(line, (size_t)(colon - line))) return problem_of(400, "a header's name isn't a token");
    char *value = colon + 1, *end = line + n;
    while (value < end && is_blank(*value)) value++;
    while (end > value && is_blank(end[-1])) end--;
    if (!http_is_field_value(value, (size_t)(end - value))) return problem_of(400, "a header has a control character");
    if (head->n_headers == HTTP_MAX_HEADERS) return problem_of(431, "the request has more than 100 headers");
    *colon = 0;
    *end = 0;
    for (char *c = line; *c; c++)
        if (*c >= 'A' && *c <= 'Z') *c += 'a' - 'A';
    head->headers[head->n_headers++] = (struct header){line, value};
    return NO_PROBLEM;
}

/* ---- what the headers say about the message ---- */

static struct http1_problem parse_length(const char *text, struct http1_head *head) {
    if (head->has_length) return problem_of(400, "Content-Length is given twice");
    size_t n = strlen(text);
    if (n == 0 || n > 18 || strspn(text, "0123456789") != n)
        return problem_of(400, "Content-Length must be a number of at most 18 digits");
    for (const char *c = text; *c; c++) head->length = head->length * 10 + (uint64_t)(*c - '0');
    head->has_length = true;
    return NO_PROBLEM;
}

static struct http1_problem parse_transfer_encoding(const char *text, struct http1_head *head) {
    if (head->minor == 0) return problem_of(400, "HTTP/1.0 has no Transfer-Encoding");
    if (head->chunked) return problem_of(400, "Transfer-Encoding is given twice");
    if (strcasecmp(text, "chunked") != 0) return problem_of(501, "the only Transfer-Encoding is chunked");
    head->chunked = true;
    return NO_PROBLEM;
}

bool http_list_has(const char *list, const char *word) {
    size_t n = strlen(word);
    for (const char *at = list; *at;) {
        at += strspn(at, " \t,");
        size_t length = strcspn(at, ",");
        size_t trimmed = length;
        while (trimmed && is_blank(at[trimmed - 1])) trimmed--;
        if (trimmed == n && strncasecmp(at, word, n) == 0) return true;
        at += length;
    }
    return false;
}

static struct http1_problem interpret(struct http1_head *head) {
    struct http1_problem problem = NO_PROBLEM;
    size_t n_hosts = 0;
    head->keep_alive = head->minor == 1;
    for (size_t i = 0; i < head->n_headers && !problem.status; i++) {
        const char *name = head->headers[i].name, *value = head->headers[i].value;
        if (strcmp(name, "content-length") == 0) {
            problem = parse_length(value, head);
        } else if (strcmp(name, "transfer-encoding") == 0) {
            problem = parse_transfer_encoding(value, head);
        } else if (strcmp(name, "host") == 0) {
            n_hosts++;
        } else if (strcmp(name, "connection") == 0) {
            if (http_list_has(value, "close"))
                head->keep_alive = false;
            else if (head->minor == 0 && http_list_has(value, "keep-alive"))
                head->keep_alive = true;
        } else if (strcmp(name, "expect") == 0 && head->minor == 1) {
            if (strcasecmp(value, "100-continue") != 0)
                problem = problem_of(417, "the only expectation is 100-continue");
            head->expects_continue = true;
        }
    }
    if (problem.status) return problem;
    if (head->chunked && head->has_length)
        return problem_of(400, "a request has either Content-Length or Transfer-Encoding, not both");
    if (n_hosts > 1 || (n_hosts == 0 && head->minor == 1))
        return problem_of(400, "a request has exactly one Host header");
    return NO_PROBLEM;
}

struct http1_problem http1_head_parse(char *bytes, size_t size, struct http1_head *head) {
    head->n_headers = 0;
    head->chunked = head->has_length = head->expects_continue = false;
    head->length = 0;
    char *at = bytes, *end = bytes + size;
    size_t n;
    char *line = next_line(&at, &n);
    if (!line) return problem_of(400, "the request line has a NUL");
    struct http1_problem problem = parse_request_line(line, n, head);
    while (!problem.status && at < end - 2) {
        line = next_line(&at, &n);
        problem = line ? parse_header(line, n, head) : problem_of(400, "a header has a control character");
    }
    return problem.status ? problem : interpret(head);
}
