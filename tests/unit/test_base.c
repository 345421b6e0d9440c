/* The bottom layer against its specifications: RFC 3629 for UTF-8, IEEE 754 for halves (all 65,536 of them), brute force
 * for the map, and the promises of file.h about files that are written whole or not at all. */
#include "test.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/file.h"
#include "base/half.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/reader.h"
#include "base/string_map.h"
#include "base/utf8.h"
#include "base/work_folder.h"

static void utf8_round_trips_every_scalar(void **state) {
    (void)state;
    for (uint32_t c = 0; c < 0x110000; c++) {
        if (c >= 0xd800 && c < 0xe000) continue;
        char text[4];
        uint32_t back = 0;
        size_t n = utf8_encode(c, text);
        assert_int_equal(utf8_decode(text, n, &back), n);
        assert_int_equal(back, c);
        for (size_t cut = 1; cut < n; cut++) assert_int_equal(utf8_incomplete_tail(text, cut), cut);
        assert_int_equal(utf8_incomplete_tail(text, n), 0);
    }
}

static void utf8_refuses(void **state) {
    (void)state;
    /* text, and the bytes of its first maximal ill-formed subpart (Unicode, conformance D93b) */
    static const struct {
        const char *text;
        int bad;
    } cases[] = {
        {"\x80", -1},         {"\xc0\x80", -1},         {"\xc1\xbf", -1},     {"\xe0\x80\x80", -1},
        {"\xed\xa0\x80", -1}, {"\xf4\x90\x80\x80", -1}, {"\xf5\x80", -1},     {"\xff", -1},
        {"\xe2\x82", -2},     {"\xf0\x9f\x98", -3},     {"\xf0\x9f\x41", -2}, {"\xc3", -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t c;
        assert_int_equal(utf8_decode(cases[i].text, strlen(cases[i].text), &c), cases[i].bad);
        assert_false(utf8_valid(cases[i].text, strlen(cases[i].text)));
    }
    assert_int_equal(utf8_incomplete_tail("\xe0\x80", 2), 0); /* nothing can complete this */
    assert_int_equal(utf8_incomplete_tail("abc\xf0\x9f", 5), 2);
}

static void halves_widen_exactly(void **state) {
    (void)state;
    for (uint32_t h = 0; h < 0x10000; h++) {
        int exponent = h >> 10 & 31, fraction = h & 1023;
        float got = f16_to_f32((uint16_t)h);
        if (exponent == 31) {
            assert_true(fraction ? isnan(got) : isinf(got));
        } else {
            double want = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
            assert_true((double)fabsf(got) == want && !signbit(got) == !(h & 0x8000));
            assert_int_equal(f32_to_f16(got), h);
            assert_int_equal(f32_to_bf16(bf16_to_f32((uint16_t)h)), h);
        }
    }
}

/* Nearest-even against the two neighbours, in double. */
static void halves_narrow_to_nearest_even(void **state) {
    (void)state;
    uint32_t bits = 12345;
    for (int i = 0; i < 2000000; i++) {
        bits = bits * 1664525u + 1013904223u;
        float x = f32_from_bits(bits);
        if (!isfinite(x)) continue;
        uint16_t h = f32_to_f16(x);
        float magnitude = fabsf(x);
        if (magnitude >= 65520.0f) {
            assert_int_equal(h & 0x7fff, 0x7c00);
            continue;
        }
        uint16_t m = h & 0x7fff;
        double error = fabs((double)f16_to_f32(m) - magnitude);
        double above = m < 0x7bff ? fabs((double)f16_to_f32(m + 1) - magnitude) : INFINITY;
        double below = m > 0 ? fabs((double)f16_to_f32(m - 1) - magnitude) : INFINITY;
        assert_true(error < above || (error == above && m % 2 == 0));
        assert_true(error < below || (error == below && m % 2 == 0));
    }
}

static void map_finds_what_was_put_in(void **state) {
    (void)state;
    enum { N = 5000 };
    static char keys[N][12];
    struct string_map map;
    assert_true(string_map_init(&map, 3));
    for (uint32_t i = 0; i < N; i++) {
        snprintf(keys[i], sizeof keys[i], "k%u", i * 7919u);
        assert_int_equal(string_map_insert(&map, keys[i], strlen(keys[i]), i), 1);
    }
    assert_int_equal(string_map_insert(&map, "", 0, 77), 1);
    for (uint32_t i = 0; i < N; i++) {
        uint32_t value = N;
        assert_true(string_map_find(&map, keys[i], strlen(keys[i]), &value));
        assert_int_equal(value, i);
        assert_int_equal(string_map_insert(&map, keys[i], strlen(keys[i]), 1), 0);
    }
    uint32_t value;
    assert_true(string_map_find(&map, "", 0, &value) && value == 77);
    assert_false(string_map_find(&map, "k", 1, &value));
    string_map_release(&map);
}

static void reader_fails_sticky(void **state) {
    (void)state;
    struct reader r = reader_over("\x01\x02\x03\x04\x05", 5);
    assert_int_equal(read_u32(&r, "first"), 0x04030201);
    assert_int_equal(read_u16(&r, "second"), 0);
    assert_string_equal(r.failed_field, "second");
    assert_int_equal(read_u8(&r, "third"), 0); /* would fit, but the reader has failed */
    assert_null(reader_take(&r, UINT64_MAX, "fourth"));
    assert_string_equal(r.failed_field, "second");
}

static void arena_is_aligned_and_zeroed(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena);
    for (size_t n = 0; n < 3000; n += 37) {
        unsigned char *p = arena_alloc(&arena, n);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % (n >= 64 ? 64 : 16), 0);
        for (size_t i = 0; i < n; i++) assert_int_equal(p[i], 0);
        memset(p, 0xff, n);
    }
    assert_null(arena_alloc_array(&arena, SIZE_MAX / 2, 3));
    assert_string_equal(arena_strndup(&arena, "abcdef", 3), "abc");
    arena_release(&arena);
}

