/* Ids and their texts. */
#ifndef TOKENIZER_VOCABULARY_H
#define TOKENIZER_VOCABULARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "tokenizer/token_map.h"

enum {
    TOKEN_MODEL = 1,    /* part of the model's vocabulary */
    TOKEN_ADDED = 2,    /* an added token */
    TOKEN_SPECIAL = 4,  /* left out when decoding with skip_special */
    TOKEN_END = 8,      /* ends a generation */
    TOKEN_BYTE = 16,    /* stands for one byte, <0xXX> */
    TOKEN_CONTROL = 32, /* SentencePiece: never comes out of text */
    TOKEN_UNUSED = 64,
    TOKEN_USER = 128, /* user-defined */
    TOKEN_UNKNOWN = 512,
    TOKEN_RESERVED = 1024,  /* SentencePiece: control, byte and unknown pieces aren't found as parts of a text */
    TOKEN_REWRITTEN = 2048, /* an added token that decodes to its normalized content: vocabulary.rewritten */
    TOKEN_MAY_REPEAT = 256, /* given to vocabulary_add: a text that is there already is fine, the first id keeps it */
};

/* A token as it is looked at. */
struct vocabulary_token {
    const char *text; /* NUL-terminated, in the pool; NULL: no token has this id */
    uint32_t size;
    uint32_t flags;
};

/* A token as it is kept, in memory and in compiled files. */
struct token_record {
    uint32_t text, size; /* bytes of the pool; text NO_TEXT: no token has this id */
    uint32_t flags;
};
#define NO_TEXT UINT32_MAX

/* What a REWRITTEN token decodes to. */
struct rewritten_token {
    int32_t id;
    uint32_t text, size;
};

struct vocabulary {
    struct token_record *records; /* by id */
    size_t size;                  /* highest id + 1 */
    size_t capacity;
    size_t expected; /* how many tokens the file has */
    struct text_pool texts;
    struct token_map by_text;          /* the model's own tokens */
    struct token_map added;            /* added tokens: looked at first */
    struct rewritten_token *rewritten; /* ascending ids */
    size_t n_rewritten;
    struct arena arena; /* other small strings of the tokenizer */
};

bn_status vocabulary_init(struct vocabulary *vocabulary, size_t expected, bn_error *err);
void vocabulary_release(struct vocabulary *vocabulary);
/* Copies text. An id that already has a text gets the new one only if it is an added token; ids may leave gaps, within
 * reason. A model token whose text is there already is refused. */
bn_status vocabulary_add(struct vocabulary *vocabulary, size_t id, const char *text, size_t size, uint32_t flags,
                         bn_error *err);
/* Says that a model token of this text will be added soon. */
static inline void vocabulary_prefetch(const struct vocabulary *vocabulary, const char *text, size_t size) {
    token_map_prefetch_slot(&vocabulary->by_text, token_map_hash(&vocabulary->by_text, text, size));
}
/* Remembers what the REWRITTEN token `id` decodes to. */
bn_status vocabulary_rewrite(struct vocabulary *vocabulary, int32_t id, const char *text, size_t size, bn_error *err);
/* Once everything is added: ids that come out of lookups are below size. */
void vocabulary_finish(struct vocabulary *vocabulary);

/* The token of an id, all zero for one that has none. */
static inline struct vocabulary_token vocabulary_token(const struct vocabulary *vocabulary, size_t id) {
    if (id >= vocabulary->size) return (struct vocabulary_token){0};
    const struct token_record *record = &vocabulary->records[id];
    const struct text_pool *texts = &vocabulary->texts;
    if (record->size >= texts->size || record->text >= texts->size - record->size)
        return (struct vocabulary_token){.flags = record->flags};
    return (struct vocabulary_token){texts->bytes + record->text, record->size, record->flags};
}
/* What an id decodes to. */
struct vocabulary_token vocabulary_decoded(const struct vocabulary *vocabulary, size_t id);

/* The id of a model token / of any token (added ones first), or -1. */
int32_t vocabulary_find_model(const struct vocabulary *vocabulary, const char *text, size_t size);
int32_t vocabulary_find(const struct vocabulary *vocabulary, const char *text, size_t size);
/* The byte that the text <0xXX> stands for, or -1. */
int byte_token_value(const char *text, size_t size);

#endif
