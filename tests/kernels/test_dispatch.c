/* Choosing a table: names, what this CPU lacks, and the environment variable. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"

static void test_every_listed_table_can_be_selected(void **state) {
    (void)state;
    const struct kernels *table;
    bn_error err;
    size_t n = 0;
    assert_string_equal(kernels_name(0), "scalar");
    for (; kernels_name(n); n++) {
        assert_ok(kernels_select(kernels_name(n), &table, &err), err);
        assert_string_equal(table->name, kernels_name(n));
    }
    assert_null(kernels_name(n + 1));
}

/* No slot may be left empty by a table that forgets an operation. */
static void test_tables_are_complete(void **state) {
    (void)state;
    for (size_t i = 0; kernels_name(i); i++) {
        const struct kernels *table;
        void *slots[sizeof *table / sizeof(void *)];
        assert_int_equal(kernels_select(kernels_name(i), &table, NULL), BN_OK);
        memcpy(slots, table, sizeof slots);
        for (size_t s = 0; s < sizeof slots / sizeof *slots; s++) assert_non_null(slots[s]);
    }
}

static void test_refusals_say_why(void **state) {
    (void)state;
    const struct kernels *table = NULL;
    bn_error err;
    assert_int_equal(kernels_select("mmx", &table, &err), BN_STATUS_BAD_ARGUMENT);
    assert_non_null(strstr(err.message, "'mmx'"));
    assert_non_null(strstr(err.message, "avx512"));
    assert_int_equal(kernels_select(NULL, &table, &err), BN_STATUS_BAD_ARGUMENT);
#if defined(__x86_64__)
    const char *foreign = "neon";
#else
    const char *foreign = "avx2";
#endif
    assert_int_equal(kernels_select(foreign, &table, &err), BN_STATUS_UNSUPPORTED);
    assert_non_null(strstr(err.message, foreign));
    assert_null(table);
}

static void test_environment_overrides(void **state) {
    (void)state; /* set by main before anything was chosen */
    assert_string_equal(kernels_best()->name, "scalar");
    setenv("BITNET_ISA", "avx2", 1);
    assert_string_equal(kernels_best()->name, "scalar"); /* chosen once */
}

static void test_features_are_named(void **state) {
    (void)state;
    const char *text = kernels_cpu_features();
    assert_ptr_equal(text, kernels_cpu_features());
    const struct kernels *table;
    if (kernels_select("avx2", &table, NULL) == BN_OK) assert_non_null(strstr(text, "AVX2 FMA F16C"));
    if (kernels_select("neon", &table, NULL) == BN_OK) assert_non_null(strstr(text, "ASIMDDP"));
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_environment_overrides), cmocka_unit_test(test_every_listed_table_can_be_selected),
        cmocka_unit_test(test_tables_are_complete),   cmocka_unit_test(test_refusals_say_why),
        cmocka_unit_test(test_features_are_named),
    };
    setenv("BITNET_ISA", "scalar", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
