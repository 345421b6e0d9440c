/* Telling file formats apart by their first bytes: a name's ending proves nothing. For formats that aren't read the
 * message says what to do instead. */
#include "formats/detect.h"

#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "formats/checkpoint.h"
#include "formats/onnx.h"
#include "formats/torch_file.h"

#define PICKLE_ADVICE                                                                                                  \
    "a pickle, but not one that torch.save wrote: it can contain code that runs when it is loaded, and isn't read"
#define GGML_ADVICE "a GGML file from before GGUF (2023): convert the original model to GGUF again"

static const struct {
    size_t at;
    size_t n;
    const char *bytes;
    const char *advice;
} refused[] = {
    {0, 4, "lmgg", GGML_ADVICE}, /* the magics are little-endian numbers: "ggml" */
    {0, 4, "fmgg", GGML_ADVICE}, /* ggmf */
    {0, 4, "tjgg", GGML_ADVICE}, /* ggjt */
    {0, 4, "algg", GGML_ADVICE}, /* ggla: an adapter */
    {257, 5, "ustar", "a tar archive: unpack it and give the folder or file inside"},
    {0, 2, "\x1f\x8b", "compressed with gzip: decompress it first"},
};

/* Protocol 2 to 5 and then an opcode that begins an object: other pickles than torch.save's. */
static bool is_pickle(const uint8_t *bytes, size_t size) {
    static const uint8_t openers[] = {'}', ']', '(', ')', 'c', 'X', 0x8a, 0x8c, 0x95};
    return size > 2 && bytes[0] == 0x80 && bytes[1] >= 2 && bytes[1] <= 5 && memchr(openers, bytes[2], sizeof openers);
}

/* ONNX is a protocol buffer without a magic: field 1, ir_version, a small number, then field 2 (producer name) or later
 * fields of the model. */
static bool is_onnx(const uint8_t *bytes, size_t size) {
    return size > 3 && bytes[0] == 0x08 && bytes[1] >= 3 && bytes[1] <= 20 && (bytes[2] == 0x12 || bytes[2] == 0x3a);
}

static bool is_safetensors(const uint8_t *bytes, size_t size) {
    uint64_t header_bytes;
    if (size < 9) return false;
    memcpy(&header_bytes, bytes, sizeof header_bytes);
    return bytes[8] == '{' && header_bytes <= UINT32_MAX;
}

/* Before weight_map there can only be a few words of metadata, so a search of the file's beginning finds it. */
static bool is_index(const uint8_t *bytes, size_t size) {
    return size > 0 && bytes[0] == '{' && memmem(bytes, min_size(size, 1 << 20), "\"weight_map\"", 12);
}

static bn_status detect_bytes(const uint8_t *bytes, size_t size, enum file_kind *kind, bn_error *err) {
    if (size == 0) return fail(err, BN_STATUS_BAD_FILE, "the file is empty");
    if (size >= 4 && memcmp(bytes, "GGUF", 4) == 0) {
        *kind = FILE_GGUF;
        return BN_OK;
    }
    if (is_safetensors(bytes, size) || is_index(bytes, size) || torch_is_file(bytes, size) ||
        onnx_is_file(bytes, size)) {
        *kind = FILE_WEIGHTS;
        return BN_OK;
    }
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        if (size >= refused[i].at + refused[i].n &&
            memcmp(bytes + refused[i].at, refused[i].bytes, refused[i].n) == 0) {
            return fail(err, BN_STATUS_UNSUPPORTED, "%s", refused[i].advice);
        }
    }
    if (is_pickle(bytes, size)) return fail(err, BN_STATUS_UNSUPPORTED, PICKLE_ADVICE);
    if (is_onnx(bytes, size)) {
        return fail(err, BN_STATUS_UNSUPPORTED, "looks like ONNX, but has no graph");
    }
    return fail(err, BN_STATUS_BAD_FILE, "not a model file: neither GGUF nor safetensors nor a PyTorch checkpoint");
}

/* 1 when the folder has the file, 0 when not, -1 when memory is out. */
static int folder_has(const char *folder, const char *name) {
    char *path = path_join(folder, name);
    if (!path) return -1;
    int found = file_exists(path);
    mem_free(path);
    return found;
}

static bn_status detect_folder(const char *path, enum file_kind *kind, bn_error *err) {
    int config = folder_has(path, "config.json");
    if (config < 0) return fail_no_memory(err, strlen(path));
    if (!config) {
        return fail(err, BN_STATUS_BAD_FILE,
                    "a folder without config.json: give a Hugging Face model folder or a file");
    }
    char *weights;
    bn_status status = checkpoint_find(path, &weights, NULL);
    mem_free(weights);
    if (status == BN_STATUS_NOT_FOUND)
        return fail(err, BN_STATUS_BAD_FILE,
                    "a folder with config.json but without weights (model.safetensors, pytorch_model.bin)");
    if (status) return fail_no_memory(err, strlen(path));
    *kind = FILE_HF_FOLDER;
    return BN_OK;
}

bn_status file_kind_detect(const char *path, enum file_kind *kind, bn_error *err) {
    bn_status status;
    if (file_is_directory(path)) {
        status = detect_folder(path, kind, err);
    } else {
        struct mapped_file file;
        status = mapped_file_open(path, &file, err);
        if (status) return status;
        status = detect_bytes(file.data, file.size, kind, err);
        mapped_file_close(&file);
    }
    if (status) error_prefix(err, "%s", path);
    return status;
}
