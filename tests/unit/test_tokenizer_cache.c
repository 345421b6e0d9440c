/* The cache of compiled tokenizers: a large one is kept and found again, under any circumstances that a cache has to
 * live with: changed files, damaged entries, a folder that can't be written, several processes at once. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "gguf_builder.h"
#include "temporary_folder.h"
#include "test.h"
#include "tokenizer/pipeline.h"
#include "tokenizer/tokenizer.h"

enum { N_WORDS = 20000 };

static struct temporary_folder folder;
static char source[512], entries[512]; /* what is opened, and where the cache keeps it */

/* A vocabulary of words: token i is "w<i>", and the last one is `last`. */
static void write_words(const char *last) {
    struct buffer json;
    buffer_init(&json);
    buffer_append_text(&json,
                       "{\"pre_tokenizer\": {\"type\": \"WhitespaceSplit\"}, \"model\": {\"type\": \"WordLevel\", "
                       "\"unk_token\": \"w0\", \"vocab\": {");
    for (int i = 0; i < N_WORDS; i++) buffer_printf(&json, "\"w%d\": %d, ", i, i);
    buffer_printf(&json, "\"%s\": %d}}}", last, N_WORDS);
    write_file(source, json.data, json.size);
    buffer_release(&json);
    /* What changed a moment ago isn't cached yet. */
    nanosleep(&(struct timespec){.tv_nsec = 80000000}, NULL);
}

static bn_tokenizer *open_source(void) {
    bn_tokenizer *tokenizer = NULL;
    bn_error err = {0};
    assert_ok(bn_tokenizer_open(source, &tokenizer, &err), err);
    return tokenizer;
}

/* Opens the source: does it come from the cache, and does it know the word? */
static void expect(bool cached, const char *word) {
    bn_tokenizer *tokenizer = open_source();
    assert_int_equal(tokenizer->has_image, cached);
    assert_int_equal(bn_tokenizer_find(tokenizer, word), N_WORDS);
    int32_t *ids;
    size_t n;
    bn_error err = {0};
    assert_ok(bn_tokenizer_encode(tokenizer, "w19999 w7 nothing w1", 20, NULL, &ids, &n, &err), err);
    assert_int_equal(n, 4);
    assert_true(ids[0] == 19999 && ids[1] == 7 && ids[2] == 0 && ids[3] == 1);
    bn_free(ids);
    bn_tokenizer_close(tokenizer);
}

/* The number of entries; the name of one. */
static size_t count_entries(char *path, size_t size) {
    size_t n = 0;
    DIR *directory = opendir(entries);
    for (const struct dirent *entry; directory && (entry = readdir(directory));) {
        if (*entry->d_name == '.') continue;
        if (path) snprintf(path, size, "%s/%s", entries, entry->d_name);
        n++;
    }
    if (directory) closedir(directory);
    return n;
}

static int set_up(void **state) {
    (void)state;
    folder = temporary_folder_create();
    snprintf(source, sizeof source, "%s/tokenizer.json", folder.path);
    snprintf(entries, sizeof entries, "%s/cache/bitnet/tokenizers", folder.path);
    char cache[512];
    snprintf(cache, sizeof cache, "%s/cache", folder.path);
    setenv("XDG_CACHE_HOME", cache, 1);
    unsetenv("BITNET_NO_CACHE");
    write_words("last");
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    temporary_folder_remove(&folder);
    return 0;
}

static void test_found_again(void **state) {
    (void)state;
    expect(false, "last");
    expect(true, "last");
    assert_int_equal(count_entries(NULL, 0), 1);
    setenv("BITNET_NO_CACHE", "1", 1);
    expect(false, "last");
}

static void test_moved(void **state) {
    (void)state;
    expect(false, "last");
    char moved[500];
    snprintf(moved, sizeof moved, "%s/elsewhere", folder.path);
    assert_int_equal(mkdir(moved, 0700), 0);
    snprintf(moved, sizeof moved, "%s/elsewhere/tokenizer.json", folder.path);
    assert_int_equal(link(source, moved), 0);
    nanosleep(&(struct timespec){.tv_nsec = 80000000}, NULL);
    expect(false, "last"); /* the link changed the file's state */
    snprintf(source, sizeof source, "%s", moved);
    expect(true, "last"); /* the same file under another path */
}

static void test_stale(void **state) {
    (void)state;
    expect(false, "last");
    write_words("tsal"); /* of the same size */
    expect(false, "tsal");
    expect(true, "tsal");
    /* A file beside it that wasn't there before. */
    char config[600];
    static const char text[] = "{\"eos_token\": \"w5\"}";
    snprintf(config, sizeof config, "%s/tokenizer_config.json", folder.path);
    write_file(config, text, sizeof text - 1);
    nanosleep(&(struct timespec){.tv_nsec = 80000000}, NULL);
    expect(false, "tsal");
    expect(true, "tsal");
    bn_tokenizer *tokenizer = open_source();
    assert_int_equal(bn_tokenizer_eos(tokenizer), 5);
    bn_tokenizer_close(tokenizer);
}

static void test_just_changed(void **state) {
    (void)state;
    FILE *stream = fopen(source, "r+b");
    assert_non_null(stream);
    assert_int_equal(fputc('{', stream), '{');
    fclose(stream);
    expect(false, "last");
    assert_int_equal(count_entries(NULL, 0), 0);
}

