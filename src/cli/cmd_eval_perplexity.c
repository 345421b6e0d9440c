/* `bitnet eval perplexity`: how surprised a model is by a text, by three protocols whose figures aren't comparable with
 * each other:
 *
 *   llama    llama.cpp's: chunks of n_ctx tokens, each with an empty cache and BOS (where the vocabulary adds one) over
 *            its first token; predictions from position n_ctx/2 on are scored, the rest of the text is dropped.
 *   stride   the sliding window of Hugging Face's guide: windows of ctx tokens every `stride`; each token but the first
 *            is scored once, with at least ctx − stride tokens before it (fewer at the beginning).
 *   harness  lm-evaluation-harness' rolling log-likelihood: BOS (else EOS) before the text, windows of ctx targets with
 *            one token of context, the last window moved back so that it is full; every token is scored.
 *
 * Each is reduced to spans: "run these inputs, score the last n_scored predictions". Sums are float64 in text order. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "cli/command.h"
#include "cli/input.h"
#include "cli/json_output.h"
#include "cli/model_options.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "engine/sampler.h"

enum { LLAMA_CONTEXT = 512, HARNESS_CONTEXT = 2048 };

struct perplexity_settings {
    struct model_options model;
    const char *file, *protocol;
    size_t stride, max_chunks;
    bool no_special;
};
#define FIELD(name) offsetof(struct perplexity_settings, name)

static const struct option options[] = {
    {"file", 'f', OPTION_TEXT, FIELD(file), "FILE", 0, 0, "the text; -: standard input", NULL},
    {"protocol", 0, OPTION_CHOICE, FIELD(protocol), "llama|stride|harness", 0, 0,
     "how windows are cut and what is scored (llama)", NULL},
    {"stride", 0, OPTION_SIZE, FIELD(stride), "N", 0, 0x1p31,
     "protocol stride: tokens between windows; 0: half the context", "ppl-stride"},
    {"chunks", 0, OPTION_SIZE, FIELD(max_chunks), "N", 0, 0x1p31, "score only the first N windows; 0: all", NULL},
    {"no-special", 0, OPTION_FLAG, FIELD(no_special), NULL, 0, 0, "without BOS, whatever the vocabulary says",
     "no-bos"},
    {0},
};
static const struct option_group groups[] = {
    {"Perplexity", options, 0},
    {"Model", model_option_table, FIELD(model)},
    {0},
};

static void set_defaults(void *settings) {
    struct perplexity_settings *perplexity = settings;
    perplexity->protocol = "llama";
}

/* ---- scoring ---- */

struct evaluation {
    struct invocation *invocation;
    struct loaded_model loaded;
    const bn_tokenizer *tokenizer;
    size_t vocab_size, context;
    const int32_t *ids; /* the text */
    size_t n_ids, text_bytes;
    int32_t *inputs;  /* [context] of one window */
    float *logits;    /* [context, vocab_size] */
    double *logprobs; /* [vocab_size] */
    /* sums over all scored tokens */
    double nll, nll_squares;
    size_t n_scored, n_windows, n_windows_total, bytes;
    struct progress progress;
};

static double perplexity_of(const struct evaluation *evaluation) {
    return exp(evaluation->nll / (double)evaluation->n_scored);
}

/* The standard error as llama.cpp states it: PPL · sqrt(variance of the nll / (count − 1)). */
static double perplexity_error(const struct evaluation *evaluation) {
    double n = (double)evaluation->n_scored, mean = evaluation->nll / n;
    double variance = evaluation->nll_squares / n - mean * mean;
    return n > 1 && variance > 0 ? perplexity_of(evaluation) * sqrt(variance / (n - 1)) : 0;
}

static double bits_per_byte(const struct evaluation *evaluation) {
    return evaluation->nll / ((double)evaluation->bytes * M_LN2);
}

static void show_window(struct evaluation *evaluation) {
    progress_update(&evaluation->progress, "windows", evaluation->n_windows, evaluation->n_windows_total);
    if (!evaluation->invocation->common.verbose) return;
    progress_end(&evaluation->progress);
    fprintf(stderr, "[%zu] %.4f\n", evaluation->n_windows, perplexity_of(evaluation));
}

/* Runs inputs[0..n) and scores the predictions of targets[0..n_scored), which follow its last n_scored inputs. */
static bn_status score(struct evaluation *evaluation, const int32_t *inputs, size_t n, const int32_t *targets,
                       size_t n_scored, bn_error *err) {
    if (interrupted()) return fail(err, BN_STATUS_CANCELLED, "interrupted");
    bn_status status = bn_engine_logits(evaluation->loaded.engine, inputs, n, false, evaluation->logits, err);
    if (status) return status;
    for (size_t i = 0; i < n_scored; i++) {
        const float *row = evaluation->logits + (n - n_scored + i) * evaluation->vocab_size;
        logprobs_all(row, evaluation->vocab_size, evaluation->logprobs);
        double nll = -evaluation->logprobs[targets[i]];
        evaluation->nll += nll;
        evaluation->nll_squares += nll * nll;
    }
    evaluation->n_scored += n_scored;
    evaluation->n_windows++;
    show_window(evaluation);
    return BN_OK;
}

