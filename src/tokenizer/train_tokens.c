#include "tokenizer/train_tokens.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"

bn_status token_table_init(struct token_table *tokens, bn_error *err) {
    *tokens = (struct token_table){0};
    return string_map_init(&tokens->ids, 1024) ? BN_OK : fail_no_memory(err, 1024);
}

void token_table_release(struct token_table *tokens) {
    mem_free(tokens->items);
    string_map_release(&tokens->ids);
    arena_release(&tokens->texts);
    *tokens = (struct token_table){0};
}

int32_t token_table_find(const struct token_table *tokens, const char *text, size_t size) {
    uint32_t id;
    return string_map_find(&tokens->ids, text, size, &id) ? (int32_t)id : -1;
}

bn_status token_table_add(struct token_table *tokens, const char *text, size_t size, int32_t *id, bn_error *err) {
    *id = token_table_find(tokens, text, size);
    if (*id >= 0) return BN_OK;
    if (tokens->n == tokens->capacity) {
        size_t capacity = max_size(1024, tokens->capacity * 2);
        if (capacity > INT32_MAX) return fail(err, BN_STATUS_UNSUPPORTED, "more than %zu tokens", tokens->n);
        struct token_text *items = mem_realloc_array(tokens->items, capacity, sizeof *items);
        if (!items) return fail_no_memory(err, capacity * sizeof *items);
        tokens->items = items;
        tokens->capacity = capacity;
    }
    char *copy = arena_strndup(&tokens->texts, text, size);
    if (!copy || string_map_insert(&tokens->ids, copy, size, (uint32_t)tokens->n) < 0) return fail_no_memory(err, size);
    *id = (int32_t)tokens->n;
    tokens->items[tokens->n++] = (struct token_text){copy, size};
    return BN_OK;
}

bn_status token_table_add_list(struct token_table *tokens, const struct string_list *list, bn_error *err) {
    bn_status status = BN_OK;
    int32_t id;
    for (size_t i = 0; i < list->n && !status; i++)
        status = token_table_add(tokens, list->items[i], strlen(list->items[i]), &id, err);
    return status;
}

/* ---- alphabet ---- */

#define N_CODE_POINTS ((size_t)0x110000)

struct letter {
    uint64_t count;
    uint32_t code_point;
};

static int most_frequent_first(const void *a, const void *b) {
    const struct letter *x = a, *y = b;
    if (x->count != y->count) return x->count < y->count ? 1 : -1;
    return (x->code_point > y->code_point) - (x->code_point < y->code_point);
}

static int by_code_point(const void *a, const void *b) {
    const uint32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void count_letters(const struct word_list *words, const struct trainer_settings *settings, uint64_t *counts) {
    uint32_t c;
    for (size_t i = 0; i < words->n; i++) {
        const struct word *word = &words->items[i];
        for (size_t at = 0; at < word->size;) {
            int length = utf8_decode(word->text + at, word->size - at, &c);
            at += (size_t)abs(length);
            if (length > 0) counts[c] += word->count;
        }
    }
    for (size_t i = 0; i < settings->initial_alphabet.n; i++) {
        const char *text = settings->initial_alphabet.items[i];
        if (utf8_decode(text, strlen(text), &c) > 0) counts[c] = UINT64_MAX;
    }
    counts[0] = 0;
}

static bn_status choose_letters(const uint64_t *counts, size_t limit, uint32_t **code_points, size_t *n,
                                bn_error *err) {
    size_t seen = 0;
    for (size_t c = 0; c < N_CODE_POINTS; c++) seen += counts[c] > 0;
    struct letter *letters = mem_alloc_array(seen, sizeof *letters);
    uint32_t *kept = mem_alloc_array(seen, sizeof *kept);
    if (!letters || !kept) {
        mem_free(letters);
        mem_free(kept);
        return fail_no_memory(err, seen * sizeof *letters);
    }
    *n = 0;
    for (uint32_t c = 0; c < N_CODE_POINTS; c++)
        if (counts[c] > 0) letters[(*n)++] = (struct letter){counts[c], c};
    if (seen > limit) {
        qsort(letters, seen, sizeof *letters, most_frequent_first);
        *n = limit;
    }
    for (size_t i = 0; i < *n; i++) kept[i] = letters[i].code_point;
    if (*n) qsort(kept, *n, sizeof *kept, by_code_point);
    mem_free(letters);
    *code_points = kept;
    return BN_OK;
}

bn_status alphabet_of(const struct word_list *words, const struct trainer_settings *settings, uint32_t **code_points,
                      size_t *n, bn_error *err) {
    uint64_t *counts = mem_calloc(N_CODE_POINTS, sizeof *counts);
    if (!counts) return fail_no_memory(err, N_CODE_POINTS * sizeof *counts);
    count_letters(words, settings, counts);
    bn_status status = choose_letters(counts, settings->limit_alphabet, code_points, n, err);
    mem_free(counts);
    return status;
}
