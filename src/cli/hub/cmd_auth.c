/* `bitnet auth …`: tokens for hubs. A token is read from a terminal without echo or from standard input, never from the command line,
 * where other users of the machine could see it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "cli/hub/hub_options.h"
#include "cli/json_output.h"
#include "cli/terminal.h"
#include "hub/account.h"
#include "hub/place.h"
#include "hub/token.h"

struct auth_settings {
    struct hub_options hub;
    const char *name;
    const char *store;
};
#define FIELD(field) offsetof(struct auth_settings, field)

static void set_defaults(void *settings) {
    hub_options_set_defaults(&((struct auth_settings *)settings)->hub);
    ((struct auth_settings *)settings)->store = "auto";
}

static const struct option login_options[] = {
    {"name", 0, OPTION_TEXT, FIELD(name), "NAME", 0, 0, "what to keep the token under (else what the hub calls it)",
     NULL},
    {"token-store", 0, OPTION_CHOICE, FIELD(store), "auto|file|secret-service", 0, 0,
     "where to keep it; auto: the desktop's secret service where there is one that is unlocked, else the file", NULL},
    {0},
};
static const struct option_group login_groups[] = {
    {"Login", login_options, 0}, {"Network", hub_option_table, FIELD(hub)}, {0}};
static const struct option_group network_groups[] = {{"Network", hub_option_table, FIELD(hub)}, {0}};

/* ---- login ---- */

static bn_status ask_token(char **token, bn_error *err) {
    char line[4096];
    if (!terminal_read_secret("Token (from the hub's settings, it isn't shown): ", line, sizeof line))
        return fail(err, BN_STATUS_BAD_ARGUMENT, "no token came on standard input");
    bn_status status = hub_token_clean(line, "standard input", token, err);
    explicit_bzero(line, sizeof line);
    return status;
}

/* Where a login's token went. */
struct login_result {
    struct hub_account account;
    enum token_place place;
    const char *note; /* may be NULL */
};

static enum token_place chosen_store(const struct auth_settings *settings) {
    static const enum token_place stores[] = {TOKEN_IN_FILE, TOKEN_IN_SECRET_SERVICE};
    for (size_t i = 0; i < sizeof stores / sizeof stores[0]; i++)
        if (strcmp(settings->store, token_place_name(stores[i])) == 0) return stores[i];
    return TOKEN_NOWHERE; /* auto */
}

static bn_status login(struct invocation *invocation, struct hub *hub, struct login_result *result, bn_error *err) {
    struct hub_account *account = &result->account;
    const struct auth_settings *settings = invocation->settings;
    char *token = NULL;
    bn_status status = hub_options_open(&settings->hub, hub, err);
    if (!status) status = ask_token(&token, err);
    if (!status && !url_is_private(hub->endpoint))
        status = fail(err, BN_STATUS_UNSUPPORTED, "%s isn't https: a token would be sent for everybody to read",
                      hub->endpoint);
    if (status) {
        hub_token_free(token);
        return status;
    }
    hub_token_free(hub->token);
    hub->token = token;
    status = hub_whoami(hub, account, err);
    if (!status && settings->name) snprintf(account->token_name, sizeof account->token_name, "%s", settings->name);
    return status ? status
                  : hub_token_store(account->token_name, token, chosen_store(settings), &result->place, &result->note,
                                    err);
}

static enum exit_code run_login(struct invocation *invocation) {
    struct hub hub = {0};
    struct login_result result = {.place = TOKEN_NOWHERE};
    const struct hub_account *account = &result.account;
    bn_error error = {0};
    bn_status status = login(invocation, &hub, &result, &error);
    enum exit_code code = status ? say_hub_failure(invocation, &hub, &error) : EXIT_DONE;
    if (!status && invocation->common.json)
        json_write_line(stdout,
                        json_pack("{s:s, s:s, s:s}", "user", account->name, "token", account->token_name, "store",
                                  token_place_name(result.place)),
                        NULL);
    char *path = hub_token_path();
    if (!status)
        say(invocation, "logged in on %s as %s; the token is kept as '%s' in %s", hub.authority, account->name,
            account->token_name, result.place == TOKEN_IN_SECRET_SERVICE ? "the desktop's secret service" : path);
    if (!status && result.note) say(invocation, "note: %s; what it holds comes before the file", result.note);
    mem_free(path);
    if (!status && hub_token_variable()) say(invocation, "note: %s is set, and comes before it", hub_token_variable());
    hub_account_release(&result.account);
    hub_close(&hub);
    return code;
}

/* ---- whoami ---- */

static bn_status whoami(struct invocation *invocation, struct hub *hub, struct hub_account *account, bn_error *err) {
    const struct auth_settings *settings = invocation->settings;
    bn_status status = hub_options_open(&settings->hub, hub, err);
    if (!status && !hub->token) {
        hub->problem = HUB_UNAUTHORIZED;
        return fail(err, BN_STATUS_NOT_FOUND,
                    hub->token_place == TOKEN_LOCKED
                        ? "the desktop's keyring, which has the token, is locked: unlock it"
                        : "not logged in: 'bitnet auth login'");
    }
    return status ? status : hub_whoami(hub, account, err);
}

