/* Every allocation of a training refused in turn, for each kind of vocabulary: each must end in BN_STATUS_NO_MEMORY with
 * everything released (LeakSanitizer checks that in the sanitizer build). */
#include "test.h"

#include <stdio.h>

#include "base/memory.h"
#include "tokenizer/train.h"

static bn_status train(enum trainer_kind kind, FILE *corpus, json_t **trained, bn_error *err) {
    struct trainer_settings settings;
    struct trainer *trainer = NULL;
    json_t *untrained = NULL;
    trainer_settings_init(&settings, kind);
    settings.vocab_size = 60;
    settings.n_threads = 1;
    if (kind == TRAINER_BPE) settings.end_of_word_suffix = "</w>";
    bn_status status = trainer_ready_made(&settings, &untrained, err);
    if (!status) status = trainer_create(untrained, &settings, &trainer, err);
    if (!status) status = trainer_add_stream(trainer, corpus, "corpus", 0, err);
    if (!status) status = trainer_train(trainer, trained, err);
    trainer_destroy(trainer);
    json_decref(untrained);
    trainer_settings_release(&settings);
    return status;
}

static void test_train(void **state) {
    (void)state;
    static char text[] = "the cat sat on the mat\nthe hat that the cat had\na cat, a hat\n";
    for (enum trainer_kind kind = TRAINER_BPE; kind <= TRAINER_WORDLEVEL; kind++) {
        for (long n = 0;; n++) {
            json_t *trained = NULL;
            bn_error err = {0};
            FILE *corpus = fmemopen(text, sizeof text - 1, "rb");
            assert_non_null(corpus);
            mem_fail_after(n);
            bn_status status = train(kind, corpus, &trained, &err);
            mem_fail_after(-1);
            fclose(corpus);
            if (status == BN_OK) {
                json_decref(trained);
                if (n < 10) test_fail("kind %d: trained with %ld allocations", (int)kind, n);
                break;
            }
            if (status != BN_STATUS_NO_MEMORY) test_fail("kind %d, allocation %ld: %s", (int)kind, n, err.message);
            assert_null(trained);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_train)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
