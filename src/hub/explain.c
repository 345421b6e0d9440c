/* What a failed request means to a person, and what to do about it. */
#include <string.h>

#include "hub/hub.h"

static bn_status problem(struct hub *hub, enum hub_problem problem) {
    hub->problem = problem;
    return BN_OK;
}

/* No answer, or none that could be used. `detail` is what net said. */
static bn_status explain_transport(struct hub *hub, enum http_failure failure, bn_status status, bn_error *err) {
    char detail[300];
    snprintf(detail, sizeof detail, "%.290s", err ? err->message : "");
    switch (failure) {
    case HTTP_NO_NETWORK:
        problem(hub, HUB_NO_NETWORK);
        return fail(err, status,
                    "%s. Check the network (proxies: $https_proxy, $no_proxy); what is in the cache works without",
                    detail);
    case HTTP_TIMED_OUT:
        problem(hub, HUB_TIMEOUT);
        return fail(err, status, "%s. Try again: a download continues where it stopped", detail);
    case HTTP_BAD_CERTIFICATE:
        problem(hub, HUB_BAD_CERTIFICATE);
        return fail(err, status,
                    "%s. Nothing was sent. If a proxy of yours reads the traffic, name its authority's file in "
                    "$SSL_CERT_FILE; else don't trust this network",
                    detail);
    case HTTP_CANCELLED:
        problem(hub, HUB_INTERRUPTED);
        return status;
    case HTTP_SINK_FAILED:
        if (hub->problem == HUB_NO_PROBLEM) problem(hub, HUB_OTHER); /* the sink may have said it better */
        return status;
    default:
        problem(hub, HUB_BAD_ANSWER);
        return fail(err, BN_STATUS_BAD_FILE, "%s. Is %s a hub (HF_ENDPOINT)?", detail, hub->authority);
    }
}

/* What one without a token has to do. */
static const char *log_in(const struct hub *hub) {
    return hub->token_place == TOKEN_LOCKED ? "unlock the desktop's keyring, which has your token"
                                            : "'bitnet auth login'";
}

static const char *hint_for_missing(const struct hub *hub) {
    return hub->token                         ? "your token may not see it: 'bitnet auth whoami' tells whose it is"
           : hub->token_place == TOKEN_LOCKED ? "if it is private, unlock the desktop's keyring, which has your token"
                                              : "if it is private, log in with 'bitnet auth login'";
}

static bn_status explain_gated(struct hub *hub, const char *what, bn_error *err) {
    problem(hub, HUB_GATED);
    return fail(err, BN_STATUS_IO, "'%s' is gated: accept its terms at %s/%s in a browser, then %s%s", what,
                hub->endpoint, what, hub->token ? "" : log_in(hub),
                hub->token ? "try again (some owners look at each request first)" : " and try again");
}

static bn_status explain_not_found(struct hub *hub, const char *what, const char *revision, const char *file,
                                   const char *code, bn_error *err) {
    if (strcmp(code, "RevisionNotFound") == 0 && revision) {
        problem(hub, HUB_REVISION_NOT_FOUND);
        return fail(err, BN_STATUS_NOT_FOUND, "'%s' has no revision '%s': give a branch, a tag or a commit of it", what,
                    revision);
    }
    if (strcmp(code, "EntryNotFound") == 0 || file) {
        problem(hub, HUB_FILE_NOT_FOUND);
        return fail(err, BN_STATUS_NOT_FOUND, "'%s' has no file '%s'", what, file ? file : "of that name");
    }
    problem(hub, HUB_REPO_NOT_FOUND);
    return fail(err, BN_STATUS_NOT_FOUND, "there is no '%s' on %s. Check the name ('bitnet model search'); %s", what,
                hub->authority, hint_for_missing(hub));
}

static bn_status explain_unauthorized(struct hub *hub, const char *what, const char *code, const char *said,
                                      bn_error *err) {
    if (strcmp(code, "GatedRepo") == 0) return explain_gated(hub, what, err);
    bool refused = hub->token && (strstr(said, "Invalid") || strstr(said, "expired") || !*code);
    if (strcmp(code, "RepoNotFound") == 0 && !strstr(said, "Invalid"))
        return explain_not_found(hub, what, NULL, NULL, code, err);
    problem(hub, HUB_UNAUTHORIZED);
    if (refused)
        return fail(err, BN_STATUS_IO, "%s refused the token (expired or revoked?): 'bitnet auth login' with a new one",
                    hub->authority);
    return fail(err, BN_STATUS_IO, "%s wants to know who you are before it tells about '%s': %s%s", hub->authority,
                what, log_in(hub), hub->token_place == TOKEN_LOCKED ? " and try again" : "");
}

static bn_status explain_forbidden(struct hub *hub, const char *what, const char *code, const char *said,
                                   bn_error *err) {
    if (strcmp(code, "GatedRepo") == 0) return explain_gated(hub, what, err);
    if (strstr(said, "is disabled")) {
        problem(hub, HUB_DISABLED);
        return fail(err, BN_STATUS_IO, "'%s' was disabled by %s: it can't be had any more", what, hub->authority);
    }
    problem(hub, HUB_FORBIDDEN);
    return fail(
        err, BN_STATUS_IO, "%s forbids this for '%s'%s%.200s: %s", hub->authority, what, *said ? ": " : "", said,
        hub->token ? "the token lacks the permission; make one that has it in the settings there" : log_in(hub));
}

static bn_status explain_rate_limit(struct hub *hub, const struct http_response *response, bn_error *err) {
    problem(hub, HUB_RATE_LIMITED);
    char when[64] = "in a few minutes";
    if (response->retry_after_s) snprintf(when, sizeof when, "in %d s", response->retry_after_s);
    return fail(err, BN_STATUS_BUSY, "%s limits how much is asked of it: try again %s%s", hub->authority, when,
                hub->token ? "" : " (with a token the limit is higher: 'bitnet auth login')");
}

bn_status hub_explain(struct hub *hub, const char *what, const char *revision, const char *file,
                      const struct http_response *response, bn_status status, bn_error *err) {
    if (response->failure != HTTP_BAD_STATUS) return explain_transport(hub, response->failure, status, err);
    const char *code = http_field(response, "X-Error-Code"), *said = http_field(response, "X-Error-Message");
    if (!code) code = "";
    if (!said) said = "";
    switch (response->status) {
    case 401:
        return explain_unauthorized(hub, what, code, said, err);
    case 403:
        return explain_forbidden(hub, what, code, said, err);
    case 404:
    case 410:
        return explain_not_found(hub, what, revision, file, code, err);
    case 429:
        return explain_rate_limit(hub, response, err);
    default:
        problem(hub, response->status >= 500 ? HUB_SERVER_ERROR : HUB_BAD_ANSWER);
        if (response->status >= 500)
            return fail(err, BN_STATUS_BUSY, "%s has trouble (status %d) and had it again on every retry: try later",
                        hub->authority, response->status);
        return fail(err, BN_STATUS_BAD_FILE, "%s answered with status %d%s%.200s", hub->authority, response->status,
                    *said ? ": " : "", said);
    }
}
