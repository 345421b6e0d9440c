/* Counters, gauges and histograms, shown by GET /metrics as Prometheus text. Names are "bitnet_…" with base units.
 *
 * Thread-safe; adding is one or two relaxed atomic operations. Metrics live as long as their set. */
#ifndef SERVER_METRICS_H
#define SERVER_METRICS_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/error.h"

struct metrics;
struct metric;

bn_status metrics_create(struct metrics **out, bn_error *err);
void metrics_destroy(struct metrics *metrics);

/* labels: "model=\"demo\",finish=\"stop\"" or NULL; metrics of one name differ in their labels only and are shown under
 * one HELP. The same name and labels give the same metric. NULL without memory; adding to NULL does nothing. */
struct metric *metrics_counter(struct metrics *metrics, const char *name, const char *labels, const char *help);
struct metric *metrics_gauge(struct metrics *metrics, const char *name, const char *labels, const char *help);
/* bounds: n ascending upper bounds (copied, n ≤ 32); +Inf is added. */
struct metric *metrics_histogram(struct metrics *metrics, const char *name, const char *labels, const char *help,
                                 const double *bounds, size_t n_bounds);

/* A name under which the metric is shown a second time, where metrics_show_aliases asks for it; metrics of one name have one
 * alias. A static string. */
void metric_set_alias(struct metric *metric, const char *alias);
void metrics_show_aliases(struct metrics *metrics, bool shown);
/* Appends text as a label's value: "…" with what has to be escaped. */
void append_label_value(struct buffer *labels, const char *text);

/* Seconds from 1 ms to a minute, for latencies. */
extern const double METRICS_SECONDS[];
extern const size_t N_METRICS_SECONDS;

void metric_add(struct metric *metric, double value);     /* counters, gauges */
void metric_set(struct metric *metric, double value);     /* gauges */
void metric_observe(struct metric *metric, double value); /* histograms */

/* Called before each showing, to set gauges from what is counted elsewhere (an engine's statistics). */
void metrics_on_collect(struct metrics *metrics, void (*collect)(void *context), void *context);
/* Appends all of them in Prometheus' text format, version 0.0.4. */
void metrics_write(struct metrics *metrics, struct buffer *out);

#endif
