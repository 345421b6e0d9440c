/* Sizes and durations as people write them. */
#ifndef CLI_HUB_QUANTITY_H
#define CLI_HUB_QUANTITY_H

#include <stdint.h>

#include "base/error.h"

/* "1500", "10G", "1.5 GB", "512MiB": bytes (k, M, G, T are powers of 1000, with an i of 1024). `what` names the value in messages.
 * BN_STATUS_BAD_ARGUMENT. */
bn_status parse_bytes(const char *text, const char *what, uint64_t *out, bn_error *err);
/* "90s", "45m", "12h", "30d", "2w": seconds; the unit is needed. */
bn_status parse_duration(const char *text, const char *what, int64_t *seconds, bn_error *err);

#endif
