/* Encodings with offsets, type ids, truncation and padding: one, or a batch with its overflowing parts. */
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "tokenizer/encode_work.h"

/* Offsets from bytes to code points: a begin falls on the character that holds the byte, an end behind the one that
 * holds the last. A maximal broken part of UTF-8 counts as one character. */
static bn_status offsets_to_code_points(const char *text, size_t size, struct token_list *tokens, bn_error *err) {
    uint32_t *index = mem_alloc_array(size + 1, sizeof *index);
    if (!index) return fail_no_memory(err, (size + 1) * sizeof *index);
    uint32_t count = 0;
    for (size_t at = 0; at < size; count++) {
        uint32_t c;
        int length = utf8_decode(text + at, size - at, &c);
        for (int n = length > 0 ? length : -length; n > 0; n--) index[at++] = count;
    }
    index[size] = count;
    for (size_t i = 0; i < tokens->n; i++) {
        struct token *token = &tokens->items[i];
        bool empty = token->begin >= token->end;
        token->begin = index[min_size(token->begin, size)];
        token->end = empty ? token->begin : index[min_size(token->end, size) - 1] + 1;
    }
    mem_free(index);
    return BN_OK;
}

/* A text's tokens, and the parts they are cut into. */
struct cut_text {
    struct token_list tokens;
    struct text_part *parts;
    size_t n_parts;
};

static bn_status encode_text(const bn_tokenizer *tokenizer, struct encode_work *work, const char *text, size_t size,
                             bool parse_special, struct cut_text *out, bn_error *err) {
    if (!text && size) return fail(err, BN_STATUS_BAD_ARGUMENT, "text is NULL and text_bytes %zu", size);
    if (!text) text = "";
    bn_status status = encode_tokens(tokenizer, work, text, size, parse_special, &out->tokens, err);
    return status ? status : offsets_to_code_points(text, size, &out->tokens, err);
}

/* The encoding of an input on its way: texts[1] only of a pair. */
struct alignment {
    const bn_tokenizer *tokenizer;
    struct encode_work work;
    struct cut_text texts[2];
    bool is_pair, add_special, parse_special;
};

static void alignment_release(struct alignment *a) {
    encode_work_release(&a->work);
    for (int i = 0; i < 2; i++) {
        token_list_release(&a->texts[i].tokens);
        mem_free(a->texts[i].parts);
    }
}

static void alignment_clear(struct alignment *a) {
    for (int i = 0; i < 2; i++) {
        a->texts[i].tokens.n = a->texts[i].n_parts = 0;
        mem_free(a->texts[i].parts);
        a->texts[i].parts = NULL;
    }
}

static bn_status encode_input(struct alignment *a, const bn_encode_input *input, bn_error *err) {
    const struct postprocessor *post = &a->tokenizer->postprocessor;
    const struct truncation *truncation = &a->tokenizer->truncation;
    struct cut_text *text = &a->texts[0], *pair = &a->texts[1];
    alignment_clear(a);
    a->is_pair = input->pair != NULL;
    bn_status status = encode_text(a->tokenizer, &a->work, input->text, input->text_bytes, a->parse_special, text, err);
    if (!status && a->is_pair)
        status = encode_text(a->tokenizer, &a->work, input->pair, input->pair_bytes, a->parse_special, pair, err);
    size_t n_special = a->add_special ? template_special_count(a->is_pair ? &post->pair : &post->single) : 0;
    size_t n_text = text->tokens.n, n_pair = pair->tokens.n;
    if (!status) status = truncation_plan(truncation, n_special, &n_text, a->is_pair ? &n_pair : NULL, err);
    if (!status) status = truncation_parts(truncation, text->tokens.n, n_text, &text->parts, &text->n_parts, err);
    if (!status && a->is_pair)
        status = truncation_parts(truncation, pair->tokens.n, n_pair, &pair->parts, &pair->n_parts, err);
    return status;
}

/* A copy of one part, its offsets trimmed where the post-processor says so. */
static void take_part(const struct alignment *a, const struct cut_text *text, size_t part, struct token_list *out) {
    const struct postprocessor *post = &a->tokenizer->postprocessor;
    const struct text_part *range = &text->parts[part];
    out->n = 0;
    if (range->begin < range->end) token_list_append(out, text->tokens.items + range->begin, range->end - range->begin);
    if (post->trim_offsets && !out->failed) postprocessor_trim(post, &a->tokenizer->vocabulary, out);
}

