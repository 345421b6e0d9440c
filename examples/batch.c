/* Many prompts over one model at once: batch MODEL.gguf "prompt one" "prompt two" …
 * All requests are queued first; waiting for any of them drives them all in shared batches. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bitnet/bitnet.h>

static bn_status submit(bn_engine *engine, bn_model *model, const char *prompt, bn_request **request, bn_error *err) {
    int32_t *ids;
    size_t n_ids;
    bn_status status = bn_tokenizer_encode(bn_model_tokenizer(model), prompt, strlen(prompt), NULL, &ids, &n_ids, err);
    if (status) return status;
    bn_request_options options;
    bn_request_options_init(&options);
    options.max_tokens = 32;
    options.sampling.temperature = 0;
    status = bn_engine_submit(engine, ids, n_ids, &options, request, err);
    bn_free(ids);
    return status;
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: batch MODEL PROMPT…\n");
        return 2;
    }
    size_t n = (size_t)argc - 2;
    bn_error err = {0};
    bn_model *model = NULL;
    bn_engine *engine = NULL;
    bn_request **requests = calloc(n, sizeof *requests);
    bn_status status = requests ? bn_model_open(argv[1], NULL, &model, &err) : BN_STATUS_NO_MEMORY;
    if (!status) status = bn_engine_create(model, NULL, &engine, &err);
    for (size_t i = 0; i < n && !status; i++) status = submit(engine, model, argv[i + 2], &requests[i], &err);
    for (size_t i = 0; i < n && !status; i++) {
        status = bn_request_wait(requests[i], &err);
        bn_choice choice = {.size = sizeof choice};
        if (!status) status = bn_request_choice(requests[i], 0, &choice);
        if (!status) printf("%s|%s\n", argv[i + 2], choice.text);
    }
    if (status) fprintf(stderr, "batch: %s\n", err.message);
    for (size_t i = 0; i < n && requests; i++) bn_request_release(requests[i]);
    free(requests);
    bn_engine_destroy(engine);
    bn_model_close(model);
    return status ? 1 : 0;
}
