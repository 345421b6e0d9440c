/* `bitnet bench machine`: what this machine could do at best, measured. */
#include <stdio.h>

#include "bench/machine.h"
#include "cli/command.h"
#include "cli/json_output.h"
#include "cli/rows.h"
#include "cli/terminal.h"
#include "kernels/kernels.h"

static const struct column columns[] = {
    {"isa", "kernels", 1, 0},
    {"threads", "threads", 1, 0},
    {"read_bytes_per_s", "read GB/s", 1e-9, 1},
    {"int8_operations_per_s", "int8 GOP/s", 1e-9, 0},
    {"float_operations_per_s", "float GOP/s", 1e-9, 0},
    {0},
};

static bn_status measure(const struct machine *machine, json_t *rows, bn_error *err) {
    size_t threads[] = {1, machine->n_cores};
    bn_status status = BN_OK;
    for (size_t i = 0; !status && kernels_name(i); i++)
        for (size_t t = 0; !status && t < (machine->n_cores > 1 ? 2 : 1); t++) {
            struct machine_limits limits;
            status = machine_limits(machine, threads[t], kernels_name(i), true, &limits, err);
            if (!status)
                json_array_append_new(rows,
                                      json_pack("{s:s, s:I, s:f, s:f, s:f}", "isa", kernels_name(i), "threads",
                                                (json_int_t)limits.threads, "read_bytes_per_s", limits.read_bytes_per_s,
                                                "int8_operations_per_s", limits.int8_operations_per_s,
                                                "float_operations_per_s", limits.float_operations_per_s));
        }
    return status;
}

static enum exit_code run(struct invocation *invocation) {
    struct machine machine;
    bn_error error = {0};
    json_t *rows = json_array();
    machine_describe(&machine);
    bn_status status = measure(&machine, rows, &error);
    if (!status && invocation->common.json) {
        json_t *object = machine_json(&machine);
        json_object_set(object, "limits", rows);
        status = json_write_line(stdout, object, &error);
    } else if (!status) {
        printf("machine  %s\nCPU      %s; %zu CPUs for this process, %zu cores\nfeatures %s\n", machine.id, machine.cpu,
               machine.n_cpus, machine.n_cores, machine.features);
        printf("caches   L1d %zu KiB, L2 %zu KiB, L3 %zu KiB\nmemory   %.1f GiB\n\n", machine.l1d_bytes >> 10,
               machine.l2_bytes >> 10, machine.l3_bytes >> 10, (double)machine.memory_bytes / (1 << 30));
        status = rows_write(stdout, "table", rows, columns, &error);
    }
    json_decref(rows);
    return status ? say_failure(&error) : EXIT_DONE;
}

const struct command command_bench_machine = {
    .name = "bench machine",
    .arguments = "",
    .summary = "measure the limits of this machine",
    .description =
        "Measures what no program could exceed here: bytes per second read from memory (more of them than the caches "
        "hold) and operations per second of the multiply-add instructions that each set of kernels is made of, on one "
        "thread and on one per core. A multiply-add counts as two operations. The best of several passes counts.\n\n"
        "The figures are kept in the cache folder; 'bitnet bench' and 'bitnet profile' compare with them, and measure "
        "them where they are missing. Measure on an idle machine.",
    .examples = "bitnet bench machine\nbitnet bench machine --json",
    .run = run,
};
