/* What a conversion writes, tensor by tensor, decided before anything is written. */
#ifndef CONVERT_PLAN_H
#define CONVERT_PLAN_H

#include "convert/convert.h"
#include "convert/roles.h"
#include "model/ternary.h"
#include "model/weights.h"

/* Which row of the source a row of the result is. GGUF files of some families have the rows of rotated pairs as
 * neighbours (PAIRED, from UNPAIRED ones); GPT-NeoX has q, k, v of each head TOGETHER instead of all q, all k, all v. */
enum row_order { ROWS_KEPT, ROWS_PAIRED, ROWS_UNPAIRED, ROWS_APART, ROWS_TOGETHER };

enum content {
    CONTENT_VALUES,   /* decoded, reordered, encoded; or copied where nothing changes */
    CONTENT_CODES,    /* ternary codes times one scale */
    CONTENT_CONSTANT, /* floats of the plan: vectors */
};

struct planned_tensor {
    const char *name;      /* in the result */
    enum tensor_type type; /* in the result; TYPE_U8 with CODES: four rows in a byte, as Hugging Face packs them */
    size_t n_dims, shape[TENSOR_MAX_DIMS]; /* in the result */
    enum content content;
    struct tensor source;  /* of VALUES and CODES */
    size_t n_rows, n_cols; /* of the source as a matrix */
    enum row_order order;
    size_t n_heads, head_dim;
    struct ternary_source codes; /* CODES; its `tensor` is set when it is written */
    float scale;                 /* CODES: what −1, 0, 1 are multiplied by */
    bool scale_apart;            /* CODES: `scale` is in a tensor of its own, so the values are −1, 0, 1 */
    bool ternarized;             /* float weights become ternary: VALUES per row or group, CODES per tensor */
    bool measured;               /* something is lost, which the report shall say */
    const float *constant;       /* CONSTANT */
};

struct plan {
    const struct convert_options *options;
    const struct bn_model *model; /* the source, without its weights */
    struct thread_pool *pool;
    struct arena *arena; /* of names, constants, views */
    struct planned_tensor *tensors;
    size_t n;
    size_t n_ternary, n_ternarized, n_parameters, n_fallbacks;
    bool tied;               /* the result has no head of its own */
    const char **kept_float; /* modules of the result that aren't ternary though others are */
    size_t n_kept_float;
};

/* Fills in *plan, whose options, model, pool and arena are set. Release it in any case. */
bn_status plan_make(struct plan *plan, bn_error *err);
void plan_release(struct plan *plan);

/* Appends a vector, for what some containers keep in tensors and others in their configuration. `values` must outlive the plan. */
bn_status plan_add_vector(struct plan *plan, const char *name, const float *values, size_t n, enum tensor_type type,
                          bn_error *err);

size_t planned_bytes(const struct planned_tensor *tensor);
/* The row (of vectors: the element) of the source that row `row` of the result is. */
size_t planned_row(const struct planned_tensor *tensor, size_t row);

bool is_ternary_type(enum tensor_type type);

#endif
