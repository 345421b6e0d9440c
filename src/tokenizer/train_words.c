/* Counting the words of a corpus on several threads.
 *
 * A stream is read in blocks of whole lines; each block is cut into chunks, and every thread counts the words of its chunks
 * in a table of its own. Sums don't depend on who counted what, and the list is sorted in the end, so the result is the
 * same for any number of threads. Memory: one block, and each distinct word once per thread. */
#include "tokenizer/train_words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "tokenizer/byte_alphabet.h"

enum {
    CHUNK_BYTES = 1 << 16,
    BLOCK_BYTES = 1 << 23,  /* enough chunks for every thread; grows for a longer line only */
    LONGEST_LINE = 1 << 26, /* what a normalizer makes of it still has 32-bit offsets */
};

/* What one thread counts into; touched by it alone while a block is counted. */
struct count_table {
    struct string_map map; /* word → index of items */
    struct word *items;
    size_t n, capacity;
    struct arena texts;
    struct text text;
    struct pieces pieces;
    struct normalizer_scratch normalizer;
    struct pretokenizer_scratch pretokenizer;
    bn_status status; /* the first failure */
    bn_error error;
};

struct word_counter {
    const bn_tokenizer *pipeline;
    const struct trainer_settings *settings;
    struct thread_pool *pool;
    struct count_table *tables; /* [thread_pool_size(pool)] */
    char *block;
    size_t size, capacity; /* of the block */
    size_t block_offset;   /* in the stream */
};

bn_status trainer_report(const struct trainer_settings *settings, const char *what, size_t done, size_t total,
                         bn_error *err) {
    if (!settings->progress || settings->progress(settings->progress_context, what, done, total)) return BN_OK;
    return fail(err, BN_STATUS_CANCELLED, "training was stopped while %s", what);
}

void word_list_release(struct word_list *words) {
    mem_free(words->items);
    arena_release(&words->texts);
    *words = (struct word_list){0};
}

/* ---- a thread's table ---- */

static void count_table_release(struct count_table *table) {
    string_map_release(&table->map);
    mem_free(table->items);
    arena_release(&table->texts);
    text_release(&table->text);
    pieces_release(&table->pieces);
    normalizer_scratch_release(&table->normalizer);
    pretokenizer_scratch_release(&table->pretokenizer);
}

static bn_status insert_word(struct count_table *table, const char *text, size_t size, uint64_t count, bn_error *err) {
    if (table->n == table->capacity) {
        size_t capacity = max_size(1024, table->capacity * 2);
        if (capacity > UINT32_MAX)
            return fail(err, BN_STATUS_UNSUPPORTED, "more than %zu distinct words: train on a part of the corpus",
                        table->n);
        struct word *items = mem_realloc_array(table->items, capacity, sizeof *items);
        if (!items) return fail_no_memory(err, capacity * sizeof *items);
        table->items = items;
        table->capacity = capacity;
    }
    char *copy = arena_strndup(&table->texts, text, size);
    if (!copy || string_map_insert(&table->map, copy, size, (uint32_t)table->n) < 0) return fail_no_memory(err, size);
    table->items[table->n++] = (struct word){.text = copy, .size = (uint32_t)size, .count = count};
    return BN_OK;
}

static bn_status count_word(struct count_table *table, const char *text, size_t size, uint64_t count, bn_error *err) {
    uint32_t index;
    if (!string_map_find(&table->map, text, size, &index)) return insert_word(table, text, size, count, err);
    table->items[index].count += count;
    return BN_OK;
}

static bn_status take_piece(void *context, const struct text *text, struct piece piece, bn_error *err) {
    if (piece.begin == piece.end) return BN_OK;
    return count_word(context, text->bytes + piece.begin, piece.end - piece.begin, 1, err);
}

