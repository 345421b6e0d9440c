/* Models that a command line names as a hub's: `bitnet run -hf OWNER/NAME:QUANT`. */
#ifndef CLI_HUB_HUB_MODEL_H
#define CLI_HUB_HUB_MODEL_H

#include "cli/command.h"

/* Fetches the model that the invocation's first argument, owner/name[@revision][:file or variant], names, unless it is in the cache
 * (then the network isn't asked), and makes the argument one that means it. Results stay off standard output. */
bn_status hub_model_fetch(struct invocation *invocation, bn_error *err);

#endif
