/* What a load test asks: prompts out of a seed, with lengths from a range and beginnings that some of them share, or those of
 * a file. The same settings and seed give the same prompts. */
#ifndef CLIENT_PROMPTS_H
#define CLIENT_PROMPTS_H

#include "base/json.h"

struct length_range {
    size_t min, max;
};

struct prompts_options {
    struct length_range input, output; /* tokens */
    size_t prefix;                     /* tokens that every prompt begins with; beside input */
    size_t n_prefixes;                 /* … of this many kinds, in turns; 0: 1 */
    double abort_share;                /* of clients that go away in the middle of their answer, 0 to 1 */
    double words_per_token;            /* of the model's tokenizer: how prompts get their length; 0: 1 */
    double overhead_tokens;            /* of a prompt of no words (a chat's template) */
    uint64_t seed;
};

struct prompt {
    char *text;       /* NULL: messages */
    json_t *messages; /* [{"role", "content"}, …] */
    size_t max_tokens;
    size_t leave_after; /* pieces of text after which the client goes away; 0: it stays */
};
void prompt_release(struct prompt *prompt);

struct prompts; /* opaque; see prompts.c */

/* dataset NULL: prompts made of common English words. Else the path of a JSONL file with lines {"prompt": TEXT} or
 * {"messages": […]}, each with "max_tokens" or "output_tokens", or of a length out of options->output; behind the last line comes the
 * first again. BN_STATUS_BAD_FILE names the line. */
bn_status prompts_open(const struct prompts_options *options, const char *dataset, struct prompts **out, bn_error *err);
void prompts_close(struct prompts *prompts);
/* The prompt of a number from 0 on, always the same; prompt_release, also after a failure. */
bn_status prompts_at(const struct prompts *prompts, size_t number, struct prompt *out, bn_error *err);

/* n words by the seed, with blanks between; mem_free. NULL without memory. */
char *words_by_seed(uint64_t seed, uint32_t stream, size_t n);

#endif
