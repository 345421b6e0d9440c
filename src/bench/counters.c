#include "bench/counters.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- counters ---- */

static const struct {
    const char *name;
    uint64_t config;
} kinds[N_COUNTERS] = {
    [COUNTER_CYCLES] = {"cycles", PERF_COUNT_HW_CPU_CYCLES},
    [COUNTER_INSTRUCTIONS] = {"instructions", PERF_COUNT_HW_INSTRUCTIONS},
    [COUNTER_CACHE_MISSES] = {"cache_misses", PERF_COUNT_HW_CACHE_MISSES},
    [COUNTER_BRANCH_MISSES] = {"branch_misses", PERF_COUNT_HW_BRANCH_MISSES},
};

const char *counter_name(enum counter counter) {
    return kinds[counter].name;
}

void counters_open(struct hardware_counters *counters) {
    bool any = false;
    int reason = 0;
    counters->unavailable[0] = 0;
    for (size_t i = 0; i < N_COUNTERS; i++) {
        struct perf_event_attr attributes = {
            .type = PERF_TYPE_HARDWARE,
            .size = sizeof attributes,
            .config = kinds[i].config,
            .inherit = 1,
            .exclude_kernel = 1,
            .exclude_hv = 1,
            .read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING,
        };
        counters->files[i] = (int)syscall(SYS_perf_event_open, &attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
        if (counters->files[i] < 0) reason = errno;
        any = any || counters->files[i] >= 0;
    }
    if (any) return;
    const char *why = reason == EACCES || reason == EPERM ? "not permitted (see /proc/sys/kernel/perf_event_paranoid)"
                      : reason == ENOENT || reason == EOPNOTSUPP ? "this machine shows none, as many virtual ones"
                                                                 : strerror(reason);
    snprintf(counters->unavailable, sizeof counters->unavailable, "%s", why);
}

void counters_reset(struct hardware_counters *counters) {
    for (size_t i = 0; i < N_COUNTERS; i++)
        if (counters->files[i] >= 0) ioctl(counters->files[i], PERF_EVENT_IOC_RESET, 0);
}

bool counters_read(const struct hardware_counters *counters, enum counter counter, double *value) {
    uint64_t data[3]; /* value, time enabled, time running */
    int file = counters->files[counter];
    if (file < 0 || read(file, data, sizeof data) != (ssize_t)sizeof data || data[2] == 0) return false;
    *value = (double)data[0] * ((double)data[1] / (double)data[2]);
    return true;
}

void counters_close(struct hardware_counters *counters) {
    for (size_t i = 0; i < N_COUNTERS; i++)
        if (counters->files[i] >= 0) close(counters->files[i]);
}

/* ---- sensors ---- */

static double file_number(const char *path) {
    double value;
    FILE *stream = fopen(path, "re");
    if (!stream) return NAN;
    if (fscanf(stream, "%lf", &value) != 1) value = NAN;
    fclose(stream);
    return value;
}

struct sensors sensors_read(void) {
    struct sensors sensors = {.energy_j = NAN, .temperature_c = NAN};
    char path[100];
    for (int i = 0; i < 16; i++) { /* a package each; 0 has to be there for another to be */
        snprintf(path, sizeof path, "/sys/class/powercap/intel-rapl:%d/energy_uj", i);
        double energy = file_number(path);
        if (isnan(energy)) break;
        sensors.energy_j = (isnan(sensors.energy_j) ? 0 : sensors.energy_j) + energy * 1e-6;
    }
    for (int i = 0; i < 16; i++) {
        snprintf(path, sizeof path, "/sys/class/thermal/thermal_zone%d/temp", i);
        sensors.temperature_c = fmax(sensors.temperature_c, file_number(path) * 1e-3); /* fmax prefers numbers to NAN */
    }
    sensors.frequency_hz = file_number("/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq") * 1e3;
    return sensors;
}
