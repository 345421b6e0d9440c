/* The registry through its interface. Independent truths: the files that went in, sha256sum's answers, and what the
 * file system says about links. */
#include "test.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/folders.h"
#include "base/memory.h"
#include "registry/rebuild.h"
#include "registry/registry.h"
#include "temporary_folder.h"

/* ---- names ---- */

static void references_are_parsed(void **state) {
    (void)state;
    static const struct {
        const char *text, *name, *variant, *tag;
        size_t version;
    } good[] = {
        {"small", "small", "", "", 0},
        {"owner/small-1.5b_x", "owner/small-1.5b_x", "", "", 0},
        {"small@12", "small", "", "", 12},
        {"small@stable", "small", "", "stable", 0},
        {"small@1.0", "small", "", "1.0", 0},
        {"small:q8@2", "small", "q8", "", 2},
        {"o/small@2:q8", "o/small", "q8", "", 2},
    };
    static const char *const bad[] = {
        "",       "demo",   "/small", "small/",        "a/b/c",    "..",    "a..b",  "a--b",  ".a",
        "-a",     "a b",    "a@",     "a@0",           "a:",       "a@1@2", "a:b:c", "a@x y", "a\n",
        "a/../b", "a@1/..", "a:../b", "a@99999999999", "\xc3\xa4", "a@--x"};
    struct model_reference reference;
    bn_error err = {0};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_ok(model_reference_parse(good[i].text, &reference, &err), err);
        assert_string_equal(reference.name, good[i].name);
        assert_string_equal(reference.variant, good[i].variant);
        assert_string_equal(reference.tag, good[i].tag);
        assert_int_equal(reference.version, good[i].version);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (model_reference_parse(bad[i], &reference, &err) != BN_STATUS_BAD_ARGUMENT)
            test_fail("'%s' was taken for a name", bad[i]);
}

static void paths_stay_inside(void **state) {
    (void)state;
    static const char *const good[] = {"a", "model.gguf", "onnx/model.onnx", "a b", "\xc3\xa4.txt"};
    static const char *const bad[] = {"",    "/a",      "a/",   "a//b", "../a", "a/../b",           ".",
                                      "a/.", ".hidden", "a\\b", "a\nb", "\xff", "1/2/3/4/5/6/7/8/9"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) assert_true(version_path_valid(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (version_path_valid(bad[i])) test_fail("'%s' was taken for a path", bad[i]);
}

/* FIPS 180-2, appendix B; the million is B.3. */
static void hashes_are_sha256(void **state) {
    (void)state;
    char hex[SHA256_HEX_SIZE];
    bn_error err = {0};
    assert_ok(sha256_of("abc", 3, hex, &err), err);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    struct temporary_folder folder = temporary_folder_create();
    char *million = malloc(1000000);
    memset(million, 'a', 1000000);
    write_file(temporary_path(&folder, "a"), million, 1000000);
    uint64_t size;
    assert_ok(sha256_file(temporary_path(&folder, "a"), -1, NULL, hex, &size, &err), err);
    assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    assert_int_equal(size, 1000000);
    free(million);
    temporary_folder_remove(&folder);
}

/* ---- a registry with a model ---- */

struct fixture {
    struct temporary_folder folder;
    struct registry *registry;
    char home[300];
};

static int setup(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    bn_error err = {0};
    fixture->folder = temporary_folder_create();
    snprintf(fixture->home, sizeof fixture->home, "%s/home", fixture->folder.path);
    assert_ok(registry_open(fixture->home, &fixture->registry, &err), err);
    *state = fixture;
    return 0;
}

static int teardown(void **state) {
    struct fixture *fixture = *state;
    registry_close(fixture->registry);
    temporary_folder_remove(&fixture->folder);
    free(fixture);
    return 0;
}

/* A Hugging Face folder whose weights are `text` and whose tokenizer never changes. */
static void write_model(const char *folder, const char *text) {
    char path[600];
    mkdir(folder, 0777);
    snprintf(path, sizeof path, "%s/config.json", folder);
    write_file(path, "{}", 2);
    snprintf(path, sizeof path, "%s/tokenizer.json", folder);
    write_file(path, "{\"never\": \"changes\"}", 20);
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    write_file(path, text, strlen(text));
}

static size_t add(struct fixture *fixture, const char *name, const char *text) {
    const char *folder = temporary_path(&fixture->folder, "model");
    struct version_facts facts = {.name = name};
    struct model_version version;
    bool added;
    bn_error err = {0};
    write_model(folder, text);
    assert_ok(registry_add_copy(fixture->registry, folder, &facts, NULL, &version, &added, &err), err);
    size_t number = version.number;
    model_version_release(&version);
    return number;
}

static struct model_version find(struct fixture *fixture, const char *text) {
    struct model_reference reference;
    struct model_version version;
    bn_error err = {0};
    assert_ok(model_reference_parse(text, &reference, &err), err);
    assert_ok(registry_find(fixture->registry, &reference, &version, &err), err);
    return version;
}

static size_t found_number(struct fixture *fixture, const char *text) {
    struct model_version version = find(fixture, text);
    size_t number = version.number;
    model_version_release(&version);
    return number;
}

static bn_status change(struct fixture *fixture, const char *text, char what) {
    struct model_reference reference;
    struct model_version version = {0};
    size_t n;
    uint64_t freed;
    bn_error err = {0};
    assert_ok(model_reference_parse(text, &reference, &err), err);
    bn_status status = what == 'u'   ? registry_use(fixture->registry, &reference, &version, &err)
                       : what == 'b' ? registry_rollback(fixture->registry, &reference, &version, &err)
                                     : registry_remove(fixture->registry, &reference, &n, &freed, &err);
    model_version_release(&version);
    return status;
}

static void versions_are_copies_that_keep(void **state) {
    struct fixture *fixture = *state;
    assert_int_equal(add(fixture, "m", "one"), 1);
    assert_int_equal(add(fixture, "m", "two"), 2);
    assert_int_equal(add(fixture, "m", "one"), 1); /* the same content is the same version, in use again */
    assert_int_equal(found_number(fixture, "m"), 1);
    struct model_version version = find(fixture, "m@2");
    char *data, *path = path_join(version.folder, "model.safetensors");
    size_t size;
    bn_error err = {0};
    assert_ok(file_read_all(path, 100, &data, &size, &err), err);
    assert_string_equal(data, "two");
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0444);
    mem_free(path);
    mem_free(data);
    /* what both have is stored once: a link in each version and the blob */
    path = path_join(version.folder, "tokenizer.json");
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_nlink, 3);
    mem_free(path);
    model_version_release(&version);
}