static bool enough(const struct evaluation *evaluation) {
    const struct perplexity_settings *settings = evaluation->invocation->settings;
    return settings->max_chunks && evaluation->n_windows >= settings->max_chunks;
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
    size_t n = evaluation->context, first = n / 2;
    if (evaluation->n_ids < 2 * n)
        return fail(err, BN_STATUS_BAD_ARGUMENT,
                    "the text has %zu tokens; protocol llama needs at least 2 × %zu (a smaller -c helps)",
                    evaluation->n_ids, n);
    evaluation->n_windows_total = evaluation->n_ids / n;
    bn_status status = BN_OK;
    for (size_t chunk = 0; !status && chunk < evaluation->n_windows_total && !enough(evaluation); chunk++) {
        const int32_t *ids = evaluation->ids + chunk * n;
        memcpy(evaluation->inputs, ids, n * sizeof *ids);
        if (bos >= 0) evaluation->inputs[0] = bos;
        /* predictions of positions n/2 … n−2, that is of the tokens one further on */
        status = score(evaluation, evaluation->inputs, n - 1, ids + first + 1, n - 1 - first, err);
        evaluation->bytes += bytes_of(evaluation, ids + first + 1, n - 1 - first);
    }
    return status;
}

static bn_status run_stride(struct evaluation *evaluation, size_t stride, bn_error *err) {
    size_t n = evaluation->n_ids, context = evaluation->context, scored_to = 1;
    bn_status status = BN_OK;
    evaluation->n_windows_total = n > context ? (n - context + stride - 1) / stride + 1 : 1;
    for (size_t begin = 0; !status && scored_to < n && !enough(evaluation); begin += stride) {
        size_t end = min_size(begin + context, n), n_scored = end - scored_to;
        status =
            score(evaluation, evaluation->ids + begin, end - 1 - begin, evaluation->ids + scored_to, n_scored, err);
        evaluation->bytes += bytes_of(evaluation, evaluation->ids + scored_to, n_scored);
        scored_to = end;
    }
    return status;
}

static bn_status run_harness(struct evaluation *evaluation, int32_t prefix, bn_error *err) {
    size_t n = evaluation->n_ids, context = evaluation->context;
    const int32_t *ids = evaluation->ids;
    evaluation->n_windows_total = (n + context - 1) / context;
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
    evaluation->bytes = scored_to == n ? evaluation->text_bytes : bytes_of(evaluation, ids, scored_to);
    return status;
}

/* ---- setting up ---- */

static bn_status read_text(struct evaluation *evaluation, int32_t **ids, bn_error *err) {
    const struct perplexity_settings *settings = evaluation->invocation->settings;
    struct buffer text;
    buffer_init(&text);
    bn_status status = read_file_or_stdin(settings->file, &text, err);
    if (!status)
        status = encode_prompt(evaluation->tokenizer, text.data, text.size, !settings->no_special, ids,
                               &evaluation->n_ids, err);
    evaluation->text_bytes = text.size;
    evaluation->ids = *ids;
    buffer_release(&text);
    if (!status && evaluation->n_ids < 2)
        status = fail(err, BN_STATUS_BAD_ARGUMENT, "%s: a text of two tokens or more is needed", settings->file);
    return status;
}

static size_t choose_context(const struct perplexity_settings *settings, const bn_model *model) {
    bn_model_info info = {.size = sizeof info};
    bn_model_get_info(model, &info);
    size_t usual = strcmp(settings->protocol, "llama") == 0 ? LLAMA_CONTEXT
                   : info.context_length                    ? info.context_length
                                                            : HARNESS_CONTEXT;
    return settings->model.context ? settings->model.context : min_size(usual, max_size(info.context_length, 1));
}

static bn_status allocate(struct evaluation *evaluation, bn_error *err) {
    bn_model_info info = {.size = sizeof info};
    bn_model_get_info(evaluation->loaded.model, &info);
    evaluation->vocab_size = info.vocab_size;
    size_t n;
    if (!mul_size(evaluation->context, info.vocab_size, &n)) return fail_no_memory(err, SIZE_MAX);
    evaluation->inputs = mem_alloc_array(evaluation->context, sizeof *evaluation->inputs);
    evaluation->logits = mem_alloc_array(n, sizeof *evaluation->logits);
    evaluation->logprobs = mem_alloc_array(info.vocab_size, sizeof *evaluation->logprobs);
    if (evaluation->inputs && evaluation->logits && evaluation->logprobs) return BN_OK;
    return fail_no_memory(err, n * sizeof *evaluation->logits);
}

static bn_status open_engine(struct evaluation *evaluation, bn_error *err) {
    const struct perplexity_settings *settings = evaluation->invocation->settings;
    bn_status status = model_options_open(evaluation->invocation, &settings->model, &evaluation->loaded.model, err);
    if (status) return status;
    evaluation->tokenizer = bn_model_tokenizer(evaluation->loaded.model);
    evaluation->context = choose_context(settings, evaluation->loaded.model);
    if (evaluation->context < 4)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "a context of %zu tokens is too short", evaluation->context);
    bn_engine_options engine_options = model_options_engine(&settings->model);
    engine_options.context_length = evaluation->context;
    engine_options.max_sequences = 1;
    return bn_engine_create(evaluation->loaded.model, &engine_options, &evaluation->loaded.engine, err);
}

