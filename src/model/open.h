/* Opening models in other ways than bn_model_open: from memory, for tests and fuzzing; without their weights. */
#ifndef MODEL_OPEN_H
#define MODEL_OPEN_H

#include "model/weights.h"

/* The same as bn_model_open over a GGUF file's bytes, which must outlive the model. */
bn_status model_open_gguf_bytes(const uint8_t *bytes, size_t size, const bn_model_options *options, bn_model **out,
                                bn_error *err);

/* Everything but the weights: configuration, tensors as the files have them (views included), tokenizer, sampling
 * defaults. For conversion and listing; it can't run. Close with bn_model_close. */
bn_status model_open_description(const char *path, const bn_model_options *options, bn_model **out, bn_error *err);

/* generation.c: sampling defaults of a Hugging Face folder, of a GGUF file. */
void generation_init(bn_generation_defaults *defaults);
bn_status generation_from_folder(const char *folder, const json_t *config, size_t vocab_size,
                                 bn_generation_defaults *defaults, bn_error *err);
bn_status generation_from_gguf(const struct gguf *gguf, size_t vocab_size, bn_generation_defaults *defaults,
                               bn_error *err);

/* probe.c: loads the weights of a file with I2_S tensors of unnamed layout under the layout that predicts a short
 * English text best. *layout gets it, *reason a sentence about how it was decided. */
bn_status probe_i2s_layout(struct bn_model *model, struct thread_pool *pool, char *reason, size_t reason_bytes,
                           bn_error *err);

#endif