/* Blocks of many megabytes come from the system and not from malloc: used side by side, zero, none over another. */
static void large_arena_blocks_are_zeroed(void **state) {
    (void)state;
    static const size_t sizes[] = {5 << 20, 100, (4 << 20) + 1, 3 << 20, 33 << 20, 64};
    struct arena arena;
    arena_init(&arena);
    unsigned char *p[6];
    for (size_t i = 0; i < 6; i++) {
        p[i] = arena_alloc(&arena, sizes[i]);
        assert_non_null(p[i]);
        assert_int_equal((uintptr_t)p[i] % 64, 0);
        for (size_t k = 0; k < sizes[i]; k++)
            if (p[i][k]) test_fail("byte %zu of %zu isn't zero", k, sizes[i]);
        memset(p[i], (int)i + 1, sizes[i]);
    }
    for (size_t i = 0; i < 6; i++) assert_true(p[i][0] == i + 1 && p[i][sizes[i] - 1] == i + 1);
    arena_release(&arena);
    assert_null(mem_map(SIZE_MAX - HUGE_PAGE_BYTES));
    unsigned char *table = mem_map(3);
    assert_non_null(table);
    assert_int_equal((uintptr_t)table % HUGE_PAGE_BYTES, 0);
    mem_unmap(table, 3);
}

static void buffer_builds_text(void **state) {
    (void)state;
    struct buffer b;
    buffer_init(&b);
    buffer_printf(&b, "%d-%s|", 42, "x");
    buffer_append_json_string(&b, "a\"\\\n\x01\xff\xc3\xa9", 8);
    assert_string_equal(b.data, "42-x|\"a\\\"\\\\\\n\\u0001\xef\xbf\xbd\xc3\xa9\"");
    mem_fail_after(0);
    for (int i = 0; i < 100; i++) buffer_append_text(&b, "0123456789");
    assert_true(b.failed);
    mem_fail_after(-1);
    buffer_release(&b);
}

static char *temporary_folder(void) {
    static char path[64];
    snprintf(path, sizeof path, "/tmp/bitnet-test-XXXXXX");
    assert_non_null(mkdtemp(path));
    return path;
}

