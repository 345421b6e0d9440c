/* Reading sentencepiece's .model files (a protobuf message, ModelProto) and assembling its pipeline. */
#include "tokenizer/sentencepiece.h"

#include <string.h>

#include "base/memory.h"
#include "base/reader.h"

/* ---- the pipeline ---- */

uint32_t sentencepiece_flags(int64_t type) {
    switch (type) {
    case 2:
        return TOKEN_MODEL | TOKEN_UNKNOWN | TOKEN_SPECIAL | TOKEN_RESERVED;
    case 3:
        return TOKEN_MODEL | TOKEN_CONTROL | TOKEN_SPECIAL | TOKEN_RESERVED;
    case 4:
        return TOKEN_MODEL | TOKEN_USER;
    case 5:
        return TOKEN_MODEL | TOKEN_UNUSED;
    case 6:
        return TOKEN_MODEL | TOKEN_BYTE | TOKEN_RESERVED;
    default:
        return TOKEN_MODEL;
    }
}

bn_status template_around(struct postprocessor *postprocessor, int32_t bos, int32_t eos, uint8_t second_type,
                          bn_error *err) {
    bn_status status = BN_OK;
    for (int pair = 0; pair < 2; pair++) {
        struct template *template = pair ? &postprocessor->pair : &postprocessor->single;
        for (int sequence = 0; sequence <= pair && !status; sequence++) {
            uint8_t type = sequence ? second_type : 0;
            if (bos >= 0) status = template_push(template, (struct template_item){-1, bos, type}, err);
            if (!status) status = template_push(template, (struct template_item){sequence, -1, type}, err);
            if (!status && eos >= 0) status = template_push(template, (struct template_item){-1, eos, type}, err);
        }
    }
    postprocessor->has_template = true;
    return status;
}

static bn_status collect_user_symbols(bn_tokenizer *tokenizer, bn_error *err) {
    const struct vocabulary *vocabulary = &tokenizer->vocabulary;
    struct trie_key *keys = mem_alloc_array(vocabulary->size + 1, sizeof *keys);
    if (!keys) return fail_no_memory(err, vocabulary->size * sizeof *keys);
    size_t n = 0;
    for (size_t id = 0; id < vocabulary->size; id++) {
        const struct vocabulary_token token = vocabulary_token(vocabulary, id);
        if (token.text && token.size > 0 && token.flags & TOKEN_USER)
            keys[n++] = (struct trie_key){.bytes = token.text, .size = token.size, .value = (int32_t)id};
    }
    bn_status status = trie_build(&tokenizer->user_symbols, keys, n, err);
    mem_free(keys);
    return status;
}

static bn_status add_control_tokens(bn_tokenizer *tokenizer, bn_error *err) {
    for (size_t id = 0; id < tokenizer->vocabulary.size; id++) {
        const struct vocabulary_token token = vocabulary_token(&tokenizer->vocabulary, id);
        if (!token.text || !(token.flags & (TOKEN_CONTROL | TOKEN_UNKNOWN))) continue;
        bn_status status = tokenizer_add_token(
            tokenizer,
            (struct added_token){.content = token.text, .size = token.size, .id = (int32_t)id, .special = true}, err);
        if (status) return status;
    }
    return BN_OK;
}

static bn_status assemble_normalizer(bn_tokenizer *tokenizer, const struct sentencepiece_spec *spec, bn_error *err) {
    struct normalizer_step *step = normalizer_append(&tokenizer->normalizer, NORMALIZE_SENTENCEPIECE);
    if (!step) return fail_no_memory(err, sizeof *step);
    step->user_symbols = &tokenizer->user_symbols;
    step->add_dummy_prefix = spec->add_dummy_prefix;
    step->remove_extra_whitespaces = spec->remove_extra_whitespaces;
    step->whitespace_as_suffix = spec->whitespace_as_suffix;
    return precompiled_read(spec->charsmap, spec->charsmap_size, &step->precompiled, err);
}

static bn_status assemble_decoder(bn_tokenizer *tokenizer, const struct sentencepiece_spec *spec, bn_error *err) {
    struct decoder_step *step = decoder_append(&tokenizer->decoder, DECODE_SENTENCEPIECE);
    if (!step) return fail_no_memory(err, sizeof *step);
    step->drop_first_space = spec->add_dummy_prefix || spec->remove_extra_whitespaces;
    step->drop_all_first_spaces = spec->remove_extra_whitespaces;
    step->content_size = strlen(spec->unknown_surface);
    step->content = arena_strndup(&tokenizer->vocabulary.arena, spec->unknown_surface, step->content_size);
    return step->content ? BN_OK : fail_no_memory(err, step->content_size);
}

