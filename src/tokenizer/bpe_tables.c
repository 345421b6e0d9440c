/* The tables of byte-pair encoding: merges, texts as bytes, and which bytes may ever join. */
#include <string.h>

#include "base/memory.h"
#include "tokenizer/bpe.h"
#include "tokenizer/byte_alphabet.h"

/* ---- merges ---- */

bn_status bpe_reserve_merges(struct bpe *bpe, size_t n, bn_error *err) {
    if (merge_table_init(&bpe->merges, n)) return BN_OK;
    return fail_no_memory(err, n * sizeof *bpe->merges.slots);
}

static void set_join(struct bpe *bpe, char last, char first) {
    unsigned bit = (uint8_t)last * 256u + (uint8_t)first;
    bpe->joins[bit / 8] |= (uint8_t)(1u << bit % 8);
}

/* What `right` begins with is joined to `last`. */
static void set_joins(struct bpe *bpe, char last, const char *right, size_t size) {
    set_join(bpe, last, right[0]);
    if (size >= 3 && memcmp(right, "\xe2\x96\x81", 3) == 0) set_join(bpe, last, (char)BPE_JOINS_SPACE);
}

/* What a merge's halves become. Merges come in the order of what they become, or nearly: it is what the one before
 * became, or the token after that, or has to be looked up. */
static int32_t find_joined(const struct bpe *bpe, const struct bpe_merge_text *merge, int32_t before) {
    const struct vocabulary *vocabulary = bpe->vocabulary;
    size_t skip = min_size(bpe->prefix_size, merge->right_size), right_size = merge->right_size - skip;
    const char *right = merge->right + skip;
    for (int32_t id = before; id <= before + 1; id++) {
        const struct vocabulary_token token = vocabulary_token(vocabulary, (size_t)id);
        if (token.size != merge->left_size + right_size || !(token.flags & TOKEN_MODEL)) continue;
        if (memcmp(token.text, merge->left, merge->left_size) != 0) continue;
        if (memcmp(token.text + merge->left_size, right, right_size) == 0) return id;
    }
    char small[256], *joined = small;
    if (merge->left_size + right_size > sizeof small && !(joined = mem_alloc(merge->left_size + right_size))) return -1;
    memcpy(joined, merge->left, merge->left_size);
    memcpy(joined + merge->left_size, right, right_size);
    int32_t id = vocabulary_find_model(vocabulary, joined, merge->left_size + right_size);
    if (joined != small) mem_free(joined);
    return id;
}

static bn_status add_merge(struct bpe *bpe, const struct bpe_merge_text *text, struct bpe_merge *merge, bn_error *err) {
    const char *left = text->left, *right = text->right;
    int left_size = (int)min_size(text->left_size, 60), right_size = (int)min_size(text->right_size, 60);
    if (merge->left < 0 || merge->right < 0)
        return fail(err, BN_STATUS_BAD_FILE, "merge %d: '%.*s' isn't in the vocabulary", merge->rank,
                    merge->left < 0 ? left_size : right_size, merge->left < 0 ? left : right);
    if (merge->id < 0)
        return fail(err, BN_STATUS_BAD_FILE, "merge %d: '%.*s' and '%.*s' join to a token that isn't in the vocabulary",
                    merge->rank, left_size, left, right_size, right);
    if (merge->rank >= 1 << 24) return fail(err, BN_STATUS_UNSUPPORTED, "more than %d merges", 1 << 24);
    if (!merge_table_add(&bpe->merges, *merge))
        return fail(err, BN_STATUS_BAD_FILE, "merge %d: the table of merges is full", merge->rank);
    if (text->left_size && text->right_size) set_joins(bpe, left[text->left_size - 1], right, text->right_size);
    return BN_OK;
}

bn_status bpe_add_merges(struct bpe *bpe, const struct bpe_merge_text *texts, size_t n, size_t rank, bn_error *err) {
    const struct token_map *map = &bpe->vocabulary->by_text;
    const struct text_pool *pool = &bpe->vocabulary->texts;
    struct bpe_merge merges[BPE_MERGE_BATCH];
    uint32_t hashes[BPE_MERGE_BATCH][2];
    for (size_t i = 0; i < n; i++) {
        hashes[i][0] = token_map_hash(map, texts[i].left, texts[i].left_size);
        hashes[i][1] = token_map_hash(map, texts[i].right, texts[i].right_size);
        for (size_t side = 0; side < 2; side++) token_map_prefetch_slot(map, hashes[i][side]);
    }
    for (size_t i = 0; i < n; i++)
        for (size_t side = 0; side < 2; side++) token_map_prefetch_text(map, pool, hashes[i][side]);
    for (size_t i = 0; i < n; i++) {
        const struct bpe_merge_text *text = &texts[i];
        merges[i].left = token_map_find_hashed(map, pool, text->left, text->left_size, hashes[i][0]);
        merges[i].right = token_map_find_hashed(map, pool, text->right, text->right_size, hashes[i][1]);
        merges[i].rank = (int32_t)min_size(rank + i, INT32_MAX);
        merge_table_prefetch(&bpe->merges, merges[i].left, merges[i].right);
    }
    bn_status status = BN_OK;
    for (size_t i = 0; i < n && !status; i++) {
        merges[i].id = bpe->last_joined = find_joined(bpe, &texts[i], bpe->last_joined);
        status = add_merge(bpe, &texts[i], &merges[i], err);
    }
    return status;
}

