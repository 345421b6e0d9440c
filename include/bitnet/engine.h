/* The engine: many requests at once over one model.
 *
 * Each step of the engine runs one batch that mixes prompt chunks and decoding sequences under a token budget. The
 * output of a request depends on the model, its own prompt and options only: not on what else runs, on threads, on
 * chunking, or on whether its prefix was cached. Somebody has to drive the steps: bn_request_wait does while it waits,
 * bn_engine_step does one; with several threads waiting one of them drives and the others sleep.
 *
 * Thread-safety: all functions may be called from any thread, except from inside a callback, where only
 * bn_request_cancel, bn_request_pause and the read-only request functions are allowed. Callbacks run on the driving thread. */
#ifndef BITNET_ENGINE_H
#define BITNET_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bitnet/grammar.h"
#include "bitnet/model.h"
#include "bitnet/sampler.h"
#include "bitnet/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bn_engine bn_engine;
typedef struct bn_request bn_request;

/* Q8_0: int8 with a scale per position and head; queries are rounded to int8 too. */
typedef enum bn_kv_type { BN_KV_AUTO, BN_KV_F16, BN_KV_F32, BN_KV_Q8_0 } bn_kv_type;

typedef struct bn_engine_options {
    size_t size;           /* sizeof(bn_engine_options) */
    size_t n_threads;      /* 0 = one per physical core this process may use */
    size_t context_length; /* most positions of one sequence; 0 = the model's own */
    size_t kv_bytes;       /* bound of the KV cache; 0 = room for max_sequences full contexts, at most half of RAM */
    size_t max_sequences;  /* decoding at once; 0 = 16. More are queued. */
    size_t batch_tokens;   /* token budget of a step; 0 = 256 */
    bn_kv_type kv_type;   /* AUTO: f32 where a full context of it takes ≤ 64 MiB (exact, and cheap there), else f16 */
    bool no_prefix_cache; /* don't reuse the KV pages of earlier prompts */
    const char *isa;      /* kernels by name ("scalar", "avx2", …); NULL = the best */
    /* Speculative decoding: a step may compute guesses of the next tokens along, as far as that pays by what guesses and
     * tokens have turned out to be worth. It changes how fast tokens come and never which ones. */
    bool no_speculation;
    size_t max_drafts;     /* guesses per sequence and step, 1 … 15; 0 = 8 */
    bn_model *draft_model; /* guesses for this one, whose vocabulary it must have; NULL = repetitions are guessed */
    /* Streaming attention, off when 0: a token sees the first attention_sinks and the last attention_window positions
     * (itself included) and nothing else. Positions stay what they are: the model's own context is the limit as
     * before, but the memory of a sequence doesn't grow with it. Prompts aren't cached. Another model in effect: answers
     * differ from those with full attention once a text is longer than both together. */
    size_t attention_sinks, attention_window;
} bn_engine_options;

/* The models must outlive the engine. options may be NULL. */
BN_API bn_status bn_engine_create(bn_model *model, const bn_engine_options *options, bn_engine **out, bn_error *err);
/* All requests must have been released. */
BN_API void bn_engine_destroy(bn_engine *engine);

/* What the context overflow policy is: a prompt that leaves no room for one token is refused with
 * BN_STATUS_CONTEXT_OVERFLOW; an output that reaches the end of the context stops with BN_FINISH_LENGTH. Nothing is
 * ever dropped or shifted silently. */
typedef enum bn_finish {
    BN_FINISH_NONE,   /* still running */
    BN_FINISH_STOP,   /* an end token or a stop string */
    BN_FINISH_LENGTH, /* max_tokens or the end of the context */
    BN_FINISH_CANCELLED,
    BN_FINISH_ERROR /* bn_request_wait has the message */
} bn_finish;

typedef struct bn_logprob {
    int32_t id;
    float logprob; /* natural log of the model's own softmax, before bias, penalties and filters */
} bn_logprob;

/* One step of one choice, as the callback sees it. With best_of or beams, which choices there are is known at the end
 * only: then there is one event for each, the last. text: new whole UTF-8 characters (maybe none: held back until they
 * are complete, or until it's sure that they don't begin a stop string); valid during the call. */
