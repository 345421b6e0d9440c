/* The decoder's forward pass over a batch, in the order of the papers: one step a line, shapes beside it.
 *
 *   T = tokens in the batch, d = hidden size, H, K = query and key-value heads, D = head size, I = FFN size
 *
 * Every family goes through the same steps; the traits of its architecture switch some of them (norms before or after,
 * sub-norms, qk-norm, gate, rotation, parallel residual). Work is shared out by rows of weights or by tokens, and each
 * output element is computed by one thread in one fixed order. */
#include <string.h>

#include "base/memory.h"
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
    /* operands of the step that for_tokens runs */
    float *y;
    const float *in;
    const struct norm *norm;
    const float *weight;
    size_t n;
};

static void trace(const struct pass *p, const char *name, const float *values, size_t cols) {
    if (p->options->trace)
        p->options->trace(p->options->trace_context, name, p->layer ? (int)p->layer_index : -1, values, p->n_tokens,
                          cols);
}

/* step(pass, token) for all tokens, in parallel when that pays. */
static void for_tokens(struct pass *p, chunk_function step, size_t elements) {
    if (p->n_tokens * elements < SERIAL_ELEMENTS)
        for (size_t t = 0; t < p->n_tokens; t++) step(p, t, 0);
    else
        thread_pool_run(p->options->pool, step, p, p->n_tokens);
}

/* ---- steps on one token ---- */

static void norm_step(void *context, size_t t, size_t slot) {
    (void)slot;
    const struct pass *p = context;
    float *y = p->y + t * p->n, eps = p->config->norm_eps;
    const float *x = p->in + t * p->n;
    if (p->config->arch->norm == NORM_RMS)
        p->kernels->rms_norm(y, x, p->norm->weight, p->n, eps);
    else
        p->kernels->layer_norm(y, x, p->norm->weight, p->norm->bias, p->n, eps);
}

static void norm(struct pass *p, float *y, const float *x, const struct norm *weights, size_t n) {
    p->y = y;
    p->in = x;
    p->norm = weights;
    p->n = n;
    for_tokens(p, norm_step, n);
}

static void sub_norm_step(void *context, size_t t, size_t slot) {
    (void)slot;
    const struct pass *p = context;
    p->kernels->rms_norm(p->y + t * p->n, p->y + t * p->n, p->weight, p->n, p->config->norm_eps);
}

/* BitNet's SubLN, in place. */
static void sub_norm(struct pass *p, float *y, const float *weight, size_t n, const char *name) {
    if (!weight) return;
    p->y = y;
    p->weight = weight;
    p->n = n;
    for_tokens(p, sub_norm_step, n);
    trace(p, name, y, n);
}

static void embed_step(void *context, size_t t, size_t slot) {
    (void)slot;
    const struct pass *p = context;
    const struct weights *weights = &p->model->weights;
    size_t d = p->config->hidden_size;
    float *x = p->w->x + t * d;
    linear_row(p->kernels, &weights->embedding, (size_t)p->batch->tokens[t], x);
    if (p->config->embedding_scale != 1) p->kernels->scale(x, p->config->embedding_scale, d);
    if (weights->position_embedding.n_rows) {
        float *position = p->w->out + t * d;
        linear_row(p->kernels, &weights->position_embedding, p->w->places[t].position, position);
        p->kernels->add(x, position, d);
    }
}

/* qk-norm, rotation, and the cache: keys are stored after rotation. */
static void heads_step(void *context, size_t t, size_t slot) {
    (void)slot;
    const struct pass *p = context;
    const struct model_config *c = p->config;
    const struct layer *layer = p->layer;
    size_t H = c->n_heads, K = c->n_kv_heads, D = c->head_dim;
    float *q = p->w->q + t * H * D, *k = p->w->k + t * K * D, *v = p->w->v + t * K * D;
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
    kv_store(p->kernels, c, p->options->kv_type, p->layer_index, &p->w->places[t], k, v);
}

