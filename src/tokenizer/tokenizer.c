/* Life of a tokenizer, its vocabulary seen from outside, and decoding. Encoding is encode.c, reading files hf_json.c
 * and its neighbours. */
#include "tokenizer/tokenizer.h"

#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "tokenizer/pipeline.h"

bn_status tokenizer_create(size_t expected_tokens, bn_tokenizer **out, bn_error *err) {
    bn_tokenizer *tokenizer = mem_calloc(1, sizeof *tokenizer);
    if (!tokenizer) return fail_no_memory(err, sizeof *tokenizer);
    tokenizer->bos = tokenizer->eos = tokenizer->pad = -1;
    tokenizer->bpe.vocabulary = &tokenizer->vocabulary;
    tokenizer->bpe.unknown_id = -1;
    tokenizer->unigram.vocabulary = &tokenizer->vocabulary;
    tokenizer->unigram.unknown_id = -1;
    tokenizer->wordpiece.unknown_id = -1;
    bn_status status = vocabulary_init(&tokenizer->vocabulary, expected_tokens, err);
    if (!status && !word_cache_init(&tokenizer->words)) status = fail_no_memory(err, sizeof *tokenizer->words.slots);
    if (status)
        bn_tokenizer_close(tokenizer);
    else
        *out = tokenizer;
    return status;
}

void bn_tokenizer_close(bn_tokenizer *tokenizer) {
    if (!tokenizer) return;
    tokenizer_forget_image(tokenizer);
    normalizer_release(&tokenizer->normalizer);
    added_tokens_release(&tokenizer->added);
    pretokenizer_release(&tokenizer->pretokenizer);
    bpe_release(&tokenizer->bpe);
    unigram_release(&tokenizer->unigram);
    wordpiece_release(&tokenizer->wordpiece);
    word_cache_release(&tokenizer->words);
    postprocessor_release(&tokenizer->postprocessor);
    decoder_release(&tokenizer->decoder);
    trie_release(&tokenizer->user_symbols);
    mem_free(tokenizer->scores);
    mem_free(tokenizer->chat_template);
    vocabulary_release(&tokenizer->vocabulary);
    mapped_file_close(&tokenizer->file);
    if (tokenizer->gguf) gguf_close(tokenizer->gguf);
    mem_free(tokenizer->gguf);
    mem_free(tokenizer);
}

/* ---- building ---- */

static void *append(void *items, size_t *n, size_t item_bytes, void **out) {
    char *grown = mem_realloc_array(items, *n + 1, item_bytes);
    *out = NULL;
    if (!grown) return items;
    *out = grown + *n * item_bytes;
    memset(*out, 0, item_bytes);
    ++*n;
    return grown;
}

struct normalizer_step *normalizer_append(struct normalizer *normalizer, enum normalizer_kind kind) {
    void *step;
    normalizer->steps = append(normalizer->steps, &normalizer->n, sizeof *normalizer->steps, &step);
    if (step) ((struct normalizer_step *)step)->kind = kind;
    return step;
}

struct pretokenizer_step *pretokenizer_append(struct pretokenizer *pretokenizer, enum pretokenizer_kind kind) {
    void *step;
    pretokenizer->steps = append(pretokenizer->steps, &pretokenizer->n, sizeof *pretokenizer->steps, &step);
    if (step) ((struct pretokenizer_step *)step)->kind = kind;
    return step;
}

struct decoder_step *decoder_append(struct decoder *decoder, enum decoder_kind kind) {
    void *step;
    decoder->steps = append(decoder->steps, &decoder->n, sizeof *decoder->steps, &step);
    if (step) ((struct decoder_step *)step)->kind = kind;
    return step;
}

bn_status pretokenizer_append_regex(struct pretokenizer *pretokenizer, const char *pattern, size_t size,
                                    enum regex_syntax syntax, enum split_behavior behavior, bool invert,
                                    bn_error *err) {
    split_scanner scan = strlen(pattern) == size ? split_pattern_find(pattern, syntax) : NULL;
    struct pretokenizer_step *step = pretokenizer_append(pretokenizer, scan ? PRETOKENIZE_SCANNER : PRETOKENIZE_REGEX);
    if (!step) return fail_no_memory(err, sizeof *step);
    step->behavior = behavior;
    step->invert = invert;
    step->scan = scan;
    step->matches = split_pattern_matches(scan);
    return scan ? BN_OK : regex_compile(pattern, size, syntax, &step->regex, err);
}