static bn_status run_protocol(struct evaluation *evaluation, bn_error *err) {
    const struct perplexity_settings *settings = evaluation->invocation->settings;
    int32_t bos = bn_tokenizer_bos(evaluation->tokenizer), eos = bn_tokenizer_eos(evaluation->tokenizer);
    bool adds_bos = !settings->no_special && bos >= 0 && evaluation->ids[0] == bos;
    size_t stride = settings->stride ? settings->stride : evaluation->context / 2;
    if (strcmp(settings->protocol, "llama") == 0) return run_llama(evaluation, adds_bos ? bos : -1, err);
    if (stride > evaluation->context)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "--stride: %zu is more than the context of %zu tokens", stride,
                    evaluation->context);
    if (strcmp(settings->protocol, "stride") == 0) return run_stride(evaluation, stride, err);
    if (bos < 0 && eos < 0)
        return fail(err, BN_STATUS_UNSUPPORTED,
                    "protocol harness needs a BOS or EOS token, which this vocabulary lacks");
    if (adds_bos) evaluation->ids++, evaluation->n_ids--; /* the prefix is that BOS */
    return run_harness(evaluation, bos >= 0 ? bos : eos, err);
}

/* ---- the result ---- */

static bn_status show_result(const struct evaluation *evaluation, bn_error *err) {
    const struct perplexity_settings *settings = evaluation->invocation->settings;
    double perplexity = perplexity_of(evaluation), error = perplexity_error(evaluation);
    if (evaluation->invocation->common.json)
        return json_write_line(stdout,
                               json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o}", "protocol",
                                         settings->protocol, "context", (json_int_t)evaluation->context, "windows",
                                         (json_int_t)evaluation->n_windows, "tokens", (json_int_t)evaluation->n_ids,
                                         "scored_tokens", (json_int_t)evaluation->n_scored, "bytes",
                                         (json_int_t)evaluation->bytes, "nll", json_number(evaluation->nll),
                                         "perplexity", json_number(perplexity), "perplexity_error", json_number(error),
                                         "bits_per_byte", json_number(bits_per_byte(evaluation))),
                               err);
    printf("protocol       %s, context %zu, %zu windows\ntokens         %zu, of which scored %zu (%zu bytes)\n"
           "nll            %.6f\nperplexity     %.4f ± %.4f\nbits per byte  %.4f\n",
           settings->protocol, evaluation->context, evaluation->n_windows, evaluation->n_ids, evaluation->n_scored,
           evaluation->bytes, evaluation->nll, perplexity, error, bits_per_byte(evaluation));
    return BN_OK;
}

static bn_status evaluate(struct evaluation *evaluation, int32_t **ids, bn_error *err) {
    const struct perplexity_settings *settings = evaluation->invocation->settings;
    if (!settings->file) return fail(err, BN_STATUS_BAD_ARGUMENT, "--file is needed: the text to score");
    bn_status status = open_engine(evaluation, err);
    if (!status) status = read_text(evaluation, ids, err);
    if (!status) status = allocate(evaluation, err);
    progress_begin(&evaluation->progress, evaluation->invocation);
    if (!status) status = run_protocol(evaluation, err);
    progress_end(&evaluation->progress);
    return status ? status : show_result(evaluation, err);
}

static enum exit_code run(struct invocation *invocation) {
    struct evaluation evaluation = {.invocation = invocation};
    bn_error error = {0};
    int32_t *ids = NULL;
    bn_status status = evaluate(&evaluation, &ids, &error);
    mem_free(evaluation.inputs);
    mem_free(evaluation.logits);
    mem_free(evaluation.logprobs);
    loaded_model_release(&evaluation.loaded);
    bn_free(ids);
    if (status == BN_STATUS_CANCELLED) return EXIT_INTERRUPTED;
    return status ? say_failure(&error) : EXIT_DONE;
}

const struct command command_eval_perplexity = {
    .name = "eval perplexity",
    .arguments = "MODEL",
    .summary = "perplexity of a text",
    .description =
        "Scores a text and prints tokens, bytes, the sum of negative log-likelihoods, perplexity with its standard "
        "error, "
        "and bits per byte (which doesn't depend on the tokenizer). -v shows the perplexity so far after each "
        "window.\n\n"
        "Protocol llama (llama.cpp's; context 512): chunks with an empty cache, the second half of each is scored. "
        "stride "
        "(Hugging Face's sliding window): windows of -c tokens every --stride. harness (lm-evaluation-harness): BOS "
        "before "
        "the text and disjoint windows, every token scored. Figures of different protocols aren't comparable.",
    .examples = "bitnet eval perplexity demo -f text.txt\n"
                "bitnet eval perplexity demo -f text.txt --protocol stride -c 256 --stride 64 --json",
    .groups = groups,
    .settings_bytes = sizeof(struct perplexity_settings),
    .set_defaults = set_defaults,
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
