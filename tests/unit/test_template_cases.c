/* Chat templates against their reference. Truth: transformers' apply_chat_template (the folders of tests/data/templates,
 * and all of SHARED_DATA/templates where that is present) and jinja2 itself (extra.jsonl, made by
 * tools/make_template_cases.py). Prompts must agree byte for byte, {% generation %} spans by code point; where the
 * reference fails, so must we. Hostile templates must end within their bounds. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "tokenizer/template/chat_template.h"

#include "test.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__OPTIMIZE__)
enum { SLOWNESS = 10 }; /* of instrumented and unoptimised builds */
#else
enum { SLOWNESS = 1 };
#endif
enum { MAX_FILE = 16 << 20, NOON = 12 * 3600 };

static size_t n_cases, n_failures;

static void complain(const char *where, size_t number, const char *expected, const char *got) {
    if (n_failures++ < 20)
        print_error("%s, case %zu\n  expected %.600s\n  got      %.600s\n", where, number, expected, got);
}

static int64_t clock_of(const json_t *test) {
    const char *text = json_string_value(json_object_get(test, "date"));
    struct tm tm = {.tm_hour = 12};
    if (!text) return NOON;
    const char *end = strptime(text, "%Y-%m-%d", &tm);
    if (end && *end == 'T') strptime(end + 1, "%H:%M:%S", &tm);
    return (int64_t)timegm(&tm);
}

/* What a file holds, NULL where there is none. */
static char *read_text(const char *folder, const char *name, size_t *size) {
    char path[1024], *data;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return file_read_all(path, MAX_FILE, &data, size, NULL) == BN_OK ? data : NULL;
}

static json_t *next_line(char **at) {
    char *line = *at, *end = strchr(line, '\n');
    if (!*line) return NULL;
    if (end) *end = 0;
    *at = end ? end + 1 : line + strlen(line);
    json_t *json = json_loads(line, JSON_ALLOW_NUL, NULL);
    if (!json) test_fail("the line isn't JSON: %.100s", line);
    return json;
}

/* Renders and compares with "prompt" or "error" of the case. */
static void check_prompt(const char *where, size_t number, const struct chat_template *template, const json_t *input,
                         const json_t *test) {
    struct buffer prompt;
    bn_error err = {0};
    struct chat_template_request request = {.input = input, .now = clock_of(test)};
    buffer_init(&prompt);
    n_cases++;
    bn_status status = chat_template_render(template, &request, &prompt, NULL, NULL, &err);
    const json_t *expected = json_object_get(test, "prompt");
    const char *got = status ? err.message : prompt.data;
    if ((status == BN_OK) != (expected != NULL))
        complain(where, number, expected ? json_string_value(expected) : "an error", got);
    else if (expected && (prompt.size != json_string_length(expected) ||
                          memcmp(prompt.data, json_string_value(expected), prompt.size) != 0))
        complain(where, number, json_string_value(expected), got);
    else if (status && strncmp(err.message, "line ", 5) != 0)
        complain(where, number, "a message with line and column", got);
    buffer_release(&prompt);
}

static void check_folder(const char *folder) {
    size_t size;
    char *source = read_text(folder, "template.jinja", &size), *cases = read_text(folder, "cases.jsonl", &(size_t){0});
    struct chat_template *template;
    bn_error err;
    if (!source || !cases) test_fail("%s: no template.jinja or cases.jsonl", folder);
    assert_ok(chat_template_parse(source, size, folder, &template, &err), err);
    size_t number = 0;
    char *at = cases;
    for (json_t *test; (test = next_line(&at)); json_decref(test)) check_prompt(folder, ++number, template, test, test);
    chat_template_destroy(template);
    mem_free(source);
    mem_free(cases);
}

static size_t code_points(const char *text, size_t n_bytes) {
    size_t n = 0;
    for (size_t i = 0; i < n_bytes; i++) n += ((unsigned char)text[i] & 0xc0) != 0x80;
    return n;
}

static void check_spans(const char *folder, const char *spans_file) {
    size_t size;
    char *source = read_text(folder, "template.jinja", &size), *cases = read_text(folder, "cases.jsonl", &(size_t){0});
    char *spans_text = read_text(folder, spans_file, &(size_t){0}), *at = spans_text, *case_at = cases;
    struct chat_template *template;
    bn_error err;
    json_int_t number = 0;
    assert_ok(chat_template_parse(source, size, folder, &template, &err), err);
    json_t *test = NULL;
    for (json_t *line; (line = next_line(&at)); json_decref(line)) {
        for (; number < json_integer_value(json_object_get(line, "case")); number++) {
            json_decref(test);
            test = next_line(&case_at);
        }
        struct buffer prompt;
        struct chat_template_span *spans;
        size_t n;
        struct chat_template_request request = {.input = test, .now = clock_of(test)};
        buffer_init(&prompt);
        assert_ok(chat_template_render(template, &request, &prompt, &spans, &n, &err), err);
        json_t *got = json_array();
        for (size_t i = 0; i < n; i++)
            json_array_append_new(got, json_pack("[I, I]", (json_int_t)code_points(prompt.data, spans[i].begin),
                                                 (json_int_t)code_points(prompt.data, spans[i].end)));
        if (!json_equal(got, json_object_get(line, "spans"))) {
            char *text = json_dumps(got, 0), *expected = json_dumps(line, 0);
            complain(folder, (size_t)number, expected, text);
            free(text);
            free(expected);
        }
        n_cases++;
        json_decref(got);
        mem_free(spans);
        buffer_release(&prompt);
    }
    json_decref(test);
    chat_template_destroy(template);
    mem_free(source);
    mem_free(cases);
    mem_free(spans_text);
}

