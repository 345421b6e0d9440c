/* Which table of operations runs: the CPU is asked once, BITNET_ISA may ask for less.
 *
 * Compiling for an instruction set and running on it are separate things: every table of the architecture is in the
 * build, and __builtin_cpu_supports (which also asks the operating system, through XGETBV, whether it saves the wide
 * registers) or the kernel's hardware capabilities decide. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

#include "kernels/tables.h"

struct candidate {
    const char *name, *needs;
    const struct kernels *table; /* NULL: of another architecture */
    bool (*runs)(void);
};

static bool always(void) {
    return true;
}

#if defined(__x86_64__)
#define ARCH_REQ_XCOMP_PERM 0x1023 /* of Linux's arch_prctl */
#define XFEATURE_XTILEDATA  18

/* Not every compiler's __builtin_cpu_supports knows this one. Its registers are AVX's. */
static bool has_f16c(void) {
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C) && __builtin_cpu_supports("avx");
}

static bool has_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
}

static bool has_avx512(void) {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vnni");
}

static bool has_avx512vbmi(void) {
    return has_avx512() && __builtin_cpu_supports("avx512vbmi");
}

/* CPUID, not __builtin_cpu_supports, whose names for these two not every compiler knows. */
static bool has_avxvnni(void) {
    unsigned a, b, c, d;
    return has_avx2() && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & 1u << 4);
}

/* Tiles are 8 KiB more for the system to save, so a process has to ask for them; its threads inherit the answer. */
static bool has_amx(void) {
    unsigned a, b, c, d;
    const unsigned tile = 1u << 24, int8 = 1u << 25;
    if (!has_avx512vbmi() || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & (tile | int8)) != (tile | int8))
        return false;
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}
#define AVX2_TABLE       &kernels_avx2, has_avx2
#define AVXVNNI_TABLE    &kernels_avxvnni, has_avxvnni
#define AMX_TABLE        &kernels_amx, has_amx
#define AVX512_TABLE     &kernels_avx512, has_avx512
#define AVX512VBMI_TABLE &kernels_avx512vbmi, has_avx512vbmi
#else
#define AVX2_TABLE       NULL, NULL
#define AVXVNNI_TABLE    NULL, NULL
#define AMX_TABLE        NULL, NULL
#define AVX512_TABLE     NULL, NULL
#define AVX512VBMI_TABLE NULL, NULL
#endif

#if defined(__aarch64__)
#define CAPABILITY_DOTPROD (1ul << 20) /* HWCAP_ASIMDDP of the kernel's interface */
static bool has_dotprod(void) {
    return (getauxval(AT_HWCAP) & CAPABILITY_DOTPROD) != 0;
}
#define CAPABILITY_I8MM (1ul << 13) /* HWCAP2_I8MM */
static bool has_i8mm(void) {
    return has_dotprod() && (getauxval(AT_HWCAP2) & CAPABILITY_I8MM) != 0;
}
#define NEON_TABLE &kernels_neon, has_dotprod
#define I8MM_TABLE &kernels_i8mm, has_i8mm
#else
#define NEON_TABLE NULL, NULL
#define I8MM_TABLE NULL, NULL
#endif

/* From the plainest to the best. */
static const struct candidate candidates[] = {
    {"scalar", "any CPU", &kernels_scalar, always},
    {"neon", "64-bit ARM with dot products (Armv8.2)", NEON_TABLE},
    {"i8mm", "64-bit ARM with dot products and 8-bit matrix products", I8MM_TABLE},
    {"avx2", "x86-64 with AVX2, FMA and F16C", AVX2_TABLE},
    {"avxvnni", "x86-64 with AVX2, FMA, F16C and AVX-VNNI", AVXVNNI_TABLE},
    {"avx512", "x86-64 with AVX-512 F, BW, DQ, VL and VNNI", AVX512_TABLE},
    {"avx512vbmi", "x86-64 with AVX-512 F, BW, DQ, VL, VNNI and VBMI", AVX512VBMI_TABLE},
    {"amx", "x86-64 with AVX-512 (as avx512vbmi) and AMX int8, allowed by the system", AMX_TABLE},
};
#define N_CANDIDATES (sizeof candidates / sizeof *candidates)

