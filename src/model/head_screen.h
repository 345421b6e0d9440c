/* The output head screened: which of its rows can matter is found on a six-bit copy at two fifths of the memory traffic.
 *
 * For a hidden state x the copy gives an interval for every row that provably holds the logit which the exact head
 * computes, its float rounding included (docs/head.md has the derivation). Whoever needs the largest logits only asks
 * for the exact ones of the few rows whose intervals reach that far. */
#ifndef MODEL_HEAD_SCREEN_H
#define MODEL_HEAD_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "model/linear.h"

/* W[r][c] ≈ scales[r]·multiplier of row r and span c/64·Q[r][c] =: W'[r][c]. V rows of d columns. */
struct head_screen {
    const uint8_t *codes;       /* S6 [V, d] (kernels/layout.h); NULL: the head isn't screened */
    const uint8_t *multipliers; /* of the same layout */
    const float *scales;        /* [V] */
    const float *residuals;     /* [V] ≥ ‖W_r − W'_r‖₂ */
    const float *norms;         /* [V] ≥ ‖W'_r‖₂ */
    float largest;              /* ≥ residuals[r] + norms[r] ≥ ‖W_r‖₂ */
};

/* Can this head be screened, and is it big enough to gain from it? */
bool head_screen_applies(const struct linear *head);
bool head_screen_pays(const struct linear *head);

/* What the copy knows of one row. */
struct screen_row {
    float scale, residual, norm;
};

/* Row r as the copy has it: its values to q[64·s6_spans(d)], its multipliers to multipliers[s6_spans(d)], and the rest.
 * w: room for 64·s6_spans(d) floats. The same bits on every machine. */
struct screen_row head_screen_row(const struct linear *head, const struct kernels *kernels, size_t r, int8_t *q,
                                  uint8_t *multipliers, float *w);

/* Fills in `largest` and says whether all rows are within what the bounds allow: no NaN, nothing beyond 2^60. */
bool head_screen_is_sound(struct head_screen *screen, size_t n_rows);

/* Makes the copy in `arena`, reading the head once; `mapped`: its pages are dropped as they are done with. A head with
 * weights that aren't finite, or beyond 2^60, gets no screen: codes stay NULL. BN_STATUS_NO_MEMORY. */
bn_status head_screen_build(struct head_screen *screen, const struct linear *head, bool mapped, struct arena *arena,
                            struct thread_pool *pool, bn_error *err);

#define SCREEN_INPUTS_MAX 16 /* hidden states in one pass over the copy */

/* Drops whole pages of mapped rows [row0, row0 + n_rows): they are clean and can be read again. Thread-safe. */
void head_drop_pages(const struct linear *head, size_t row0, size_t n_rows);

/* A hidden state as the screen uses it. */
struct screen_input {
    int8_t *q;       /* x ≈ scale·q: high and low bytes as screen_matmul takes them, 2·64·s6_spans(d) */
    int32_t *q_sums; /* [s6_spans(d)] */
    float scale;
    float error, spread; /* a row's interval reaches residual·error + norm·spread to both sides */
};

/* Fills in all but the pointers, and what they point at. False: x isn't finite, or so large that logits could overflow. */
bool screen_input_init(struct screen_input *input, const struct head_screen *screen, const float *x, size_t n);

/* One pass over rows [row0, row0 + n_rows) (row0 a multiple of 16) for several hidden states whose q and q_sums follow
 * each other, beginning with inputs[0]'s: lower[t·V + r] ≤ logit ≤ upper[t·V + r]. */
void head_screen_rows(const struct head_screen *screen, const struct linear *head, const struct kernels *kernels,
                      const struct screen_input *inputs, size_t n_inputs, size_t row0, size_t n_rows, float *lower,
                      float *upper);

#endif
