/* Decoders: ids back to text, one id at a time.
 *
 * A decoder is a list of steps over token texts, as tokenizer.json describes it. Each step is a small state machine, so
 * decoding a whole list and decoding piece by piece are the same code: the pieces joined are the whole. (One
 * exception, which no incremental decoder escapes: ByteFallback turns a whole run of bytes into U+FFFDs if any of it
 * is broken, and a stream has shown the run's valid characters by then.) */
#ifndef TOKENIZER_DECODER_H
#define TOKENIZER_DECODER_H

#include "base/buffer.h"
#include "tokenizer/regex.h"
#include "tokenizer/vocabulary.h"

enum decoder_kind {
    DECODE_BYTE_LEVEL,
    DECODE_BYTE_FALLBACK,
    DECODE_METASPACE,
    DECODE_WORDPIECE,
    DECODE_BPE_SUFFIX,
    DECODE_CTC,
    DECODE_REPLACE,
    DECODE_STRIP,
    DECODE_FUSE,
    DECODE_JOIN_SPACES,   /* no decoder at all: tokens with a space between */
    DECODE_SENTENCEPIECE, /* as sentencepiece itself decodes */
    DECODE_RAW_BYTES,     /* <0xXX> and ordinary texts, joined: ByT5 */
};

struct decoder_step {
    enum decoder_kind kind;
    const char *pattern,
        *content; /* in the tokenizer's arena; per kind: prefix, suffix, replacement, pad token, the text
                                    * of unknown pieces … */
    size_t pattern_size, content_size;
    struct regex *regex;        /* REPLACE; owned */
    bool cleanup;               /* WORDPIECE, CTC */
    bool drop_first_space;      /* METASPACE, SENTENCEPIECE */
    bool drop_all_first_spaces; /* SENTENCEPIECE: remove_extra_whitespaces */
    size_t start, stop;         /* STRIP */
    bool buffered;              /* FUSE, BYTE_LEVEL: a later step needs all the text at once */
};

struct decoder {
    struct decoder_step *steps; /* at least one */
    size_t n;
};

/* Sets `buffered` where needed. */
void decoder_finish(struct decoder *decoder);
void decoder_release(struct decoder *decoder);

/* Parts of steps, for token_bytes.c. */
void decoder_append_replaced(struct buffer *out, const char *text, size_t n, const char *from, size_t from_size,
                             const char *to, size_t to_size);
void decoder_clean_up(struct buffer *text);
/* WordPiece: does the token continue a word? Takes the mark that says so, or its opposite, off the text. */
bool decoder_continues_word(const struct decoder_step *step, const struct vocabulary_token *token, const char **text,
                            size_t *n);

/* The state of one decoding. */
struct decoding;
bn_status decoding_create(const struct decoder *decoder, bool streaming, struct decoding **out, bn_error *err);
void decoding_destroy(struct decoding *decoding);
/* Feeds one token; text that is settled goes to *out. */
bn_status decoding_push(struct decoding *decoding, const struct vocabulary_token *token, struct buffer *out,
                        bn_error *err);
bn_status decoding_finish(struct decoding *decoding, struct buffer *out, bn_error *err);
/* A character is half done, or may yet turn out broken: a stream waits for more before it shows the text. */
bool decoding_waits(const struct decoding *decoding);

#endif