static bool usable(const struct candidate *c) {
    return c->table && c->runs();
}

bn_status kernels_select(const char *name, const struct kernels **out, bn_error *err) {
    for (size_t i = 0; name && i < N_CANDIDATES; i++) {
        const struct candidate *c = &candidates[i];
        if (strcmp(name, c->name) != 0) continue;
        if (!usable(c)) return fail(err, BN_STATUS_UNSUPPORTED, "instruction set '%s' needs %s", c->name, c->needs);
        *out = c->table;
        return BN_OK;
    }
    char known[128] = "";
    for (size_t i = 0; i < N_CANDIDATES; i++) {
        strcat(known, i == 0 ? "" : ", ");
        strcat(known, candidates[i].name);
    }
    return fail(err, BN_STATUS_BAD_ARGUMENT, "no instruction set '%s': known are %s", name ? name : "", known);
}

const char *kernels_name(size_t index) {
    for (size_t i = 0; i < N_CANDIDATES; i++)
        if (usable(&candidates[i]) && index-- == 0) return candidates[i].name;
    return NULL;
}

/* Threads that come here at the same time choose the same table, so the race to store it is harmless. */
const struct kernels *kernels_best(void) {
    static _Atomic(const struct kernels *) chosen;
    const struct kernels *table = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (table) return table;
    if (kernels_select(getenv("BITNET_ISA"), &table, NULL) != BN_OK)
        for (size_t i = 0; i < N_CANDIDATES; i++)
            if (usable(&candidates[i])) table = candidates[i].table;
    atomic_store_explicit(&chosen, table, memory_order_relaxed);
    return table;
}

#if defined(__x86_64__)
#define FEATURE(id, text) (__builtin_cpu_supports(id) ? text " " : "")
#elif defined(__aarch64__)
#define FEATURE(bit, text) (getauxval(AT_HWCAP) >> (bit)&1 ? text " " : "")
#endif

static void write_features(char *out, size_t size) {
#if defined(__x86_64__)
    const char *found[] = {FEATURE("avx2", "AVX2"),
                           FEATURE("fma", "FMA"),
                           has_f16c() ? "F16C " : "",
                           has_avxvnni() ? "AVXVNNI " : "",
                           FEATURE("avx512f", "AVX512F"),
                           FEATURE("avx512bw", "AVX512BW"),
                           FEATURE("avx512dq", "AVX512DQ"),
                           FEATURE("avx512vl", "AVX512VL"),
                           FEATURE("avx512vnni", "AVX512VNNI"),
                           FEATURE("avx512vbmi", "AVX512VBMI"),
                           has_amx() ? "AMX " : ""};
#elif defined(__aarch64__)
    const char *found[] = {FEATURE(1, "ASIMD"), FEATURE(10, "ASIMDHP"), FEATURE(20, "ASIMDDP"),
                           has_i8mm() ? "I8MM " : "", FEATURE(22, "SVE")};
#else
    const char *found[] = {""};
#endif
    size_t length = 0;
    for (size_t i = 0; i < sizeof found / sizeof *found; i++) {
        size_t n = strlen(found[i]);
        if (length + n >= size) break;
        memcpy(out + length, found[i], n);
        length += n;
    }
    out[length > 0 ? length - 1 : 0] = '\0';
}

const char *kernels_cpu_features(void) {
    static char text[256];
    static atomic_int state; /* 0 empty, 1 being written, 2 ready (release; pairs with the acquire below) */
    int empty = 0;
    if (atomic_compare_exchange_strong(&state, &empty, 1)) {
        write_features(text, sizeof text);
        atomic_store_explicit(&state, 2, memory_order_release);
    }
    while (atomic_load_explicit(&state, memory_order_acquire) != 2) {}
    return text;
}
