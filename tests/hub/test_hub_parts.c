/* The parts of net and hub that need no network: names, paths, URLs, what is selected, cards. */
#include <stdlib.h>
#include <string.h>

#include "test.h"

#include "base/memory.h"
#include "hub/card.h"
#include "hub/select.h"
#include "net/digest.h"
#include "net/http.h"

static void names(void **state) {
    (void)state;
    static const char *const good[] = {
        "a/b", "gpt2", "ada/model-1.5_x", "ada/m@main", "ada/m@refs/pr/1", "ada/m@v1.0:Q4_K_M", "ada/m:sub/file.gguf"};
    static const char *const bad[] = {"",           "a/b/c",    "/a",      "a/",       "-a/b",
                                      "a/b.",       "a--b/c",   "a/b@",    "a/b:",     "../a",
                                      "a/..b",      "a/b@../x", "a/b@a b", "a/b:../x", "a/b:/etc/x",
                                      "a/b@x.lock", "a/b@x//y", "a/b@-x",  "a\nb/c",   "a/b:x\\y"};
    struct hub_repo repo;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_int_equal(hub_repo_parse(good[i], &repo, NULL), BN_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_not_equal(hub_repo_parse(bad[i], &repo, NULL), BN_OK);
    assert_int_equal(hub_repo_parse("ada/m@refs/pr/1:Q4_K_M", &repo, NULL), BN_OK);
    assert_string_equal(repo.id, "ada/m");
    assert_string_equal(repo.revision, "refs/pr/1");
    assert_string_equal(repo.file, "Q4_K_M");
    assert_true(hub_repo_is_name("ada/m") && !hub_repo_is_name("gpt2"));
}

static void paths(void **state) {
    (void)state;
    char long_part[300];
    memset(long_part, 'x', sizeof long_part);
    long_part[299] = 0;
    const char *const bad[] = {"", "/a", "a//b", "a/", "..", "a/../b", "./a", "a/.", "a\\b", "a\nb", long_part};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(hub_check_path(bad[i], NULL), BN_STATUS_BAD_FILE);
    assert_int_equal(hub_check_path("a/b..c/.gitattributes", NULL), BN_OK);
}

static void urls(void **state) {
    (void)state;
    assert_true(url_same_origin("https://a.b/x", "https://A.B:443/y"));
    assert_false(url_same_origin("https://a.b/x", "http://a.b/x"));
    assert_false(url_same_origin("https://a.b/x", "https://a.b:8443/x"));
    assert_false(url_same_origin("https://a.b/x", "https://a.b.c/x"));
    assert_false(url_same_origin("https://a.b/x", "https://user@c.d/https://a.b/"));
    assert_true(url_is_private("https://a.b") && url_is_private("http://127.0.0.1:8") &&
                url_is_private("http://localhost/x"));
    assert_false(url_is_private("http://a.b"));
    assert_false(url_is_private("http://127.0.0.1.evil.example"));
    assert_false(url_is_private("http://127.evil.example"));
    struct buffer text;
    buffer_init(&text);
    url_append_path(&text, "a b/ü?#%");
    buffer_append_char(&text, ' ');
    url_append_query(&text, "a/b&c=d");
    assert_string_equal(text.data, "a%20b/%C3%BC%3F%23%25 a%2Fb%26c%3Dd");
    buffer_release(&text);
}

/* sha256sum and git hash-object say so */
static void digests(void **state) {
    (void)state;
    struct digest digest = {0};
    char text[SHA256_HEX_SIZE];
    assert_int_equal(digest_start(&digest, false, 3, NULL), BN_OK);
    digest_update(&digest, "abc", 3);
    digest_finish(&digest, text);
    assert_string_equal(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(digest_start(&digest, true, 0, NULL), BN_OK);
    digest_finish(&digest, text);
    assert_string_equal(text, "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
    digest_release(&digest);
}

/* ---- what a run needs ---- */

enum { MAX_LISTED = 16 };

/* The names of what is selected, joined by spaces. */
static const char *selected_of(const char *const *names, const char *variant) {
    static char joined[1000];
    struct hub_file files[MAX_LISTED] = {{0}};
    struct hub_listing listing = {.files = files};
    bool selected[MAX_LISTED] = {false};
    for (; names[listing.n_files]; listing.n_files++)
        files[listing.n_files].path = (char *)(uintptr_t)names[listing.n_files];
    joined[0] = 0;
    if (hub_select_for_running(&listing, variant, selected, NULL)) return "none";
    for (size_t i = 0; i < listing.n_files; i++)
        if (selected[i])
            snprintf(joined + strlen(joined), sizeof joined - strlen(joined), "%s%s", joined[0] ? " " : "", names[i]);
    return joined;
}

static void selection(void **state) {
    (void)state;
    static const char *const both[] = {"config.json",
                                       "model-00001-of-00002.safetensors",
                                       "model-00002-of-00002.safetensors",
                                       "model.safetensors.index.json",
                                       "pytorch_model.bin",
                                       "consolidated.safetensors",
                                       "optimizer.pt",
                                       NULL};
    assert_string_equal(
        selected_of(both, NULL),
        "config.json model-00001-of-00002.safetensors model-00002-of-00002.safetensors model.safetensors.index.json");
    static const char *const pickles[] = {"config.json", "flax_model.msgpack", "pytorch_model.bin",
                                          "tf_model.h5", "training_args.bin",  NULL};
    assert_string_equal(selected_of(pickles, NULL), "config.json pytorch_model.bin");
    static const char *const ggufs[] = {"README.md",
                                        "a-F16.gguf",
                                        "a-Q8_0.gguf",
                                        "b-Q4_K_M-00001-of-00002.gguf",
                                        "b-Q4_K_M-00002-of-00002.gguf",
                                        "mmproj-Q4_K_M.gguf",
                                        NULL};
    assert_string_equal(selected_of(ggufs, NULL),
                        "README.md b-Q4_K_M-00001-of-00002.gguf b-Q4_K_M-00002-of-00002.gguf");
    assert_string_equal(selected_of(ggufs, "q8_0"), "README.md a-Q8_0.gguf");
    assert_string_equal(selected_of(ggufs, "a-F16.gguf"), "README.md a-F16.gguf");
    assert_string_equal(selected_of(ggufs, "q2"), "none");
    static const char *const neither[] = {"README.md", "data.csv", NULL};
    assert_string_equal(selected_of(neither, NULL), "none");
}

/* ---- cards ---- */

static void cards(void **state) {
    (void)state;
    static const char text[] = "---\nlicense: mit\ntags:\n- a\n- 'yes'\nx:\n  m: 1\n  r: 0.5\n  z: null\n  t: true\n  "
                               "d: '2026-01-02'\n---\n# T\n";
    struct card card;
    char *again = NULL;
    assert_int_equal(card_parse(text, sizeof text - 1, &card, NULL), BN_OK);
    assert_string_equal(card.prose, "# T\n");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(card.metadata, "x"), "m")), 1);
    assert_int_equal(card_text(&card, &again, NULL), BN_OK);
    assert_string_equal(again, text);
    mem_free(again);
    card_release(&card);
    assert_int_equal(card_parse("# no metadata", 13, &card, NULL), BN_OK);
    assert_int_equal(json_object_size(card.metadata), 0);
    card_release(&card);
    static const char *const bad[] = {"---\na: [\n---\n",
                                      "---\na: 1\na: 2\n---\n",
                                      "---\na: !!python/object x\n---\n",
                                      "---\na: &b 1\nc: *b\n---\n",
                                      "---\n- a\n---\n",
                                      "---\n? [a]\n: b\n---\n",
                                      "---\na: 1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        bn_error error = {0};
        assert_int_equal(card_parse(bad[i], strlen(bad[i]), &card, &error), BN_STATUS_BAD_FILE);
        assert_true(error.message[0]);
    }
}

static void deep_cards(void **state) {
    (void)state;
    char text[400] = "---\na: ";
    struct card card;
    memset(text + 7, '[', 200);
    memset(text + 207, ']', 180);
    strcpy(text + 387, "\n---\n");
    assert_int_equal(card_parse(text, strlen(text), &card, NULL), BN_STATUS_BAD_FILE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),     cmocka_unit_test(paths), cmocka_unit_test(urls),       cmocka_unit_test(digests),
        cmocka_unit_test(selection), cmocka_unit_test(cards), cmocka_unit_test(deep_cards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