bn_status tokenizer_add_token(bn_tokenizer *tokenizer, struct added_token token, bn_error *err) {
    struct vocabulary *vocabulary = &tokenizer->vocabulary;
    if (token.size == 0) return BN_OK;
    int32_t known = vocabulary_find_model(vocabulary, token.content, token.size);
    if (known >= 0) token.id = known;
    uint32_t flags = TOKEN_ADDED | (token.special ? TOKEN_SPECIAL : 0);
    token.content = arena_strndup(&vocabulary->arena, token.content, token.size);
    if (!token.content) return fail_no_memory(err, token.size);
    bn_status status = vocabulary_add(vocabulary, (size_t)token.id, token.content, token.size, flags, err);
    if (status) return status;
    return added_tokens_push(&tokenizer->added, &token, err);
}

/* Texts by which models end a turn or a document, whatever their files say of EOS. */
static const char *const end_texts[] = {
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<end_of_turn>",
    "<turn|>",
    "</s>",
    "<eos>",
    "<|end_of_turn|>",
    "<|endofturn|>",
    "<|eot|>",
    "<EOT>",
    "_<EOT>",
    "<|END_OF_TURN_TOKEN|>",
    "<|end_of_role|>",
    "<|user_end|>",
    "<|message_end|>",
    "<|end_of_sentence|>",
    "<\xef\xbd\x9c"
    "end\xe2\x96\x81"
    "of\xe2\x96\x81"
    "sentence\xef\xbd\x9c>",
};

/* Is it meant as that? A vocabulary of HTML may have an ordinary piece </s>; nobody writes <|im_end|> by accident. */
static bool is_marker(struct vocabulary_token token) {
    return token.flags & (TOKEN_SPECIAL | TOKEN_ADDED | TOKEN_CONTROL | TOKEN_USER) || memcmp(token.text, "<|", 2) == 0;
}

/* Marks them, and takes the first as EOS where the file names none; BOS is then what the template begins with. */
static void mark_ends(bn_tokenizer *tokenizer) {
    struct vocabulary *vocabulary = &tokenizer->vocabulary;
    const struct template *single = &tokenizer->postprocessor.single;
    for (size_t i = 0; i < sizeof end_texts / sizeof *end_texts; i++) {
        int32_t id = vocabulary_find(vocabulary, end_texts[i], strlen(end_texts[i]));
        if (id < 0 || !is_marker(vocabulary_token(vocabulary, (size_t)id))) continue;
        vocabulary->records[id].flags |= TOKEN_END;
        if (tokenizer->eos < 0) tokenizer->eos = id;
    }
    if (tokenizer->eos >= 0) vocabulary->records[tokenizer->eos].flags |= TOKEN_END;
    if (tokenizer->bos < 0 && single->n > 1 && single->items[0].sequence < 0) tokenizer->bos = single->items[0].id;
}

bn_status tokenizer_finish(bn_tokenizer *tokenizer, bn_error *err) {
    bn_status status = added_tokens_finish(&tokenizer->added, &tokenizer->normalizer, &tokenizer->vocabulary, err);
    if (status) return status;
    if (tokenizer->decoder.n == 0 && !decoder_append(&tokenizer->decoder, DECODE_JOIN_SPACES))
        return fail_no_memory(err, 0);
    decoder_finish(&tokenizer->decoder);
    mark_ends(tokenizer);
    vocabulary_finish(&tokenizer->vocabulary);
    return BN_OK;
}

/* Scores are one for each id. */
static bn_status extend_scores(bn_tokenizer *tokenizer, size_t had, bn_error *err) {
    const size_t n = tokenizer->vocabulary.size;
    if (!tokenizer->scores || n == had) return BN_OK;
    float *scores = mem_realloc_array(tokenizer->scores, n, sizeof *scores);
    if (!scores) return fail_no_memory(err, n * sizeof *scores);
    memset(scores + had, 0, (n - had) * sizeof *scores);
    tokenizer->bpe.scores = tokenizer->scores = scores;
    return BN_OK;
}

