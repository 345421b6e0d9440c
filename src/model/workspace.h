/* Scratch memory of forward passes: one buffer per intermediate result, sized once. */
#ifndef MODEL_WORKSPACE_H
#define MODEL_WORKSPACE_H

#include "model/attention.h"
#include "model/linear.h"
#include "model/weights.h"

/* T = max_tokens; d, I, H, K, D as in weights.h */
struct workspace {
    struct arena arena;
    size_t max_tokens, max_context;
    struct token_place *places; /* [T] */
    float *x;                   /* [T, d] the residual stream */
    float *normed;              /* [T, d] input of attention or FFN */
    float *q, *attended;        /* [T, H·D] */
    float *k, *v;               /* [T, K·D] */
    float *gate, *up;           /* [T, I] */
    float *out;                 /* [T, d] output of attention or FFN */
    float *angles[2];           /* [T, 2, n_pairs] cosines, then sines: of model->rope, model->local_rope */
    float *frequencies;         /* [n_pairs] */
    int8_t *screen_q;           /* [SCREEN_INPUTS_MAX] and … */
    int32_t *screen_sums;       /* … what screen_input points at, where the head is screened */
    struct attention_scratch attention;
    struct linear_context linear; /* kernels and pool are filled in by each pass */
};

#endif
