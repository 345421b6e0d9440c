/* The OpenAI API: what its routes share. */
#ifndef SERVER_OPENAI_H
#define SERVER_OPENAI_H

#include "server/answer.h"
#include "server/api.h"
#include "server/delivery.h"

void handle_chat_completions(struct exchange *exchange, void *service);
void handle_completions(struct exchange *exchange, void *service);
void handle_embeddings(struct exchange *exchange, void *service);
void handle_models(struct exchange *exchange, void *service);
void handle_model(struct exchange *exchange, void *service);
void handle_model_load(struct exchange *exchange, void *service);
void handle_model_unload(struct exchange *exchange, void *service);
extern const struct schema model_load_schema, completion_request_schema, embedding_request_schema;

/* A text or token ids as a prompt. place: for messages. *out is to be released either way. */
bool read_prompt(const struct model *model, const json_t *value, const char *place, const bn_encode_options *options,
                 struct generation_prompt *out, struct failure *failure);
/* How texts of a body that is no chat become prompts: with special tokens, unless it says otherwise. */
bn_encode_options prompt_options(const json_t *body);
/* One such, or an array of them; refused where one leaves no room in the context. prompts_release, either way. */
bool read_prompts(const struct model *model, const json_t *value, const char *member, const bn_encode_options *options,
                  struct generation_prompt **out, size_t *n, struct failure *failure);
void prompts_release(struct generation_prompt *prompts, size_t n);

/* Embeddings of prompts, [n, hidden_size], of whatever length; *out is to be mem_free'd either way. pooling: "mean" or
 * "last"; NULL: as the model was made for, or the mean. */
bool embed(const struct model *model, const struct generation_prompt *prompts, size_t n, const char *pooling,
           float **out, struct failure *failure);
/* What /v1/embeddings answers to a body; NULL: the failure says why not, or there is no memory. */
json_t *embeddings_json(const struct api *api, const json_t *body, struct failure *failure);
/* To length 1, unless it is zero. */
void normalize(float *vector, size_t n);

/* {"prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details": {"cached_tokens"}} */
json_t *usage_json(const bn_usage *usage);
/* What stream_options ask to be told of the usage. */
struct usage_wish {
    bool at_end, in_chunks; /* in_chunks: also what it has come to, in each chunk */
};
struct usage_wish usage_wish_of(const json_t *body);
/* The end of a chunk, behind its choice. */
void close_chunk(struct buffer *line, const struct usage_wish *wish, size_t n_prompt, size_t n_tokens);
/* Ends a stream of chunks: one with the usage (NULL: none) behind `head`, a chunk's beginning up to its choices; then
 * [DONE]. */
void end_chunks(struct delivery *d, const struct buffer *head, const bn_usage *usage);
/* How fast it went, as llama-server has it. */
json_t *answer_timings_json(const bn_usage *usage);
/* "fp_…": which model, as this build computes it. size ≥ 20. */
void system_fingerprint(const struct model *model, char *out, size_t size);

/* What the routes do with a body that their schema has let through. */
void answer_chat(struct api *api, const json_t *body, const struct asker *asker);
void answer_completion(struct api *api, const json_t *body, const struct asker *asker);

#endif
