/* Every allocation of the readers and the writer refused in turn: each must end in BN_STATUS_NO_MEMORY with everything
 * released (LeakSanitizer checks that in the sanitizer build) and, for the writer, no file left behind. What jansson
 * allocates isn't counted: it is tested by its own project. */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "formats/checkpoint.h"
#include "formats/detect.h"
#include "formats/gguf.h"
#include "formats/safetensors.h"
#include "gguf_builder.h"
#include "temporary_folder.h"

/* Calls `attempt` with allocation 0, 1, 2, … refused until it succeeds. */
static void refuse_each(const char *what, bn_status (*attempt)(const void *context, bn_error *err),
                        const void *context) {
    for (long n = 0;; n++) {
        bn_error err = {0};
        mem_fail_after(n);
        bn_status status = attempt(context, &err);
        mem_fail_after(-1);
        if (status == BN_OK) {
            if (n == 0) test_fail("%s: succeeded with its first allocation refused", what);
            return;
        }
        if (status != BN_STATUS_NO_MEMORY) {
            test_fail("%s, allocation %ld: '%s': %s", what, n, bn_status_name(status), err.message);
        }
    }
}

static bn_status parse_gguf(const void *context, bn_error *err) {
    const struct buffer *b = context;
    struct gguf gguf;
    bn_status status = gguf_parse((const uint8_t *)b->data, b->size, "built", &gguf, err);
    if (!status) gguf_close(&gguf);
    return status;
}

static bn_status open_gguf(const void *context, bn_error *err) {
    struct gguf gguf;
    bn_status status = gguf_open(context, &gguf, err);
    if (!status) gguf_close(&gguf);
    return status;
}

static bn_status open_safetensors(const void *context, bn_error *err) {
    struct tensor_set set;
    bn_status status = safetensors_open(context, &set, err);
    if (!status) tensor_set_release(&set);
    return status;
}

static bn_status open_checkpoint(const void *context, bn_error *err) {
    struct tensor_set set;
    bn_status status = checkpoint_open(context, &set, err);
    if (!status) status = tensor_set_materialize(&set, err);
    tensor_set_release(&set);
    return status;
}

static bn_status detect(const void *context, bn_error *err) {
    enum file_kind kind;
    return file_kind_detect(context, &kind, err);
}

/* 300 values and tensors, so that the arena's and the maps' growth is met too. */
static void gguf_from_memory(void **state) {
    (void)state;
    struct buffer b;
    buffer_init(&b);
    put_header(&b, 3, 300, 301);
    for (int i = 0; i < 300; i++) {
        char key[64];
        snprintf(key, sizeof key, "a.key.of.some.length.to.fill.the.arena.%d", i);
        put_value_u32(&b, key, 1);
    }
    put_array(&b, "strings", 8, 2), put_text(&b, "a"), put_text(&b, "b");
    for (uint64_t i = 0; i < 300; i++) {
        char name[64];
        snprintf(name, sizeof name, "tensor.%u.weight", (unsigned)i);
        put_tensor(&b, name, 1, (uint64_t[]){8}, 0, 32 * i);
    }
    pad_to(&b, 32);
    put_zeros(&b, 300 * 32);
    refuse_each("gguf_parse", parse_gguf, &b);
    buffer_release(&b);
}

static void put_part(const struct temporary_folder *folder, const char *name, uint32_t number) {
    struct buffer b;
    buffer_init(&b);
    put_header(&b, 3, 1, 2);
    put_value_u32(&b, "split.no", number);
    put_value_u32(&b, "split.count", 2);
    put_tensor(&b, number ? "b" : "a", 1, (uint64_t[]){1}, 0, 0);
    pad_to(&b, 32);
    put_f32(&b, 1);
    write_file(temporary_path(folder, name), b.data, b.size);
    buffer_release(&b);
}