typedef struct bn_token_event {
    size_t size;
    size_t choice; /* 0 … n-1 */
    int32_t id;    /* -1 in the last event, which flushes held-back text */
    const char *text;
    size_t text_bytes;
    float logprob;         /* of id; NAN unless logprobs were asked for */
    const bn_logprob *top; /* the n_top most likely, descending */
    size_t n_top;
    bn_finish finish; /* ≠ NONE exactly once per choice, in its last event */
    const char *stop; /* the stop string that ended the choice; NULL: none did, or it hasn't ended */
} bn_token_event;

/* Returns true to go on, false to cancel the request. */
typedef bool (*bn_token_callback)(void *context, const bn_token_event *event);

typedef struct bn_request_options {
    size_t size; /* sizeof(bn_request_options) */
    bn_sampling sampling;
    size_t max_tokens;       /* per choice; 0 = until the context ends */
    size_t min_tokens;       /* end tokens are impossible before */
    size_t n;                /* parallel choices; 0 = 1 */
    size_t best_of;          /* generate this many, keep the n with the highest mean log-probability; 0 = n */
    size_t beams;            /* > 1: beam search (sampling is ignored but for bias and penalties), n ≤ beams;
                                     ends are end tokens and stop_ids, not stop strings */
    float length_penalty;    /* beam score = log-probability / length^length_penalty; 1 */
    bool early_stopping;     /* beam search ends when `beams` hypotheses exist */
    const char *const *stop; /* stop strings, matched on the text, never part of the output */
    size_t n_stop;
    const int32_t *stop_ids; /* further end tokens */
    size_t n_stop_ids;
    bool ignore_end;            /* the model's end tokens don't end it (and their text is left out); stop_ids do */
    bool keep_special;          /* special tokens' text is part of the output */
    int32_t n_logprobs;         /* -1 = none; 0 … 64: top list of that length in every event */
    bool echo_logprobs;         /* also of the prompt's tokens, with top lists: bn_request_prompt_logprobs, …_top */
    int32_t priority;           /* larger first: as if it had come ten seconds earlier for each step */
    bn_token_callback on_token; /* NULL = poll the result */
    void *on_token_context;
    /* Token healing, for prompts that end in the middle of a word: the last tokens of the prompt (at most 8, never the first)
     * are taken back where a longer token goes on from their bytes, and the output begins with tokens that spell these
     * bytes again. They count as output tokens and are among its ids; prompt_tokens and prompt log-probabilities are of
     * what is left of the prompt. The text begins behind the prompt's own. */
    bool heal;
    /* NULL, or what the output is held to (bitnet/grammar.h). A choice ends with BN_FINISH_STOP as soon as its text is
     * complete and nothing can follow; where it can, end tokens may come too. The request is another owner of the grammar.
     * Not together with beams or heal. */
    bn_grammar *grammar;
    /* Whose request it is; 0: nobody's. What a client has waiting already makes its next request wait longer, so that one
     * with many requests doesn't keep others out. */
    uint64_t client;
    /* Prompts of requests with another number aren't known to this one: neither what it computes nor how long that takes tells
     * of them. 0: shared. */
    uint64_t cache_scope;
} bn_request_options;

BN_API void bn_request_options_init(bn_request_options *options);

/* Queues a request for prompt ids (copied, as everything in options is but the callbacks' contexts). Errors in ids or
 * options are reported here. Release the request with bn_request_release. */
BN_API bn_status bn_engine_submit(bn_engine *engine, const int32_t *prompt, size_t n_prompt,
                                  const bn_request_options *options, bn_request **out, bn_error *err);

/* Runs one step; *busy is false when there was nothing to do. */
BN_API bn_status bn_engine_step(bn_engine *engine, bool *busy, bn_error *err);

/* Drives the engine, or sleeps while another thread does, until the request is finished. The status is the
 * request's: BN_OK, BN_STATUS_CANCELLED, or its error. */
BN_API bn_status bn_request_wait(bn_request *request, bn_error *err);
BN_API bool bn_request_finished(const bn_request *request);
/* From any thread, also from inside a callback; takes effect before the next step's work for this request. */
BN_API void bn_request_cancel(bn_request *request);
/* From any thread, also from inside a callback: a paused request gives its place and its pages to others and computes
 * nothing more until it is resumed; for a reader that doesn't keep up. What it had is in the prefix cache or computed anew: the
 * output is the same. A step that is running may still bring tokens of it. */
