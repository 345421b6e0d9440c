/* A sampler of your own: never uses a token that contains the letter given: custom_sampler MODEL.gguf LETTER [PROMPT].
 * The chain's penalties and filters still run first; the function sees what they left and picks. */
#include <stdio.h>
#include <string.h>

#include <bitnet/bitnet.h>

struct ban {
    const bn_tokenizer *tokenizer;
    char letter;
};

static ptrdiff_t pick_without_letter(void *context, const bn_candidate *candidates, size_t n_candidates,
                                     const int32_t *history, size_t n_history) {
    (void)history, (void)n_history;
    const struct ban *ban = context;
    ptrdiff_t best = -1;
    for (size_t i = 0; i < n_candidates; i++) {
        const char *token = bn_tokenizer_token(ban->tokenizer, candidates[i].id);
        if (token && strchr(token, ban->letter)) continue;
        if (best < 0 || candidates[i].logit > candidates[best].logit) best = (ptrdiff_t)i;
    }
    return best;
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: custom_sampler MODEL LETTER [PROMPT]\n");
        return 2;
    }
    const char *prompt = argc > 3 ? argv[3] : "Once upon a time";
    bn_error err = {0};
    bn_model *model = NULL;
    bn_engine *engine = NULL;
    bn_request *request = NULL;
    int32_t *ids = NULL;
    size_t n_ids = 0;
    bn_status status = bn_model_open(argv[1], NULL, &model, &err);
    struct ban ban = {.tokenizer = model ? bn_model_tokenizer(model) : NULL, .letter = argv[2][0]};
    bn_request_options options;
    bn_request_options_init(&options);
    options.max_tokens = 40;
    options.sampling.custom = pick_without_letter;
    options.sampling.custom_context = &ban;
    if (!status) status = bn_engine_create(model, NULL, &engine, &err);
    if (!status) status = bn_tokenizer_encode(ban.tokenizer, prompt, strlen(prompt), NULL, &ids, &n_ids, &err);
    if (!status) status = bn_engine_submit(engine, ids, n_ids, &options, &request, &err);
    if (!status) status = bn_request_wait(request, &err);
    bn_choice choice = {.size = sizeof choice};
    if (!status) status = bn_request_choice(request, 0, &choice);
    if (!status)
        printf("%s\n", choice.text);
    else
        fprintf(stderr, "custom_sampler: %s\n", err.message);
    bn_request_release(request);
    bn_free(ids);
    bn_engine_destroy(engine);
    bn_model_close(model);
    return status ? 1 : 0;
}
