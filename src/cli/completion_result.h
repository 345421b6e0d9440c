/* A finished request as JSON and as lines for a person: what `generate`, `run` and `batch` report alike. */
#ifndef CLI_COMPLETION_RESULT_H
#define CLI_COMPLETION_RESULT_H

#include "base/json.h"
#include "bitnet/bitnet.h"
#include "cli/command.h"

/* "stop", "length", "cancelled", "error". */
const char *finish_name(bn_finish finish);

/* Steps the engine until the request is finished; Ctrl-C cancels it. The request's own status comes back, BN_OK also
 * when it was cancelled. */
bn_status drive_request(bn_engine *engine, bn_request *request, bn_error *err);

/* {"text", "tokens", "finish_reason", "logprobs"?: [{"id", "logprob"}…]} of one choice; NULL without memory. */
json_t *choice_json(const bn_choice *choice);
/* {"prompt_ms", "prompt_tokens_per_second", …} */
json_t *timings_json(const bn_usage *usage);
/* "prompt: 5 tokens in 12.0 ms (416.7/s); …" with --verbose. */
void say_timings(const struct invocation *invocation, const bn_usage *usage);

#endif
