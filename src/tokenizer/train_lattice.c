#include "tokenizer/train_lattice.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "tokenizer/unicode.h"

void lattice_release(struct lattice *lattice) {
    mem_free(lattice->edges);
    mem_free(lattice->first_edge);
    mem_free(lattice->total);
    mem_free(lattice->mass);
    mem_free(lattice->choice);
    mem_free(lattice->path);
    *lattice = (struct lattice){0};
}

/* ---- building ---- */

static bool reserve_places(struct lattice *lattice, size_t size) {
    if (size < lattice->place_capacity) return true;
    size_t n = max_size(64, size + size / 2 + 1);
    lattice->place_capacity = 0;
    mem_free(lattice->first_edge);
    mem_free(lattice->total);
    mem_free(lattice->mass);
    mem_free(lattice->choice);
    mem_free(lattice->path);
    lattice->first_edge = mem_alloc_array(n, sizeof *lattice->first_edge);
    lattice->total = mem_alloc_array(n, sizeof *lattice->total);
    lattice->mass = mem_alloc_array(n, sizeof *lattice->mass);
    lattice->choice = mem_alloc_array(n, sizeof *lattice->choice);
    lattice->path = mem_alloc_array(n, sizeof *lattice->path);
    if (!lattice->first_edge || !lattice->total || !lattice->mass || !lattice->choice || !lattice->path) return false;
    lattice->place_capacity = n;
    return true;
}

static bool push_edge(struct lattice *lattice, size_t end, uint32_t piece, double score) {
    if (lattice->n_edges == lattice->edge_capacity) {
        size_t capacity = max_size(256, lattice->edge_capacity * 2);
        struct lattice_edge *edges = mem_realloc_array(lattice->edges, capacity, sizeof *edges);
        if (!edges) return false;
        lattice->edges = edges;
        lattice->edge_capacity = capacity;
    }
    lattice->edges[lattice->n_edges++] = (struct lattice_edge){(uint32_t)end, piece, score};
    return true;
}

/* The edges of the pieces that begin with the character text[at, at + length). */
static bool add_edges(struct lattice *lattice, const struct lattice_model *model, const char *text, size_t at,
                      size_t length) {
    const struct trie *trie = model->trie;
    uint32_t node = 0;
    bool has_character = false;
    for (size_t end = at; end < lattice->size;) {
        node = node ? trie_child(trie, node, (uint8_t)text[end]) : trie->root[(uint8_t)text[end]];
        if (!node) break;
        end++;
        int32_t piece = trie->nodes[node].value;
        if (piece < 0 || model->scores[piece] == -INFINITY) continue;
        has_character |= end == at + length;
        if (!push_edge(lattice, end, (uint32_t)piece, model->scores[piece])) return false;
    }
    return has_character || push_edge(lattice, at + length, model->unknown, model->unknown_score);
}

bool lattice_build(struct lattice *lattice, const struct lattice_model *model, const char *text, size_t size) {
    if (!reserve_places(lattice, size)) return false;
    lattice->size = size;
    lattice->n_edges = 0;
    for (size_t at = 0, length; at < size; at += length) {
        uint32_t c;
        length = unicode_next(text + at, size - at, &c);
        lattice->first_edge[at] = lattice->n_edges;
        if (!add_edges(lattice, model, text, at, length)) return false;
        for (size_t i = 1; i < length; i++) lattice->first_edge[at + i] = lattice->n_edges; /* none begin within it */
    }
    lattice->first_edge[size] = lattice->n_edges;
    return true;
}

/* ---- expectations ---- */

/* From the end: total[at] = log Σ exp(score + total[end]), kept apart from the largest term so that nothing underflows.
 * Then from the beginning the word's weight flows along the edges in proportion. This is forward-backward with the forward
 * half in probabilities instead of logarithms. */
void lattice_expect(struct lattice *lattice, double weight, double *expected) {
    size_t size = lattice->size;
    lattice->total[size] = 0;
    for (size_t at = size; at-- > 0;) {
        size_t begin = lattice->first_edge[at], end = lattice->first_edge[at + 1];
        if (begin == end) continue;
        double largest = -INFINITY, sum = 0;
        for (size_t i = begin; i < end; i++) {
            struct lattice_edge *edge = &lattice->edges[i];
            edge->score += lattice->total[edge->end];
            largest = fmax(largest, edge->score);
        }
        for (size_t i = begin; i < end; i++) {
            struct lattice_edge *edge = &lattice->edges[i];
            sum += edge->score = exp(edge->score - largest);
        }
        for (size_t i = begin; i < end; i++) lattice->edges[i].score /= sum;
        lattice->total[at] = largest + log(sum);
    }
    memset(lattice->mass, 0, (size + 1) * sizeof *lattice->mass);
    lattice->mass[0] = weight;
    for (size_t at = 0; at < size; at++) {
        for (size_t i = lattice->first_edge[at]; i < lattice->first_edge[at + 1]; i++) {
            const struct lattice_edge *edge = &lattice->edges[i];
            double mass = lattice->mass[at] * edge->score;
            lattice->mass[edge->end] += mass;
            expected[edge->piece] += mass;
        }
    }
}

/* ---- the best way ---- */

size_t lattice_best(struct lattice *lattice, bool avoid_whole) {
    size_t size = lattice->size, n = 0;
    lattice->total[size] = 0;
    for (size_t at = size; at-- > 0;) {
        double best = -INFINITY;
        for (size_t i = lattice->first_edge[at]; i < lattice->first_edge[at + 1]; i++) {
            const struct lattice_edge *edge = &lattice->edges[i];
            if (avoid_whole && at == 0 && edge->end == size) continue;
            double score = edge->score + lattice->total[edge->end];
            if (!(score > best)) continue;
            best = score;
            lattice->choice[at] = (uint32_t)i;
        }
        lattice->total[at] = best;
    }
    if (size == 0 || lattice->total[0] == -INFINITY) return 0;
    for (size_t at = 0; at < size; at = lattice->edges[lattice->choice[at]].end)
        lattice->path[n++] = lattice->edges[lattice->choice[at]].piece;
    return n;
}
