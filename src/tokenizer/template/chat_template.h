/* Chat templates: Jinja as Hugging Face transformers runs it, over JSON values. Bounded in time (steps), output,
 * memory and depth: a hostile template ends with an error that has line and column. Nothing outside the given values
 * can be reached from a template. */
#ifndef TOKENIZER_TEMPLATE_CHAT_TEMPLATE_H
#define TOKENIZER_TEMPLATE_CHAT_TEMPLATE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/json.h"

struct chat_template; /* a parsed template: immutable, shared by threads */

struct chat_template_limits {
    uint64_t max_steps;      /* evaluation steps; 0 = 20 million */
    size_t max_output_bytes; /* 0 = 4 MiB */
    size_t max_memory_bytes; /* values alive; 0 = 64 MiB */
    size_t max_depth;        /* nesting of expressions, blocks, macro calls; 0 = 100 */
};

/* Parses; errors are BN_STATUS_BAD_FILE "line L, column C: …". `name` is for messages. */
bn_status chat_template_parse(const char *source, size_t size, const char *name, struct chat_template **out,
                              bn_error *err);
void chat_template_destroy(struct chat_template *chat_template);

struct chat_template_span {
    size_t begin, end;
}; /* bytes of the prompt, from {% generation %} */

struct chat_template_request {
    const json_t *input; /* object: messages, tools, documents, add_generation_prompt, continue_final_message, and
                                  any further names the template uses (bos_token, …) */
    int64_t now;         /* seconds since 1970 for strftime_now, as local wall-clock time */
    struct chat_template_limits limits;
};

/* Renders as apply_chat_template(tokenize=False) does. Appends the prompt to out. spans (may be NULL) receives
 * {% generation %} ranges, allocated, free with mem_free. */
bn_status chat_template_render(const struct chat_template *chat_template, const struct chat_template_request *request,
                               struct buffer *out, struct chat_template_span **spans, size_t *n_spans, bn_error *err);

#endif
