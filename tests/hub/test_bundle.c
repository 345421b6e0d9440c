/* Bundles: what goes out comes in; what libarchive's own writer makes differently is refused by name. */
#include "test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

#include "base/file.h"
#include "base/folders.h"
#include "base/memory.h"
#include "registry/bundle.h"
#include "temporary_folder.h"

enum { BUNDLE_BYTES = 1 << 20 };

/* ---- writing bundles, good and bad ---- */

struct member {
    const char *path;
    unsigned type; /* 0: a plain file */
    const char *text;
};

/* A tar.zst in memory. */
static size_t write_members(const struct member *members, size_t n, char *out) {
    size_t used = 0;
    struct archive *archive = archive_write_new();
    assert_int_equal(archive_write_set_format_pax(archive), ARCHIVE_OK);
    assert_int_equal(archive_write_add_filter_zstd(archive), ARCHIVE_OK);
    assert_int_equal(archive_write_open_memory(archive, out, BUNDLE_BYTES, &used), ARCHIVE_OK);
    for (size_t i = 0; i < n; i++) {
        struct archive_entry *entry = archive_entry_new();
        bool file = members[i].type == 0;
        archive_entry_set_pathname(entry, members[i].path);
        archive_entry_set_filetype(entry, file ? AE_IFREG : members[i].type);
        archive_entry_set_perm(entry, 0644);
        archive_entry_set_size(entry, file ? (la_int64_t)strlen(members[i].text) : 0);
        if (members[i].type == AE_IFLNK) archive_entry_set_symlink(entry, members[i].text);
        assert_int_equal(archive_write_header(archive, entry), ARCHIVE_OK);
        if (file) archive_write_data(archive, members[i].text, strlen(members[i].text));
        archive_entry_free(entry);
    }
    assert_int_equal(archive_write_close(archive), ARCHIVE_OK);
    archive_write_free(archive);
    return used;
}

struct texts {
    char head[600], manifest[4000];
};

/* Manifests of a model of two files, "{}" and "weights". `path` replaces the name of the second, sha256 and size its own. */
static struct texts texts_of(const char *path, const char *sha256, size_t size) {
    struct texts texts;
    struct manifest manifest;
    char hex[SHA256_HEX_SIZE], id[SHA256_HEX_SIZE], *text;
    bn_error err = {0};
    manifest_init(&manifest);
    manifest.name = "m";
    manifest.version = 1;
    assert_ok(sha256_of("{}", 2, hex, &err), err);
    assert_ok(manifest_add_file(&manifest, "config.json", hex, 2, &err), err);
    assert_ok(sha256_of("weights", 7, hex, &err), err);
    assert_ok(manifest_add_file(&manifest, "model.safetensors", sha256 ? sha256 : hex, size, &err), err);
    assert_ok(manifest_complete(&manifest, &err), err);
    if (path) { /* as nobody but an attacker writes it: the hash of the list fits */
        char list[800];
        manifest.files[1].path = path;
        size_t n = 0;
        for (size_t i = 0; i < 2; i++)
            n += (size_t)snprintf(list + n, sizeof list - n, "%s %zu %s\n", manifest.files[i].sha256,
                                  (size_t)manifest.files[i].size, manifest.files[i].path);
        assert_ok(sha256_of(list, n, hex, &err), err);
        manifest.content = hex;
    }
    assert_ok(manifest_text(&manifest, &text, id, &err), err);
    snprintf(texts.manifest, sizeof texts.manifest, "%s", text);
    snprintf(texts.head, sizeof texts.head,
             "{\"format\": \"bitnet-bundle/1\", \"name\": \"m\", \"variant\": \"default\", \"id\": \"%s\"}", id);
    mem_free(text);
    manifest_release(&manifest);
    return texts;
}

static void expect(const struct member *members, size_t n, const char *message) {
    char *bytes = malloc(BUNDLE_BYTES);
    bn_error err = {0};
    bn_status status = bundle_check(bytes, write_members(members, n, bytes), &err);
    if (!message)
        assert_ok(status, err);
    else if (!status || !strstr(err.message, message))
        test_fail("expected '…%s…', got '%s'", message, status ? err.message : "success");
    free(bytes);
}

static void only_what_the_manifest_says_is_taken(void **state) {
    (void)state;
    const struct texts good = texts_of(NULL, NULL, 7);
    const struct member head = {"bundle.json", 0, good.head}, manifest = {"manifest.json", 0, good.manifest},
                        config = {"files/config.json", 0, "{}"}, weights = {"files/model.safetensors", 0, "weights"};
#define EXPECT(message, ...)                                                                                           \
    expect((const struct member[]){__VA_ARGS__}, sizeof((const struct member[]){__VA_ARGS__}) / sizeof(struct member), \
           message)
    EXPECT(NULL, head, manifest, config, weights);
    EXPECT(NULL, head, manifest, weights, config);
    EXPECT("'bundle.json' is expected", manifest, head, config, weights);
    EXPECT("'manifest.json' is expected", head, config, weights);
    EXPECT("'model.safetensors' is missing", head, manifest, config);
    EXPECT("is there twice", head, manifest, config, config, weights);
    EXPECT("isn't in the manifest", head, manifest, config, {"files/more", 0, "x"}, weights);
    EXPECT("isn't in the manifest", head, manifest, config, {"files/../../escape", 0, "x"}, weights);
    EXPECT("isn't in the manifest", head, manifest, config, {"/etc/passwd", 0, "x"}, weights);
    EXPECT("isn't in the manifest", head, manifest, {"config.json", 0, "{}"}, weights);
    EXPECT("isn't a plain file", head, manifest, config, {"files/model.safetensors", AE_IFLNK, "/etc/passwd"});
    EXPECT("isn't a plain file", head, manifest, config, {"files", AE_IFDIR, ""}, weights);
    EXPECT("isn't a plain file", head, manifest, config, {"files/model.safetensors", AE_IFCHR, ""});
    EXPECT("isn't a plain file", head, manifest, config, {"files/model.safetensors", AE_IFIFO, ""});
    EXPECT("its hash is another", head, manifest, config, {"files/model.safetensors", 0, "WEIGHTS"});
    EXPECT("another size", head, manifest, config, {"files/model.safetensors", 0, "weights and more"});
    EXPECT("isn't the one that bundle.json names", head, {"manifest.json", 0, "{}"}, config, weights);
    EXPECT("not of format", {"bundle.json", 0, "{\"format\": \"bitnet-bundle/2\"}"}, manifest);
    EXPECT("not valid JSON", {"bundle.json", 0, "{"}, manifest);
}

