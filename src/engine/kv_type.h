/* Types of cached keys and values by name. */
#ifndef ENGINE_KV_TYPE_H
#define ENGINE_KV_TYPE_H

#include "bitnet/engine.h"

/* "f16", "f32", "q8_0"; anything else, or NULL, is BN_KV_AUTO. */
bn_kv_type kv_type_by_name(const char *name);
/* "auto" for BN_KV_AUTO. */
const char *kv_type_name(bn_kv_type type);

#endif
