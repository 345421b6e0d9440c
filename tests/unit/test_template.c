/* The template engine's promises beyond what it renders: messages with a position, bounds that hold, memory that runs
 * out anywhere without leak or crash, one template for many threads. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "tokenizer/template/chat_template.h"

#include "test.h"

static json_t *conversation(void) {
    return json_pack("{s: [{s: s, s: s}, {s: s, s: s}], s: [i, i, i]}", "messages", "role", "user", "content",
                     " Grüezi ", "role", "assistant", "content", "hello", "xs", 3, 1, 2);
}

/* Parses and renders; the message of a failure is in err. */
static bn_status render(const char *source, const struct chat_template_limits *limits, struct buffer *out,
                        bn_error *err) {
    struct chat_template *template;
    json_t *input = conversation();
    struct chat_template_request request = {.input = input, .now = 0};
    if (limits) request.limits = *limits;
    bn_status status = chat_template_parse(source, strlen(source), "test", &template, err);
    if (status == BN_OK) {
        status = chat_template_render(template, &request, out, NULL, NULL, err);
        chat_template_destroy(template);
    }
    json_decref(input);
    return status;
}

static void expect_error(const char *source, const struct chat_template_limits *limits, const char *message) {
    struct buffer out;
    bn_error err;
    buffer_init(&out);
    bn_status status = render(source, limits, &out, &err);
    if (status == BN_OK) test_fail("%.60s: rendered, but an error was expected", source);
    if (!strstr(err.message, message)) test_fail("%.60s: '%s' lacks '%s'", source, err.message, message);
    assert_int_equal(out.size, 0);
    buffer_release(&out);
}

static void errors_name_line_and_column(void **state) {
    (void)state;
    expect_error("a\nb {{ 1 + }}", NULL, "line 2, column 10: expected an expression");
    expect_error("{% if x %}\n\nü{{ x.y.z }}{% else %}\n ö {{ 1 / 0 }}{% endif %}", NULL,
                 "line 4, column 9: division by zero");
    expect_error("{% for %}", NULL, "line 1, column 8");
    expect_error("a\n\n{{ raise_exception('no such role: ' ~ messages[0].role) }}", NULL,
                 "line 3, column 19: no such role: user");
    expect_error("{{ nothing.more }}", NULL, "'nothing' is undefined");
    expect_error("{% if 1 %}\n{% for x in xs %}\n{% endif %}", NULL, "line 3");
    expect_error("{{ xs | nope }}", NULL, "line 1, column 9: no such filter");
    expect_error("\xff", NULL, "not UTF-8");
}

static void bounds_hold(void **state) {
    (void)state;
    struct chat_template_limits steps = {.max_steps = 1000}, output = {.max_output_bytes = 10},
                                memory = {.max_memory_bytes = 100000}, depth = {.max_depth = 5};
    expect_error("{% for i in range(1000) %}{{ i }}{% endfor %}", &steps, "too many steps");
    expect_error("{{ 'abcdefghijk' }}", &output, "longer than 10 bytes");
    expect_error("{{ ('x' * 200000) | length }}", &memory, "more than 100000 bytes");
    expect_error("{% macro f(n) %}{{ f(n - 1) if n }}{% endmacro %}{{ f(9) }}", &depth, "more than 5 deep");
    struct buffer out;
    bn_error err;
    buffer_init(&out);
    assert_ok(render("{% macro f(n) %}{{ f(n - 1) if n }}{% endmacro %}{{ f(4) }}", &depth, &out, &err), err);
    assert_ok(render("{{ 'abcdefghij' }}", &output, &out, &err), err);
    assert_string_equal(out.data, "abcdefghij");
    buffer_release(&out);
}

/* before × n, middle, after × n: nested deeper than any stack would bear. */
static void nesting_is_refused(void **state) {
    (void)state;
    static const char *const shapes[][3] = {
        {"(", "1", ")"},     {"[", "1", "]"},           {"{1:", "1", "}"},    {"-", "1", ""},
        {"not ", "1", ""},   {"1 if 0 else ", "1", ""}, {"1 + ", "1", ""},    {"", "x", ".y"},
        {"", "x", "[0]"},    {"", "1", " | abs"},       {"range(", "1", ")"}, {"2 ** ", "1", ""},
        {"1 and ", "1", ""}, {"", "1", " is none"},     {"x[", "1", "]"},     {"x[1:", "1", "]"},
    };
    enum { DEPTH = 50000 };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        struct buffer source, out;
        bn_error err;
        buffer_init(&source);
        buffer_init(&out);
        buffer_append_text(&source, "{{ ");
        for (int j = 0; j < DEPTH; j++) buffer_append_text(&source, shapes[i][0]);
        buffer_append_text(&source, shapes[i][1]);
        for (int j = 0; j < DEPTH; j++) buffer_append_text(&source, shapes[i][2]);
        buffer_append_text(&source, " }}");
        assert_int_not_equal(render(source.data, NULL, &out, &err), BN_OK);
        buffer_release(&source);
        buffer_release(&out);
    }
    struct buffer blocks;
    buffer_init(&blocks);
    for (int j = 0; j < DEPTH; j++) buffer_append_text(&blocks, "{% for x in xs %}{% if x %}");
    expect_error(blocks.data, NULL, "nested too deeply");
    buffer_release(&blocks);
    expect_error(
        "{% set ns = namespace(l=[]) %}{% for i in range(9999) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l }}", NULL,
        "nested too deeply");
    expect_error("{% set ns = namespace(l=[]) %}{% for i in range(9999) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l "
                 "== [ns.l] }}"
                 "{{ ns.l | tojson }}",
                 NULL, "nested too deeply");
    expect_error(
        "{% set ns = namespace(l=[1]) %}{% for i in range(9999) %}{% set ns.l = ns.l | map('int') %}{% endfor %}"
        "{{ ns.l | list }}",
        NULL, "nested too deeply");
}

