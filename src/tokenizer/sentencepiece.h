/* Tokenizers that sentencepiece trained, from its .model files or out of a GGUF file: one way to put the pipeline
 * together. */
#ifndef TOKENIZER_SENTENCEPIECE_H
#define TOKENIZER_SENTENCEPIECE_H

#include "tokenizer/pipeline.h"

struct sentencepiece_spec {
    enum model_kind model; /* MODEL_BPE or MODEL_UNIGRAM */
    bool add_dummy_prefix, remove_extra_whitespaces, whitespace_as_suffix;
    bool hide_control;       /* control pieces decode to nothing */
    const uint8_t *charsmap; /* may be NULL */
    size_t charsmap_size;
    const char *unknown_surface;
    int32_t unknown_id; /* -1 for none */
};

/* The vocabulary is filled, with flags; scores[id] as in the file. Control pieces become added tokens, which are
 * found in text only where parse_special is asked for. */
bn_status sentencepiece_assemble(bn_tokenizer *tokenizer, const struct sentencepiece_spec *spec, const float *scores,
                                 bn_error *err);

/* Flags for a piece of type 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte (GGUF's numbers are the
 * same). */
uint32_t sentencepiece_flags(int64_t type);

/* Puts BOS and EOS around texts; ids -1 are left out. second_type: type id of a pair's second text. */
bn_status template_around(struct postprocessor *postprocessor, int32_t bos, int32_t eos, uint8_t second_type,
                          bn_error *err);

#endif