static void files_are_written_whole_or_not(void **state) {
    (void)state;
    const char *folder = temporary_folder();
    char *path = path_join(folder, "out");
    bn_error err = {0};
    struct atomic_file file;
    assert_ok(atomic_file_open(path, &file, &err), err);
    fputs("first", file.stream);
    assert_false(file_exists(path)); /* not before commit */
    assert_ok(atomic_file_commit(&file, &err), err);

    assert_ok(atomic_file_open(path, &file, &err), err);
    fputs("second, given up", file.stream);
    atomic_file_abort(&file);
    char *text;
    size_t size;
    assert_ok(file_read_all(path, 100, &text, &size, &err), err);
    assert_string_equal(text, "first");
    mem_free(text);
    assert_int_equal(file_read_all(path, 4, &text, &size, &err), BN_STATUS_BAD_FILE);

    struct mapped_file mapped;
    assert_int_equal(mapped_file_open(folder, &mapped, &err), BN_STATUS_BAD_FILE);
    assert_non_null(strstr(err.message, "directory"));
    assert_int_equal(mapped_file_open("/nonexistent/file", &mapped, &err), BN_STATUS_NOT_FOUND);
    assert_int_equal(atomic_file_open("/nonexistent/file", &file, &err), BN_STATUS_NOT_FOUND);
    char *fifo = path_join(folder, "fifo");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(mapped_file_open(fifo, &mapped, &err), BN_STATUS_BAD_FILE);
    unlink(fifo);
    unlink(path);
    assert_int_equal(rmdir(folder), 0); /* no temporary file was left */
    mem_free(fifo);
    mem_free(path);
}

/* Runs work in a process that kills itself afterwards. */
static void run_and_kill(void (*work)(const char *path), const char *path) {
    pid_t child = fork();
    if (child == 0) {
        work(path);
        raise(SIGKILL);
    }
    int result = 0;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_true(WIFSIGNALED(result) && WTERMSIG(result) == SIGKILL);
}

static void half_write(const char *path) {
    struct atomic_file file;
    if (atomic_file_open(path, &file, NULL)) _exit(1);
    fputs("half", file.stream);
    fflush(file.stream);
}

static void what_is_killed_leaves_no_file(void **state) {
    (void)state;
    const char *folder = temporary_folder();
    int nameless = open(folder, O_TMPFILE | O_WRONLY, 0600);
    if (nameless < 0) skip();
    close(nameless);
    char *path = path_join(folder, "out");
    run_and_kill(half_write, path);
    assert_int_equal(rmdir(folder), 0);
    mem_free(path);
}

static void half_work(const char *path) {
    struct work_folder making;
    if (work_folder_create(path, &making, NULL)) _exit(1);
    char *inside = path_join(making.path, "part");
    if (file_write_all(inside, "half", 4, NULL)) _exit(1);
}

static void what_is_killed_is_swept(void **state) {
    (void)state;
    bn_error err = {0};
    const char *folder = temporary_folder();
    char *path = path_join(folder, "out"), *foreign = path_join(folder, "out.0123abcd.parts");
    struct work_folder one, other;
    assert_int_equal(mkdir(foreign, 0700), 0);
    run_and_kill(half_work, path);
    assert_int_equal(rmdir(folder), -1);
    assert_ok(work_folder_create(path, &one, &err), err);
    assert_ok(work_folder_create(path, &other, &err), err); /* leaves the first, which is in use */
    assert_true(file_is_directory(one.path) && file_is_directory(other.path));
    assert_int_equal(rename(other.path, path), 0);
    work_folder_release(&one);
    work_folder_release(&other);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(foreign), 0); /* not ours: still there */
    assert_int_equal(rmdir(folder), 0);  /* nothing else is */
    assert_int_equal(work_folder_create("/nonexistent/out", &one, &err), BN_STATUS_IO);
    mem_free(path);
    mem_free(foreign);
}

static void reopened_is_the_same_file(void **state) {
    (void)state;
    const char *folder = temporary_folder();
    char *path = path_join(folder, "out");
    bn_error err = {0};
    struct mapped_file mapped;
    char text[6] = {0};
    int fd;
    assert_ok(file_write_all(path, "first", 5, &err), err);
    assert_ok(mapped_file_open(path, &mapped, &err), err);
    assert_true(mapped_file_reopen(&mapped, &fd));
    assert_int_equal(pread(fd, text, 5, 0), 5);
    assert_string_equal(text, "first");
    close(fd);
    assert_ok(file_write_all(path, "other", 5, &err), err);
    assert_false(mapped_file_reopen(&mapped, &fd));
    assert_memory_equal(mapped.data, "first", 5);
    unlink(path);
    assert_false(mapped_file_reopen(&mapped, &fd));
    mapped_file_close(&mapped);
    assert_int_equal(rmdir(folder), 0);
    mem_free(path);
}

