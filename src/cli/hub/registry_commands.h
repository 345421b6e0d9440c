/* What the commands of the registry share. */
#ifndef CLI_HUB_REGISTRY_COMMANDS_H
#define CLI_HUB_REGISTRY_COMMANDS_H

#include "cli/command.h"
#include "cli/terminal.h"
#include "registry/registry.h"

/* The registry, and the reference in argument 0. Close the registry in any case. */
bn_status registry_open_argument(const struct invocation *invocation, struct registry **registry,
                                 struct model_reference *reference, bn_error *err);

/* EXIT_DONE, or the message of the error and its exit status. */
enum exit_code command_exit(bn_status status, const bn_error *error);

/* A version as JSON, as `model list`, `show` and `history` have it. */
json_t *version_json(const struct registry *registry, const struct model_version *version);
/* "owner/small:q8@3" (the default variant isn't named) */
const char *version_name(const struct model_version *version, char *out, size_t size);
/* What was done to a version: `message` with its name for %s, or the version as JSON. */
bn_status report_version(const struct invocation *invocation, const struct registry *registry,
                         const struct model_version *version, const char *message, bn_error *err);

/* Where a version comes from: {"kind", "source", "command", "program"}; the command is this invocation's. */
json_t *origin_of_invocation(const struct invocation *invocation, const char *kind, const char *source);

/* A progress bar over bytes; Ctrl-C stops. total may be 0 (not known). */
struct byte_bar {
    struct progress progress;
    uint64_t done, total;
    struct byte_progress callback;
};
void byte_bar_begin(struct byte_bar *bar, const struct invocation *invocation, uint64_t total);
void byte_bar_end(struct byte_bar *bar);

const char *size_text(uint64_t bytes, char out[32]); /* "12.3 MB" */

#endif
