/* The layers below the command line: configuration file and environment.
 *
 * The file is $BITNET_CONFIG, else $XDG_CONFIG_HOME/bitnet/config.ini, else ~/.config/bitnet/config.ini:
 *
 *     # comment
 *     threads = 4            before any section: for every command that has the option
 *     [generate]
 *     temp = 0.7             for this command only
 *
 * An environment variable is the option's name in capitals behind BITNET_: BITNET_THREADS=4. Both are checked as flags
 * are, and a key that no command knows is an error: a silently ignored setting is worse than none. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/suggest.h"

enum { CONFIG_MAX_BYTES = 1 << 20 };

char *config_path(void) {
    const char *explicit_path = getenv("BITNET_CONFIG");
    if (explicit_path) return mem_strdup(explicit_path);
    const char *base = getenv("XDG_CONFIG_HOME");
    if (base && *base) return path_join(base, "bitnet/config.ini");
    const char *home = getenv("HOME");
    return home && *home ? path_join(home, ".config/bitnet/config.ini") : NULL;
}

/* ---- environment ---- */

void option_environment_name(const struct option *option, char *out, size_t size) {
    size_t n = 0;
    for (const char *prefix = "BITNET_"; *prefix && n + 1 < size; prefix++) out[n++] = *prefix;
    for (const char *p = option->name; *p && n + 1 < size; p++)
        out[n++] = *p == '-' ? '_' : *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A') : *p;
    out[n] = 0;
}

bn_status options_from_environment(struct invocation *invocation, bn_error *err) {
    void *group;
    const struct option *option;
    for (size_t i = 0; (option = invocation_option_at(invocation, i, &group)); i++) {
        char name[80];
        option_environment_name(option, name, sizeof name);
        const char *text = getenv(name);
        if (!text || !*text) continue;
        bn_status status = option_assign(option, group, text, LAYER_ENVIRONMENT, name, &invocation->strings, err);
        if (status) return status;
    }
    return BN_OK;
}

/* ---- configuration file ---- */

static bool any_command_has(const char *key) {
    if (option_find(common_option_group.options, key)) return true;
    const struct command *command;
    for (size_t i = 0; (command = command_at(i)); i++)
        for (const struct option_group *g = command->groups; g && g->options; g++)
            if (option_find(g->options, key)) return true;
    return false;
}

static bn_status unknown_key(const char *path, size_t line, const char *key, bn_error *err) {
    struct suggestion suggestion = suggestion_for(key);
    const struct command *command;
    for (size_t i = 0; (command = command_at(i)); i++)
        for (const struct option_group *g = command->groups; g && g->options; g++)
            for (const struct option *o = g->options; o->kind != OPTION_END; o++)
                suggestion_consider(&suggestion, o->name);
    if (suggestion.best)
        return fail(err, BN_STATUS_BAD_FILE, "%s:%zu: unknown key '%s' (did you mean '%s'?)", path, line, key,
                    suggestion.best);
    return fail(err, BN_STATUS_BAD_FILE, "%s:%zu: unknown key '%s'", path, line, key);
}

/* Cuts white space off both ends, in place. */
static char *trimmed(char *text) {
    text += strspn(text, " \t\r");
    size_t n = strlen(text);
    while (n && strchr(" \t\r", text[n - 1])) n--;
    text[n] = 0;
    return text;
}

struct config_reader {
    struct invocation *invocation;
    const char *path;
    size_t line;
    bool mine;   /* the section is for all commands or for this one */
    bool global; /* no section, or [*] */
};

static bn_status read_section(struct config_reader *reader, char *text, bn_error *err) {
    size_t n = strlen(text);
    if (text[n - 1] != ']')
        return fail(err, BN_STATUS_BAD_FILE, "%s:%zu: '%s' should end with ']'", reader->path, reader->line, text);
    text[n - 1] = 0;
    const char *name = trimmed(text + 1);
    reader->global = strcmp(name, "*") == 0;
    reader->mine = reader->global || strcmp(name, reader->invocation->command->name) == 0;
    if (!reader->mine && !command_find(name))
        return fail(err, BN_STATUS_BAD_FILE, "%s:%zu: there is no command '%s'", reader->path, reader->line, name);
    return BN_OK;
}

static bn_status read_setting(struct config_reader *reader, char *text, bn_error *err) {
    char *equals = strchr(text, '=');
    if (!equals)
        return fail(err, BN_STATUS_BAD_FILE, "%s:%zu: '%s' isn't of the form key = value", reader->path, reader->line,
                    text);
    *equals = 0;
    const char *key = trimmed(text), *value = trimmed(equals + 1);
    if (!any_command_has(key)) return unknown_key(reader->path, reader->line, key, err);
    if (!reader->mine) return BN_OK;
    void *group;
    const struct option *option;
    for (size_t i = 0; (option = invocation_option_at(reader->invocation, i, &group)); i++) {
        const struct option one[2] = {*option, {0}};
        if (!option_find(one, key)) continue;
        char origin[300];
        snprintf(origin, sizeof origin, "%.200s:%zu: %.60s", reader->path, reader->line, key);
        const char *kept = arena_strndup(&reader->invocation->strings, value, strlen(value));
        if (!kept) return fail_no_memory(err, strlen(value));
        return option_assign(option, group, kept, LAYER_CONFIG, origin, &reader->invocation->strings, err);
    }
    if (reader->global) return BN_OK; /* another command's */
    return fail(err, BN_STATUS_BAD_FILE, "%s:%zu: 'bitnet %s' has no option '%s'", reader->path, reader->line,
                reader->invocation->command->name, key);
}

static bn_status read_config(struct invocation *invocation, const char *path, char *text, bn_error *err) {
    struct config_reader reader = {.invocation = invocation, .path = path, .mine = true, .global = true};
    bn_status status = BN_OK;
    for (char *next = text; next && !status;) {
        char *line = next;
        next = strchr(line, '\n');
        if (next) *next++ = 0;
        reader.line++;
        line = trimmed(line);
        if (!*line || *line == '#' || *line == ';') continue;
        status = *line == '[' ? read_section(&reader, line, err) : read_setting(&reader, line, err);
    }
    return status;
}

bn_status options_from_config(struct invocation *invocation, bn_error *err) {
    char *path = config_path();
    if (!path) return BN_OK;
    bn_status status = BN_OK;
    if (file_exists(path) || getenv("BITNET_CONFIG")) {
        char *text = NULL;
        size_t size;
        if (*path) status = file_read_all(path, CONFIG_MAX_BYTES, &text, &size, err);
        if (!status && text) status = read_config(invocation, path, text, err);
        mem_free(text);
    }
    mem_free(path);
    return status;
}
