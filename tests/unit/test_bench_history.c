/* The history of results: what is recorded comes back, and a regression of made-up numbers is found. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench/history.h"
#include "test.h"

/* A row with samples around `speed`. */
static json_t *row(const char *name, int threads, double speed, double spread) {
    json_t *samples = json_array();
    for (int i = -2; i <= 2; i++) json_array_append_new(samples, json_real(speed + spread * i));
    return json_pack("{s:s, s:i, s:f, s:s, s:o}", "name", name, "threads", threads, "tokens_per_second", speed, "model",
                     "made up", "samples", samples);
}

static json_t *two_rows(double prefill, double decode) {
    return json_pack("[o, o]", row("pp512", 2, prefill, 1), row("tg128", 2, decode, 0.1));
}

/* A database in a folder of its own, NULL when the program has no SQLite. */
static struct history *open_history(char *path, size_t size) {
    char folder[] = "/tmp/bitnet-history-XXXXXX";
    struct history *history;
    bn_error err = {0};
    assert_non_null(mkdtemp(folder));
    snprintf(path, size, "%s/history.db", folder);
    bn_status status = history_open(path, &history, &err);
    if (status == BN_STATUS_UNSUPPORTED) {
        print_message("skipped: built without SQLite\n");
        rmdir(folder);
        return NULL;
    }
    assert_ok(status, err);
    return history;
}

static void remove_history(char *path) {
    unlink(path);
    *strrchr(path, '/') = 0;
    rmdir(path);
}

static void record(struct history *history, const char *commit, const char *machine, json_t *rows) {
    bn_error err = {0};
    assert_ok(history_record(history, commit, machine, "0123456789abcdef", rows, &err), err);
    json_decref(rows);
}

static void test_round_trip(void **state) {
    (void)state;
    char path[100];
    bn_error err = {0};
    struct history *history = open_history(path, sizeof path);
    if (!history) return;
    record(history, "aaaa11", "machine", two_rows(200, 40));
    record(history, "it's \"b\"", "machine", two_rows(210, 41));
    history_close(history);
    assert_ok(history_open(path, &history, &err), err);
    json_t *rows, *runs;
    assert_ok(history_list(history, 10, &runs, &err), err);
    assert_int_equal(json_array_size(runs), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(runs, 0), "commit")), "it's \"b\"");
    assert_int_equal(json_integer_value(json_object_get(json_array_get(runs, 1), "results")), 2);
    assert_ok(history_rows(history, 0, "aaaa", &rows, &err), err); /* a name's beginning */
    assert_int_equal(json_array_size(rows), 2);
    json_t *first = json_array_get(rows, 0), *recorded = two_rows(200, 40);
    assert_true(json_equal(json_object_get(first, "samples"), json_object_get(json_array_get(recorded, 0), "samples")));
    assert_string_equal(json_string_value(json_object_get(first, "commit")), "aaaa11");
    assert_string_equal(json_string_value(json_object_get(first, "name")), "pp512");
    json_decref(recorded);
    json_decref(rows);
    assert_ok(history_rows(history, 2, NULL, &rows, &err), err);
    assert_true(json_number_value(json_object_get(json_array_get(rows, 1), "tokens_per_second")) == 41);
    json_decref(rows);
    json_decref(runs);
    history_close(history);
    remove_history(path);
}

static const char *verdict(const json_t *report, const char *name) {
    for (size_t i = 0; i < json_array_size(report); i++) {
        const json_t *entry = json_array_get(report, i);
        if (strcmp(json_string_value(json_object_get(entry, "name")), name) == 0)
            return json_string_value(json_object_get(entry, "verdict"));
    }
    return "absent";
}

static void test_regression(void **state) {
    (void)state;
    char path[100];
    bn_error err = {0};
    struct history *history = open_history(path, sizeof path);
    if (!history) return;
    record(history, "before", "machine", two_rows(200, 40));
    record(history, "before", "machine", two_rows(201, 40.1));
    record(history, "before", "other", two_rows(500, 90)); /* another machine: no comparison */
    json_t *after = two_rows(150, 40.05);
    json_array_append_new(after, row("tg128", 1, 20, 0.1)); /* nothing before */
    record(history, "after", "machine", after);
    json_t *old, *now;
    assert_ok(history_rows(history, 0, "before", &old, &err), err);
    assert_ok(history_rows(history, 0, "after", &now, &err), err);
    size_t n_slower;
    json_t *report = history_compare(old, now, &n_slower);
    assert_int_equal(json_array_size(report), 2);
    assert_int_equal(n_slower, 1);
    assert_string_equal(verdict(report, "pp512"), "slower");
    assert_string_equal(verdict(report, "tg128"), "same");
    assert_int_equal(json_integer_value(json_object_get(json_array_get(report, 0), "samples_before")), 10);
    json_decref(report);
    report = history_compare(now, old, &n_slower);
    assert_string_equal(verdict(report, "pp512"), "faster");
    assert_int_equal(n_slower, 0);
    json_decref(report);
    json_decref(old);
    json_decref(now);
    history_close(history);
    remove_history(path);
}

static void test_not_a_database(void **state) {
    (void)state;
    char path[] = "/tmp/bitnet-history-XXXXXX";
    struct history *history;
    bn_error err = {0};
    int file = mkstemp(path);
    assert_true(file >= 0 && write(file, "this is no database, though long enough to be taken for one\n", 60) == 60);
    close(file);
    assert_int_not_equal(history_open(path, &history, &err), BN_OK);
    assert_true(err.message[0] != 0);
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_regression),
        cmocka_unit_test(test_not_a_database),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
