#include "tokenizer/train_wordlevel.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* Words are ascending by their bytes already; a pointer's place in the list is that order. */
static int most_frequent_first(const void *a, const void *b) {
    const struct word *x = *(const struct word *const *)a, *y = *(const struct word *const *)b;
    if (x->count != y->count) return x->count < y->count ? 1 : -1;
    return (x > y) - (x < y);
}

/* A word that is a special token too gets the later id, and the first one stays unused: so does the reference. */
static bool put(json_t *vocab, const char *text, size_t size, size_t id) {
    return json_object_setn_new_nocheck(vocab, text, size, json_integer((json_int_t)id)) == 0;
}

bn_status train_wordlevel(const struct word_list *words, const struct trainer_settings *settings, json_t **vocab,
                          bn_error *err) {
    const struct word **sorted = mem_alloc_array(words->n, sizeof *sorted);
    json_t *object = json_object();
    bool complete = sorted && object;
    size_t n = 0, id = 0;
    for (size_t i = 0; i < words->n && complete; i++) {
        const struct word *word = &words->items[i];
        if (word->count >= settings->min_frequency && !memchr(word->text, 0, word->size)) sorted[n++] = word;
    }
    if (n) qsort(sorted, n, sizeof *sorted, most_frequent_first);
    for (size_t i = 0; i < settings->special_tokens.n && complete && id < settings->vocab_size; i++) {
        const char *text = settings->special_tokens.items[i];
        complete = put(object, text, strlen(text), id++);
    }
    for (size_t i = 0; i < n && complete && id < settings->vocab_size; i++)
        complete = put(object, sorted[i]->text, sorted[i]->size, id++);
    mem_free(sorted);
    if (complete)
        *vocab = object;
    else
        json_decref(object);
    return complete ? BN_OK : fail_no_memory(err, words->n * sizeof *sorted);
}
