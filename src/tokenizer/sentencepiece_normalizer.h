/* SentencePiece's own normalizer (for .model and GGUF vocabularies): character map by longest match, white space
 * trimmed and escaped as U+2581. tokenizer.json files describe theirs in other terms: normalizer.c. */
#ifndef TOKENIZER_SENTENCEPIECE_NORMALIZER_H
#define TOKENIZER_SENTENCEPIECE_NORMALIZER_H

#include "tokenizer/text.h"

struct normalizer_step;

/* A malformed byte becomes U+FFFD. */
void sentencepiece_normalize(const struct normalizer_step *step, const struct text *text, struct text *out);

#endif
