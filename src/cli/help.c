/* --help: the tables as plain text, wrapped to the terminal. */
#include "cli/help.h"

#include <string.h>

#include "bitnet/status.h"
#include "cli/terminal.h"

enum { SIGNATURE_COLUMN = 30, INDENT = 2 };

void option_signature(const struct option *option, char *out, size_t size) {
    char letter[8] = "";
    if (option->letter) snprintf(letter, sizeof letter, "-%c, ", option->letter);
    snprintf(out, size, "%s--%s%s%s", letter, option->name, option->value ? " " : "",
             option->value ? option->value : "");
}

/* Columns that n bytes of UTF-8 take: one per character is enough here. */
static size_t columns(const char *text, size_t n) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) count += (text[i] & 0xc0) != 0x80;
    return count;
}

/* Words of text from column `at`, continued at `indent`; "\n" in the text ends a line. */
static void print_wrapped(FILE *out, const char *text, size_t indent, size_t at) {
    size_t width = terminal_width();
    while (*text) {
        if (*text == '\n') {
            fputc('\n', out);
            text++;
            at = 0;
            continue;
        }
        size_t n = strcspn(text, " \n"), word = columns(text, n);
        if (at > indent && at + 1 + word > width) {
            fputc('\n', out);
            at = 0;
        }
        if (at < indent)
            fprintf(out, "%*s", (int)(indent - at), "");
        else if (at > indent)
            fputc(' ', out);
        at = at < indent ? indent : at > indent ? at + 1 : at;
        fprintf(out, "%.*s", (int)n, text);
        at += word;
        text += n + (text[n] == ' ');
    }
    fputc('\n', out);
}

static void print_option(FILE *out, const struct option *option) {
    char signature[120];
    option_signature(option, signature, sizeof signature);
    size_t column = INDENT + (option->letter ? 0 : 4);
    size_t at = column + columns(signature, strlen(signature));
    fprintf(out, "%*s%s", (int)column, "", signature);
    if (at + 2 > SIGNATURE_COLUMN) {
        fputc('\n', out);
        at = 0;
    }
    print_wrapped(out, option->help, SIGNATURE_COLUMN, at);
}

static void print_options(FILE *out, const struct option_group *group) {
    fprintf(out, "\n%s%s options%s\n", style_out(STYLE_BOLD), group->title, style_out(STYLE_PLAIN));
    for (const struct option *option = group->options; option->kind != OPTION_END; option++) print_option(out, option);
}

static void print_examples(FILE *out, const char *examples) {
    for (const char *line = examples; *line;) {
        size_t n = strcspn(line, "\n");
        fprintf(out, "  %.*s\n", (int)n, line);
        line += n + (line[n] == '\n');
    }
}

void help_command(FILE *out, const struct command *command) {
    fprintf(out, "%sbitnet %s%s: %s\n\n", style_out(STYLE_BOLD), command->name, style_out(STYLE_PLAIN),
            command->summary);
    fprintf(out, "Usage: bitnet %s %s%s[options]\n\n", command->name, command->arguments,
            *command->arguments ? " " : "");
    print_wrapped(out, command->description, 0, 0);
    for (const struct option_group *group = command->groups; group && group->options; group++)
        print_options(out, group);
    print_options(out, &common_option_group);
    fprintf(out, "\n%sExamples%s\n", style_out(STYLE_BOLD), style_out(STYLE_PLAIN));
    print_examples(out, command->examples);
}

static void print_command_line(FILE *out, const struct command *command) {
    fprintf(out, "  %-22s %s\n", command->name, command->summary);
}

void help_noun(FILE *out, const char *noun) {
    const struct command *command;
    size_t n = strlen(noun);
    fprintf(out, "Commands of 'bitnet %s':\n", noun);
    for (size_t i = 0; (command = command_at(i)); i++)
        if (strncmp(command->name, noun, n) == 0 && command->name[n] == ' ') print_command_line(out, command);
    fprintf(out, "\n'bitnet %s VERB --help' tells more.\n", noun);
}

void help_program(FILE *out) {
    const struct command *command;
    fprintf(out, "bitnet %s: ternary language models, exact and fast\n\n", bn_version());
    fprintf(out, "Usage: bitnet COMMAND [arguments] [options]\n\n%sCommands%s\n", style_out(STYLE_BOLD),
            style_out(STYLE_PLAIN));
    for (size_t i = 0; (command = command_at(i)); i++) print_command_line(out, command);
    fputs("\nMODEL is a .gguf file, a Hugging Face folder, a .safetensors file, a name (owner/name@version:variant) "
          "that\n"
          "'bitnet model list' shows, or demo.\n"
          "Options may also be set in the environment (BITNET_THREADS=4) and in the configuration file.\n"
          "'bitnet COMMAND --help' has options and examples; 'bitnet --version --verbose' says what was built.\n\n"
          "Try:  bitnet generate demo -p 'Once upon a time' -n 64\n",
          out);
}
