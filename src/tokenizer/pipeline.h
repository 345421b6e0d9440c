/* A tokenizer as a pipeline. Text goes through normalizer → added tokens → pre-tokenizer → model → post-processor;
 * ids come back through the decoder. Every file format is read into this one shape. */
#ifndef TOKENIZER_PIPELINE_H
#define TOKENIZER_PIPELINE_H

#include "base/file.h"
#include "tokenizer/added_tokens.h"
#include "tokenizer/bpe.h"
#include "tokenizer/decoder.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/postprocessor.h"
#include "tokenizer/pretokenizer.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/truncation.h"
#include "tokenizer/unigram.h"
#include "tokenizer/vocabulary.h"
#include "tokenizer/word_cache.h"
#include "tokenizer/wordpiece.h"

enum model_kind { MODEL_BPE, MODEL_UNIGRAM, MODEL_WORDPIECE, MODEL_WORDLEVEL, MODEL_BYTES };

struct bn_tokenizer {
    struct vocabulary vocabulary;
    struct normalizer normalizer;
    struct added_tokens added;
    struct pretokenizer pretokenizer;
    enum model_kind model;
    struct bpe bpe;
    struct unigram unigram;
    struct wordpiece wordpiece; /* WORDLEVEL uses its unknown_id */
    int32_t first_byte_id;      /* BYTES: id of byte 0 */
    struct word_cache words;    /* what words became, for encodings without offsets */
    struct postprocessor postprocessor;
    struct decoder decoder;
    struct truncation truncation;
    struct padding padding;
    bool keeps_invalid_bytes; /* byte-level: bytes that aren't UTF-8 are encoded as they are, not as U+FFFD */
    bool text_is_plain;       /* the reference never looks for special tokens in text */
    struct trie user_symbols; /* SentencePiece's user-defined symbols */
    float *scores;            /* SentencePiece BPE: [vocabulary size] */
    int32_t bos, eos, pad;    /* -1 for none */
    char *chat_template;      /* NULL for none */
    /* Opened from a compiled form: the tables lie in its image. */
    bool has_image;
    struct mapped_file file; /* the image's, where the tokenizer owns it */
    struct gguf *gguf;       /* the same, if the image is in a GGUF file */
};

/* A zeroed tokenizer whose release is safe at any time. */
bn_status tokenizer_create(size_t expected_tokens, bn_tokenizer **out, bn_error *err);
/* Once everything is read: builds what is derived from it and marks the tokens that end a generation. */
bn_status tokenizer_finish(bn_tokenizer *tokenizer, bn_error *err);
/* The same once more, after further tokens were added to a vocabulary that had n_before ids. */
bn_status tokenizer_finish_added(bn_tokenizer *tokenizer, size_t n_before, bn_error *err);

/* Empties the tables that lie in an image, so that releasing them frees nothing. */
void tokenizer_forget_image(bn_tokenizer *tokenizer);

/* Steps are appended to growing arrays; the returned step is zeroed, NULL if memory is out. */
struct normalizer_step *normalizer_append(struct normalizer *normalizer, enum normalizer_kind kind);
struct pretokenizer_step *pretokenizer_append(struct pretokenizer *pretokenizer, enum pretokenizer_kind kind);
struct decoder_step *decoder_append(struct decoder *decoder, enum decoder_kind kind);
/* Appends a split by a regular expression: its scanner if it is a known one. */
bn_status pretokenizer_append_regex(struct pretokenizer *pretokenizer, const char *pattern, size_t size,
                                    enum regex_syntax syntax, enum split_behavior behavior, bool invert, bn_error *err);

/* The token as an added one: id of the model's token with this text, else `id`. */
bn_status tokenizer_add_token(bn_tokenizer *tokenizer, struct added_token token, bn_error *err);

/* Other kinds of files; `name` is for messages. encoding (may be NULL): tiktoken's pattern and special tokens. */
bn_status tokenizer_from_sentencepiece(const uint8_t *bytes, size_t size, const char *name, bn_tokenizer **out,
                                       bn_error *err);
bn_status tokenizer_from_tiktoken(const char *text, size_t size, const json_t *encoding, const char *name,
                                  bn_tokenizer **out, bn_error *err);
bn_status tokenizer_from_tekken(const json_t *root, const char *name, bn_tokenizer **out, bn_error *err);

#endif
