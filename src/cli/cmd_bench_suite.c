/* `bitnet bench suite`: several benchmarks out of a file, each line the arguments of one `bitnet bench`. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "cli/command.h"
#include "cli/input.h"
#include "cli/signals.h"
#include "cli/terminal.h"

enum { MAX_WORDS = 64 };

/* The words of a line, in place: white space between, "…" for words with white space. False: an open quote, or too many. */
static bool split(char *line, char **words, int *n_words) {
    *n_words = 0;
    for (char *at = line + strspn(line, " \t\r"); *at; at += strspn(at, " \t\r")) {
        bool quoted = *at == '"';
        if (*n_words == MAX_WORDS) return false;
        words[(*n_words)++] = at += quoted;
        at += strcspn(at, quoted ? "\"" : " \t\r");
        if (quoted && !*at) return false;
        if (*at) *at++ = 0;
    }
    return true;
}

static enum exit_code run_line(const struct invocation *suite, size_t number, char *line) {
    char *words[MAX_WORDS + 1];
    int n_words;
    bn_error error = {0};
    struct invocation invocation;
    if (!split(line, words, &n_words)) {
        say_error("%s:%zu: a quote that isn't closed, or more than %d words", suite->arguments[0], number, MAX_WORDS);
        return EXIT_MISUSE;
    }
    enum exit_code code;
    if (invocation_parse(&invocation, &command_bench, n_words, words, &error)) {
        say_error("%s:%zu: %s", suite->arguments[0], number, error.message);
        code = EXIT_MISUSE;
    } else {
        invocation.common.json = invocation.common.json || suite->common.json;
        invocation.common.quiet = suite->common.quiet;
        code = command_bench.run(&invocation);
    }
    invocation_release(&invocation);
    output_flush();
    return code;
}

static enum exit_code run(struct invocation *invocation) {
    struct buffer text;
    bn_error error = {0};
    enum exit_code worst = EXIT_DONE;
    size_t number = 0;
    buffer_init(&text);
    if (read_file_or_stdin(invocation->arguments[0], &text, &error)) {
        buffer_release(&text);
        return say_failure(&error);
    }
    for (char *next = text.data; next && *next && !interrupted();) {
        char *line = next;
        next = strchr(line, '\n');
        if (next) *next++ = 0;
        number++;
        if (line[strspn(line, " \t\r")] == 0 || line[strspn(line, " \t")] == '#') continue;
        enum exit_code code = run_line(invocation, number, line);
        if (code != EXIT_DONE && worst == EXIT_DONE) worst = code;
    }
    buffer_release(&text);
    return interrupted() ? EXIT_INTERRUPTED : worst;
}

const struct command command_bench_suite = {
    .name = "bench suite",
    .arguments = "FILE",
    .summary = "run the benchmarks that a file lists",
    .description = "Each line of the file (- for standard input) has the arguments of a 'bitnet bench', model first: "
                   "'demo -p 32 -n 0 -t 1,2 --record'. "
                   "Words with white space stand in \"quotes\"; lines that begin with # are comments. A line that "
                   "fails is told on "
                   "standard error and the next goes on; the exit status is that of the first failure. With --json, a "
                   "list for each line.",
    .examples = "printf 'demo -p 32 -n 0 -r 2\\ndemo -p 0 -n 8 -r 2\\n' | bitnet bench suite -",
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
