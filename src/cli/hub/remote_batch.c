#include "cli/hub/remote_batch.h"

#include "base/clock.h"
#include "base/memory.h"
#include "cli/signals.h"

enum { STEP_MS = 20 };

struct remote_batch {
    struct server_access access;
};

struct remote_answer {
    bool finished;
    json_t *members; /* NULL: failed */
    bn_error error;
};

bn_status remote_batch_open(const struct server_options *options, const char *model, size_t n_parallel,
                            struct remote_batch **out, bn_error *err) {
    struct remote_batch *batch = mem_calloc(1, sizeof *batch);
    if (!batch) return fail_no_memory(err, sizeof *batch);
    bn_status status = server_access_open(options, model, n_parallel, &batch->access, err);
    if (status)
        remote_batch_close(batch);
    else
        *out = batch;
    return status;
}

void remote_batch_close(struct remote_batch *batch) {
    if (!batch) return;
    server_access_release(&batch->access);
    mem_free(batch);
}

/* What was cancelled stays unfinished: a later run takes it up. */
static void on_end(void *context, const struct completion *completion, bn_status status, const bn_error *error) {
    struct remote_answer *answer = context;
    answer->finished = status != BN_STATUS_CANCELLED;
    if (status)
        answer->error = *error;
    else if (!(answer->members = completion_json(completion)))
        fail_no_memory(&answer->error, completion->text.size);
}

/* Adds the line's prompt to the body; *chat says by which route it is asked. */
static bn_status add_prompt(json_t *body, const json_t *line, bool *chat, bn_error *err) {
    json_t *prompt = json_object_get(line, "prompt"), *tokens = json_object_get(line, "tokens"),
           *messages = json_object_get(line, "messages");
    if (!!prompt + !!tokens + !!messages != 1)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "needs one of 'prompt', 'tokens' and 'messages'");
    if (prompt && !json_is_string(prompt)) return fail(err, BN_STATUS_BAD_ARGUMENT, "'prompt' must be a string");
    *chat = messages;
    return json_object_set(body, messages ? "messages" : "prompt",
                           messages ? messages
                           : prompt ? prompt
                                    : tokens)
               ? fail_no_memory(err, 0)
               : BN_OK;
}

bn_status remote_batch_submit(struct remote_batch *batch, const json_t *line, const struct sampling_options *options,
                              struct remote_answer **out, bn_error *err) {
    json_t *body;
    bool chat = false;
    struct remote_answer *answer = mem_calloc(1, sizeof *answer);
    *out = NULL;
    if (!answer) return fail_no_memory(err, sizeof *answer);
    bn_status status = server_request_body(&batch->access, options, &body, err);
    if (!status) status = add_prompt(body, line, &chat, err);
    const struct completion_request request = {.endpoint = &batch->access.endpoint,
                                               .chat = chat,
                                               .body = body,
                                               .retry = true,
                                               .on_end = on_end,
                                               .context = answer};
    if (!status) status = completion_start(batch->access.http, &request, err);
    json_decref(body);
    if (status)
        mem_free(answer);
    else
        *out = answer;
    return status;
}

bn_status remote_batch_step(struct remote_batch *batch, bn_error *err) {
    bn_status status = http_run_until(batch->access.http, clock_now_ns() + (uint64_t)STEP_MS * 1000000, err);
    return status == BN_STATUS_CANCELLED && interrupted() ? BN_OK : status;
}

bool remote_answer_finished(const struct remote_answer *answer) {
    return answer->finished;
}

json_t *remote_answer_json(const struct remote_answer *answer, bn_error *err) {
    if (!answer->members && err) *err = answer->error;
    return json_incref(answer->members);
}

void remote_answer_release(struct remote_answer *answer) {
    if (!answer) return;
    json_decref(answer->members);
    mem_free(answer);
}