bn_status tokenizer_finish_added(bn_tokenizer *tokenizer, size_t n_before, bn_error *err) {
    struct added_tokens *added = &tokenizer->added;
    bn_status status = extend_scores(tokenizer, n_before, err);
    trie_release(&added->raw);
    trie_release(&added->normalized);
    if (!status) status = added_tokens_finish(added, &tokenizer->normalizer, &tokenizer->vocabulary, err);
    if (status) return status;
    mark_ends(tokenizer);
    vocabulary_finish(&tokenizer->vocabulary);
    return BN_OK;
}

/* ---- the vocabulary ---- */

static bool has_id(const bn_tokenizer *tokenizer, int32_t id) {
    return id >= 0 && (size_t)id < tokenizer->vocabulary.size;
}

static bool has_flag(const bn_tokenizer *tokenizer, int32_t id, uint32_t flag) {
    return has_id(tokenizer, id) && tokenizer->vocabulary.records[id].flags & flag;
}

size_t bn_tokenizer_vocab_size(const bn_tokenizer *tokenizer) {
    return tokenizer->vocabulary.size;
}

const char *bn_tokenizer_token(const bn_tokenizer *tokenizer, int32_t id) {
    if (!has_id(tokenizer, id)) return NULL;
    const char *text = vocabulary_token(&tokenizer->vocabulary, (size_t)id).text;
    return text ? text : "";
}

bool bn_tokenizer_is_special(const bn_tokenizer *tokenizer, int32_t id) {
    return has_flag(tokenizer, id, TOKEN_SPECIAL);
}

int32_t bn_tokenizer_find(const bn_tokenizer *tokenizer, const char *token) {
    return vocabulary_find(&tokenizer->vocabulary, token, strlen(token));
}

bool tokenizer_parses_special(const bn_tokenizer *tokenizer) {
    return !tokenizer->text_is_plain;
}

int32_t bn_tokenizer_bos(const bn_tokenizer *tokenizer) {
    return tokenizer->bos;
}
int32_t bn_tokenizer_eos(const bn_tokenizer *tokenizer) {
    return tokenizer->eos;
}

bool bn_tokenizer_is_end(const bn_tokenizer *tokenizer, int32_t id) {
    return has_flag(tokenizer, id, TOKEN_END);
}

bn_status tokenizer_set_chat_template(bn_tokenizer *tokenizer, const char *text, bn_error *err) {
    if (tokenizer->chat_template) return BN_OK;
    tokenizer->chat_template = mem_strdup(text);
    return tokenizer->chat_template ? BN_OK : fail_no_memory(err, strlen(text));
}

/* Without the newline that a template's end doesn't count with. */
static void append_template(struct buffer *out, const char *text) {
    size_t n = strlen(text);
    if (n && text[n - 1] == '\n') n--;
    if (n && text[n - 1] == '\r' && text[n]) n--;
    buffer_append(out, text, n);
}

bn_status tokenizer_set_chat_templates(bn_tokenizer *tokenizer, const char *usual, const char *with_tools,
                                       bn_error *err) {
    if (!usual || !with_tools) {
        const char *only = usual ? usual : with_tools;
        return only ? tokenizer_set_chat_template(tokenizer, only, err) : BN_OK;
    }
    struct buffer both;
    buffer_init(&both);
    buffer_append_text(&both, "{% if tools is not none +%}"); /* +: the white space around stays as it is */
    append_template(&both, with_tools);
    buffer_append_text(&both, "{%+ else +%}");
    append_template(&both, usual);
    buffer_append_text(&both, "{%+ endif %}");
    bn_status status =
        both.failed ? fail_no_memory(err, both.size) : tokenizer_set_chat_template(tokenizer, both.data, err);
    buffer_release(&both);
    return status;
}

const char *bn_tokenizer_chat_template(const bn_tokenizer *tokenizer) {
    return tokenizer->chat_template;
}

void bn_free(void *pointer) {
    mem_free(pointer);
}

/* ---- decoding ---- */

