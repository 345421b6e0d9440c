/* config.json and generation_config.json of a result in Hugging Face form. */
#ifndef CONVERT_HF_CONFIG_H
#define CONVERT_HF_CONFIG_H

#include "base/json.h"
#include "convert/plan.h"

/* From the configuration of a GGUF file, for json_decref. BN_STATUS_UNSUPPORTED names what config.json can't say. */
bn_status hf_config_make(const struct plan *plan, json_t **out, bn_error *err);
/* What the plan changed in a checkpoint's own config.json: the type of its values, how it is quantised. */
bn_status hf_config_update(const struct plan *plan, json_t *config, bn_error *err);
/* Sampling defaults and special tokens of a GGUF file. */
json_t *hf_generation_config(const bn_model *model);

#endif
