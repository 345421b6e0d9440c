/* Does a model hold together? From the bytes of its file to the numbers that come out. */
#ifndef ANALYSIS_VERIFICATION_H
#define ANALYSIS_VERIFICATION_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "bitnet/bitnet.h"

enum check_verdict {
    CHECK_OK,
    CHECK_WARNING, /* it runs, but somebody should look */
    CHECK_FAILED,
    CHECK_SKIPPED, /* the model has nothing to check here, or an earlier check failed */
};

struct verification_options {
    const char *path;
    bn_model_options model;
    bn_engine_options engine; /* of the forward pass */
    /* Each check once, in order: what it's called, how it went, what was found, in a line. */
    void (*report)(void *context, const char *check, enum check_verdict verdict, const char *detail);
    /* False stops with BN_STATUS_CANCELLED. May be NULL. */
    bool (*progress)(void *context, const char *what, size_t done, size_t total);
    void *context;
};

/* The checks:
 *
 *     format         the container can be read: header, table of tensors, sizes against the file
 *     values         every tensor decodes, and no value or scale is NaN or infinite
 *     configuration  hyper-parameters are complete and consistent, the family is known
 *     shapes         every tensor that the family needs is there and has the shape it must have
 *     rows           no ternary code is damaged, no row of a matrix is all zero (a warning)
 *     tokenizer      a text comes back from encoding and decoding
 *     vocabulary     tokens and special ids lie within the rows of the embedding
 *     template       a conversation of two messages renders, and can be encoded
 *     forward        a pass through all layers gives finite logits that aren't all the same
 *
 * What a check found is for its report. An error is only that memory was out, or that it was cancelled. */
bn_status model_verify(const struct verification_options *options, bn_error *err);

#endif
