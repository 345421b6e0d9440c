/* What a profile suggests to do. */
#ifndef CLI_ADVICE_H
#define CLI_ADVICE_H

#include "base/json.h"
#include "bench/profile.h"

/* Appends sentences to `advice`, each with the figures it follows from. */
void advise(json_t *advice, const bn_model *model, const struct profile *profile, const struct machine_limits *limits);

#endif
