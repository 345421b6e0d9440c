/* Server-sent events, against the rules and examples of the WHATWG HTML standard, section 9.2, however the bytes are cut. */
#include <string.h>

#include "test.h"

#include "base/buffer.h"
#include "net/sse.h"

/* What the handler saw: "name|data;" for each event. */
static bn_status note(void *context, const char *name, const char *data, size_t n, bn_error *err) {
    struct buffer *seen = context;
    (void)err;
    assert_int_equal(strlen(data), n);
    buffer_printf(seen, "%s|%s;", name, data);
    return BN_OK;
}

/* The events of a stream whose bytes come `step` at a time. */
static void assert_events(const char *stream, const char *expected) {
    size_t size = strlen(stream);
    for (size_t step = 1; step <= size + 1; step++) {
        struct sse_parser parser;
        struct buffer seen;
        bn_error err = {0};
        buffer_init(&seen);
        sse_init(&parser, 0);
        for (size_t at = 0; at < size; at += step) {
            size_t n = size - at < step ? size - at : step;
            assert_int_equal(sse_push(&parser, stream + at, n, note, &seen, &err), BN_OK);
        }
        assert_string_equal(seen.data ? seen.data : "", expected);
        buffer_release(&seen);
        sse_release(&parser);
    }
}

static void test_examples_of_the_standard(void **state) {
    (void)state;
    assert_events("data: YHOO\ndata: +2\ndata: 10\n\n", "message|YHOO\n+2\n10;");
    assert_events(": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
                  "message|first event;message|second event;message| third event;");
    assert_events("data\n\ndata\ndata\n\ndata:", "message|;message|\n;"); /* the last one is never complete */
    assert_events("data:test\n\ndata: test\n\n", "message|test;message|test;");
    assert_events("event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\n", "add|73857293;remove|2153;");
}

static void test_ends_of_lines(void **state) {
    (void)state;
    assert_events("data: a\r\n\r\ndata: b\r\rdata: c\n\n", "message|a;message|b;message|c;");
    assert_events("data: a\r\ndata: b\rdata: c\n\r\n", "message|a\nb\nc;");
    assert_events("\xEF\xBB\xBF"
                  "data: marked\n\n\xEF\xBB\xBF"
                  "data: not again\n\n",
                  "message|marked;");
    assert_events("event: only a name\n\ndata: x\n\n", "message|x;"); /* and the name is forgotten */
    assert_events("retry: 10\nunknown: field\ndata: [DONE]\n\n", "message|[DONE];");
}

static bn_status push_all(struct sse_parser *parser, const char *text, size_t n, size_t repeats, bn_error *err) {
    struct buffer seen;
    buffer_init(&seen);
    bn_status status = BN_OK;
    for (size_t i = 0; i < repeats && !status; i++) status = sse_push(parser, text, n, note, &seen, err);
    buffer_release(&seen);
    return status;
}

static void test_limits(void **state) {
    (void)state;
    static const char *const endless[] = {"x", "data: aaaaaaa\n", ": comment without an end "};
    for (size_t i = 0; i < sizeof endless / sizeof endless[0]; i++) {
        struct sse_parser parser;
        bn_error err = {0};
        sse_init(&parser, 1000);
        assert_int_equal(push_all(&parser, endless[i], strlen(endless[i]), 2000, &err), BN_STATUS_BAD_FILE);
        assert_non_null(strstr(err.message, "larger than 1000 bytes"));
        assert_true(parser.line.size <= 1000 && parser.data.size <= 1000);
        assert_int_equal(push_all(&parser, "\n\n", 2, 1, &err), BN_STATUS_BAD_FILE); /* and stays so */
        sse_release(&parser);
    }
}

static bn_status refuse(void *context, const char *name, const char *data, size_t n, bn_error *err) {
    size_t *calls = context;
    (void)name, (void)data, (void)n;
    ++*calls;
    return fail(err, BN_STATUS_CANCELLED, "enough");
}

static void test_the_handler_can_end_it(void **state) {
    (void)state;
    static const char stream[] = "data: 1\n\ndata: 2\n\n";
    struct sse_parser parser;
    bn_error err = {0};
    size_t calls = 0;
    sse_init(&parser, 0);
    assert_int_equal(sse_push(&parser, stream, sizeof stream - 1, refuse, &calls, &err), BN_STATUS_CANCELLED);
    assert_string_equal(err.message, "enough");
    assert_int_equal(calls, 1);
    sse_release(&parser);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples_of_the_standard),
        cmocka_unit_test(test_ends_of_lines),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_the_handler_can_end_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
