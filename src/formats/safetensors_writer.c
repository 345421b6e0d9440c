/* The header is a JSON object, built while tensors are added; data follows in the same order without gaps. The header
 * ends in blanks so that data begins at a multiple of 8, as the reference writes it. */
#include "formats/safetensors_writer.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "formats/safetensors.h"

enum { ALIGNMENT = 8 };

struct safetensors_writer {
    json_t *header;
    struct safetensors_source *tensors; /* names are keys of the header */
    size_t n_tensors;
    size_t data_bytes;
    FILE *stream; /* while finishing */
    size_t emitted, expected;
};

bn_status safetensors_writer_create(struct safetensors_writer **out, bn_error *err) {
    struct safetensors_writer *writer = mem_calloc(1, sizeof *writer);
    if (!writer) return fail_no_memory(err, sizeof *writer);
    writer->header = json_object();
    if (!writer->header) {
        mem_free(writer);
        return fail_no_memory(err, 0);
    }
    *out = writer;
    return BN_OK;
}

void safetensors_writer_destroy(struct safetensors_writer *writer) {
    if (!writer) return;
    json_decref(writer->header);
    mem_free(writer->tensors);
    mem_free(writer);
}

bn_status safetensors_writer_set_metadata(struct safetensors_writer *writer, const json_t *metadata, bn_error *err) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)metadata, key, value) if (!json_is_string(value)) return fail(
        err, BN_STATUS_BAD_ARGUMENT, "'__metadata__': the value of '%.100s' must be a string", key);
    return json_object_set_new(writer->header, "__metadata__", json_deep_copy(metadata)) ? fail_no_memory(err, 0)
                                                                                         : BN_OK;
}

/* ---- tensors ---- */

static bool source_bytes(const struct safetensors_source *source, size_t *bytes) {
    *bytes = tensor_type_find(source->type)->block_bytes;
    for (size_t i = 0; i < source->n_dims; i++)
        if (!mul_size(*bytes, source->shape[i], bytes)) return false;
    return true;
}

static json_t *entry_json(const struct safetensors_source *source, const char *dtype, size_t begin, size_t end) {
    json_t *shape = json_array();
    for (size_t i = 0; i < source->n_dims; i++)
        json_array_append_new(shape, json_integer((json_int_t)source->shape[i]));
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", dtype, "shape", shape, "data_offsets", (json_int_t)begin,
                     (json_int_t)end);
}

bn_status safetensors_writer_add_tensor(struct safetensors_writer *writer, const struct safetensors_source *source,
                                        bn_error *err) {
    const char *dtype = safetensors_dtype_name(source->type);
    size_t bytes, end;
    if (!dtype || source->n_dims > TENSOR_MAX_DIMS || !source_bytes(source, &bytes) ||
        !add_size(writer->data_bytes, bytes, &end) || end > INT64_MAX)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "tensor '%.100s' has a type or shape that safetensors can't hold",
                    source->name);
    if (!utf8_valid(source->name, strlen(source->name)) || strcmp(source->name, "__metadata__") == 0)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "'%.100s' can't be a tensor's name", source->name);
    if (json_object_get(writer->header, source->name))
        return fail(err, BN_STATUS_BAD_ARGUMENT, "there is a tensor '%.100s' already", source->name);
    struct safetensors_source *tensors = mem_realloc_array(writer->tensors, writer->n_tensors + 1, sizeof *tensors);
    if (!tensors) return fail_no_memory(err, (writer->n_tensors + 1) * sizeof *tensors);
    writer->tensors = tensors;
    if (json_object_set_new(writer->header, source->name, entry_json(source, dtype, writer->data_bytes, end)))
        return fail_no_memory(err, 0);
    tensors[writer->n_tensors] = *source;
    tensors[writer->n_tensors++].name =
        json_object_iter_key(json_object_iter_at(writer->header, source->name)); /* lives as long as the header */
    writer->data_bytes = end;
    return BN_OK;
}

bn_status safetensors_writer_emit(struct safetensors_writer *writer, const void *bytes, size_t size, bn_error *err) {
    writer->emitted += size;
    if (writer->emitted > writer->expected)
        return fail(err, BN_STATUS_INTERNAL, "its source gave more than the %zu bytes expected", writer->expected);
    if (size && fwrite(bytes, 1, size, writer->stream) != size) return fail(err, BN_STATUS_IO, "can't write");
    return BN_OK;
}

/* ---- the file ---- */

static bn_status write_header(struct safetensors_writer *writer, bn_error *err) {
    char *text = json_dumps(writer->header, JSON_COMPACT);
    if (!text) return fail_no_memory(err, 0);
    size_t size = strlen(text);
    uint64_t padded = round_up(size, ALIGNMENT);
    bool ok = fwrite(&padded, sizeof padded, 1, writer->stream) == 1 && fwrite(text, 1, size, writer->stream) == size;
    for (; ok && size < padded; size++) ok = fputc(' ', writer->stream) != EOF;
    free(text);
    return ok ? BN_OK : fail(err, BN_STATUS_IO, "can't write");
}

static bn_status write_tensor(struct safetensors_writer *writer, const struct safetensors_source *tensor,
                              bn_error *err) {
    writer->emitted = 0;
    source_bytes(tensor, &writer->expected); /* was checked when it was added */
    bn_status status = tensor->write(writer, tensor, err);
    if (!status && writer->emitted != writer->expected)
        status =
            fail(err, BN_STATUS_INTERNAL, "its source gave %zu bytes, expected %zu", writer->emitted, writer->expected);
    if (status) error_prefix(err, "tensor '%.100s'", tensor->name);
    return status;
}

bn_status safetensors_writer_finish(struct safetensors_writer *writer, const char *path, bn_error *err) {
    struct atomic_file file;
    bn_status status = atomic_file_open(path, &file, err);
    if (status) return status;
    writer->stream = file.stream;
    status = write_header(writer, err);
    for (size_t i = 0; i < writer->n_tensors && !status; i++) status = write_tensor(writer, &writer->tensors[i], err);
    writer->stream = NULL;
    if (!status) return atomic_file_commit(&file, err);
    error_prefix(err, "%s", path);
    atomic_file_abort(&file);
    return status;
}
