/* Weights are uniform: each of −1, 0, 1 alike, scaled so that every product keeps the size of its input; norms are 1; the embedding's
 * values are about 3/√hidden in size, which spreads logits by a few units. */
#include "bench/synthetic.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/half.h"
#include "base/memory.h"
#include "formats/gguf.h"
#include "tokenizer/byte_alphabet.h"

enum { PIECE_BYTES = 1 << 16, TQ2_BLOCK = 256, TQ2_BYTES = 66, Q6_BLOCK = 256, Q6_BYTES = 210 };

static const struct synthetic_shape shapes[] = {
    {"2b", "BitNet b1.58 2B-4T, with a long context", 30, 2560, 6912, 20, 5, 128256, 40960, 500000},
    {"700m", "bitnet_b1_58-large", 24, 1536, 4096, 16, 16, 32002, 2048, 10000},
    {"8m", "small, with a long context", 8, 256, 768, 8, 4, 8192, 40960, 10000},
};

const struct synthetic_shape *synthetic_shape_at(size_t index) {
    return index < sizeof shapes / sizeof *shapes ? &shapes[index] : NULL;
}

const struct synthetic_shape *synthetic_shape_find(const char *name) {
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (strcmp(shapes[i].name, name) == 0) return &shapes[i];
    return NULL;
}

/* A tensor that is to come: rows · cols values. */
struct recipe {
    size_t n_values;
    float scale;
    uint64_t seed;
};

/* xorshift64* (Vigna 2016). */
static uint64_t next_random(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1du;
}

/* ---- blocks ---- */

/* The byte of four codes 0 … 2 that a random byte stands for. */
static uint8_t four_codes(uint64_t random) {
    unsigned n = (unsigned)(random & 255) * 81 >> 8;
    return (uint8_t)(n % 3 | n / 3 % 3 << 2 | n / 9 % 3 << 4 | n / 27 << 6);
}

static void tq2_0_block(uint8_t *block, const struct recipe *recipe, uint64_t *state) {
    uint16_t scale = f32_to_f16(recipe->scale);
    for (size_t i = 0; i < TQ2_BLOCK / 4; i += 8) {
        uint64_t random = next_random(state);
        for (size_t j = 0; j < 8; j++) block[i + j] = four_codes(random >> 8 * j);
    }
    memcpy(block + TQ2_BLOCK / 4, &scale, sizeof scale);
}

/* 128 bytes of low bits, 64 of high ones, 16 scales of int8, one of f16: any bits are values of −32 … 31. */
static void q6_k_block(uint8_t *block, const struct recipe *recipe, uint64_t *state) {
    uint16_t scale = f32_to_f16(recipe->scale / (64 * 18.5f)); /* 18.5: their standard deviation */
    for (size_t i = 0; i < 192; i += 8) {
        uint64_t random = next_random(state);
        memcpy(block + i, &random, sizeof random);
    }
    memset(block + 192, 64, 16);
    memcpy(block + 208, &scale, sizeof scale);
}

/* 256 values from −√3 to √3 times the scale. */
static void f16_block(uint8_t *block, const struct recipe *recipe, uint64_t *state) {
    for (size_t i = 0; i < 256; i += 4) {
        uint64_t random = next_random(state);
        for (size_t j = 0; j < 4; j++) {
            float uniform = (float)(int16_t)(random >> 16 * j) * (1.7320508f / 32768);
            uint16_t value = f32_to_f16(uniform * recipe->scale);
            memcpy(block + 2 * (i + j), &value, sizeof value);
        }
    }
}

static void f32_block(uint8_t *block, const struct recipe *recipe, uint64_t *state) {
    (void)state;
    for (size_t i = 0; i < 256; i++) memcpy(block + 4 * i, &recipe->scale, sizeof recipe->scale);
}

