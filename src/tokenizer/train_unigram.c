/* Unigram training, as sentencepiece and Hugging Face do it: from many candidates, rounds of EM fit the probabilities and
 * pruning drops the pieces that the likelihood of the corpus would miss least, until few enough are left.
 *
 * The work is dealt to a fixed number of parts, whose sums are added in order: threads take parts as they are free, and the
 * result is the same to the last bit whatever their number. */
#include "tokenizer/train_unigram.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "tokenizer/train_lattice.h"
#include "tokenizer/train_pieces.h"

enum { N_PARTS = 16 };
static const double UNKNOWN_PENALTY = 10;
static const double EXPECTED_TOO_RARE = 0.5;  /* pieces expected less often than this are dropped */
static const double MISSING_CHARACTER_STEP = 0.0001;

struct unigram_trainer {
    const struct word_list *words;
    const struct trainer_settings *settings;
    struct thread_pool *pool;
    struct piece_list pieces;
    double *scores; /* [n + 1] of the pieces, -INFINITY for one that was dropped; the last stands for unknown characters */
    struct trie trie;
    struct lattice_model model;
    double *expected[N_PARTS];  /* [n + 1] sums of a part; [0] has the total once all are done */
    struct lattice *lattices;   /* [pool size], by slot */
    bool *failed;               /* [pool size] memory ran out in that slot */
    uint32_t *alternatives;     /* [n + 1] begin of a piece's second best segmentation in alternative_pieces */
    struct piece_cut *cuts;     /* [n] */
};

/* How a piece is cut when it is itself a piece, and when it may not be. */
struct piece_cut {
    bool needed;        /* the best segmentation is the piece itself */
    uint32_t n;         /* pieces of the next best one; 0: there is none */
    uint32_t pieces[];
};

static void unigram_trainer_release(struct unigram_trainer *t) {
    (void)t;
}
