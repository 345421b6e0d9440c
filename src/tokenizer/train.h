/* Training of tokenizers: a text corpus and an untrained tokenizer.json in, a trained tokenizer.json out.
 *
 * Training has two halves. The words of the corpus, as the normalizer and pre-tokenizer of the tokenizer cut them, are
 * counted by several threads; then one of four algorithms makes a vocabulary of the words and their counts. The result
 * depends on the corpus and the settings alone: not on the number of threads, not on the order of a hash table. */
#ifndef TOKENIZER_TRAIN_H
#define TOKENIZER_TRAIN_H

#include <stdio.h>

#include "base/arena.h"
#include "base/json.h"

enum trainer_kind { TRAINER_BPE, TRAINER_UNIGRAM, TRAINER_WORDPIECE, TRAINER_WORDLEVEL };

struct string_list {
    const char **items;
    size_t n;
};

/* What Hugging Face's trainers can be told, under the same names; a field that a kind doesn't use is ignored by it. */
struct trainer_settings {
    enum trainer_kind kind;
    size_t vocab_size;
    size_t min_frequency;
    struct string_list special_tokens;                          /* the first ids, in this order */
    size_t limit_alphabet;                                      /* the most characters to keep; SIZE_MAX: all */
    struct string_list initial_alphabet;                        /* the first character of each is kept, seen or not */
    const char *continuing_subword_prefix, *end_of_word_suffix; /* NULL for none */
    size_t max_token_length;                                    /* in characters; SIZE_MAX: any */
    const char *unk_token;                                      /* UNIGRAM; NULL for none */
    double shrinking_factor;            /* UNIGRAM: the part of the pieces that a round of pruning leaves */
    size_t n_sub_iterations;            /* UNIGRAM: rounds of EM between prunings */
    size_t max_piece_length, seed_size; /* UNIGRAM */
    bool show_progress;
    bool drop_newlines; /* the newline at the end of a line isn't part of its text */
    size_t n_threads;   /* 0: as many as there are CPUs */
    /* Called now and then by the calling thread; false stops the training with BN_STATUS_CANCELLED. May be NULL. total 0
     * where it isn't known. */
    bool (*progress)(void *context, const char *what, size_t done, size_t total);
    void *progress_context;
    struct arena strings; /* what trainer_settings_read copies */
};

/* The defaults of the kind's trainer in Hugging Face tokenizers. */
void trainer_settings_init(struct trainer_settings *settings, enum trainer_kind kind);
void trainer_settings_release(struct trainer_settings *settings);
/* The members of a JSON object with the fields' names; special tokens may be objects with a "content". A member that
 * isn't a setting is refused. */
bn_status trainer_settings_read(struct trainer_settings *settings, const json_t *object, bn_error *err);
bool trainer_kind_find(const char *name, enum trainer_kind *kind); /* "bpe", "BPE", "wordlevel", … */

/* An untrained tokenizer of a kind, for those who bring none, and settings that go with it: byte-level for BPE (GPT-2's
 * pattern), Metaspace for Unigram, BERT for WordPiece, Whitespace for WordLevel. Release *untrained with json_decref. */
bn_status trainer_ready_made(struct trainer_settings *settings, json_t **untrained, bn_error *err);

struct trainer;

/* untrained: a tokenizer.json whose model's type is the settings' kind; its vocabulary is ignored. Both must stay while
 * the trainer lives. */
bn_status trainer_create(const json_t *untrained, const struct trainer_settings *settings, struct trainer **out,
                         bn_error *err);
void trainer_destroy(struct trainer *trainer);
/* Counts the words of a stream, each line a text. name is for messages, size_bytes (0: unknown) for progress. */
bn_status trainer_add_stream(struct trainer *trainer, FILE *stream, const char *name, size_t size_bytes, bn_error *err);
/* Trains on what was added, once. Release *trained, a tokenizer.json, with json_decref. */
bn_status trainer_train(struct trainer *trainer, json_t **trained, bn_error *err);

#endif