static bn_status assemble_model(bn_tokenizer *tokenizer, const struct sentencepiece_spec *spec, const float *scores,
                                bn_error *err) {
    size_t n = tokenizer->vocabulary.size;
    bool bytes = false;
    for (size_t id = 0; id < n; id++) bytes |= (tokenizer->vocabulary.records[id].flags & TOKEN_BYTE) != 0;
    tokenizer->model = spec->model;
    if (spec->model == MODEL_UNIGRAM) {
        struct unigram *unigram = &tokenizer->unigram;
        unigram->scores = mem_alloc_array(n, sizeof *unigram->scores);
        if (!unigram->scores) return fail_no_memory(err, n * sizeof *unigram->scores);
        unigram->n_scores = n;
        for (size_t id = 0; id < n; id++) unigram->scores[id] = scores[id];
        unigram->unknown_id = spec->unknown_id;
        unigram->byte_fallback = bytes;
        unigram->single_precision = true;
        return unigram_finish(unigram, true, err);
    }
    tokenizer->scores = mem_alloc_array(n, sizeof *tokenizer->scores);
    if (!tokenizer->scores) return fail_no_memory(err, n * sizeof *tokenizer->scores);
    memcpy(tokenizer->scores, scores, n * sizeof *scores);
    struct bpe *bpe = &tokenizer->bpe;
    bpe->ranking = BPE_SCORES;
    bpe->scores = tokenizer->scores;
    bpe->user_symbols = &tokenizer->user_symbols;
    bpe->unknown_id = spec->unknown_id;
    bpe->byte_fallback = bytes;
    return bpe_finish(bpe, err);
}

bn_status sentencepiece_assemble(bn_tokenizer *tokenizer, const struct sentencepiece_spec *spec, const float *scores,
                                 bn_error *err) {
    tokenizer->keeps_invalid_bytes = true; /* the normalizer replaces them itself, byte by byte */
    tokenizer->text_is_plain = true;
    bn_status status = collect_user_symbols(tokenizer, err);
    if (!status) status = assemble_normalizer(tokenizer, spec, err);
    if (!status) status = assemble_model(tokenizer, spec, scores, err);
    if (!status) status = assemble_decoder(tokenizer, spec, err);
    if (!status) status = add_control_tokens(tokenizer, err);
    return status;
}

/* ---- protobuf ---- */

static uint64_t read_varint(struct reader *r, const char *field) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = read_u8(r, field);
        value |= (uint64_t)(byte & 127) << shift;
        if (!(byte & 128)) return value;
    }
    r->failed_field = field;
    return 0;
}

/* One field of a message: its number, and its value as an integer or as bytes. */
struct field {
    uint64_t number;
    uint64_t integer; /* varint and fixed kinds */
    struct reader bytes;
    bool is_bytes;
};

static bool next_field(struct reader *r, struct field *field) {
    if (!reader_ok(r) || reader_remaining(r) == 0) return false;
    uint64_t tag = read_varint(r, "tag");
    *field = (struct field){.number = tag >> 3};
    switch (tag & 7) {
    case 0:
        field->integer = read_varint(r, "integer");
        break;
    case 1:
        field->integer = read_u64(r, "fixed64");
        break;
    case 5:
        field->integer = read_u32(r, "fixed32");
        break;
    case 2: {
        uint64_t size = read_varint(r, "length");
        const uint8_t *bytes = reader_take(r, size, "bytes");
        field->bytes = reader_over(bytes, bytes ? (size_t)size : 0);
        field->is_bytes = true;
        break;
    }
    default:
        r->failed_field = "wire type";
    }
    return reader_ok(r);
}

struct model_file {
    struct sentencepiece_spec spec;
    float *scores;
    size_t n, capacity;
    uint64_t model_type; /* 1 unigram, 2 BPE, 3 word, 4 char */
    int64_t bos, eos;
    char unknown_surface[64];
};

static float float_of_bits(uint64_t bits) {
    uint32_t word = (uint32_t)bits;
    float value;
    memcpy(&value, &word, sizeof value);
    return value;
}

static bn_status read_piece(bn_tokenizer *tokenizer, struct model_file *file, struct reader message, bn_error *err) {
    struct field field;
    struct reader text = {0};
    float score = 0;
    uint64_t type = 1;
    while (next_field(&message, &field)) {
        if (field.number == 1 && field.is_bytes) text = field.bytes;
        if (field.number == 2) score = float_of_bits(field.integer);
        if (field.number == 3) type = field.integer;
    }
    if (!reader_ok(&message))
        return fail(err, BN_STATUS_BAD_FILE, "piece %zu is cut off (%s)", file->n, message.failed_field);
    if (!(score == score)) return fail(err, BN_STATUS_BAD_FILE, "piece %zu has a score that is not a number", file->n);
    if (file->n == file->capacity) {
        size_t capacity = max_size(1024, file->capacity * 2);
        float *scores = mem_realloc_array(file->scores, capacity, sizeof *scores);
        if (!scores) return fail_no_memory(err, capacity * sizeof *scores);
        file->scores = scores;
        file->capacity = capacity;
    }
    if (type == 2 && file->spec.unknown_id < 0) file->spec.unknown_id = (int32_t)file->n;
    file->scores[file->n] = score;
    return vocabulary_add(&tokenizer->vocabulary, file->n++, text.bytes ? (const char *)text.bytes : "", text.size,
                          sentencepiece_flags((int64_t)type), err);
}

