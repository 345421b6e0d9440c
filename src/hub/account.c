#include "hub/account.h"

#include <string.h>

void hub_account_release(struct hub_account *account) {
    json_decref(account->organizations);
    *account = (struct hub_account){0};
}

static void copy_text(char *out, size_t size, const json_t *object, const char *key, const char *otherwise) {
    const char *text = json_string_value(json_object_get(object, key));
    snprintf(out, size, "%s", text ? text : otherwise);
}

static json_t *names_of(const json_t *organizations) {
    json_t *names = json_array(), *entry;
    size_t i;
    json_array_foreach(organizations, i, entry) {
        json_t *name = json_object_get(entry, "name");
        if (json_is_string(name)) json_array_append(names, name);
    }
    return names;
}

bn_status hub_whoami(struct hub *hub, struct hub_account *out, bn_error *err) {
    json_t *answer = NULL;
    *out = (struct hub_account){0};
    const struct hub_call call = {.path = "/api/whoami-v2", .what = "your account"};
    bn_status status = hub_call(hub, &call, &answer, NULL, err);
    if (status) return status;
    const json_t *token = json_object_get(json_object_get(answer, "auth"), "accessToken");
    copy_text(out->name, sizeof out->name, answer, "name", "");
    copy_text(out->token_name, sizeof out->token_name, token, "displayName", out->name);
    copy_text(out->role, sizeof out->role, token, "role", "");
    out->organizations = names_of(json_object_get(answer, "orgs"));
    if (!out->name[0]) {
        hub->problem = HUB_BAD_ANSWER;
        status = fail(err, BN_STATUS_BAD_FILE, "%s doesn't say whose the token is", hub->authority);
        hub_account_release(out);
    }
    json_decref(answer);
    return status;
}
