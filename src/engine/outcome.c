/* What comes of a step: tokens are appended, sequences end, callbacks hear of it, requests finish. In this order, and
 * the callbacks without the lock, so that they may ask the engine things. A request is marked finished last of all:
 * from then on its owner may release it. */
#include <math.h>

#include "engine/beam.h"
#include "engine/engine.h"

static void touch(bn_engine *engine, struct sequence *s) {
    if (s->touched) return;
    s->touched = true;
    s->next = NULL;
    if (engine->last_touched)
        engine->last_touched->next = s;
    else
        engine->touched = s;
    engine->last_touched = s;
}

static void note_error(bn_request *request, const bn_error *error) {
    if (request->status || !error) return;
    request->status = error->status;
    request->error = *error;
}

void sequence_finish(bn_engine *engine, struct sequence *s, bn_finish finish) {
    bn_request *request = s->request;
    bn_error error;
    s->finish = finish;
    if (output_text_finish(&s->text, &error)) {
        s->finish = BN_FINISH_ERROR;
        note_error(request, &error);
    }
    sequence_drop_pages(s, &engine->cache, engine_prefixes(engine));
    draft_model_drop(engine->speculation.model, s);
    s->state = SEQUENCE_DONE;
    touch(engine, s);
    if (++request->n_done == request->n_sequences && request->options.best_of) request_rank(request);
}

void request_abort(bn_engine *engine, bn_request *request, bn_finish finish, const bn_error *error) {
    note_error(request, error);
    for (size_t i = 0; i < request->n_sequences; i++) {
        struct sequence *s = &request->sequences[i];
        if (s->state == SEQUENCE_DONE) continue;
        sequence_finish(engine, s, finish);
        if (request->beams) s->n_tokens = request->n_prompt; /* unfinished beams aren't results */
    }
}

/* The text of a token; that of end tokens only where special tokens are shown. */
static bn_status push_text(bn_engine *engine, struct sequence *s, int32_t id, bn_error *err) {
    const bn_request *request = s->request;
    if (!request->options.keep_special && (request_is_end(request, id) || engine_is_end(engine, id))) return BN_OK;
    return output_text_push(&s->text, engine->tokenizer, id, err);
}

void sequence_append(bn_engine *engine, struct sequence *s) {
    bn_request *request = s->request;
    struct draw *draw = s->draw;
    size_t n_output = s->n_tokens - request->n_prompt;
    if (!draw->status) draw->status = push_text(engine, s, draw->id, &draw->error);
    if (draw->status) {
        request_abort(engine, request, BN_FINISH_ERROR, &draw->error);
        return;
    }
    s->tokens[s->n_tokens++] = draw->id;
    if (s->logprobs) {
        s->logprobs[n_output] = draw->logprob;
        s->sum_logprob += draw->logprob;
    }
    s->has_news = true;
    touch(engine, s);
    request->output_tokens++;
    engine->output_tokens++;
    if (s->text.stop || request_is_end(request, draw->id) || request_is_complete(request, s))
        sequence_finish(engine, s, BN_FINISH_STOP);
    else if (s->n_tokens == request->capacity)
        sequence_finish(engine, s, BN_FINISH_LENGTH);
}

void beams_finish(bn_engine *engine, bn_request *request) {
    bn_error error;
    for (size_t i = 0; i < request->n_sequences; i++) /* while their tokens are what the pages hold */
        sequence_drop_pages(&request->sequences[i], &engine->cache, engine_prefixes(engine));
    beam_conclude(request);
    for (size_t i = 0; i < request->n_choices; i++) {
        struct sequence *s = &request->sequences[i];
        for (size_t j = request->n_prompt; j < s->n_tokens; j++) {
            if (!push_text(engine, s, s->tokens[j], &error)) continue;
            request_abort(engine, request, BN_FINISH_ERROR, &error);
            return;
        }
        request->output_tokens += s->n_tokens - request->n_prompt;
    }
    engine->output_tokens += request->output_tokens;
    for (size_t i = 0; i < request->n_sequences; i++)
        sequence_finish(engine, &request->sequences[i], request->sequences[i].finish);
}

/* ---- callbacks ---- */

static void tell(bn_request *request, bn_token_event *event) {
    event->size = sizeof *event;
    if (!request->options.on_token(request->options.on_token_context, event)) bn_request_cancel(request);
}

static void tell_end(bn_request *request, struct sequence *s, size_t choice) {
    bn_token_event event = {.choice = choice, .id = -1, .logprob = NAN, .finish = s->finish};
    event.text = s->text.buffer.data ? s->text.buffer.data + s->n_told : "";
    event.text_bytes = s->text.n_sure - s->n_told;
    event.stop = s->text.stop ? s->text.stop->bytes : NULL;
    s->n_told = s->text.n_sure;
    s->told_finish = true;
    tell(request, &event);
}

static void tell_token(bn_request *request, struct sequence *s) {
    bn_token_event event = {.choice = s->index, .id = s->draw->id, .logprob = NAN};
    event.text = s->text.buffer.data ? s->text.buffer.data + s->n_told : "";
    event.text_bytes = s->text.n_sure - s->n_told;
    if (request->options.n_logprobs >= 0) {
        event.logprob = s->draw->logprob;
        event.top = s->draw->top;
        event.n_top = (size_t)request->options.n_logprobs;
    }
    s->n_told = s->text.n_sure;
    tell(request, &event);
}

/* Choices that compete are told once all have ended: one event with the whole text for each that is kept. */
static void tell_ranked(bn_request *request) {
    if (request->told || request->n_done < request->n_sequences) return;
    request->told = true;
    for (size_t i = 0; i < request->n_choices; i++) tell_end(request, &request->sequences[request->order[i]], i);
}

void outcome_deliver(bn_engine *engine) {
    pthread_mutex_unlock(&engine->lock);
    for (struct sequence *s = engine->touched; s; s = s->next) {
        bn_request *request = s->request;
        bool news = s->has_news && !atomic_load(&request->cancelled);
        s->has_news = false;
        if (!request->options.on_token) continue;
        if (request->ranked) {
            tell_ranked(request);
            continue;
        }
        if (news) tell_token(request, s);
        if (s->finish != BN_FINISH_NONE && !s->told_finish) tell_end(request, s, s->index);
    }
    pthread_mutex_lock(&engine->lock);
}

bool outcome_settle(bn_engine *engine) {
    bool any = false;
    for (struct sequence *s = engine->touched; s; s = s->next) {
        bn_request *request = s->request;
        s->touched = false;
        if (request->n_done < request->n_sequences || bn_request_finished(request)) continue;
        engine->n_requests--;
        atomic_store_explicit(&request->finished, true, memory_order_release);
        any = true;
    }
    engine->touched = engine->last_touched = NULL;
    scheduler_remove_done(engine);
    return any;
}
