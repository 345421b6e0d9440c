/* Normalizers: a list of steps, each a rewriting of a text with alignment. Nested sequences are flattened when read. */
#ifndef TOKENIZER_NORMALIZER_H
#define TOKENIZER_NORMALIZER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "tokenizer/precompiled.h"
#include "tokenizer/regex.h"
#include "tokenizer/text.h"

enum normalizer_kind {
    NORMALIZE_FORM, /* NFC, NFD, NFKC, NFKD */
    NORMALIZE_LOWERCASE,
    NORMALIZE_STRIP,         /* white space at the ends */
    NORMALIZE_STRIP_ACCENTS, /* every mark, or Mn only */
    NORMALIZE_NMT,
    NORMALIZE_BERT_CLEAN, /* BertNormalizer's own steps; the rest of it is NFD, accents, lower case */
    NORMALIZE_BERT_CHINESE,
    NORMALIZE_PREPEND,
    NORMALIZE_REPLACE,     /* literal or regular expression */
    NORMALIZE_PRECOMPILED, /* as tokenizer.json's: by grapheme */
    NORMALIZE_BYTE_LEVEL,
    NORMALIZE_SENTENCEPIECE, /* charsmap by longest match, spaces collapsed and escaped: sentencepiece's own normalizer */
};

struct normalizer_step {
    enum normalizer_kind kind;
    bool compatibility, compose; /* FORM */
    bool left, right;            /* STRIP */
    bool nonspacing_only;        /* STRIP_ACCENTS */
    const char *content;         /* PREPEND, REPLACE: what is put in; owned by the tokenizer's arena */
    size_t content_size;
    const char *pattern; /* REPLACE, literal */
    size_t pattern_size;
    struct regex *regex;             /* REPLACE; owned by the step */
    struct precompiled precompiled;  /* PRECOMPILED, SENTENCEPIECE; empty: none */
    const struct trie *user_symbols; /* SENTENCEPIECE: copied as they are; may be NULL */
    bool add_dummy_prefix, remove_extra_whitespaces, whitespace_as_suffix; /* SENTENCEPIECE */
};

struct normalizer {
    struct normalizer_step *steps;
    size_t n;
};

/* Memory that a normalization needs, reused from text to text. */
struct normalizer_scratch {
    struct text other;
    struct changes changes;
};

void normalizer_release(struct normalizer *normalizer);
/* Rewrites *text (which may be borrowed). */
bn_status normalizer_apply(const struct normalizer *normalizer, struct text *text, struct normalizer_scratch *scratch,
                           bn_error *err);
void normalizer_scratch_release(struct normalizer_scratch *scratch);

#endif