/* The words of one text, as encoding would see them; nothing is looked up in a vocabulary. */
static bn_status count_text(const bn_tokenizer *pipeline, struct count_table *table, const char *input, size_t size,
                            bn_error *err) {
    struct text *text = &table->text;
    struct pieces *pieces = &table->pieces;
    text_borrow(text, input, 0, size);
    bn_status status = normalizer_apply(&pipeline->normalizer, text, &table->normalizer, err);
    if (status) return status;
    pieces->n = 0;
    if (text->size) pieces_push(pieces, 0, text->size, -1);
    if (text->failed || pieces->failed) return fail_no_memory(err, size);
    const struct piece_sink sink = {take_piece, table};
    return pretokenizer_apply(&pipeline->pretokenizer, text, pieces, &table->pretokenizer, &sink, err);
}

static bn_status count_line(const struct word_counter *counter, struct count_table *table, const char *line,
                            size_t size, bn_error *err) {
    if (!counter->pipeline->keeps_invalid_bytes && !utf8_valid(line, size))
        return fail(err, BN_STATUS_BAD_FILE,
                    "the line at byte %zu isn't UTF-8: convert the file, or train a byte-level tokenizer",
                    counter->block_offset + (size_t)(line - counter->block));
    if (counter->settings->drop_newlines && size && line[size - 1] == '\n') size--;
    return count_text(counter->pipeline, table, line, size, err);
}

/* A chunk has the lines that begin in its bytes of the block. */
static void count_chunk(void *context, size_t chunk, size_t slot) {
    const struct word_counter *counter = context;
    struct count_table *table = &counter->tables[slot];
    const char *block = counter->block;
    size_t at = chunk * CHUNK_BYTES, end = min_size(at + CHUNK_BYTES, counter->size);
    if (at > 0) {
        const char *newline = memchr(block + at - 1, '\n', end - at + 1);
        at = newline ? (size_t)(newline - block) + 1 : end;
    }
    while (at < end && !table->status) {
        const char *newline = memchr(block + at, '\n', counter->size - at);
        size_t next = newline ? (size_t)(newline - block) + 1 : counter->size;
        table->status = count_line(counter, table, block + at, next - at, &table->error);
        at = next;
    }
}

/* ---- the counter ---- */

bn_status word_counter_create(const bn_tokenizer *pipeline, const struct trainer_settings *settings,
                              struct thread_pool *pool, struct word_counter **out, bn_error *err) {
    size_t n = thread_pool_size(pool);
    struct word_counter *counter = mem_calloc(1, sizeof *counter);
    if (!counter) return fail_no_memory(err, sizeof *counter);
    *counter = (struct word_counter){.pipeline = pipeline, .settings = settings, .pool = pool, .capacity = BLOCK_BYTES};
    counter->tables = mem_calloc(n, sizeof *counter->tables);
    counter->block = mem_alloc(BLOCK_BYTES);
    bool complete = counter->tables && counter->block;
    for (size_t i = 0; i < n && complete; i++) complete = string_map_init(&counter->tables[i].map, 1024);
    if (complete) {
        *out = counter;
        return BN_OK;
    }
    word_counter_destroy(counter);
    return fail_no_memory(err, BLOCK_BYTES);
}

void word_counter_destroy(struct word_counter *counter) {
    if (!counter) return;
    for (size_t i = 0; counter->tables && i < thread_pool_size(counter->pool); i++)
        count_table_release(&counter->tables[i]);
    mem_free(counter->tables);
    mem_free(counter->block);
    mem_free(counter);
}

static bn_status grow_block(struct word_counter *counter, bn_error *err) {
    if (counter->capacity >= LONGEST_LINE) return fail(err, BN_STATUS_BAD_FILE, "a line of more than 64 MiB");
    char *block = mem_realloc_array(counter->block, counter->capacity, 2);
    if (!block) return fail_no_memory(err, counter->capacity * 2);
    counter->block = block;
    counter->capacity *= 2;
    return BN_OK;
}