/* Part i of the text with part k of its pair, inside the template. */
static bn_status fill_parts(const struct alignment *a, size_t i, size_t k, struct token_list *out, bn_error *err) {
    struct token_list text = {0}, pair = {0};
    take_part(a, &a->texts[0], i, &text);
    if (a->is_pair) take_part(a, &a->texts[1], k, &pair);
    bool failed = text.failed || pair.failed;
    const struct template_input input = {&text, a->is_pair ? &pair : NULL, i > 0, k > 0};
    if (!failed) postprocessor_fill(&a->tokenizer->postprocessor, &input, a->add_special, out);
    token_list_release(&text);
    token_list_release(&pair);
    return failed || out->failed ? fail_no_memory(err, a->texts[0].tokens.n * sizeof(struct token)) : BN_OK;
}

/* ---- one encoding ---- */

static bn_status copy_out(const struct token_list *tokens, struct encoding *out, bn_error *err) {
    size_t n = tokens->n;
    *out = (struct encoding){.n = n};
    out->ids = mem_alloc_array(n, sizeof *out->ids);
    out->type_ids = mem_alloc_array(n, sizeof *out->type_ids);
    out->offsets = mem_alloc_array(n, sizeof *out->offsets);
    if (!out->ids || !out->type_ids || !out->offsets) {
        encoding_release(out);
        return fail_no_memory(err, n * sizeof *out->offsets);
    }
    for (size_t i = 0; i < n; i++) {
        const struct token *token = &tokens->items[i];
        out->ids[i] = token->id;
        out->type_ids[i] = token->type_id;
        out->offsets[i][0] = token->begin;
        out->offsets[i][1] = token->end;
    }
    return BN_OK;
}

bn_status tokenizer_encode(const bn_tokenizer *tokenizer, const struct encode_request *request, struct encoding *out,
                           bn_error *err) {
    struct alignment a = {
        .tokenizer = tokenizer, .add_special = request->add_special, .parse_special = request->parse_special};
    const bn_encode_input input = {request->text, request->text_bytes, request->pair, request->pair_bytes};
    const struct padding *padding = &tokenizer->padding;
    struct token_list all = {0};
    *out = (struct encoding){0};
    bn_status status = encode_input(&a, &input, err);
    if (!status) status = fill_parts(&a, 0, 0, &all, err);
    if (!status && padding->enabled) padding_apply(padding, padding_length(padding, all.n), &all);
    if (!status) status = all.failed ? fail_no_memory(err, all.n * sizeof *all.items) : copy_out(&all, out, err);
    token_list_release(&all);
    alignment_release(&a);
    return status;
}

void encoding_release(struct encoding *encoding) {
    mem_free(encoding->ids);
    mem_free(encoding->type_ids);
    mem_free(encoding->offsets);
    *encoding = (struct encoding){0};
}

/* ---- a batch ---- */

/* The encodings so far, as tokens: what they are padded to is known only at the end. */
struct batch {
    struct batch_entry {
        struct token_list tokens;
        size_t input, part;
    } * entries;
    size_t n, capacity;
};

static void batch_release(struct batch *batch) {
    for (size_t i = 0; i < batch->n; i++) token_list_release(&batch->entries[i].tokens);
    mem_free(batch->entries);
}

static bn_status add_entry(struct batch *batch, const struct alignment *a, size_t input, size_t part, size_t i,
                           size_t k, bn_error *err) {
    if (batch->n == batch->capacity) {
        size_t capacity = max_size(16, batch->capacity * 2);
        struct batch_entry *entries = mem_realloc_array(batch->entries, capacity, sizeof *entries);
        if (!entries) return fail_no_memory(err, capacity * sizeof *entries);
        batch->entries = entries;
        batch->capacity = capacity;
    }
    struct batch_entry *entry = &batch->entries[batch->n++];
    *entry = (struct batch_entry){.input = input, .part = part};
    return fill_parts(a, i, k, &entry->tokens, err);
}

/* What is kept of both, then each further part of the text with all of the pair's, then what is kept of the text with
 * the pair's further parts: the reference's order. */
