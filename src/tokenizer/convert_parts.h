/* Between the files that write a tokenizer: convert.h says what they do together. */
#ifndef TOKENIZER_CONVERT_PARTS_H
#define TOKENIZER_CONVERT_PARTS_H

#include "tokenizer/convert.h"
#include "tokenizer/pipeline.h"

/* BN_STATUS_UNSUPPORTED where an id means two texts: in a vocabulary whose ids have gaps, an added token may get that of a
 * model's token, whose text isn't known any more. */
bn_status convert_check_ids(const bn_tokenizer *tokenizer, bn_error *err);

/* A merge as files list them. */
struct merge {
    int32_t left, right;
};
struct merge_list {
    struct merge *items;
    size_t n;
};
/* The merges that do what the vocabulary's ranking does, best first: its own list, or one derived from ranks or scores.
 * Free items with mem_free. */
bn_status convert_merges(const bn_tokenizer *tokenizer, struct merge_list *out, bn_error *err);

/* A vocabulary with SentencePiece's own pipeline: its normalizer step, else NULL. */
const struct normalizer_step *sentencepiece_step(const bn_tokenizer *tokenizer);
/* Its normalizer, pre-tokenizer and decoder in the steps of tokenizer.json; arrays as convert.h's. */
bn_status sentencepiece_normalizer_to_json(const bn_tokenizer *tokenizer, json_t **steps, bn_error *err);
bn_status sentencepiece_pretokenizer_to_json(const bn_tokenizer *tokenizer, json_t **steps, bn_error *err);
bn_status sentencepiece_decoder_to_json(const bn_tokenizer *tokenizer, json_t **steps, bn_error *err);
/* How a tokenizer.json gets a user-defined symbol out of a text. */
enum symbol_means {
    SYMBOL_ADDED, /* an added token: nothing is put in front of the text behind it */
    SYMBOL_RUN,   /* U+2581 several times: isolated by the pre-tokenizer, then merged */
    SYMBOL_WHOLE, /* isolated, then looked up as a whole word */
};
enum symbol_means sentencepiece_symbol_means(const bn_tokenizer *tokenizer, struct vocabulary_token token);
/* Does BPE have to look up whole words (ignore_merges)? */
bool sentencepiece_needs_whole_words(const bn_tokenizer *tokenizer);

/* The settings of SentencePiece's normalizer that do what the tokenizer's steps do; NULL, or what it lacks. */
struct sentencepiece_settings {
    bool add_dummy_prefix, remove_extra_whitespaces;
    const struct precompiled *map; /* NULL for none */
};
const char *sentencepiece_recognize(const bn_tokenizer *tokenizer, struct sentencepiece_settings *settings);
/* Scores for [vocabulary size] tokens, from merges if need be. */
void sentencepiece_scores(const bn_tokenizer *tokenizer, float *scores);

/* "model" of a tokenizer.json. */
bn_status model_to_json(const bn_tokenizer *tokenizer, json_t **model, bn_error *err);

/* A character map as its file has it, in base64 (mem_free it). */
char *precompiled_to_base64(const struct precompiled *map);
/* The same in bytes. */
bool precompiled_to_bytes(const struct precompiled *map, uint8_t **bytes, size_t *size);

/* Appends and releases a step; a NULL (memory was out while it was made) sticks as false. */
bool append_step(json_t *steps, json_t *step);
/* status, or what `ok` false means: memory was out. */
bn_status finish_steps(bool ok, json_t *steps, json_t **out, bn_error *err);
json_t *replace_step(const char *pattern_kind, const char *pattern, const char *content);

#endif
