/* What a model's requests wait for, cost and come to, as metrics with the label model_name. Each is also known by the name that
 * vLLM gives it, which boards and routers ask for (metrics_show_aliases).
 *
 * Thread-safe. Everything does nothing with NULL. */
#ifndef SERVER_MODEL_METRICS_H
#define SERVER_MODEL_METRICS_H

#include "bitnet/engine.h"
#include "server/metrics.h"

struct model_metrics;

/* metrics NULL, or no memory: NULL. Models of one name, one after the other, count on. */
struct model_metrics *model_metrics_create(struct metrics *metrics, const char *model_name);
/* The gauges fall to 0. */
void model_metrics_destroy(struct model_metrics *metrics);

/* A request on its way. */
struct request_times {
    uint64_t submitted_ns;  /* set when it is */
    uint64_t last_token_ns; /* of its first choice; 0: none yet */
};
/* A token of the first choice came. */
void model_metrics_token(const struct model_metrics *metrics, struct request_times *times);
/* It is over: with `finish` (of its first choice), or a failure. */
void model_metrics_ended(const struct model_metrics *metrics, const struct request_times *times, const bn_usage *usage,
                         bn_status status, bn_finish finish);
void model_metrics_set_gauges(const struct model_metrics *metrics, bn_engine *engine);

#endif
