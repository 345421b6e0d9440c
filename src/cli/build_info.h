/* What this build contains: shared by --version --verbose and doctor. */
#ifndef CLI_BUILD_INFO_H
#define CLI_BUILD_INFO_H

#include <stdbool.h>
#include <stddef.h>

struct build_library {
    const char *name;
    const char *version;
};
/* NULL name past the end. The strings are static. */
struct build_library build_library_at(size_t index);
const char *build_compiler(void);
const char *build_target(void);

void print_version(bool verbose, bool json);

#endif
