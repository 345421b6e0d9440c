/* What running a model needs and how fast it can be, before it runs. */
#ifndef ANALYSIS_ESTIMATE_H
#define ANALYSIS_ESTIMATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bitnet/bitnet.h"
#include "kernels/limits.h"

/* Keys and values of `sequences` sequences of `context` tokens. */
uint64_t kv_bytes(const bn_model *model, bn_kv_type type, size_t context, size_t sequences); /* not of BN_KV_AUTO */

/* Usual lengths up to the model's own, which is the last; returns how many of `out` were filled. */
enum { ESTIMATE_CONTEXTS = 6 };
size_t usual_contexts(const bn_model *model, size_t out[ESTIMATE_CONTEXTS]);

/* Tokens per second that the machine's limits allow at best (bench/model_cost.h has the formula). */
double output_speed_limit(const bn_model *model, bn_kv_type type, const struct machine_limits *limits, size_t streams,
                          size_t position);
double prompt_speed_limit(const bn_model *model, bn_kv_type type, const struct machine_limits *limits, size_t n_tokens);

#endif
