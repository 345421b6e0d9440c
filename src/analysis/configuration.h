/* The hyper-parameters of a model as named values, to put beside another's. */
#ifndef ANALYSIS_CONFIGURATION_H
#define ANALYSIS_CONFIGURATION_H

#include "base/json.h"
#include "bitnet/bitnet.h"

/* An object of texts, numbers and booleans; keys by config.json's names where it has them, and the same for files of all
 * kinds. What a family lacks is null. For json_decref; NULL when memory is out. */
json_t *configuration_json(const bn_model *model);

/* Keys whose values aren't equal in all n objects, as a list of texts in the order of the first. */
json_t *configuration_differences(json_t *const *objects, size_t n);

#endif
