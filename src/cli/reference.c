/* The same tables as man pages (roff, man(7) macros) and as docs/cli.md. */
#include <string.h>

#include "bitnet/status.h"
#include "cli/help.h"

/* ---- roff ---- */

/* Text for roff: backslashes and dashes escaped, a leading '.' or '\'' made harmless. */
static void roff_text(FILE *out, const char *text, size_t n) {
    if (n && (text[0] == '.' || text[0] == '\'')) fputs("\\&", out);
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\\')
            fputs("\\e", out);
        else if (text[i] == '-')
            fputs("\\-", out);
        else
            fputc(text[i], out);
        if (text[i] == '\n' && i + 1 < n && (text[i + 1] == '.' || text[i + 1] == '\'')) fputs("\\&", out);
    }
}

static void roff_string(FILE *out, const char *text) {
    roff_text(out, text, strlen(text));
}

static void roff_paragraphs(FILE *out, const char *text) {
    for (;;) {
        const char *end = strstr(text, "\n\n");
        roff_text(out, text, end ? (size_t)(end - text) : strlen(text));
        fputc('\n', out);
        if (!end) return;
        fputs(".PP\n", out);
        text = end + 2;
    }
}

static void roff_options(FILE *out, const struct option_group *group) {
    fprintf(out, ".SS %s options\n", group->title);
    for (const struct option *option = group->options; option->kind != OPTION_END; option++) {
        char signature[120], environment[80];
        option_signature(option, signature, sizeof signature);
        option_environment_name(option, environment, sizeof environment);
        fputs(".TP\n\\fB", out);
        roff_string(out, signature);
        fputs("\\fR\n", out);
        roff_string(out, option->help);
        fprintf(out, " (%s)\n", environment);
    }
}

static const char files_section[] =
    ".SH FILES\n$XDG_CONFIG_HOME/bitnet/config.ini (or $BITNET_CONFIG): lines \\(lqoption = value\\(rq, for all "
    "commands or "
    "under \\(lq[command]\\(rq.\nThe environment overrides it, flags override both.\n.PP\n"
    "$BITNET_HOME, or $XDG_DATA_HOME/bitnet: the data folder, with the registry of models.\n.br\n"
    "$BITNET_MODELS, or models in the data folder: further models by name.\n"
    ".SH EXIT STATUS\n0 done, 1 failed, 2 misuse, 130 interrupted.\n";

static void roff_header(FILE *out, const char *page) {
    fprintf(out, ".TH \"%s\" 1 \"\" \"bitnet %s\" \"User Commands\"\n.SH NAME\n", page, bn_version());
}

void man_command(FILE *out, const struct command *command) {
    char page[64];
    snprintf(page, sizeof page, "bitnet-%s", command->name);
    for (char *p = page; *p; p++)
        if (*p == ' ') *p = '-';
    roff_header(out, page);
    roff_string(out, page);
    fprintf(out, " \\- %s\n.SH SYNOPSIS\n\\fBbitnet %s\\fR ", command->summary, command->name);
    roff_string(out, command->arguments);
    fputs(" [options]\n.SH DESCRIPTION\n", out);
    roff_paragraphs(out, command->description);
    fputs(".SH OPTIONS\n", out);
    for (const struct option_group *group = command->groups; group && group->options; group++) roff_options(out, group);
    roff_options(out, &common_option_group);
    fputs(".SH EXAMPLES\n.nf\n", out);
    roff_string(out, command->examples);
    fprintf(out, "\n.fi\n%s.SH SEE ALSO\nbitnet(1)\n", files_section);
}

void man_program(FILE *out) {
    const struct command *command;
    roff_header(out, "bitnet");
    fputs("bitnet \\- ternary language models, exact and fast\n.SH SYNOPSIS\n\\fBbitnet\\fR COMMAND [arguments] "
          "[options]\n"
          ".SH COMMANDS\n",
          out);
    for (size_t i = 0; (command = command_at(i)); i++) {
        fprintf(out, ".TP\n\\fB%s\\fR ", command->name);
        roff_string(out, command->arguments);
        fputc('\n', out);
        roff_string(out, command->summary);
        fputc('\n', out);
    }
    fputs(files_section, out);
    fputs(".SH SEE ALSO\nbitnet\\-COMMAND(1) for each command, \\(oqbitnet COMMAND \\-\\-help\\(cq\n", out);
}

/* ---- Markdown ---- */

static void markdown_options(FILE *out, const struct option_group *group) {
    fprintf(out, "\n**%s options**\n\n", group->title);
    for (const struct option *option = group->options; option->kind != OPTION_END; option++) {
        char signature[120];
        option_signature(option, signature, sizeof signature);
        fprintf(out, "- `%s`: %s", signature, option->help);
        if (option->aliases) fprintf(out, " (also `%s`)", option->aliases);
        fputc('\n', out);
    }
}

void markdown_reference(FILE *out) {
    const struct command *command;
    fputs("# The command line\n\n"
          "This page is written by `bitnet man --markdown` from the option tables; `--help`, man pages and completions "
          "come\n"
          "from the same tables.\n\n"
          "Every command takes `--help`, `--json` (one JSON document, or one per line, on standard output; everything "
          "else\n"
          "goes to standard error), `-q` and `-v`. Exit status: 0 done, 1 failed, 2 misuse, 130 stopped with Ctrl-C.\n"
          "A value comes from the configuration file (`$XDG_CONFIG_HOME/bitnet/config.ini` or `$BITNET_CONFIG`: lines\n"
          "`option = value`, for all commands or under `[command]`), then from the environment (`BITNET_` and the "
          "option's\n"
          "name in capitals), then from the flag: the later one wins.\n\n"
          "MODEL is a `.gguf` file, a Hugging Face folder, a `.safetensors` file, a name in the registry\n"
          "(`name[@version][:variant]`, docs/registry.md) or in the models folder (`$BITNET_MODELS`, else `models` in "
          "the data\n"
          "folder: `$BITNET_HOME`, else `$XDG_DATA_HOME/bitnet`), or `demo`. TOK is any of these or a tokenizer "
          "file.\n",
          out);
    for (size_t i = 0; (command = command_at(i)); i++) {
        fprintf(out, "\n## bitnet %s\n\n`bitnet %s %s`: %s.\n\n%s\n", command->name, command->name, command->arguments,
                command->summary, command->description);
        for (const struct option_group *g = command->groups; g && g->options; g++) markdown_options(out, g);
        fprintf(out, "\n```sh\n%s\n```\n", command->examples);
    }
    fputs("\n## General options\n", out);
    markdown_options(out, &common_option_group);
}
