/* Parsing of the command line against option tables.
 *
 * Spellings: --name VALUE, --name=VALUE, -x VALUE, -xVALUE, -ab for flags, and -name for a long name with one dash, as
 * llama.cpp and bitnet.cpp write some of theirs. "--" ends the options. Flags take an optional =on or =off, so that
 * one set in the environment can be switched off. */
#include "cli/options.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "cli/command.h"
#include "cli/suggest.h"

static const struct option common_options[] = {
    {"json", 0, OPTION_FLAG, offsetof(struct common_options, json), NULL, 0, 0, "write JSON to standard output", NULL},
    {"quiet", 'q', OPTION_FLAG, offsetof(struct common_options, quiet), NULL, 0, 0, "only errors on standard error",
     NULL},
    {"verbose", 'v', OPTION_FLAG, offsetof(struct common_options, verbose), NULL, 0, 0,
     "say more on standard error: what was decided, timings", NULL},
    {"help", 'h', OPTION_FLAG, offsetof(struct common_options, help), NULL, 0, 0, "show this help", NULL},
    {0},
};
const struct option_group common_option_group = {"General", common_options, 0};

/* ---- looking options up ---- */

/* Equal, with '_' in `given` standing for '-'. */
static bool name_equal(const char *name, size_t name_bytes, const char *given) {
    if (strlen(given) != name_bytes) return false;
    for (size_t i = 0; i < name_bytes; i++) {
        char c = given[i] == '_' ? '-' : given[i];
        if (c != name[i]) return false;
    }
    return true;
}

static bool option_has_name(const struct option *option, const char *given) {
    if (name_equal(option->name, strlen(option->name), given)) return true;
    for (const char *alias = option->aliases; alias && *alias;) {
        size_t n = strcspn(alias, " ");
        if (name_equal(alias, n, given)) return true;
        alias += n + strspn(alias + n, " ");
    }
    return false;
}

const struct option *option_find(const struct option *table, const char *name) {
    for (; table->kind != OPTION_END; table++)
        if (option_has_name(table, name)) return table;
    return NULL;
}

const struct option *invocation_option_at(struct invocation *invocation, size_t index, void **group) {
    for (const struct option_group *g = invocation->command->groups; g && g->options; g++)
        for (const struct option *o = g->options; o->kind != OPTION_END; o++)
            if (index-- == 0) {
                *group = (char *)invocation->settings + g->offset;
                return o;
            }
    for (const struct option *o = common_options; o->kind != OPTION_END; o++)
        if (index-- == 0) {
            *group = &invocation->common;
            return o;
        }
    return NULL;
}

static const struct option *find_by_name(struct invocation *invocation, const char *name, void **group) {
    const struct option *option;
    for (size_t i = 0; (option = invocation_option_at(invocation, i, group)); i++)
        if (option_has_name(option, name)) return option;
    return NULL;
}

static const struct option *find_by_letter(struct invocation *invocation, char letter, void **group) {
    const struct option *option;
    for (size_t i = 0; (option = invocation_option_at(invocation, i, group)); i++)
        if (option->letter == letter) return option;
    return NULL;
}

/* ---- values ---- */

static bool parse_bool(const char *text, bool *out) {
    static const char *const yes[] = {"1", "on", "true", "yes", "enabled"};
    static const char *const no[] = {"0", "off", "false", "no", "disabled"};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        if (strcasecmp(text, yes[i]) == 0) return *out = true, true;
        if (strcasecmp(text, no[i]) == 0) return *out = false, true;
    }
    return false;
}

static bn_status assign_integer(const struct option *option, void *field, const char *text, const char *origin,
                                bn_error *err) {
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end || errno || (double)value < option->min || (double)value > option->max)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "%s: '%s' isn't a whole number from %.0f to %.0f", origin, text,
                    option->min, option->max);
    if (option->kind == OPTION_SIZE)
        *(size_t *)field = (size_t)value;
    else
        *(int64_t *)field = value;
    return BN_OK;
}

static bn_status assign_number(const struct option *option, void *field, const char *text, const char *origin,
                               bn_error *err) {
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || isnan(value) || value < option->min || value > option->max)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "%s: '%s' isn't a number from %g to %g", origin, text, option->min,
                    option->max);
    *(double *)field = value;
    return BN_OK;
}

static bn_status assign_choice(const struct option *option, void *field, const char *text, const char *origin,
                               bn_error *err) {
    for (const char *word = option->value; *word;) {
        size_t n = strcspn(word, "|");
        if (strlen(text) == n && memcmp(word, text, n) == 0) {
            *(const char **)field = text;
            return BN_OK;
        }
        word += n + (word[n] == '|');
    }
    return fail(err, BN_STATUS_BAD_ARGUMENT, "%s: '%s' isn't one of %s", origin, text, option->value);
}

