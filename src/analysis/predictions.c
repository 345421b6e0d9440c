#include "analysis/predictions.h"

#include <math.h>
#include <string.h>

#include "analysis/sample_text.h"
#include "base/memory.h"
#include "engine/sampler.h"

enum { IDS_WITHOUT_VOCABULARY = 64 };

static bn_model_info info_of(const bn_model *model) {
    bn_model_info info = {.size = sizeof info};
    bn_model_get_info(model, &info);
    return info;
}

bn_status question_make(const bn_model *model, const char *text, size_t size, struct question *out, bn_error *err) {
    const bn_tokenizer *tokenizer = bn_model_tokenizer(model);
    bn_model_info info = info_of(model);
    size_t room = min_size(QUESTION_TOKENS, info.context_length);
    *out = (struct question){0};
    if (!tokenizer) {
        out->n = min_size(IDS_WITHOUT_VOCABULARY, room);
        for (size_t i = 0; i < out->n; i++) out->ids[i] = (int32_t)((i * i * 7 + 11 * i + 5) % info.vocab_size);
        return BN_OK;
    }
    int32_t *ids = NULL;
    size_t n = 0;
    bn_status status = bn_tokenizer_encode(tokenizer, text, size, NULL, &ids, &n, err);
    if (status) return status;
    out->n = min_size(n, room);
    for (size_t i = 0; i < out->n; i++) out->ids[i] = ids[i] < (int32_t)info.vocab_size ? ids[i] : 0;
    bn_free(ids);
    return out->n ? BN_OK : fail(err, BN_STATUS_BAD_ARGUMENT, "the text to compare by has no tokens");
}

bn_status predictions_make(bn_model *model, size_t n_threads, const struct question *question, float **logits,
                           bn_error *err) {
    bn_engine *engine = NULL;
    size_t vocab_size = info_of(model).vocab_size;
    bn_engine_options options = {.size = sizeof options,
                                 .n_threads = n_threads,
                                 .kv_type = BN_KV_F32,
                                 .context_length = question->n + 1,
                                 .max_sequences = 1};
    options.context_length = min_size(options.context_length, info_of(model).context_length);
    *logits = mem_alloc_array(question->n * vocab_size, sizeof **logits);
    bn_status status = *logits ? bn_engine_create(model, &options, &engine, err)
                               : fail_no_memory(err, question->n * vocab_size * sizeof **logits);
    if (!status) status = bn_engine_logits(engine, question->ids, question->n, false, *logits, err);
    bn_engine_destroy(engine);
    if (status) {
        mem_free(*logits);
        *logits = NULL;
    }
    return status;
}

/* One position: p, q are log-probabilities. */
static double divergence(const double *p, const double *q, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += exp(p[i]) * (p[i] - q[i]);
    return fmax(sum, 0);
}

/* Keeps NaN, which fmax drops. */
static double larger(double a, double b) {
    return a >= b || isnan(a) ? a : b;
}

bn_status predictions_compare(const float *a, const float *b, size_t n, size_t vocab_size,
                              struct prediction_difference *out, bn_error *err) {
    double *p = mem_alloc_array(2 * vocab_size, sizeof *p), *q = p + vocab_size;
    if (!p) return fail_no_memory(err, 2 * vocab_size * sizeof *p);
    *out = (struct prediction_difference){.n_tokens = n};
    for (size_t t = 0; t < n; t++, a += vocab_size, b += vocab_size) {
        logprobs_all(a, vocab_size, p);
        logprobs_all(b, vocab_size, q);
        double kl = divergence(p, q, vocab_size);
        out->mean_kl += kl / (double)n;
        out->largest_kl = larger(out->largest_kl, kl);
        out->same_best += (argmax_lowest(a, vocab_size) == argmax_lowest(b, vocab_size)) / (double)n;
        for (size_t i = 0; i < vocab_size; i++)
            out->largest_difference = larger(out->largest_difference, fabs((double)a[i] - (double)b[i]));
    }
    mem_free(p);
    return BN_OK;
}

/* The model's logits for the question, which it also makes if there is a text. */
static bn_status answer(const char *path, const char *text, size_t n_threads, struct question *question,
                        size_t *vocab_size, float **logits, bn_error *err) {
    bn_model *model = NULL;
    bn_model_options options = {.size = sizeof options, .n_threads = n_threads};
    bn_status status = bn_model_open(path, &options, &model, err);
    if (status) return status;
    *vocab_size = info_of(model).vocab_size;
    if (text) status = question_make(model, text, strlen(text), question, err);
    if (!status) status = predictions_make(model, n_threads, question, logits, err);
    bn_model_close(model);
    return status;
}

bn_status model_files_compare(const char *first, const char *second, const char *text, size_t n_threads,
                              struct prediction_difference *out, bn_error *err) {
    struct question question = {.n = 0};
    size_t vocab_a = 0, vocab_b = 0;
    float *a = NULL, *b = NULL;
    bn_status status = answer(first, text ? text : sample_text, n_threads, &question, &vocab_a, &a, err);
    if (!status) status = answer(second, NULL, n_threads, &question, &vocab_b, &b, err);
    if (!status && vocab_a != vocab_b)
        status =
            fail(err, BN_STATUS_BAD_FILE, "%s has a vocabulary of %zu, %s one of %zu", first, vocab_a, second, vocab_b);
    if (!status) status = predictions_compare(a, b, question.n, vocab_a, out, err);
    mem_free(a);
    mem_free(b);
    return status;
}
