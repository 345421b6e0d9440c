/* Lines that a person types: with editing and a history where libedit is there, plainly otherwise. */
#ifndef CLI_LINE_INPUT_H
#define CLI_LINE_INPUT_H

#include "base/buffer.h"

struct line_input;

enum line_result { LINE_TEXT, LINE_END, LINE_INTERRUPTED, LINE_FAILED };

/* The history is read from and kept in $XDG_STATE_HOME/bitnet/history (~/.local/state). NULL without memory. */
struct line_input *line_input_open(void);
void line_input_close(struct line_input *input);

/* One line without its newline into out (cleared first). LINE_INTERRUPTED: Ctrl-C, whose flag is cleared. */
enum line_result line_input_read(struct line_input *input, const char *prompt, struct buffer *out);
void line_input_remember(struct line_input *input, const char *text);

#endif
