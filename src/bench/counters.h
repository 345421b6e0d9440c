/* What the hardware says about a stretch of work, as far as this system shows it: event counters of the processor
 * (perf_event_open), its energy meter (RAPL), temperature and clock rate (/sys). Every part may be missing, which is
 * normal in virtual machines and containers; then the reason is given instead. */
#ifndef BENCH_COUNTERS_H
#define BENCH_COUNTERS_H

#include <stdbool.h>
#include <stdint.h>

enum counter { COUNTER_CYCLES, COUNTER_INSTRUCTIONS, COUNTER_CACHE_MISSES, COUNTER_BRANCH_MISSES, N_COUNTERS };

struct hardware_counters {
    int files[N_COUNTERS]; /* −1: not available */
    char unavailable[160]; /* why no counter could be opened, "" otherwise */
};

const char *counter_name(enum counter counter);

/* Counters of this thread and of all threads that it starts from here on. */
void counters_open(struct hardware_counters *counters);
void counters_reset(struct hardware_counters *counters);
/* False where the counter isn't available. Scaled to the whole time if it shared its register. */
bool counters_read(const struct hardware_counters *counters, enum counter counter, double *value);
void counters_close(struct hardware_counters *counters);

/* Readings of the moment; NAN: this system doesn't show it. */
struct sensors {
    double energy_j;      /* of the processor packages since some moment; wraps */
    double temperature_c; /* of the hottest zone */
    double frequency_hz;  /* of the first CPU */
};
struct sensors sensors_read(void);

#endif
