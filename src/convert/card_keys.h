/* What a model's card says, as GGUF metadata. */
#ifndef CONVERT_CARD_KEYS_H
#define CONVERT_CARD_KEYS_H

#include "base/json.h"
#include "formats/gguf.h"

/* Sets general.license (with .name and .link), general.languages, general.tags and general.base_model.* as llama.cpp's converter does.
 * metadata: the object of the card's YAML; members of other types than expected, which people write, are left out. */
bn_status card_keys_set(const json_t *metadata, struct gguf_writer *writer, bn_error *err);

#endif
