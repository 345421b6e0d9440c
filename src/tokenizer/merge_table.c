/* Filling the table of merges. */
#include "tokenizer/merge_table.h"

#include <string.h>

#include "base/hash.h"
#include "base/memory.h"

bool merge_table_init(struct merge_table *table, size_t n) {
    size_t capacity = 16;
    while (capacity / 3 * 2 < n)
        if (!mul_size(capacity, 2, &capacity)) return false;
    *table = (struct merge_table){.seed = hash_random_seed(), .capacity = capacity, .probes = 1, .n_ids = INT32_MAX};
    table->slots = mem_alloc_array(capacity, sizeof *table->slots);
    table->filter = mem_calloc(capacity, 1);
    if (table->slots) memset(table->slots, 0xff, capacity * sizeof *table->slots);
    return table->slots && table->filter;
}

void merge_table_release(struct merge_table *table) {
    mem_free(table->slots);
    mem_free(table->filter);
    *table = (struct merge_table){0};
}

bool merge_table_add(struct merge_table *table, struct bpe_merge merge) {
    size_t probes = 1, i = merge_table_slot(table, merge.left, merge.right);
    struct bpe_merge *slot = &table->slots[i];
    for (; slot->left >= 0 && (slot->left != merge.left || slot->right != merge.right); probes++) {
        i = (i + 1) & (table->capacity - 1);
        slot = &table->slots[i];
    }
    bool is_new = slot->left < 0;
    if (is_new && (table->count >= table->capacity / 3 * 2 || probes > MERGE_TABLE_MAX_PROBES)) return false;
    *slot = merge;
    const uint64_t hash = merge_table_hash(table, merge.left, merge.right);
    table->filter[merge_table_filter_byte(table, hash)] |= (uint8_t)(1u << merge_table_filter_bit(hash));
    table->count += is_new;
    if (probes > table->probes) table->probes = probes;
    return true;
}
