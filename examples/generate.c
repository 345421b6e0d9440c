/* Load a model and continue a text: generate MODEL.gguf "Once upon a time" */
#include <stdio.h>
#include <string.h>

#include <bitnet/bitnet.h>

static bool print_piece(void *context, const bn_token_event *event) {
    (void)context;
    fwrite(event->text, 1, event->text_bytes, stdout);
    return fflush(stdout) == 0;
}

int main(int argc, char **argv) {
    const char *prompt = argc > 2 ? argv[2] : "Once upon a time";
    bn_error err = {0};
    bn_model *model = NULL;
    bn_engine *engine = NULL;
    bn_request *request = NULL;
    int32_t *ids = NULL;
    size_t n_ids = 0;
    bn_request_options options;
    bn_request_options_init(&options);
    options.max_tokens = 64;
    options.sampling.temperature = 0;
    options.on_token = print_piece;

    bool done = argc > 1 && !bn_model_open(argv[1], NULL, &model, &err) &&
                !bn_engine_create(model, NULL, &engine, &err) &&
                !bn_tokenizer_encode(bn_model_tokenizer(model), prompt, strlen(prompt), NULL, &ids, &n_ids, &err) &&
                !bn_engine_submit(engine, ids, n_ids, &options, &request, &err) && !bn_request_wait(request, &err);
    printf("\n");
    if (!done) fprintf(stderr, "generate: %s\n", argc > 1 ? err.message : "usage: generate MODEL [PROMPT]");
    bn_request_release(request);
    bn_free(ids);
    bn_engine_destroy(engine);
    bn_model_close(model);
    return done ? 0 : 1;
}
