/* The decoder's forward pass over a batch, in the order of the papers: one step a line, shapes beside it.
 *
 *   T = tokens in the batch, d = hidden size, H, K = query and key-value heads, D = head size, I = FFN size
 *
 * Every family goes through the same steps; the traits of its architecture switch some of them (norms before or after,
 * sub-norms, qk-norm, gate, rotation, parallel residual). Work is shared out by rows of weights or by tokens, and each
 * output element is computed by one thread in one fixed order. */
#include <string.h>

#include "base/memory.h"
#include "model/kv_layout.h"
#include "model/workspace.h"

#define SERIAL_ELEMENTS 32768 /* less work than waking a thread is done by the caller */

/* State of one pass. */
struct pass {
    const struct bn_model *model;
    const struct model_config *config;
    const struct kernels *kernels;
    const struct forward_options *options;
    const struct batch *batch;
    struct workspace *w;
    const struct layer *layer;
    size_t layer_index;
    size_t n_tokens; /* T; only the tokens whose logits are wanted once the last layer's keys are stored */
    /* What the last block gave and the residual stream lacks. It is added by the next step that reads the stream, row
     * by row on the way into the cache. */
    bool pending;
    const struct norm *post_norm;   /* of the block's output, before it is added */
    const struct norm *before_norm; /* of the stream, before the block's output is added */
};

static void timed(const struct pass *p, enum forward_step step) {
    step_done(&p->options->timer, step, p->layer ? (int)p->layer_index : -1, p->n_tokens);
}

/* step(pass, token) for all tokens, in parallel when that pays. */
static void for_tokens(struct pass *p, chunk_function step, size_t elements) {
    if (p->n_tokens * elements < SERIAL_ELEMENTS)
        for (size_t t = 0; t < p->n_tokens; t++) step(p, t, 0);
    else
        thread_pool_run(p->options->pool, step, p, p->n_tokens);
}

/* ---- steps on one token ---- */

/* y may be x. Does nothing where the architecture has no such norm. */
static void norm_row(const struct pass *p, float *y, const float *x, const struct norm *norm, size_t n) {
    float eps = p->config->norm_eps;
    if (!norm || !norm->weight) return;
    if (p->config->arch->norm == NORM_RMS)
        p->kernels->rms_norm(y, x, norm->weight, n, eps);
    else
        p->kernels->layer_norm(y, x, norm->weight, norm->bias, n, eps);
}

static void settle_row(const struct pass *p, size_t t) {
    size_t d = p->config->hidden_size;
    float *x = p->w->x + t * d, *out = p->w->out + t * d;
    if (!p->pending) return;
    norm_row(p, p->w->normed + t * d, x, p->before_norm, d);
    norm_row(p, out, out, p->post_norm, d);
    p->kernels->add(x, out, d);
}

static void embed_step(void *context, size_t t, size_t slot) {
    const struct pass *p = context;
    const struct weights *weights = &p->model->weights;
    size_t d = p->config->hidden_size;
    float *x = p->w->x + t * d;
    struct linear row = row_file_take(&weights->embedding_rows, &weights->embedding, (size_t)p->batch->tokens[t],
                                      p->w->linear.scratch + slot * p->w->linear.scratch_bytes);
    linear_row(p->kernels, &row, 0, x);
    if (p->config->embedding_scale != 1) p->kernels->scale(x, p->config->embedding_scale, d);
    if (weights->position_embedding.n_rows) {
        float *position = p->w->out + t * d;
        linear_row(p->kernels, &weights->position_embedding, p->w->places[t].position, position);
        p->kernels->add(x, position, d);
    }
}

static void prepare_attention(const void *context, size_t t) {
    const struct pass *p = context;
    size_t d = p->config->hidden_size;
    settle_row(p, t);
    norm_row(p, p->w->normed + t * d, p->w->x + t * d, &p->layer->attn_norm, d);
}

static void prepare_ffn(const void *context, size_t t) {
    const struct pass *p = context;
    size_t d = p->config->hidden_size;
    settle_row(p, t);
    if (!p->config->parallel_residual) norm_row(p, p->w->normed + t * d, p->w->x + t * d, &p->layer->ffn_norm, d);
}

static void head_step(void *context, size_t t, size_t slot) {
    (void)slot;
    const struct pass *p = context;
    size_t d = p->config->hidden_size;
    settle_row(p, t);
    norm_row(p, p->w->normed + t * d, p->w->x + t * d, &p->model->weights.output_norm, d);
}

