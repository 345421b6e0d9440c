#include "server/model_metrics.h"

#include <string.h>

#include "base/clock.h"
#include "base/memory.h"

enum kind { GAUGE, COUNTER, SECONDS, TOKEN_SECONDS, TOKENS };

enum which {
    RUNNING,
    WAITING,
    KV_USAGE,
    PREFIX_QUERIES,
    PREFIX_HITS,
    PROMPT_TOKENS,
    GENERATED_TOKENS,
    DRAFTED,
    ACCEPTED,
    FIRST_TOKEN,
    INTER_TOKEN,
    WHOLE,
    QUEUE,
    PREFILL,
    DECODE,
    PROMPT_LENGTH,
    ANSWER_LENGTH,
    N_METRICS
};

static const struct row {
    enum kind kind;
    const char *name, *alias, *help;
} rows[N_METRICS] = {
    [RUNNING] = {GAUGE, "bitnet_requests_running", "vllm:num_requests_running", "requests being computed"},
    [WAITING] = {GAUGE, "bitnet_requests_waiting", "vllm:num_requests_waiting", "requests that haven't begun"},
    [KV_USAGE] = {GAUGE, "bitnet_kv_cache_usage_ratio", "vllm:kv_cache_usage_perc",
                  "share of the key-value cache's pages that running requests hold (1: all)"},
    [PREFIX_QUERIES] = {COUNTER, "bitnet_prefix_cache_queries_total", "vllm:prefix_cache_queries_total",
                        "prompt tokens looked for in the prefix cache"},
    [PREFIX_HITS] = {COUNTER, "bitnet_prefix_cache_hits_total", "vllm:prefix_cache_hits_total",
                     "prompt tokens found in the prefix cache"},
    [PROMPT_TOKENS] = {COUNTER, "bitnet_prompt_tokens_total", "vllm:prompt_tokens_total",
                       "prompt tokens of requests that ended"},
    [GENERATED_TOKENS] = {COUNTER, "bitnet_generation_tokens_total", "vllm:generation_tokens_total",
                          "tokens generated for requests that ended"},
    [DRAFTED] = {COUNTER, "bitnet_spec_decode_draft_tokens_total", "vllm:spec_decode_num_draft_tokens_total",
                 "tokens guessed ahead"},
    [ACCEPTED] = {COUNTER, "bitnet_spec_decode_accepted_tokens_total", "vllm:spec_decode_num_accepted_tokens_total",
                  "guessed tokens that came true"},
    [FIRST_TOKEN] = {SECONDS, "bitnet_time_to_first_token_seconds", "vllm:time_to_first_token_seconds",
                     "from a request's arrival at the engine to its first token"},
    [INTER_TOKEN] = {TOKEN_SECONDS, "bitnet_inter_token_latency_seconds", "vllm:inter_token_latency_seconds",
                     "between two tokens of an answer"},
    [WHOLE] = {SECONDS, "bitnet_e2e_request_latency_seconds", "vllm:e2e_request_latency_seconds",
               "from a request's arrival at the engine to its last token"},
    [QUEUE] = {SECONDS, "bitnet_request_queue_time_seconds", "vllm:request_queue_time_seconds",
               "until the engine began with a request"},
    [PREFILL] = {SECONDS, "bitnet_request_prefill_time_seconds", "vllm:request_prefill_time_seconds",
                 "from there to the first token"},
    [DECODE] = {SECONDS, "bitnet_request_decode_time_seconds", "vllm:request_decode_time_seconds",
                "from the first token to the last"},
    [PROMPT_LENGTH] = {TOKENS, "bitnet_request_prompt_tokens", "vllm:request_prompt_tokens", "tokens of a prompt"},
    [ANSWER_LENGTH] = {TOKENS, "bitnet_request_generation_tokens", "vllm:request_generation_tokens",
                       "tokens generated for a request"},
};

/* How requests end, as vLLM calls it. */
enum reason { STOP, LENGTH, ABORT, ERROR, N_REASONS };
static const char *const reason_names[N_REASONS] = {"stop", "length", "abort", "error"};

struct model_metrics {
    struct metric *metrics[N_METRICS];
    struct metric *finished[N_REASONS];
};

static const double token_seconds[] = {0.0002, 0.0005, 0.001, 0.002, 0.004, 0.006, 0.008, 0.01, 0.015, 0.02, 0.03, 0.04,
                                       0.05,   0.075,  0.1,   0.15,  0.2,   0.3,   0.5,   0.75, 1,     2.5,  5};
static const double token_counts[] = {1,   2,    5,    10,   20,    50,    100,   200,
                                      500, 1000, 2000, 5000, 10000, 20000, 50000, 100000};

