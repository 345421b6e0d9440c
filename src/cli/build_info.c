#define PCRE2_CODE_UNIT_WIDTH 8
#include "cli/build_info.h"

#include <gnu/libc-version.h>
#include <jansson.h>
#include <pcre2.h>
#include <stdio.h>
#include <utf8proc.h>

#ifdef HAVE_LIBEDIT
#include <histedit.h>
#endif

#include "bitnet/status.h"
#include "cli/json_output.h"
#include "kernels/kernels.h"

struct build_library build_library_at(size_t index) {
    static char pcre2[64];
#ifdef HAVE_LIBEDIT
    static char edit[16];
    snprintf(edit, sizeof edit, "%d.%d", LIBEDIT_MAJOR, LIBEDIT_MINOR);
#endif
    if (!pcre2[0] && pcre2_config(PCRE2_CONFIG_VERSION, NULL) < (int)sizeof pcre2)
        pcre2_config(PCRE2_CONFIG_VERSION, pcre2);
    const struct build_library libraries[] = {
        {"libc", gnu_get_libc_version()},
        {"jansson", jansson_version_str()},
        {"utf8proc", utf8proc_version()},
        {"pcre2", pcre2},
#ifdef HAVE_LIBEDIT
        {"libedit", edit},
#endif
        {NULL, NULL},
    };
    return libraries[index < sizeof libraries / sizeof *libraries ? index : sizeof libraries / sizeof *libraries - 1];
}

const char *build_compiler(void) {
#if defined(__clang__)
    return "clang " __clang_version__;
#else
    return "gcc " __VERSION__;
#endif
}

const char *build_target(void) {
#if defined(__x86_64__)
    return "x86-64 Linux";
#elif defined(__aarch64__)
    return "64-bit ARM Linux";
#else
    return "Linux";
#endif
}

static void print_version_json(void) {
    json_t *libraries = json_object();
    for (size_t i = 0; build_library_at(i).name; i++)
        json_object_set_new(libraries, build_library_at(i).name, json_string(build_library_at(i).version));
    json_write_line(stdout,
                    json_pack("{s:s, s:s, s:s, s:o}", "version", bn_version(), "compiler", build_compiler(), "target",
                              build_target(), "libraries", libraries),
                    NULL);
}

void print_version(bool verbose, bool json) {
    if (json) {
        print_version_json();
        return;
    }
    printf("bitnet %s\n", bn_version());
    if (!verbose) return;
    printf("compiler  %s\ntarget    %s\nkernels  ", build_compiler(), build_target());
    for (size_t i = 0; kernels_name(i); i++) printf(" %s", kernels_name(i));
    printf("\nlibraries");
    for (size_t i = 0; build_library_at(i).name; i++)
        printf(" %s %s%s", build_library_at(i).name, build_library_at(i).version,
               build_library_at(i + 1).name ? "," : "\n");
}
