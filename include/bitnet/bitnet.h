/* The public C API of libbitnet: open a model, run it, get text. Start with examples/generate.c.
 *
 * Conventions: opaque handles; every fallible function returns a bn_status and fills an optional bn_error; sizes are
 * size_t, token ids int32_t; options structs begin with their own size, may be NULL where said so, and mean sane
 * defaults when zeroed or initialised by their _init function; the library never prints and never exits. */
#ifndef BITNET_BITNET_H
#define BITNET_BITNET_H

#include "bitnet/engine.h"
#include "bitnet/grammar.h"
#include "bitnet/model.h"
#include "bitnet/sampler.h"
#include "bitnet/status.h"
#include "bitnet/tokenizer.h"

#endif
