/* Any bytes as the corpus of a training: the first three say which kind of vocabulary, how big and with which limits.
 * What is trained must be a tokenizer that opens, encodes its corpus and decodes that, and the same on two threads. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tokenizer/tokenizer.h"
#include "tokenizer/train.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition) {
    if (!condition) abort();
}

static void read_settings(struct trainer_settings *settings, const uint8_t *data) {
    trainer_settings_init(settings, (enum trainer_kind)(data[0] % 4));
    settings->vocab_size = data[1] * 4u;
    settings->min_frequency = data[0] >> 6;
    settings->drop_newlines = data[0] & 4;
    settings->n_sub_iterations = 1;
    if (data[0] & 8) settings->limit_alphabet = data[2] % 32;
    if (data[0] & 16) settings->max_token_length = settings->max_piece_length = 1 + data[2] % 16;
    if (data[0] & 32 && settings->kind == TRAINER_BPE) {
        settings->end_of_word_suffix = data[2] & 1 ? "</w>" : NULL;
        settings->continuing_subword_prefix = data[2] & 2 ? "##" : NULL;
    }
}

/* The trained tokenizer.json as text, NULL where there is nothing to train on. */
static char *train(const uint8_t *data, size_t size, size_t n_threads) {
    struct trainer_settings settings;
    struct trainer *trainer = NULL;
    json_t *untrained = NULL, *trained = NULL;
    bn_error err;
    read_settings(&settings, data);
    settings.n_threads = n_threads;
    FILE *corpus = size > 3 ? fmemopen((void *)(uintptr_t)(data + 3), size - 3, "rb") : fopen("/dev/null", "rb");
    require(corpus != NULL);
    bn_status status = trainer_ready_made(&settings, &untrained, &err);
    if (!status) status = trainer_create(untrained, &settings, &trainer, &err);
    if (!status) status = trainer_add_stream(trainer, corpus, "corpus", 0, &err);
    if (!status) status = trainer_train(trainer, &trained, &err);
    fclose(corpus);
    trainer_destroy(trainer);
    json_decref(untrained);
    trainer_settings_release(&settings);
    char *text = status ? NULL : json_dumps(trained, JSON_COMPACT);
    require(status || text != NULL);
    json_decref(trained);
    return text;
}

static void use(const char *json, const char *corpus, size_t size) {
    bn_tokenizer *tokenizer;
    bn_error err;
    int32_t *ids;
    size_t n;
    char *decoded;
    require(tokenizer_from_json(json, strlen(json), "trained", &tokenizer, &err) == BN_OK);
    require(bn_tokenizer_encode(tokenizer, corpus, size, NULL, &ids, &n, &err) == BN_OK);
    require(bn_tokenizer_decode(tokenizer, ids, n, false, &decoded, &size, &err) == BN_OK);
    bn_free(decoded);
    bn_free(ids);
    bn_tokenizer_close(tokenizer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 3 || size > 4096) return -1;
    char *once = train(data, size, 1);
    if (size % 16 == 0) { /* threads cost more than the training */
        char *threaded = train(data, size, 2);
        require(!once == !threaded && (!once || strcmp(once, threaded) == 0));
        free(threaded);
    }
    if (once) use(once, (const char *)data + 3, size - 3);
    free(once);
    return 0;
}
