/* The requests of `bitnet batch`, answered by a server. */
#ifndef CLI_HUB_REMOTE_BATCH_H
#define CLI_HUB_REMOTE_BATCH_H

#include "cli/hub/server_access.h"

struct remote_batch; /* opaque; see remote_batch.c */

/* model NULL: the server's first. n_parallel requests are asked at once; further ones wait here. */
bn_status remote_batch_open(const struct server_options *options, const char *model, size_t n_parallel,
                            struct remote_batch **out, bn_error *err);
/* Cancels what is under way; answers stay their holders'. */
void remote_batch_close(struct remote_batch *batch);

struct remote_answer;
/* line: {"prompt" | "tokens" | "messages"}. BN_STATUS_BAD_ARGUMENT says what is wrong with it. */
bn_status remote_batch_submit(struct remote_batch *batch, const json_t *line, const struct sampling_options *options,
                              struct remote_answer **out, bn_error *err);
/* Lets things happen for some milliseconds. */
bn_status remote_batch_step(struct remote_batch *batch, bn_error *err);

bool remote_answer_finished(const struct remote_answer *answer);
/* Its members for the line of OUT; NULL after a failure, which err tells. */
json_t *remote_answer_json(const struct remote_answer *answer, bn_error *err);
void remote_answer_release(struct remote_answer *answer);

#endif