/* All sizes are multiples of 256 values, so that a tensor is a row of blocks. */
static bn_status write_tensor(struct gguf_writer *writer, const struct gguf_tensor_source *source, bn_error *err) {
    const struct recipe *recipe = source->context;
    void (*make)(uint8_t *, const struct recipe *, uint64_t *) = source->type == TYPE_TQ2_0  ? tq2_0_block
                                                                 : source->type == TYPE_Q6_K ? q6_k_block
                                                                 : source->type == TYPE_F16  ? f16_block
                                                                                             : f32_block;
    size_t bytes = source->type == TYPE_TQ2_0  ? TQ2_BYTES
                   : source->type == TYPE_Q6_K ? Q6_BYTES
                   : source->type == TYPE_F16  ? 512
                                               : 1024;
    uint8_t piece[PIECE_BYTES];
    uint64_t state = recipe->seed;
    size_t filled = 0;
    bn_status status = BN_OK;
    for (size_t done = 0; !status && done < recipe->n_values; done += 256) {
        make(piece + filled, recipe, &state);
        filled += bytes;
        if (filled + bytes <= sizeof piece && done + 256 < recipe->n_values) continue;
        status = gguf_writer_emit(writer, piece, filled, err);
        filled = 0;
    }
    return status;
}

/* ---- the file ---- */

struct builder {
    struct gguf_writer *writer;
    struct recipe *recipes; /* one per tensor */
    size_t n_recipes;
    uint64_t seed;
    bn_status status;
    bn_error *err;
};

static void tensor(struct builder *b, const char *name, enum tensor_type type, size_t rows, size_t cols, float scale) {
    if (b->status) return;
    struct recipe *recipe = &b->recipes[b->n_recipes];
    *recipe = (struct recipe){rows * cols, scale, (b->seed + 1) * 0x9e3779b97f4a7c15u + ++b->n_recipes};
    const struct gguf_tensor_source source = {
        .name = name,
        .type = type,
        .n_dims = rows == 1 ? 1 : 2,
        .shape = {rows == 1 ? cols : rows, rows == 1 ? 0 : cols},
        .write = write_tensor,
        .context = recipe,
    };
    b->status = gguf_writer_add_tensor(b->writer, &source, b->err);
}

static void layer_norm_weight(struct builder *b, size_t layer, const char *name, size_t n) {
    char full[64];
    snprintf(full, sizeof full, "blk.%zu.%s.weight", layer, name);
    tensor(b, full, TYPE_F32, 1, n, 1);
}

static void layer_matrix(struct builder *b, size_t layer, const char *name, size_t rows, size_t cols) {
    char full[64];
    snprintf(full, sizeof full, "blk.%zu.%s.weight", layer, name);
    tensor(b, full, TYPE_TQ2_0, rows, cols, sqrtf(1.5f / (float)cols)); /* two thirds of the weights are ±scale */
}

static void add_tensors(struct builder *b, const struct synthetic_shape *s, enum tensor_type head) {
    size_t d = s->hidden_size, kv = d / s->n_heads * s->n_kv_heads;
    tensor(b, "token_embd.weight", head, s->vocab_size, d, 3 / sqrtf((float)d));
    for (size_t i = 0; i < s->n_layers; i++) {
        layer_norm_weight(b, i, "attn_norm", d);
        layer_matrix(b, i, "attn_q", d, d);
        layer_matrix(b, i, "attn_k", kv, d);
        layer_matrix(b, i, "attn_v", kv, d);
        layer_norm_weight(b, i, "attn_sub_norm", d);
        layer_matrix(b, i, "attn_output", d, d);
        layer_norm_weight(b, i, "ffn_norm", d);
        layer_matrix(b, i, "ffn_gate", s->intermediate_size, d);
        layer_matrix(b, i, "ffn_up", s->intermediate_size, d);
        layer_norm_weight(b, i, "ffn_sub_norm", s->intermediate_size);
        layer_matrix(b, i, "ffn_down", d, s->intermediate_size);
    }
    tensor(b, "output_norm.weight", TYPE_F32, 1, d, 1);
}

static void text_key(struct builder *b, const char *key, const char *value) {
    if (!b->status) b->status = gguf_writer_set_string(b->writer, key, value, strlen(value), b->err);
}
static void number_key(struct builder *b, const char *key, size_t value) {
    if (!b->status) b->status = gguf_writer_set_u32(b->writer, key, (uint32_t)value, b->err);
}
static void float_key(struct builder *b, const char *key, float value) {
    if (!b->status) b->status = gguf_writer_set_f32(b->writer, key, value, b->err);
}

