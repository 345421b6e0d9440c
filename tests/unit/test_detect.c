/* Formats are told by content whatever the name says, what can't be read is refused with advice, and paths that aren't
 * files (pipes, devices, loops of links) are refused at once. */
#include "test.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/detect.h"
#include "temporary_folder.h"

#define BYTES(text) text, sizeof text - 1

static const struct {
    const char *what, *bytes;
    size_t n;
    bn_status status;
    enum file_kind kind; /* of BN_OK */
    const char *says;    /* of the others */
} files[] = {
    {"GGUF", BYTES("GGUF\3\0\0\0"), BN_OK, FILE_GGUF, ""},
    {"safetensors", BYTES("\2\0\0\0\0\0\0\0{}"), BN_OK, FILE_WEIGHTS, ""},
    {"safetensors whose length byte is '{'", BYTES("{\0\0\0\0\0\0\0{\"a\":"), BN_OK, FILE_WEIGHTS, ""},
    {"index", BYTES("{\"metadata\": {}, \"weight_map\": {}}"), BN_OK, FILE_WEIGHTS, ""},
    {"empty", BYTES(""), BN_STATUS_BAD_FILE, 0, "empty"},
    {"one byte", BYTES("G"), BN_STATUS_BAD_FILE, 0, "not a model file"},
    {"other JSON", BYTES("{\"a\": 1}"), BN_STATUS_BAD_FILE, 0, "not a model file"},
    {"text", BYTES("hello there, this is text"), BN_STATUS_BAD_FILE, 0, "not a model file"},
    {"zip of torch.save", BYTES("PK\3\4........"), BN_OK, FILE_WEIGHTS, ""},
    {"legacy torch.save", BYTES("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."), BN_OK, FILE_WEIGHTS, ""},
    {"a pickle that calls os.system",
     BYTES("\x80\x02"
           "cposix\nsystem\nX\2\0\0\0id\x85R."),
     BN_STATUS_UNSUPPORTED, 0, "can contain code"},
    {"pickle of a dictionary", BYTES("\x80\x04}."), BN_STATUS_UNSUPPORTED, 0, "can contain code"},
    {"framed pickle", BYTES("\x80\x04\x95\x0a\0\0\0\0\0\0\0}."), BN_STATUS_UNSUPPORTED, 0, "can contain code"},
    {"ggml", BYTES("lmgg\1\0\0\0"), BN_STATUS_UNSUPPORTED, 0, "before GGUF"},
    {"ggmf", BYTES("fmgg\1\0\0\0"), BN_STATUS_UNSUPPORTED, 0, "before GGUF"},
    {"ggjt", BYTES("tjgg\1\0\0\0"), BN_STATUS_UNSUPPORTED, 0, "before GGUF"},
    {"ggla", BYTES("algg\1\0\0\0"), BN_STATUS_UNSUPPORTED, 0, "before GGUF"},
    {"ONNX", BYTES("\x08\x08\x12\x07pytorch\x1a\x03"), BN_STATUS_UNSUPPORTED, 0, "ONNX"},
    {"gzip", BYTES("\x1f\x8b\x08\0"), BN_STATUS_UNSUPPORTED, 0, "gzip"},
};

static void content_tells(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct temporary_folder folder = temporary_folder_create();
        const char *path = temporary_path(&folder, "model.bin"); /* says nothing */
        write_file(path, files[i].bytes, files[i].n);
        enum file_kind kind;
        bn_error err = {0};
        bn_status status = file_kind_detect(path, &kind, &err);
        bool right = status == files[i].status &&
                     (status ? strstr(err.message, files[i].says) && strstr(err.message, path) : kind == files[i].kind);
        if (!right) test_fail("%s: got '%s': %s", files[i].what, bn_status_name(status), err.message);
        temporary_folder_remove(&folder);
    }
}

static void expect_refused(const char *path, bn_status expected, const char *says) {
    enum file_kind kind;
    bn_error err = {0};
    bn_status status = file_kind_detect(path, &kind, &err);
    if (status != expected || !strstr(err.message, says)) {
        test_fail("%s: got '%s': %s", path, bn_status_name(status), err.message);
    }
}

static void tar_archives(void **state) {
    (void)state;
    struct temporary_folder folder = temporary_folder_create();
    char block[512] = "pickle";
    memcpy(block + 257, "ustar", 5);
    write_file(temporary_path(&folder, "a.tar"), block, sizeof block);
    expect_refused(temporary_path(&folder, "a.tar"), BN_STATUS_UNSUPPORTED, "tar archive");
    temporary_folder_remove(&folder);
}

static void folders(void **state) {
    (void)state;
    struct temporary_folder folder = temporary_folder_create();
    expect_refused(folder.path, BN_STATUS_BAD_FILE, "without config.json");
    write_file(temporary_path(&folder, "config.json"), "{}", 2);
    expect_refused(folder.path, BN_STATUS_BAD_FILE, "without weights");
    write_file(temporary_path(&folder, "pytorch_model.bin"), "PK", 2);
    enum file_kind kind = FILE_GGUF;
    bn_error err = {0};
    assert_ok(file_kind_detect(folder.path, &kind, &err), err);
    assert_int_equal(kind, FILE_HF_FOLDER);
    temporary_folder_remove(&folder);
}

static void paths_that_are_no_files(void **state) {
    (void)state;
    struct temporary_folder folder = temporary_folder_create();
    expect_refused(temporary_path(&folder, "nothing"), BN_STATUS_NOT_FOUND, "No such file");
    expect_refused("/dev/zero", BN_STATUS_BAD_FILE, "device");
    assert_int_equal(mkfifo(temporary_path(&folder, "fifo"), 0600), 0);
    expect_refused(temporary_path(&folder, "fifo"), BN_STATUS_BAD_FILE, "pipe"); /* without waiting for a writer */
    assert_int_equal(symlink("loop", temporary_path(&folder, "loop")), 0);
    expect_refused(temporary_path(&folder, "loop"), BN_STATUS_IO, "symbolic links");
    if (geteuid() != 0) { /* root may read everything */
        write_file(temporary_path(&folder, "secret"), "GGUF", 4);
        assert_int_equal(chmod(temporary_path(&folder, "secret"), 0), 0);
        expect_refused(temporary_path(&folder, "secret"), BN_STATUS_IO, "denied");
    }
    temporary_folder_remove(&folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(content_tells),
        cmocka_unit_test(tar_archives),
        cmocka_unit_test(folders),
        cmocka_unit_test(paths_that_are_no_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
