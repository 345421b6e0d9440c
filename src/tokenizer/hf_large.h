/* The two large members of a tokenizer.json, model.vocab and model.merges, are taken out of the text and read where they
 * lie (json_pull.h); the rest is small, and parsed into a tree. */
#ifndef TOKENIZER_HF_LARGE_H
#define TOKENIZER_HF_LARGE_H

#include "base/buffer.h"
#include "tokenizer/json_pull.h"

struct json_slice {
    const char *text; /* NULL: not there, or of another type */
    size_t size;
    size_t n; /* entries */
};

struct hf_large {
    struct json_slice vocab;  /* an object */
    struct json_slice merges; /* an array */
    bool no_memory;           /* while looking for them */
};

/* Finds them, and appends the text without their contents to rest. false: this isn't JSON that has a "model", or not
 * JSON; rest is then of no use. */
bool hf_large_take(const char *text, size_t size, struct hf_large *large, struct buffer *rest);

#endif