BN_API void bn_request_pause(bn_request *request, bool paused);
/* Cancels if need be and frees; waits for the end of a step that is running, so that no callback comes afterwards.
 * Pointers obtained from the request end with it. */
BN_API void bn_request_release(bn_request *request);

typedef struct bn_choice {
    size_t size;
    const int32_t *ids; /* generated tokens; an end token that stopped it is included */
    size_t n_ids;
    const char *text; /* without stop strings; NUL-terminated; "" if the model has no tokenizer */
    size_t text_bytes;
    const float *logprobs; /* [n_ids], NULL unless asked for */
    double sum_logprob;    /* of the generated tokens under the model; NAN unless asked for, best_of or beams */
    bn_finish finish;
} bn_choice;
BN_API size_t bn_request_n_choices(const bn_request *request);
/* The result so far; final once the request is finished. Best first with best_of or beams. The text of an unfinished
 * choice is a copy that lives until the next call for the same choice. */
BN_API bn_status bn_request_choice(const bn_request *request, size_t choice, bn_choice *out);

typedef struct bn_usage {
    size_t size;
    size_t prompt_tokens;
    size_t cached_tokens;                       /* of the prompt, taken from the prefix cache */
    size_t output_tokens;                       /* over all choices */
    uint64_t queue_ns, prompt_ns, output_ns;    /* waiting; until the first token; from there to the last */
    size_t draft_tokens, draft_tokens_accepted; /* guesses computed for the output, and those that came true */
} bn_usage;
BN_API void bn_request_usage(const bn_request *request, bn_usage *out);
/* [n_prompt] log-probabilities of prompt tokens given those before (the first is NAN), when echo_logprobs was set and
 * the prompt has been processed; else NULL. */
BN_API const float *bn_request_prompt_logprobs(const bn_request *request, size_t *n);
/* The n_top = n_logprobs most likely tokens in place of each token of the prompt, at the same time: those of token i begin
 * at [i · n_top]; the first n_top mean nothing. NULL when n_logprobs is 0 or less. */
BN_API const bn_logprob *bn_request_prompt_top(const bn_request *request, size_t *n_top);

/* Exact logits without generating: rows [n_tokens, vocab_size], or only the last row, for a prompt in an empty
 * context. `logits` has room for the rows asked for. Runs beside the engine's requests. */
BN_API bn_status bn_engine_logits(bn_engine *engine, const int32_t *ids, size_t n_ids, bool last_only, float *logits,
                                  bn_error *err);

typedef enum bn_pooling {
    BN_POOLING_LAST, /* the hidden state of the last token */
    BN_POOLING_MEAN  /* the mean over all tokens */
} bn_pooling;
/* Embeddings of texts, given as ids: out is [n_texts, hidden_size], hidden states behind the model's last norm, pooled, of
 * whatever length. Runs beside the engine's requests, the texts in one batch. The error of the first bad text is told
 * with its number. */
BN_API bn_status bn_engine_embed(bn_engine *engine, const int32_t *const *ids, const size_t *n_ids, size_t n_texts,
                                 bn_pooling pooling, float *out, bn_error *err);

typedef struct bn_engine_stats {
    size_t size;
    size_t requests_running, requests_queued;
    size_t kv_pages_total, kv_pages_used, kv_pages_cached, kv_page_tokens;
    uint64_t steps, prompt_tokens, output_tokens, cached_tokens;
    const char *isa;
    size_t n_threads;
    size_t context_length;
    bn_kv_type kv_type;
    uint64_t kv_bytes;
    /* The screened head (docs/head.md): rows of logits it saved, exact logits it computed for that, and rows that it left
     * undecided, so that all logits were computed after all. */
    uint64_t head_screened, head_rescored, head_fallbacks;
    uint64_t draft_tokens, draft_tokens_accepted; /* guesses computed, and those that came true */
    size_t max_sequences;                         /* decoding at once */
} bn_engine_stats;
BN_API void bn_engine_get_stats(bn_engine *engine, bn_engine_stats *out);

#ifdef __cplusplus
}
#endif
#endif
