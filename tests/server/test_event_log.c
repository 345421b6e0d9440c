/* The log of events against a list that keeps everything. */
#include "server/event_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

enum { N = 20000, MAX_BYTES = 10000 };

struct heard {
    uint64_t next;
    const size_t *sizes;
};

static void make_event(char *out, uint64_t number, size_t size) {
    for (size_t i = 0; i < size; i++) out[i] = (char)('a' + (number + i) % 26);
}

static void hear(void *context, const char *text, size_t size) {
    struct heard *heard = context;
    static char expected[MAX_BYTES];
    assert_int_equal(size, heard->sizes[heard->next]);
    make_event(expected, heard->next, size);
    assert_memory_equal(text, expected, size);
    heard->next++;
}

static void keeps_the_last(void **state) {
    (void)state;
    static size_t sizes[N + 2];
    static char text[2 * MAX_BYTES];
    struct event_log log;
    uint32_t random = 1;
    event_log_init(&log, MAX_BYTES);
    assert_true(event_log_has(&log, 0));
    assert_false(event_log_has(&log, 1));
    for (uint64_t number = 1; number <= N; number++) {
        random = random * 1664525 + 1013904223;
        sizes[number] = number % 500 == 0 ? MAX_BYTES + 1 : (random >> 8) % (number % 7 ? 100 : 3000);
        make_event(text, number, sizes[number]);
        event_log_add(&log, text, sizes[number]);
        assert_int_equal(log.next, number + 1);
        assert_true(log.bytes.capacity < 4 * MAX_BYTES);
        size_t kept = 0;
        for (uint64_t i = log.first; i < log.next; i++) kept += sizes[i] + sizeof(size_t);
        assert_true(kept <= MAX_BYTES);
        if (log.first > 1 && number % 500) /* not one fewer than fit */
            assert_true(kept + sizes[log.first - 1] + sizeof(size_t) > MAX_BYTES || sizes[log.first - 1] > MAX_BYTES);
        if (number % 97) continue;
        for (uint64_t after = log.first - 1; after <= number; after += 1 + (number - log.first) / 3) {
            struct heard heard = {after + 1, sizes};
            assert_true(event_log_has(&log, after));
            event_log_each(&log, after, hear, &heard);
            assert_int_equal(heard.next, log.next);
        }
        assert_false(event_log_has(&log, log.next));
        if (log.first > 1) assert_false(event_log_has(&log, log.first - 2));
    }
    event_log_release(&log);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(keeps_the_last)};
    return cmocka_run_group_tests_name("event_log", tests, NULL, NULL);
}
