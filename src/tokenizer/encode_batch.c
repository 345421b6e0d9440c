/* Text to ids for callers: one text, or many over several threads. */
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "tokenizer/encode_work.h"

static bn_status read_options(const bn_tokenizer *tokenizer, const bn_encode_options *options, bool *add_special,
                              bool *parse_special, bn_error *err) {
    *add_special = true;
    *parse_special = tokenizer_parses_special(tokenizer);
    if (!options) return BN_OK;
    if (options->size < sizeof *options)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "bn_encode_options.size is %zu, expected %zu", options->size,
                    sizeof *options);
    *add_special = options->add_special;
    *parse_special = options->parse_special;
    return BN_OK;
}

/* The ids of one text with what the template puts around it, appended. */
static bn_status encode_one(const bn_tokenizer *tokenizer, struct encode_work *work, const char *text, size_t size,
                            bool add_special, bool parse_special, struct id_list *out, bn_error *err) {
    const struct postprocessor *post = &tokenizer->postprocessor;
    if (!text && size) return fail(err, BN_STATUS_BAD_ARGUMENT, "text is NULL and text_bytes %zu", size);
    if (!text) text = "";
    if (!id_list_reserve(out, size / 4 + 16)) return fail_no_memory(err, size);
    if (!post->has_template) return encode_ids(tokenizer, work, text, size, parse_special, out, err);
    bn_status status = BN_OK;
    for (size_t i = 0; i < post->single.n && !status; i++) {
        const struct template_item *item = &post->single.items[i];
        if (item->sequence == 0) status = encode_ids(tokenizer, work, text, size, parse_special, out, err);
        if (item->sequence >= 0 || !add_special) continue;
        int32_t *id = id_list_reserve(out, 1);
        if (!id) return fail_no_memory(err, sizeof *id);
        *id = item->id;
        out->n++;
    }
    return status;
}

bn_status bn_tokenizer_encode(const bn_tokenizer *tokenizer, const char *text, size_t text_bytes,
                              const bn_encode_options *options, int32_t **ids, size_t *n_ids, bn_error *err) {
    bool add_special, parse_special;
    bn_status status = read_options(tokenizer, options, &add_special, &parse_special, err);
    if (status) return status;
    struct encode_work work = {0};
    struct id_list list = {0};
    status = encode_one(tokenizer, &work, text, text_bytes, add_special, parse_special, &list, err);
    encode_work_release(&work);
    if (status) {
        id_list_release(&list);
        return status;
    }
    *ids = list.items;
    *n_ids = list.n;
    return BN_OK;
}
