/* `bitnet man`: the manual, made from the tables. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/help.h"
#include "cli/terminal.h"

struct man_settings {
    bool markdown;
    const char *output;
};
static const struct option options[] = {
    {"markdown", 0, OPTION_FLAG, offsetof(struct man_settings, markdown), NULL, 0, 0, "the whole reference as Markdown",
     NULL},
    {"output-dir", 'o', OPTION_TEXT, offsetof(struct man_settings, output), "FOLDER", 0, 0,
     "write all pages into a folder: bitnet.1, bitnet-generate.1, …", NULL},
    {0},
};
static const struct option_group groups[] = {{"Manual", options, 0}, {0}};

/* command NULL: the program's page. */
static bn_status write_page(const char *folder, const struct command *command, bn_error *err) {
    char name[80];
    snprintf(name, sizeof name, "bitnet%s%s.1", command ? "-" : "", command ? command->name : "");
    for (char *p = name; *p; p++)
        if (*p == ' ') *p = '-';
    char *path = path_join(folder, name);
    if (!path) return fail_no_memory(err, sizeof name);
    struct atomic_file file;
    bn_status status = atomic_file_open(path, &file, err);
    mem_free(path);
    if (status) return status;
    if (command)
        man_command(file.stream, command);
    else
        man_program(file.stream);
    return atomic_file_commit(&file, err);
}

static bn_status write_all(const char *folder, bn_error *err) {
    bn_status status = write_page(folder, NULL, err);
    const struct command *command;
    for (size_t i = 0; !status && (command = command_at(i)); i++) status = write_page(folder, command, err);
    return status;
}

static enum exit_code run(struct invocation *invocation) {
    const struct man_settings *settings = invocation->settings;
    bn_error error = {0};
    if (settings->markdown) {
        markdown_reference(stdout);
        return EXIT_DONE;
    }
    if (settings->output) return write_all(settings->output, &error) ? say_failure(&error) : EXIT_DONE;
    if (!invocation->n_arguments) {
        man_program(stdout);
        return EXIT_DONE;
    }
    char name[80];
    snprintf(name, sizeof name, "%.38s%s%.38s", invocation->arguments[0], invocation->n_arguments > 1 ? " " : "",
             invocation->n_arguments > 1 ? invocation->arguments[1] : "");
    const struct command *command = command_find(name);
    if (!command) {
        say_error("there is no command '%s' (see 'bitnet --help')", name);
        return EXIT_MISUSE;
    }
    man_command(stdout, command);
    return EXIT_DONE;
}

const struct command command_man = {
    .name = "man",
    .arguments = "[COMMAND]",
    .summary = "write manual pages",
    .description = "Writes the manual page of the program or of a command to standard output, in roff.",
    .examples = "# read the page of a command\n"
                "bitnet man generate | man -l -\n"
                "# all pages, as an installation wants them\n"
                "bitnet man --output-dir .",
    .groups = groups,
    .settings_bytes = sizeof(struct man_settings),
    .max_arguments = 2,
    .run = run,
};
