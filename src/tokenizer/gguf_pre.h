/* tokenizer.ggml.pre: how the BPE vocabularies of GGUF files cut text into words. */
#ifndef TOKENIZER_GGUF_PRE_H
#define TOKENIZER_GGUF_PRE_H

#include "tokenizer/pipeline.h"

enum gguf_pre_spelling {
    GGUF_PRE_ALPHABET, /* tokens are bytes in GPT-2's alphabet */
    GGUF_PRE_ESCAPED,  /* tokens are text, spaces U+2581: Gemma's way */
    GGUF_PRE_PLAIN,    /* tokens are text */
};

struct gguf_pre {
    const char *name;
    const char *patterns[6]; /* one split after the other, NULL at the end */
    enum gguf_pre_spelling spelling;
    bool nfc;           /* the family's normalizer */
    bool ignore_merges; /* a word that is a token is that token */
    bool add_bos;       /* unless the file says otherwise */
};

/* NULL for a name that isn't known; "default" counts as unknown. */
const struct gguf_pre *gguf_pre_find(const char *name, size_t size);
/* What the vocabulary itself looks like; never NULL. */
const struct gguf_pre *gguf_pre_detect(const struct vocabulary *vocabulary);
/* The one that does what the tokenizer's normalizer and pre-tokenizer do, *out NULL if there is none. */
bn_status gguf_pre_of(const bn_tokenizer *tokenizer, const struct gguf_pre **out, bn_error *err);
/* Normalizer, splits, decoder, and how the model's tokens are spelled. */
bn_status gguf_pre_apply(const struct gguf_pre *pre, bn_tokenizer *tokenizer, bn_error *err);

#endif