/* ---- the rest ---- */

/* The texts of all tokens as bytes. */
static bn_status collect_bytes(struct bpe *bpe, struct rewritten_token *found, size_t *n, bn_error *err) {
    const struct vocabulary *vocabulary = bpe->vocabulary;
    char *bytes = mem_alloc(bpe->longest_token + 1);
    bn_status status = bytes ? BN_OK : fail_no_memory(err, bpe->longest_token);
    for (size_t id = 0; id < vocabulary->size && !status; id++) {
        const struct vocabulary_token token = vocabulary_token(vocabulary, id);
        size_t size;
        struct rewritten_token item = {.id = (int32_t)id};
        if (!token.text || !(token.flags & TOKEN_MODEL)) continue;
        if (!byte_alphabet_decode(token.text, token.size, bytes, &size) || size == 0) continue;
        item.size = (uint32_t)size;
        if (!text_pool_add(&bpe->bytes, bytes, size, &item.text)) status = fail_no_memory(err, size);
        if (size == 1) bpe->byte_ids[(uint8_t)*bytes] = (int32_t)id;
        found[(*n)++] = item;
    }
    mem_free(bytes);
    return status;
}

static bn_status index_bytes(struct bpe *bpe, bn_error *err) {
    enum { AHEAD = 16 };
    struct token_map *map = &bpe->by_bytes;
    const struct text_pool *pool = &bpe->bytes;
    size_t n = 0, n_ids = bpe->vocabulary->size;
    if (!token_map_init(map, bpe->vocabulary->by_text.count)) return fail_no_memory(err, n_ids);
    struct rewritten_token *tokens = mem_alloc_array(n_ids + 1, sizeof *tokens);
    bn_status status = tokens ? collect_bytes(bpe, tokens, &n, err) : fail_no_memory(err, n_ids * sizeof *tokens);
    for (size_t i = 0; i < n && !status; i++) {
        const struct rewritten_token *token = &tokens[i], *ahead = &tokens[min_size(i + AHEAD, n - 1)];
        token_map_prefetch_slot(map, token_map_hash(map, pool->bytes + ahead->text, ahead->size));
        if (token_map_insert(map, pool, token->text, token->size, token->id) < 0)
            status = fail_no_memory(err, token->size);
    }
    mem_free(tokens);
    map->n_ids = n_ids;
    return status;
}

bn_status bpe_reopen(struct bpe *bpe, bn_error *err) {
    bpe->whole = mem_calloc(bpe->vocabulary->size + 1, sizeof *bpe->whole);
    bool pairs = !bpe->origins || pair_cache_init(&bpe->pairs, bpe->vocabulary->size);
    return bpe->whole && pairs ? BN_OK : fail_no_memory(err, bpe->vocabulary->size);
}

bn_status bpe_finish(struct bpe *bpe, bn_error *err) {
    const struct vocabulary *vocabulary = bpe->vocabulary;
    if (bpe->prefix_size > BPE_AFFIX_MAX || bpe->suffix_size > BPE_AFFIX_MAX)
        return fail(err, BN_STATUS_BAD_FILE, "continuing_subword_prefix and end_of_word_suffix may have %d bytes",
                    BPE_AFFIX_MAX);
    memset(bpe->byte_ids, 0xff, sizeof bpe->byte_ids);
    memset(bpe->byte_fallback_ids, 0xff, sizeof bpe->byte_fallback_ids);
    for (size_t id = 0; id < vocabulary->size; id++) {
        const struct vocabulary_token token = vocabulary_token(vocabulary, id);
        if (!token.text || !(token.flags & TOKEN_MODEL)) continue;
        bpe->longest_token = max_size(bpe->longest_token, token.size);
        for (size_t i = 1; i < token.size && bpe->ranking != BPE_MERGES; i++)
            set_joins(bpe, token.text[i - 1], token.text + i, token.size - i);
        int byte = byte_token_value(token.text, token.size);
        if (byte >= 0) bpe->byte_fallback_ids[byte] = (int32_t)id;
    }
    bn_status status = bpe->ranking == BPE_MERGES && !bpe->merges.slots ? bpe_reserve_merges(bpe, 0, err) : BN_OK;
    bpe->merges.n_ids = vocabulary->size;
    if (!status && bpe->byte_level) status = index_bytes(bpe, err);
    if (!status) status = bpe_find_origins(bpe, err);
    return status ? status : bpe_reopen(bpe, err);
}

void bpe_release(struct bpe *bpe) {
    token_map_release(&bpe->by_bytes);
    text_pool_release(&bpe->bytes);
    merge_table_release(&bpe->merges);
    mem_free(bpe->origins);
    pair_cache_release(&bpe->pairs);
    mem_free(bpe->whole);
}