static void activate_step(void *context, size_t t, size_t slot) {
    (void)slot;
    const struct pass *p = context;
    size_t n = p->config->intermediate_size;
    float *up = p->w->up + t * n, *gate = p->w->gate + t * n;
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

static struct activations inputs(const struct pass *p, const float *x, size_t n_cols) {
    return (struct activations){.x = x, .n_tokens = p->n_tokens, .n_cols = n_cols};
}

static void project(struct pass *p, float *y, const struct linear *linear, const float *x) {
    struct activations in = inputs(p, x, linear->n_cols);
    linear_project(&p->w->linear, &in, &(struct projection){linear, y}, 1);
}

static void attention_block(struct pass *p) {
    struct workspace *w = p->w;
    const struct layer *layer = p->layer;
    const struct model_config *c = p->config;
    size_t d = c->hidden_size, heads = c->n_heads * c->head_dim, kv_heads = c->n_kv_heads * c->head_dim;

    const float *in = w->x;
    if (layer->attn_norm.weight) {
        norm(p, w->normed, w->x, &layer->attn_norm, d); /* [T, d] */
        in = w->normed;
    }
    trace(p, "attn_norm", in, d);
    struct activations a = inputs(p, in, d);
    struct projection qkv[] = {{&layer->q, w->q}, {&layer->k, w->k}, {&layer->v, w->v}};
    linear_project(&w->linear, &a, qkv, 3); /* [T, H·D], 2 × [T, K·D] */
    for_tokens(p, heads_step, heads + 2 * kv_heads);
    trace(p, "q", w->q, heads);
    trace(p, "k", w->k, kv_heads);
    trace(p, "v", w->v, kv_heads);
    if (p->layer_index + 1 == c->n_layers) keep_wanted(p);
    if (p->n_tokens == 0) return;

    struct attention attention = {
        .kernels = p->kernels,
        .pool = p->options->pool,
        .config = c,
        .layer = layer,
        .layer_index = p->layer_index,
        .kv_type = p->options->kv_type,
        .places = w->places,
        .n_tokens = p->n_tokens,
        .q = w->q,
        .out = w->attended,
        .scores = w->scores,
        .max_context = w->max_context,
    };
    attend(&attention); /* [T, H·D] */
    trace(p, "attn", w->attended, heads);
    sub_norm(p, w->attended, layer->attn_sub_norm, heads, "attn_sub_norm");
    project(p, w->out, &layer->o, w->attended); /* [T, d] */
    if (layer->attn_post_norm.weight) norm(p, w->out, w->out, &layer->attn_post_norm, d);
    trace(p, "attn_out", w->out, d);
    if (c->parallel_residual) norm(p, w->normed, w->x, &layer->ffn_norm, d); /* of x before attention */
    p->kernels->add(w->x, w->out, p->n_tokens * d);
}

static void ffn_block(struct pass *p) {
    struct workspace *w = p->w;
    const struct layer *layer = p->layer;
    const struct model_config *c = p->config;
    size_t d = c->hidden_size;

    const float *in = layer->ffn_norm.weight ? w->normed : w->x;
    if (layer->ffn_norm.weight && !c->parallel_residual) norm(p, w->normed, w->x, &layer->ffn_norm, d);
    trace(p, "ffn_norm", in, d);
    struct activations a = inputs(p, in, d);
    struct projection gate_up[] = {{&layer->up, w->up}, {&layer->gate, w->gate}};
    linear_project(&w->linear, &a, gate_up, c->arch->gated_ffn ? 2 : 1); /* [T, I] each */
    for_tokens(p, activate_step, c->intermediate_size);
    trace(p, "ffn_act", w->gate, c->intermediate_size);
    sub_norm(p, w->gate, layer->ffn_sub_norm, c->intermediate_size, "ffn_sub_norm");
    project(p, w->out, &layer->down, w->gate); /* [T, d] */
    if (layer->ffn_post_norm.weight) norm(p, w->out, w->out, &layer->ffn_post_norm, d);
    trace(p, "ffn_out", w->out, d);
    p->kernels->add(w->x, w->out, p->n_tokens * d);
    trace(p, "x", w->x, d);
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
    trace(p, "embedding", workspace->x, c->hidden_size);
    for (size_t i = 0; i < c->n_layers && p->n_tokens; i++) {
        p->layer = &model->weights.layers[i];
        p->layer_index = i;
        attention_block(p);
        if (p->n_tokens) ffn_block(p);
    }
    p->layer = NULL;
    if (p->n_tokens == 0) return;
    norm(p, workspace->normed, workspace->x, &model->weights.output_norm, c->hidden_size);
    trace(p, "output_norm", workspace->normed, c->hidden_size);
    project(p, logits, &model->weights.head, workspace->normed); /* [wanted, V] */
    if (c->final_softcap > 0) p->kernels->softcap(logits, c->final_softcap, p->n_tokens * c->vocab_size);
    trace(p, "logits", logits, c->vocab_size);
}
