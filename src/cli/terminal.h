/* Talking to a person: everything but results goes to standard error, through here. */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "cli/command.h"

/* Terminals, NO_COLOR, locale. Once, at the start. */
void terminal_init(void);
bool terminal_is_interactive(void); /* standard input and output are a terminal */
size_t terminal_width(void);

/* A line of standard input without its end; on a terminal the prompt is shown and what is typed isn't. False at the end of
 * the input or when it was interrupted. The caller wipes it. */
bool terminal_read_secret(const char *prompt, char *line, size_t size);

/* "bitnet: message" in one line. */
void say_error(const char *format, ...) PRINTF_LIKE(1, 2);
/* The error's message, as above. Returns EXIT_FAILED, or EXIT_MISUSE for BN_STATUS_BAD_ARGUMENT. */
enum exit_code say_failure(const bn_error *error);
/* Said unless --quiet. */
void say(const struct invocation *invocation, const char *format, ...) PRINTF_LIKE(2, 3);
/* Said with --verbose. */
void say_verbose(const struct invocation *invocation, const char *format, ...) PRINTF_LIKE(2, 3);

/* Text out of a file as a terminal may get it: control characters, which could be escape sequences, become '?'. Returns
 * out; what doesn't fit is cut off. */
const char *printable(const char *text, char *out, size_t size);

/* Escape sequences for standard output / standard error, "" where colours don't belong. */
enum style { STYLE_PLAIN, STYLE_BOLD, STYLE_DIM, STYLE_GREEN, STYLE_RED };
const char *style_out(enum style style);
const char *style_err(enum style style);

/* A line that is redrawn, on a terminal only and at most ten times a second. */
struct progress {
    bool shown;
    bool enabled;
    uint64_t next_ns;
    uint64_t start_ns;
};
void progress_begin(struct progress *progress, const struct invocation *invocation);
void progress_update(struct progress *progress, const char *what, size_t done, size_t total);
void progress_end(struct progress *progress);

/* Hands standard output on to its reader now; false when that fails (which output_finish will tell). */
bool output_flush(void);
/* Flushes standard output at the end. False (and said, but for a reader that went away) when something could not be written. */
bool output_finish(void);

#endif
