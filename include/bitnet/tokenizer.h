/* Text ↔ token ids. */
#ifndef BITNET_TOKENIZER_H
#define BITNET_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bitnet/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A tokenizer: immutable after opening, shared by threads. */
typedef struct bn_tokenizer bn_tokenizer;

/* Opens tokenizer files: a tokenizer.json, a Hugging Face folder that has one, a folder with vocab.json and
 * merges.txt, or a GGUF file (its vocabulary). Release with bn_tokenizer_close. */
BN_API bn_status bn_tokenizer_open(const char *path, bn_tokenizer **out, bn_error *err);
BN_API void bn_tokenizer_close(bn_tokenizer *tokenizer);

typedef struct bn_encode_options {
    size_t size;        /* sizeof(bn_encode_options) */
    bool add_special;   /* put the model's BOS/EOS/template tokens around the text */
    bool parse_special; /* read special tokens' own text in the input as these tokens; off for untrusted text */
} bn_encode_options;

/* Encodes text (any bytes; invalid UTF-8 is handled as the vocabulary's reference does, for byte-level vocabularies
 * byte by byte). *ids is allocated by the library: bn_free it. options NULL: add_special and parse_special on, as
 * Hugging Face tokenizers do. Thread-safe. */
BN_API bn_status bn_tokenizer_encode(const bn_tokenizer *tokenizer, const char *text, size_t text_bytes,
                                     const bn_encode_options *options, int32_t **ids, size_t *n_ids, bn_error *err);

/* The ids of many texts: those of text i are ids[begins[i]] … ids[begins[i + 1] - 1]. */
typedef struct bn_id_batch {
    int32_t *ids;
    size_t *begins; /* [number of texts + 1] */
} bn_id_batch;

/* Encodes n_texts texts with up to n_threads threads, the caller's included (0: one per CPU this process may use, at
 * most 256). The result is the same for any number of threads, and that of bn_tokenizer_encode for each text. *out is
 * allocated by the library: bn_id_batch_release it. If texts fail, the error is that of the first one, whose number it
 * names, and *out is left alone. Thread-safe. */
BN_API bn_status bn_tokenizer_encode_batch(const bn_tokenizer *tokenizer, const char *const *texts,
                                           const size_t *text_bytes, size_t n_texts, const bn_encode_options *options,
                                           size_t n_threads, bn_id_batch *out, bn_error *err);
BN_API void bn_id_batch_release(bn_id_batch *batch);

/* A text, or a pair of them (pair NULL: none). */
typedef struct bn_encode_input {
    const char *text;
    size_t text_bytes;
    const char *pair;
    size_t pair_bytes;
} bn_encode_input;

/* An encoding with what stands beside the ids; all arrays have n entries. */
typedef struct bn_encoding {
    int32_t *ids;
    int32_t *type_ids;            /* which text a token is of, as the tokenizer's template numbers them */
    size_t (*offsets)[2];         /* [begin, end) in code points of the text or of the pair */
    uint8_t *attention_mask;      /* 0 for padding */
    uint8_t *special_tokens_mask; /* 1 for what the template or padding added */
    size_t n;
    size_t input; /* which of the inputs it belongs to */
    size_t part;  /* 0: what truncation left of it; 1, 2, …: overflowing parts */
} bn_encoding;

/* Encodes texts as Hugging Face's encode_batch does: with the truncation and padding that the tokenizer's file asks for.
 * What truncation cuts off follows its input as further encodings, each beginning `stride` tokens before the end of the
 * one before; all are filled up to the same length. *encodings is allocated by the library: bn_encodings_free it.
 * options as for bn_tokenizer_encode. Thread-safe. */
BN_API bn_status bn_tokenizer_encode_aligned(const bn_tokenizer *tokenizer, const bn_encode_input *inputs,
                                             size_t n_inputs, const bn_encode_options *options, bn_encoding **encodings,
                                             size_t *n_encodings, bn_error *err);
BN_API void bn_encodings_free(bn_encoding *encodings, size_t n_encodings);

/* Decodes ids to text; *text is NUL-terminated and allocated by the library: bn_free it. Ids outside the vocabulary
 * are an error. skip_special leaves special tokens out. Incomplete UTF-8 at the end becomes U+FFFD. */
