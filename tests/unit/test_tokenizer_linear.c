/* Time that grows as the text does, whatever it is made of. Eight times the text takes eight times as long, some four
 * times that where it no longer fits into caches, but never sixty-four times. Bounds are on ratios of CPU time, the
 * least of several runs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "bitnet/tokenizer.h"
#include "test.h"
#include "tokenizer/template/chat_template.h"

enum { RUNS = 2, TIMES = 8, SHORT = 60000, SHORT_TEMPLATE = 30000 };
static const double MOST_RATIO = 45, LEAST_SECONDS = 0.02; /* below, the clock decides */

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static char *repeat(const char *part, size_t n_bytes, size_t *size) {
    size_t n = strlen(part), count = n_bytes / n;
    char *text = mem_alloc(count * n + 1);
    for (size_t i = 0; i < count; i++) memcpy(text + i * n, part, n);
    text[ *size = count * n] = '\0';
    return text;
}

static double encoding_time(const bn_tokenizer *tokenizer, const char *part, size_t n_bytes) {
    double best = 1e9;
    size_t size, n_ids;
    char *text = repeat(part, n_bytes, &size);
    for (int run = 0; run < RUNS; run++) {
        int32_t *ids;
        bn_error err;
        double start = seconds(), took;
        bn_status status = bn_tokenizer_encode(tokenizer, text, size, NULL, &ids, &n_ids, &err);
        took = seconds() - start;
        if (!status) bn_free(ids);
        if (took < best) best = took;
    }
    mem_free(text);
    return best;
}

static void check_ratio(const char *what, const char *part, double once, double longer) {
    if (longer < LEAST_SECONDS || longer < MOST_RATIO * once) return;
    print_error("%s, '%s' repeated: %.4f s, %d times as many %.4f s\n", what, part, once, TIMES, longer);
    assert_true(longer < MOST_RATIO * once);
}

static void test_texts(void **state) {
    static const char *const families[] = {"gpt2", "llama2", "t5-unigram", "bert-uncased"};
    static const char *const parts[] = {"a", "\xff", "\xcc\x81", "1", " ", "e\xcc\x81\xcc\xa7", "\xe6\xbc\xa2", "<s"};
    (void)state;
    for (size_t f = 0; f < sizeof families / sizeof *families; f++) {
        char path[512];
        bn_tokenizer *tokenizer;
        snprintf(path, sizeof path, TEST_DATA "/tokenizers/%s", families[f]);
        assert_int_equal(bn_tokenizer_open(path, &tokenizer, NULL), BN_OK);
        for (size_t p = 0; p < sizeof parts / sizeof *parts; p++)
            check_ratio(families[f], parts[p], encoding_time(tokenizer, parts[p], SHORT),
                        encoding_time(tokenizer, parts[p], TIMES * SHORT));
        bn_tokenizer_close(tokenizer);
    }
}

static double parsing_time(const char *part, size_t n_bytes) {
    double best = 1e9;
    size_t size;
    char *source = repeat(part, n_bytes, &size);
    for (int run = 0; run < RUNS; run++) {
        struct chat_template *template;
        bn_error err;
        double start = seconds(), took;
        bn_status status = chat_template_parse(source, size, "linear", &template, &err);
        took = seconds() - start;
        if (!status) chat_template_destroy(template);
        if (took < best) best = took;
    }
    mem_free(source);
    return best;
}

static void test_templates(void **state) {
    static const char *const parts[] = {"{",    "{{", "{{ a }}",   "{% if a %}", "{#",
                                        "{{ {", "(",  "{{ a.b|c(", "{%- raw %}", "{{ 'a' 'b' }}\n"};
    (void)state;
    for (size_t p = 0; p < sizeof parts / sizeof *parts; p++)
        check_ratio("template", parts[p], parsing_time(parts[p], SHORT_TEMPLATE),
                    parsing_time(parts[p], TIMES * SHORT_TEMPLATE));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_texts), cmocka_unit_test(test_templates)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