static void switching_and_going_back(void **state) {
    struct fixture *fixture = *state;
    add(fixture, "m", "one");
    add(fixture, "m", "two");
    add(fixture, "m", "three");
    assert_int_equal(change(fixture, "m@1", 'u'), BN_OK);
    assert_int_equal(found_number(fixture, "m"), 1);
    assert_int_equal(change(fixture, "m", 'b'), BN_OK);
    assert_int_equal(found_number(fixture, "m"), 3);
    assert_int_equal(change(fixture, "m", 'b'), BN_OK);
    assert_int_equal(found_number(fixture, "m"), 2);
    assert_int_equal(change(fixture, "m@9", 'u'), BN_STATUS_NOT_FOUND);
    assert_int_equal(change(fixture, "m", 'u'), BN_STATUS_BAD_ARGUMENT);
    assert_int_equal(change(fixture, "m", 'b'), BN_OK);
    assert_int_equal(change(fixture, "m", 'b'), BN_STATUS_NOT_FOUND);
    assert_int_equal(found_number(fixture, "m"), 1);
}

static void removing_respects_users(void **state) {
    struct fixture *fixture = *state;
    add(fixture, "m", "one");
    add(fixture, "m", "two");
    assert_int_equal(change(fixture, "m@2", 'r'), BN_STATUS_BAD_ARGUMENT); /* in use by the name */
    struct model_reference reference;
    struct model_version version;
    int lease;
    bn_error err = {0};
    assert_ok(model_reference_parse("m@1", &reference, &err), err);
    assert_ok(registry_take(fixture->registry, &reference, &version, &lease, &err), err);
    assert_int_equal(change(fixture, "m@1", 'r'), BN_STATUS_BUSY); /* in use by somebody */
    assert_true(file_exists(version.path));
    close(lease);
    assert_int_equal(change(fixture, "m@1", 'r'), BN_OK);
    assert_false(file_exists(version.path));
    model_version_release(&version);
    assert_int_equal(add(fixture, "m", "one"), 3); /* numbers aren't used twice */
    assert_int_equal(change(fixture, "m", 'r'), BN_OK);
    /* no blob is left behind */
    char *blobs = path_join(fixture->home, "store/blobs");
    assert_ok(folder_visit(blobs, 0, NULL, NULL, &err), err);
    mem_free(blobs);
}

/* ---- after damage ---- */

