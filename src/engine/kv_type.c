#include "engine/kv_type.h"

#include <string.h>

static const char *const kv_type_names[] = {
    [BN_KV_AUTO] = "auto", [BN_KV_F16] = "f16", [BN_KV_F32] = "f32", [BN_KV_Q8_0] = "q8_0"};

bn_kv_type kv_type_by_name(const char *name) {
    int type = BN_KV_Q8_0;
    while (type > BN_KV_AUTO && !(name && strcmp(name, kv_type_names[type]) == 0)) type--;
    return (bn_kv_type)type;
}

const char *kv_type_name(bn_kv_type type) {
    return kv_type_names[type];
}
