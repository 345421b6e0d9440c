/* Routes that clients of llama-server know: /completion, /infill, /props, /slots. */
#ifndef SERVER_LLAMA_H
#define SERVER_LLAMA_H

#include "server/api.h"

void handle_completion(struct exchange *exchange, void *service);
void handle_infill(struct exchange *exchange, void *service);
void handle_props(struct exchange *exchange, void *service);
void handle_slots(struct exchange *exchange, void *service);
extern const struct schema llama_completion_schema, infill_schema;

/* Whether a model was trained to fill in: its vocabulary has the tokens for it. */
bool model_can_infill(const bn_tokenizer *tokenizer);
/* The prompt for what comes between prefix and suffix and begins with `begun`; refused where the model can't. out: to be
 * released either way. */
struct infill {
    const char *prefix, *suffix, *begun;
    size_t n_prefix, n_suffix, n_begun;
};
bool infill_prompt(const struct model *model, const struct infill *infill, struct generation_prompt *out,
                   struct failure *failure);

#endif
