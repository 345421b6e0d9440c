/* Which of three packings a file's I2_S tensors have, when it doesn't say.
 *
 * The packing was chosen by the platform that wrote the file and no published file names it. Read under the wrong one,
 * weights are permuted within a block: nothing in the values shows it, but the model predicts nothing any more. So a
 * short English text decides: the layout with the lowest loss, with the layout of the published files preferred unless
 * another is clearly better and better than chance (an untrained model is neither under any). */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "model/open.h"

#define PROBE_TOKENS 48
#define CLEAR_NATS   1.0 /* a trained model gains several nats by the right layout */
#define SURE_NATS    2.0 /* so far below chance: no need to try the others */

static const char probe_text[] =
    "Once upon a time there was a small village at the foot of a mountain. The people of the village worked in the "
    "fields during the day, and in the evening they sat by the fire and told each other stories.";

/* Mean of -log p(token | those before) from logits [n - 1, vocab]. */
static double mean_loss(const float *logits, const int32_t *ids, size_t n, size_t vocab) {
    double total = 0;
    for (size_t t = 0; t + 1 < n; t++) {
        const float *row = logits + t * vocab;
        double largest = -INFINITY, sum = 0;
        for (size_t i = 0; i < vocab; i++)
            if ((double)row[i] > largest) largest = (double)row[i]; /* gcc 12 for ARM can't compile fmax here */
        for (size_t i = 0; i < vocab; i++) sum += exp((double)row[i] - largest);
        total += largest + log(sum) - (double)row[ids[t + 1]];
    }
    return total / (double)(n - 1);
}

/* Loss of the loaded model on the ids. */
static bn_status measure(const bn_model *model, struct thread_pool *pool, const int32_t *ids, size_t n, double *loss,
                         bn_error *err) {
    size_t vocab = model->config.vocab_size, n_pages = (n + KV_PAGE_TOKENS - 1) / KV_PAGE_TOKENS;
    uint8_t *pages[PROBE_TOKENS / KV_PAGE_TOKENS + 1] = {0}, want[PROBE_TOKENS] = {0};
    struct workspace *workspace = NULL;
    size_t page_bytes = model_kv_page_bytes(model, KV_F32), logit_bytes = 0;
    float *logits = mul_size(n, vocab * sizeof(float), &logit_bytes) ? mem_alloc_aligned(logit_bytes) : NULL;
    uint8_t *memory = mem_alloc_aligned(n_pages * page_bytes);
    bn_status status;
    if (!logits || !memory)
        status = fail_no_memory(err, logit_bytes);
    else
        status = workspace_create(model, n, n, pool, &workspace, err);
    if (logits && memory && status == BN_OK) {
        for (size_t i = 0; i < n_pages; i++) pages[i] = memory + i * page_bytes;
        memset(want, 1, n - 1);
        struct batch_sequence sequence = {.n_tokens = n, .pages = pages, .reserved_length = n};
        struct batch batch = {ids, want, n, &sequence, 1};
        struct forward_options options = {.kernels = kernels_best(), .pool = pool, .kv_type = KV_F32};
        model_forward(model, workspace, &options, &batch, logits);
        *loss = mean_loss(logits, ids, n, vocab);
    }
    workspace_destroy(workspace);
    mem_free_aligned(memory);
    mem_free_aligned(logits);
    return status;
}

/* Whether every I2_S tensor has a shape the layout can hold. */
static bool layout_fits(const struct tensor_set *set, enum i2s_layout layout) {
    for (size_t i = 0; i < set->n_tensors; i++) {
        const struct tensor *t = &set->tensors[i];
        if (t->type != TYPE_I2_S) continue;
        size_t n = tensor_rows(t) * tensor_cols(t);
        if (layout == I2S_ROWS_4 ? tensor_rows(t) % 4 : n % (layout == I2S_X86_128 ? 128 : 64)) return false;
    }
    return true;
}

/* Token ids of the text, at most PROBE_TOKENS; 0 when the model has no tokenizer. */
static size_t probe_ids(const bn_model *model, int32_t out[PROBE_TOKENS]) {
    int32_t *ids = NULL;
    size_t n = 0;
    if (!model->tokenizer ||
        bn_tokenizer_encode(model->tokenizer, probe_text, strlen(probe_text), NULL, &ids, &n, NULL) != BN_OK)
        return 0;
    n = min_size(n, min_size(PROBE_TOKENS, model->config.context_length));
    size_t n_known = 0;
    for (; n_known < n && ids[n_known] >= 0 && (size_t)ids[n_known] < model->config.vocab_size; n_known++)
        out[n_known] = ids[n_known];
    bn_free(ids);
    return n >= 8 && n_known == n ? n : 0;
}

/* A layout under which the data can't be read (code 3) is out, not an error. */
static bn_status try_layout(bn_model *model, enum i2s_layout layout, struct thread_pool *pool, const int32_t *ids,
                            size_t n, double *loss, bn_error *err) {
    weights_release(&model->weights);
    *loss = INFINITY;
    bn_status status = weights_load(model, layout, pool, err);
    if (status == BN_OK && n > 0) status = measure(model, pool, ids, n, loss, err);
    if (isnan(*loss)) *loss = INFINITY;
    return status;
}

bn_status probe_i2s_layout(struct bn_model *model, struct thread_pool *pool, char *reason, size_t reason_bytes,
                           bn_error *err) {
    static const enum i2s_layout candidates[] = {I2S_X86_128, I2S_ARM_64, I2S_ROWS_4};
    int32_t ids[PROBE_TOKENS];
    size_t n_ids = probe_ids(model, ids);
    double chance = log((double)model->config.vocab_size), best_loss = INFINITY, first_loss = INFINITY;
    enum i2s_layout best = I2S_UNKNOWN, loaded = I2S_UNKNOWN;
    bn_status status = BN_STATUS_BAD_FILE;
    for (size_t i = 0; i < 3; i++) {
        double loss;
        if (!layout_fits(model_tensors(model), candidates[i])) continue;
        status = try_layout(model, candidates[i], pool, ids, n_ids, &loss, err);
        loaded = candidates[i];
        if (status == BN_STATUS_NO_MEMORY) return status;
        if (status != BN_OK) continue;
        if (i == 0) first_loss = loss;
        double limit = best == I2S_X86_128 ? fmin(best_loss - CLEAR_NATS, chance) : best_loss;
        if (best == I2S_UNKNOWN || loss < limit) {
            best = candidates[i];
            best_loss = loss;
        }
        if (n_ids == 0 || loss < chance - SURE_NATS) break;
    }
    if (best == I2S_UNKNOWN)
        return status != BN_OK ? status : fail(err, BN_STATUS_BAD_FILE, "no I2_S layout can hold the tensors' shapes");
    if (best != loaded) {
        weights_release(&model->weights);
        status = weights_load(model, best, pool, err);
    } else {
        status = BN_OK;
    }
    if (n_ids == 0)
        snprintf(reason, reason_bytes,
                 "I2_S layout %s: the file names none, and without a tokenizer none can be measured",
                 i2s_layout_name(best));
    else if (best == I2S_X86_128 && !(first_loss < chance - SURE_NATS))
        snprintf(reason, reason_bytes,
                 "I2_S layout %s: the file names none, and no other predicts a test text clearly "
                 "better (loss %.2f)",
                 i2s_layout_name(best), best_loss);
    else
        snprintf(reason, reason_bytes, "I2_S layout %s: the file names none; loss %.2f on a test text (chance %.2f)",
                 i2s_layout_name(best), best_loss, chance);
    return status;
}
