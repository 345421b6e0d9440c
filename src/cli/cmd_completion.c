/* `bitnet completion`: scripts for three shells, with every command and option of the tables written out, so that
 * completing needs no call of the program. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/terminal.h"

/* All options of a command, the common ones last; NULL ends. */
static const struct option *option_at(const struct command *command, size_t index) {
    for (const struct option_group *g = command->groups; g && g->options; g++)
        for (const struct option *o = g->options; o->kind != OPTION_END; o++)
            if (index-- == 0) return o;
    for (const struct option *o = common_option_group.options; o->kind != OPTION_END; o++)
        if (index-- == 0) return o;
    return NULL;
}

static bool has_verb(const struct command *command) {
    return strchr(command->name, ' ') != NULL;
}

/* The noun of "noun verb" commands, at its first command only; else "". */
static const char *first_noun(size_t index, char *out, size_t size) {
    const struct command *command = command_at(index);
    size_t n = strcspn(command->name, " ");
    snprintf(out, size, "%.*s", has_verb(command) ? (int)n : 0, command->name);
    for (size_t i = 0; *out && i < index; i++)
        if (strncmp(command_at(i)->name, out, n) == 0 && command_at(i)->name[n] == ' ') *out = 0;
    return out;
}

/* The words that may follow "bitnet". */
static void print_first_words(const char *separator) {
    char noun[40];
    for (size_t i = 0; command_at(i); i++) {
        if (!has_verb(command_at(i)))
            printf("%s%s", command_at(i)->name, separator);
        else if (*first_noun(i, noun, sizeof noun))
            printf("%s%s", noun, separator);
    }
}

static void print_verbs(const char *noun, const char *separator) {
    size_t n = strlen(noun);
    for (size_t i = 0; command_at(i); i++)
        if (strncmp(command_at(i)->name, noun, n) == 0 && command_at(i)->name[n] == ' ')
            printf("%s%s", command_at(i)->name + n + 1, separator);
}

static void print_choices(const char *value) {
    for (; *value; value++) putchar(*value == '|' ? ' ' : *value);
}

/* bash and zsh (through bashcompinit) share one function. */
static void bash_function(void) {
    char noun[40];
    fputs("_bitnet() {\n"
          "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]} "
          "options='' values=''\n"
          "    COMPREPLY=()\n"
          "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        COMPREPLY=($(compgen -W '",
          stdout);
    print_first_words(" ");
    fputs("help --help --version' -- \"$cur\"))\n        return\n    fi\n    case $command in\n", stdout);
    for (size_t i = 0; command_at(i); i++) {
        if (!*first_noun(i, noun, sizeof noun)) continue;
        printf("    %s)\n        if [ \"$COMP_CWORD\" -eq 2 ]; then\n            COMPREPLY=($(compgen -W '", noun);
        print_verbs(noun, " ");
        fputs("' -- \"$cur\"))\n            return\n        fi\n        command=\"$command ${COMP_WORDS[2]}\" ;;\n",
              stdout);
    }
    fputs("    esac\n    case \"$command $prev\" in\n", stdout);
    for (size_t i = 0; command_at(i); i++) {
        const struct option *option;
        for (size_t k = 0; (option = option_at(command_at(i), k)); k++) {
            if (option->kind != OPTION_CHOICE) continue;
            printf("    '%s --%s') values='", command_at(i)->name, option->name);
            print_choices(option->value);
            fputs("' ;;\n", stdout);
        }
    }
    fputs("    esac\n    case $command in\n", stdout);
    for (size_t i = 0; command_at(i); i++) {
        const struct option *option;
        printf("    '%s') options='", command_at(i)->name);
        for (size_t k = 0; (option = option_at(command_at(i), k)); k++) printf("--%s ", option->name);
        fputs("' ;;\n", stdout);
    }
    fputs("    esac\n"
          "    if [ -n \"$values\" ]; then\n        COMPREPLY=($(compgen -W \"$values\" -- \"$cur\"))\n"
          "    elif [ \"${cur:0:1}\" = - ]; then\n        COMPREPLY=($(compgen -W \"$options\" -- \"$cur\"))\n"
          "    else\n        COMPREPLY=($(compgen -f -W 'demo' -- \"$cur\"))\n    fi\n}\n",
          stdout);
}

static void bash(void) {
    bash_function();
    fputs("complete -o filenames -F _bitnet bitnet\n", stdout);
}

static void zsh(void) {
    fputs("#compdef bitnet\nautoload -U +X bashcompinit && bashcompinit\n", stdout);
    bash_function();
    fputs("complete -o filenames -F _bitnet bitnet\n", stdout);
}

/* A single-quoted fish string. */
static void fish_quoted(const char *text) {
    putchar('\'');
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\') putchar('\\');
        putchar(*text);
    }
    putchar('\'');
}

static void fish_options(const struct command *command) {
    const struct option *option;
    for (size_t k = 0; (option = option_at(command, k)); k++) {
        char first[40];
        snprintf(first, sizeof first, "%.*s", (int)strcspn(command->name, " "), command->name);
        printf("complete -c bitnet -n '__fish_seen_subcommand_from %s%s%s' -l %s", first,
               has_verb(command) ? "; and __fish_seen_subcommand_from " : "",
               has_verb(command) ? command->name + strlen(first) + 1 : "", option->name);
        if (option->letter) printf(" -s %c", option->letter);
        if (option->kind == OPTION_CHOICE) {
            fputs(" -x -a '", stdout);
            print_choices(option->value);
            putchar('\'');
        } else if (option->kind != OPTION_FLAG) {
            fputs(" -r", stdout);
        }
        fputs(" -d ", stdout);
        fish_quoted(option->help);
        putchar('\n');
    }
}

static void fish(void) {
    char noun[40];
    fputs("complete -c bitnet -n __fish_use_subcommand -f -a '", stdout);
    print_first_words(" ");
    fputs("help'\n", stdout);
    for (size_t i = 0; command_at(i); i++) {
        if (*first_noun(i, noun, sizeof noun)) {
            printf("complete -c bitnet -n '__fish_seen_subcommand_from %s' -a '", noun);
            print_verbs(noun, " ");
            fputs("'\n", stdout);
        }
        fish_options(command_at(i));
    }
}

static enum exit_code run(struct invocation *invocation) {
    static const struct {
        const char *name;
        void (*print)(void);
    } shells[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};
    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++)
        if (strcmp(shells[i].name, invocation->arguments[0]) == 0) {
            shells[i].print();
            return EXIT_DONE;
        }
    say_error("no completion for '%s': bash, zsh or fish", invocation->arguments[0]);
    return EXIT_MISUSE;
}

const struct command command_completion = {
    .name = "completion",
    .arguments = "bash|zsh|fish",
    .summary = "write a completion script for a shell",
    .description = "Writes a script to standard output that completes commands, options and their values.",
    .examples = "# in ~/.bashrc\n"
                "source <(bitnet completion bash)\n"
                "# for fish, once\n"
                "bitnet completion fish > ~/.config/fish/completions/bitnet.fish",
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
