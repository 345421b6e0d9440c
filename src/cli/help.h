/* Help in its four forms, all made from the command and option tables. */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include <stdio.h>

#include "cli/command.h"

void help_program(FILE *out);
/* The commands "noun …". */
void help_noun(FILE *out, const char *noun);
void help_command(FILE *out, const struct command *command);

/* roff (man macros): one page of the program, one of each command. */
void man_program(FILE *out);
void man_command(FILE *out, const struct command *command);
/* The whole reference, docs/cli.md. */
void markdown_reference(FILE *out);

/* "-k, --top-k N" in the given form; shared by the writers. */
void option_signature(const struct option *option, char *out, size_t size);

#endif