static void read_trainer_spec(struct model_file *file, struct reader message) {
    struct field field;
    while (next_field(&message, &field)) {
        switch (field.number) {
        case 3:
            file->model_type = field.integer;
            break;
        case 24:
            file->spec.whitespace_as_suffix = field.integer != 0;
            break;
        case 41:
            file->bos = (int32_t)field.integer;
            break;
        case 42:
            file->eos = (int32_t)field.integer;
            break;
        case 44:
            if (field.is_bytes && field.bytes.size < sizeof file->unknown_surface) {
                memcpy(file->unknown_surface, field.bytes.bytes, field.bytes.size);
                file->unknown_surface[field.bytes.size] = '\0';
            }
            break;
        default:
            break;
        }
    }
}

static bn_status read_normalizer_spec(struct model_file *file, struct reader message, bn_error *err) {
    struct field field;
    while (next_field(&message, &field)) {
        switch (field.number) {
        case 2:
            file->spec.charsmap = field.bytes.bytes;
            file->spec.charsmap_size = field.bytes.size;
            break;
        case 3:
            file->spec.add_dummy_prefix = field.integer != 0;
            break;
        case 4:
            file->spec.remove_extra_whitespaces = field.integer != 0;
            break;
        case 5:
            if (!field.integer)
                return fail(err, BN_STATUS_UNSUPPORTED, "sentencepiece models that don't escape white space");
            break;
        default:
            break;
        }
    }
    return BN_OK;
}

static bn_status read_model(bn_tokenizer *tokenizer, struct model_file *file, struct reader message, bn_error *err) {
    struct field field;
    bn_status status = BN_OK;
    while (!status && next_field(&message, &field)) {
        if (field.number == 1 && field.is_bytes) status = read_piece(tokenizer, file, field.bytes, err);
        if (field.number == 2 && field.is_bytes) read_trainer_spec(file, field.bytes);
        if (field.number == 3 && field.is_bytes) status = read_normalizer_spec(file, field.bytes, err);
    }
    if (status) return status;
    if (!reader_ok(&message))
        return fail(err, BN_STATUS_BAD_FILE, "not a sentencepiece model: cut off at byte %zu (%s)", message.at,
                    message.failed_field);
    if (file->n == 0) return fail(err, BN_STATUS_BAD_FILE, "not a sentencepiece model: it has no pieces");
    if (file->model_type != 1 && file->model_type != 2 && file->model_type != 4)
        return fail(err, BN_STATUS_UNSUPPORTED,
                    "sentencepiece model type %llu; unigram (1), BPE (2) and characters (4) can be read",
                    (unsigned long long)file->model_type);
    file->spec.model = file->model_type == 1 ? MODEL_UNIGRAM : MODEL_BPE; /* of characters: BPE with nothing to merge */
    return BN_OK;
}

static int32_t checked_id(const bn_tokenizer *tokenizer, int64_t id) {
    return id >= 0 && (uint64_t)id < tokenizer->vocabulary.size ? (int32_t)id : -1;
}

bn_status tokenizer_from_sentencepiece(const uint8_t *bytes, size_t size, const char *name, bn_tokenizer **out,
                                       bn_error *err) {
    struct model_file file = {.spec = {.add_dummy_prefix = true, .remove_extra_whitespaces = true, .unknown_id = -1},
                              .model_type = 1,
                              .bos = 1,
                              .eos = 2,
                              .unknown_surface = " \xe2\x81\x87 "};
    bn_tokenizer *tokenizer;
    bn_status status = tokenizer_create(size / 16, &tokenizer, err);
    if (status) return status;
    status = read_model(tokenizer, &file, reader_over(bytes, size), err);
    file.spec.unknown_surface = file.unknown_surface;
    if (!status) status = sentencepiece_assemble(tokenizer, &file.spec, file.scores, err);
    tokenizer->bos = checked_id(tokenizer, file.bos);
    tokenizer->eos = checked_id(tokenizer, file.eos);
    if (!status) status = template_around(&tokenizer->postprocessor, tokenizer->bos, -1, 1, err);
    if (!status) status = tokenizer_finish(tokenizer, err);
    mem_free(file.scores);
    if (status) {
        error_prefix(err, "%s", name);
        bn_tokenizer_close(tokenizer);
    } else {
        *out = tokenizer;
    }
    return status;
}
