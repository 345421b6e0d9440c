/* The search for the fastest settings: coordinate descent, for settings that hardly depend on each other. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "bench/statistics.h"
#include "bench/tuning.h"
#include "kernels/kernels.h"
#include "model/weights.h"

#define MARGIN 0.03

/* The times of one candidate. */
struct times {
    double *total, *prefill, *decode; /* [repeats] seconds, tokens per second */
};

static bn_status measure_part(bn_model *model, const struct tuning_search *search, const struct tuning *tuning,
                              size_t prompt, size_t output, double *seconds, bn_error *err) {
    const struct speed_test test = {
        .prompt = prompt,
        .output = output,
        .streams = 1,
        .threads = tuning->threads,
        .batch_tokens = tuning->batch_tokens,
        .kv_type = tuning->kv_type,
        .isa = tuning->isa[0] ? tuning->isa : NULL,
    };
    struct speed_sample sample;
    bn_status status = speed_measure(model, &test, search->cancelled, &sample, err);
    *seconds = sample.seconds;
    return status;
}

static bn_status measure(bn_model *model, const struct tuning_search *search, const struct tuning *tuning,
                         const struct times *times, size_t round, bn_error *err) {
    double prefill, decode;
    if (tuning->layout != model_layout(model)) model = search->other_layout;
    bn_status status = measure_part(model, search, tuning, search->prompt, 0, &prefill, err);
    if (!status) status = measure_part(model, search, tuning, 0, search->output, &decode, err);
    if (status) return status;
    times->total[round] = prefill + decode;
    times->prefill[round] = (double)search->prompt / prefill;
    times->decode[round] = (double)search->output / decode;
    return BN_OK;
}

/* Measures candidates [first, n_candidates) in turns and returns the one to keep: `first` is the one to beat. */
static bn_status run_stage(bn_model *model, struct tuning_search *search, size_t first, bn_error *err) {
    size_t n = search->n_candidates - first, repeats = search->repeats, best = first;
    double *values = mem_calloc(n * 3 * repeats, sizeof *values);
    struct summary summaries[TUNING_MAX_CANDIDATES];
    bn_status status = values ? BN_OK : fail_no_memory(err, n * 3 * repeats * sizeof *values);
    for (size_t i = 0; !status && i < n * repeats; i++) {
        double *own = values + i % n * 3 * repeats;
        const struct times times = {own, own + repeats, own + 2 * repeats};
        status = measure(model, search, &search->candidates[first + i % n].tuning, &times, i / n, err);
        if (search->progress) search->progress(search->progress_context, i + 1);
    }
    for (size_t i = 0; !status && i < n; i++) {
        struct tuning_candidate *candidate = &search->candidates[first + i];
        double *own = values + i * 3 * repeats;
        summaries[i] = summarize(own, repeats);
        candidate->seconds = summaries[i].median;
        candidate->prefill = summarize(own + repeats, repeats).median;
        candidate->decode = summarize(own + 2 * repeats, repeats).median;
        if (candidate->seconds < search->candidates[best].seconds &&
            differ_significantly(&summaries[0], &summaries[i], MARGIN))
            best = first + i;
    }
    mem_free(values);
    search->candidates[best].chosen = !status;
    search->best = search->candidates[best].tuning;
    return status;
}

static void add_candidate(struct tuning_search *search, const struct tuning *tuning) {
    if (search->n_candidates < TUNING_MAX_CANDIDATES)
        search->candidates[search->n_candidates++] = (struct tuning_candidate){.tuning = *tuning};
}

/* 1, 2, 4, …, the cores; and all CPUs where there are more of these. */
static void add_threads(struct tuning_search *search) {
    size_t cores = cpu_count_physical(), cpus = cpu_count();
    struct tuning tuning = search->best;
    for (tuning.threads = 1; tuning.threads < cores; tuning.threads *= 2) add_candidate(search, &tuning);
    tuning.threads = cpus;
    if (cpus > cores) add_candidate(search, &tuning);
}

static void add_batch_tokens(struct tuning_search *search) {
    static const size_t sizes[] = {64, 128, 512, 1024}; /* 256 is the default */
    struct tuning tuning = search->best;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        if (sizes[i] > 512 && sizes[i] > search->prompt) continue; /* would show nothing */
        tuning.batch_tokens = sizes[i];
        add_candidate(search, &tuning);
    }
}

static void add_kernels(struct tuning_search *search) {
    struct tuning tuning = search->best;
    for (size_t i = 0; kernels_name(i); i++) {
        if (strcmp(kernels_name(i), "scalar") == 0 || strcmp(kernels_name(i), kernels_best()->name) == 0) continue;
        snprintf(tuning.isa, sizeof tuning.isa, "%s", kernels_name(i));
        add_candidate(search, &tuning);
    }
}

static void add_kv_types(struct tuning_search *search) {
    struct tuning tuning = search->best;
    for (tuning.kv_type = BN_KV_F16; search->kv_types && tuning.kv_type <= BN_KV_Q8_0; tuning.kv_type++)
        add_candidate(search, &tuning);
}

enum ternary_layout model_layout(const bn_model *model) {
    for (size_t i = 0; i < model->config.n_layers; i++)
        if (model->weights.layers[i].q.ternary) return model->weights.layers[i].q.layout;
    return LAYOUT_L16;
}

static void add_layouts(struct tuning_search *search) {
    struct tuning tuning = search->best;
    if (!search->other_layout) return;
    tuning.layout = model_layout(search->other_layout);
    add_candidate(search, &tuning);
}

bn_status tuning_search(bn_model *model, struct tuning_search *search, bn_error *err) {
    static void (*const stages[])(struct tuning_search *) = {add_threads, add_batch_tokens, add_kernels, add_layouts,
                                                             add_kv_types};
    bn_status status = BN_OK;
    search->n_candidates = 0;
    search->best = (struct tuning){.layout = model_layout(model)};
    for (size_t i = 0; !status && i < sizeof stages / sizeof *stages; i++) {
        size_t first = search->n_candidates;
        add_candidate(search, &search->best);
        stages[i](search);
        if (search->n_candidates == first + 1 && i) { /* nothing to choose from */
            search->n_candidates = first;
            continue;
        }
        status = run_stage(model, search, first, err);
    }
    return status;
}
