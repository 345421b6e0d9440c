/* Choosing tokens with a screened head: from exact logits of the few ids that can matter, where the sampler can tell
 * that it would choose the same from all logits (docs/head.md). */
#ifndef ENGINE_SCREEN_H
#define ENGINE_SCREEN_H

#include "engine/engine.h"

struct screen;

/* NULL when memory is refused. */
struct screen *screen_create(size_t vocab_size);
void screen_destroy(struct screen *screen); /* or NULL */

/* Draws for the items of the plan that don't need all logits, marks those it could decide as drawn and counts. By the
 * driving thread, after the forward pass; not on the pool. */
void screen_draw(bn_engine *engine, const struct forward_options *options);

#endif