static void full_disk_keeps_the_old_file(void **state) {
    (void)state;
    if (access("/dev/full", W_OK)) skip();
    bn_error err = {0};
    struct atomic_file file;
    const char *folder = temporary_folder();
    char *path = path_join(folder, "out");
    assert_ok(atomic_file_open(path, &file, &err), err);
    file.stream = freopen("/dev/full", "wb", file.stream); /* every write from now on: no space left on device */
    assert_non_null(file.stream);
    fputs("data", file.stream);
    assert_int_equal(atomic_file_commit(&file, &err), BN_STATUS_IO);
    assert_non_null(strstr(err.message, "No space left"));
    assert_false(file_exists(path));
    assert_int_equal(rmdir(folder), 0);
    mem_free(path);
}

static void json_names_what_is_wrong(void **state) {
    (void)state;
    bn_error err = {0};
    json_t *value;
    assert_int_equal(json_parse("{\"a\":1,\"a\":2}", 13, "x.json", &value, &err), BN_STATUS_BAD_FILE);
    assert_non_null(strstr(err.message, "x.json"));
    const char *text = "{\"n\": 5, \"s\": \"t\", \"z\": null}";
    assert_ok(json_parse(text, strlen(text), "x.json", &value, &err), err);
    size_t n = 9;
    assert_ok(json_get_size(value, "absent", 0, 10, &n, &err), err);
    assert_ok(json_get_size(value, "z", 0, 10, &n, &err), err);
    assert_int_equal(n, 9);
    assert_ok(json_get_size(value, "n", 0, 10, &n, &err), err);
    assert_int_equal(n, 5);
    assert_int_equal(json_get_size(value, "n", 6, 10, &n, &err), BN_STATUS_BAD_FILE);
    assert_int_equal(json_get_size(value, "s", 0, 10, &n, &err), BN_STATUS_BAD_FILE);
    assert_non_null(strstr(err.message, "'s'"));
    json_decref(value);

    const char *big =
        "[1000000000000000019884624838656, -99999999999999999999, 9223372036854775807, \"99999999999999999999\", 1e30]";
    assert_ok(json_parse(big, strlen(big), "big.json", &value, &err), err);
    assert_true(json_integer_value(json_array_get(value, 0)) == INT64_MAX);
    assert_true(json_integer_value(json_array_get(value, 1)) == -INT64_MAX);
    assert_true(json_integer_value(json_array_get(value, 2)) == INT64_MAX);
    assert_string_equal(json_string_value(json_array_get(value, 3)), "99999999999999999999");
    assert_true(json_real_value(json_array_get(value, 4)) == 1e30);
    json_decref(value);

    assert_int_equal(json_parse_exactly(big, strlen(big), "big.json", &value, &err), BN_STATUS_UNSUPPORTED);
    assert_string_equal(err.message, "big.json: a number beyond 64 bits at line 1, column 32: write it as a string");
    assert_int_equal(json_parse_exactly("[1", 2, "x.json", &value, &err), BN_STATUS_BAD_FILE);
    assert_ok(json_parse_exactly(text, strlen(text), "x.json", &value, &err), err);
    json_decref(value);
}

static void messages_are_printable(void **state) {
    (void)state;
    bn_error err;
    fail(&err, BN_STATUS_BAD_FILE, "name '%s'", "a\x1b[31m\n\xff");
    assert_string_equal(err.message, "name 'a?[31m?"
                                     "?'");
    error_prefix(&err, "file %s", "f");
    assert_string_equal(err.message, "file f: name 'a?[31m?"
                                     "?'");
    char longer[2000];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    fail(&err, BN_STATUS_BAD_FILE, "%s", longer);
    error_prefix(&err, "%s", longer);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_round_trips_every_scalar),
        cmocka_unit_test(utf8_refuses),
        cmocka_unit_test(halves_widen_exactly),
        cmocka_unit_test(halves_narrow_to_nearest_even),
        cmocka_unit_test(map_finds_what_was_put_in),
        cmocka_unit_test(reader_fails_sticky),
        cmocka_unit_test(arena_is_aligned_and_zeroed),
        cmocka_unit_test(large_arena_blocks_are_zeroed),
        cmocka_unit_test(buffer_builds_text),
        cmocka_unit_test(files_are_written_whole_or_not),
        cmocka_unit_test(what_is_killed_leaves_no_file),
        cmocka_unit_test(what_is_killed_is_swept),
        cmocka_unit_test(reopened_is_the_same_file),
        cmocka_unit_test(full_disk_keeps_the_old_file),
        cmocka_unit_test(json_names_what_is_wrong),
        cmocka_unit_test(messages_are_printable),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