static bn_status append_item(struct text_list *list, const char *text, enum option_layer layer, struct arena *strings,
                             bn_error *err) {
    if (layer != list->layer) list->n = 0;
    list->layer = layer;
    /* Lists are short: a fresh array per item in the arena is simpler than a capacity. */
    const char **items = arena_alloc_array(strings, list->n + 1, sizeof *items);
    if (!items) return fail_no_memory(err, (list->n + 1) * sizeof *items);
    if (list->n) memcpy(items, list->items, list->n * sizeof *items);
    items[list->n++] = text;
    list->items = items;
    return BN_OK;
}

bn_status option_assign(const struct option *option, void *group, const char *text, enum option_layer layer,
                        const char *origin, struct arena *strings, bn_error *err) {
    void *field = (char *)group + option->offset;
    switch (option->kind) {
    case OPTION_FLAG:
        if (parse_bool(text, field)) return BN_OK;
        return fail(err, BN_STATUS_BAD_ARGUMENT, "%s: '%s' isn't on or off", origin, text);
    case OPTION_SIZE:
    case OPTION_INTEGER:
        return assign_integer(option, field, text, origin, err);
    case OPTION_NUMBER:
        return assign_number(option, field, text, origin, err);
    case OPTION_CHOICE:
        return assign_choice(option, field, text, origin, err);
    case OPTION_LIST:
        return append_item(field, text, layer, strings, err);
    case OPTION_TEXT:
        *(const char **)field = text;
        return BN_OK;
    case OPTION_END:
        break;
    }
    return fail(err, BN_STATUS_INTERNAL, "%s: an option without a kind", origin);
}

/* ---- the command line ---- */

/* dashes: as it was given, "-" or "--" */
static bn_status unknown_option(struct invocation *invocation, const char *dashes, const char *given, bn_error *err) {
    struct suggestion suggestion = suggestion_for(given);
    void *group;
    const struct option *option;
    for (size_t i = 0; (option = invocation_option_at(invocation, i, &group)); i++)
        suggestion_consider(&suggestion, option->name);
    if (suggestion.best)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "unknown option '%s%s' (did you mean '--%s'?)", dashes, given,
                    suggestion.best);
    return fail(err, BN_STATUS_BAD_ARGUMENT, "unknown option '%s%s' (see 'bitnet %s --help')", dashes, given,
                invocation->command->name);
}

struct cursor {
    char **argv;
    int argc, at;
};

/* The option's value: after '=' or attached, else the next argument; a flag's is "on". */
static bn_status assign_given(struct invocation *invocation, const struct option *option, void *group,
                              const char *attached, struct cursor *cursor, const char *origin, bn_error *err) {
    const char *text = attached;
    if (!text && option->kind == OPTION_FLAG)
        text = "on";
    else if (!text && cursor->at + 1 < cursor->argc)
        text = cursor->argv[++cursor->at];
    if (!text) return fail(err, BN_STATUS_BAD_ARGUMENT, "%s needs a value: %s %s", origin, origin, option->value);
    return option_assign(option, group, text, LAYER_FLAG, origin, &invocation->strings, err);
}

/* "name" or "name=value", without dashes. *known is false (and nothing is done) when no option has the name. */
static bn_status parse_long(struct invocation *invocation, const char *body, struct cursor *cursor, bool *known,
                            bn_error *err) {
    char name[64];
    size_t n = strcspn(body, "=");
    *known = false;
    if (n >= sizeof name) return BN_OK;
    memcpy(name, body, n);
    name[n] = 0;
    void *group;
    const struct option *option = find_by_name(invocation, name, &group);
    if (!option) return BN_OK;
    *known = true;
    char origin[80] = "--";
    strncat(origin, option->name, sizeof origin - 3);
    return assign_given(invocation, option, group, body[n] ? body + n + 1 : NULL, cursor, origin, err);
}

/* "-x…": flags may be joined, the last may have a value attached. */
static bn_status parse_letters(struct invocation *invocation, const char *letters, struct cursor *cursor,
                               bn_error *err) {
    for (const char *p = letters; *p; p++) {
        void *group;
        const struct option *option = find_by_letter(invocation, *p, &group);
        if (!option) return unknown_option(invocation, "-", letters, err);
        const char origin[3] = {'-', *p, 0};
        bool flag = option->kind == OPTION_FLAG;
        bn_status status = assign_given(invocation, option, group, flag || !p[1] ? NULL : p + 1, cursor, origin, err);
        if (status || !flag) return status;
    }
    return BN_OK;
}