static void check_hostile(const char *folder) {
    char *expected = read_text(folder, "expected.jsonl", &(size_t){0}), *at = expected;
    json_t *input = json_pack("{s: [{s: s, s: s}]}", "messages", "role", "user", "content", "hi");
    for (json_t *test; (test = next_line(&at)); json_decref(test)) {
        const char *name = json_string_value(json_object_get(test, "template"));
        bool may_render = strcmp(json_string_value(json_object_get(test, "expect")), "error") != 0;
        struct chat_template *template = NULL;
        struct buffer prompt;
        size_t size;
        bn_error err;
        char *source = read_text(folder, name, &size);
        struct chat_template_request request = {.input = input, .now = NOON};
        buffer_init(&prompt);
        clock_t begin = clock(); /* of this process: others may be busy too */
        bn_status status = chat_template_parse(source, size, name, &template, &err);
        if (!status) status = chat_template_render(template, &request, &prompt, NULL, NULL, &err);
        if (clock() - begin > 2 * CLOCKS_PER_SEC * SLOWNESS) complain(name, 0, "an end within 2 s", "more");
        const json_t *output = json_object_get(test, "output");
        if (status == BN_OK && (!may_render || prompt.size != json_string_length(output) ||
                                memcmp(prompt.data, json_string_value(output), prompt.size) != 0))
            complain(name, 0, may_render ? json_string_value(output) : "an error", prompt.data);
        n_cases++;
        chat_template_destroy(template);
        buffer_release(&prompt);
        mem_free(source);
    }
    json_decref(input);
    mem_free(expected);
}

static void check_all(const char *root) {
    DIR *directory = opendir(root);
    if (!directory) {
        print_message("%s is not there: skipped\n", root);
        skip();
    }
    n_cases = n_failures = 0;
    for (struct dirent *entry; (entry = readdir(directory));) {
        char folder[512];
        snprintf(folder, sizeof folder, "%s/%s", root, entry->d_name);
        char cases[600];
        snprintf(cases, sizeof cases, "%s/cases.jsonl", folder);
        if (strcmp(entry->d_name, "hostile") == 0)
            check_hostile(folder);
        else if (file_exists(cases))
            check_folder(folder);
        snprintf(cases, sizeof cases, "%s/generation.jsonl", folder);
        if (file_exists(cases)) check_spans(folder, "generation.jsonl");
    }
    closedir(directory);
    print_message("%zu cases\n", n_cases);
    assert_true(n_cases > 100);
    assert_int_equal(n_failures, 0);
}

static void families_render_as_transformers_does(void **state) {
    (void)state;
    check_all(TEST_DATA "/templates");
}

static void shared_families_render_as_transformers_does(void **state) {
    (void)state;
    check_all(SHARED_DATA "/templates");
}

/* The first line has the input of all. */
static void small_templates_render_as_jinja2_does(void **state) {
    (void)state;
    char *lines = read_text(TEST_DATA "/templates", "extra.jsonl", &(size_t){0}), *at = lines;
    json_t *first = next_line(&at), *input = json_object_get(first, "input");
    const int64_t january = 1769817600; /* 2026-01-31, as in the generator */
    json_t *date = json_pack("{s: s}", "date", "2026-01-31");
    assert_int_equal(clock_of(date), january + NOON);
    n_cases = n_failures = 0;
    for (json_t *test; (test = next_line(&at)); json_decref(test)) {
        json_t *source = json_object_get(test, "template");
        struct chat_template *template;
        bn_error err;
        json_object_set(test, "date", json_object_get(date, "date"));
        bn_status status =
            chat_template_parse(json_string_value(source), json_string_length(source), "extra", &template, &err);
        if (status == BN_OK) {
            check_prompt(json_string_value(source), n_cases, template, input, test);
            chat_template_destroy(template);
        } else if (json_object_get(test, "prompt")) {
            complain(json_string_value(source), n_cases, json_string_value(json_object_get(test, "prompt")),
                     err.message);
        } else {
            n_cases++;
        }
    }
    print_message("%zu cases\n", n_cases);
    assert_true(n_cases > 1000);
    assert_int_equal(n_failures, 0);
    json_decref(date);
    json_decref(first);
    mem_free(lines);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(families_render_as_transformers_does),
        cmocka_unit_test(shared_families_render_as_transformers_does),
        cmocka_unit_test(small_templates_render_as_jinja2_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
