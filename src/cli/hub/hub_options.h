/* The options that all commands which talk to a hub share. */
#ifndef CLI_HUB_HUB_OPTIONS_H
#define CLI_HUB_HUB_OPTIONS_H

#include "cli/command.h"
#include "hub/hub.h"

struct hub_options {
    size_t timeout_s;
    size_t retries;
    size_t connections;
    double limit_rate; /* MB/s */
};
extern const struct option hub_option_table[];
void hub_options_set_defaults(struct hub_options *options);

/* hub_open with what the options say; Ctrl-C ends a request. */
bn_status hub_options_open(const struct hub_options *options, struct hub *out, bn_error *err);

/* The error in one line; with --json also {"event":"error","error":…,"message":…} on standard output. */
enum exit_code say_hub_failure(const struct invocation *invocation, const struct hub *hub, const bn_error *error);

#endif
