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
    if (!string_map_init(&vocabulary->by_text, expected) || !string_map_init(&vocabulary->added, 16))
        return fail_no_memory(err, expected * sizeof *vocabulary->tokens);
    return BN_OK;
}

void vocabulary_release(struct vocabulary *vocabulary) {
    string_map_release(&vocabulary->by_text);
    string_map_release(&vocabulary->added);
    mem_free(vocabulary->tokens);
    mem_free(vocabulary->decoded);
    arena_release(&vocabulary->arena);
    memset(vocabulary, 0, sizeof *vocabulary);
}

static bn_status make_room(struct vocabulary *vocabulary, size_t id, bn_error *err) {
    size_t entries = max_size(vocabulary->expected, vocabulary->by_text.count) + vocabulary->added.count;
    if (id > MAX_GAP + 4 * entries)
        return fail(err, BN_STATUS_BAD_FILE, "token id %zu is too far beyond the %zu tokens of the vocabulary", id,
                    entries);
    if (id >= vocabulary->capacity) {
        size_t capacity = max_size(max_size(256, id + 1), vocabulary->capacity * 2);
        struct vocabulary_token *tokens = mem_realloc_array(vocabulary->tokens, capacity, sizeof *tokens);
        if (!tokens) return fail_no_memory(err, capacity * sizeof *tokens);
        memset(tokens + vocabulary->capacity, 0, (capacity - vocabulary->capacity) * sizeof *tokens);
        vocabulary->tokens = tokens;
        vocabulary->capacity = capacity;
    }
    vocabulary->size = max_size(vocabulary->size, id + 1);
    return BN_OK;
}

bn_status vocabulary_add(struct vocabulary *vocabulary, size_t id, const char *text, size_t size, uint32_t flags,
                         bn_error *err) {
    bn_status status = make_room(vocabulary, id, err);
    if (status) return status;
    struct vocabulary_token *token = &vocabulary->tokens[id];
    if (token->text && !(flags & TOKEN_ADDED))
        return fail(err, BN_STATUS_BAD_FILE, "token id %zu is given to both '%.60s' and '%.60s'", id, token->text,
                    text);
    char *copy = arena_strndup(&vocabulary->arena, text, size);
    if (!copy || size > UINT32_MAX) return fail_no_memory(err, size);
    struct string_map *map = flags & (TOKEN_ADDED | TOKEN_RESERVED) ? &vocabulary->added : &vocabulary->by_text;
    int inserted = string_map_insert(map, copy, size, (uint32_t)id);
    if (inserted < 0) return fail_no_memory(err, size);
    if (inserted == 0 && !(flags & (TOKEN_ADDED | TOKEN_MAY_REPEAT)))
        return fail(err, BN_STATUS_BAD_FILE, "token '%.60s' is in the vocabulary twice (again as id %zu)", text, id);
    *token = (struct vocabulary_token){copy, (uint32_t)size, (token->flags | flags) & ~(uint32_t)TOKEN_MAY_REPEAT};
    return BN_OK;
}

int32_t vocabulary_find_model(const struct vocabulary *vocabulary, const char *text, size_t size) {
    uint32_t id;
    return string_map_find(&vocabulary->by_text, text, size, &id) ? (int32_t)id : -1;
}

int32_t vocabulary_find(const struct vocabulary *vocabulary, const char *text, size_t size) {
    uint32_t id;
    if (string_map_find(&vocabulary->added, text, size, &id)) return (int32_t)id;
    return vocabulary_find_model(vocabulary, text, size);
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