static void test_damaged_entry(void **state) {
    (void)state;
    for (int damage = 0; damage < 5; damage++) {
        char path[1024];
        struct stat info;
        write_words("last");
        expect(false, "last");
        assert_int_equal(count_entries(path, sizeof path), 1);
        assert_int_equal(stat(path, &info), 0);
        int fd = open(path, O_RDWR);
        assert_true(fd >= 0);
        if (damage == 0) assert_int_equal(ftruncate(fd, info.st_size / 2), 0);
        if (damage == 1) assert_int_equal(ftruncate(fd, 0), 0);
        if (damage == 2) assert_int_equal(pwrite(fd, "\xff\xff\xff\xff", 4, 100), 4);  /* the description */
        if (damage == 3) assert_int_equal(pwrite(fd, "\x63", 1, 12), 1);               /* the version */
        if (damage == 4) assert_int_equal(pwrite(fd, "\0\0", 2, info.st_size / 2), 2); /* a table */
        close(fd);
        expect(false, "last"); /* ignored, and made again */
        expect(true, "last");
        unlink(path);
    }
}

static void test_unwritable(void **state) {
    (void)state;
    char cache[512];
    snprintf(cache, sizeof cache, "%s/cache", folder.path);
    write_file(cache, "", 0); /* a file where the folder should be: nobody can write there, not even root */
    expect(false, "last");
    expect(false, "last");
    setenv("XDG_CACHE_HOME", "/proc/nowhere", 1);
    expect(false, "last");
    unlink(cache);
    setenv("XDG_CACHE_HOME", cache, 1);
    expect(false, "last");
    assert_int_equal(chmod(entries, 0777), 0); /* others could have put something there */
    expect(false, "last");
    assert_int_equal(chmod(entries, 0500), 0); /* reading is enough to find */
    expect(true, "last");
    assert_int_equal(chmod(entries, 0700), 0);
}

/* ---- a model's vocabulary ---- */

static char gguf_path[512], last_notice[512];

static void take_notice(void *context, const char *line) {
    (void)context;
    snprintf(last_notice, sizeof last_notice, "%s", line);
}

/* As Llama 2 has it: pieces with scores. */
static void write_gguf(void) {
    struct buffer out;
    buffer_init(&out);
    put_header(&out, 3, 0, 3);
    put_value_text(&out, "tokenizer.ggml.model", "llama");
    put_array(&out, "tokenizer.ggml.tokens", GGUF_STRING, N_WORDS);
    for (int i = 0; i < N_WORDS; i++) {
        char word[16];
        snprintf(word, sizeof word, "w%d", i);
        put_text(&out, word);
    }
    put_array(&out, "tokenizer.ggml.scores", GGUF_F32, N_WORDS);
    for (int i = 0; i < N_WORDS; i++) put_f32(&out, (float)-i);
    pad_to(&out, 32);
    snprintf(gguf_path, sizeof gguf_path, "%s/model.gguf", folder.path);
    write_file(gguf_path, out.data, out.size);
    buffer_release(&out);
    nanosleep(&(struct timespec){.tv_nsec = 80000000}, NULL);
}

static void expect_gguf(bool cached) {
    struct gguf gguf;
    bn_tokenizer *tokenizer = NULL;
    bn_error err = {0};
    *last_notice = '\0';
    assert_ok(gguf_open(gguf_path, &gguf, &err), err);
    assert_ok(tokenizer_from_gguf(&gguf, take_notice, NULL, &tokenizer, &err), err);
    assert_int_equal(tokenizer->has_image, cached);
    assert_int_equal(bn_tokenizer_find(tokenizer, "w19999"), 19999);
    bn_tokenizer_close(tokenizer);
    gguf_close(&gguf);
}

static void test_gguf(void **state) {
    (void)state;
    write_gguf();
    expect_gguf(false);
    expect_gguf(true);
    assert_int_equal(count_entries(NULL, 0), 1);
    bn_tokenizer *tokenizer = NULL; /* the same entry for who wants the tokenizer alone */
    bn_error err = {0};
    assert_ok(bn_tokenizer_open(gguf_path, &tokenizer, &err), err);
    assert_true(tokenizer->has_image);
    bn_tokenizer_close(tokenizer);
    assert_int_equal(count_entries(NULL, 0), 1);
}

static void test_unwritable_is_said(void **state) {
    (void)state;
    write_gguf();
    setenv("XDG_CACHE_HOME", "/proc/nowhere", 1);
    expect_gguf(false);
    assert_non_null(strstr(last_notice, "/proc/nowhere/bitnet/tokenizers"));
    setenv("BITNET_NO_CACHE", "1", 1);
    expect_gguf(false);
    assert_null(strstr(last_notice, "/proc"));
}

static void test_many_processes(void **state) {
    (void)state;
    pid_t children[8];
    for (size_t i = 0; i < 8; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i]) continue;
        bool good = true;
        for (int round = 0; round < 5 && good; round++) {
            bn_tokenizer *tokenizer;
            if (bn_tokenizer_open(source, &tokenizer, NULL)) _exit(1);
            good = bn_tokenizer_find(tokenizer, "last") == N_WORDS && bn_tokenizer_find(tokenizer, "w77") == 77;
            bn_tokenizer_close(tokenizer);
        }
        _exit(good ? 0 : 1);
    }
    for (size_t i = 0; i < 8; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    assert_int_equal(count_entries(NULL, 0), 1);
    expect(true, "last");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_found_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_moved, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stale, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_just_changed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damaged_entry, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unwritable, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_gguf, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unwritable_is_said, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_processes, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
