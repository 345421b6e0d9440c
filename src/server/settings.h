/* How a client wants its answer made: the members that all generating routes share, as options of the engine. */
#ifndef SERVER_SETTINGS_H
#define SERVER_SETTINGS_H

#include "base/arena.h"
#include "server/failure.h"
#include "server/models.h"

struct settings {
    bn_request_options options;
    struct arena arena; /* what options points to */
    bool include_stop;  /* the stop string is part of the text */
    uint64_t timeout_ms;
    uint64_t seed;
};

/* Rows of a schema: `MEMBERS_OF_SETTINGS` inside an array of struct schema_field. X(name, types, min, max, help) */
#define SETTINGS_ROWS(X)                                                                                               \
    X(temperature, SCHEMA_NUMBER, 0, 100, "randomness; 0: always the likeliest token")                                 \
    X(top_p, SCHEMA_NUMBER, 0, 1, "keep the smallest set of tokens with this probability")                             \
    X(top_k, SCHEMA_INTEGER, -1, INT32_MAX, "keep so many tokens; 0, -1: all")                                         \
    X(min_p, SCHEMA_NUMBER, 0, 1, "drop tokens less likely than this times the likeliest")                             \
    X(typical_p, SCHEMA_NUMBER, 0, 1, "locally typical sampling; 1: off")                                              \
    X(top_n_sigma, SCHEMA_NUMBER, -1, 100, "keep logits within so many deviations of the largest; 0, -1: off")         \
    X(xtc_probability, SCHEMA_NUMBER, 0, 1, "chance of excluding top choices; 0: off")                                 \
    X(xtc_threshold, SCHEMA_NUMBER, 0, 1, "what XTC counts as a top choice")                                           \
    X(mirostat, SCHEMA_INTEGER, 0, 2, "2: Mirostat 2.0; 0: off")                                                       \
    X(mirostat_tau, SCHEMA_NUMBER, 0, 100, "Mirostat's target surprise")                                               \
    X(mirostat_eta, SCHEMA_NUMBER, 0, 1, "Mirostat's learning rate")                                                   \
    X(repetition_penalty, SCHEMA_NUMBER, 0.01, 100, "divides logits of tokens seen before; 1: off")                    \
    X(repeat_penalty, SCHEMA_NUMBER, 0.01, 100, "the same")                                                            \
    X(repeat_last_n, SCHEMA_INTEGER, -1, INT32_MAX, "tokens that penalties look back at; -1: all")                     \
    X(presence_penalty, SCHEMA_NUMBER, -100, 100, "subtracted from tokens that the answer has")                        \
    X(frequency_penalty, SCHEMA_NUMBER, -100, 100, "subtracted per occurrence in the answer")                          \
    X(dry_multiplier, SCHEMA_NUMBER, 0, 100, "strength of the DRY penalty on repetitions; 0: off")                     \
    X(dry_base, SCHEMA_NUMBER, 1, 100, "how it grows")                                                                 \
    X(dry_allowed_length, SCHEMA_INTEGER, 0, INT32_MAX, "repetitions up to this are free")                             \
    X(dry_penalty_last_n, SCHEMA_INTEGER, -1, INT32_MAX, "tokens DRY looks back at; -1: all")                          \
    X(seed, SCHEMA_INTEGER, -1, 0x1.fffffffffffffp62, "the same seed gives the same answer; -1: a random one")         \
    X(min_tokens, SCHEMA_INTEGER, 0, INT32_MAX, "the answer can't end before")                                         \
    X(ignore_eos, SCHEMA_BOOL, 0, 0, "go on after the model's end")                                                    \
    X(skip_special_tokens, SCHEMA_BOOL, 0, 0, "leave special tokens out of the text (true)")                           \
    X(include_stop_str_in_output, SCHEMA_BOOL, 0, 0, "keep the stop string")                                           \
    X(priority, SCHEMA_INTEGER, -1000, 1000, "lower is served earlier (0)")                                            \
    X(t_max_predict_ms, SCHEMA_INTEGER, 0, 0x1p40, "an answer that takes longer ends there; 0: no limit")              \
    X(cache_salt, SCHEMA_STRING, 0, 0, "prompts are cached for requests with the same salt only")                      \
    X(parse_special, SCHEMA_BOOL, 0, 0, "read special tokens' text as such (prompts: true, chats: false)")             \
    X(cache_prompt, SCHEMA_BOOL, 0, 0, "accepted for compatibility: prompts are always cached")                        \
    X(user, SCHEMA_STRING, 0, 0, "accepted for compatibility")
#define SETTINGS_SCHEMA(name, type, low, high, text)                                                                   \
    {#name, {.types = (type) | SCHEMA_NULL, .min = low, .max = high, .help = text}},
#define SETTINGS_FIELDS                                                                                                \
    SETTINGS_ROWS(SETTINGS_SCHEMA){                                                                                    \
        "stop",                                                                                                        \
        {.types = SCHEMA_STRING | SCHEMA_ARRAY | SCHEMA_NULL,                                                          \
         .max_size = 256,                                                                                              \
         .items = &(const struct schema){.types = SCHEMA_STRING, .min_size = 1, .max_size = 4096},                     \
         .help = "texts that end the answer"}},                                                                        \
        {"stop_token_ids",                                                                                             \
         {.types = SCHEMA_ARRAY | SCHEMA_NULL,                                                                         \
          .max_size = 4096,                                                                                            \
          .items = &(const struct schema){.types = SCHEMA_INTEGER, .max = INT32_MAX},                                  \
          .help = "tokens that end the answer"}},                                                                      \
    {                                                                                                                  \
        "logit_bias", {                                                                                                \
            .types = SCHEMA_OBJECT | SCHEMA_ARRAY | SCHEMA_NULL, .max_size = 100000,                                   \
            .help = "token id → added to its logit"                                                                  \
        }                                                                                                              \
    }

/* Reads them over the model's own defaults. n, max_tokens and log-probabilities are the routes' business. Release, also
 * after a failure. */
bool settings_read(struct settings *settings, const json_t *body, const struct model *model, struct failure *failure);
void settings_release(struct settings *settings);

/* Members of bodies that were checked against their schema; null and absent are the default. */
double json_number_or(const json_t *object, const char *name, double otherwise);
json_int_t json_integer_or(const json_t *object, const char *name, json_int_t otherwise);
bool json_bool_or(const json_t *object, const char *name, bool otherwise);
/* `otherwise` for a text with a NUL, too: it would be another one. */
const char *json_text_or(const json_t *object, const char *name, const char *otherwise);
/* NULL for null, too. */
json_t *json_member(const json_t *object, const char *name);

#endif