static void manifests_that_lead_out_are_refused(void **state) {
    (void)state;
    static const char *const paths[] = {"../x", "/x", "model/../../x", ".ssh", "x\ny", "x/"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        const struct texts bad = texts_of(paths[i], NULL, 7);
        char member[100];
        snprintf(member, sizeof member, "files/%s", paths[i]);
        const struct member members[] = {{"bundle.json", 0, bad.head},
                                         {"manifest.json", 0, bad.manifest},
                                         {"files/config.json", 0, "{}"},
                                         {member, 0, "weights"}};
        expect(members, 4, "isn't a file name that is accepted");
    }
}

/* Every byte of a bundle cut off or changed is noticed (zstd's checksum, tar's, the hashes). */
static void damage_is_noticed(void **state) {
    (void)state;
    const struct texts good = texts_of(NULL, NULL, 7);
    const struct member members[] = {{"bundle.json", 0, good.head},
                                     {"manifest.json", 0, good.manifest},
                                     {"files/config.json", 0, "{}"},
                                     {"files/model.safetensors", 0, "weights"}};
    char *bytes = malloc(BUNDLE_BYTES);
    size_t n = write_members(members, 4, bytes), n_refused = 0;
    for (size_t cut = 0; cut < n; cut += 7) /* of tar's closing blocks some may be missing */
        n_refused += bundle_check(bytes, cut, NULL) != BN_OK;
    assert_true(n_refused >= n / 7 - 8);
    for (size_t i = 0; i < n; i += 5) {
        bytes[i] ^= 0x10;
        bn_status status = bundle_check(bytes, n, NULL);
        assert_true(status == BN_OK || status == BN_STATUS_BAD_FILE || status == BN_STATUS_UNSUPPORTED);
        bytes[i] ^= 0x10;
    }
    free(bytes);
}

/* ---- through a registry ---- */

static void what_goes_out_comes_in(void **state) {
    (void)state;
    struct temporary_folder folder = temporary_folder_create();
    char home[300], source[300], file[300], other[300];
    snprintf(home, sizeof home, "%s/home", folder.path);
    snprintf(source, sizeof source, "%s/source", folder.path);
    snprintf(file, sizeof file, "%s/m.tar.zst", folder.path);
    snprintf(other, sizeof other, "%s/other", folder.path);
    mkdir(source, 0777);
    write_file(temporary_path(&folder, "source/config.json"), "{}", 2);
    char *weights = malloc(3000000);
    for (size_t i = 0; i < 3000000; i++) weights[i] = (char)(i * i >> 7);
    write_file(temporary_path(&folder, "source/model.safetensors"), weights, 3000000);
    struct registry *registry;
    struct model_version version, imported;
    struct model_reference reference;
    bool added;
    bn_error err = {0};
    const struct version_facts facts = {.name = "m", .license = "mit", .note = "noted"};
    assert_ok(registry_open(home, &registry, &err), err);
    /* files that say nothing of their kind in the first bytes: the registry doesn't look into staging */
    struct staging staging;
    assert_ok(staging_open(registry, &staging, &err), err);
    char command[1000];
    snprintf(command, sizeof command, "cp '%s'/* '%s'", source, staging.folder);
    assert_int_equal(system(command), 0);
    assert_ok(staging_commit(registry, &staging, &facts, NULL, &version, &added, &err), err);
    staging_discard(&staging);
    assert_ok(model_reference_parse("m", &reference, &err), err);
    assert_ok(bundle_export(registry, &reference, file, 3, NULL, &err), err);
    registry_close(registry);

    assert_ok(registry_open(other, &registry, &err), err);
    assert_ok(bundle_import(registry, file, "o/n", "q", NULL, &imported, &added, &err), err);
    assert_true(added);
    assert_string_equal(imported.name, "o/n");
    assert_string_equal(imported.variant, "q");
    assert_string_equal(imported.note, "noted");
    assert_string_equal(imported.manifest.license, "mit");
    assert_string_equal(imported.manifest.content, version.manifest.content);
    assert_string_equal(json_string_value(json_object_get(imported.manifest.origin, "imported_id")), version.id);
    snprintf(command, sizeof command, "diff -r '%s' '%s'", source, imported.folder);
    assert_int_equal(system(command), 0);
    model_version_release(&imported);
    assert_ok(bundle_import(registry, file, "o/n", "q", NULL, &imported, &added, &err), err);
    assert_false(added);
    model_version_release(&imported);
    registry_close(registry);
    model_version_release(&version);
    free(weights);
    temporary_folder_remove(&folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_the_manifest_says_is_taken),
        cmocka_unit_test(manifests_that_lead_out_are_refused),
        cmocka_unit_test(damage_is_noticed),
        cmocka_unit_test(what_goes_out_comes_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
