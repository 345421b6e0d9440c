/* Grammars: texts that an output is held to.
 *
 * A request with a grammar chooses only tokens after which the text can still be completed to one that the grammar knows:
 * the constraint acts on the logits before anything else does, and whatever comes out validates. What can't be honoured is
 * refused when it is compiled, with a message that names the place; nothing is ever ignored. docs/structured-output.md
 * says what is supported. */
#ifndef BITNET_GRAMMAR_H
#define BITNET_GRAMMAR_H

#include <stdbool.h>
#include <stddef.h>

#include "bitnet/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A compiled grammar: immutable, independent of models, shared by threads and requests; counted. */
typedef struct bn_grammar bn_grammar;

typedef enum bn_grammar_kind {
    BN_GRAMMAR_JSON_SCHEMA, /* JSON that a schema accepts (draft 2020-12, and older ones where they don't contradict it) */
    BN_GRAMMAR_REGEX,       /* the whole text matches a regular expression (ECMAScript's syntax) */
} bn_grammar_kind;

typedef struct bn_grammar_options {
    size_t size; /* sizeof(bn_grammar_options) */
    /* JSON: every text that means a valid value, however it is written: for checking texts that came from elsewhere. Off:
     * what a generation should write, a subset (bounded white space, members in the schema's order, 1 and not 1.0). */
    bool any_form;
} bn_grammar_options;

/* options may be NULL. BN_STATUS_BAD_ARGUMENT: not well-formed. BN_STATUS_UNSUPPORTED: can't be honoured, or exceeds the
 * bounds of time and memory that hold for all grammars. */
BN_API bn_status bn_grammar_compile(bn_grammar_kind kind, const char *text, size_t text_bytes,
                                    const bn_grammar_options *options, bn_grammar **out, bn_error *err);
/* One of these texts; text_bytes may be NULL for NUL-terminated ones. */
BN_API bn_status bn_grammar_compile_choices(const char *const *texts, const size_t *text_bytes, size_t n_texts,
                                            bn_grammar **out, bn_error *err);
/* One more owner; returns it. */
BN_API bn_grammar *bn_grammar_retain(bn_grammar *grammar);
/* One owner less; the last frees it. NULL is fine. */
BN_API void bn_grammar_release(bn_grammar *grammar);

/* Is the text one the grammar knows? If not, *at (may be NULL) is the byte that can't stand where it does, or text_bytes
 * if more has to come. */
BN_API bn_status bn_grammar_accepts(bn_grammar *grammar, const char *text, size_t text_bytes, bool *accepted, size_t *at,
                                    bn_error *err);

#ifdef __cplusplus
}
#endif
#endif
