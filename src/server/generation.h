/* What one request of a client asks of an engine: the continuations of one or several prompts. Whatever the wire format,
 * it hears of tokens through one sink. */
#ifndef SERVER_GENERATION_H
#define SERVER_GENERATION_H

#include "server/models.h"

struct generation;

/* Callbacks run on threads that drive the engine, one at a time, and must not block. */
struct generation_sink {
    /* A token, or the last event of a choice (event->finish). Returns false to stop everything. */
    bool (*on_token)(void *context, size_t prompt, const bn_token_event *event);
    /* The prompt of that number has been answered, or its time is over: the request can still be read. May be NULL. */
    void (*on_answered)(void *context, size_t prompt, const bn_request *request);
    /* Everything is over; error->status is BN_OK if all went well, CANCELLED if generation_cancel was called. The last
     * callback: the generation may be destroyed in it. */
    void (*on_end)(void *context, const bn_error *error);
};

struct generation_prompt {
    int32_t *ids; /* bn_free'd by the generation */
    size_t n_ids;
};

/* Takes over the model's hold and the prompts, always. NULL without memory (nothing comes then). */
struct generation *generation_create(const struct model *model, const struct generation_prompt *prompts,
                                     size_t n_prompts, const struct generation_sink *sink, void *context);
/* Submits all prompts with these options (on_token is the generation's own). timeout_ms 0: none. Errors come through
 * on_end, too, maybe before this returns. */
void generation_start(struct generation *generation, const bn_request_options *options, uint64_t timeout_ms);
/* Any thread, any number of times, until destroyed. */
void generation_cancel(struct generation *generation);
/* Its requests stand still, and hold no place, until they are resumed. As generation_cancel. */
void generation_pause(struct generation *generation, bool paused);
/* Before generation_start, or in on_end or after it. */
void generation_destroy(struct generation *generation);

const struct model *generation_model(const struct generation *generation);
size_t generation_n_prompts(const struct generation *generation);
const struct generation_prompt *generation_prompt(const struct generation *generation, size_t prompt);
/* Sums over the prompts that are answered. */
bn_usage generation_usage(const struct generation *generation);
/* Did the time run out? That is no error: the answers end where they are, their last event says CANCELLED. */
bool generation_timed_out(const struct generation *generation);

#endif