static void add_keys(struct builder *b, const struct synthetic_shape *s) {
    char name[64];
    snprintf(name, sizeof name, "synthetic %s", s->name);
    text_key(b, "general.architecture", "bitnet");
    text_key(b, "general.name", name);
    number_key(b, "bitnet.block_count", s->n_layers);
    number_key(b, "bitnet.context_length", s->context_length);
    number_key(b, "bitnet.embedding_length", s->hidden_size);
    number_key(b, "bitnet.feed_forward_length", s->intermediate_size);
    number_key(b, "bitnet.attention.head_count", s->n_heads);
    number_key(b, "bitnet.attention.head_count_kv", s->n_kv_heads);
    number_key(b, "bitnet.rope.dimension_count", s->hidden_size / s->n_heads);
    float_key(b, "bitnet.rope.freq_base", s->rope_theta);
    float_key(b, "bitnet.attention.layer_norm_rms_epsilon", 1e-5f);
    number_key(b, "bitnet.vocab_size", s->vocab_size);
    text_key(b, "bitnet.hidden_act", "relu2");
}

/* ---- the vocabulary ---- */

enum { TOKEN_TEXT_BYTES = 16, END_TOKENS = 1, NORMAL_TOKEN = 1, CONTROL_TOKEN = 3 };

/* A token for each byte, words that nothing is merged to, and the end, which is last. text: room for its characters. */
static struct gguf_string token_text(size_t id, size_t n, char text[TOKEN_TEXT_BYTES]) {
    size_t size = id < 256 ? byte_alphabet_put((uint8_t)id, text)
                  : id + END_TOKENS == n
                      ? (size_t)snprintf(text, TOKEN_TEXT_BYTES, "<|end|>")
                      : (size_t)snprintf(text, TOKEN_TEXT_BYTES, "\xc4\xa0word%zu", id); /* Ġ: a space */
    return (struct gguf_string){text, size};
}

static bn_status write_vocabulary(struct builder *b, size_t n) {
    char(*texts)[TOKEN_TEXT_BYTES] = mem_alloc_array(n, sizeof *texts);
    struct gguf_string *tokens = mem_alloc_array(n, sizeof *tokens);
    int32_t *types = mem_alloc_array(n, sizeof *types);
    bn_status status = texts && tokens && types ? BN_OK : fail_no_memory(b->err, n * sizeof *texts);
    for (size_t i = 0; i < n && !status; i++) {
        tokens[i] = token_text(i, n, texts[i]);
        types[i] = i + END_TOKENS == n ? CONTROL_TOKEN : NORMAL_TOKEN;
    }
    if (!status) status = gguf_writer_set_strings(b->writer, "tokenizer.ggml.tokens", tokens, n, b->err);
    if (!status) status = gguf_writer_set_array(b->writer, "tokenizer.ggml.token_type", GGUF_I32, types, n, b->err);
    if (!status) status = gguf_writer_set_strings(b->writer, "tokenizer.ggml.merges", NULL, 0, b->err);
    if (!status) status = gguf_writer_set_bool(b->writer, "tokenizer.ggml.add_bos_token", false, b->err);
    mem_free(texts);
    mem_free(tokens);
    mem_free(types);
    return status;
}

static void add_vocabulary(struct builder *b, const struct synthetic_shape *s) {
    text_key(b, "tokenizer.ggml.model", "gpt2");
    text_key(b, "tokenizer.ggml.pre", "gpt-2");
    number_key(b, "tokenizer.ggml.eos_token_id", s->vocab_size - END_TOKENS);
    if (!b->status) b->status = write_vocabulary(b, s->vocab_size);
}

bn_status synthetic_write(const struct synthetic_shape *shape, enum tensor_type head, bool vocabulary, uint64_t seed,
                          const char *path, bn_error *err) {
    struct builder b = {.seed = seed, .err = err};
    size_t n_tensors = 2 + 11 * shape->n_layers;
    b.recipes = mem_calloc(n_tensors, sizeof *b.recipes);
    if (!b.recipes) return fail_no_memory(err, n_tensors * sizeof *b.recipes);
    b.status = gguf_writer_create(32, &b.writer, err);
    if (!b.status) {
        add_keys(&b, shape);
        if (vocabulary)
            add_vocabulary(&b, shape);
        else
            text_key(&b, "tokenizer.ggml.model", "no_vocab");
        add_tensors(&b, shape, head);
        if (!b.status) b.status = gguf_writer_finish(b.writer, path, err);
        gguf_writer_destroy(b.writer);
    }
    mem_free(b.recipes);
    return b.status;
}