static bn_status add_input(struct batch *batch, const struct alignment *a, size_t input, bn_error *err) {
    size_t n_pair = a->is_pair ? a->texts[1].n_parts : 1, part = 0;
    bn_status status = add_entry(batch, a, input, part++, 0, 0, err);
    for (size_t i = 1; i < a->texts[0].n_parts && !status; i++)
        for (size_t k = 0; k < n_pair && !status; k++) status = add_entry(batch, a, input, part++, i, k, err);
    for (size_t k = 1; k < n_pair && !status; k++) status = add_entry(batch, a, input, part++, 0, k, err);
    return status;
}

static bn_status pad_batch(const struct padding *padding, struct batch *batch, bn_error *err) {
    size_t longest = 0;
    if (!padding->enabled) return BN_OK;
    for (size_t i = 0; i < batch->n; i++)
        if (batch->entries[i].part == 0) longest = max_size(longest, batch->entries[i].tokens.n);
    size_t length = padding_length(padding, longest);
    for (size_t i = 0; i < batch->n; i++) {
        padding_apply(padding, length, &batch->entries[i].tokens);
        if (batch->entries[i].tokens.failed) return fail_no_memory(err, length * sizeof(struct token));
    }
    return BN_OK;
}

/* All arrays of an encoding lie in one block that begins with its offsets. */
static bn_status export_entry(const struct batch_entry *entry, bn_encoding *out, bn_error *err) {
    size_t n = entry->tokens.n, each = sizeof *out->offsets + sizeof *out->ids + sizeof *out->type_ids + 2;
    char *block = mem_alloc_array(n + 1, each);
    if (!block) return fail_no_memory(err, (n + 1) * each);
    *out = (bn_encoding){.n = n, .input = entry->input, .part = entry->part};
    out->offsets = (size_t(*)[2])(void *)block;
    out->ids = (int32_t *)(void *)(out->offsets + n);
    out->type_ids = out->ids + n;
    out->attention_mask = (uint8_t *)(out->type_ids + n);
    out->special_tokens_mask = out->attention_mask + n;
    for (size_t i = 0; i < n; i++) {
        const struct token *token = &entry->tokens.items[i];
        out->offsets[i][0] = token->begin;
        out->offsets[i][1] = token->end;
        out->ids[i] = token->id;
        out->type_ids[i] = token->type_id;
        out->attention_mask[i] = token->origin != TOKEN_FROM_PADDING;
        out->special_tokens_mask[i] = token->origin != TOKEN_FROM_TEXT;
    }
    return BN_OK;
}

static bn_status export_batch(const struct batch *batch, bn_encoding **encodings, size_t *n_encodings, bn_error *err) {
    bn_encoding *out = mem_calloc(batch->n + 1, sizeof *out);
    if (!out) return fail_no_memory(err, batch->n * sizeof *out);
    for (size_t i = 0; i < batch->n; i++) {
        bn_status status = export_entry(&batch->entries[i], &out[i], err);
        if (!status) continue;
        bn_encodings_free(out, i);
        return status;
    }
    *encodings = out;
    *n_encodings = batch->n;
    return BN_OK;
}

bn_status bn_tokenizer_encode_aligned(const bn_tokenizer *tokenizer, const bn_encode_input *inputs, size_t n_inputs,
                                      const bn_encode_options *options, bn_encoding **encodings, size_t *n_encodings,
                                      bn_error *err) {
    struct alignment a = {.tokenizer = tokenizer};
    struct batch batch = {0};
    bn_status status = encode_options_read(tokenizer, options, &a.add_special, &a.parse_special, err);
    for (size_t i = 0; i < n_inputs && !status; i++) {
        status = encode_input(&a, &inputs[i], err);
        if (!status) status = add_input(&batch, &a, i, err);
    }
    if (!status) status = pad_batch(&tokenizer->padding, &batch, err);
    if (!status) status = export_batch(&batch, encodings, n_encodings, err);
    alignment_release(&a);
    batch_release(&batch);
    return status;
}

void bn_encodings_free(bn_encoding *encodings, size_t n_encodings) {
    for (size_t i = 0; encodings && i < n_encodings; i++) mem_free(encodings[i].offsets);
    mem_free(encodings);
}