static enum exit_code run_whoami(struct invocation *invocation) {
    struct hub hub = {0};
    struct hub_account account = {0};
    bn_error error = {0};
    enum exit_code code = EXIT_DONE;
    if (whoami(invocation, &hub, &account, &error))
        code = say_hub_failure(invocation, &hub, &error);
    else if (invocation->common.json)
        json_write_line(stdout,
                        json_pack("{s:s, s:O, s:s, s:s, s:s, s:s}", "user", account.name, "organizations",
                                  account.organizations, "token", account.token_name, "role", account.role, "endpoint",
                                  hub.endpoint, "store", token_place_name(hub.token_place)),
                        NULL);
    else
        printf("%s\n", account.name);
    hub_account_release(&account);
    hub_close(&hub);
    return code;
}

/* ---- logout, switch, list: without network ---- */

static enum exit_code run_logout(struct invocation *invocation) {
    bn_error error = {0};
    const char *name = invocation->n_arguments ? invocation->arguments[0] : NULL;
    if (hub_token_forget(name, &error)) return say_failure(&error);
    say(invocation, name ? "the token '%s' is forgotten here" : "all tokens are forgotten here", name);
    if (hub_token_variable()) say(invocation, "note: %s is still set", hub_token_variable());
    return EXIT_DONE;
}

static enum exit_code run_switch(struct invocation *invocation) {
    bn_error error = {0};
    if (hub_token_switch(invocation->arguments[0], &error)) return say_failure(&error);
    say(invocation, "the token '%s' is used from now on", invocation->arguments[0]);
    return EXIT_DONE;
}

static const char *place_in_words(enum token_place place) {
    return place == TOKEN_IN_SECRET_SERVICE ? "secret service"
           : place == TOKEN_LOCKED          ? "secret service (locked)"
                                            : token_place_name(place);
}

static void show_token(void *context, const struct kept_token *token) {
    json_t *array = context;
    char shown[256], hub[300];
    if (array) {
        bool locked = token->place == TOKEN_LOCKED;
        enum token_place store = locked ? TOKEN_IN_SECRET_SERVICE : token->place;
        json_array_append_new(
            array, json_pack("{s:o, s:b, s:s, s:b, s:o*}", "name", json_text(token->name, strlen(token->name)),
                             "in_use", token->in_use, "store", token_place_name(store), "locked", locked, "endpoint",
                             token->endpoint ? json_text(token->endpoint, strlen(token->endpoint)) : NULL));
    } else {
        printf("%s %-20s  %s%s%s\n", token->in_use ? "*" : " ", printable(token->name, shown, sizeof shown),
               place_in_words(token->place), token->endpoint ? ", for " : "",
               token->endpoint ? printable(token->endpoint, hub, sizeof hub) : "");
    }
}

static enum exit_code run_list(struct invocation *invocation) {
    bn_error error = {0};
    json_t *array = invocation->common.json ? json_array() : NULL;
    bn_status status = hub_token_visit(show_token, array, &error);
    if (status) {
        json_decref(array);
        return say_failure(&error);
    }
    if (array) json_write_line(stdout, array, NULL);
    if (hub_token_variable()) say(invocation, "the token in %s comes before these", hub_token_variable());
    return EXIT_DONE;
}

#define AUTH_COMMON .settings_bytes = sizeof(struct auth_settings), .set_defaults = set_defaults

const struct command command_auth_login = {
    .name = "auth login",
    .arguments = "",
    .summary = "store a token of a hub",
    .description =
        "Reads an access token from the terminal, or from standard input, asks the hub whose it is, and "
        "keeps it in the desktop's secret service (GNOME Keyring, KWallet), where the session has one that is "
        "unlocked, else in the files of huggingface_hub (HF_HOME/token; mode 0600), which Python programs read "
        "too: --token-store file shares it with them. HF_TOKEN_PATH names another file, and then only "
        "files count. The token is used from then on and never printed; one in the secret service goes to the hub that "
        "it was "
        "stored for only. HF_TOKEN, where it is set, comes before it.",
    .examples = "bitnet auth login\nbitnet auth login --name work <token.txt\nbitnet auth login --token-store file",
    .groups = login_groups,
    AUTH_COMMON,
    .run = run_login,
};
const struct command command_auth_logout = {
    .name = "auth logout",
    .arguments = "[NAME]",
    .summary = "forget a token, or all",
    .description = "Forgets the token that is kept as NAME, or without NAME all, in the secret service and in the "
                   "files. The hub isn't told: a token that "
                   "others may have seen has to be revoked "
                   "in its settings.",
    .examples = "bitnet auth logout work\nbitnet auth logout",
    .max_arguments = 1,
    .run = run_logout,
};
const struct command command_auth_switch = {
    .name = "auth switch",
    .arguments = "NAME",
    .summary = "use another of the stored tokens",
    .description = "Makes the token that is kept as NAME the one in use.",
    .examples = "bitnet auth switch work",
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run_switch,
};
const struct command command_auth_list = {
    .name = "auth list",
    .arguments = "",
    .summary = "the names of the stored tokens",
    .description = "Lists the tokens by name and where they are kept; a star marks the one in use. The tokens "
                   "themselves are never shown.",
    .examples = "bitnet auth list\nbitnet auth list --json",
    .run = run_list,
};
const struct command command_auth_whoami = {
    .name = "auth whoami",
    .arguments = "",
    .summary = "ask the hub whose token is in use",
    .description = "Prints the user's name; with --json also organizations, the token's name and its role (read, "
                   "write), and where "
                   "it is stored.",
    .examples = "bitnet auth whoami",
    .groups = network_groups,
    AUTH_COMMON,
    .run = run_whoami,
};
