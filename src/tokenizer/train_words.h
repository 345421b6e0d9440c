/* The words of a corpus and how often they occur: what all training algorithms start from. */
#ifndef TOKENIZER_TRAIN_WORDS_H
#define TOKENIZER_TRAIN_WORDS_H

#include "base/threads.h"
#include "tokenizer/pipeline.h"
#include "tokenizer/train.h"

struct word {
    const char *text; /* not empty, valid UTF-8 */
    uint32_t size;
    uint64_t count;
};

/* Ascending by their bytes, each once. */
struct word_list {
    struct word *items;
    size_t n;
    struct arena texts;
};
void word_list_release(struct word_list *words);

struct word_counter;

/* The pipeline's normalizer and pre-tokenizer cut texts into words. Pipeline, settings and pool must outlive the
 * counter. */
bn_status word_counter_create(const bn_tokenizer *pipeline, const struct trainer_settings *settings,
                              struct thread_pool *pool, struct word_counter **out, bn_error *err);
void word_counter_destroy(struct word_counter *counter);
bn_status word_counter_add(struct word_counter *counter, FILE *stream, const char *name, size_t size_bytes,
                           bn_error *err);
/* Moves the words out; the counter is empty afterwards. */
bn_status word_counter_finish(struct word_counter *counter, struct word_list *out, bn_error *err);

/* Tells settings->progress; BN_STATUS_CANCELLED if it says so. */
bn_status trainer_report(const struct trainer_settings *settings, const char *what, size_t done, size_t total,
                         bn_error *err);

#endif
