/* The pipeline at work on one text: encode.c, for those who give its result to callers. */
#ifndef TOKENIZER_ENCODE_WORK_H
#define TOKENIZER_ENCODE_WORK_H

#include "tokenizer/pipeline.h"

struct id_list {
    int32_t *items;
    size_t n, capacity;
    bool failed;
};

/* All memory that encodings need, reused from one to the next by one thread. Zeroed it is ready. */
struct encode_work {
    const bn_tokenizer *tokenizer;
    struct text text;       /* the segment, on its way */
    struct pieces segments; /* of the raw text */
    struct pieces pieces;   /* of the segment */
    struct normalizer_scratch normalizer;
    struct pretokenizer_scratch pretokenizer;
    struct bpe_scratch bpe;
    struct unigram_scratch unigram;
    struct token_list *tokens;            /* where tokens go that keep their places */
    struct id_list *ids;                  /* where ids alone go; either is NULL */
    struct token_list word;               /* of the word whose ids are wanted */
    struct id_list ahead;                 /* tokens of words that are yet to be joined to those before (ids_of_words) */
    struct id_list pending;               /* what some of them became */
    bool cuts;                            /* a text may be cut before each "▁" (bpe_cuts_at_spaces) */
    const struct literal_places *literal; /* of the text; NULL: none */
};

void encode_work_release(struct encode_work *work);

/* What a caller's options (NULL: none) say; both on without, or as the vocabulary's reference has it. */
bn_status encode_options_read(const bn_tokenizer *tokenizer, const bn_encode_options *options, bool *add_special,
                              bool *parse_special, bn_error *err);

/* The tokens of a text before post-processing, with their places in bytes of it. */
bn_status encode_tokens(const bn_tokenizer *tokenizer, struct encode_work *work, const char *text, size_t size,
                        bool parse_special, struct token_list *out, bn_error *err);
/* The ids of a text alone, appended; nothing is kept of where they come from, which is several times faster. */
bn_status encode_ids(const bn_tokenizer *tokenizer, struct encode_work *work, const char *text, size_t size,
                     bool parse_special, struct id_list *out, bn_error *err);

/* Room for n more ids behind those that are there; NULL and `failed` if there is none. */
int32_t *id_list_reserve(struct id_list *list, size_t n);
void id_list_release(struct id_list *list);

#endif
