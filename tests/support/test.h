/* cmocka with what it needs before it, and without its macro `fail`, which is our error function's name. */
#ifndef TESTS_SUPPORT_TEST_H
#define TESTS_SUPPORT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#undef fail
#undef fail_msg

/* Fails the running test with a message. */
#define test_fail(...)                                                                                                 \
    do {                                                                                                               \
        print_error(__VA_ARGS__);                                                                                      \
        print_error("\n");                                                                                             \
        _fail(__FILE__, __LINE__);                                                                                     \
    } while (0)

/* A call that must succeed; its bn_error is shown when it doesn't. */
#define assert_ok(status, err)                                                                                         \
    do {                                                                                                               \
        bn_status assert_ok_status = (status);                                                                         \
        if (assert_ok_status) test_fail("%s: %s", bn_status_name(assert_ok_status), (err).message);                    \
    } while (0)

#endif
