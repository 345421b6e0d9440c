#include "hub/repo.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Hub names: letters, digits, '-', '_', '.', not at an end, no "--" or ".." (the cache folders are separated by "--"). */
static bool is_part(const char *text, size_t n) {
    if (n == 0 || n > 96 || text[0] == '-' || text[0] == '.' || text[n - 1] == '-' || text[n - 1] == '.') return false;
    for (size_t i = 0; i < n; i++) {
        if (!isalnum((unsigned char)text[i]) && !strchr("-_.", text[i])) return false;
        if (i && (text[i] == '-' || text[i] == '.') && text[i] == text[i - 1]) return false;
    }
    return true;
}

static bool is_id(const char *id, bool owner_needed) {
    const char *slash = strchr(id, '/');
    if (!slash) return !owner_needed && is_part(id, strlen(id));
    return is_part(id, (size_t)(slash - id)) && is_part(slash + 1, strlen(slash + 1));
}

bool hub_repo_is_name(const char *text) {
    struct hub_repo repo;
    return !hub_repo_parse(text, &repo, NULL) && is_id(repo.id, true);
}

/* git's rules for names, as far as a path and a URL are concerned */
static bool is_revision(const char *text) {
    if (!*text || *text == '/' || *text == '-' || strstr(text, "..") || strstr(text, "//")) return false;
    for (const char *at = text; *at; at++)
        if ((unsigned char)*at <= ' ' || *at == 0x7f || strchr("\\~^:?*[", *at)) return false;
    size_t n = strlen(text);
    return text[n - 1] != '/' && text[n - 1] != '.' && !(n > 5 && strcmp(text + n - 5, ".lock") == 0);
}

static bool copy_part(char *out, const char *from, size_t n) {
    if (n >= HUB_NAME_BYTES) return false;
    memcpy(out, from, n);
    out[n] = 0;
    return true;
}

bn_status hub_repo_parse(const char *text, struct hub_repo *out, bn_error *err) {
    *out = (struct hub_repo){.revision = "main"};
    size_t id_bytes = strcspn(text, "@:");
    const char *at = text + id_bytes;
    bool fits = copy_part(out->id, text, id_bytes);
    if (fits && *at == '@') {
        size_t n = strcspn(at + 1, ":");
        fits = copy_part(out->revision, at + 1, n);
        at += 1 + n;
    }
    if (fits && *at == ':') fits = copy_part(out->file, at + 1, strlen(at + 1)) && out->file[0];
    if (!fits || !is_id(out->id, false))
        return fail(err, BN_STATUS_BAD_ARGUMENT,
                    "'%s' is not a repository's name: OWNER/NAME, OWNER/NAME@REVISION or OWNER/NAME:FILE", text);
    if (!is_revision(out->revision))
        return fail(err, BN_STATUS_BAD_ARGUMENT, "'%s' can't be a revision: give a branch, a tag or a commit",
                    out->revision);
    return out->file[0] ? hub_check_path(out->file, err) : BN_OK;
}

bn_status hub_check_path(const char *path, bn_error *err) {
    const char *wrong = !*path || *path == '/' ? "must be relative" : strlen(path) > 1024 ? "is too long" : NULL;
    for (const char *part = path; !wrong && *part;) {
        size_t n = strcspn(part, "/");
        if (n == 0 || n > 255) wrong = n ? "has a part that is too long" : "has an empty part";
        if ((n == 1 && part[0] == '.') || (n == 2 && memcmp(part, "..", 2) == 0)) wrong = "leads out of its folder";
        part += n;
        if (*part == '/' && !*++part) wrong = "has an empty part";
    }
    for (const char *at = path; !wrong && *at; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f || *at == '\\') wrong = "has characters that are refused in names";
    return wrong ? fail(err, BN_STATUS_BAD_FILE, "the file name '%.100s' %s", path, wrong) : BN_OK;
}

static bool is_hex(const char *text, size_t n) {
    return strlen(text) == n && strspn(text, "0123456789abcdef") == n;
}

bool hub_is_commit(const char *text) {
    return is_hex(text, 40);
}
bool hub_is_digest(const char *text) {
    return is_hex(text, 40) || is_hex(text, 64);
}