/* Fills the block behind its first counter->size bytes; *whole is how much of it is whole lines. */
static bn_status read_block(struct word_counter *counter, FILE *stream, size_t *whole, bn_error *err) {
    for (size_t searched = counter->size;;) {
        errno = 0;
        counter->size += fread(counter->block + counter->size, 1, counter->capacity - counter->size, stream);
        if (ferror(stream)) return fail(err, BN_STATUS_IO, "can't read: %s", strerror(errno));
        *whole = counter->size;
        if (counter->size < counter->capacity) return BN_OK;
        const char *newline = memrchr(counter->block + searched, '\n', counter->size - searched);
        if (newline) {
            *whole = (size_t)(newline - counter->block) + 1;
            return BN_OK;
        }
        searched = counter->size;
        bn_status status = grow_block(counter, err);
        if (status) return status;
    }
}

static bn_status count_block(struct word_counter *counter, size_t whole, bn_error *err) {
    size_t size = counter->size;
    counter->size = whole;
    thread_pool_run(counter->pool, count_chunk, counter, (whole + CHUNK_BYTES - 1) / CHUNK_BYTES);
    counter->size = size - whole;
    counter->block_offset += whole;
    memmove(counter->block, counter->block + whole, counter->size);
    for (size_t i = 0; i < thread_pool_size(counter->pool); i++) {
        const struct count_table *table = &counter->tables[i];
        if (table->status) return fail(err, table->status, "%s", table->error.message);
    }
    return BN_OK;
}

bn_status word_counter_add(struct word_counter *counter, FILE *stream, const char *name, size_t size_bytes,
                           bn_error *err) {
    bn_status status;
    counter->size = counter->block_offset = 0;
    do {
        size_t whole = 0;
        status = read_block(counter, stream, &whole, err);
        if (!status) status = count_block(counter, whole, err);
        if (status)
            error_prefix(err, "%s", name);
        else
            status = trainer_report(counter->settings, "reading", counter->block_offset, size_bytes, err);
    } while (!status && !feof(stream));
    return status;
}

/* ---- the list ---- */

static int by_bytes(const void *a, const void *b) {
    const struct word *x = a, *y = b;
    int order = memcmp(x->text, y->text, min_size(x->size, y->size));
    return order ? order : (x->size > y->size) - (x->size < y->size);
}

/* Byte-level words have been counted as bytes; algorithms get them as characters, like all words. */
static bn_status to_byte_alphabet(struct count_table *table, bn_error *err) {
    struct arena texts;
    struct buffer out;
    arena_init(&texts);
    buffer_init(&out);
    bn_status status = BN_OK;
    for (size_t i = 0; i < table->n && !status; i++) {
        struct word *word = &table->items[i];
        buffer_clear(&out);
        for (size_t k = 0; k < word->size; k++) {
            char character[4];
            buffer_append(&out, character, byte_alphabet_put((uint8_t)word->text[k], character));
        }
        char *text = out.failed ? NULL : arena_strndup(&texts, out.data, out.size);
        if (!text) status = fail_no_memory(err, (size_t)2 * word->size);
        word->text = text;
        word->size = (uint32_t)out.size;
    }
    buffer_release(&out);
    arena_release(&table->texts);
    table->texts = texts;
    return status;
}

bn_status word_counter_finish(struct word_counter *counter, struct word_list *out, bn_error *err) {
    struct count_table *all = &counter->tables[0];
    bn_status status = BN_OK;
    for (size_t i = 1; i < thread_pool_size(counter->pool) && !status; i++) {
        struct count_table *table = &counter->tables[i];
        for (size_t k = 0; k < table->n && !status; k++)
            status = count_word(all, table->items[k].text, table->items[k].size, table->items[k].count, err);
        table->n = 0;
        string_map_release(&table->map);
        arena_release(&table->texts);
    }
    string_map_release(&all->map);
    if (!status && counter->pipeline->bpe.byte_level) status = to_byte_alphabet(all, err);
    if (status) return status;
    if (all->n) qsort(all->items, all->n, sizeof *all->items, by_bytes);
    *out = (struct word_list){.items = all->items, .n = all->n, .texts = all->texts};
    all->items = NULL;
    all->n = all->capacity = 0;
    arena_init(&all->texts);
    return BN_OK;
}
