#include "cli/line_input.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/signals.h"

#ifdef HAVE_LIBEDIT
#include <histedit.h>

#include "base/utf8.h"

enum { HISTORY_LINES = 1000 };

struct line_input {
    EditLine *editor;
    History *history;
    char *history_path; /* NULL: nowhere to keep it */
    const char *prompt;
};

/* libedit's own reader swallows the first EINTR; this one ends the line on Ctrl-C. Returns 1 with a character, 0 at the
 * end, -1 on interruption. */
static int read_character(EditLine *editor, wchar_t *out) {
    (void)editor;
    char bytes[4];
    for (size_t n = 0; n < sizeof bytes;) {
        ssize_t got = read(STDIN_FILENO, bytes + n, 1);
        if (got < 0 && errno == EINTR && !interrupted()) continue;
        if (got <= 0) return got == 0 ? 0 : -1;
        uint32_t code_point;
        if (utf8_decode(bytes, ++n, &code_point) > 0) {
            *out = (wchar_t)code_point;
            return 1;
        }
        if (!utf8_incomplete_tail(bytes, n)) n = 0; /* not UTF-8: ignored */
    }
    return 0;
}

static char *prompt_text(EditLine *editor) {
    struct line_input *input;
    el_get(editor, EL_CLIENTDATA, &input);
    return (char *)input->prompt;
}

/* The history's path; its folders are made. */
static char *history_path(void) {
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    char *path = state && *state ? path_join(state, "bitnet/history")
                 : home && *home ? path_join(home, ".local/state/bitnet/history")
                                 : NULL;
    for (char *slash = path ? strchr(path + 1, '/') : NULL; slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(path, 0700); /* if this fails, so does saving, and nothing is lost but the history */
        *slash = '/';
    }
    return path;
}

struct line_input *line_input_open(void) {
    struct line_input *input = mem_calloc(1, sizeof *input);
    if (!input) return NULL;
    HistEvent event;
    input->editor = el_init("bitnet", stdin, stdout, stderr);
    input->history = history_init();
    if (!input->editor || !input->history) {
        line_input_close(input);
        return NULL;
    }
    history(input->history, &event, H_SETSIZE, HISTORY_LINES);
    history(input->history, &event, H_SETUNIQUE, 1);
    input->history_path = history_path();
    if (input->history_path && file_exists(input->history_path))
        history(input->history, &event, H_LOAD, input->history_path);
    el_set(input->editor, EL_CLIENTDATA, input);
    el_set(input->editor, EL_PROMPT, prompt_text);
    el_set(input->editor, EL_EDITOR, "emacs");
    el_set(input->editor, EL_HIST, history, input->history);
    el_set(input->editor, EL_GETCFN, read_character);
    el_source(input->editor, NULL);
    return input;
}

static void save_history(struct line_input *input) {
    struct atomic_file file;
    HistEvent event;
    if (!input->history_path || atomic_file_open(input->history_path, &file, NULL)) return;
    if (history(input->history, &event, H_SAVE_FP, file.stream) < 0)
        atomic_file_abort(&file);
    else
        atomic_file_commit(&file, NULL);
}

void line_input_close(struct line_input *input) {
    if (!input) return;
    if (input->history) save_history(input);
    if (input->editor) el_end(input->editor);
    if (input->history) history_end(input->history);
    mem_free(input->history_path);
    mem_free(input);
}

enum line_result line_input_read(struct line_input *input, const char *prompt, struct buffer *out) {
    int n = 0;
    buffer_clear(out);
    input->prompt = prompt;
    el_resize(input->editor);
    const char *line = el_gets(input->editor, &n);
    if (interrupted()) {
        interrupt_clear();
        return LINE_INTERRUPTED;
    }
    if (!line || n <= 0) return LINE_END;
    size_t size = strlen(line);
    buffer_append(out, line, size - (line[size - 1] == '\n'));
    return out->failed ? LINE_FAILED : LINE_TEXT;
}

void line_input_remember(struct line_input *input, const char *text) {
    HistEvent event;
    if (*text) history(input->history, &event, H_ENTER, text);
}

#else /* plain lines */

struct line_input {
    char *line; /* getline's */
    size_t capacity;
};

struct line_input *line_input_open(void) {
    return mem_calloc(1, sizeof(struct line_input));
}

void line_input_close(struct line_input *input) {
    if (input) free(input->line);
    mem_free(input);
}

enum line_result line_input_read(struct line_input *input, const char *prompt, struct buffer *out) {
    buffer_clear(out);
    fputs(prompt, stdout);
    fflush(stdout);
    ssize_t n = getline(&input->line, &input->capacity, stdin);
    if (interrupted()) {
        interrupt_clear();
        clearerr(stdin);
        return LINE_INTERRUPTED;
    }
    if (n <= 0) return LINE_END;
    buffer_append(out, input->line, (size_t)n - (input->line[n - 1] == '\n'));
    return out->failed ? LINE_FAILED : LINE_TEXT;
}

void line_input_remember(struct line_input *input, const char *text) {
    (void)input, (void)text;
}

#endif
