/* Results that become versions in the registry: --name NAME beside -o FILE. */
#ifndef CLI_NAMED_RESULT_H
#define CLI_NAMED_RESULT_H

#include "cli/command.h"

/* The option's row. `field`: offset of a const char * in the settings. */
#define NAME_OPTION(field)                                                                                             \
    {                                                                                                                  \
        "name", 0, OPTION_TEXT, field, "NAME", 0, 0,                                                                   \
            "keep the result in the registry, as a new version of NAME[:VARIANT], instead of a file", NULL             \
    }

struct named_result {
    struct named_result_parts *parts; /* NULL: the result is a file that the user named */
};

/* With a name: *output becomes a place in the registry's staging, a file `file` (NULL: the folder itself). Both a name and an
 * output are BN_STATUS_BAD_ARGUMENT. Without a name nothing happens.
 * BN_STATUS_UNSUPPORTED where no registry was built. */
bn_status named_result_begin(const struct invocation *invocation, const char *name, const char *file,
                             const char **output, struct named_result *out, bn_error *err);
/* Makes the version (or, when `status` says that the work failed, clears away). The origin is this command with `source`. *output
 * becomes the version's path, in the invocation's memory. Returns status, or what went wrong here. */
bn_status named_result_end(struct named_result *result, bn_status status, struct invocation *invocation,
                           const char *kind, const char *source, const char **output, bn_error *err);

#endif
