/* What kind of vectors a model was made for: embedding models say how the states of a text's tokens become one. */
#ifndef MODEL_POOLING_H
#define MODEL_POOLING_H

#include "formats/gguf.h"

/* *pooling: "mean" or "last", or NULL for a model that writes text. A way that isn't known here is an error, since vectors
 * made in another would be wrong without a sign. Nothing is to be freed. */
bn_status pooling_from_gguf(const struct gguf *gguf, const char **pooling, bn_error *err);
/* The number GGUF has for one of the two. */
size_t pooling_gguf_type(const char *pooling);
/* A folder of sentence-transformers: modules.json, and the Pooling module's config.json. */
bn_status pooling_from_folder(const char *folder, const char **pooling, bn_error *err);

#endif