BN_API bn_status bn_tokenizer_decode(const bn_tokenizer *tokenizer, const int32_t *ids, size_t n_ids, bool skip_special,
                                     char **text, size_t *text_bytes, bn_error *err);

/* Incremental decoding: the same text as bn_tokenizer_decode gives at once, in pieces of whole UTF-8 characters. */
typedef struct bn_decoder bn_decoder;
BN_API bn_status bn_decoder_create(const bn_tokenizer *tokenizer, bool skip_special, bn_decoder **out, bn_error *err);
BN_API void bn_decoder_destroy(bn_decoder *decoder);
/* Adds one id; *piece points at the new text (maybe empty), valid until the next call on this decoder. */
BN_API bn_status bn_decoder_push(bn_decoder *decoder, int32_t id, const char **piece, size_t *piece_bytes,
                                 bn_error *err);
/* What is left at the end: an incomplete character as U+FFFD. */
BN_API bn_status bn_decoder_finish(bn_decoder *decoder, const char **piece, size_t *piece_bytes, bn_error *err);

/* The bytes each token adds to a text when it stands between other tokens, which may be part of a character only. For
 * grammars, stop strings and healing. Special tokens add none. Immutable, shared by threads; needs the tokenizer only
 * while it is made. */
typedef struct bn_token_bytes bn_token_bytes;
BN_API bn_status bn_token_bytes_create(const bn_tokenizer *tokenizer, bn_token_bytes **out, bn_error *err);
BN_API void bn_token_bytes_destroy(bn_token_bytes *table);
/* The bytes of an id, none for one outside the vocabulary; they live as long as the table. */
BN_API const char *bn_token_bytes_get(const bn_token_bytes *table, int32_t id, size_t *n_bytes);

/* Token healing: a prompt that ends in the middle of a word ends in tokens that the model has seldom seen before what
 * comes next ("http:" as "http" ":" where "://" is one token). Finds how many of at most max_back ids at the end to take
 * back because a token goes on from their bytes: generate from the *n_kept ids before, and let the tokens that follow
 * begin with *prefix (n_prefix bytes, none where nothing is to heal; NUL-terminated, bn_free it). */
BN_API bn_status bn_token_bytes_heal(const bn_token_bytes *table, const int32_t *ids, size_t n_ids, size_t max_back,
                                     size_t *n_kept, char **prefix, size_t *n_prefix, bn_error *err);
/* Sets mask[id], one byte for each of the vocabulary, to 1 for the tokens that may come where the text has to begin with
 * prefix: those that begin with it, and those that it begins with; to 0 for the others. Returns how many may. After one
 * was chosen, what its bytes leave of the prefix is the next prefix; an empty one asks for nothing: all 0, 0. */
BN_API size_t bn_token_bytes_allow(const bn_token_bytes *table, const char *prefix, size_t n_prefix, uint8_t *mask);

/* Vocabulary: ids are 0 … size-1. */
BN_API size_t bn_tokenizer_vocab_size(const bn_tokenizer *tokenizer);
/* The token's text as the vocabulary file spells it. NULL for an id outside. Lives as long as the tokenizer. */
BN_API const char *bn_tokenizer_token(const bn_tokenizer *tokenizer, int32_t id);
BN_API bool bn_tokenizer_is_special(const bn_tokenizer *tokenizer, int32_t id);
/* The id with exactly this spelling, or -1. */
BN_API int32_t bn_tokenizer_find(const bn_tokenizer *tokenizer, const char *token);
/* -1 where the vocabulary has none. */
BN_API int32_t bn_tokenizer_bos(const bn_tokenizer *tokenizer);
BN_API int32_t bn_tokenizer_eos(const bn_tokenizer *tokenizer);
/* True for every token that ends a generation: EOS, end of turn and their kin. */
BN_API bool bn_tokenizer_is_end(const bn_tokenizer *tokenizer, int32_t id);
/* The model's chat template (Jinja), or NULL. */
BN_API const char *bn_tokenizer_chat_template(const bn_tokenizer *tokenizer);

/* Frees what the library allocated for the caller. NULL is fine. */
BN_API void bn_free(void *pointer);

#ifdef __cplusplus
}
#endif
#endif
