#include "cli/terminal.h"

#include <errno.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"

static struct {
    bool colour_out, colour_err; /* written by terminal_init only */
    int output_errno;            /* of the first write that failed; main thread */
} terminal;

void terminal_init(void) {
    if (!setlocale(LC_CTYPE, "C.UTF-8")) setlocale(LC_CTYPE, ""); /* line editing needs to know characters */
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    bool wanted = !(no_color && *no_color) && !(term && strcmp(term, "dumb") == 0);
    terminal.colour_out = wanted && isatty(STDOUT_FILENO);
    terminal.colour_err = wanted && isatty(STDERR_FILENO);
}

bool terminal_is_interactive(void) {
    return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

size_t terminal_width(void) {
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40) return size.ws_col < 120 ? size.ws_col : 120;
    return 100;
}

bool terminal_read_secret(const char *prompt, char *line, size_t size) {
    struct termios before, silent;
    bool asked = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &before) == 0;
    if (asked) {
        silent = before;
        silent.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent); /* what was typed before the question is no answer */
        fputs(prompt, stderr);
    }
    bool read = fgets(line, (int)size, stdin) != NULL; /* Ctrl-C ends it too */
    if (asked) {
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
        fputc('\n', stderr);
    }
    if (read) line[strcspn(line, "\r\n")] = 0;
    return read;
}

/* ---- messages ---- */

void say_error(const char *format, ...) {
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    fprintf(stderr, "%sbitnet:%s %s\n", style_err(STYLE_RED), style_err(STYLE_PLAIN), line);
}

enum exit_code say_failure(const bn_error *error) {
    say_error("%s", error->message[0] ? error->message : bn_status_name(error->status));
    return error->status == BN_STATUS_BAD_ARGUMENT ? EXIT_MISUSE : EXIT_FAILED;
}

void say(const struct invocation *invocation, const char *format, ...) {
    if (invocation->common.quiet) return;
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

void say_verbose(const struct invocation *invocation, const char *format, ...) {
    if (!invocation->common.verbose) return;
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

const char *printable(const char *text, char *out, size_t size) {
    size_t n = 0;
    for (; text[n] && n + 1 < size; n++) out[n] = (unsigned char)text[n] < 0x20 || text[n] == 0x7f ? '?' : text[n];
    out[n] = 0;
    return out;
}

static const char *style_text(enum style style) {
    switch (style) {
    case STYLE_PLAIN:
        return "\033[0m";
    case STYLE_BOLD:
        return "\033[1m";
    case STYLE_DIM:
        return "\033[2m";
    case STYLE_GREEN:
        return "\033[32m";
    case STYLE_RED:
        return "\033[31m";
    }
    return "";
}
const char *style_out(enum style style) {
    return terminal.colour_out ? style_text(style) : "";
}
const char *style_err(enum style style) {
    return terminal.colour_err ? style_text(style) : "";
}

/* ---- progress ---- */

enum { PROGRESS_INTERVAL_NS = 100 * 1000 * 1000 };

void progress_begin(struct progress *progress, const struct invocation *invocation) {
    *progress = (struct progress){
        .enabled = !invocation->common.quiet && isatty(STDERR_FILENO),
        .start_ns = clock_now_ns(),
    };
}

void progress_update(struct progress *progress, const char *what, size_t done, size_t total) {
    uint64_t now = clock_now_ns();
    if (!progress->enabled || now < progress->next_ns) return;
    progress->next_ns = now + PROGRESS_INTERVAL_NS;
    progress->shown = true;
    double seconds = (double)(now - progress->start_ns) * 1e-9;
    double left = done && total > done ? seconds / (double)done * (double)(total - done) : 0;
    if (total)
        fprintf(stderr, "\r\033[K%s %zu/%zu (%.0f %%), %.0f s, %.0f s left", what, done, total,
                100.0 * (double)done / (double)total, seconds, left);
    else
        fprintf(stderr, "\r\033[K%s %zu, %.0f s", what, done, seconds);
    fflush(stderr);
}

void progress_end(struct progress *progress) {
    if (progress->shown) fputs("\r\033[K", stderr);
    progress->shown = false;
}

bool output_flush(void) {
    if (fflush(stdout) == 0) return !ferror(stdout);
    if (!terminal.output_errno) terminal.output_errno = errno;
    return false;
}

bool output_finish(void) {
    if (output_flush()) return true;
    /* an errno that was lost inside stdio is most likely a reader that went away */
    if (terminal.output_errno && terminal.output_errno != EPIPE)
        say_error("can't write to standard output: %s", strerror(terminal.output_errno));
    return false;
}
