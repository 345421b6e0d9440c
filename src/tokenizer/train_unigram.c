#include "tokenizer/train_unigram.h"

bn_status train_unigram(const struct word_list *words, const struct trainer_settings *settings, struct thread_pool *pool,
                        struct token_table *tokens, double **scores, size_t *unk_id, bn_error *err) {
    (void)words, (void)settings, (void)pool, (void)tokens, (void)scores, (void)unk_id;
    return fail(err, BN_STATUS_UNSUPPORTED, "Unigram vocabularies can't be trained by this version");
}
