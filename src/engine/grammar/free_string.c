/* See free_string.h. */
#include "engine/grammar/free_string.h"

#include <string.h>

#include "base/memory.h"
#include "engine/grammar/byte_kinds.h"
#include "engine/grammar/token_trie.h"

/* A string of a million characters at most: they are counted. */
static struct dfa_edge edges[2] = {{0, 0xd7ff, 0}, {0xe000, LAST_CODE_POINT, 0}};
static struct dfa_state states[1] = {{.n_edges = 2, .label = 1}};
static const struct dfa anything = {states, edges, 1, 2, true, 0, 0};
static const struct lexeme counted = {.kind = LEXEME_STRING, .dfa = &anything, .max = 1000000};

static void add_tokens(struct free_string *f, const struct token_trie *trie, uint32_t node, uint32_t characters,
                       bool ends) {
    for (uint32_t i = trie->nodes[node].first_token; i < trie->nodes[node + 1].first_token; i++) {
        uint32_t token = (uint32_t)trie->tokens[i];
        f->bits[token / 64] |= UINT64_C(1) << token % 64;
        if (ends) f->ends[token / 64] |= UINT64_C(1) << token % 64;
        f->characters[token] = (uint8_t)characters;
    }
    if (characters > f->longest) f->longest = characters;
}

/* All that the walk goes to; pops NULL: only counts them. */
static size_t walk(struct free_string *f, const struct token_trie *trie, struct pop *pops) {
    struct lex_position path[LONGEST_TRIE_TOKEN + 2];
    size_t n_pops = 0;
    lexeme_start(&counted, &path[0]);
    lexeme_next(&counted, &path[0], '"', &path[0]);
    for (uint32_t i = 0; i < trie->n_nodes;) {
        const struct token_node *node = &trie->nodes[i];
        struct lex_position *to = &path[node->depth];
        if (!lexeme_next(&counted, to - 1, node->byte, to)) {
            i = node->end;
            continue;
        }
        bool over = lexeme_is_over(&counted, to);
        uint32_t characters = lexeme_characters(&counted, over ? to - 1 : to);
        add_tokens(f, trie, i, characters, over);
        if (over && node->end > i + 1) {
            if (pops) pops[n_pops] = (struct pop){i, 1, characters};
            n_pops++;
        }
        i = over ? node->end : i + 1;
    }
    return n_pops;
}

static void count_within(struct free_string *f, const struct token_trie *trie) {
    for (size_t token = 0; token < 64 * trie->mask_words; token++)
        for (size_t n = f->characters[token]; n < FREE_STRING_COUNTED; n++)
            f->within[n * trie->mask_words + token / 64] |= UINT64_C(1) << token % 64;
}

static void find_kinds_beneath(struct free_string *f, const struct token_trie *trie) {
    uint64_t below[LONGEST_TRIE_TOKEN + 2] = {0}; /* of a node of each depth */
    for (uint32_t i = trie->n_nodes; i-- > 0;) {
        uint8_t depth = trie->nodes[i].depth;
        f->beneath[i] = below[depth];
        below[depth - 1] |= byte_kind(trie->nodes[i].byte) | below[depth];
        below[depth] = 0;
    }
}

bool free_string_init(struct free_string *f, const struct token_trie *trie) {
    *f = (struct free_string){0};
    f->bits = mem_calloc(trie->mask_words + 1, sizeof *f->bits);
    f->ends = mem_calloc(trie->mask_words + 1, sizeof *f->ends);
    f->characters = mem_calloc(64 * trie->mask_words + 1, 1);
    f->within = mem_calloc(FREE_STRING_COUNTED * trie->mask_words + 1, sizeof *f->within);
    f->beneath = mem_calloc((size_t)trie->n_nodes + 1, sizeof *f->beneath);
    if (!f->bits || !f->ends || !f->characters || !f->within || !f->beneath) return false;
    f->n_pops = walk(f, trie, NULL);
    f->pops = mem_calloc(f->n_pops + 1, sizeof *f->pops);
    if (!f->pops) return false;
    walk(f, trie, f->pops);
    count_within(f, trie);
    find_kinds_beneath(f, trie);
    return true;
}

void free_string_release(struct free_string *f) {
    mem_free(f->bits);
    mem_free(f->ends);
    mem_free(f->within);
    mem_free(f->beneath);
    mem_free(f->pops);
    mem_free(f->characters);
}
