#include "analysis/estimate.h"

#include "base/memory.h"
#include "bench/model_cost.h"

uint64_t kv_bytes(const bn_model *model, bn_kv_type type, size_t context, size_t sequences) {
    bn_model_info info = {.size = sizeof info};
    bn_model_get_info(model, &info);
    uint64_t of_token = type == BN_KV_Q8_0 ? info.kv_bytes_per_token_q8_0
                                           : (uint64_t)info.kv_bytes_per_token_f16 * (type == BN_KV_F32 ? 2 : 1);
    return of_token * context * sequences;
}

size_t usual_contexts(const bn_model *model, size_t out[ESTIMATE_CONTEXTS]) {
    static const size_t usual[] = {512, 2048, 8192, 32768, 131072};
    bn_model_info info = {.size = sizeof info};
    bn_model_get_info(model, &info);
    size_t n = 0;
    for (size_t i = 0; i < sizeof usual / sizeof *usual && usual[i] < info.context_length; i++) out[n++] = usual[i];
    out[n++] = info.context_length;
    return n;
}

static double speed_limit(const bn_model *model, bn_kv_type type, const struct machine_limits *limits, size_t streams,
                          size_t position, size_t n_tokens) {
    struct model_cost cost;
    struct model_work work = {0};
    model_cost(model, type, &cost);
    model_cost_step(&cost, streams, position, n_tokens, true, &work);
    return (double)(streams * n_tokens) / roofline_seconds(&work, limits, NULL);
}

double output_speed_limit(const bn_model *model, bn_kv_type type, const struct machine_limits *limits, size_t streams,
                          size_t position) {
    return speed_limit(model, type, limits, streams, position, 1);
}

double prompt_speed_limit(const bn_model *model, bn_kv_type type, const struct machine_limits *limits,
                          size_t n_tokens) {
    return speed_limit(model, type, limits, 1, 0, n_tokens);
}
