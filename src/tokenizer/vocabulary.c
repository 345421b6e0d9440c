/* A table by id and two maps by text: the model's tokens and the added ones, which may have the same text. */
#include "tokenizer/vocabulary.h"

#include <string.h>

#include "base/memory.h"

/* A few lines of JSON must not make the table of ids huge: ids may be this far beyond what the entries alone need. */
enum { MAX_GAP = 1 << 20 };

bn_status vocabulary_init(struct vocabulary *vocabulary, size_t expected, bn_error *err) {
    memset(vocabulary, 0, sizeof *vocabulary);
    arena_init(&vocabulary->arena);
    vocabulary->expected = expected;
    if (!token_map_init(&vocabulary->by_text, expected) || !token_map_init(&vocabulary->added, 16))
        return fail_no_memory(err, expected * sizeof *vocabulary->records);
    return BN_OK;
}

void vocabulary_release(struct vocabulary *vocabulary) {
    token_map_release(&vocabulary->by_text);
    token_map_release(&vocabulary->added);
    text_pool_release(&vocabulary->texts);
    mem_free(vocabulary->records);
    mem_free(vocabulary->rewritten);
    arena_release(&vocabulary->arena);
    memset(vocabulary, 0, sizeof *vocabulary);
}

static bn_status make_room(struct vocabulary *vocabulary, size_t id, bn_error *err) {
    size_t entries = max_size(vocabulary->expected, vocabulary->by_text.count) + vocabulary->added.count;
    if (id > MAX_GAP + 4 * entries)
        return fail(err, BN_STATUS_BAD_FILE, "token id %zu is too far beyond the %zu tokens of the vocabulary", id,
                    entries);
    if (id >= vocabulary->capacity) {
        size_t capacity = max_size(max_size(max_size(256, id + 1), vocabulary->capacity * 2), vocabulary->expected);
        struct token_record *records = mem_realloc_array(vocabulary->records, capacity, sizeof *records);
        if (!records) return fail_no_memory(err, capacity * sizeof *records);
        for (size_t i = vocabulary->capacity; i < capacity; i++) records[i] = (struct token_record){.text = NO_TEXT};
        vocabulary->records = records;
        vocabulary->capacity = capacity;
    }
    vocabulary->size = max_size(vocabulary->size, id + 1);
    return BN_OK;
}

bn_status vocabulary_add(struct vocabulary *vocabulary, size_t id, const char *text, size_t size, uint32_t flags,
                         bn_error *err) {
    bn_status status = make_room(vocabulary, id, err);
    if (status) return status;
    struct token_record *record = &vocabulary->records[id];
    if (record->text != NO_TEXT && !(flags & TOKEN_ADDED))
        return fail(err, BN_STATUS_BAD_FILE, "token id %zu is given to both '%.60s' and '%.*s'", id,
                    vocabulary->texts.bytes + record->text, (int)min_size(size, 60), text);
    uint32_t place;
    if (!text_pool_add(&vocabulary->texts, text, size, &place)) return fail_no_memory(err, size);
    struct token_map *map = flags & (TOKEN_ADDED | TOKEN_RESERVED) ? &vocabulary->added : &vocabulary->by_text;
    int inserted = token_map_insert(map, &vocabulary->texts, place, (uint32_t)size, (int32_t)id);
    if (inserted < 0) return fail_no_memory(err, size);
    if (inserted == 0 && !(flags & (TOKEN_ADDED | TOKEN_MAY_REPEAT)))
        return fail(err, BN_STATUS_BAD_FILE, "token '%.60s' is in the vocabulary twice (again as id %zu)",
                    vocabulary->texts.bytes + place, id);
    *record = (struct token_record){place, (uint32_t)size, (record->flags | flags) & ~(uint32_t)TOKEN_MAY_REPEAT};
    return BN_OK;
}

void vocabulary_finish(struct vocabulary *vocabulary) {
    vocabulary->by_text.n_ids = vocabulary->added.n_ids = vocabulary->size;
}

/* ---- tokens that decode to something else ---- */

/* Where an id is, or would be. */
static size_t find_rewritten(const struct vocabulary *vocabulary, int32_t id) {
    size_t low = 0, high = vocabulary->n_rewritten;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (vocabulary->rewritten[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bn_status vocabulary_rewrite(struct vocabulary *vocabulary, int32_t id, const char *text, size_t size, bn_error *err) {
    size_t n = vocabulary->n_rewritten, at = find_rewritten(vocabulary, id);
    struct rewritten_token token = {.id = id, .size = (uint32_t)size};
    if (!text_pool_add(&vocabulary->texts, text, size, &token.text)) return fail_no_memory(err, size);
    vocabulary->records[id].flags |= TOKEN_REWRITTEN;
    if (at == n || vocabulary->rewritten[at].id != id) {
        struct rewritten_token *items = mem_realloc_array(vocabulary->rewritten, n + 1, sizeof *items);
        if (!items) return fail_no_memory(err, (n + 1) * sizeof *items);
        memmove(items + at + 1, items + at, (n - at) * sizeof *items);
        vocabulary->rewritten = items;
        vocabulary->n_rewritten = n + 1;
    }
    vocabulary->rewritten[at] = token;
    return BN_OK;
}

struct vocabulary_token vocabulary_decoded(const struct vocabulary *vocabulary, size_t id) {
    struct vocabulary_token token = vocabulary_token(vocabulary, id);
    if (!(token.flags & TOKEN_REWRITTEN)) return token;
    size_t at = find_rewritten(vocabulary, (int32_t)id);
    if (at == vocabulary->n_rewritten || vocabulary->rewritten[at].id != (int32_t)id) return token;
    const struct rewritten_token *rewritten = &vocabulary->rewritten[at];
    const struct text_pool *texts = &vocabulary->texts;
    if (rewritten->size >= texts->size || rewritten->text >= texts->size - rewritten->size) return token;
    return (struct vocabulary_token){texts->bytes + rewritten->text, rewritten->size, token.flags};
}

/* ---- lookups ---- */

int32_t vocabulary_find_model(const struct vocabulary *vocabulary, const char *text, size_t size) {
    return token_map_find(&vocabulary->by_text, &vocabulary->texts, text, size);
}

int32_t vocabulary_find(const struct vocabulary *vocabulary, const char *text, size_t size) {
    int32_t id = token_map_find(&vocabulary->added, &vocabulary->texts, text, size);
    return id >= 0 ? id : vocabulary_find_model(vocabulary, text, size);
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

int byte_token_value(const char *text, size_t size) {
    if (size != 6 || memcmp(text, "<0x", 3) != 0 || text[5] != '>') return -1;
    int high = hex_digit(text[3]), low = hex_digit(text[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}