static const char FEATURES[] =
    "{% macro f(a, b='x') %}[{{ a }}{{ b }}{{ caller() if caller }}{{ kwargs }}{{ varargs }}]{% endmacro %}"
    "{% set ns = namespace(n=0, l=[], s='') %}"
    "{% for m in messages if m.role != 'none' %}{% set ns.n = ns.n + 2 ** 70 %}{% set ns.l = ns.l + [m.content | trim] "
    "%}"
    "{% set ns.s = ns.s ~ m.content %}{{ loop.index }}{{ loop.nextitem is defined }}{{ f(m.role, c=1) }}{% endfor %}"
    "{{ ns.n // 3 }}{{ ns.l | sort | join(', ') }}{{ messages | tojson(indent=2) }}{{ messages[0] }}"
    "{% call(x) f(1) %}{{ x }}{% endcall %}{% filter upper %}straße{% endfilter %}{% set b %}block{% endset %}{{ "
    "b[::-1] }}"
    "{{ '%5.1f|%s' % (2.25, [1, none]) }}{{ '{:>5}'.format('é') }}{{ xs | map('string') | join }}{{ xs | groupby(0) if "
    "false }}"
    "{{ {'a': 1, 'b': {'c': [1, 2]}} | dictsort }}{{ 'a b c'.split() }}{{ strftime_now('%Y') }}"
    "{% generation %}said{% endgeneration %}{% for x in [1, [2]] recursive %}{{ loop(x) if x is iterable else x }}{% "
    "endfor %}";

/* Every allocation of parsing and rendering refused in turn: always "no memory", never a crash or leak. */
static void memory_may_run_out_anywhere(void **state) {
    (void)state;
    json_t *input = conversation();
    size_t refused = 0;
    for (long n = 0;; n++) {
        struct chat_template *template = NULL;
        struct chat_template_span *spans = NULL;
        size_t n_spans = 0;
        struct chat_template_request request = {.input = input};
        struct buffer out;
        bn_error err;
        buffer_init(&out);
        mem_fail_after(n);
        bn_status status = chat_template_parse(FEATURES, sizeof FEATURES - 1, "test", &template, &err);
        if (!status) status = chat_template_render(template, &request, &out, &spans, &n_spans, &err);
        mem_fail_after(-1);
        chat_template_destroy(template);
        buffer_release(&out);
        if (status == BN_OK) {
            assert_int_equal(n_spans, 1);
            mem_free(spans);
            break;
        }
        assert_int_equal(status, BN_STATUS_NO_MEMORY);
        refused++;
    }
    assert_true(refused > 10);
    json_decref(input);
}

struct shared_work {
    const struct chat_template *template;
    char *prompt;
};

static void *render_often(void *context) {
    struct shared_work *work = context;
    for (int i = 0; i < 50; i++) {
        json_t *input = conversation();
        struct chat_template_request request = {.input = input};
        struct buffer out;
        buffer_init(&out);
        if (chat_template_render(work->template, &request, &out, NULL, NULL, NULL) != BN_OK) abort();
        mem_free(work->prompt);
        work->prompt = buffer_take(&out);
        json_decref(input);
    }
    return NULL;
}

static void threads_share_a_template(void **state) {
    (void)state;
    struct chat_template *template;
    bn_error err;
    pthread_t threads[4];
    struct shared_work work[4] = {0};
    assert_ok(chat_template_parse(FEATURES, sizeof FEATURES - 1, "test", &template, &err), err);
    for (int i = 0; i < 4; i++) {
        work[i].template = template;
        assert_int_equal(pthread_create(&threads[i], NULL, render_often, &work[i]), 0);
    }
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < 4; i++) {
        assert_string_equal(work[i].prompt, work[0].prompt);
        if (i) mem_free(work[i].prompt);
    }
    mem_free(work[0].prompt);
    chat_template_destroy(template);
}

/* Text and lists grown in a loop share their beginning: what was taken before must not change. */
static void growing_leaves_older_values_alone(void **state) {
    (void)state;
    struct buffer out;
    bn_error err;
    buffer_init(&out);
    assert_ok(render("{% set ns = namespace(s='x' * 300, l=[0]) %}{% set s = ns.s ~ 'a' %}{% set l = ns.l + [1] %}"
                     "{% set s2 = s ~ 'b' %}{% set s3 = s ~ 'c' %}{% set l2 = l + [2] %}{% set l3 = l + [3] %}"
                     "{{ s2[-3:] }} {{ s3[-3:] }} {{ s[-2:] }} {{ l2 }} {{ l3 }} {{ l }}",
                     NULL, &out, &err),
              err);
    assert_string_equal(out.data, "xab xac xa [0, 1, 2] [0, 1, 3] [0, 1]");
    buffer_release(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_name_line_and_column), cmocka_unit_test(bounds_hold),
        cmocka_unit_test(nesting_is_refused),          cmocka_unit_test(memory_may_run_out_anywhere),
        cmocka_unit_test(threads_share_a_template),    cmocka_unit_test(growing_leaves_older_values_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
