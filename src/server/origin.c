#include "server/origin.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Length of the name in "name:port" or "[address]:port". */
static size_t name_length(const char *host) {
    if (*host == '[') {
        const char *end = strchr(host, ']');
        return end ? (size_t)(end - host) + 1 : strlen(host);
    }
    return strcspn(host, ":");
}

bool host_is_valid(const char *host) {
    size_t n = name_length(host);
    if (n == 0 || n > 255) return false;
    if (*host == '[') {
        if (host[n - 1] != ']' || strspn(host + 1, "0123456789abcdefABCDEF:.") != n - 2) return false;
    } else if (strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~%!$&'()*+,;=") < n) {
        return false;
    }
    if (!host[n]) return true;
    size_t digits = strspn(host + n + 1, "0123456789");
    return host[n] == ':' && digits <= 5 && !host[n + 1 + digits];
}

bool host_is_local(const char *host) {
    char name[256];
    size_t n = name_length(host);
    if (n == 0 || n >= sizeof name) return false;
    memcpy(name, host, n);
    name[n] = 0;
    if (name[n - 1] == '.') name[--n] = 0;
    if (*name == '[') return true; /* an address can't be rebound */
    struct in_addr address;
    if (inet_pton(AF_INET, name, &address) == 1) return true;
    return strcasecmp(name, "localhost") == 0 || (n > 10 && strcasecmp(name + n - 10, ".localhost") == 0);
}

static bool is_loopback_origin(const char *origin) {
    const char *scheme = strstr(origin, "://");
    if (!scheme) return false;
    const char *host = scheme + 3;
    size_t n = name_length(host);
    return host_is_local(host) &&
           ((n == 9 && strncasecmp(host, "localhost", 9) == 0) || strncmp(host, "127.", 4) == 0 ||
            strncmp(host, "[::1]", 5) == 0 || (n > 10 && strncasecmp(host + n - 10, ".localhost", 10) == 0));
}

/* A star stands for anything but a slash; what is around it must be equal, the port too. */
static bool matches(const char *pattern, const char *origin) {
    const char *star = strchr(pattern, '*');
    if (!star) return strcasecmp(pattern, origin) == 0;
    size_t before = (size_t)(star - pattern), after = strlen(star + 1), n = strlen(origin);
    return n > before + after && strncasecmp(origin, pattern, before) == 0 &&
           strcasecmp(origin + n - after, star + 1) == 0 && !memchr(origin + before, '/', n - before - after);
}

static bool is_same_origin(const char *origin, const char *host) {
    const char *scheme = strstr(origin, "://");
    return scheme && host && strcasecmp(scheme + 3, host) == 0;
}

bool origins_allow(const struct origins *origins, const char *origin, const char *host, const char **allow) {
    *allow = NULL;
    if (!origin) return true;
    bool allowed = !origins->n && is_loopback_origin(origin);
    for (size_t i = 0; i < origins->n && !allowed; i++) {
        if (strcmp(origins->allowed[i], "*") == 0) {
            *allow = "*";
            return true;
        }
        allowed = matches(origins->allowed[i], origin);
    }
    if (allowed) *allow = origin;
    return allowed || is_same_origin(origin, host);
}
