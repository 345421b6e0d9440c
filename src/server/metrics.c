#include "server/metrics.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "base/memory.h"

#define MAX_BOUNDS 32

enum metric_kind { COUNTER, GAUGE, HISTOGRAM };

struct metric {
    struct metric *next;
    char *name, *labels, *help;
    _Atomic(const char *) alias; /* NULL: none */
    enum metric_kind kind;
    _Atomic double value; /* of a histogram: the sum */
    double bounds[MAX_BOUNDS];
    size_t n_bounds;
    _Atomic uint64_t counts[MAX_BOUNDS + 1]; /* not cumulative */
};

struct collector {
    struct collector *next;
    void (*collect)(void *context);
    void *context;
};

struct metrics {
    pthread_mutex_t lock; /* of the list; counting needs none */
    bool aliases_shown;
    struct metric *first, **last;
    struct collector *collectors;
};

const double METRICS_SECONDS[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};
const size_t N_METRICS_SECONDS = sizeof METRICS_SECONDS / sizeof METRICS_SECONDS[0];

bn_status metrics_create(struct metrics **out, bn_error *err) {
    struct metrics *metrics = mem_calloc(1, sizeof *metrics);
    if (!metrics) return fail_no_memory(err, sizeof *metrics);
    metrics->last = &metrics->first;
    pthread_mutex_init(&metrics->lock, NULL);
    *out = metrics;
    return BN_OK;
}

static void metric_destroy(struct metric *metric) {
    mem_free(metric->name);
    mem_free(metric->labels);
    mem_free(metric->help);
    mem_free(metric);
}

void metrics_destroy(struct metrics *metrics) {
    if (!metrics) return;
    for (struct metric *metric = metrics->first, *next; metric; metric = next) {
        next = metric->next;
        metric_destroy(metric);
    }
    for (struct collector *collector = metrics->collectors, *next; collector; collector = next) {
        next = collector->next;
        mem_free(collector);
    }
    pthread_mutex_destroy(&metrics->lock);
    mem_free(metrics);
}

/* ---- making ---- */

/* Behind the last one of the same name, so that they are shown together. */
static struct metric **place_for(struct metrics *metrics, const char *name) {
    struct metric **place = metrics->last;
    for (struct metric **at = &metrics->first; *at; at = &(*at)->next)
        if (strcmp((*at)->name, name) == 0) place = &(*at)->next;
    return place;
}

static struct metric *find_or_make(struct metrics *metrics, enum metric_kind kind, const char *name, const char *labels,
                                   const char *help) {
    for (struct metric *at = metrics->first; at; at = at->next)
        if (strcmp(at->name, name) == 0 && strcmp(at->labels, labels) == 0) return at->kind == kind ? at : NULL;
    struct metric *metric = mem_calloc(1, sizeof *metric);
    if (!metric) return NULL;
    metric->kind = kind;
    metric->name = mem_strdup(name);
    metric->labels = mem_strdup(labels);
    metric->help = mem_strdup(help);
    if (!metric->name || !metric->labels || !metric->help) {
        metric_destroy(metric);
        return NULL;
    }
    struct metric **place = place_for(metrics, name);
    metric->next = *place;
    *place = metric;
    if (!metric->next) metrics->last = &metric->next;
    return metric;
}

static struct metric *metric_make(struct metrics *metrics, enum metric_kind kind, const char *name, const char *labels,
                                  const char *help) {
    pthread_mutex_lock(&metrics->lock);
    struct metric *metric = find_or_make(metrics, kind, name, labels ? labels : "", help);
    pthread_mutex_unlock(&metrics->lock);
    return metric;
}

struct metric *metrics_counter(struct metrics *metrics, const char *name, const char *labels, const char *help) {
    return metric_make(metrics, COUNTER, name, labels, help);
}

struct metric *metrics_gauge(struct metrics *metrics, const char *name, const char *labels, const char *help) {
    return metric_make(metrics, GAUGE, name, labels, help);
}

struct metric *metrics_histogram(struct metrics *metrics, const char *name, const char *labels, const char *help,
                                 const double *bounds, size_t n_bounds) {
    pthread_mutex_lock(&metrics->lock);
    struct metric *metric = find_or_make(metrics, HISTOGRAM, name, labels ? labels : "", help);
    if (metric && !metric->n_bounds) {
        metric->n_bounds = min_size(n_bounds, MAX_BOUNDS);
        memcpy(metric->bounds, bounds, metric->n_bounds * sizeof *bounds);
    }
    pthread_mutex_unlock(&metrics->lock);
    return metric;
}

