#include "cli/hub/hub_options.h"

#include <string.h>

#include "cli/json_output.h"
#include "cli/signals.h"
#include "cli/terminal.h"

#define FIELD(name) offsetof(struct hub_options, name)
const struct option hub_option_table[] = {
    {"connections", 0, OPTION_SIZE, FIELD(connections), "N", 1, 64,
     "connections at the same time, to several files and to parts of large ones", "max-workers"},
    {"limit-rate", 0, OPTION_NUMBER, FIELD(limit_rate), "MB/S", 0, 1e6,
     "megabytes a second at most, all together; 0: no limit", NULL},
    {"retries", 0, OPTION_SIZE, FIELD(retries), "N", 1, 1000,
     "attempts in a row that bring nothing before a download gives up", NULL},
    {"timeout", 0, OPTION_SIZE, FIELD(timeout_s), "SECONDS", 1, 86400, "how long a server may stay silent", NULL},
    {0},
};

void hub_options_set_defaults(struct hub_options *options) {
    *options = (struct hub_options){.timeout_s = 30, .retries = 5, .connections = 8};
}

static bool is_interrupted(void *context) {
    (void)context;
    return interrupted();
}

bn_status hub_options_open(const struct hub_options *options, struct hub *out, bn_error *err) {
    const struct http_options http = {.max_connections = options->connections,
                                      .max_bytes_per_second = (uint64_t)(options->limit_rate * 1e6),
                                      .connect_timeout_s = options->timeout_s < 10 ? (unsigned)options->timeout_s : 10,
                                      .stall_timeout_s = (unsigned)options->timeout_s,
                                      .max_retries = (unsigned)options->retries,
                                      .cancelled = is_interrupted};
    return hub_open(&http, out, err);
}

enum exit_code say_hub_failure(const struct invocation *invocation, const struct hub *hub, const bn_error *error) {
    if (invocation->common.json)
        json_write_line(stdout,
                        json_pack("{s:s, s:s, s:o}", "event", "error", "error", hub_problem_name(hub->problem),
                                  "message", json_text(error->message, strlen(error->message))),
                        NULL);
    enum exit_code code = say_failure(error);
    return error->status == BN_STATUS_CANCELLED ? EXIT_INTERRUPTED : code;
}
