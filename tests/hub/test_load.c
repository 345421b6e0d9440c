/* What a load test asks: prompts of a seed are the same each time, as long as they should be, and share what they should. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "test.h"

#include "base/memory.h"
#include "bench/statistics.h"
#include "client/endpoint.h"
#include "client/prompts.h"

static size_t count_words(const char *text) {
    size_t n = *text != '\0';
    for (; *text; text++) n += *text == ' ';
    return n;
}

static struct prompt prompt_at(const struct prompts *prompts, size_t number) {
    struct prompt prompt;
    bn_error err = {0};
    assert_int_equal(prompts_at(prompts, number, &prompt, &err), BN_OK);
    return prompt;
}

static struct prompts *open_prompts(const struct prompts_options *options, const char *dataset) {
    struct prompts *prompts;
    bn_error err = {0};
    assert_int_equal(prompts_open(options, dataset, &prompts, &err), BN_OK);
    return prompts;
}

static void test_prompts_come_from_the_seed(void **state) {
    (void)state;
    const struct prompts_options options = {.input = {10, 30}, .output = {4, 9}, .abort_share = 0.25, .seed = 7};
    struct prompts_options other_seed = options;
    other_seed.seed = 8;
    struct prompts *one = open_prompts(&options, NULL), *again = open_prompts(&options, NULL),
                   *other = open_prompts(&other_seed, NULL);
    size_t n_leaving = 0, n_same = 0, shortest = SIZE_MAX, longest = 0;
    for (size_t i = 0; i < 400; i++) {
        struct prompt a = prompt_at(one, i), b = prompt_at(again, i), c = prompt_at(other, i);
        assert_string_equal(a.text, b.text);
        assert_true(a.max_tokens == b.max_tokens && a.leave_after == b.leave_after);
        size_t n = count_words(a.text);
        shortest = min_size(shortest, n);
        longest = n > longest ? n : longest;
        assert_in_range(a.max_tokens, 4, 9);
        assert_true(a.leave_after <= a.max_tokens / 2);
        n_leaving += a.leave_after != 0;
        n_same += strcmp(a.text, c.text) == 0;
        prompt_release(&a);
        prompt_release(&b);
        prompt_release(&c);
    }
    assert_int_equal(n_same, 0);
    assert_true(shortest == 10 && longest == 30);
    assert_in_range(n_leaving, 70, 130); /* 100 expected, deviation 8.7 */
    prompts_close(one);
    prompts_close(again);
    prompts_close(other);
}

static void test_beginnings_are_shared(void **state) {
    (void)state;
    const struct prompts_options options = {
        .input = {5, 5}, .output = {1, 1}, .prefix = 20, .n_prefixes = 2, .words_per_token = 0.5, .overhead_tokens = 1};
    struct prompts *prompts = open_prompts(&options, NULL);
    struct prompt a = prompt_at(prompts, 0), b = prompt_at(prompts, 1), c = prompt_at(prompts, 2);
    size_t same = 0, words = 0;
    while (a.text[same] == c.text[same]) words += a.text[same++] == ' ';
    assert_int_equal(count_words(a.text), 10 + 2); /* half as many words as tokens, and a token is the template's */
    assert_true(words >= 10);
    assert_true(strncmp(a.text, b.text, same) != 0);
    prompt_release(&a);
    prompt_release(&b);
    prompt_release(&c);
    prompts_close(prompts);
}

static void write_file(char *path, const char *text) {
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

static void test_prompts_of_a_file(void **state) {
    (void)state;
    char good[] = "/tmp/prompts-XXXXXX", bad[] = "/tmp/prompts-XXXXXX", empty[] = "/tmp/prompts-XXXXXX";
    const struct prompts_options options = {.input = {1, 1}, .output = {3, 3}};
    struct prompts *prompts;
    bn_error err = {0};
    write_file(
        good,
        "{\"prompt\": \"one\", \"max_tokens\": 5}\n\n{\"messages\": [{\"role\": \"user\", \"content\": \"two\"}]}");
    write_file(bad, "{\"prompt\": \"one\"}\n{\"text\": \"two\"}\n");
    write_file(empty, "\n \n");
    prompts = open_prompts(&options, good);
    struct prompt first = prompt_at(prompts, 0), second = prompt_at(prompts, 1), third = prompt_at(prompts, 2);
    assert_string_equal(first.text, "one");
    assert_int_equal(first.max_tokens, 5);
    assert_null(second.text);
    assert_int_equal(json_array_size(second.messages), 1);
    assert_int_equal(second.max_tokens, 3);
    assert_string_equal(third.text, "one"); /* from the start again */
    prompt_release(&first);
    prompt_release(&second);
    prompt_release(&third);
    prompts_close(prompts);
    assert_int_equal(prompts_open(&options, bad, &prompts, &err), BN_STATUS_BAD_FILE);
    assert_non_null(strstr(err.message, "line 2: needs 'prompt'"));
    assert_int_equal(prompts_open(&options, empty, &prompts, &err), BN_STATUS_BAD_FILE);
    assert_non_null(strstr(err.message, "no prompts"));
    unlink(good);
    unlink(bad);
    unlink(empty);
}

static void test_where_a_server_is(void **state) {
    (void)state;
    static const struct {
        const char *url, *base, *socket;
        bool private;
    } cases[] = {{"http://127.0.0.1:8080", "http://127.0.0.1:8080", NULL, true},
                 {"https://api.example/v1/", "https://api.example", NULL, true},
                 {"https://example.org/openai/v1", "https://example.org/openai", NULL, true},
                 {"localhost:80", "http://localhost:80", NULL, true},
                 {"http://example.org/", "http://example.org", NULL, false},
                 {"unix:/run/s.sock", "http://localhost", "/run/s.sock", true},
                 {"unix:///run/s.sock", "http://localhost", "/run/s.sock", true}};
    static const char *const bad[] = {"", "ftp://x", "unix:s.sock", "http://a b", "http://a\nb", "http://a?b"};
    struct endpoint endpoint;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(endpoint_init(&endpoint, cases[i].url, NULL, NULL, NULL), BN_OK);
        assert_string_equal(endpoint.base, cases[i].base);
        assert_int_equal(endpoint.socket != NULL, cases[i].socket != NULL);
        if (cases[i].socket) assert_string_equal(endpoint.socket, cases[i].socket);
        assert_int_equal(endpoint_is_private(&endpoint), cases[i].private);
        endpoint_release(&endpoint);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(endpoint_init(&endpoint, bad[i], NULL, NULL, NULL), BN_STATUS_BAD_ARGUMENT);
        endpoint_release(&endpoint);
    }
}

static void test_quantiles(void **state) {
    (void)state;
    const double values[] = {1, 2, 3, 4, 5}; /* as R's quantile() and numpy.percentile give them */
    assert_true(quantile(values, 5, 0.5) == 3 && quantile(values, 5, 0.9) == 4.6 && quantile(values, 5, 1) == 5);
    assert_true(quantile(values, 1, 0.99) == 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prompts_come_from_the_seed),
        cmocka_unit_test(test_beginnings_are_shared),
        cmocka_unit_test(test_prompts_of_a_file),
        cmocka_unit_test(test_where_a_server_is),
        cmocka_unit_test(test_quantiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
