/* What commands read: prompts from text, files or standard input, lists of token ids, lines of JSON. */
#ifndef CLI_INPUT_H
#define CLI_INPUT_H

#include <stdint.h>
#include <stdio.h>

#include "base/buffer.h"
#include "base/json.h"
#include "tokenizer/template/chat.h"

/* "1,2,3", commas or white space; *ids is newly allocated (mem_free). */
bn_status parse_ids(const char *text, int32_t **ids, size_t *n, bn_error *err);

/* A whole file, "-" for standard input, into out. */
bn_status read_file_or_stdin(const char *path, struct buffer *out, bn_error *err);

/* The same as a prompt: without a newline at its very end, which editors and echo put there. An empty one is refused, as
 * it is most likely a mistake. */
bn_status read_prompt_file(const char *path, struct buffer *out, bn_error *err);

/* The ids of a JSON array of integers; newly allocated. */
bn_status ids_from_json(const json_t *array, const char *name, int32_t **ids, size_t *n, bn_error *err);

/* Lines of a stream without their newline. next: 1 a line, 0 the end, -1 an error. */
struct line_reader {
    FILE *stream;
    char *text; /* the current line, NUL-terminated */
    size_t size;
    size_t capacity;
    size_t number; /* of the current line, from 1 */
    bool complete; /* it ended in a newline */
};
int line_reader_next(struct line_reader *reader);
void line_reader_release(struct line_reader *reader); /* closes nothing */
bool is_blank(const char *text, size_t n);

#endif
