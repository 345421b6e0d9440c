/* All ways to cut a word into pieces, as a lattice: places are the bytes of the word, edges the pieces between them. */
#ifndef TOKENIZER_TRAIN_LATTICE_H
#define TOKENIZER_TRAIN_LATTICE_H

#include "tokenizer/trie.h"

struct lattice_model {
    const struct trie *trie; /* its values are indices of scores */
    const double *scores;    /* log probabilities; -INFINITY: the piece is gone */
    uint32_t unknown;        /* index that stands for a character without a piece of its own */
    double unknown_score;
};

struct lattice_edge {
    uint32_t end;
    uint32_t piece;
    double score; /* and, once lattice_expect has been there, the probability of going this way from where it begins */
};

struct lattice {
    struct lattice_edge *edges; /* by where they begin */
    size_t n_edges, edge_capacity;
    size_t size;        /* bytes of the word */
    size_t *first_edge; /* [size + 1] of the edges that begin here */
    double *total;      /* [size + 1] log probability of all, or of the best, of the ways from here to the end */
    double *mass;       /* [size + 1] how much of the word's weight passes here */
    uint32_t *choice;   /* [size] the best edge from here */
    size_t place_capacity;
    uint32_t *path; /* pieces of the last lattice_best */
};

void lattice_release(struct lattice *lattice);
/* False when memory is out. size < UINT32_MAX. */
bool lattice_build(struct lattice *lattice, const struct lattice_model *model, const char *text, size_t size);
/* Adds weight times the expected number of each piece over all segmentations. Uses the scores up. */
void lattice_expect(struct lattice *lattice, double weight, double *expected);
/* The most probable segmentation into lattice->path; returns how many pieces it has. avoid_whole: not the word as one
 * piece; 0 if there is no other. */
size_t lattice_best(struct lattice *lattice, bool avoid_whole);

#endif
