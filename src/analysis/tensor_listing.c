#include "analysis/tensor_listing.h"

#include "base/file.h"
#include "base/memory.h"
#include "formats/checkpoint.h"
#include "formats/detect.h"

enum { PIECE_VALUES = 1 << 20 };

bn_status tensor_listing_open(const char *path, struct tensor_listing *out, bn_error *err) {
    enum file_kind kind;
    *out = (struct tensor_listing){0};
    bn_status status = file_kind_detect(path, &kind, err);
    if (status) return status;
    out->is_gguf = kind == FILE_GGUF;
    if (kind == FILE_GGUF)
        status = gguf_open(path, &out->gguf, err);
    else
        status = checkpoint_open(path, &out->other, err);
    if (!status) out->set = out->is_gguf ? &out->gguf.set : &out->other;
    return status;
}

void tensor_listing_close(struct tensor_listing *listing) {
    if (!listing->set) return;
    if (listing->is_gguf)
        gguf_close(&listing->gguf);
    else
        tensor_set_release(&listing->other);
    listing->set = NULL;
}

/* I2_S packs across rows, and views don't lie row after row, so they are decoded whole. */
static bn_status visit_whole(const struct tensor *tensor, size_t n, values_visitor visit, void *context,
                             bn_error *err) {
    float *values = mem_alloc_array(n, sizeof *values);
    if (!values) return fail_no_memory(err, n * sizeof *values);
    bn_status status = tensor_decode_all(tensor, values, err);
    if (!status) status = visit(context, values, n, err);
    mem_free(values);
    return status;
}

bn_status tensor_visit_values(const struct tensor *tensor, values_visitor visit, void *context, bn_error *err) {
    const struct tensor_type_info *info = tensor_type_find((uint32_t)tensor->type);
    size_t n = tensor_rows(tensor) * tensor_cols(tensor); /* checked against the file when it was opened */
    if (tensor->type == TYPE_I2_S || tensor->view) return visit_whole(tensor, n, visit, context, err);
    if (!info || !tensor_type_decodable(tensor->type))
        return fail(err, BN_STATUS_UNSUPPORTED, "tensor '%s': values of type %s can't be decoded", tensor->name,
                    info ? info->name : "unknown");
    size_t piece = min_size(round_up(PIECE_VALUES, info->block), n);
    float *values = mem_alloc_array(piece, sizeof *values);
    if (!values) return fail_no_memory(err, piece * sizeof *values);
    bn_status status = BN_OK;
    for (size_t at = 0; !status && at < n; at += piece) {
        size_t count = min_size(piece, n - at);
        tensor_decode(tensor->type, tensor->data + at / info->block * info->block_bytes, values, count);
        status = visit(context, values, count, err);
    }
    mem_free(values);
    return status;
}
