/* Pre-tokenizers: a list of steps, each cutting the plain pieces of a text into smaller ones. Nested sequences are
 * flattened when read. */
#ifndef TOKENIZER_PRETOKENIZER_H
#define TOKENIZER_PRETOKENIZER_H

#include "tokenizer/pieces.h"
#include "tokenizer/regex.h"
#include "tokenizer/split_pattern.h"

enum pretokenizer_kind {
    PRETOKENIZE_SCANNER, /* a known regular expression */
    PRETOKENIZE_REGEX,
    PRETOKENIZE_LITERAL,
    PRETOKENIZE_CLASS,   /* characters of a class are matches, each for itself */
    PRETOKENIZE_FIXED,   /* pieces of `length` characters */
    PRETOKENIZE_SCRIPTS, /* where the script changes */
    PRETOKENIZE_METASPACE,
    PRETOKENIZE_BYTE_LEVEL, /* the alphabet of byte_alphabet.h; splitting by regex is a step of its own */
};

/* What becomes of the matches of a pattern. */
enum split_behavior {
    SPLIT_REMOVED,
    SPLIT_ISOLATED,
    SPLIT_MERGED_WITH_PREVIOUS,
    SPLIT_MERGED_WITH_NEXT,
    SPLIT_CONTIGUOUS
};

enum metaspace_prepend { METASPACE_ALWAYS, METASPACE_FIRST, METASPACE_NEVER };

struct pretokenizer_step {
    enum pretokenizer_kind kind;
    enum split_behavior behavior;
    bool invert;
    split_scanner scan;         /* SCANNER */
    enum split_matches matches; /* SCANNER: what of what is found */
    struct regex *regex;        /* owned */
    bool (*in_class)(uint32_t code_point);
    const char *literal; /* LITERAL, METASPACE's replacement; in the tokenizer's arena */
    size_t literal_size;
    size_t length;                  /* FIXED */
    enum metaspace_prepend prepend; /* METASPACE */
    bool split;                     /* METASPACE */
    bool add_prefix_space;          /* BYTE_LEVEL: a first step of its own, before splitting */
    bool map_bytes;                 /* BYTE_LEVEL: exchange bytes for their characters */
};

struct pretokenizer {
    struct pretokenizer_step *steps;
    size_t n;
};

struct pretokenizer_scratch {
    struct text text;
    struct pieces pieces;
};

void pretokenizer_release(struct pretokenizer *pretokenizer);
/* Where pieces go, in order. What take returns ends the walk unless it is BN_OK. */
struct piece_sink {
    bn_status (*take)(void *context, const struct text *text, struct piece piece, bn_error *err);
    void *context;
};

/* Cuts the plain ones of the given pieces of the text and hands all on. Rewrites *text where a step inserts characters,
 * and *pieces on the way. */
bn_status pretokenizer_apply(const struct pretokenizer *pretokenizer, struct text *text, struct pieces *pieces,
                             struct pretokenizer_scratch *scratch, const struct piece_sink *sink, bn_error *err);
void pretokenizer_scratch_release(struct pretokenizer_scratch *scratch);

#endif
