/* The answers to a chat request while they come: text, thoughts and calls of tools per choice. It collects them, and
 * tells a wire format of each piece; formats that answer in one go only look at the end. */
#ifndef SERVER_ANSWER_H
#define SERVER_ANSWER_H

#include "server/chat_request.h"

struct answer;

struct answer_call {
    char id[32];
    struct buffer name, arguments; /* arguments: JSON, as the model wrote it */
};

struct answer_choice {
    struct answer *answer;
    size_t index;
    struct output_parser parser;
    struct buffer text, reasoning;
    struct answer_call *calls;
    size_t n_calls;
    json_t *logprobs;          /* of all tokens, as chat completions show them; NULL: not asked for */
    size_t n_logprobs_told;    /* of these the format has sent: its own count */
    json_t *token_ids;         /* NULL: not asked for */
    size_t n_tokens;           /* that have come */
    const char *finish_reason; /* "stop", "length", "tool_calls"; NULL until then */
    char stop[64];             /* the beginning of the stop string that ended it; "": none did */
};

/* What it wrote as arguments, as an object; {} for what was cut off in the middle. A new reference. */
json_t *answer_call_arguments(const struct answer_call *call);

/* How an API shows an answer. Callbacks come one at a time, on threads that drive the engine; any but end may be NULL. */
struct answer_format {
    void (*text)(void *context, struct answer_choice *choice, const char *text, size_t n);
    void (*reasoning)(void *context, struct answer_choice *choice, const char *text, size_t n);
    void (*token)(void *context, struct answer_choice *choice); /* after each token, whatever it gave */
    void (*call_begin)(void *context, struct answer_choice *choice, const struct answer_call *call);
    void (*call_arguments)(void *context, struct answer_choice *choice, const struct answer_call *call,
                           const char *text, size_t n);
    void (*call_end)(void *context, struct answer_choice *choice, const struct answer_call *call);
    void (*finish)(void *context, struct answer_choice *choice);
    /* The last: the answer may be destroyed in it. failure->status 0: all went well; 499: it was cancelled. */
    void (*end)(void *context, const struct failure *failure);
};

/* Takes the request over, always. NULL without memory. */
struct answer *answer_create(struct chat_request *request, const struct answer_format *format, void *context);
void answer_start(struct answer *answer);
/* Any thread. */
void answer_cancel(struct answer *answer);
void answer_pause(struct answer *answer, bool paused); /* generation_pause */
void answer_destroy(struct answer *answer);

const struct model *answer_model(const struct answer *answer);
size_t answer_n_choices(const struct answer *answer);
struct answer_choice *answer_choice(struct answer *answer, size_t choice);
bn_usage answer_usage(const struct answer *answer);
uint64_t answer_seed(const struct answer *answer);
/* The ids of the prompt. */
const struct generation_prompt *answer_prompt(const struct answer *answer);

/* An id such as "call_8f…": prefix and 24 random letters and digits. size ≥ strlen(prefix) + 25. */
void make_id(char *out, size_t size, const char *prefix);
/* The same for ids that must not be guessed: false where the system gives no random numbers. */
bool make_secret_id(char *out, size_t size, const char *prefix);
/* One token as chat completions show it: {"token", "logprob", "bytes"}. */
json_t *token_logprob_json(const struct model *model, int32_t id, float logprob);
/* What a token adds to a text; a special token's own name. */
const char *token_text(const struct model *model, int32_t id, size_t *n);

#endif
