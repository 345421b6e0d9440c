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

static int32_t find_joined(const struct bpe *bpe, const char *left, size_t left_size, const char *right,
                           size_t right_size) {
    char small[256], *joined = small;
    if (left_size + right_size > sizeof small && !(joined = mem_alloc(left_size + right_size))) return -1;
    memcpy(joined, left, left_size);
    memcpy(joined + left_size, right, right_size);
    int32_t id = vocabulary_find_model(bpe->vocabulary, joined, left_size + right_size);
    if (joined != small) mem_free(joined);
    return id;
}

bn_status bpe_add_merge(struct bpe *bpe, const char *left, size_t left_size, const char *right, size_t right_size,
                        size_t rank, bn_error *err) {
    int32_t a = vocabulary_find_model(bpe->vocabulary, left, left_size);
    int32_t b = vocabulary_find_model(bpe->vocabulary, right, right_size);
    if (a < 0 || b < 0)
        return fail(err, BN_STATUS_BAD_FILE, "merge %zu: '%.60s' isn't in the vocabulary", rank, a < 0 ? left : right);
    size_t skip = bpe->prefix_size <= right_size ? bpe->prefix_size : right_size;
    int32_t joined = find_joined(bpe, left, left_size, right + skip, right_size - skip);
    if (joined < 0)
        return fail(err, BN_STATUS_BAD_FILE,
                    "merge %zu: '%.60s' and '%.60s' join to a token that isn't in the vocabulary", rank, left, right);
    if (rank >= 1u << 24) return fail(err, BN_STATUS_UNSUPPORTED, "more than %u merges", 1u << 24);
    if (!merge_table_add(&bpe->merges, (struct bpe_merge){a, b, (int32_t)rank, joined}))
        return fail(err, BN_STATUS_BAD_FILE, "merge %zu: the table of merges is full", rank);
    if (left_size && right_size) set_joins(bpe, left[left_size - 1], right, right_size);
    return BN_OK;
}

/* ---- the rest ---- */

static bn_status index_bytes(struct bpe *bpe, bn_error *err) {
    const struct vocabulary *vocabulary = bpe->vocabulary;
    if (!token_map_init(&bpe->by_bytes, vocabulary->by_text.count)) return fail_no_memory(err, vocabulary->size);
    char *bytes = mem_alloc(bpe->longest_token + 1);
    bn_status status = bytes ? BN_OK : fail_no_memory(err, bpe->longest_token);
    for (size_t id = 0; id < vocabulary->size && !status; id++) {
        const struct vocabulary_token token = vocabulary_token(vocabulary, id);
        size_t size;
        uint32_t place;
        if (!token.text || !(token.flags & TOKEN_MODEL)) continue;
        if (!byte_alphabet_decode(token.text, token.size, bytes, &size) || size == 0) continue;
        if (!text_pool_add(&bpe->bytes, bytes, size, &place) ||
            token_map_insert(&bpe->by_bytes, &bpe->bytes, place, (uint32_t)size, (int32_t)id) < 0)
            status = fail_no_memory(err, size);
        if (size == 1) bpe->byte_ids[(uint8_t)*bytes] = (int32_t)id;
    }
    mem_free(bytes);
    bpe->by_bytes.n_ids = vocabulary->size;
    return status;
}

bn_status bpe_reopen(struct bpe *bpe, bn_error *err) {
    bpe->whole = mem_calloc(bpe->vocabulary->size + 1, sizeof *bpe->whole);
    return bpe->whole ? BN_OK : fail_no_memory(err, bpe->vocabulary->size);
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
    if (!status) status = bpe_reopen(bpe, err);
    if (!status && bpe->byte_level) status = index_bytes(bpe, err);
    return status;
}

void bpe_release(struct bpe *bpe) {
    token_map_release(&bpe->by_bytes);
    text_pool_release(&bpe->bytes);
    merge_table_release(&bpe->merges);
    mem_free(bpe->whole);
}
