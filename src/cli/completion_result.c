#include "cli/completion_result.h"

#include "cli/json_output.h"
#include "cli/signals.h"
#include "cli/terminal.h"

const char *finish_name(bn_finish finish) {
    switch (finish) {
    case BN_FINISH_NONE:
        return "none";
    case BN_FINISH_STOP:
        return "stop";
    case BN_FINISH_LENGTH:
        return "length";
    case BN_FINISH_CANCELLED:
        return "cancelled";
    case BN_FINISH_ERROR:
        return "error";
    }
    return "error";
}

bn_status drive_request(bn_engine *engine, bn_request *request, bn_error *err) {
    while (!bn_request_finished(request)) {
        bool busy = true;
        bn_status status = bn_engine_step(engine, &busy, err);
        if (status) return status;
        if (interrupted()) bn_request_cancel(request);
    }
    bn_status status = bn_request_wait(request, err);
    return status == BN_STATUS_CANCELLED ? BN_OK : status;
}

json_t *choice_json(const bn_choice *choice) {
    json_t *object = json_pack("{s:o, s:o, s:s}", "text", json_text(choice->text, choice->text_bytes), "tokens",
                               json_ids(choice->ids, choice->n_ids), "finish_reason", finish_name(choice->finish));
    if (!object || !choice->logprobs) return object;
    json_t *logprobs = json_array();
    for (size_t i = 0; i < choice->n_ids; i++)
        json_array_append_new(logprobs, json_pack("{s:i, s:o}", "id", (int)choice->ids[i], "logprob",
                                                  json_number((double)choice->logprobs[i])));
    json_object_set_new(object, "logprobs", logprobs);
    json_object_set_new(object, "sum_logprob", json_number(choice->sum_logprob));
    return object;
}

static double per_second(size_t n, uint64_t ns) {
    return ns ? (double)n * 1e9 / (double)ns : 0;
}

json_t *timings_json(const bn_usage *usage) {
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:I}", "queue_ms", json_real((double)usage->queue_ns * 1e-6),
                     "prompt_ms", json_real((double)usage->prompt_ns * 1e-6), "output_ms",
                     json_real((double)usage->output_ns * 1e-6), "prompt_tokens_per_second",
                     json_real(per_second(usage->prompt_tokens - usage->cached_tokens, usage->prompt_ns)),
                     "output_tokens_per_second", json_real(per_second(usage->output_tokens, usage->output_ns)),
                     "cached_tokens", (json_int_t)usage->cached_tokens, "draft_tokens", (json_int_t)usage->draft_tokens,
                     "draft_tokens_accepted", (json_int_t)usage->draft_tokens_accepted);
}

void say_timings(const struct invocation *invocation, const bn_usage *usage) {
    say_verbose(invocation,
                "prompt: %zu tokens (%zu cached) in %.1f ms, %.1f/s; output: %zu tokens in %.1f ms, %.1f/s; "
                "%zu of %zu guesses right",
                usage->prompt_tokens, usage->cached_tokens, (double)usage->prompt_ns * 1e-6,
                per_second(usage->prompt_tokens - usage->cached_tokens, usage->prompt_ns), usage->output_tokens,
                (double)usage->output_ns * 1e-6, per_second(usage->output_tokens, usage->output_ns),
                usage->draft_tokens_accepted, usage->draft_tokens);
}