static void check_rebuilt(struct fixture *fixture, size_t n_versions) {
    struct rebuild_report report;
    bn_error err = {0};
    registry_close(fixture->registry);
    fixture->registry = NULL;
    assert_ok(registry_rebuild(fixture->home, &report, &err), err);
    assert_int_equal(report.n_versions, n_versions);
    assert_ok(registry_open(fixture->home, &fixture->registry, &err), err);
    assert_int_equal(found_number(fixture, "m"), 1);
    assert_int_equal(found_number(fixture, "m@2"), 2);
    assert_int_equal(change(fixture, "m", 'b'), BN_OK);
    assert_int_equal(found_number(fixture, "m"), 2);
    assert_int_equal(change(fixture, "m@1", 'u'), BN_OK);
}

static void is_made_again_from_files(void **state) {
    struct fixture *fixture = *state;
    add(fixture, "m", "one");
    add(fixture, "m", "two");
    add(fixture, "o/n", "one");
    change(fixture, "m@1", 'u');
    check_rebuilt(fixture, 3);
    char *database = path_join(fixture->home, "registry.db");
    write_file(database, "this is no database, is it? It should say so at least", 53);
    check_rebuilt(fixture, 3);
    registry_close(fixture->registry);
    unlink(database);
    mem_free(database);
    bn_error err = {0};
    assert_ok(registry_open(fixture->home, &fixture->registry, &err), err); /* lost, and made again unasked */
    assert_int_equal(found_number(fixture, "o/n@1"), 1);
}

/* A version whose manifest was changed isn't trusted. */
static void damage_is_seen(void **state) {
    struct fixture *fixture = *state;
    add(fixture, "m", "one");
    struct model_version version = find(fixture, "m");
    char path[900];
    snprintf(path, sizeof path, "%s/../manifest.json", version.folder);
    chmod(path, 0644);
    FILE *stream = fopen(path, "a");
    fputs(" ", stream);
    fclose(stream);
    model_version_release(&version);
    struct rebuild_report report;
    bn_error err = {0};
    assert_ok(registry_rebuild(fixture->home, &report, &err), err);
    assert_int_equal(report.n_damaged, 1);
    assert_int_equal(report.n_versions, 0);
}

/* ---- several at once ---- */

struct worker {
    const char *home;
    int index;
    bn_error err;
    bn_status status;
};

static bn_status work_once(struct registry *registry, const struct worker *worker, int round, bn_error *err) {
    struct model_reference reference = {.name = "m"};
    struct model_version version = {0};
    struct version_facts facts = {.name = "m"};
    struct staging staging;
    bool added;
    int lease = -1;
    bn_status status = staging_open(registry, &staging, err);
    if (status) return status;
    char text[40];
    snprintf(text, sizeof text, "weights of %d in %d", worker->index, round);
    write_model(staging.folder, text);
    status = staging_commit(registry, &staging, &facts, NULL, &version, &added, err);
    staging_discard(&staging);
    model_version_release(&version);
    if (!status) status = registry_take(registry, &reference, &version, &lease, err);
    if (!status) {
        char hex[SHA256_HEX_SIZE], *path = path_join(version.folder, "model.safetensors");
        uint64_t size;
        status = sha256_file(path, -1, NULL, hex, &size, err);
        if (!status && strcmp(hex, version.manifest.files[1].sha256) != 0)
            status = fail(err, BN_STATUS_BAD_FILE, "%s: a mixture", path);
        mem_free(path);
        close(lease);
    }
    model_version_release(&version);
    return status;
}

static void *work(void *context) {
    struct worker *worker = context;
    struct registry *registry;
    worker->status = registry_open(worker->home, &registry, &worker->err);
    for (int round = 0; !worker->status && round < 2; round++)
        worker->status = work_once(registry, worker, round, &worker->err);
    if (!worker->status) registry_close(registry);
    return NULL;
}

static void threads_share_it(void **state) {
    struct fixture *fixture = *state;
    struct worker workers[4];
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        workers[i] = (struct worker){.home = fixture->home, .index = i};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < 4; i++) assert_ok(workers[i].status, workers[i].err);
    struct version_list list;
    bn_error err = {0};
    assert_ok(registry_list(fixture->registry, "m", NULL, &list, &err), err);
    assert_int_equal(list.n, 8);
    for (size_t i = 0; i < list.n; i++) assert_int_equal(list.items[i].number, i + 1);
    version_list_release(&list);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(references_are_parsed),
        cmocka_unit_test(paths_stay_inside),
        cmocka_unit_test(hashes_are_sha256),
        cmocka_unit_test_setup_teardown(versions_are_copies_that_keep, setup, teardown),
        cmocka_unit_test_setup_teardown(switching_and_going_back, setup, teardown),
        cmocka_unit_test_setup_teardown(removing_respects_users, setup, teardown),
        cmocka_unit_test_setup_teardown(is_made_again_from_files, setup, teardown),
        cmocka_unit_test_setup_teardown(damage_is_seen, setup, teardown),
        cmocka_unit_test_setup_teardown(threads_share_it, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