/* BitNet's SubLN of what attention gave. */
static void prepare_o(const void *context, size_t t) {
    const struct pass *p = context;
    size_t heads = p->config->n_heads * p->config->head_dim;
    float *x = p->w->attended + t * heads;
    if (p->layer->attn_sub_norm) p->kernels->rms_norm(x, x, p->layer->attn_sub_norm, heads, p->config->norm_eps);
}

static void activate_row(const struct pass *p, float *gate, const float *up) {
    size_t n = p->config->intermediate_size;
    bool gated = p->config->arch->gated_ffn;
    const float *in = gated ? gate : up, *factor = gated ? up : NULL;
    switch (p->config->activation) {
    case ACT_SILU:
        p->kernels->silu(gate, in, factor, n);
        break;
    case ACT_RELU2:
        p->kernels->relu2(gate, in, factor, n);
        break;
    case ACT_RELU:
        p->kernels->relu(gate, in, factor, n);
        break;
    case ACT_GELU_TANH:
        p->kernels->gelu_tanh(gate, in, factor, n);
        break;
    case ACT_GELU_ERF:
        p->kernels->gelu_erf(gate, in, factor, n);
        break;
    case ACT_GELU_QUICK:
        p->kernels->gelu_quick(gate, in, factor, n);
        break;
    }
}

static void prepare_down(const void *context, size_t t) {
    const struct pass *p = context;
    size_t n = p->config->intermediate_size;
    float *gate = p->w->gate + t * n;
    activate_row(p, gate, p->w->up + t * n);
    if (p->layer->ffn_sub_norm) p->kernels->rms_norm(gate, gate, p->layer->ffn_sub_norm, n, p->config->norm_eps);
}

/* qk-norm and rotation. */
static void heads_step(void *context, size_t t, size_t slot) {
    (void)slot;
    const struct pass *p = context;
    const struct model_config *c = p->config;
    const struct layer *layer = p->layer;
    size_t H = c->n_heads, K = c->n_kv_heads, D = c->head_dim;
    float *q = p->w->q + t * H * D, *k = p->w->k + t * K * D;
    if (c->arch->qk_norm == QK_NORM_ALL_HEADS) {
        p->kernels->rms_norm(q, q, layer->q_norm, H * D, c->norm_eps);
        p->kernels->rms_norm(k, k, layer->k_norm, K * D, c->norm_eps);
    } else if (c->arch->qk_norm == QK_NORM_PER_HEAD) {
        for (size_t h = 0; h < H; h++) p->kernels->rms_norm(q + h * D, q + h * D, layer->q_norm, D, c->norm_eps);
        for (size_t h = 0; h < K; h++) p->kernels->rms_norm(k + h * D, k + h * D, layer->k_norm, D, c->norm_eps);
    }
    if (layer->rope) {
        void (*rotate)(float *, const float *, const float *, size_t) =
            layer->rope->config->neighbours ? p->kernels->rope_neighbours : p->kernels->rope_half;
        size_t pairs = layer->rope->n_pairs;
        const float *cosines = p->w->angles[layer->rope == &p->model->local_rope] + t * 2 * pairs;
        for (size_t h = 0; h < H; h++) rotate(q + h * D, cosines, cosines + pairs, pairs);
        for (size_t h = 0; h < K; h++) rotate(k + h * D, cosines, cosines + pairs, pairs);
    }
}

/* ---- steps on the batch ---- */

/* Which position every token has, and the angles of its rotation. */
static void place_tokens(struct pass *p) {
    const struct rope *ropes[] = {&p->model->rope, &p->model->local_rope};
    size_t t = 0;
    for (size_t s = 0; s < p->batch->n_sequences; s++) {
        const struct batch_sequence *sequence = &p->batch->sequences[s];
        for (size_t i = 0; i < sequence->n_tokens; i++)
            p->w->places[t + i] = (struct token_place){sequence, sequence->first_position + i};
        for (size_t r = 0; r < 2 && p->w->angles[r]; r++) {
            size_t pairs = ropes[r]->n_pairs;
            const float *frequencies = rope_frequencies(ropes[r], sequence->reserved_length, p->w->frequencies);
            for (size_t i = 0; i < sequence->n_tokens; i++) {
                float *cosines = p->w->angles[r] + (t + i) * 2 * pairs;
                rope_angles(ropes[r], frequencies, sequence->first_position + i, cosines, cosines + pairs);
            }
        }
        t += sequence->n_tokens;
    }
}

