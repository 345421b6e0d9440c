/* GET /health as often as so many connections can, on a thread of its own, while something else goes on. */
#ifndef CLIENT_HEALTH_PROBE_H
#define CLIENT_HEALTH_PROBE_H

#include "client/endpoint.h"
#include "client/load.h"

struct health_results {
    size_t n_ok, n_failed;
    double seconds;
    struct samples latencies; /* seconds */
};
void health_results_release(struct health_results *results);

struct health_probe; /* opaque; see health_probe.c */

/* The endpoint must stay until the end. */
bn_status health_probe_start(const struct endpoint *endpoint, size_t n_connections, struct health_probe **out,
                             bn_error *err);
/* Stops it, adds what it found to *results, and releases it. */
bn_status health_probe_stop(struct health_probe *probe, struct health_results *results, bn_error *err);

#endif