void metric_set_alias(struct metric *metric, const char *alias) {
    if (metric) atomic_store(&metric->alias, alias);
}

void metrics_show_aliases(struct metrics *metrics, bool shown) {
    metrics->aliases_shown = shown;
}

void append_label_value(struct buffer *labels, const char *text) {
    buffer_append_char(labels, '"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') buffer_append_char(labels, '\\');
        if (*text == '\n')
            buffer_append_text(labels, "\\n");
        else
            buffer_append_char(labels, *text);
    }
    buffer_append_char(labels, '"');
}

void metrics_on_collect(struct metrics *metrics, void (*collect)(void *context), void *context) {
    struct collector *collector = mem_calloc(1, sizeof *collector);
    if (!collector) return; /* its gauges stay at zero */
    *collector = (struct collector){metrics->collectors, collect, context};
    metrics->collectors = collector;
}

/* ---- counting ---- */

void metric_add(struct metric *metric, double value) {
    if (!metric) return;
    double before = atomic_load_explicit(&metric->value, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&metric->value, &before, before + value, memory_order_relaxed,
                                                  memory_order_relaxed)) {}
}

void metric_set(struct metric *metric, double value) {
    if (metric) atomic_store_explicit(&metric->value, value, memory_order_relaxed);
}

void metric_observe(struct metric *metric, double value) {
    if (!metric) return;
    size_t bucket = 0;
    while (bucket < metric->n_bounds && value > metric->bounds[bucket]) bucket++;
    atomic_fetch_add_explicit(&metric->counts[bucket], 1, memory_order_relaxed);
    metric_add(metric, value);
}

/* ---- showing ---- */

static void write_value(struct buffer *out, double value) {
    if (value == floor(value) && fabs(value) < 1e15)
        buffer_printf(out, " %.0f\n", value);
    else
        buffer_printf(out, " %.9g\n", value);
}

static void write_name(struct buffer *out, const char *name, const struct metric *metric, const char *suffix) {
    buffer_printf(out, "%s%s", name, suffix);
    if (*metric->labels) buffer_printf(out, "{%s}", metric->labels);
}

static void write_histogram(struct buffer *out, const char *name, const struct metric *metric) {
    uint64_t total = 0;
    const char *separator = *metric->labels ? "," : "";
    for (size_t i = 0; i < metric->n_bounds; i++) {
        total += atomic_load_explicit(&metric->counts[i], memory_order_relaxed);
        buffer_printf(out, "%s_bucket{%s%sle=\"%g\"} %llu\n", name, metric->labels, separator, metric->bounds[i],
                      (unsigned long long)total);
    }
    total += atomic_load_explicit(&metric->counts[metric->n_bounds], memory_order_relaxed);
    buffer_printf(out, "%s_bucket{%s%sle=\"+Inf\"} %llu\n", name, metric->labels, separator, (unsigned long long)total);
    write_name(out, name, metric, "_sum");
    write_value(out, atomic_load_explicit(&metric->value, memory_order_relaxed));
    write_name(out, name, metric, "_count");
    buffer_printf(out, " %llu\n", (unsigned long long)total);
}

/* All metrics by their names, or those that have one by their aliases. */
static void write_all(const struct metrics *metrics, bool by_alias, struct buffer *out) {
    static const char *const kinds[] = {"counter", "gauge", "histogram"};
    const char *before = "";
    for (const struct metric *metric = metrics->first; metric; metric = metric->next) {
        const char *name = by_alias ? atomic_load(&metric->alias) : metric->name;
        if (!name) continue;
        if (strcmp(before, name) != 0)
            buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, metric->help, name, kinds[metric->kind]);
        before = name;
        if (metric->kind == HISTOGRAM) {
            write_histogram(out, name, metric);
        } else {
            write_name(out, name, metric, "");
            write_value(out, atomic_load_explicit(&metric->value, memory_order_relaxed));
        }
    }
}

void metrics_write(struct metrics *metrics, struct buffer *out) {
    for (struct collector *at = metrics->collectors; at; at = at->next) at->collect(at->context);
    pthread_mutex_lock(&metrics->lock);
    write_all(metrics, false, out);
    if (metrics->aliases_shown) write_all(metrics, true, out);
    pthread_mutex_unlock(&metrics->lock);
}
