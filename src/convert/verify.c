#include "convert/verify.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "bitnet/bitnet.h"
#include "engine/sampler.h"

enum { MAX_TOKENS = 192 };

static const char sample[] =
    "The river had been low all summer, and the mill stood still. In October the rain came back: first a drizzle, "
    "then, "
    "within three days, 42.7 mm of it. \"We'll grind again by Sunday,\" said the miller's daughter.\n\n"
    "def mean(values):\n    return sum(values) / len(values)\n\n"
    "Der Fluss war den ganzen Sommer niedrig. La rivière était basse. 河水整个夏天都很低。 Река обмелела.";

/* What both models are asked. */
struct question {
    int32_t ids[MAX_TOKENS];
    size_t n;
};

static bn_status tokenize(const bn_model *model, const char *text, size_t vocab_size, struct question *q,
                          bn_error *err) {
    const bn_tokenizer *tokenizer = bn_model_tokenizer(model);
    if (!tokenizer) {
        for (q->n = 0; q->n < 64; q->n++) q->ids[q->n] = (int32_t)((q->n * q->n * 7 + 11 * q->n + 5) % vocab_size);
        return BN_OK;
    }
    int32_t *ids = NULL;
    size_t n = 0;
    bn_status status = bn_tokenizer_encode(tokenizer, text, strlen(text), NULL, &ids, &n, err);
    if (status) return status;
    q->n = min_size(n, MAX_TOKENS);
    for (size_t i = 0; i < q->n; i++) q->ids[i] = ids[i] < (int32_t)vocab_size ? ids[i] : 0;
    bn_free(ids);
    return q->n ? BN_OK : fail(err, BN_STATUS_BAD_ARGUMENT, "the text to compare by has no tokens");
}

/* The model's logits for the question, which the first model also makes (q->n = 0). */
static bn_status answer(const char *path, const char *text, size_t n_threads, struct question *q, size_t *vocab_size,
                        float **logits, bn_error *err) {
    bn_model *model = NULL;
    bn_engine *engine = NULL;
    bn_model_options model_options = {.size = sizeof model_options, .n_threads = n_threads};
    bn_engine_options options = {.size = sizeof options, .n_threads = n_threads, .kv_type = BN_KV_F32};
    bn_model_info info = {.size = sizeof info};
    bn_status status = bn_model_open(path, &model_options, &model, err);
    if (status) return status;
    bn_model_get_info(model, &info);
    if (q->n == 0) status = tokenize(model, text, info.vocab_size, q, err);
    q->n = min_size(q->n, info.context_length);
    *vocab_size = info.vocab_size;
    *logits = status ? NULL : mem_alloc_array(q->n * info.vocab_size, sizeof **logits);
    if (!status && !*logits) status = fail_no_memory(err, q->n * info.vocab_size * sizeof **logits);
    if (!status) status = bn_engine_create(model, &options, &engine, err);
    if (!status) status = bn_engine_logits(engine, q->ids, q->n, false, *logits, err);
    bn_engine_destroy(engine);
    bn_model_close(model);
    return status;
}

static size_t best(const float *row, size_t n) {
    size_t at = 0;
    for (size_t i = 1; i < n; i++)
        if (row[i] > row[at]) at = i;
    return at;
}

/* One position: p, q are log-probabilities. */
static double divergence(const double *p, const double *q, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += exp(p[i]) * (p[i] - q[i]);
    return fmax(sum, 0);
}

static bn_status compare(const float *a, const float *b, size_t n, size_t vocab_size, struct convert_verification *out,
                         bn_error *err) {
    double *p = mem_alloc_array(2 * vocab_size, sizeof *p), *q = p + vocab_size;
    if (!p) return fail_no_memory(err, 2 * vocab_size * sizeof *p);
    *out = (struct convert_verification){.n_tokens = n};
    for (size_t t = 0; t < n; t++, a += vocab_size, b += vocab_size) {
        logprobs_all(a, vocab_size, p);
        logprobs_all(b, vocab_size, q);
        double kl = divergence(p, q, vocab_size);
        out->mean_kl += kl / (double)n;
        out->largest_kl = fmax(out->largest_kl, kl);
        out->same_best += (best(a, vocab_size) == best(b, vocab_size)) / (double)n;
        for (size_t i = 0; i < vocab_size; i++)
            out->largest_difference = fmax(out->largest_difference, fabs((double)a[i] - (double)b[i]));
    }
    mem_free(p);
    return BN_OK;
}

bn_status convert_verify(const char *source, const char *result, const char *text, size_t n_threads,
                         struct convert_verification *out, bn_error *err) {
    struct question question = {.n = 0};
    size_t vocab_of_source = 0, vocab_of_result = 0;
    float *a = NULL, *b = NULL;
    bn_status status = answer(source, text ? text : sample, n_threads, &question, &vocab_of_source, &a, err);
    if (!status) status = answer(result, NULL, n_threads, &question, &vocab_of_result, &b, err);
    if (!status && vocab_of_source != vocab_of_result)
        status = fail(err, BN_STATUS_BAD_FILE, "%s has a vocabulary of %zu, %s one of %zu", source, vocab_of_source,
                      result, vocab_of_result);
    if (!status) status = compare(a, b, question.n, vocab_of_source, out, err);
    mem_free(a);
    mem_free(b);
    return status;
}
