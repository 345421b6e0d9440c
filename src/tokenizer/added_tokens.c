/* Finding added tokens; see added_tokens.h. */
#include "tokenizer/added_tokens.h"

#include <string.h>

#include "base/memory.h"
#include "tokenizer/unicode.h"

void pieces_push(struct pieces *pieces, size_t begin, size_t end, int32_t id) {
    if (pieces->n == pieces->capacity) {
        size_t capacity = max_size(64, pieces->capacity + pieces->capacity / 2);
        struct piece *items = pieces->failed ? NULL : mem_realloc_array(pieces->items, capacity, sizeof *items);
        if (!items) {
            pieces->failed = true;
            return;
        }
        pieces->items = items;
        pieces->capacity = capacity;
    }
    pieces->items[pieces->n++] = (struct piece){(uint32_t)begin, (uint32_t)end, id};
}

void pieces_release(struct pieces *pieces) {
    mem_free(pieces->items);
    *pieces = (struct pieces){0};
}

bn_status added_tokens_push(struct added_tokens *tokens, const struct added_token *token, bn_error *err) {
    if (tokens->n == tokens->capacity) {
        size_t capacity = max_size(16, tokens->capacity * 2);
        struct added_token *items = mem_realloc_array(tokens->items, capacity, sizeof *items);
        if (!items) return fail_no_memory(err, capacity * sizeof *items);
        tokens->items = items;
        tokens->capacity = capacity;
    }
    tokens->items[tokens->n++] = *token;
    return BN_OK;
}

void added_tokens_release(struct added_tokens *tokens) {
    trie_release(&tokens->raw);
    trie_release(&tokens->normalized);
    mem_free(tokens->items);
    *tokens = (struct added_tokens){0};
}

/* Of the tokens with one id the last counts, and it is special if one of the same text was. */
static bn_status last_of_each_id(struct added_tokens *tokens, const struct vocabulary *vocabulary, bn_error *err) {
    uint32_t *place = mem_calloc(vocabulary->size + 1, sizeof *place); /* + 1; 0: none so far */
    if (!place) return fail_no_memory(err, vocabulary->size * sizeof *place);
    size_t n = 0;
    for (size_t i = 0; i < tokens->n; i++) {
        struct added_token token = tokens->items[i];
        uint32_t *at = &place[token.id];
        if (*at) {
            const struct added_token *other = &tokens->items[*at - 1];
            token.special |=
                other->special && other->size == token.size && memcmp(other->content, token.content, token.size) == 0;
        } else {
            *at = (uint32_t)++n;
        }
        tokens->items[*at - 1] = token;
    }
    tokens->n = n;
    mem_free(place);
    return BN_OK;
}

static bn_status special_first(struct added_tokens *tokens, bn_error *err) {
    if (tokens->n == 0) return BN_OK;
    struct added_token *sorted = mem_alloc_array(tokens->n, sizeof *sorted);
    if (!sorted) return fail_no_memory(err, tokens->n * sizeof *sorted);
    size_t n = 0;
    for (int special = 1; special >= 0; special--)
        for (size_t i = 0; i < tokens->n; i++)
            if (tokens->items[i].special == (special == 1)) sorted[n++] = tokens->items[i];
    mem_free(tokens->items);
    tokens->items = sorted;
    tokens->capacity = tokens->n;
    return BN_OK;
}

/* The contents of normalized tokens, normalized, back to back in one text; ends[i] is where that of item i ends. */
static bn_status normalize_contents(const struct added_tokens *tokens, const struct normalizer *normalizer,
                                    struct text *contents, size_t *ends, bn_error *err) {
    struct normalizer_scratch scratch = {0};
    struct text text;
    text_init(&text);
    text_clear(contents, 0);
    bn_status status = BN_OK;
    for (size_t i = 0; i < tokens->n && !status; i++) {
        const struct added_token *token = &tokens->items[i];
        if (token->normalized) {
            text_borrow(&text, token->content, 0, token->size);
            status = normalizer_apply(normalizer, &text, &scratch, err);
            if (!status) text_append_text(contents, &text, 0, text.size);
        }
        ends[i] = contents->size;
    }
    if (!status && contents->failed) status = fail_no_memory(err, contents->size);
    text_release(&text);
    normalizer_scratch_release(&scratch);
    return status;
}

static bn_status build_trie(const struct added_tokens *tokens, bool normalized, const struct text *contents,
                            const size_t *ends, struct trie *trie, bn_error *err) {
    struct trie_key *keys = mem_alloc_array(tokens->n + 1, sizeof *keys);
    if (!keys) return fail_no_memory(err, tokens->n * sizeof *keys);
    size_t n = 0;
    for (size_t i = 0; i < tokens->n; i++) {
        const struct added_token *token = &tokens->items[i];
        if (token->normalized != normalized) continue;
        struct trie_key key = {.bytes = token->content, .size = token->size, .value = (int32_t)i};
        if (normalized) {
            size_t begin = i ? ends[i - 1] : 0;
            key.bytes = contents->bytes + begin;
            key.size = ends[i] - begin;
        }
        keys[n++] = key;
    }
    bn_status status = trie_build(trie, keys, n, err);
    mem_free(keys);
    return status;
}