/* From here on only the tokens whose logits are wanted matter: moves their rows to the front. */
static void keep_wanted(struct pass *p) {
    size_t kept = 0, d = p->config->hidden_size, heads = p->config->n_heads * p->config->head_dim;
    for (size_t t = 0; t < p->n_tokens; t++) {
        if (!p->batch->want_logits[t]) continue;
        if (kept != t) {
            memcpy(p->w->x + kept * d, p->w->x + t * d, d * sizeof(float));
            memcpy(p->w->q + kept * heads, p->w->q + t * heads, heads * sizeof(float));
            p->w->places[kept] = p->w->places[t];
        }
        kept++;
    }
    p->n_tokens = kept;
}

/* Products of linears with x, whose rows `prepare` completes. */
static void project(struct pass *p, const float *x, void (*prepare)(const void *, size_t),
                    const struct projection *projections, size_t n) {
    struct activations in = {.x = x,
                             .n_tokens = p->n_tokens,
                             .n_cols = projections[0].linear->n_cols,
                             .prepare = prepare,
                             .prepare_context = p};
    linear_project(&p->w->linear, &in, projections, n);
}

static void attention_block(struct pass *p) {
    struct workspace *w = p->w;
    const struct layer *layer = p->layer;
    const struct model_config *c = p->config;

    const float *in = layer->attn_norm.weight ? w->normed : w->x; /* [T, d] */
    const struct projection qkv[] = {{&layer->q, w->q}, {&layer->k, w->k}, {&layer->v, w->v}};
    project(p, in, prepare_attention, qkv, 3); /* [T, H·D], 2 × [T, K·D] */
    timed(p, STEP_QKV);
    p->pending = false;
    for_tokens(p, heads_step, (c->n_heads + c->n_kv_heads) * c->head_dim);

    struct attention attention = {
        .kernels = p->kernels,
        .pool = p->options->pool,
        .config = c,
        .layer = layer,
        .layer_index = p->layer_index,
        .kv_type = p->options->kv_type,
        .n_sinks = p->options->attention_sinks,
        .recent = p->options->attention_window,
        .places = w->places,
        .n_tokens = p->n_tokens,
        .q = w->q,
        .out = w->attended,
        .scratch = &w->attention,
    };
    kv_store(&attention, w->k, w->v); /* keys after rotation */
    timed(p, STEP_HEADS);
    if (p->layer_index + 1 == c->n_layers) keep_wanted(p);
    if (p->n_tokens == 0) return;

    attention.n_tokens = p->n_tokens;
    attend(&attention); /* [T, H·D] */
    timed(p, STEP_ATTENTION);
    project(p, w->attended, prepare_o, &(const struct projection){&layer->o, w->out}, 1); /* [T, d] */
    timed(p, STEP_O);
    p->pending = true;
    p->post_norm = &layer->attn_post_norm;
    p->before_norm = c->parallel_residual ? &layer->ffn_norm : NULL;
}

static void ffn_block(struct pass *p) {
    struct workspace *w = p->w;
    const struct layer *layer = p->layer;

    const float *in = layer->ffn_norm.weight ? w->normed : w->x; /* [T, d] */
    const struct projection gate_up[] = {{&layer->up, w->up}, {&layer->gate, w->gate}};
    project(p, in, prepare_ffn, gate_up, p->config->arch->gated_ffn ? 2 : 1); /* [T, I] each */
    timed(p, STEP_GATE_UP);
    p->pending = false;
    project(p, w->gate, prepare_down, &(const struct projection){&layer->down, w->out}, 1); /* [T, d] */
    timed(p, STEP_DOWN);
    p->pending = true;
    p->post_norm = &layer->ffn_post_norm;
    p->before_norm = NULL;
}

void model_forward(const struct bn_model *model, struct workspace *workspace, const struct forward_options *options,
                   const struct batch *batch, float *logits) {
    const struct model_config *c = &model->config;
    struct pass pass = {.model = model,
                        .config = c,
                        .kernels = options->kernels,
                        .options = options,
                        .batch = batch,
                        .w = workspace,
                        .n_tokens = batch->n_tokens};
    struct pass *p = &pass;
    workspace->linear.kernels = options->kernels;
    workspace->linear.pool = options->pool;

    place_tokens(p);
    for_tokens(p, embed_step, c->hidden_size);
    timed(p, STEP_EMBED);
    for (size_t i = 0; i < c->n_layers && p->n_tokens; i++) {
        p->layer = &model->weights.layers[i];
        p->layer_index = i;
        attention_block(p);
        if (p->n_tokens) ffn_block(p);
    }
    p->layer = NULL;
    if (p->n_tokens == 0) return;
    for_tokens(p, head_step, c->hidden_size);
    if (!logits) return;
    model_logits(model, workspace, options, NULL, p->n_tokens, logits); /* [wanted, V] */
    timed(p, STEP_HEAD);
}
