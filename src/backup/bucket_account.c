#include "backup/bucket_account.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/file.h"
#include "base/memory.h"

enum { FILE_MAX_BYTES = 1 << 20 };

static void wipe(char *text) {
    if (text) sodium_memzero(text, strlen(text));
    mem_free(text);
}

void bucket_account_release(struct bucket_account *account) {
    mem_free(account->endpoint);
    mem_free(account->region);
    wipe(account->key_id);
    wipe(account->secret);
    wipe(account->session_token);
    *account = (struct bucket_account){0};
}

static const char *variable(const char *name) {
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

/* ---- the files: [section], key = value ---- */

/* The part of a line without white space around it. */
struct word {
    const char *text;
    size_t size;
};

static struct word trimmed(const char *from, const char *end) {
    while (from < end && strchr(" \t\r", *from)) from++;
    while (end > from && strchr(" \t\r", end[-1])) end--;
    return (struct word){from, (size_t)(end - from)};
}

static bool is_word(struct word word, const char *text) {
    return strlen(text) == word.size && memcmp(word.text, text, word.size) == 0;
}

/* "[name]" or, as ~/.aws/config has it, "[profile name]" */
static bool is_section(struct word line, const char *profile) {
    if (line.size < 2 || line.text[line.size - 1] != ']') return false;
    struct word name = trimmed(line.text + 1, line.text + line.size - 1);
    if (name.size > 8 && memcmp(name.text, "profile ", 8) == 0) name = trimmed(name.text + 8, name.text + name.size);
    return is_word(name, profile);
}

/* The value of a key in a section, newly allocated, into *out unless that is set already. */
static bn_status take(const char *text, const char *profile, const char *key, char **out, bn_error *err) {
    bool inside = false;
    for (const char *line = text, *end; *line && !*out; line = end + (*end == '\n')) {
        end = line + strcspn(line, "\n");
        struct word words = trimmed(line, end);
        if (words.size && words.text[0] == '[') inside = is_section(words, profile);
        const char *equals = memchr(line, '=', (size_t)(end - line));
        if (!inside || !equals || *line == ' ' || *line == '\t' || !is_word(trimmed(line, equals), key)) continue;
        struct word value = trimmed(equals + 1, end);
        *out = mem_strndup(value.text, value.size);
        if (!*out) return fail_no_memory(err, value.size);
    }
    return BN_OK;
}

/* What the file at $variable, else ~/.aws/NAME, has of the profile. */
static bn_status read_file(const char *variable_name, const char *name, const char *profile,
                           struct bucket_account *account, bool keys, bn_error *err) {
    const char *given = variable(variable_name), *home = variable("HOME");
    char *path = given ? mem_strdup(given) : home ? path_join(home, name) : NULL, *text = NULL;
    size_t size = 0;
    bn_status status = path && file_exists(path) ? file_read_all(path, FILE_MAX_BYTES, &text, &size, err) : BN_OK;
    if (!status && text && keys) {
        status = take(text, profile, "aws_access_key_id", &account->key_id, err);
        if (!status) status = take(text, profile, "aws_secret_access_key", &account->secret, err);
        if (!status) status = take(text, profile, "aws_session_token", &account->session_token, err);
    }
    if (!status && text) status = take(text, profile, "region", &account->region, err);
    if (!status && text) status = take(text, profile, "endpoint_url", &account->endpoint, err);
    wipe(text);
    mem_free(path);
    return status;
}

/* ---- the account ---- */

static bn_status copy(char **out, const char *text, bn_error *err) {
    if (!text || *out) return BN_OK;
    *out = mem_strdup(text);
    return *out ? BN_OK : fail_no_memory(err, strlen(text));
}

static bn_status from_variables(struct bucket_account *account, bool keys, bn_error *err) {
    bn_status status = BN_OK;
    if (keys) {
        status = copy(&account->key_id, variable("AWS_ACCESS_KEY_ID"), err);
        bool mine = account->key_id; /* else all three are another's */
        if (!status && mine) status = copy(&account->secret, variable("AWS_SECRET_ACCESS_KEY"), err);
        if (!status && mine) status = copy(&account->session_token, variable("AWS_SESSION_TOKEN"), err);
    }
    if (!status) status = copy(&account->endpoint, variable("AWS_ENDPOINT_URL_S3"), err);
    if (!status) status = copy(&account->endpoint, variable("AWS_ENDPOINT_URL"), err);
    if (!status) status = copy(&account->region, variable("AWS_REGION"), err);
    if (!status) status = copy(&account->region, variable("AWS_DEFAULT_REGION"), err);
    return status;
}

static bn_status check(const struct bucket_account *account, const char *profile, bn_error *err) {
    if (!account->key_id || !account->secret)
        return fail(err, BN_STATUS_BAD_ARGUMENT,
                    "who asks? Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or have them in [%s] of "
                    "~/.aws/credentials (AWS_PROFILE)",
                    profile);
    const char *region = account->region;
    if (strlen(region) > 40 || !*region || region[strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-")])
        return fail(err, BN_STATUS_BAD_ARGUMENT, "'%s' isn't a region, such as eu-central-1", region);
    const char *endpoint = account->endpoint;
    if (endpoint && strncmp(endpoint, "https://", 8) != 0 && strncmp(endpoint, "http://", 7) != 0)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "the endpoint '%s' must begin with https:// or http://", endpoint);
    return BN_OK;
}

bn_status bucket_account_find(const struct bucket_settings *settings, struct bucket_account *out, bn_error *err) {
    *out = (struct bucket_account){0};
    const char *profile = settings->profile ? settings->profile : variable("AWS_PROFILE");
    bool keys_from_variables = !settings->profile; /* who names a profile means its keys */
    if (!profile) profile = "default";
    bn_status status = copy(&out->endpoint, settings->endpoint, err);
    if (!status) status = copy(&out->region, settings->region, err);
    if (!status) status = from_variables(out, keys_from_variables, err);
    bool keys = !out->key_id;
    if (!status) status = read_file("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials", profile, out, keys, err);
    if (!status) status = read_file("AWS_CONFIG_FILE", ".aws/config", profile, out, keys && !out->key_id, err);
    if (!status) status = copy(&out->region, "us-east-1", err);
    return status ? status : check(out, profile, err);
}