static struct metric *make(struct metrics *metrics, const struct row *row, const char *labels) {
    switch (row->kind) {
    case GAUGE:
        return metrics_gauge(metrics, row->name, labels, row->help);
    case COUNTER:
        return metrics_counter(metrics, row->name, labels, row->help);
    case SECONDS:
        return metrics_histogram(metrics, row->name, labels, row->help, METRICS_SECONDS, N_METRICS_SECONDS);
    case TOKEN_SECONDS:
        return metrics_histogram(metrics, row->name, labels, row->help, token_seconds,
                                 sizeof token_seconds / sizeof token_seconds[0]);
    case TOKENS:
        break;
    }
    return metrics_histogram(metrics, row->name, labels, row->help, token_counts,
                             sizeof token_counts / sizeof token_counts[0]);
}

static struct metric *make_finished(struct metrics *metrics, const char *label, const char *reason) {
    struct buffer labels;
    buffer_init(&labels);
    buffer_printf(&labels, "%s,finished_reason=\"%s\"", label, reason);
    struct metric *metric =
        labels.failed ? NULL
                      : metrics_counter(metrics, "bitnet_requests_finished_total", labels.data, "requests that ended");
    metric_set_alias(metric, "vllm:request_success_total");
    buffer_release(&labels);
    return metric;
}

struct model_metrics *model_metrics_create(struct metrics *metrics, const char *model_name) {
    struct model_metrics *model = metrics ? mem_calloc(1, sizeof *model) : NULL;
    if (!model) return NULL;
    struct buffer label;
    buffer_init(&label);
    buffer_append_text(&label, "model_name=");
    append_label_value(&label, model_name);
    if (!label.failed) {
        for (size_t i = 0; i < N_METRICS; i++) {
            model->metrics[i] = make(metrics, &rows[i], label.data);
            metric_set_alias(model->metrics[i], rows[i].alias);
        }
        for (size_t i = 0; i < N_REASONS; i++) model->finished[i] = make_finished(metrics, label.data, reason_names[i]);
    }
    buffer_release(&label);
    return model;
}

void model_metrics_destroy(struct model_metrics *metrics) {
    if (!metrics) return;
    for (size_t i = RUNNING; i <= KV_USAGE; i++) metric_set(metrics->metrics[i], 0);
    mem_free(metrics);
}

static double seconds(uint64_t ns) {
    return (double)ns * 1e-9;
}

void model_metrics_token(const struct model_metrics *metrics, struct request_times *times) {
    if (!metrics) return;
    uint64_t now_ns = clock_now_ns();
    if (times->last_token_ns)
        metric_observe(metrics->metrics[INTER_TOKEN], seconds(now_ns - times->last_token_ns));
    else
        metric_observe(metrics->metrics[FIRST_TOKEN], seconds(now_ns - times->submitted_ns));
    times->last_token_ns = now_ns;
}

static enum reason reason_of(bn_status status, bn_finish finish) {
    if (status && status != BN_STATUS_CANCELLED) return ERROR;
    if (status || finish == BN_FINISH_CANCELLED) return ABORT;
    return finish == BN_FINISH_STOP ? STOP : LENGTH;
}

void model_metrics_ended(const struct model_metrics *metrics, const struct request_times *times, const bn_usage *usage,
                         bn_status status, bn_finish finish) {
    if (!metrics) return;
    struct metric *const *m = metrics->metrics;
    metric_add(metrics->finished[reason_of(status, finish)], 1);
    metric_add(m[PREFIX_QUERIES], (double)usage->prompt_tokens);
    metric_add(m[PREFIX_HITS], (double)usage->cached_tokens);
    metric_add(m[PROMPT_TOKENS], (double)usage->prompt_tokens);
    metric_add(m[GENERATED_TOKENS], (double)usage->output_tokens);
    metric_add(m[DRAFTED], (double)usage->draft_tokens);
    metric_add(m[ACCEPTED], (double)usage->draft_tokens_accepted);
    if (!times->last_token_ns) return; /* it never began: its times would be those of waiting */
    metric_observe(m[WHOLE], seconds(times->last_token_ns - times->submitted_ns));
    metric_observe(m[QUEUE], seconds(usage->queue_ns));
    metric_observe(m[PREFILL], seconds(usage->prompt_ns));
    metric_observe(m[DECODE], seconds(usage->output_ns));
    metric_observe(m[PROMPT_LENGTH], (double)usage->prompt_tokens);
    metric_observe(m[ANSWER_LENGTH], (double)usage->output_tokens);
}

void model_metrics_set_gauges(const struct model_metrics *metrics, bn_engine *engine) {
    if (!metrics) return;
    bn_engine_stats stats = {.size = sizeof stats};
    bn_engine_get_stats(engine, &stats);
    metric_set(metrics->metrics[RUNNING], (double)stats.requests_running);
    metric_set(metrics->metrics[WAITING], (double)stats.requests_queued);
    metric_set(metrics->metrics[KV_USAGE],
               stats.kv_pages_total ? (double)stats.kv_pages_used / (double)stats.kv_pages_total : 0);
}
