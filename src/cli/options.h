/* Option tables and what is parsed from them.
 *
 * A command lists its options as rows; from these come parsing, range checks, environment variables, configuration
 * keys, --help, man page and completion. A value goes straight into a field of the command's settings struct, found by
 * the row's offset. Later layers override earlier ones: defaults < configuration file < environment < flag. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

enum option_kind { /* and the type of the field it fills in */
                   OPTION_END = 0,
                   OPTION_FLAG,    /* bool */
                   OPTION_SIZE,    /* size_t in [min, max] */
                   OPTION_INTEGER, /* int64_t in [min, max] */
                   OPTION_NUMBER,  /* double in [min, max] */
                   OPTION_TEXT,    /* const char * */
                   OPTION_CHOICE,  /* const char *, one of the words of `value`, "auto|f16|f32" */
                   OPTION_LIST,    /* struct text_list; may be given several times */
};

struct option {
    const char *name; /* "top-k": --top-k, BITNET_TOP_K, key top-k */
    char letter;      /* -k, or 0 */
    enum option_kind kind;
    size_t offset;     /* of the field in the group's struct */
    const char *value; /* what to call the value in help: "N", "FILE", "a|b|c"; NULL for flags */
    double min, max;
    const char *help;
    const char *aliases; /* further names, separated by spaces, or NULL */
};

struct option_group {
    const char *title;
    const struct option *options; /* ended by OPTION_END */
    size_t offset;                /* of the group's struct in the command's settings */
};

/* Where a value came from. */
enum option_layer { LAYER_DEFAULT, LAYER_CONFIG, LAYER_ENVIRONMENT, LAYER_FLAG };

struct text_list {
    const char **items; /* in the invocation's arena */
    size_t n;
    enum option_layer layer; /* of the items: a higher layer replaces the list instead of adding to it */
};

/* Options that every command has. */
struct common_options {
    bool help;
    bool json;
    bool quiet;
    bool verbose;
};
extern const struct option_group common_option_group;

struct command;

/* One run of the program: a command with everything that was given to it. */
struct invocation {
    const struct command *command;
    void *settings;
    struct common_options common;
    const char **arguments; /* what isn't an option, in order; the first is NULL where a server's model is meant */
    size_t n_arguments;
    bool from_hub; /* the first argument is what --hf-repo and --hf-file name */
    char **words;  /* all that was given behind the command's name */
    size_t n_words;
    struct arena strings; /* values and arguments that aren't in argv live here */
};

/* Sets settings from all layers and collects the arguments. BN_STATUS_BAD_ARGUMENT (misuse) names the option and what
 * it expected; a broken configuration file is BN_STATUS_BAD_FILE. Release with invocation_release, also after failure. */
bn_status invocation_parse(struct invocation *invocation, const struct command *command, int argc, char **argv,
                           bn_error *err);
void invocation_release(struct invocation *invocation);

/* One option by its name, an alias, or either with '_' for '-'; NULL if the table has none. */
const struct option *option_find(const struct option *table, const char *name);
/* Checks `text` and stores it in the field of `group` (the struct, not the settings). `origin` names the option in
 * messages. */
bn_status option_assign(const struct option *option, void *group, const char *text, enum option_layer layer,
                        const char *origin, struct arena *strings, bn_error *err);

/* The configuration file's path (newly allocated; it need not exist), NULL when there is no home. */
char *config_path(void);
/* The lower layers, in option_sources.c. */
bn_status options_from_config(struct invocation *invocation, bn_error *err);
bn_status options_from_environment(struct invocation *invocation, bn_error *err);
/* "top-k" → "BITNET_TOP_K" */
void option_environment_name(const struct option *option, char *out, size_t size);

/* Walks all options of a command, the common ones last: *group is where the option's offset counts from. NULL ends. */
const struct option *invocation_option_at(struct invocation *invocation, size_t index, void **group);

#endif
