/* The tokenizer as the rest of the library sees it, beyond the public bitnet/tokenizer.h. */
#ifndef TOKENIZER_TOKENIZER_H
#define TOKENIZER_TOKENIZER_H

#include "base/json.h"
#include "bitnet/tokenizer.h"
#include "formats/gguf.h"

/* The vocabulary inside an open GGUF file, which must stay open while the tokenizer lives. BN_STATUS_NOT_FOUND when the
 * file has none. `notice` (may be NULL) gets lines a person should see, e.g. a missing tokenizer.ggml.pre and what was
 * detected instead, or a cache that can't be written. Compiled, in the file or in the cache, it is taken from there. */
bn_status tokenizer_from_gguf(const struct gguf *gguf, void (*notice)(void *context, const char *line),
                              void *notice_context, bn_tokenizer **out, bn_error *err);
/* The same, read from the vocabulary's entries, which are checked that way, in any case. */
bn_status tokenizer_read_gguf(const struct gguf *gguf, void (*notice)(void *context, const char *line),
                              void *notice_context, bn_tokenizer **out, bn_error *err);
/* A Hugging Face folder: tokenizer.json (or vocab.json + merges.txt), with tokenizer_config.json,
 * special_tokens_map.json and chat_template.jinja honoured. */
bn_status tokenizer_from_folder(const char *folder, bn_tokenizer **out, bn_error *err);
/* A tokenizer.json given as text. For fuzzing and tests. */
bn_status tokenizer_from_json(const char *text, size_t size, const char *name, bn_tokenizer **out, bn_error *err);

/* What kind of file or folder bn_tokenizer_open would read at path: "tokenizer.json", "GGUF", "SentencePiece" … */
bn_status tokenizer_form(const char *path, const char **form, bn_error *err);

/* bn_tokenizer_encode for a text in which special tokens' text is only text at some places (added_tokens.h). */
struct literal_places;
bn_status tokenizer_encode_literal(const bn_tokenizer *tokenizer, const char *text, size_t text_bytes,
                                   const struct literal_places *literal, const bn_encode_options *options,
                                   int32_t **ids, size_t *n_ids, bn_error *err);

/* Gives a vocabulary without a chat template this one. */
bn_status tokenizer_set_chat_template(bn_tokenizer *tokenizer, const char *text, bn_error *err);
/* The same where there is another one for conversations with tools: one template that is both. Either may be NULL. */
bn_status tokenizer_set_chat_templates(bn_tokenizer *tokenizer, const char *usual, const char *with_tools,
                                       bn_error *err);

/* Does the vocabulary's reference look for special tokens in texts unless told otherwise? Hugging Face and BERT do;
 * sentencepiece and mistral-common never do. The default for encode_request.parse_special. */
bool tokenizer_parses_special(const bn_tokenizer *tokenizer);

/* Offsets beside ids: [begin, end) in code points of the input text; type ids of pairs. */
struct encoding {
    int32_t *ids;
    int32_t *type_ids;
    size_t (*offsets)[2];
    size_t n;
};
struct encode_request {
    const char *text;
    size_t text_bytes;
    const char *pair; /* NULL = none */
    size_t pair_bytes;
    bool add_special;
    bool parse_special;
};
bn_status tokenizer_encode(const bn_tokenizer *tokenizer, const struct encode_request *request, struct encoding *out,
                           bn_error *err);
void encoding_release(struct encoding *encoding);

#endif
