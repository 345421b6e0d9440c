#include "analysis/perplexity.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "engine/sampler.h"
#include "tokenizer/template/chat.h"

struct evaluation {
    const struct perplexity_options *options;
    bn_engine *engine;
    const bn_tokenizer *tokenizer;
    struct perplexity *sums;
    size_t vocab_size, text_bytes;
    const int32_t *ids; /* the text */
    size_t n_ids;
    int32_t *inputs;  /* [context] of one window */
    float *logits;    /* [context, vocab_size] */
    double *logprobs; /* [vocab_size] */
};

double perplexity_value(const struct perplexity *p) {
    return exp(p->nll / (double)p->n_scored);
}

double perplexity_error(const struct perplexity *p) {
    double n = (double)p->n_scored, mean = p->nll / n;
    double variance = p->nll_squares / n - mean * mean;
    return n > 1 && variance > 0 ? perplexity_value(p) * sqrt(variance / (n - 1)) : 0;
}

double perplexity_bits_per_byte(const struct perplexity *p) {
    return p->nll / ((double)p->bytes * M_LN2);
}

/* ---- scoring ---- */

static bn_status tell(const struct evaluation *evaluation, bn_error *err) {
    const struct perplexity_options *o = evaluation->options;
    if (!o->progress || o->progress(o->caller, evaluation->sums)) return BN_OK;
    return fail(err, BN_STATUS_CANCELLED, "interrupted");
}

/* Runs inputs[0..n) and scores the predictions of targets[0..n_scored), which follow its last n_scored inputs. */
static bn_status score(struct evaluation *evaluation, const int32_t *inputs, size_t n, const int32_t *targets,
                       size_t n_scored, bn_error *err) {
    struct perplexity *sums = evaluation->sums;
    bn_status status = bn_engine_logits(evaluation->engine, inputs, n, false, evaluation->logits, err);
    if (status) return status;
    for (size_t i = 0; i < n_scored; i++) {
        const float *row = evaluation->logits + (n - n_scored + i) * evaluation->vocab_size;
        logprobs_all(row, evaluation->vocab_size, evaluation->logprobs);
        double nll = -evaluation->logprobs[targets[i]];
        sums->nll += nll;
        sums->nll_squares += nll * nll;
    }
    sums->n_scored += n_scored;
    sums->n_windows++;
    return tell(evaluation, err);
}

static bool enough(const struct evaluation *evaluation) {
    size_t most = evaluation->options->max_windows;
    return most && evaluation->sums->n_windows >= most;
}

/* ---- the protocols ---- */

/* Bytes of the text that ids stand for, for bits per byte where only part of the text is scored. */
static size_t bytes_of(const struct evaluation *evaluation, const int32_t *ids, size_t n) {
    char *text;
    size_t bytes;
    if (bn_tokenizer_decode(evaluation->tokenizer, ids, n, true, &text, &bytes, NULL)) return 0;
    bn_free(text);
    return bytes;
}

static bn_status run_llama(struct evaluation *evaluation, int32_t bos, bn_error *err) {
    size_t n = evaluation->options->context, first = n / 2;
    if (evaluation->n_ids < 2 * n)
        return fail(err, BN_STATUS_BAD_ARGUMENT,
                    "the text has %zu tokens; protocol llama needs at least 2 × %zu (a smaller -c helps)",
                    evaluation->n_ids, n);
    evaluation->sums->n_windows_total = evaluation->n_ids / n;
    bn_status status = BN_OK;
    for (size_t chunk = 0; !status && chunk < evaluation->n_ids / n && !enough(evaluation); chunk++) {
        const int32_t *ids = evaluation->ids + chunk * n;
        memcpy(evaluation->inputs, ids, n * sizeof *ids);
        if (bos >= 0) evaluation->inputs[0] = bos;
        /* predictions of positions n/2 … n−2, that is of the tokens one further on */
        status = score(evaluation, evaluation->inputs, n - 1, ids + first + 1, n - 1 - first, err);
        evaluation->sums->bytes += bytes_of(evaluation, ids + first + 1, n - 1 - first);
    }
    return status;
}

static bn_status run_stride(struct evaluation *evaluation, bn_error *err) {
    size_t n = evaluation->n_ids, context = evaluation->options->context, scored_to = 1;
    size_t stride = evaluation->options->stride ? evaluation->options->stride : context / 2;
    if (stride > context)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "--stride: %zu is more than the context of %zu tokens", stride,
                    context);
    bn_status status = BN_OK;
    evaluation->sums->n_windows_total = n > context ? (n - context + stride - 1) / stride + 1 : 1;
    for (size_t begin = 0; !status && scored_to < n && !enough(evaluation); begin += stride) {
        size_t end = min_size(begin + context, n), n_scored = end - scored_to;
        status =
            score(evaluation, evaluation->ids + begin, end - 1 - begin, evaluation->ids + scored_to, n_scored, err);
        evaluation->sums->bytes += bytes_of(evaluation, evaluation->ids + scored_to, n_scored);
        scored_to = end;
    }
    return status;
}

