/* The text of one choice while its tokens come: decoded into whole characters, ended by stop strings. */
#ifndef ENGINE_OUTPUT_TEXT_H
#define ENGINE_OUTPUT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "bitnet/tokenizer.h"

struct stop_string {
    const char *bytes; /* valid UTF-8, not empty */
    size_t n;
};

struct output_text {
    bn_decoder *decoder;             /* NULL: the model has no tokenizer, the text stays empty */
    const struct stop_string *stops; /* owned by the request */
    size_t n_stops;
    struct buffer buffer;           /* all text; from the first stop string on nothing */
    size_t n_skip;                  /* bytes to come that the prompt has already */
    size_t n_sure;                  /* bytes of it that can't become part of a stop string: may be shown */
    const struct stop_string *stop; /* the stop string that came; NULL: none */
};

/* tokenizer may be NULL. The text must have been zeroed; output_text_release is fine after a failure. */
bn_status output_text_init(struct output_text *text, const bn_tokenizer *tokenizer, bool skip_special,
                           const struct stop_string *stops, size_t n_stops, bn_error *err);
void output_text_release(struct output_text *text);
/* What comes follows the first n_kept ids of a prompt; the text of the others will come again and is left out. */
bn_status output_text_follow(struct output_text *text, const bn_tokenizer *tokenizer, bool skip_special,
                             const int32_t *prompt, size_t n_prompt, size_t n_kept, bn_error *err);

/* Adds the text of one id. Ids beyond the tokenizer's vocabulary (padding of the model's) have none. */
bn_status output_text_push(struct output_text *text, const bn_tokenizer *tokenizer, int32_t id, bn_error *err);
/* No more tokens: an incomplete character comes out as U+FFFD, what was held back is sure. */
bn_status output_text_finish(struct output_text *text, bn_error *err);

#endif
