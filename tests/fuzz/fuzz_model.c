/* Any bytes as a model: a text that begins with '{' as a Hugging Face config.json, all else as a GGUF file. Refused with
 * a message, or opened, and then a few tokens can be run. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/open.h"

#define N_TOKENS      5
#define MAX_RUN_BYTES ((size_t)1 << 24) /* larger models are opened but not run */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void read_config(const char *text, size_t size) {
    json_t *json = NULL;
    bn_error err = {0};
    if (json_parse(text, size, "config.json", &json, &err) != BN_OK) return;
    struct arena arena;
    struct model_config config;
    arena_init(&arena);
    bn_status status = config_from_hf(json, NULL, &arena, &config, &err);
    if (status == BN_OK && (config.n_layers == 0 || config.n_heads % config.n_kv_heads || !config.windowed)) abort();
    if (status != BN_OK && err.message[0] == 0) abort();
    struct rope rope;
    if (status == BN_OK && config.rope.n_dims) (void)rope_init(&rope, &config.rope, &arena, &err);
    arena_release(&arena);
    json_decref(json);
}

static void run(const bn_model *model) {
    struct thread_pool *pool;
    struct workspace *workspace = NULL;
    size_t page_bytes = model_kv_page_bytes(model, KV_F16), vocab = model_vocab_size(model);
    if (page_bytes > MAX_RUN_BYTES || vocab * N_TOKENS * sizeof(float) > MAX_RUN_BYTES) return;
    if (thread_pool_acquire(1, &pool, NULL) != BN_OK) return;
    size_t n = min_size(N_TOKENS, model_context_length(model));
    uint8_t *page = mem_alloc_aligned(page_bytes);
    float *logits = mem_alloc_array(n * vocab, sizeof *logits);
    if (page && logits && workspace_create(model, n, n, pool, &workspace, NULL) == BN_OK) {
        int32_t tokens[N_TOKENS];
        uint8_t want[N_TOKENS] = {1, 0, 1, 0, 1};
        for (size_t i = 0; i < n; i++) tokens[i] = (int32_t)(i * 7919 % vocab);
        struct batch_sequence sequence = {.n_tokens = n, .pages = &page, .reserved_length = n};
        struct batch batch = {tokens, want, n, &sequence, 1};
        struct forward_options options = {.kernels = kernels_best(), .pool = pool, .kv_type = KV_F16};
        model_forward(model, workspace, &options, &batch, logits);
    }
    workspace_destroy(workspace);
    mem_free(logits);
    mem_free_aligned(page);
    thread_pool_release(pool);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    if (size > 0 && bytes[0] == '{') {
        read_config((const char *)bytes, size);
        return 0;
    }
    bn_model_options options = {.size = sizeof options, .n_threads = 1, .no_tokenizer = true};
    bn_model *model = NULL;
    bn_error err = {0};
    if (model_open_gguf_bytes(bytes, size, &options, &model, &err) != BN_OK) {
        if (err.message[0] == 0) abort();
        return 0;
    }
    bn_model_info info = {.size = sizeof info};
    bn_model_get_info(model, &info);
    run(model);
    bn_model_close(model);
    return 0;
}