static void split_gguf(void **state) {
    (void)state;
    struct temporary_folder folder = temporary_folder_create();
    put_part(&folder, "m-00001-of-00002.gguf", 0);
    put_part(&folder, "m-00002-of-00002.gguf", 1);
    refuse_each("gguf_open", open_gguf, temporary_path(&folder, "m-00001-of-00002.gguf"));
    temporary_folder_remove(&folder);
}

static void torch_and_onnx_files(void **state) {
    (void)state;
    refuse_each("zip", open_checkpoint, TEST_DATA "/torch/kinds.bin");
    refuse_each("older form", open_checkpoint, TEST_DATA "/torch/kinds-legacy.bin");
    refuse_each("onnx", open_checkpoint, TEST_DATA "/onnx/quantised.onnx");
    refuse_each("external data", open_checkpoint, TEST_DATA "/onnx/external.onnx");
}

static void sharded_safetensors(void **state) {
    (void)state;
    struct temporary_folder folder = temporary_folder_create();
    const char *index = "{\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"two.safetensors\"}}";
    for (int i = 0; i < 2; i++) {
        char header[128];
        snprintf(header, sizeof header, "{\"%s\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
                 i ? "b" : "a");
        struct buffer b;
        buffer_init(&b);
        put_text(&b, header);
        put_u8(&b, 0);
        write_file(temporary_path(&folder, i ? "two.safetensors" : "one.safetensors"), b.data, b.size);
        buffer_release(&b);
    }
    write_file(temporary_path(&folder, "config.json"), "{}", 2);
    write_file(temporary_path(&folder, "model.safetensors.index.json"), index, strlen(index));
    refuse_each("one shard", open_safetensors, temporary_path(&folder, "one.safetensors"));
    refuse_each("all shards", open_safetensors, temporary_path(&folder, "model.safetensors.index.json"));
    refuse_each("a folder's kind", detect, folder.path);
    temporary_folder_remove(&folder);
}

static bn_status decode(const void *context, bn_error *err) {
    float values[12 * 128];
    return tensor_decode_all(context, values, err);
}

static void decoding_i2s(void **state) {
    (void)state;
    struct gguf gguf;
    bn_error err = {0};
    assert_ok(gguf_open(TEST_DATA "/blocks/i2_s-x86-128/i2_s-x86-128.gguf", &gguf, &err), err);
    refuse_each("tensor_decode_all", decode, &gguf.set.tensors[0]);
    gguf_close(&gguf);
}

static bn_status emit_one(struct gguf_writer *writer, const struct gguf_tensor_source *source, bn_error *err) {
    (void)source;
    return gguf_writer_emit(writer, "1234", 4, err);
}

static bn_status write_gguf(const void *context, bn_error *err) {
    const struct gguf_string items[] = {{"a", 1}, {"b", 1}};
    const struct gguf_tensor_source source = {.name = "t", .n_dims = 1, .shape = {1}, .write = emit_one};
    struct gguf_writer *writer;
    bn_status status = gguf_writer_create(32, &writer, err);
    if (status) return status;
    status = gguf_writer_set_u32(writer, "u32", 1, err);
    if (!status) status = gguf_writer_set_strings(writer, "strings", items, 2, err);
    if (!status) status = gguf_writer_add_tensor(writer, &source, err);
    if (!status) status = gguf_writer_finish(writer, context, err);
    gguf_writer_destroy(writer);
    return status;
}

static void writing_gguf(void **state) {
    (void)state;
    struct temporary_folder folder = temporary_folder_create();
    const char *path = temporary_path(&folder, "new.gguf");
    refuse_each("gguf_writer", write_gguf, path);
    assert_int_equal(remove(path), 0);
    assert_int_equal(remove(folder.path), 0); /* nothing else was left in it */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gguf_from_memory),     cmocka_unit_test(split_gguf),   cmocka_unit_test(sharded_safetensors),
        cmocka_unit_test(torch_and_onnx_files), cmocka_unit_test(decoding_i2s), cmocka_unit_test(writing_gguf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