static bn_status push_id(const bn_tokenizer *tokenizer, struct decoding *decoding, int32_t id, bool skip_special,
                         struct buffer *out, bn_error *err) {
    if (!has_id(tokenizer, id))
        return fail(err, BN_STATUS_BAD_ARGUMENT, "token id %d is outside the vocabulary (0 to %zu)", id,
                    tokenizer->vocabulary.size - 1);
    const struct vocabulary_token token = vocabulary_decoded(&tokenizer->vocabulary, (size_t)id);
    /* The reference knows special tokens by their spelling and shows one that decodes to another. */
    bool hidden = skip_special && token.flags & TOKEN_SPECIAL && !(token.flags & TOKEN_REWRITTEN);
    if (!token.text || hidden) return BN_OK;
    return decoding_push(decoding, &token, out, err);
}

bn_status bn_tokenizer_decode(const bn_tokenizer *tokenizer, const int32_t *ids, size_t n_ids, bool skip_special,
                              char **text, size_t *text_bytes, bn_error *err) {
    struct decoding *decoding;
    struct buffer out;
    bn_status status = decoding_create(&tokenizer->decoder, false, &decoding, err);
    if (status) return status;
    buffer_init(&out);
    for (size_t i = 0; i < n_ids && !status; i++)
        status = push_id(tokenizer, decoding, ids[i], skip_special, &out, err);
    if (!status) status = decoding_finish(decoding, &out, err);
    decoding_destroy(decoding);
    if (!status) {
        size_t size = out.size;
        char *taken = buffer_take(&out);
        if (taken) {
            *text = taken;
            *text_bytes = size;
        } else {
            status = fail_no_memory(err, size);
        }
    }
    buffer_release(&out);
    return status;
}

struct bn_decoder {
    const bn_tokenizer *tokenizer;
    struct decoding *decoding;
    bool skip_special;
    struct buffer text;
    size_t shown; /* bytes of text that the last call returned */
};

bn_status bn_decoder_create(const bn_tokenizer *tokenizer, bool skip_special, bn_decoder **out, bn_error *err) {
    bn_decoder *decoder = mem_calloc(1, sizeof *decoder);
    if (!decoder) return fail_no_memory(err, sizeof *decoder);
    decoder->tokenizer = tokenizer;
    decoder->skip_special = skip_special;
    buffer_init(&decoder->text);
    bn_status status = decoding_create(&tokenizer->decoder, true, &decoder->decoding, err);
    if (status)
        mem_free(decoder);
    else
        *out = decoder;
    return status;
}

void bn_decoder_destroy(bn_decoder *decoder) {
    if (!decoder) return;
    decoding_destroy(decoder->decoding);
    buffer_release(&decoder->text);
    mem_free(decoder);
}

static void drop_shown(bn_decoder *decoder) {
    struct buffer *text = &decoder->text;
    if (decoder->shown == 0) return;
    memmove(text->data, text->data + decoder->shown, text->size - decoder->shown);
    text->size -= decoder->shown;
    text->data[text->size] = '\0';
    decoder->shown = 0;
}

static void show(bn_decoder *decoder, const char **piece, size_t *piece_bytes) {
    decoder->shown = decoder->text.size;
    *piece = decoder->text.data ? decoder->text.data : "";
    *piece_bytes = decoder->shown;
}

/* A text that ends in U+FFFD waits too: the bytes to come may show that it was half a character. */
static bool waits(const bn_decoder *decoder) {
    const struct buffer *text = &decoder->text;
    if (decoding_waits(decoder->decoding)) return true;
    return text->size >= 3 && memcmp(text->data + text->size - 3, "\xef\xbf\xbd", 3) == 0;
}

bn_status bn_decoder_push(bn_decoder *decoder, int32_t id, const char **piece, size_t *piece_bytes, bn_error *err) {
    drop_shown(decoder);
    bn_status status = push_id(decoder->tokenizer, decoder->decoding, id, decoder->skip_special, &decoder->text, err);
    if (status) return status;
    *piece = "";
    *piece_bytes = 0;
    if (!waits(decoder)) show(decoder, piece, piece_bytes);
    return BN_OK;
}

bn_status bn_decoder_finish(bn_decoder *decoder, const char **piece, size_t *piece_bytes, bn_error *err) {
    drop_shown(decoder);
    bn_status status = decoding_finish(decoder->decoding, &decoder->text, err);
    if (status) return status;
    show(decoder, piece, piece_bytes);
    return BN_OK;
}
