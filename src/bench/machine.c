/* Describing the machine and remembering its limits: machine-ID.json in the cache folder holds
 * {"avx512 2": {"threads": 2, "read_bytes_per_s": …, …}, …}. */
#include "bench/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/folders.h"
#include "base/memory.h"
#include "kernels/kernels.h"

enum { CACHE_MAX_BYTES = 1 << 20 };

/* ---- description ---- */

/* The value of the first "key : value" line, from the file's beginning only: it has an entry for every CPU. */
static bool cpuinfo_value(const char *key, char *out, size_t size) {
    char text[4096];
    int file = open("/proc/cpuinfo", O_RDONLY | O_CLOEXEC);
    ssize_t n = file < 0 ? 0 : read(file, text, sizeof text - 1);
    if (file >= 0) close(file);
    text[n > 0 ? n : 0] = 0;
    for (const char *line = text; line && *line; line = strchr(line, '\n'), line += line != NULL) {
        const char *colon = strchr(line, ':');
        if (!colon || strncmp(line, key, strlen(key)) != 0) continue;
        colon += 1 + strspn(colon + 1, " \t");
        snprintf(out, size, "%.*s", (int)strcspn(colon, "\n"), colon);
        return true;
    }
    return false;
}

void identity_hash(const char *text, char out[17]) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *text; text++) hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    snprintf(out, 17, "%016llx", (unsigned long long)hash);
}

static size_t cache_size(int name) {
    long bytes = sysconf(name);
    return bytes > 0 ? (size_t)bytes : 0;
}

void machine_describe(struct machine *machine) {
    *machine = (struct machine){
        .features = kernels_cpu_features(),
        .isa = kernels_best()->name,
        .n_cpus = cpu_count(),
        .n_cores = cpu_count_physical(),
        .memory_bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE),
        .l1d_bytes = cache_size(_SC_LEVEL1_DCACHE_SIZE),
        .l2_bytes = cache_size(_SC_LEVEL2_CACHE_SIZE),
        .l3_bytes = cache_size(_SC_LEVEL3_CACHE_SIZE),
    };
    if (!cpuinfo_value("model name", machine->cpu, sizeof machine->cpu) &&
        !cpuinfo_value("CPU part", machine->cpu, sizeof machine->cpu))
        snprintf(machine->cpu, sizeof machine->cpu, "unknown");
    char text[600];
    snprintf(text, sizeof text, "%s|%.400s|%zu|%zu|%llu", machine->cpu, machine->features, machine->n_cpus,
             machine->n_cores, (unsigned long long)(machine->memory_bytes >> 30));
    identity_hash(text, machine->id);
}

json_t *machine_json(const struct machine *m) {
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "id", m->id, "cpu", m->cpu, "features",
                     m->features, "isa", m->isa, "cpus", (json_int_t)m->n_cpus, "cores", (json_int_t)m->n_cores,
                     "memory_bytes", (json_int_t)m->memory_bytes, "l1d_bytes", (json_int_t)m->l1d_bytes, "l2_bytes",
                     (json_int_t)m->l2_bytes, "l3_bytes", (json_int_t)m->l3_bytes);
}

/* ---- the cache folder ---- */

char *cache_path(const char *name) {
    const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char path[200];
    if (base && *base) {
        snprintf(path, sizeof path, "bitnet/%s", name);
        return path_join(base, path);
    }
    snprintf(path, sizeof path, ".cache/bitnet/%s", name);
    return home && *home ? path_join(home, path) : NULL;
}

bn_status cache_file_write(const char *name, const json_t *value, bn_error *err) {
    char *path = cache_path(name);
    if (!path) return fail(err, BN_STATUS_NOT_FOUND, "there is no cache folder: HOME and XDG_CACHE_HOME are not set");
    folders_make(path);
    struct atomic_file file;
    bn_status status = atomic_file_open(path, &file, err);
    if (!status) {
        if (json_dumpf(value, file.stream, JSON_INDENT(1)) || fputc('\n', file.stream) == EOF) {
            status = fail(err, BN_STATUS_IO, "%s: can't be written", path);
            atomic_file_abort(&file);
        } else {
            status = atomic_file_commit(&file, err);
        }
    }
    mem_free(path);
    return status;
}

/* ---- limits ---- */

/* What is stored for this machine; an empty object when nothing usable is. */
static json_t *stored_limits(const char *name) {
    char *path = cache_path(name);
    json_t *stored = NULL;
    if (path && file_exists(path)) json_parse_file(path, CACHE_MAX_BYTES, &stored, NULL);
    mem_free(path);
    if (json_is_object(stored)) return stored;
    json_decref(stored);
    return json_object();
}

static bool limits_from_json(const json_t *object, struct machine_limits *out) {
    const json_t *bytes = json_object_get(object, "read_bytes_per_s"),
                 *int8 = json_object_get(object, "int8_operations_per_s"),
                 *float32 = json_object_get(object, "float_operations_per_s");
    out->read_bytes_per_s = json_number_value(bytes);
    out->int8_operations_per_s = json_number_value(int8);
    out->float_operations_per_s = json_number_value(float32);
    return out->read_bytes_per_s > 0 && out->int8_operations_per_s > 0 && out->float_operations_per_s > 0;
}

/* The file, and the key of these threads and kernels in it. */
static void name_limits(const struct machine *machine, size_t threads, const char *isa, char name[64], char key[64]) {
    snprintf(name, 64, "machine-%s.json", machine->id);
    snprintf(key, 64, "%.30s %zu", isa, threads);
}

bool machine_limits_stored(const struct machine *machine, size_t threads, const char *isa, struct machine_limits *out) {
    char name[64], key[64];
    name_limits(machine, threads, isa, name, key);
    *out = (struct machine_limits){.threads = threads};
    json_t *stored = stored_limits(name);
    bool found = limits_from_json(json_object_get(stored, key), out);
    json_decref(stored);
    return found;
}

bn_status machine_limits(const struct machine *machine, size_t threads, const char *isa, bool fresh,
                         struct machine_limits *out, bn_error *err) {
    char name[64], key[64];
    name_limits(machine, threads, isa, name, key);
    *out = (struct machine_limits){.threads = threads};
    json_t *stored = stored_limits(name);
    bn_status status = BN_OK;
    if (fresh || !limits_from_json(json_object_get(stored, key), out)) {
        struct thread_pool *pool;
        status = thread_pool_acquire(threads, &pool, err);
        if (!status) {
            status = limits_measure(pool, isa, out, err);
            thread_pool_release(pool);
        }
        if (!status) {
            json_object_set_new(stored, key,
                                json_pack("{s:I, s:f, s:f, s:f}", "threads", (json_int_t)threads, "read_bytes_per_s",
                                          out->read_bytes_per_s, "int8_operations_per_s", out->int8_operations_per_s,
                                          "float_operations_per_s", out->float_operations_per_s));
            cache_file_write(name, stored, NULL);
        }
    }
    json_decref(stored);
    return status;
}