static bn_status parse_argument(struct invocation *invocation, struct cursor *cursor, bool *options_ended,
                                bn_error *err) {
    const char *argument = cursor->argv[cursor->at];
    bool known = false;
    if (*options_ended || argument[0] != '-' || !argument[1]) {
        invocation->arguments[invocation->n_arguments++] = argument;
        return BN_OK;
    }
    if (strcmp(argument, "--") == 0) {
        *options_ended = true;
        return BN_OK;
    }
    if (argument[1] == '-') {
        bn_status status = parse_long(invocation, argument + 2, cursor, &known, err);
        if (status || known) return status;
        char name[64];
        size_t n = min_size(strcspn(argument + 2, "="), sizeof name - 1);
        memcpy(name, argument + 2, n);
        name[n] = 0;
        return unknown_option(invocation, "--", name, err);
    }
    if (argument[2]) { /* -temp 0.7, before -t emp */
        bn_status status = parse_long(invocation, argument + 1, cursor, &known, err);
        if (status || known) return status;
    }
    return parse_letters(invocation, argument + 1, cursor, err);
}

/* The text of an option, NULL when the command doesn't have it or it isn't given. */
static const char *text_of_option(struct invocation *invocation, const char *name) {
    void *group;
    const struct option *option = find_by_name(invocation, name, &group);
    return option ? *(const char **)((char *)group + option->offset) : NULL;
}

static void put_first(struct invocation *invocation, const char *argument) {
    memmove(invocation->arguments + 1, invocation->arguments, invocation->n_arguments * sizeof *invocation->arguments);
    invocation->arguments[0] = argument;
    invocation->n_arguments++;
}

/* -m MODEL, BITNET_MODEL or the configuration's model stand in for a MODEL argument that isn't there. With --server it may be
 * missing: the server has one. */
static void default_model_argument(struct invocation *invocation) {
    if (invocation->n_arguments >= invocation->command->min_arguments) return;
    const char *model = text_of_option(invocation, "model");
    if (model || text_of_option(invocation, "server")) put_first(invocation, model);
}

/* --hf-repo OWNER/NAME[:QUANT] and --hf-file FILE stand for a MODEL of a hub. */
static bn_status hub_model_argument(struct invocation *invocation, bn_error *err) {
    const char *repo = text_of_option(invocation, "hf-repo"), *file = text_of_option(invocation, "hf-file"),
               *name = repo;
    if (!repo) return file ? fail(err, BN_STATUS_BAD_ARGUMENT, "--hf-file needs --hf-repo") : BN_OK;
    if (invocation->n_arguments >= invocation->command->max_arguments)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "give a MODEL or --hf-repo, not both");
    if (file) {
        size_t n = strcspn(repo, ":"), m = strlen(file);
        char *joined = arena_alloc(&invocation->strings, n + m + 2);
        if (!joined) return fail_no_memory(err, n + m + 2);
        memcpy(joined, repo, n);
        joined[n] = ':';
        memcpy(joined + n + 1, file, m + 1);
        name = joined;
    }
    put_first(invocation, name);
    invocation->from_hub = true;
    return BN_OK;
}

static bn_status check_argument_count(const struct invocation *invocation, bn_error *err) {
    const struct command *command = invocation->command;
    if (invocation->n_arguments > command->max_arguments)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "unexpected argument '%s'; usage: bitnet %s %s",
                    invocation->arguments[command->max_arguments], command->name, command->arguments);
    if (invocation->n_arguments < command->min_arguments)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "an argument is missing; usage: bitnet %s %s", command->name,
                    command->arguments);
    return BN_OK;
}

bn_status invocation_parse(struct invocation *invocation, const struct command *command, int argc, char **argv,
                           bn_error *err) {
    *invocation = (struct invocation){.command = command, .words = argv, .n_words = (size_t)argc};
    arena_init(&invocation->strings);
    invocation->settings = arena_alloc(&invocation->strings, command->settings_bytes + 1);
    invocation->arguments = arena_alloc_array(&invocation->strings, (size_t)argc + 2, sizeof *invocation->arguments);
    if (!invocation->settings || !invocation->arguments) return fail_no_memory(err, command->settings_bytes);
    if (command->set_defaults) command->set_defaults(invocation->settings);
    bn_status status = options_from_config(invocation, err);
    if (!status) status = options_from_environment(invocation, err);
    struct cursor cursor = {argv, argc, 0};
    bool options_ended = false;
    for (; !status && cursor.at < argc; cursor.at++) status = parse_argument(invocation, &cursor, &options_ended, err);
    if (status || invocation->common.help) return status;
    status = hub_model_argument(invocation, err);
    if (status) return status;
    default_model_argument(invocation);
    return check_argument_count(invocation, err);
}

void invocation_release(struct invocation *invocation) {
    arena_release(&invocation->strings);
}