static bn_status run_harness(struct evaluation *evaluation, int32_t prefix, bn_error *err) {
    size_t n = evaluation->n_ids, context = evaluation->options->context;
    const int32_t *ids = evaluation->ids;
    evaluation->sums->n_windows_total = (n + context - 1) / context;
    size_t first = min_size(n, context);
    evaluation->inputs[0] = prefix;
    memcpy(evaluation->inputs + 1, ids, (first - 1) * sizeof *ids);
    bn_status status = score(evaluation, evaluation->inputs, first, ids, first, err);
    size_t scored_to = first;
    while (!status && scored_to < n && !enough(evaluation)) {
        size_t n_scored = min_size(n - scored_to, context), end = scored_to + n_scored;
        status = score(evaluation, ids + end - 1 - context, context, ids + scored_to, n_scored, err);
        scored_to = end;
    }
    evaluation->sums->bytes = scored_to == n ? evaluation->text_bytes : bytes_of(evaluation, ids, scored_to);
    return status;
}

static bn_status run_protocol(struct evaluation *evaluation, bn_error *err) {
    const struct perplexity_options *o = evaluation->options;
    int32_t bos = bn_tokenizer_bos(evaluation->tokenizer), eos = bn_tokenizer_eos(evaluation->tokenizer);
    bool adds_bos = !o->no_special && bos >= 0 && evaluation->ids[0] == bos;
    bn_status status = tell(evaluation, err);
    if (status) return status;
    if (o->protocol == PERPLEXITY_LLAMA) return run_llama(evaluation, adds_bos ? bos : -1, err);
    if (o->protocol == PERPLEXITY_STRIDE) return run_stride(evaluation, err);
    if (bos < 0 && eos < 0)
        return fail(err, BN_STATUS_UNSUPPORTED,
                    "protocol harness needs a BOS or EOS token, which this vocabulary lacks");
    if (adds_bos) evaluation->ids++, evaluation->n_ids--; /* the prefix is that BOS */
    return run_harness(evaluation, bos >= 0 ? bos : eos, err);
}

/* ---- setting up ---- */

static bn_status allocate(struct evaluation *evaluation, bn_error *err) {
    size_t n, context = evaluation->options->context;
    if (!mul_size(context, evaluation->vocab_size, &n)) return fail_no_memory(err, SIZE_MAX);
    evaluation->inputs = mem_alloc_array(context, sizeof *evaluation->inputs);
    evaluation->logits = mem_alloc_array(n, sizeof *evaluation->logits);
    evaluation->logprobs = mem_alloc_array(evaluation->vocab_size, sizeof *evaluation->logprobs);
    if (evaluation->inputs && evaluation->logits && evaluation->logprobs) return BN_OK;
    return fail_no_memory(err, n * sizeof *evaluation->logits);
}

bn_status perplexity_measure(const bn_model *model, bn_engine *engine, const char *text, size_t size,
                             const struct perplexity_options *options, struct perplexity *out, bn_error *err) {
    bn_model_info info = {.size = sizeof info};
    bn_model_get_info(model, &info);
    *out = (struct perplexity){0};
    struct evaluation evaluation = {.options = options,
                                    .engine = engine,
                                    .tokenizer = bn_model_tokenizer(model),
                                    .sums = out,
                                    .vocab_size = info.vocab_size,
                                    .text_bytes = size};
    int32_t *ids = NULL;
    if (options->context < 4)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "a context of %zu tokens is too short", options->context);
    bn_status status =
        encode_prompt(evaluation.tokenizer, text, size, !options->no_special, &ids, &evaluation.n_ids, err);
    evaluation.ids = ids;
    out->n_tokens = evaluation.n_ids;
    if (!status && evaluation.n_ids < 2)
        status = fail(err, BN_STATUS_BAD_ARGUMENT, "a text of two tokens or more is needed");
    if (!status) status = allocate(&evaluation, err);
    if (!status) status = run_protocol(&evaluation, err);
    mem_free(evaluation.inputs);
    mem_free(evaluation.logits);
    mem_free(evaluation.logprobs);
    bn_free(ids);
    return status;
}

bn_status perplexity_of_model(bn_model *model, size_t n_threads, const char *text, size_t size, struct perplexity *out,
                              bn_error *err) {
    bn_engine *engine = NULL;
    bn_model_info info = {.size = sizeof info};
    bn_model_get_info(model, &info);
    const struct perplexity_options options = {.protocol = PERPLEXITY_STRIDE,
                                               .context = min_size(PERPLEXITY_CONTEXT, info.context_length)};
    bn_engine_options engine_options = {.size = sizeof engine_options,
                                        .n_threads = n_threads,
                                        .context_length = options.context,
                                        .max_sequences = 1,
                                        .kv_type = BN_KV_F32};
    bn_status status = bn_engine_create(model, &engine_options, &engine, err);
    if (!status) status = perplexity_measure(model, engine, text, size, &options, out, err);
    bn_engine_destroy(engine);
    return status;
}
