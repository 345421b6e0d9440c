/* From a tokenizer in memory to a file of another form, whatever file it came from.
 *
 *   tokenizer.json   the steps as they stand; what only other formats have (SentencePiece's normalizer and scores,
 *                    tiktoken's ranks, ByT5's bytes) is said with the steps that do the same
 *   GGUF             tokenizer.ggml.*; a pipeline that none of its kinds stands for is refused
 *
 * Writing says what can be said; tokenizer_compare then proves it, by encoding and decoding with both. */
#ifndef TOKENIZER_CONVERT_H
#define TOKENIZER_CONVERT_H

#include "base/json.h"
#include "formats/gguf.h"
#include "tokenizer/describe.h"

/* The tokenizer as the tree of a tokenizer.json, for json_decref. BN_STATUS_UNSUPPORTED names what the format lacks. */
bn_status tokenizer_to_json(const bn_tokenizer *tokenizer, json_t **root, bn_error *err);
/* tokenizer_config.json beside it: special tokens by role, chat template. */
bn_status tokenizer_config_to_json(const bn_tokenizer *tokenizer, json_t **root, bn_error *err);
/* Sets tokenizer.ggml.* and tokenizer.chat_template, nothing else. Ids up to n_rows that no token has (an embedding can have more rows
 * than the vocabulary) are named as llama.cpp does; 0: none. BN_STATUS_UNSUPPORTED names what GGUF lacks. */
bn_status tokenizer_to_gguf(const bn_tokenizer *tokenizer, size_t n_rows, struct gguf_writer *writer, bn_error *err);
/* general.architecture for a file that has a vocabulary and no model: one that llama.cpp knows such vocabularies of. */
const char *tokenizer_gguf_architecture(const bn_tokenizer *tokenizer);

/* A text to compare by. */
struct sample {
    const char *text;
    size_t size;
};

/* What came out different. */
struct difference {
    size_t n_compared, n_different;
    char *text; /* the first that did, owned; NULL: none */
    size_t text_size;
    char what[256]; /* both answers, in one line */
};
void difference_release(struct difference *difference);

/* Encodes and decodes with both: built-in texts (scripts, digits, spaces, code, emoji), special tokens alone and inside
 * of text, every token's own text, bytes that aren't UTF-8 where both forms are of bytes, and `samples`. Ids and texts
 * must be equal. A difference isn't an error: it is in *out, to be released. */
bn_status tokenizer_compare(const bn_tokenizer *from, const bn_tokenizer *to, const struct sample *samples,
                            size_t n_samples, struct difference *out, bn_error *err);

#endif