static bn_status set_decoded(const struct added_tokens *tokens, const struct text *contents, const size_t *ends,
                             struct vocabulary *vocabulary, bn_error *err) {
    for (size_t i = 0; i < tokens->n; i++) {
        const struct added_token *token = &tokens->items[i];
        size_t begin = i ? ends[i - 1] : 0, size = ends[i] - begin;
        if (!token->normalized || (size == token->size && memcmp(contents->bytes + begin, token->content, size) == 0))
            continue;
        bn_status status = vocabulary_rewrite(vocabulary, token->id, size ? contents->bytes + begin : "", size, err);
        if (status) return status;
    }
    return BN_OK;
}

bn_status added_tokens_finish(struct added_tokens *tokens, const struct normalizer *normalizer,
                              struct vocabulary *vocabulary, bn_error *err) {
    bn_status status = last_of_each_id(tokens, vocabulary, err);
    if (!status) status = special_first(tokens, err);
    if (status) return status;
    size_t *ends = mem_alloc_array(tokens->n + 1, sizeof *ends);
    if (!ends) return fail_no_memory(err, tokens->n * sizeof *ends);
    struct text contents;
    text_init(&contents);
    status = normalize_contents(tokens, normalizer, &contents, ends, err);
    if (!status) status = build_trie(tokens, false, &contents, ends, &tokens->raw, err);
    if (!status) status = build_trie(tokens, true, &contents, ends, &tokens->normalized, err);
    if (!status) status = set_decoded(tokens, &contents, ends, vocabulary, err);
    text_release(&contents);
    mem_free(ends);
    return status;
}

static bool is_whole_word(const char *text, size_t n, size_t begin, size_t end) {
    uint32_t c;
    if (begin > 0) {
        unicode_previous(text, begin, &c);
        if (unicode_is_word(c)) return false;
    }
    if (end < n) {
        unicode_next(text + end, n - end, &c);
        if (unicode_is_word(c)) return false;
    }
    return true;
}

static size_t space_before(const char *text, size_t end, size_t limit) {
    uint32_t c;
    while (end > limit) {
        size_t previous = unicode_previous(text, end, &c);
        if (!unicode_is_space(c)) break;
        end = previous;
    }
    return max_size(end, limit);
}

static size_t space_after(const char *text, size_t n, size_t begin) {
    while (begin < n) {
        uint32_t c;
        size_t length = unicode_next(text + begin, n - begin, &c);
        if (!unicode_is_space(c)) break;
        begin += length;
    }
    return begin;
}

/* A text on its way into pieces. */
struct split {
    const struct added_tokens *tokens;
    bool parse_special;
    const struct literal_places *literal; /* may be NULL */
    const char *text;
    size_t n, done; /* bytes that are in pieces */
    struct pieces *out;
};

static bool is_literal(const struct literal_places *literal, size_t at) {
    size_t low = 0, high = literal ? literal->n : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (literal->places[middle] < at)
            low = middle + 1;
        else
            high = middle;
    }
    return literal && low < literal->n && literal->places[low] == at;
}

static void take_match(struct split *split, size_t begin, size_t end, int32_t index) {
    const struct added_token *token = &split->tokens->items[index];
    const char *text = split->text;
    size_t done = split->done;
    if (token->special && !split->parse_special) return;
    if (token->single_word && !is_whole_word(text, split->n, begin, end)) return;
    if (token->left_strip) begin = max_size(space_before(text, begin, min_size(done, begin)), done);
    if (token->right_strip) end = space_after(text, split->n, end);
    if (begin > end) return; /* all of it was white space that the token before took */
    if (done < begin) pieces_push(split->out, done, begin, -1);
    if (begin < end) pieces_push(split->out, begin, end, token->id);
    split->done = end;
}

/* A token that the normalizer leaves nothing of is found before each character in [begin, end) and at the end of the
 * text, but not right behind a match. It shows in what it cuts apart, and in white space that it takes. (The reference
 * finds it before each byte, and gives up where that cuts a character.) */
static void take_empty_matches(struct split *split, size_t begin, size_t end, int32_t index) {
    uint32_t c;
    for (size_t at = begin; at < end;) {
        if (at > begin || begin == 0) take_match(split, at, at, index);
        at += at < split->n ? unicode_next(split->text + at, split->n - at, &c) : 1;
    }
}

void added_tokens_split(const struct added_tokens *tokens, const struct trie *trie, bool parse_special,
                        const struct literal_places *literal, const char *text, size_t n, struct pieces *out) {
    struct split split = {tokens, parse_special, literal, text, n, 0, out};
    const int32_t empty = trie->n_nodes > 0 && n > 0 ? trie_value(trie, 0) : -1;
    size_t from = 0, begin, end;
    int32_t index;
    while (trie_search(trie, text, n, from, &begin, &end, &index)) {
        bool taken = !tokens->items[index].special || !is_literal(literal, begin);
        if (!taken) end = begin + 1; /* what begins further inside may be meant */
        if (empty >= 0) take_empty_matches(&split, from, begin, empty);
        if (taken) take_match(&split, begin, end, index);
        from = end;
    }
    if (empty >= 0) take_empty_matches(&split, from, n + 1, empty);
    if (split.done < n) pieces_push(out, split.done, n, -1);
}
